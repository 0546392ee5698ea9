"""Who takes part: the product at two settings, the machine itself, and the peers."""

from __future__ import annotations

from contenders import DRAINS, DURABLE, QUEUES, Contender
from peers.table import PEERS

_START = ("{python}", "-m", "workflow_worker", "start")
_ENV = {
    "REDIS_URL": "{url}",
    "WORKFLOW_APP": "peers.ours:app",
    "WORKER_COUNT": "2",
    "HTTP_PORT": "0",
}
_PROMISE = "Begun events run again as soon as the master has seen the death."

OURS = Contender(
    name="ours",
    label="workflow-worker",
    module="peers.ours",
    commands=(_START,),
    env=_ENV,
    workloads=QUEUES | DURABLE | {"curves"},
    rates={"noop": 20_000, "io": 1_000, "cpu": 350, "five": 2_000, "roundtrip": 1_500},
    setting="Two workers, all else at its defaults: 5 threads each, BATCH_SIZE=10.",
    promise=_PROMISE,
    url="operations.rst",
    ours=True,
)
BATCHED = Contender(
    name="ours-100",
    label="workflow-worker, BATCH_SIZE=100",
    module="peers.ours",
    commands=(_START,),
    env={**_ENV, "BATCH_SIZE": "100"},
    workloads=DRAINS | {"five"},
    rates={"noop": 40_000, "io": 1_000, "cpu": 350, "five": 2_000},
    setting="The same, but as many as 100 events are read at once.",
    promise=_PROMISE,
    url="operations.rst",
    ours=True,
)
READER = Contender(
    name="bare-read",
    label="bare XADD to blocked XREAD",
    module="peers.bare",
    commands=(("{python}", "-m", "peers.bare", "read"),),
    workloads=frozenset({"latency"}),
    floor=True,
    setting="One process in redis-py's blocking XREAD: the floor of latency.",
)
SLEEPERS = Contender(
    name="bare-threads",
    label="bare threads",
    module="peers.bare",
    commands=tuple(
        ("{python}", "-m", "peers.bare", "sleep", process, "2") for process in "01"
    ),
    workloads=frozenset({"io"}),
    floor=True,
    setting="Two processes of five threads that sleep and mark: the floor of waiting.",
)
FLOORS = READER, SLEEPERS
CONTENDERS = (OURS, BATCHED, *FLOORS, *PEERS)
