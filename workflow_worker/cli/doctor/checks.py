"""Which checks ``wfworker doctor`` makes, in which order, and of what.

Owns the reading: each thing once, lazily. A check that can't read says why, and the
others go on. Must never judge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from workflow_worker.broker import checkup, checkup_executions, checkup_work
from workflow_worker.broker.checkup import Clock, Unreadable
from workflow_worker.broker.checkup_executions import Open
from workflow_worker.broker.checkup_work import Moment
from workflow_worker.broker.connection import Link
from workflow_worker.broker.instances import Instance
from workflow_worker.broker.keys import Partition
from workflow_worker.cli.doctor import app as local
from workflow_worker.cli.doctor import durability, server, work
from workflow_worker.cli.doctor import executions as ongoing
from workflow_worker.cli.doctor.findings import Finding, Verdict, note
from workflow_worker.cli.main import sentence
from workflow_worker.cli.text import HOUR_MS
from workflow_worker.clock import monotonic, sleep
from workflow_worker.errors import ConfigurationError
from workflow_worker.settings import Settings

BETWEEN = 1.0
"""Seconds between two looks at what may grow, or may be on its way."""
OWN_LINKS = 4
"""Connections of a worker, beside one for each event that it runs at once."""

Check = tuple[str, str, Callable[[], Verdict]]
"""Group, name, and what to do."""


def made(checks: Iterable[Check]) -> Iterator[Finding]:
    """Make checks, in order.

    Raises:
        Unavailable: the server is gone, or can't serve.
    """
    for group, name, judged in checks:
        try:
            verdict = judged()
        except Unreadable as error:
            verdict = note(
                f"not checked: {sentence(error)}",
                "",
                "Ask whoever runs the server, or allow it to this user.",
            )
        yield Finding(group, name, verdict)


class Host:
    """Checks of what is on this host."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.workflows: list[str] | None = None
        """Names in the App; None if it can't be imported."""

    def checks(self) -> Iterator[Check]:
        """Yield each check."""
        settings = self._settings
        yield "Here", "settings", lambda: local.settings(settings)
        yield "Here", "secrets", lambda: local.dotenv(settings, Path(".env"))
        yield "Here", "app", self._app

    def _app(self) -> Verdict:
        spec = self._settings.workflow_app
        try:
            self.workflows = local.declared(spec)
        except ConfigurationError as error:
            return local.unimportable(spec, sentence(error))
        return local.app(spec, self.workflows)


