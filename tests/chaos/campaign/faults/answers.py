"""Faults of what the server answers: that it can't, or no longer knows.

The server is really brought into that state where it has one; a proxy answers for it
where it has not, or would have to lose data. Everything is set back by the heal.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import psutil
import redis

from tests.chaos.campaign.faults.striking import Healing, Strike, Table, into
from tests.servers import Server, wait_until

FAULTS: Table = {}
NOWHERE = ("192.0.2.1", "9")
"""Where no server is, for documentation by RFC 5737."""
BUSY_FROM = "100"
"""Milliseconds after which a script holds others up no longer: they are refused."""
SLOW_SNAPSHOT = 10_000_000
"""Microseconds at each key: enough to be killed in."""
ENDLESS = "local a = redis.call('PING') while true do end"
WRITES = ("EVALSHA", "EVAL", "XADD", "SET", "HSET", "DEL", "XACK", "ZADD")


def set_config(server: Server, name: str, value: object) -> None:
    with server.client() as client:
        client.config_set(name, str(value))


@into(FAULTS, "oom")
def oom(strike: Strike) -> Healing | None:
    """The memory is full: what needs more is refused, scripts too."""

    def begin(client: redis.Redis) -> Callable[[], None]:
        client.config_set("maxmemory", "1mb")
        return lambda: set_config(strike.cluster.server, "maxmemory", 0)

    return _state(strike, begin)


@into(FAULTS, "readonly")
def readonly(strike: Strike) -> Healing | None:
    """It was made a replica, as in a failover, of one that is not there."""

    def begin(client: redis.Redis) -> Callable[[], None]:
        client.replicaof(*NOWHERE)
        return lambda: _promote(strike.cluster.server)

    return _state(strike, begin)


def _promote(server: Server) -> None:
    with server.client() as client:
        client.replicaof("NO", "ONE")


@into(FAULTS, "misconf")
def misconf(strike: Strike) -> Healing | None:
    """A snapshot could not be written, so it takes no writes."""

    def begin(client: redis.Redis) -> Callable[[], None]:
        client.config_set("save", "86400 1000000000")
        _fail_a_snapshot(strike.cluster.server, client)
        return lambda: set_config(strike.cluster.server, "save", "")

    return _state(strike, begin)


def _fail_a_snapshot(server: Server, client: redis.Redis) -> None:
    assert server.process is not None
    master = psutil.Process(server.process.pid)
    others = {child.pid for child in master.children()}
    client.config_set("rdb-key-save-delay", SLOW_SNAPSHOT)
    try:
        if not has_failed(client):
            client.bgsave(schedule=True)

        def failed() -> bool:
            for child in master.children():
                if child.pid not in others:
                    with contextlib.suppress(psutil.NoSuchProcess):
                        child.kill()
            return has_failed(client)

        wait_until(failed, what="a snapshot has failed")
    finally:
        client.config_set("rdb-key-save-delay", 0)


def has_failed(client: redis.Redis) -> bool:
    """Whether the last snapshot has, since the server was started."""
    return bool(client.info("persistence")["rdb_last_bgsave_status"] == "err")


@into(FAULTS, "busy")
def busy(strike: Strike) -> Healing | None:
    """Somebody else's script runs and runs; then it is killed."""

    def begin(client: redis.Redis) -> Callable[[], None]:
        client.config_set("lua-time-limit", BUSY_FROM)
        # Its own link, without waiting for the answer.
        loose = client.connection_pool.make_connection()
        loose.connect()
        loose.send_command("EVAL", ENDLESS, 0)
        return lambda: _kill_script(strike.cluster.server, loose)

    return _state(strike, begin)


def _kill_script(server: Server, loose: redis.Connection) -> None:
    with server.client() as client:

        def killed() -> bool:
            try:
                return bool(client.script_kill())
            except redis.exceptions.ResponseError as error:
                # Not yet over its limit; or the server was started anew meanwhile.
                return "NOTBUSY" in str(error)

        wait_until(killed, what="the endless script is killed")
    loose.disconnect()


@into(FAULTS, "script-flush")
def script_flush(strike: Strike) -> Healing | None:
    """It forgets all scripts: NOSCRIPT."""

    def begin(client: redis.Redis) -> None:
        client.script_flush()

    return _state(strike, begin, 0.2, 0.5)


@into(FAULTS, "kick")
def kick(strike: Strike) -> Healing | None:
    """It closes every client's link, as an administrator may."""

    def begin(client: redis.Redis) -> None:
        client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    return _state(strike, begin, 0.2, 0.5)


@into(FAULTS, "full-house")
def full_house(strike: Strike) -> Healing | None:
    """It takes no more clients, and the ones it had are gone."""

    def begin(client: redis.Redis) -> Callable[[], None]:
        before = client.config_get("maxclients")["maxclients"]
        # The one that stays: nobody else could set it back.
        last = client.connection_pool.make_connection()
        last.connect()
        _ask(last, "CONFIG", "SET", "maxclients", 1)
        _ask(last, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

        def end() -> None:
            _ask(last, "CONFIG", "SET", "maxclients", before)
            last.disconnect()

        return end

    return _state(strike, begin)


def _ask(link: redis.Connection, *command: str | int) -> None:
    link.send_command(*command)
    link.read_response()


def _state(
    strike: Strike,
    begin: Callable[[redis.Redis], Callable[[], None] | None],
    least: float = 0.3,
    most: float = 3.0,
) -> Healing | None:
    server = strike.cluster.server
    if server.process is None:
        return None
    strike.tell()
    with server.client() as client:
        end = begin(client)
    return strike.lasting(least, most, end)


@into(FAULTS, "loading")
def loading(strike: Strike) -> Healing:
    """It says that it still loads its data."""
    return _answer(strike, "LOADING Redis is loading the dataset in memory", ())


@into(FAULTS, "clusterdown")
def clusterdown(strike: Strike) -> Healing:
    """It says that the cluster is down."""
    return _answer(strike, "CLUSTERDOWN The cluster is down", ())


@into(FAULTS, "tryagain")
def tryagain(strike: Strike) -> Healing:
    """It refuses some writes, as while slots move."""
    text = "TRYAGAIN Multiple keys request during rehashing of slot"
    return _answer(strike, text, WRITES, strike.chance.randint(1, 4))


def _answer(
    strike: Strike, error: str, only: tuple[str, ...], every: int = 1
) -> Healing:
    instance = strike.instance()
    proxy = strike.cluster.proxy(instance)
    strike.tell(instance=instance, every=every)
    proxy.answer(error, only, every)
    return strike.lasting(0.3, 3.0, proxy.heal, instance=instance)
