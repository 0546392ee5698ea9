"""Settings: what is accepted, what wins, what is never shown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from workflow_worker.errors import ConfigurationError
from workflow_worker.settings import (
    Settings,
    load,
    mask_url,
    table,
    usable_cores,
)

CONTRACT = {
    "CONCURRENCY_LIMIT": 5,
    "BATCH_SIZE": 10,
    "POLL_INTERVAL_MS": 1000,
    "MAX_RETRIES": 3,
    "HEALTH_CHECK_INTERVAL_MS": 30000,
    "METRICS_REPORTING_INTERVAL_MS": 60000,
    "LOG_LEVEL": "info",
    "LOG_FORMAT": "text",
    "REDIS_URL": "redis://127.0.0.1:6379/0",
    "WORKFLOW_APP": "workflows:app",
    "WORKFLOW_NAMESPACE": "wf",
    "HTTP_HOST": "127.0.0.1",
    "HTTP_PORT": 8090,
    "HTTP_TOKEN": None,
    "LEASE_MS": 30000,
    "MAX_DELIVERIES": 5,
    "EVENT_TIMEOUT_MS": 0,
    "SHUTDOWN_TIMEOUT_MS": 25000,
    "HANG_TIMEOUT_MS": 60000,
    "MAX_PAYLOAD_BYTES": 1048576,
    "MAX_EVENTS_PER_WORKER": 0,
    "MAX_MEMORY_MB": 0,
    "RETRY_BASE_MS": 1000,
    "RETRY_MAX_MS": 30000,
    "RESULT_TTL_MS": 86400000,
    "RESULT_LIMIT": 100000,
    "DEDUP_TTL_MS": 86400000,
    "EARLY_TTL_MS": 60000,
    "INBOX_LIMIT": 10000,
}


def settings(flags: dict[str, str | None] | None = None, **environ: str) -> Settings:
    return load(flags or {}, environ, None)


def refusal(flags: dict[str, str | None] | None = None, **environ: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        settings(flags, **environ)
    return str(caught.value)


def test_the_defaults_are_those_of_the_contract() -> None:
    shown = settings().masked()
    assert shown.pop("WORKER_COUNT") == usable_cores()
    assert shown == CONTRACT


def test_settings_made_without_loading_are_the_defaults() -> None:
    assert Settings() == settings()


def test_every_setting_has_a_flag_of_its_own() -> None:
    flags = [row.flag for row in table()]
    assert len(set(flags)) == len(flags)
    assert {"--workers", "--concurrency", "--app", "--redis-url"} < set(flags)
    assert "--batch-size" in flags


def test_a_flag_wins_over_environment_file_and_default(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("BATCH_SIZE=4\nLEASE_MS=40000\nINBOX_LIMIT=44\n")
    environ = {"BATCH_SIZE": "3", "LEASE_MS": "33000"}
    found = load({"batch_size": "2", "lease_ms": None}, environ, dotenv)
    values = (found.batch_size, found.lease_ms, found.inbox_limit, found.max_retries)
    assert values == (2, 33000, 44, 3)


def test_each_value_remembers_where_it_came_from(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("INBOX_LIMIT=44\n")
    found = load({"batch_size": "2"}, {"LEASE_MS": "33000"}, dotenv)
    names = ("BATCH_SIZE", "LEASE_MS", "INBOX_LIMIT", "MAX_RETRIES")
    origins = [found.origin(name) for name in names]
    assert origins == ["flag", "environment", ".env", "default"]


def test_an_empty_variable_counts_as_unset() -> None:
    assert settings(BATCH_SIZE="", LOG_LEVEL=" ") == Settings()


def test_an_empty_flag_is_a_bad_value() -> None:
    assert "BATCH_SIZE is ''" in refusal({"batch_size": ""})


def test_blanks_around_a_value_do_not_matter() -> None:
    assert settings(BATCH_SIZE=" 7\t").batch_size == 7


def test_words_may_be_written_in_capitals() -> None:
    found = settings(LOG_LEVEL="DEBUG", LOG_FORMAT="Json", HTTP_PORT="OFF")
    assert (found.log_level, found.log_format, found.http_port) == (
        "debug",
        "json",
        None,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WORKER_COUNT", "two"),
        ("WORKER_COUNT", "0"),
        ("WORKER_COUNT", "-1"),
        ("WORKER_COUNT", "2.0"),
        ("WORKER_COUNT", "1_0"),
        ("WORKER_COUNT", "٣"),
        ("CONCURRENCY_LIMIT", "0"),
        ("BATCH_SIZE", "0"),
        ("POLL_INTERVAL_MS", "0"),
        ("POLL_INTERVAL_MS", "-1"),
        ("MAX_RETRIES", "-1"),
        ("LEASE_MS", "-30000"),
        ("LEASE_MS", "30s"),
        ("LEASE_MS", "99999999999"),
        ("SHUTDOWN_TIMEOUT_MS", "-1"),
        ("MAX_PAYLOAD_BYTES", "0"),
        ("LOG_LEVEL", "loud"),
        ("LOG_FORMAT", "xml"),
        ("WORKFLOW_APP", "workflows"),
        ("WORKFLOW_APP", "work-flows:app"),
        ("WORKFLOW_APP", "a:b:c"),
        ("WORKFLOW_NAMESPACE", "a{b}"),
        ("WORKFLOW_NAMESPACE", "a b"),
        ("WORKFLOW_NAMESPACE", "a*"),
        ("HTTP_HOST", "http://localhost"),
        ("HTTP_PORT", "http"),
        ("HTTP_PORT", "65536"),
        ("REDIS_URL", "localhost:6379"),
    ],
)
def test_a_bad_value_is_refused_by_name_and_value(name: str, value: str) -> None:
    text = refusal(**{name: value})
    assert text.startswith(f"{name} is {value!r} (environment), but must be ")


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1",
        "redis+sentinel://h:1",
        "redis://",
        "redis:///0",
        "redis://h:port",
        "redis://h:0",
        "redis://h:70000",
        "redis://[::1",
        "redis://h/zero",
        "redis://h/0?db=-1",
        "redis://h/0#1",
        "redis://h /0",
        "redis://h/0?socket_timeout=1",
        "redis://h/0?decode_responses=1",
        "unix://",
        "unix:///s?db=x",
        "//h:6379",
        "redis",
    ],
)
def test_a_malformed_url_is_refused(url: str) -> None:
    assert refusal(REDIS_URL=url).startswith("REDIS_URL is ")


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost",
        "redis://u:p%40ss@redis.example:6380/15",
        "redis://[::1]:6379/0",
        "rediss://h:6379/0?ssl_cert_reqs=required&ssl_ca_certs=/etc/ca.pem",
        "redis://h?db=3",
        "unix:///run/redis.sock?db=2",
        "unix://:secret@/run/redis.sock",
    ],
)
def test_a_good_url_is_taken_as_it_is(url: str) -> None:
    assert settings(REDIS_URL=url).redis_url == url


def test_the_flag_is_named_where_the_flag_is_wrong() -> None:
    assert "(flag --workers)" in refusal({"worker_count": "x"})


@pytest.mark.parametrize(
    ("small", "large"),
    [
        ("RETRY_BASE_MS", "RETRY_MAX_MS"),
        ("POLL_INTERVAL_MS", "LEASE_MS"),
        ("POLL_INTERVAL_MS", "HANG_TIMEOUT_MS"),
    ],
)
def test_values_that_contradict_each_other_are_refused(small: str, large: str) -> None:
    text = refusal(**{"LEASE_MS": "900000", small: "500001", large: "500000"})
    assert text.startswith(f"{small} is 500001, but must be at most {large}")


# --- properties -------------------------------------------------------------------


@given(st.integers(1, 10_000))
def test_every_whole_number_within_bounds_is_read(number: int) -> None:
    assert settings(BATCH_SIZE=str(number)).batch_size == number


@given(st.integers().filter(lambda number: not 1 <= number <= 10_000))
def test_no_number_out_of_bounds_is_read(number: int) -> None:
    assert "BATCH_SIZE" in refusal(BATCH_SIZE=str(number))


@given(st.sampled_from([row.env for row in table()]), st.text(min_size=1))
def test_any_text_is_read_or_refused_in_one_line(name: str, text: str) -> None:
    said = f"{name} is fine"
    try:
        settings(**{name: text})
    except ConfigurationError as error:
        said = str(error)
    assert re.fullmatch(rf"{name} is .*|[A-Z_]+ is .*{name}.*", said)


SECRETS = st.from_regex(r"s3cr3t[!-~]{0,12}", fullmatch=True)


@given(
    SECRETS,
    st.sampled_from(
        [
            "redis://:{}@host:6379/0",
            "redis://user:{}@host:6379/0",
            "redis://{}@host",
            "redis://host/0?password={}",
            "redis://host/0?p%61ssword={}",
            "redis://host/0?db=1&username={}",
            "unix://:{}@/run/s",
            "redis://:{}@host:port",
            "redis://:{}",
            "http://u:{}@host",
            "redis://u:{}@host/0?bad=1",
            "redis:/u:{}@host",
            "{}@host",
        ],
    ),
)
def test_no_password_is_ever_shown(secret: str, pattern: str) -> None:
    # With a colon, that is the name of a user and a password.
    assume(pattern != "redis://{}@host" or ":" not in secret)
    url = pattern.format(secret)
    try:
        found = settings(REDIS_URL=url)
        shown = f"{found.masked()} {found!r}"
    except ConfigurationError as error:
        shown = f"{error} {error.__cause__}"
    assert "s3cr3t" not in shown + mask_url(url)


@given(st.text(min_size=1))
def test_no_token_is_ever_shown(text: str) -> None:
    token = f"t0k3n{text}"
    try:
        found = settings(HTTP_TOKEN=token)
        shown = f"{found.masked()} {found!r}"
    except ConfigurationError as error:
        shown = f"{error} {error.__cause__}"
    assert "t0k3n" not in shown


def test_what_is_no_secret_of_a_url_is_shown() -> None:
    masked = mask_url("rediss://u:p@h:6380/3?ssl_cert_reqs=none&password=p")
    assert masked == "rediss://u:***@h:6380/3?ssl_cert_reqs=none&password=***"


# --- cores ------------------------------------------------------------------------


def host(root: Path, cgroup: str, **files: str) -> Path:
    """Lay out a host: keys are paths below the cgroup mount, with ``__`` for ``/``."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(cgroup)
    for name, text in files.items():
        path = root / "sys/fs/cgroup" / re.sub("__", "/", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def v1(group: str, quota: str) -> dict[str, str]:
    prefix = f"{group}__cpu.cfs"
    return {f"{prefix}_quota_us": f"{quota}\n", f"{prefix}_period_us": "100000\n"}


def test_without_cgroups_the_affinity_counts(tmp_path: Path) -> None:
    assert usable_cores(tmp_path, 6) == 6


def test_a_quota_of_v2_binds(tmp_path: Path) -> None:
    root = host(tmp_path, "0::/job\n", **{"job__cpu.max": "300000 100000\n"})
    assert usable_cores(root, 8) == 3


def test_a_quota_of_v1_binds(tmp_path: Path) -> None:
    root = host(
        tmp_path, "4:memory:/\n3:cpu,cpuacct:/job\n", **v1("cpu__job", "250000")
    )
    assert usable_cores(root, 8) == 3


def test_a_joint_mount_of_v1_is_found(tmp_path: Path) -> None:
    root = host(tmp_path, "3:cpu,cpuacct:/job\n", **v1("cpu,cpuacct__job", "100000"))
    assert usable_cores(root, 8) == 1


def test_v2_beside_v1_is_found(tmp_path: Path) -> None:
    files = {"unified__job__cpu.max": "200000 100000"}
    root = host(tmp_path, "1:cpu:/\n0::/job\n", **files)
    assert usable_cores(root, 8) == 2


def test_the_tightest_of_nested_groups_binds(tmp_path: Path) -> None:
    files = {
        "a__b__cpu.max": "700000 100000",
        "a__cpu.max": "200000 100000",
        "cpu.max": "max 100000",
    }
    assert usable_cores(host(tmp_path, "0::/a/b\n", **files), 8) == 2


def test_the_path_of_the_host_leads_to_the_containers_own_group(tmp_path: Path) -> None:
    files = {"cpu.max": "200000 100000"}
    assert usable_cores(host(tmp_path, "0::/../../docker/1\n", **files), 8) == 2


def test_a_part_of_a_core_is_rounded_up(tmp_path: Path) -> None:
    root = host(tmp_path, "0::/\n", **{"cpu.max": "210000 100000"})
    assert usable_cores(root, 8) == 3


def test_there_is_always_one_core(tmp_path: Path) -> None:
    root = host(tmp_path, "0::/\n", **{"cpu.max": "1 100000"})
    assert usable_cores(root, 8) == 1


def test_a_generous_quota_gives_no_cores(tmp_path: Path) -> None:
    root = host(tmp_path, "0::/\n", **{"cpu.max": "9900000 100000"})
    assert usable_cores(root, 2) == 2


@pytest.mark.parametrize("text", ["max 100000", "", "garbage", "1 0", "-1 100000"])
def test_what_sets_no_limit_does_not_bind(tmp_path: Path, text: str) -> None:
    assert usable_cores(host(tmp_path, "0::/\n", **{"cpu.max": text}), 8) == 8


def test_an_unlimited_group_of_v1_does_not_bind(tmp_path: Path) -> None:
    assert usable_cores(host(tmp_path, "1:cpu:/\n", **v1("cpu", "-1")), 8) == 8


@given(st.text())
def test_no_cgroup_file_is_too_strange(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    root = tmp_path_factory.mktemp("host")
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(text, "utf-8")
    assert usable_cores(root, 8) == 8
