"""For Python processes under libfaketime: a sleep that it doesn't break.

Python sleeps until a moment of the monotonic clock. libfaketime 0.9.10 moves that
moment though it was told to leave this clock alone (its issue 426), and the system
refuses it. Waiting for nothing, for so long, is left alone.
"""

import select
import time


def sleep(seconds: float) -> None:
    if seconds < 0:
        message = "sleep length must be non-negative"
        raise ValueError(message)
    select.select((), (), (), seconds)


time.sleep = sleep
