"""What the death of a worker says of the events it held.

Owns whom it counts against, and what those who run the same again are told of it.
"""

from __future__ import annotations

import msgspec

from workflow_worker.model import Predecessor, Task


def charged(dead: Predecessor) -> tuple[str, ...]:
    """Return the entries against which a death counts: all that ran.

    None if the master ordered it: what ran for too long has failed a try for it, which
    its journal says, and may be on its way to more of them.
    """
    return () if dead.ordered else dead.started


def told(task: Task, before: tuple[Predecessor, ...]) -> Task:
    """Return the task with what is known of how it ended last time.

    Args:
        task: taken over.
        before: who may have run it, the last to die first.
    """
    dead = next((each for each in before if _ran(each, task.entry)), None)
    if dead is None:
        return task
    overdue = [each for each in dead.overdue if each.entry == task.entry]
    # Where an action took too long, it is to blame and not the function that waits.
    overdue.sort(key=lambda each: not each.ordinal)
    last = task.exit if dead.ordered else dead.exit
    return msgspec.structs.replace(
        task, exit=last, overdue=overdue[0] if overdue else None
    )


def _ran(dead: Predecessor, entry: str) -> bool:
    return entry in dead.started or any(entry == each.entry for each in dead.overdue)
