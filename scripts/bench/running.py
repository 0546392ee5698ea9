"""Processes of one contender: started, watched, measured, and ended, whatever happens.

Every wait has a limit, and nothing that was started outlives its block.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import psutil

from contenders import Contender
from environments import Environment
from server import Server
from tracks import MeasurementError, Track
from workflow_worker.embedded import follow

HERE = Path(__file__).resolve().parent
PRODUCER_LIMIT = 180.0
"""Seconds that a producer may take for all it has to publish."""
END_LIMIT = 10.0
SHOWN = 2_000
"""Characters of a log that a failure quotes: of SQL, too, what is said before it."""


@dataclass(frozen=True)
class Stage:
    """Where a measurement happens: contender, empty server, folder of its own."""

    contender: Contender
    environment: Environment
    server: Server
    folder: Path
    iterations: int
    extra: Mapping[str, str]

    @property
    def track(self) -> Track:
        """The marks made here."""
        return Track(self.folder / "marks")

    def filled(self, text: str) -> str:
        """Return an argument with its places filled in."""
        return text.format(
            python=self.environment.python,
            bin=self.environment.python.parent,
            port=self.server.port,
            url=self.server.url,
            folder=self.folder,
        )

    def env(self) -> dict[str, str]:
        """Return the variables of its processes."""
        mine = {**self.contender.env, **self.extra}
        return {
            **os.environ,
            "PYTHONPATH": str(HERE),
            "PYTHONUNBUFFERED": "1",
            "BENCH_MARKS": str(self.folder / "marks"),
            "BENCH_ITERATIONS": str(self.iterations),
            "BENCH_URL": self.server.url,
            **{name: self.filled(value) for name, value in mine.items()},
        }

    def log(self) -> str:
        """Return the last words of the workers, on one line."""
        text = (self.folder / "log").read_text("utf-8", "replace")
        return " ".join(text[-SHOWN:].split())


class Workers:
    """The worker processes of a stage, as a context manager."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.started_ns = 0
        self._leaders: list[subprocess.Popen[bytes]] = []
        self._known: dict[int, psutil.Process] = {}

    def __enter__(self) -> Self:
        """Start all command lines at once."""
        stage = self._stage
        self.started_ns = time.monotonic_ns()
        with (stage.folder / "log").open("ab") as log:
            for command in stage.contender.commands:
                self._leaders.append(
                    subprocess.Popen(
                        [stage.filled(word) for word in command],
                        cwd=stage.folder,
                        env=stage.env(),
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=log,
                        start_new_session=True,
                        preexec_fn=follow(os.getpid(), signal.SIGKILL),  # noqa: PLW1509 - one thread
                    )
                )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Kill them all: the server is emptied anyway, and peers take long to drain."""
        family = self.family()
        for leader in self._leaders:
            with suppress(ProcessLookupError):
                os.killpg(leader.pid, signal.SIGKILL)
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        for leader in self._leaders:
            leader.wait(END_LIMIT)
        psutil.wait_procs(family, END_LIMIT)

    def alive(self) -> None:
        """Raise if a command line has ended by itself.

        Raises:
            MeasurementError: with its last words.
        """
        for leader in self._leaders:
            if leader.poll() is not None:
                status, last = leader.returncode, self._stage.log()
                raise MeasurementError(f"a worker ended with status {status}: {last}")

    def family(self) -> list[psutil.Process]:
        """Return all living processes, and remember them."""
        for leader in self._leaders:
            for pid in (leader.pid, *_below(leader.pid)):
                if pid not in self._known:
                    with suppress(psutil.NoSuchProcess):
                        self._known[pid] = psutil.Process(pid)
        self._known = {
            pid: process for pid, process in self._known.items() if process.is_running()
        }
        return list(self._known.values())

    def cpu(self) -> float:
        """Return the seconds of processor time they took, reaped children included."""
        return sum(map(_cpu, self.family()))

    def resident(self) -> dict[int, int]:
        """Return the resident bytes of each process."""
        sizes = {}
        for process in self.family():
            with suppress(psutil.NoSuchProcess):
                sizes[process.pid] = process.memory_info().rss
        return sizes


def _below(pid: int) -> list[int]:
    """Return the descendants of a process."""
    if sys.platform != "linux":
        with suppress(psutil.NoSuchProcess):
            return [each.pid for each in psutil.Process(pid).children(recursive=True)]
        return []
    # Not by psutil: it reads every process there is, in the middle of a drain.
    found = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, path.read_text("ascii").split()):
                found += [child, *_below(child)]
    return found


def _cpu(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
        own = times.user + times.system
        if sys.platform == "linux":
            # Nanoseconds where the above has hundredths: the clock of a process, as
            # clock_getcpuclockid(3) makes it of the process id.
            own = time.clock_gettime(~process.pid << 3 | 2)
    except (psutil.NoSuchProcess, OSError):
        return 0.0
    return float(own + times.children_user + times.children_system)


def cpu_of(pids: set[int]) -> float:
    """Return the seconds of processor time that these processes took."""
    total = 0.0
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            total += _cpu(psutil.Process(pid))
    return total


def threads_of(pids: set[int]) -> dict[str, float]:
    """Return the seconds of processor time by kind of thread, of all these processes.

    Kinds are names without numbers; the main thread of a process is ``main``.
    """
    found: dict[str, float] = {}
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").glob("*"):
            with suppress(OSError):
                name = (task / "comm").read_text("utf-8").strip().rstrip("-0123456789")
                kind = "main" if task.name == str(pid) else name
                ran_ns = (task / "schedstat").read_text("ascii").split()[0]
                found[kind] = found.get(kind, 0.0) + int(ran_ns) / 1e9
    return found


@contextmanager
def producer(stage: Stage, *arguments: str) -> Iterator[Producer]:
    """Start a producer and wait until it is ready to publish.

    Raises:
        MeasurementError: it does not get ready, or does not finish.
    """
    module = stage.contender.module
    with (stage.folder / "log").open("ab") as log:
        process = subprocess.Popen(
            [str(stage.environment.python), "-m", module, *arguments],
            cwd=stage.folder,
            env=stage.env(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
            preexec_fn=follow(os.getpid(), signal.SIGKILL),  # noqa: PLW1509 - one thread
            bufsize=0,  # select must see every line that came
        )
    try:
        started = Producer(stage, process)
        started.hear(b"ready")
        yield started
    finally:
        process.kill()
        process.communicate()


class Producer:
    """A producer that is ready."""

    def __init__(self, stage: Stage, process: subprocess.Popen[bytes]) -> None:
        self._stage = stage
        self._process = process

    def go(self) -> None:
        """Let it begin."""
        _pipe(self._process.stdin).write(b"\n")
        _pipe(self._process.stdin).flush()

    def finished(self) -> None:
        """Wait for its end.

        Raises:
            MeasurementError: it did not come.
        """
        self.hear(b"done")

    def hear(self, word: bytes) -> None:
        """Wait until it says a word; other lines that libraries print are passed over.

        Raises:
            MeasurementError: it ended or took too long.
        """
        deadline = time.monotonic() + PRODUCER_LIMIT
        pipe = _pipe(self._process.stdout)
        while select.select([pipe], [], [], max(deadline - time.monotonic(), 0))[0]:
            line = pipe.readline()
            if line.strip() == word:
                return
            if not line:
                raise MeasurementError(f"the producer ended early: {self._stage.log()}")
        raise MeasurementError(
            f"the producer did not say {word.decode()} in {PRODUCER_LIMIT:g} s"
        )


def publish(stage: Stage, task: str, count: int, first: int = 0) -> None:
    """Enqueue many and wait until they are.

    Raises:
        MeasurementError: the producer failed.
    """
    with producer(stage, "publish", task, str(first), str(count)) as one:
        one.go()
        one.finished()


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise ValueError("the producer was started without pipes")
    return stream
