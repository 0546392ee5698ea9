"""The Lua scripts: loaded once, called by digest, sent whole where the server forgot.

A script may name parts to stand in front of it (``--include keys fence``). Everything
that writes to Redis goes through :func:`run`.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from importlib import resources

from redis.exceptions import NoScriptError

from workflow_worker.broker.connection import Link, Reply
from workflow_worker.broker.keys import Partition

_INCLUDE = re.compile(r"^--include (.+)$", re.MULTILINE)


@cache
def source(name: str) -> str:
    """Return the text of ``lua/<name>.lua`` with its parts put in.

    Every line keeps its sense in an error message: comments are not stripped.
    """
    folder = resources.files("workflow_worker.broker") / "lua"

    def parts(found: re.Match[str]) -> str:
        names = found.group(1).split()
        return "\n".join(
            (folder / "parts" / f"{part}.lua").read_text("utf-8") for part in names
        )

    return _INCLUDE.sub(parts, (folder / f"{name}.lua").read_text("utf-8"))


@cache
def digest(name: str) -> str:
    """Return the SHA-1 the server knows the script by."""
    return hashlib.sha1(source(name).encode(), usedforsecurity=False).hexdigest()


def run(
    link: Link, name: str, partition: Partition, *values: str | bytes | int
) -> Reply:
    """Run one script on one partition.

    A server that was restarted or failed over forgot its scripts and says so before
    doing anything: then the text is sent.

    Raises:
        Unavailable, OutcomeUnknown, Rejected, ResponseError: see :meth:`Link.call`.
    """
    prefix = partition.prefix
    try:
        return link.call("EVALSHA", digest(name), 1, prefix, *values)
    except NoScriptError:
        return link.call("EVAL", source(name), 1, prefix, *values)
