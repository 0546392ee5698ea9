"""The Lua scripts: loaded once, called by digest, sent whole where the server forgot.

A line ``--include keys fence`` stands for these parts, which may include others. The
server declares every function of a script anew with each call, which can take longer
than the call's own work: what only some calls need is included behind a return, or
within an ``if``.
Everything that writes to Redis goes through :func:`run`.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from importlib import resources

from redis.exceptions import NoScriptError

from workflow_worker.broker.connection import Link, Reply
from workflow_worker.broker.keys import Partition
from workflow_worker.errors import OutcomeUnknown, Rejected, Unavailable

_INCLUDE = re.compile(r"^--include (.+)$", re.MULTILINE)


_CLOCK = "local AHEAD_MS = 0"
_FOLDER = resources.files("workflow_worker.broker") / "lua"


def _parts(found: re.Match[str]) -> str:
    """Return the parts a line names, with those that they name themselves."""
    texts = (
        (_FOLDER / "parts" / f"{part}.lua").read_text("utf-8")
        for part in found.group(1).split()
    )
    return "\n".join(_INCLUDE.sub(_parts, text) for text in texts)


@cache
def source(name: str, ahead_ms: int = 0) -> str:
    """Return the text of ``lua/<name>.lua`` with its parts put in.

    Every line keeps its sense in an error message: comments are not stripped.
    """
    text = _INCLUDE.sub(_parts, (_FOLDER / f"{name}.lua").read_text("utf-8"))
    return text.replace(_CLOCK, f"local AHEAD_MS = {ahead_ms}", 1)


@cache
def digest(name: str, ahead_ms: int = 0) -> str:
    """Return the SHA-1 the server knows the script by."""
    text = source(name, ahead_ms).encode()
    return hashlib.sha1(text, usedforsecurity=False).hexdigest()


def run(
    link: Link, name: str, partition: Partition, *values: str | bytes | int
) -> Reply:
    """Run one script on one partition.

    A server that was restarted or failed over forgot its scripts and says so before
    doing anything: then the text is sent.

    Raises:
        Unavailable, OutcomeUnknown, Rejected, ResponseError: see :meth:`Link.call`.
    """
    return _run(link, name, partition.prefix, partition.ahead_ms, *values)


def run_twice(
    link: Link, name: str, partition: Partition, *values: str | bytes | int
) -> tuple[Reply, bool]:
    """Run a script that does no harm a second time; again, if the answer is lost.

    Returns:
        The answer, and whether it is that of the second call.

    Raises:
        Unavailable, Rejected: it did not run.
        OutcomeUnknown: the answer was lost, and no second call had one: it may have
            run.
    """
    try:
        return run(link, name, partition, *values), False
    except OutcomeUnknown as unknown:
        try:
            return run(link, name, partition, *values), True
        except (Unavailable, Rejected) as error:
            # That the second did not run says nothing of the first.
            raise OutcomeUnknown(str(error)) from unknown


def command(
    name: str, partition: Partition, *values: str | bytes | int
) -> tuple[str | bytes | int, ...]:
    """Return what :func:`run` sends first, for who sends it with something else."""
    ahead_ms = partition.ahead_ms
    return "EVALSHA", digest(name, ahead_ms), 1, partition.prefix, *values


def run_for_fleet(
    link: Link, name: str, partition: Partition, *values: str | bytes | int
) -> Reply:
    """Run one script on the keys of the whole; else like :func:`run`."""
    return _run(link, name, partition.fleet, partition.ahead_ms, *values)


def _run(
    link: Link, name: str, prefix: str, ahead_ms: int, *values: str | bytes | int
) -> Reply:
    try:
        return link.call("EVALSHA", digest(name, ahead_ms), 1, prefix, *values)
    except NoScriptError:
        return link.call("EVAL", source(name, ahead_ms), 1, prefix, *values)
