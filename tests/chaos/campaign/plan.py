"""All that the driver decides, from a seed: the instances, the load, the faults.

Pure: the same seed and sizes give the same plan, and a plan prints itself. Must never
depend on what happens while it is carried out.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from tests.chaos.campaign import stories
from tests.chaos.campaign.profiles import PROFILES, Profile
from tests.chaos.campaign.stories import Story

LEASE_MS = 1500
"""Short, so that whoever is stopped for two seconds has lost what it held."""
HANDS = 2
"""Publishers side by side."""


@dataclass(frozen=True, slots=True)
class Strike:
    """One fault that is to be.

    Attributes:
        number: from 1, in their order.
        at: how many events are published when it strikes.
        fault: name of the fault.
        seed: of its chance: whom it strikes, for how long, and the like.
    """

    number: int
    at: int
    fault: str
    seed: int


@dataclass(frozen=True, slots=True)
class Instance:
    """One running service.

    Attributes:
        name: ``a``, ``b``.
        workers: how many worker processes.
        version: of the workflow that has two.
    """

    name: str
    workers: int
    version: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What is done in one episode.

    Attributes:
        seed: of everything here.
        profile: name of the profile.
        events: about so many are published, and those emitted on top counted in.
        faults: so many strike.
    """

    seed: int
    profile: str
    events: int
    faults: int

    @property
    def shape(self) -> Profile:
        """What the profile asks for."""
        return PROFILES[self.profile]

    @property
    def server(self) -> str:
        """Which server: those that every machine with this project has."""
        if self.shape.hosts:
            return "valkey-9"
        chance = random.Random(f"{self.seed} server")
        return chance.choice(("valkey-9", "valkey-9", "redis-6.2"))

    @property
    def hours(self) -> int:
        """By how much a clock is off."""
        return random.Random(f"{self.seed} hours").choice((-30, -5, 3, 26))

    @property
    def instances(self) -> tuple[Instance, ...]:
        """The services that run, each with two workers or one."""
        chance = random.Random(f"{self.seed} instances")
        names = "ab"[: self.shape.instances]
        versions = ("1", "2") if self.shape.two_versions else ("1", "1")
        return tuple(
            Instance(name, chance.choice((1, 2, 2)), version)
            for name, version in zip(names, versions, strict=False)
        )

    @property
    def environment(self) -> dict[str, str]:
        """Settings of all instances."""
        chance = random.Random(f"{self.seed} settings")
        return {
            "LEASE_MS": str(LEASE_MS),
            "BATCH_SIZE": str(chance.choice((1, 10, 10, 50))),
            "CONCURRENCY_LIMIT": str(chance.choice((2, 5, 10))),
            "POLL_INTERVAL_MS": str(chance.choice((100, 1000))),
            "HANG_TIMEOUT_MS": "20000",
            "SHUTDOWN_TIMEOUT_MS": "8000",
            # The driver kills whoever it likes: no event is to blame for that.
            "MAX_DELIVERIES": "1000",
            "RETRY_BASE_MS": "50",
            "RETRY_MAX_MS": "500",
            "RESULT_LIMIT": "10000000",
        }

    def stories(self) -> Iterator[Story]:
        """All that is published."""
        return stories.stories(self.seed, self.events)

    def hand(self, number: int) -> Iterator[Story]:
        """The stories of one publisher."""
        return (each for each in self.stories() if each.number % HANDS == number)

    def strikes(self) -> list[Strike]:
        """When what strikes, spread over the load but for its last twentieth."""
        chance = random.Random(f"{self.seed} faults")
        names, weights = list(self.shape.faults), list(self.shape.faults.values())
        # One in each stretch of the same length.
        at = [
            0.02 + 0.94 * (n + chance.random()) / self.faults
            for n in range(self.faults)
        ]
        drawn = spread(names, weights, self.faults, chance)
        return [
            Strike(number, int(share * self.events), name, chance.getrandbits(32))
            for number, (share, name) in enumerate(zip(at, drawn, strict=True), 1)
        ]

    def command(self) -> str:
        """What is to be typed to do the same again."""
        return (
            f"python -m tests.chaos.campaign run --seed {self.seed} "
            f"--profile {self.profile} --events {self.events} --faults {self.faults}"
        )

    def __str__(self) -> str:
        lines = [
            self.command(),
            f"  server: {self.server} {' '.join(self.shape.server)}",
        ]
        lines += [
            f"  instance {each.name}: {each.workers} workers, version {each.version}"
            for each in self.instances
        ]
        lines += [f"  {name}={value}" for name, value in self.environment.items()]
        lines += [f"  at {each.at}: {each.fault}" for each in self.strikes()]
        return "\n".join(lines)


def spread(
    names: list[str], weights: list[float], count: int, chance: random.Random
) -> list[str]:
    """Draw so many names, in random order, each first once if there is room for all."""
    first = chance.sample(names, len(names))[:count]
    drawn = first + chance.choices(names, weights, k=count - len(first))
    chance.shuffle(drawn)
    return drawn
