"""Scripts broken on purpose, to see whether the machine sees it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from workflow_worker.broker import scripts


@dataclass(frozen=True)
class Mutant:
    """A text in the scripts and what stands there instead; and what that breaks."""

    name: str
    breaks: str
    old: str
    new: str


BROKEN = (
    Mutant(
        "a commit has no fence",
        "fencing",
        "  if owned[d.entry] ~= d.count then return 0 end\n",
        "",
    ),
    Mutant(
        "nobody looks into the inbox when it goes to sleep",
        "one wake",
        "  if has_any(d.id, names) then\n",
        "  if false then\n",
    ),
    Mutant(
        "what came last is routed first",
        "order",
        "for _, entry in ipairs(read[1][2]) do",
        "for i = #read[1][2], 1, -1 do local entry = read[1][2][i]",
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
        "seen is durable",
        "    if not is_dropped(entry, closing, seen) then",
        "    if false then",
    ),
    Mutant(
        "a cancel is forgotten",
        "cancel",
        "if record.cancel and d.outcome ~= 'cancelled' then",
        "if false then",
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
    found = [mutant.old in whole(name) for name in ("commit", "take", "renew", "retry")]
    assert any(found), f"no script to break: {mutant.old}"

    def source(name: str, ahead_ms: int = 0) -> str:
        return whole(name, ahead_ms).replace(mutant.old, mutant.new)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scripts, "source", source)
        scripts.digest.cache_clear()
        yield
    scripts.digest.cache_clear()
