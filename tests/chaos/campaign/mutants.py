"""The product, broken on purpose: proof that the checker sees it.

Owns the table: which text stands where, and what stands there instead. Each breaks a
promise that the docs make. None is dropped because it is not seen: then load or checker
are not good enough.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.chaos.campaign.profiles import Profile

LUA = "broker/lua/"
PARTS = "broker/lua/parts/"

SHARP = {
    "calm": Profile("monitors killed, which excuses nothing", {"kill-monitor": 1.0}),
    "kills": Profile(
        "workers and masters killed",
        {"kill-worker": 3.0, "kill-workers": 3.0, "kill-master": 1.0},
    ),
    "stops": Profile(
        "workers stopped for longer than their leases",
        {"stop-worker": 3.0, "stop-instance": 1.0},
    ),
    "replies": Profile(
        "replies lost",
        {"swallow": 3.0, "truncate": 3.0},
        proxied=True,
    ),
}
"""Episodes in which a fault of one kind strikes often."""


@dataclass(frozen=True, slots=True)
class Change:
    """One text of the product and another in its place.

    Attributes:
        file: where, below ``workflow_worker/``.
        old: the text; it stands there.
        new: the other.
    """

    file: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Mutant:
    """A product that breaks a promise.

    Attributes:
        name: for the command line.
        promise: what it breaks, in a few words.
        profile: the episode in which that shows.
        changes: what is replaced.
        rules: the rules that see it; any of them may come first.
        events: published in an episode.
        faults: that strike in it.
        shares: of some stories, other than usual.
        first: seed of the first episode; one whose plan has what it takes.
    """

    name: str
    promise: str
    profile: str
    changes: tuple[Change, ...]
    rules: tuple[str, ...]
    events: int = 4000
    faults: int = 12
    shares: tuple[tuple[str, float], ...] = ()
    first: int = 1


MUTANTS = (
    Mutant(
        "no-fence",
        "a commit does not ask who owns the entry",
        "stops",
        (
            Change(
                f"{PARTS}complete.lua",
                "  if owned[d.entry] ~= d.count then return 0 end\n",
                "",
            ),
            Change(
                f"{LUA}commit.lua",
                "local mine = owned[ARGV[i]] == 1",
                "local mine = true",
            ),
        ),
        ("conservation", "once", "outcome"),
    ),
    Mutant(
        "ack-first",
        "an entry is acknowledged in a call before its commit",
        "kills",
        (
            Change(
                "broker/commit.py",
                "    answers = scripts.run(\n",
                "    entries = [task.entry for task, _ in batch]\n"
                '    link.call("XACK", owner.partition.events, "workers", *entries)\n'
                "    answers = scripts.run(\n",
            ),
            Change(
                f"{PARTS}complete.lua",
                "  if owned[d.entry] ~= d.count then return 0 end\n",
                "",
            ),
            Change(
                f"{LUA}commit.lua",
                "local mine = owned[ARGV[i]] == 1",
                "local mine = true",
            ),
        ),
        ("lost", "pending", "stuck", "wake"),
    ),
    Mutant(
        "bare-renewal",
        "a renewal claims without asking who owns the entry",
        "stops",
        (
            Change(
                f"{LUA}renew.lua",
                "  if mine then renewed[#renewed + 1] = ARGV[i] end\n",
                "  renewed[#renewed + 1] = ARGV[i]\n",
            ),
        ),
        ("twice", "seen", "pending"),
        events=2500,
        faults=20,
        shares=(("slow", 12.0),),
        first=3,
    ),
    Mutant(
        "dropped-wake",
        "nobody looks into the inbox when an execution goes to sleep",
        "calm",
        (
            Change(
                f"{PARTS}outcome.lua",
                "  if over or has_any(d.id, names) then return 'running' end\n",
                "  if over then return 'running' end\n",
            ),
        ),
        ("stuck", "wake"),
    ),
    Mutant(
        "unordered-routing",
        "what a take read last is routed first",
        "stops",
        (
            Change(
                f"{LUA}take.lua",
                "for i = following, #read do",
                "for i = #read, following, -1 do",
            ),
        ),
        ("order", "outcome"),
        first=3,
    ),
    Mutant(
        "trimmed-stream",
        "the stream of events has a greatest length",
        "calm",
        (
            Change(
                f"{LUA}publish.lua",
                "redis.call('XADD', EVENTS, '*',",
                "redis.call('XADD', EVENTS, 'MAXLEN', 150, '*',",
            ),
        ),
        ("lost", "stuck", "conservation"),
    ),
    Mutant(
        "lost-timer",
        "due timers of those who wait are removed without firing",
        "calm",
        (
            Change(
                f"{PARTS}timers.lua",
                "if kind == 'w:' then return end_wait(string.sub(member, 3), now) end",
                "if kind == 'w:' then return end",
            ),
        ),
        ("stuck", "wake"),
    ),
    Mutant(
        "append-twice",
        "an append whose reply was lost is stored again",
        "replies",
        (
            Change(
                f"{LUA}append.lua",
                "ipairs(length > before and redis.call('LRANGE', J, before, -1) or {})",
                "ipairs({})",
            ),
        ),
        ("journal", "order", "conservation"),
    ),
    Mutant(
        "key-per-try",
        "each try has an idempotency key of its own",
        "calm",
        (
            Change(
                "app/current.py",
                "        return self._run.key_of(self._ordinal, self._kind)\n",
                "        key = self._run.key_of(self._ordinal, self._kind)\n"
                '        return f"{key}.{self.attempt}"\n',
            ),
        ),
        ("key",),
    ),
    Mutant(
        "emit-again",
        "a replay emits again what an earlier run did",
        "calm",
        (
            Change(
                "runtime/run.py",
                "        if self.step(EMIT, name) is not None:\n            return\n",
                "        self.step(EMIT, name)\n",
            ),
        ),
        ("once", "journal", "conservation"),
    ),
    Mutant(
        "seen-not-stored",
        "an action starts before what its workflow has seen is stored",
        "kills",
        (
            Change(
                "runtime/acting.py",
                "    effects = steps.effects\n    steps.history.store(effects)\n",
                "    effects = steps.effects\n",
            ),
            Change(
                "runtime/run.py",
                "            self.history.store(self.effects)\n",
                "",
            ),
            Change("worker/flusher.py", "PATIENCE = 0.01\n", "PATIENCE = 5.0\n"),
        ),
        ("seen",),
    ),
    Mutant(
        "uncounted",
        "what completes is not counted",
        "calm",
        (
            Change(
                f"{LUA}commit.lua",
                "  count('executions_completed', #done)\n",
                "",
            ),
        ),
        ("conservation",),
    ),
    Mutant(
        "eager-claim",
        "entries are claimed from owners that are not silent",
        "stops",
        (
            Change(
                f"{LUA}claim.lua",
                "'IDLE', lease, '-'",
                "'IDLE', 1, '-'",
            ),
        ),
        ("twice",),
    ),
    Mutant(
        "dropped-consumer",
        "a consumer is deleted with what it owns",
        "kills",
        (
            Change(
                f"{PARTS}consumers.lua",
                "  if #redis.call('XPENDING', EVENTS, GROUP, '-', '+', 1, name) == 0",
                "  if true",
            ),
            Change(
                f"{LUA}adopt.lua",
                "  if not held[pending[1]] then",
                "  if counted[pending[1]] then",
            ),
        ),
        ("lost", "stuck", "pending", "wake"),
    ),
    Mutant(
        "forgotten-ids",
        "publish ids are not remembered",
        "calm",
        (
            Change(
                f"{PARTS}route.lua",
                "  elseif event.id and seen_before(entry, event) then",
                "  elseif false then",
            ),
        ),
        ("twice", "conservation"),
    ),
    Mutant(
        "late-compensation",
        "compensations run in the order of what they undo",
        "calm",
        (
            Change(
                "runtime/compensation.py",
                "reversed(",
                "tuple(",
            ),
        ),
        ("undone",),
    ),
    Mutant(
        "old-token",
        "a lock's token does not grow",
        "calm",
        (
            Change(
                f"{LUA}lock.lua",
                "  token = math.max((redis.call('GET', FENCE) or 0) + 1, "
                "t[1] * 1000000 + t[2])\n",
                "  token = 1000000 - t[2]\n",
            ),
        ),
        ("token",),
    ),
    Mutant(
        "shared-lock",
        "a lock is given to whoever asks",
        "calm",
        (
            Change(
                f"{LUA}lock.lua",
                "if holder and holder ~= owner then",
                "if false then",
            ),
            Change(f"{LUA}lock.lua", "if not holder then\n", "if true then\n"),
        ),
        ("exclusion", "token"),
        shares=(("locked", 10.0),),
    ),
)
