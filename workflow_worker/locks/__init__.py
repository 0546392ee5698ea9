"""Distributed locks: one holder at a time in the whole fleet, as a context manager.

Owns how long a holder may believe that it holds one. It must never tell so a moment
longer than Redis would keep everybody else out.
"""

from workflow_worker.locks.lock import Lock, Locks

__all__ = ["Lock", "Locks"]
