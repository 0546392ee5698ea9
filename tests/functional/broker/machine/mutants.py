"""Scripts broken on purpose, to see whether the machine sees it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from workflow_worker.broker import scripts


@dataclass(frozen=True)
class Mutant:
    """A text in the scripts and what stands there instead.

    Attributes:
        name: what is wrong then.
        breaks: which invariant; of several, any may be met first.
        old: the text.
        new: what stands there instead.
        number: of the schedules that show it soonest.
    """

    name: str
    breaks: str
    old: str
    new: str
    number: int = 4


BROKEN = (
    Mutant(
        "a commit has no fence",
        "fencing",
        "  if owned[d.entry] ~= d.count then return 0 end\n",
        "",
        1,
    ),
    Mutant(
        "nobody looks into the inbox when it goes to sleep",
        "one wake",
        "  if over or has_any(d.id, names) then return 'running' end\n",
        "  if over then return 'running' end\n",
        6,
    ),
    Mutant(
        "what came last is routed first",
        "order",
        "for i = following, #read do",
        "for i = #read, following, -1 do",
    ),
    Mutant(
        "a timer is dropped",
        "one wake",
        "if kind == 'w:' then return end_wait(string.sub(member, 3), now) end",
        "if kind == 'w:' then return end",
    ),
    Mutant(
        "a renewal asks nobody",
        "fencing",
        "  if mine then renewed[#renewed + 1] = ARGV[i] end\n",
        "  renewed[#renewed + 1] = ARGV[i]\n",
    ),
    Mutant(
        "ids are not remembered",
        "conservation",
        "  elseif event.id and seen_before(entry, event) then",
        "  elseif false then",
    ),
    Mutant(
        "a retry leaves the dead letter",
        "single commit",
        "if record.dead then redis.call('XDEL', DEAD, record.dead) end",
        "",
    ),
    Mutant(
        "a retry begins with nothing",
        "(seen is durable|conservation)",
        "    if not is_dropped(id, entry, closing, seen) then",
        "    if false then",
    ),
    Mutant(
        "a cancel is forgotten",
        "cancel",
        "if record.cancel and d.outcome ~= 'cancelled' and not d.ending then",
        "if false then",
    ),
    Mutant(
        "a try that is due wakes nobody",
        "one wake",
        "if x.status ~= 'waiting' and x.status ~= 'retrying' then return end",
        "if x.status ~= 'waiting' then return end",
    ),
    Mutant(
        "a try beside a wait waits as long",
        "one wake",
        "if d.again and (not due or d.again < due) then first = d.again end",
        "if d.again and not due then first = d.again end",
        3,
    ),
    Mutant(
        "a try beside a wait ends it",
        "one wake",
        "  if x.status == 'retrying' or (x.due and tonumber(x.due) <= now) then",
        "  if x.status == 'retrying' or x.due then",
        3,
    ),
    Mutant(
        "an event counts with each try",
        "conservation",
        "  if d.counts and d.outcome ~= 'retrying' then\n",
        "  if d.counts then\n",
    ),
    Mutant(
        "an event that was tried again goes on to count",
        "conservation",
        "then drop(d, record, {'uncounted'}) end",
        "then end",
        3,
    ),
    Mutant(
        "an event that was tried again and cancelled does not count",
        "conservation",
        "if record.uncounted then count('events_succeeded', 1) end",
        "",
    ),
    Mutant(
        "a cancel hurries what is being undone",
        "cancel",
        "if record.cancel and d.outcome ~= 'cancelled' and not d.ending then",
        "if record.cancel and d.outcome ~= 'cancelled' then",
        2,
    ),
    Mutant(
        "nobody knows which try of the workflow it is",
        "retries",
        "    put(d, 'attempt', d.attempt)\n",
        "",
    ),
    Mutant(
        "the tries of what is undone are not counted",
        "retries",
        "  return kind == 'try' or kind == 'undotry'\n",
        "  return kind == 'try'\n",
    ),
)
SMALL_PAGES = Mutant(
    "what is done with very many is done with two",
    "",
    "local MOST_AT_ONCE = 100\n",
    "local MOST_AT_ONCE = 1\n",
)


@contextmanager
def replaced(mutant: Mutant) -> Iterator[None]:
    """Replace the text in every script that has it; one must."""
    whole = scripts.source
    names = ("commit", "take", "renew", "retry", "cancel")
    found = [mutant.old in whole(name) for name in names]
    assert any(found), f"no script to break: {mutant.old}"

    def source(name: str, ahead_ms: int = 0) -> str:
        return whole(name, ahead_ms).replace(mutant.old, mutant.new)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scripts, "source", source)
        scripts.digest.cache_clear()
        yield
    scripts.digest.cache_clear()
