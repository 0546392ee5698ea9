"""What differs from run to run, recorded: the time, chance, and which code this is."""

from __future__ import annotations

from datetime import datetime

from workflow_worker import codec
from workflow_worker.errors import InvalidPayload
from workflow_worker.runtime.durations import at
from workflow_worker.runtime.journal import NOW, PATCH, RANDOM, UUID
from workflow_worker.runtime.run import Run


def now(run: Run) -> datetime:
    """Return the time, to the ms."""
    entry = run.step(NOW, "")
    if entry is None:
        entry = run.keep(NOW, "", b"%d" % run.effects.now_ms())
    return at(codec.decode(entry.result, int, "a recorded time"))


def random(run: Run) -> float:
    """Return a random number from 0 to below 1."""
    entry = run.step(RANDOM, "")
    if entry is None:
        number = codec.encode(run.effects.random(), "a random number")
        entry = run.keep(RANDOM, "", number)
    found: float = codec.decode(entry.result, float, "a recorded number")
    return found


def uuid(run: Run) -> codec.UUID:
    """Return a random UUID."""
    entry = run.step(UUID, "")
    if entry is None:
        entry = run.keep(UUID, "", codec.encode(run.effects.uuid(), "a UUID"))
    found: codec.UUID = codec.decode(entry.result, codec.UUID, "a recorded UUID")
    return found


def patched(run: Run, patch: str) -> bool:
    """Tell whether this execution takes the path of a patch; recorded if it does.

    Raises:
        InvalidPayload: the patch's id is no text, or empty.
    """
    if not codec.require_text(patch, "the id of a patch"):
        raise InvalidPayload("a patch needs an id")
    run.require_open()
    known = run.history.patched(patch)
    if known is None:
        run.history.patch(patch)
        run.keep(PATCH, patch)
        return True
    return known
