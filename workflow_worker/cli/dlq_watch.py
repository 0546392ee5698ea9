"""Watching a call that may take long, and stopping it.

Owns that what was done is told, however the call ends, and that Ctrl-C ends it between
two steps, never inside of one.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Self

import click

from workflow_worker.cli.dlq_report import as_summary

if TYPE_CHECKING:
    from workflow_worker.client import Handled

PAUSED = "waiting for the workers: a thousand events are in the stream"


class Watched:
    """Tells how far a call is where a person looks on, and at its end what it did.

    Args:
        verb: what is done: ``retried``.
        executions: what becomes of executions: ``going on``.
        total: counts the letters that are meant; asked only if somebody looks on.
    """

    def __init__(self, verb: str, executions: str, total: Callable[[], int]) -> None:
        self._verb = verb
        self._executions = executions
        self._live = sys.stderr.isatty()
        self._total = total() if self._live else 0
        self._done: Handled | None = None
        self._said = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._done is None:
            return
        if self._live and self._said:
            click.echo("", err=True)
        click.echo(as_summary(self._done, self._verb, self._executions))

    def tell(self, done: Handled) -> None:
        """Take note of how far it is, and say so."""
        self._done = done
        state = f"{done.letters} of {self._total} {self._verb}"
        if self._live:
            line = f"{state}, {PAUSED}" if done.paused else state
            click.echo(f"\r\x1b[K{line}", nl=False, err=True)
            self._said = True
        elif done.paused and not self._said:
            click.echo(PAUSED, err=True)
            self._said = True


@contextmanager
def stopped_by_interrupt() -> Iterator[threading.Event]:
    """Give an event that the first Ctrl-C sets; a second one ends the process."""
    stop = threading.Event()
    before = signal.getsignal(signal.SIGINT)

    def heard(_number: int, _frame: FrameType | None) -> None:
        stop.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, heard)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


def confirmed(question: str) -> bool:
    """Ask a person, who may answer with Ctrl-C too."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return click.confirm(question, err=True)
    finally:
        signal.signal(signal.SIGINT, before)
