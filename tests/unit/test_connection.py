"""How a failure of Redis is sorted: wait, repeat, or give up."""

from __future__ import annotations

import ssl
import subprocess
import sys

import pytest
from redis.exceptions import (
    BusyLoadingError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
)

from workflow_worker.broker.connection import Link, open_connection, translated
from workflow_worker.errors import OutcomeUnknown, Rejected, Unavailable

STATES = [
    BusyLoadingError("Redis is loading the dataset in memory"),
    ReadOnlyError("You can't write against a read only replica."),
    ResponseError("MISCONF Errors writing to the AOF file: No space left on device"),
    ResponseError("NOREPLICAS Not enough good replicas to write."),
    ResponseError("CLUSTERDOWN The cluster is down"),
    ResponseError("MASTERDOWN Link with MASTER is down"),
    ResponseError("BUSY Redis is busy running a script."),
    ResponseError("Protocol error: unauthenticated multibulk length"),
    ResponseError("NOGROUP No such key '{wf:0}:events' or consumer group 'workers'"),
    ResponseError(
        "ERR Error running script (call to f_1): @user_script:3: "
        "@user_script: 3: -READONLY You can't write against a read only replica."
    ),
]


@pytest.mark.parametrize("error", STATES, ids=lambda error: str(error)[:30])
def test_a_state_of_the_server_is_waited_out(error: Exception) -> None:
    assert isinstance(translated(error), Unavailable)


@pytest.mark.parametrize(
    "error",
    [
        OutOfMemoryError("command not allowed when used memory > 'maxmemory'."),
        ResponseError(
            "Error running script: -OOM command not allowed when used memory > "
            "'maxmemory'. script: 1f, on @user_script:12."
        ),
    ],
)
def test_full_memory_is_told_apart(error: Exception) -> None:
    assert isinstance(translated(error), Rejected)


@pytest.mark.parametrize(
    "error",
    [
        ResponseError("WRONGTYPE Operation against a key holding the wrong kind"),
        ResponseError("ERR value is not an integer or out of range"),
        NoScriptError("No matching script. Please use EVAL."),
    ],
)
def test_a_fault_of_the_command_stays_what_it_is(error: Exception) -> None:
    assert translated(error) is error


def test_nothing_listens_is_unavailable_and_not_unknown() -> None:
    link = Link("redis://127.0.0.1:1/0")
    with pytest.raises(Unavailable) as caught:
        link.call("PING")
    assert not isinstance(caught.value, OutcomeUnknown)


@pytest.mark.parametrize(
    "url",
    [
        "redis://h:1/2",
        "rediss://h:1/2",
        "unix:///tmp/s?db=2",
        "redis://h:1/2?socket_timeout=99&retry_on_timeout=True&health_check_interval=7",
    ],
)
def test_every_option_is_set_here_whatever_the_url_says(url: str) -> None:
    connection = open_connection(url, 3.0)
    assert connection.db == 2
    assert connection.socket_timeout == 3.0
    assert connection.retry_on_error == []
    assert connection.retry.get_retries() == 0
    assert connection.health_check_interval == 0
    assert connection.protocol == 2


def test_tls_certificates_are_checked() -> None:
    connection = open_connection("rediss://h:1/0", 3.0)
    assert connection.cert_reqs == ssl.CERT_REQUIRED
    assert connection.check_hostname


INTERRUPTED = """
import signal
from workflow_worker.broker.connection import pack

class Stop(BaseException):
    pass

packing = False

def stop(*_):
    global packing
    if packing:
        packing = False
        raise Stop

signal.signal(signal.SIGALRM, stop)
signal.setitimer(signal.ITIMER_REAL, 1e-4, 1e-4)
for _ in range(300):
    try:
        packing = True
        while True:
            pack(("PING", *range(1000, 1050)))
    except Stop:
        pass
signal.setitimer(signal.ITIMER_REAL, 0)
"""


def test_a_signal_whose_handler_raises_does_not_crash_the_packing_of_numbers() -> None:
    subprocess.run([sys.executable, "-c", INTERRUPTED], check=True, timeout=60)
