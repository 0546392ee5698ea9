"""Logging: what a line carries, whose logger it respects, what it never does."""

from __future__ import annotations

import functools
import json
import logging
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_worker import log as logs

LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ")


@pytest.fixture(autouse=True)
def root() -> Iterator[logging.Logger]:
    """The root logger, left as it was found."""
    root = logging.getLogger()
    level, factory = root.level, logging.getLogRecordFactory()
    raises = logging.raiseExceptions
    yield root
    root.handlers[:] = []
    root.setLevel(level)
    logging.setLogRecordFactory(factory)
    logging.raiseExceptions = raises
    logs.set_slot(None)
    logs.running("")


def configure(level: str, fmt: str, *, role: str) -> None:
    """Configure as in a process where pytest has no handlers."""
    root = logging.getLogger()
    foreign = [h for h in root.handlers if type(h).__module__.startswith("_pytest")]
    for handler in foreign:
        root.removeHandler(handler)
    logs.configure(level, fmt, role=role)


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()


def test_a_text_line_says_when_what_who_and_where(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure("info", "text", role="monitor")
    logs.get("shop").warning("out of %s", "tea")
    (line,) = lines(capsys)
    assert LINE.match(line)
    assert LINE.sub("", line) == "WARNING monitor shop: out of tea"


def test_a_text_line_names_worker_and_execution(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure("info", "text", role="worker")
    logs.set_slot(3)
    logs.running("0-1.fulfil")
    logs.get("shop").info("packed")
    (line,) = lines(capsys)
    assert LINE.sub("", line) == "INFO worker-3 shop: packed execution=0-1.fulfil"


def test_a_json_line_is_one_object_with_the_extras(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure("info", "json", role="worker")
    logs.set_slot(0)
    logs.running("0-1.fulfil")
    logs.get("shop").info("two\nlines", extra={"parcel": 7})
    (line,) = lines(capsys)
    found = json.loads(line)
    assert LINE.match(found.pop("time") + " ")
    assert found == {
        "level": "info",
        "role": "worker",
        "slot": 0,
        "execution": "0-1.fulfil",
        "logger": "shop",
        "message": "two\nlines",
        "parcel": 7,
    }


@pytest.mark.parametrize("fmt", ["text", "json"])
def test_a_traceback_is_part_of_the_record(
    capsys: pytest.CaptureFixture[str], fmt: str
) -> None:
    configure("info", fmt, role="worker")
    try:
        _ = 1 / 0
    except ZeroDivisionError:
        logs.get("shop").exception("broke")
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_less_important_lines_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    configure("warning", "text", role="worker")
    logs.get("shop").info("packed")
    assert lines(capsys) == []


def test_configured_again_it_changes_and_does_not_double(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure("warning", "json", role="master")
    configure("info", "text", role="worker")
    logs.get("shop").info("packed")
    (line,) = lines(capsys)
    assert line.endswith("INFO worker shop: packed")


def test_handlers_of_the_user_are_left_alone(
    root: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs = logging.NullHandler()
    root.handlers[:] = [theirs]
    root.setLevel("ERROR")
    configure("debug", "text", role="worker")
    assert root.handlers == [theirs]
    assert root.level == logging.ERROR


def test_records_of_every_logger_carry_slot_and_execution(
    root: logging.Logger,
) -> None:
    seen = []
    theirs = logging.Handler()
    theirs.emit = seen.append  # type: ignore[method-assign] # the user's own handler
    root.addHandler(theirs)
    configure("info", "text", role="worker")
    logs.set_slot(2)
    logs.running("x.y")
    logging.getLogger("any").error("hello")
    (record,) = seen
    assert (record.wf_slot, record.wf_execution) == (2, "x.y")


def test_extras_may_have_any_name(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", "json", role="worker")
    mine = {"parcel": 1, "execution_id": "mine", "queue": "q"}
    logs.get("shop").info("packed", extra=mine)
    assert mine.items() <= json.loads(lines(capsys)[0]).items()


def test_an_execution_belongs_to_one_thread(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", "text", role="worker")
    logs.running("mine")
    other = threading.Thread(target=lambda: logs.get("shop").info("packed"))
    other.start()
    other.join()
    assert "execution" not in lines(capsys)[0]


def test_basic_config_of_an_app_takes_effect(
    root: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    configure("info", "text", role="worker")
    with logs.aside():
        logging.basicConfig(format="mine %(message)s")
    logs.get("shop").warning("packed")
    assert lines(capsys) == ["mine packed"]


def test_an_app_without_logging_keeps_ours(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", "text", role="worker")
    with logs.aside():
        pass
    logs.get("shop").info("packed")
    assert len(lines(capsys)) == 1


def test_loggers_switched_off_by_an_app_speak_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ours = logs.get("workflow_worker.test_log")
    configure("info", "text", role="worker")
    with logs.aside():
        ours.disabled = True
    ours.info("ready")
    assert len(lines(capsys)) == 1


def test_a_record_factory_of_an_app_keeps_both(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure("info", "text", role="worker")
    logs.running("x.y")
    with logs.aside():
        logging.setLogRecordFactory(logging.LogRecord)
    logs.get("shop").info("packed")
    assert lines(capsys)[0].endswith("execution=x.y")


def test_a_factory_around_ours_is_not_wrapped_again() -> None:
    configure("info", "text", role="worker")
    inner = logging.getLogRecordFactory()
    outer = functools.partial(inner)
    logging.setLogRecordFactory(outer)
    configure("info", "text", role="worker")
    assert logging.getLogRecordFactory() is outer


def test_a_line_that_is_lost_costs_no_traceback(
    root: logging.Logger, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    configure("info", "text", role="worker")
    (handler,) = root.handlers
    assert isinstance(handler, logging.StreamHandler)
    with (tmp_path / "log").open("w") as handler.stream:
        pass
    logs.get("shop").info("packed")
    assert lines(capsys) == []


SAYS = """
import logging, sys
from workflow_worker import log
log.configure("info", "text", role="master")
for _ in range(1000):
    logging.getLogger("shop").info("packed " * 100)
sys.stdout.write("alive")
"""


def test_a_full_disk_kills_nothing() -> None:
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
        done = subprocess.run(
            [sys.executable, "-c", SAYS],
            stdout=subprocess.PIPE,
            stderr=full,
            timeout=60,
            check=False,
        )
    assert done.stdout == b"alive"


def test_a_closed_stderr_kills_nothing() -> None:
    done = subprocess.run(
        ["sh", "-c", 'exec "$0" -c "$1" 2>&-', sys.executable, SAYS],
        stdout=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.returncode) == (b"alive", 0)


WORDS = st.from_regex(r"s3cr3t[A-Za-z0-9!$,.;+-]{0,9}", fullmatch=True)


@given(
    WORDS,
    st.sampled_from(
        [
            "redis://:{}@h:1/0",
            "can't reach redis://u:{}@h:1/0, will wait",
            "redis://h/0?db=1&password={}",
            "from redis://u:{}@a to redis://b?password={}",
        ]
    ),
)
def test_no_password_survives_redaction(word: str, text: str) -> None:
    assert "s3cr3t" not in logs.redact(text.replace("{}", word))


def test_redaction_of_a_long_word_takes_no_longer_than_of_many() -> None:
    # With the square of its length it would be hours.
    assert logs.redact("a" * 3_000_000) == "a" * 3_000_000


def test_redaction_keeps_the_rest() -> None:
    text = "to redis://u:p@h:6379/0 at 12:30, mail a@b.c"
    assert logs.redact(text) == "to redis://u:***@h:6379/0 at 12:30, mail a@b.c"
