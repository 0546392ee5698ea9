"""rediss://: certificates and names are checked, and what is refused is said."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import redis
import trustme

from tests.functional.gate import Gate
from tests.servers import Server, binaries, free_port, server, wait_until
from tests.service import Service
from workflow_worker import Unavailable
from workflow_worker.client import Client


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an authority, and certificates for here and for elsewhere."""
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    trustme.CA().cert_pem.write_to_path(str(folder / "other.pem"))
    for name, host in (("here", "127.0.0.1"), ("elsewhere", "db.example")):
        issued = authority.issue_cert(host)
        issued.private_key_and_cert_chain_pem.write_to_path(str(folder / f"{name}.pem"))
    return folder


@pytest.fixture
def gates(valkey: Server, authority: Path) -> Iterator[dict[str, int]]:
    """Ports with a certificate for this host, and with one for another."""
    with ExitStack() as stack:
        ports = {}
        for name in ("here", "elsewhere"):
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(authority / f"{name}.pem")
            ports[name] = stack.enter_context(Gate(valkey.port, context)).port
        yield ports


def behind_a_gate(valkey: Server, authority: Path) -> Iterator[int]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(authority / "here.pem")
    with Gate(valkey.port, context) as gate:
        yield gate.port


def of_the_server_itself(valkey: Server, authority: Path) -> Iterator[int]:
    port, here = free_port(), str(authority / "here.pem")
    options = ("--tls-port", str(port), "--tls-cert-file", here, "--tls-key-file", here)
    more = ("--tls-ca-cert-file", str(authority / "ca.pem"), "--tls-auth-clients", "no")
    with server("redis-7.0", authority, *options, *more):
        yield port


# Of the three servers only Debian's was built with TLS.
WAYS = [behind_a_gate, of_the_server_itself][: 1 + ("redis-7.0" in binaries())]


@pytest.mark.parametrize("way", WAYS)
def test_a_workflow_runs_over_tls(
    valkey: Server,
    db: redis.Redis,
    authority: Path,
    tmp_path: Path,
    way: Callable[[Server, Path], Iterator[int]],
) -> None:
    with contextmanager(way)(valkey, authority) as port:
        url = f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={authority / 'ca.pem'}"
        with Service(url, tmp_path, WORKER_COUNT="1").start() as service:
            with service.client() as client:
                assert client.publish("doubles", {"n": 21}, wait=True, timeout=60) == 42
            wait_until(lambda: service.marked("ran") == ["emitted-42"])
            assert service.stop() == 0


@pytest.mark.parametrize(
    ("gate", "options", "said"),
    [
        ("here", "", "is not trusted"),
        ("here", "?ssl_ca_certs={}/other.pem", "name the file of its authority"),
        ("here", "?ssl_ca_certs={}/none.pem", "names as ssl_ca_certs can't be read"),
        ("here", "?ssl_ca_certs={}/ca.pem&ssl_certfile={}/none", "can't be read"),
        ("elsewhere", "?ssl_ca_certs={}/ca.pem", "is for another name"),
    ],
)
def test_what_can_t_be_trusted_is_refused_in_one_sentence(
    gates: dict[str, int],
    authority: Path,
    gate: str,
    options: str,
    said: str,
) -> None:
    url = f"rediss://127.0.0.1:{gates[gate]}/0" + options.replace("{}", str(authority))
    with Client(url) as client, pytest.raises(Unavailable) as refused:
        client.publish("quick")
    text = str(refused.value)
    assert text.startswith("Redis can't be reached: ")
    assert said in text
    assert "_ssl.c" not in text


@pytest.mark.parametrize(
    "options", ["ssl_cert_reqs=none", "ssl_ca_certs={}/ca.pem&ssl_check_hostname=false"]
)
def test_checks_are_off_only_where_the_url_says_so(
    gates: dict[str, int], authority: Path, options: str
) -> None:
    options = options.replace("{}", str(authority))
    url = f"rediss://127.0.0.1:{gates['elsewhere']}/0?{options}"
    with Client(url) as client:
        assert client.publish("nobody.wants")


def test_a_service_that_can_t_trust_its_server_says_so_and_takes_nothing(
    gates: dict[str, int], authority: Path, tmp_path: Path
) -> None:
    url = f"rediss://127.0.0.1:{gates['here']}/0?ssl_ca_certs={authority}/other.pem"
    with Service(url, tmp_path, WORKER_COUNT="1").launch() as service:
        wait_until(lambda: "name the file of its authority" in service.log())
        assert service.get("/readyz")[0] in (0, 503)
        assert service.ready_pids() == []
