"""A counter that nothing but a lock protects, and a process that counts with it.

``python -m tests.guarded URL WHO TTL guarded`` counts until the key ``stop`` is set. It
tells in the hash ``told:WHO`` how often it was accepted and refused, and its lock lost.
With ``unguarded`` no tokens are compared.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Sequence

import psutil
import redis

from tests.servers import wait_until
from workflow_worker import Client, LockLost

LOCK = "counter"
WORK = 0.005
"""Seconds between reading and writing, and between two blocks."""

_READ = """
local seen = tonumber(redis.call('HGET', 'guarded', 'token') or 0)
if ARGV[1] == 'guarded' and tonumber(ARGV[2]) < seen then return false end
redis.call('HSET', 'guarded', 'token', math.max(seen, ARGV[2]), 'inside', ARGV[3])
return tonumber(redis.call('HGET', 'guarded', 'value') or 0)
"""
_WRITE = """
local seen = tonumber(redis.call('HGET', 'guarded', 'token') or 0)
if ARGV[1] == 'guarded' and tonumber(ARGV[2]) < seen then return false end
redis.call('HSET', 'guarded', 'inside', '', 'value', ARGV[3])
redis.call('RPUSH', 'accepted', ARGV[2])
return 1
"""


class Outdated(Exception):  # noqa: N818 - what the token is
    """The counter has seen a greater token."""


class Counter:
    """Refuses whoever comes with a smaller token than the greatest it has seen.

    Reading shows the token, too: else a late write could come between the read and the
    write of the next holder.
    """

    def __init__(self, db: redis.Redis, *, guarded: bool = True) -> None:
        self.db = db
        self.how = "guarded" if guarded else "unguarded"

    def read(self, token: int, who: str) -> int:
        return self._ask(_READ, token, who)

    def write(self, token: int, value: int) -> None:
        self._ask(_WRITE, token, value)

    def add_one(self, token: int, who: str) -> None:
        value = self.read(token, who)
        time.sleep(WORK)
        self.write(token, value + 1)

    @property
    def value(self) -> int:
        return int(self.db.hget("guarded", "value") or 0)

    @property
    def inside(self) -> str:
        """Who has read and not written yet."""
        return (self.db.hget("guarded", "inside") or b"").decode()

    def accepted(self) -> list[int]:
        """The tokens of all writes, in their order."""
        return [int(token) for token in self.db.lrange("accepted", 0, -1)]

    def told(self, who: str) -> dict[str, int]:
        """What a process says of itself."""
        ends = self.db.hgetall(f"told:{who}")
        return {end.decode(): int(count) for end, count in ends.items()}

    def _ask(self, script: str, *values: str | int) -> int:
        answer = self.db.eval(script, 0, self.how, *values)
        if answer is None:
            raise Outdated
        return int(answer)


class Counting:
    """A process that counts."""

    def __init__(
        self,
        counter: Counter,
        url: str,
        who: str,
        ttl: float,
        within: Sequence[str] = (),
    ) -> None:
        self.counter = counter
        self.who = who
        command = [sys.executable, "-m", "tests.guarded", url, who, str(ttl)]
        self.process = subprocess.Popen([*within, *command, counter.how])

    def told(self, end: str) -> int:
        return self.counter.told(self.who).get(end, 0)

    def stop_inside(self) -> None:
        """Have it stand still between reading and writing."""

        def is_inside() -> bool:
            self.process.send_signal(signal.SIGSTOP)
            wait_until(self._stands_still)
            if self.counter.inside == self.who:
                return True
            self.process.send_signal(signal.SIGCONT)
            return False

        wait_until(is_inside, what=f"{self.who} stopped while it counts")

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def end(self) -> None:
        """Wait for its end, which was asked for; whatever happens it is gone then."""
        self.go_on()
        try:
            assert self.process.wait(20) == 0
        finally:
            self.process.kill()
            self.process.wait()

    def _stands_still(self) -> bool:
        return psutil.Process(self.process.pid).status() == psutil.STATUS_STOPPED


def count(url: str, who: str, ttl: float, how: str) -> None:
    with redis.Redis.from_url(url) as db, Client(url) as client:
        counter = Counter(db, guarded=how == "guarded")
        while not db.exists("stop"):
            try:
                with client.lock(LOCK, ttl=ttl, wait=60) as lock:
                    end = "accepted"
                    try:
                        counter.add_one(lock.token, who)
                    except Outdated:
                        end = "refused"
                    db.hincrby(f"told:{who}", end)
            except LockLost:
                db.hincrby(f"told:{who}", "lost")
            time.sleep(WORK)


if __name__ == "__main__":
    count(sys.argv[1], sys.argv[2], float(sys.argv[3]), sys.argv[4])
