"""A service whose workers are a few lines: the supervisor's tests run it as a program.

``python -m tests.functional.supervisor.standin FOLDER [reload]``. In FOLDER,
``settings.json`` holds the settings and ``plan`` what the workers do: work, slow (a
drain ends when the file ``release`` is there), late (ready only then), stubborn (never
drains), crash, exit, refuse. Plans for the first worker of slot 0 alone: overdue (an
action takes too long), gil (it also keeps the interpreter), extended, cleared, torn (it
would, but for that), lingers (overdue once it drains), silent (it keeps the interpreter
and shows no deadline), stopped (by SIGSTOP), grows (by 200 MB). For all: eager (does
ten events a second). What happened is left there:
``service.json``, ``births.jsonl``, ``outlived`` by those who outlived their deadline
and, at the end, ``modules.json``.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import socket
import sys
import threading
import time
from pathlib import Path

from workflow_worker.board import Slot
from workflow_worker.model import Predecessor
from workflow_worker.settings import Settings
from workflow_worker.supervisor.service import WorkerService

FOLDER = Path(sys.argv[1])
SOON = 0.3
"""Seconds until a deadline."""
OUTLIVED = 2.5
"""Seconds after which it must have been found, with the master's pulse to spare."""


def worker(
    settings: Settings,
    slot: Slot,
    slot_index: int,
    instance: str,
    predecessors: tuple[Predecessor, ...],
    orphaned_fd: int,
) -> int:
    consumer = f"{instance}.{slot_index}.{os.getpid()}"
    plan = (FOLDER / "plan").read_text()
    slot.begin(consumer)
    born(consumer, slot_index, predecessors, settings, plan)
    if plan == "refuse":
        return 4
    if plan == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if plan == "exit":
        return 3
    read_fd, write_fd = os.pipe()
    os.set_blocking(write_fd, False)
    signal.set_wakeup_fd(write_fd)
    signal.signal(signal.SIGTERM, lambda *_: None)
    slot.add(succeeded=1)
    slot.lane(0).start(7, slot_index, 1, b"orders", b"0-7-0.orders")
    while plan == "late" and not (FOLDER / "release").exists():
        slot.beat()
        time.sleep(0.01)
    slot.ready()
    if plan in HARD and slot_index == 0 and not predecessors:
        HARD[plan](slot)
    beat_until(slot, read_fd, orphaned_fd, events=plan == "eager")
    slot.draining()
    if plan == "lingers" and slot_index == 0:
        overdue(slot)
    while plan == "stubborn" or (plan == "slow" and not (FOLDER / "release").exists()):
        slot.beat()
        time.sleep(0.01)
    slot.lane(0).clear()
    slot.stopped()
    return 0


def overdue(slot: Slot) -> None:
    """Run an action beside its workflow for too long, and two innocents."""
    soon = time.monotonic() + SOON
    slot.lane(0).start(7, 0, 1, b"orders", b"0-7-0.orders", soon + 600)
    slot.lane(1).start(8, 0, 1, b"orders", b"0-8-0.orders")
    slot.lane(2).start(7, 0, 1, b"orders", b"0-7-0.orders", soon + 600)
    slot.lane(2).acting(b"charge", 3, soon)
    slot.lane(3).start(9, 0, 1, b"orders", b"0-9-0.orders", soon + 600)
    while True:
        slot.beat()
        time.sleep(0.01)


def gil(slot: Slot) -> None:
    slot.lane(0).acting(b"charge", 3, time.monotonic() + SOON)
    ctypes.PyDLL(None).sleep(60)


def silent(slot: Slot) -> None:
    # Beside the main thread: the signal that asks for stacks would end its sleep.
    holder = threading.Thread(target=hold_the_interpreter)
    holder.start()
    holder.join()


def hold_the_interpreter() -> None:
    ctypes.PyDLL(None).sleep(60)


def stopped(slot: Slot) -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def grows(slot: Slot) -> None:
    if not (FOLDER / "grown").exists():
        (FOLDER / "grown").touch()
        HOARD.append(b"x" * (200 << 20))


def extended(slot: Slot) -> None:
    end = time.monotonic() + OUTLIVED
    slot.lane(0).acting(b"charge", 3, time.monotonic() + SOON)
    # A machine that stands still for ten seconds would be taken for a hung action.
    slot.lane(0).extend(time.monotonic() + 10)
    outlive(slot, end)


def cleared(slot: Slot) -> None:
    slot.lane(0).acting(b"charge", 3, time.monotonic() + SOON)
    slot.lane(0).clear()
    outlive(slot, time.monotonic() + OUTLIVED)


def torn(slot: Slot) -> None:
    lane = slot.lane(0)
    lane._ints[lane._word] += 1
    lane.extend(time.monotonic() + SOON)
    outlive(slot, time.monotonic() + OUTLIVED)
    lane.extend(0.0)
    lane._ints[lane._word] += 1


def outlive(slot: Slot, end: float) -> None:
    while time.monotonic() < end:
        slot.beat()
        time.sleep(0.01)
    (FOLDER / "outlived").touch()


HARD = {"overdue": overdue, "gil": gil, "extended": extended, "cleared": cleared}
HARD |= {"torn": torn, "silent": silent, "stopped": stopped, "grows": grows}
HOARD: list[bytes] = []


def beat_until(slot: Slot, *fds: int, events: bool = False) -> None:
    poll = select.poll()
    for fd in fds:
        poll.register(fd, select.POLLIN)
    while not poll.poll(100):
        slot.beat()
        slot.add(succeeded=events)


def born(
    consumer: str,
    slot: int,
    predecessors: tuple[Predecessor, ...],
    settings: Settings,
    plan: str,
) -> None:
    row = {
        "plan": plan,
        "pid": os.getpid(),
        "slot": slot,
        "consumer": consumer,
        "log_level": settings.log_level,
        "predecessors": [
            {
                "consumer": p.consumer,
                "started": p.started,
                "ordered": p.ordered,
                "exit": p.exit,
                "overdue": [[o.entry, o.ordinal, o.action] for o in p.overdue],
            }
            for p in predecessors
        ],
    }
    with (FOLDER / "births.jsonl").open("a") as births:
        births.write(json.dumps(row) + "\n")


def load_settings() -> Settings:
    return Settings(**json.loads((FOLDER / "settings.json").read_text()))


def main() -> int:
    listener = socket.create_server(("127.0.0.1", 0))
    about = {"pid": os.getpid(), "port": listener.getsockname()[1]}
    (FOLDER / "service.tmp").write_text(json.dumps(about))
    (FOLDER / "service.tmp").rename(FOLDER / "service.json")
    service = WorkerService(
        load_settings(),
        listener=listener,
        reload="reload" in sys.argv,
        load_settings=load_settings,
        worker_main=worker,
    )
    status = service.run()
    (FOLDER / "modules.json").write_text(json.dumps(sorted(sys.modules)))
    return status


if __name__ == "__main__":
    sys.exit(main())
