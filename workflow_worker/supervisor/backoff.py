"""How long to wait before another process is started where some died.

Owns the one rule for it; must never know what the processes are.
"""

from __future__ import annotations

import random

FREE = 2
"""So many deaths in a row are accidents: the next process starts at once."""
BASE = 0.5
MAXIMUM = 30.0


def longest(streak: int) -> float:
    """Return the most seconds to wait after so many deaths in a row."""
    # The exponent is capped: a streak of thousands would overflow a float.
    return 0.0 if streak <= FREE else min(MAXIMUM, BASE * 2.0 ** min(streak - 3, 16))


def delay(streak: int) -> float:
    """Return the seconds to wait after so many deaths in a row.

    Exponential, with the upper half of it left to chance: services that fell together
    do not get up together, and yet each wait is long enough not to burn a core.
    """
    return longest(streak) * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
