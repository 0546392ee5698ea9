"""Memory of large answers goes back to the system once they are sent.

Owns how the C library is told that. By default glibc learns from the first large block
to keep the next ones, and each thread keeps its own: twelve threads that once answered
with many large results held a gigabyte for good.
"""

from __future__ import annotations

import ctypes

LARGE = 256 * 1024
"""Octets of a block from which on it is given back by itself."""
_M_MMAP_THRESHOLD = -3


def give_back() -> None:
    """Have large blocks of this process given back as soon as they are free.

    Changes nothing where the C library has no such choice.
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        set_option(_M_MMAP_THRESHOLD, LARGE)
