"""Scripts broken on purpose, to see whether the machine sees it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from workflow_worker.broker import scripts

NO_FENCE_IN_COMMIT = (
    "  if owned[d.entry] ~= d.count then return 0 end\n",
    "",
)
NO_LOOK_INTO_THE_INBOX = (
    "  if has_any(d.id, names) then\n",
    "  if false then\n",
)
LAST_IN_FIRST_OUT = (
    "for _, entry in ipairs(read[1][2]) do",
    "for i = #read[1][2], 1, -1 do local entry = read[1][2][i]",
)
TIMER_LOST = (
    "if kind == 'w:' then return end_wait(string.sub(member, 3), now) end",
    "if kind == 'w:' then return end",
)
BARE_RENEWAL = (
    "  if mine then renewed[#renewed + 1] = ARGV[i] end\n",
    "  renewed[#renewed + 1] = ARGV[i]\n",
)
SMALL_PAGES = ("local MOST_AT_ONCE = 100\n", "local MOST_AT_ONCE = 1\n")
"""Not broken: what happens with very many happens with two."""


@contextmanager
def replaced(old: str, new: str) -> Iterator[None]:
    """Replace a text in every script that has it; some script must."""
    whole = scripts.source
    assert any(old in whole(name) for name in ("commit", "take", "renew")), old

    def source(name: str, ahead_ms: int = 0) -> str:
        return whole(name, ahead_ms).replace(old, new)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scripts, "source", source)
        scripts.digest.cache_clear()
        yield
    scripts.digest.cache_clear()
