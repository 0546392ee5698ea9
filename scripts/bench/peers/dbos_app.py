"""DBOS on SQLite: workflows from a queue, five steps each, and some that wait.

BENCH_JOURNAL=wal is the second set-up: SQLite's write-ahead log, which survives a
killed process but not always a power cut, as a server's log written every second does.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy
from dbos import DBOS, DBOSClient, DBOSConfig, SendMessage

from marks import BEGUN, mark, produce

DATABASE = Path("dbos.sqlite")
"""In the working directory."""
URL = f"sqlite:///{DATABASE}"
WAL = os.environ.get("BENCH_JOURNAL") == "wal"
ONE = {"pool_size": 1, "max_overflow": 0}
"""Threads queue for a connection rather than for SQLite's lock, which is polled."""
VERSION = "bench"
POLL = float(os.environ.get("BENCH_POLL", "0.05"))
TRIES = 1_000
"""Of a producer's writes: for most of a minute, as five seconds were once too few."""
PRODUCER = "producer"
WORK, WAITING = "work", "waiting"
"""Queues: one with as many in flight as everybody, one for what only waits."""


@DBOS.step()
def step(number: int) -> int:
    return number


@DBOS.workflow()
def five(number: int) -> None:
    for each in range(5):
        step(each)
    mark(number)


@DBOS.workflow()
async def roundtrip(number: int) -> None:
    mark(number, BEGUN)
    await DBOS.recv_async(timeout_seconds=600)
    mark(number)


def engine() -> sqlalchemy.Engine:
    """Return what DBOS would make of the URL itself, with the journal asked for."""
    made = sqlalchemy.create_engine(URL, **(ONE if WAL else {}))

    @sqlalchemy.event.listens_for(made, "connect")
    def set_up(connection: Any, record: Any) -> None:
        connection.isolation_level = "IMMEDIATE"
        connection.execute("PRAGMA busy_timeout=30000")
        connection.execute("PRAGMA foreign_keys=ON")
        if WAL:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")

    return made


def patiently(write: Callable[..., None]) -> Callable[..., None]:
    """Have a producer try again while executors hold SQLite's lock; a write has ids."""

    def wrapped(*args: Any) -> None:
        left = TRIES
        while True:
            try:
                write(*args)
            except sqlalchemy.exc.OperationalError:
                left -= 1
                if not left:
                    raise
                time.sleep(POLL)
            else:
                return

    return wrapped


def launch(executor: str) -> None:
    config: DBOSConfig = {
        "name": "bench",
        "system_database_url": URL,
        "executor_id": executor,
        "application_version": VERSION,
        "log_level": "WARNING",
        "notification_listener_polling_interval_sec": POLL,
    }
    if WAL:
        config["system_database_engine"] = engine()
    DBOS(config=config)
    if executor == PRODUCER:
        DBOS.listen_queues([])
    DBOS.launch()
    DBOS.register_queue(WORK, worker_concurrency=5, polling_interval_sec=POLL)
    DBOS.register_queue(WAITING, polling_interval_sec=POLL)


def main() -> None:
    """Be a worker, or a producer: a client of the database that a launch has made."""
    if sys.argv[1] == "serve":
        launch(sys.argv[2])
        threading.Event().wait()  # until it is killed
    if not DATABASE.exists():
        launch(PRODUCER)
        DBOS.destroy()
    database = engine()
    client = DBOSClient(system_database_engine=database, application_name="bench")

    @patiently
    def publish(task: str, first: int, count: int) -> None:
        """Enqueue or send all of them in one transaction."""
        numbers = range(first, first + count)
        if task == "signal":
            client.send_bulk([SendMessage(str(number), number) for number in numbers])
            return
        with database.begin() as connection:
            for number in numbers:
                client.enqueue_in_transaction(
                    connection, _options(task, number), number
                )

    @patiently
    def send(task: str, number: int) -> None:
        if task == "signal":
            client.send(str(number), number)
        else:
            client.enqueue(_options(task, number), number)

    produce(publish, send)


def _options(task: str, number: int) -> Any:
    return {
        "workflow_name": task,
        "queue_name": WORK if task == "five" else WAITING,
        "workflow_id": str(number),
        "app_version": VERSION,
    }


if __name__ == "__main__":
    main()