class Redis:
    """Checks of the server, and of what is stored there."""

    def __init__(self, settings: Settings, link: Link, host: Host) -> None:
        self._settings = settings
        self._link = link
        self._host = host
        self._partition = Partition(settings.workflow_namespace)
        self._url = str(settings.masked()["REDIS_URL"])

    def checks(self) -> Iterator[Check]:
        """Yield each check."""
        for group, checks in (
            ("Redis", self._server()),
            ("Durability", self._durability()),
            ("Services", self._services()),
            ("Work", self._work()),
            ("Executions", self._executions()),
        ):
            for name, judged in checks:
                yield group, name, judged

    def _server(self) -> Iterator[tuple[str, Callable[[], Verdict]]]:
        link, partition = self._link, self._partition
        yield "reach", self._reach
        yield "version", lambda: server.version(self._info)
        yield "role", lambda: server.role(self._info)
        yield "access", self._access
        yield (
            "permissions",
            lambda: server.permissions(
                checkup.forbidden(link, partition), self._user or "default"
            ),
        )
        yield (
            "clock",
            lambda: server.clock(self._clock, self._later_clock),
        )
        yield (
            "stalls",
            lambda: server.stalls(checkup.spikes(link), self._clock.server_ms),
        )
        yield (
            "slow scripts",
            lambda: server.scripts(
                checkup.slow_scripts(link, partition, self._clock.server_ms - HOUR_MS)
            ),
        )
        yield "connections", self._connections
        yield (
            "idle connections",
            lambda: server.idleness(self._config, self._settings.lease_ms),
        )

    def _durability(self) -> Iterator[tuple[str, Callable[[], Verdict]]]:
        told = self._config_if_told
        yield "eviction", lambda: durability.eviction(self._info)
        yield "memory", lambda: durability.memory(self._info)
        yield "fragmentation", lambda: durability.fragmentation(self._info)
        yield "persistence", lambda: durability.persistence(self._info, told)
        yield "disk writes", lambda: durability.writes(self._info, told)
        yield "replication", lambda: durability.replication(self._info, told)

    def _services(self) -> Iterator[tuple[str, Callable[[], Verdict]]]:
        link, partition, settings = self._link, self._partition, self._settings
        yield (
            "namespace",
            lambda: work.protocol(
                checkup_work.protocol(link, partition), settings.workflow_namespace
            ),
        )
        yield "services", lambda: work.services(self._instances)
        yield (
            "workers",
            lambda: work.consumers(
                checkup_work.consumers(link, partition),
                self._instances,
                settings.lease_ms,
            ),
        )
        if (names := self._host.workflows) is not None:
            yield (
                "workflows",
                lambda: local.routes(
                    names, checkup_work.told(link, partition), self._clock.server_ms
                ),
            )

    def _work(self) -> Iterator[tuple[str, Callable[[], Verdict]]]:
        link, partition, settings = self._link, self._partition, self._settings
        yield (
            "backlog",
            lambda: work.backlog(self._moment, self._later_moment, self._living),
        )
        yield (
            "leases",
            lambda: work.silence(
                checkup_work.leases(link, partition, settings.lease_ms),
                settings.lease_ms,
                self._living,
            ),
        )
        yield (
            "suspects",
            lambda: work.suspects(
                checkup_work.leases(link, partition), settings.max_deliveries
            ),
        )
        yield "unknown workflows", self._unknown
        yield (
            "unwanted events",
            lambda: work.unwanted(self._moment, self._later_moment),
        )
        yield "timers", lambda: work.timers(self._later_moment, self._living)
        yield (
            "dead letters",
            lambda: work.letters(
                self._moment.letters,
                checkup_work.newest_letter(link, partition),
                self._moment.server_ms,
            ),
        )
        yield "early signals", lambda: work.early(self._moment)
        yield "books", lambda: work.books(self._moment)

    def _executions(self) -> Iterator[tuple[str, Callable[[], Verdict]]]:
        settings = self._settings
        yield "stuck", self._stuck
        yield (
            "long waits",
            lambda: ongoing.waits(self._open, self._clock.server_ms),
        )
        yield (
            "inboxes",
            lambda: ongoing.inboxes(self._open, settings.inbox_limit),
        )
        yield (
            "kept",
            lambda: ongoing.kept(self._moment.statuses, settings.result_limit),
        )

    # --- checks that read more than one thing

    def _reach(self) -> Verdict:
        found = checkup.pings(self._link)
        with suppress(Unreadable):  # the checks that need them say so
            _ = self._clock, self._moment
        return server.connection(found, self._url)

    def _access(self) -> Verdict:
        url = self._settings.redis_url
        place = urlsplit(url)
        near = checkup.nearness(checkup.addresses(url))
        password = place.password or "password" in parse_qs(place.query)
        return server.transport(
            self._url, near, place.scheme == "rediss", bool(password)
        )

    def _connections(self) -> Verdict:
        each = self._settings.concurrency_limit + OWN_LINKS
        wanted = self._settings.worker_count * each
        return server.clients(self._info, self._config_if_told or {}, wanted)

    def _unknown(self) -> Verdict:
        link, partition = self._link, self._partition
        found = checkup_work.put_backs(link, partition)
        wakes = [e.wakes for e in found if e.wakes and e.why == "unknown"]
        names = checkup_work.workflows_of(link, partition, wakes)
        return work.unknown_work(found, names, self._clock.server_ms)

    def _stuck(self) -> Verdict:
        seeming = [each.id for each in self._open if ongoing.why_stuck(each)]
        if seeming:
            wait_since(self._looked_at)
        later = checkup_executions.look(self._link, self._partition, seeming)
        return ongoing.stuck(self._open, later, self._partition.prefix)

    # --- what is read once

    @cached_property
    def _info(self) -> dict[str, str]:
        return checkup.info(self._link)

    @cached_property
    def _config(self) -> dict[str, str]:
        return checkup.config(
            self._link,
            *("maxclients", "timeout", "tcp-keepalive", "appendfsync", "save"),
            *("stop-writes-on-bgsave-error", "min-replicas-to-write"),
        )

    @property
    def _config_if_told(self) -> dict[str, str] | None:
        try:
            return self._config
        except Unreadable:
            return None

    @property
    def _user(self) -> str:
        return urlsplit(self._settings.redis_url).username or ""

    @cached_property
    def _clock(self) -> Clock:
        return checkup.clock(self._link)

    @cached_property
    def _later_clock(self) -> Clock:
        wait_since(self._clock.at)
        return checkup.clock(self._link)

    @cached_property
    def _moment(self) -> Moment:
        return checkup_work.moment(self._link, self._partition)

    @cached_property
    def _later_moment(self) -> Moment:
        wait_since(self._clock.at)
        return checkup_work.moment(self._link, self._partition)

    @cached_property
    def _instances(self) -> list[Instance]:
        return checkup_work.services(self._link, self._partition)

    @property
    def _living(self) -> int:
        return sum(not each.lost for each in self._instances)

    @cached_property
    def _open(self) -> list[Open]:
        self._looked_at = monotonic()
        ids = checkup_executions.oldest(self._link, self._partition)
        return checkup_executions.look(self._link, self._partition, ids)


def wait_since(at: float) -> None:
    """Wait until a second look says more than the one at this time did."""
    sleep(max(0.0, at + BETWEEN - monotonic()))
