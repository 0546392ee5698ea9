"""Every setting once: name, flag, kind, default, help.

Owns :class:`Settings`, which is frozen and passed around; there is no global one. Its
repr must never show a secret.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from workflow_worker.settings import kinds
from workflow_worker.settings.cores import usable_cores
from workflow_worker.settings.kinds import Kind

T = TypeVar("T")

DEFAULT = "default"
"""Where a value comes from that nobody gave."""
TEN_YEARS_MS = 10 * 365 * 86_400_000


def _setting(
    kind: Kind[T],
    default: T,
    text: str,
    *,
    flag: str = "",
    computed: Callable[[], T] | None = None,
) -> T:
    about = {"kind": kind, "help": text, "flag": flag, "computed": computed}
    quiet = kind.show is str  # others hold secrets, which a repr would tell
    if computed is not None:
        made = field(default_factory=computed, repr=quiet, metadata=about)
    else:
        made = field(default=default, repr=quiet, metadata=about)
    return made


@dataclass(frozen=True, slots=True)
class Settings:
    """What a service runs with; ``Settings()`` is all defaults.

    Each field is one setting: its variable is the name in capitals, its flag the name
    with dashes where none is given here.
    """

    worker_count: int = _setting(
        kinds.whole(1, 1024),
        1,
        "worker processes; by default one per core this process may use",
        flag="--workers",
        computed=usable_cores,
    )
    concurrency_limit: int = _setting(
        kinds.whole(1, 1000), 5, "events run at once per worker", flag="--concurrency"
    )
    batch_size: int = _setting(kinds.whole(1, 10_000), 10, "most events read at once")
    poll_interval_ms: int = _setting(
        kinds.millis(1), 1000, "longest block of one read; new events wake it at once"
    )
    max_retries: int = _setting(
        kinds.whole(0, 1_000_000), 3, "retries of a failed event or action"
    )
    health_check_interval_ms: int = _setting(
        kinds.millis(1), 30_000, "how often the master judges its workers"
    )
    metrics_reporting_interval_ms: int = _setting(
        kinds.millis(1), 60_000, "how often a metrics line is logged"
    )
    log_level: str = _setting(kinds.LEVEL, "info", "least important messages logged")
    log_format: str = _setting(kinds.FORMAT, "text", "json gives one object a line")
    redis_url: str = _setting(
        kinds.URL, "redis://127.0.0.1:6379/0", "where Redis or Valkey is"
    )
    workflow_app: str = _setting(
        kinds.APP, "workflows:app", "module:attribute of the App", flag="--app"
    )
    workflow_namespace: str = _setting(
        kinds.NAMESPACE, "wf", "prefix of all keys: one Redis, many services"
    )
    http_host: str = _setting(kinds.HOST, "127.0.0.1", "address of the HTTP server")
    http_port: int | None = _setting(
        kinds.PORT,
        8090,
        "port for health and metrics; 0 picks a free one, off starts none",
    )
    http_token: str | None = _setting(
        kinds.TOKEN, None, "bearer token for all but health, probes and metrics"
    )
    lease_ms: int = _setting(
        kinds.millis(100),
        30_000,
        "an entry whose owner is silent so long is taken over",
    )
    max_deliveries: int = _setting(
        kinds.whole(1, 1_000_000),
        5,
        "an event that took down its worker so often is poison: dead letter",
    )
    event_timeout_ms: int = _setting(
        kinds.millis(0), 0, "hard limit of one event, its worker is replaced; 0 is none"
    )
    shutdown_timeout_ms: int = _setting(
        kinds.millis(0), 25_000, "grace for running events at stop"
    )
    hang_timeout_ms: int = _setting(
        kinds.millis(100), 60_000, "a worker without heartbeat so long is replaced"
    )
    max_payload_bytes: int = _setting(
        kinds.whole(1, 512 * 1024 * 1024, "of bytes "),
        1_048_576,
        "largest payload, result or data value",
    )
    max_events_per_worker: int = _setting(
        kinds.whole(0, 10**15),
        0,
        "a worker is replaced after so many events; 0 is never",
    )
    max_memory_mb: int = _setting(
        kinds.whole(0, 10**9),
        0,
        "a worker is replaced at so much resident memory; 0: never",
    )
    retry_base_ms: int = _setting(kinds.millis(1), 1000, "first step of the backoff")
    retry_max_ms: int = _setting(kinds.millis(1), 30_000, "longest step of the backoff")
    result_ttl_ms: int = _setting(
        kinds.millis(0, TEN_YEARS_MS),
        86_400_000,
        "how long finished executions are kept",
    )
    result_limit: int = _setting(
        kinds.whole(0, 10**9), 100_000, "most finished executions kept"
    )
    dedup_ttl_ms: int = _setting(
        kinds.millis(1, TEN_YEARS_MS), 86_400_000, "how long publish ids are remembered"
    )
    early_ttl_ms: int = _setting(
        kinds.millis(0, TEN_YEARS_MS),
        60_000,
        "how long a signal waits for its execution",
    )
    inbox_limit: int = _setting(
        kinds.whole(1, 10**9), 10_000, "signals one execution may leave unconsumed"
    )
    origins: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    """Where each value came from, by variable; those not in here are defaults."""

    def masked(self) -> dict[str, int | str | None]:
        """Return each value by its variable, with every secret hidden."""
        return {row.env: row.masked(getattr(self, row.name)) for row in table()}

    def origin(self, env: str) -> str:
        """Return where the value of this variable came from."""
        return self.origins.get(env, DEFAULT)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table of settings, for flags, help and docs.

    Attributes:
        name: of the field.
        env: of the variable.
        flag: of the command line.
        kind: how it is written.
        help: what it is for.
        default: as an operator would write it.
    """

    name: str
    env: str
    flag: str
    kind: Kind[int] | Kind[str] | Kind[int | None] | Kind[str | None]
    help: str
    default: str

    def masked(self, value: int | str | None) -> int | str | None:
        """Return a value of this setting as it may be shown."""
        return self.kind.show(value) if isinstance(value, str) else value


@functools.cache
def table() -> tuple[Row, ...]:
    """Return the description of every setting, in the order of the contract."""
    return tuple(_row(each) for each in dataclasses.fields(Settings) if each.metadata)


def _row(each: dataclasses.Field[object]) -> Row:
    about = each.metadata
    flag = about["flag"] or f"--{each.name.replace('_', '-')}"
    default = about["kind"].nothing if each.default is None else str(each.default)
    if about["computed"]:
        default = "computed"
    return Row(
        each.name, each.name.upper(), flag, about["kind"], about["help"], default
    )
