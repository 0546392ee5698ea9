"""``wfworker top``: the fleet, live, until somebody has seen enough.

Owns the rhythm, and which way of showing it fits what it is shown on. Redis being away
is something to show, never an end.
"""

from __future__ import annotations

import json
import math
import sys
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.live import Live

from workflow_worker.cli.connected import connected
from workflow_worker.cli.main import sentence, status_of
from workflow_worker.cli.options import examples, json_option, settings_options
from workflow_worker.cli.status import place
from workflow_worker.cli.status_report import as_text
from workflow_worker.cli.top_screen import frame, seen
from workflow_worker.cli.top_terminal import Came, Keyboard
from workflow_worker.clock import monotonic, sleep, timestamp
from workflow_worker.errors import WorkflowWorkerError

if TYPE_CHECKING:
    from workflow_worker.client import Client, Fleet

SHORTEST, LONGEST = 0.1, 86_400.0
PATIENCE = 2.0
"""Seconds for Redis to answer; a key waits as long."""
EXAMPLES = examples(
    "wfworker top",
    "wfworker top --interval 5",
    "wfworker top --json --count 1",
    "NO_COLOR=1 wfworker top",
)

reaches_redis = settings_options("redis_url", "workflow_namespace")


def pause(text: str) -> float:
    """Read an interval, as the type of an option.

    Raises:
        BadParameter: it is none.
    """
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not SHORTEST <= found <= LONGEST:
        raise click.BadParameter(f"{text!r} is no number of seconds from 0.1 to 86400.")
    return found


@click.command("top", epilog=EXAMPLES)
@click.option("--interval", type=pause, default="1", help="Seconds between looks; 1.")
@click.option("--count", type=click.IntRange(min=1), help="End after so many looks.")
@reaches_redis
@json_option
def command(
    interval: float, count: int | None, as_json: bool, **flags: str | None
) -> None:
    """Watch every instance, its workers and what they do; q or Ctrl-C ends it.

    Without a terminal, or on one that can't do more, one look is printed below the
    other; with --json, each as an object on a line of its own. With --count, exit
    status 3 if Redis could not be reached for the last one.
    """
    console = Console(highlight=False)
    with connected(flags, PATIENCE) as client:
        look = Look(client, place(flags))
        if as_json or not sys.stdout.isatty() or console.is_dumb_terminal:
            done = _print(look, interval, count, as_json=as_json)
        else:
            done = _watch(look, interval, count, console)
    click.get_current_context().exit(look.status if done else 0)


class Look:
    """What was seen last.

    Attributes:
        fleet: None before it ever was.
        away: why it can't be seen now; empty if it can.
        status: exit status that stands for that.
        place: where that is.
    """

    def __init__(self, client: Client, place: str) -> None:
        self._client = client
        self.place = place
        self.fleet: Fleet | None = None
        self.away = ""
        self.status = 0

    def again(self) -> None:
        """Look once more."""
        try:
            self.fleet = self._client.fleet()
            self.away, self.status = "", 0
        except WorkflowWorkerError as error:
            self.away, self.status = sentence(error), status_of(error)

    def as_json(self) -> str:
        """Return what was seen just now as a line."""
        if self.away or not self.fleet:
            return json.dumps({"timestamp": timestamp(), "error": self.away})
        return json.dumps(self.fleet.as_object())

    def as_text(self) -> str:
        """Return what was seen just now for people."""
        if self.away or not self.fleet:
            return f"{timestamp()}  {self.place}\n{self.away}\n"
        return f"{seen(self.fleet)}  {self.place}\n{as_text(self.fleet, self.place)}\n"


def _print(look: Look, interval: float, count: int | None, *, as_json: bool) -> bool:
    """Print one look below the other; True if there were so many, False on Ctrl-C."""
    looks = 0
    try:
        while True:
            look.again()
            click.echo(look.as_json() if as_json else look.as_text())
            looks += 1
            if looks == count:
                return True
            sleep(interval)
    except KeyboardInterrupt:
        return False


def _watch(look: Look, interval: float, count: int | None, console: Console) -> bool:
    """Show it on the terminal's other screen; True if there were so many looks."""
    live = Live(
        console=console,
        screen=True,
        auto_refresh=False,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    looks = 0
    with Keyboard() as keyboard, live:
        while True:
            due = monotonic() + interval
            look.again()
            looks += 1
            if not _show(look, live, keyboard, due):
                return False
            if looks == count:
                return True


def _show(look: Look, live: Live, keyboard: Keyboard, due: float) -> bool:
    """Show a look until the next one is due; False if somebody has seen enough."""
    while True:
        size = live.console.size
        shown = frame(look.fleet, look.place, look.away, size.width, size.height)
        live.update(shown, refresh=True)
        came = keyboard.wait(due - monotonic())
        if came is Came.STOP:
            live.stop()
            keyboard.pause()
            live.start()
        elif came is not Came.SIZE:
            return came is Came.TIME
