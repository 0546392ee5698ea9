"""The peers: every version, command line and setting they run with, and why.

All have 2 worker processes and 10 tasks in flight where both can be had; RQ and
Celery's prefork pool run one task at a time in a process, so theirs are 10. Return
values are not kept, and nothing is logged for a task, where that is a setting. Some
set-ups are for recovery alone: they set how soon a dead worker is noticed, where that
puts no limit on how long a task may take. Where ``--workers 2`` would make one worker
the other's parent, the command line is started twice instead.
"""

from __future__ import annotations

from contenders import DURABLE, QUEUES, Contender

_HIREDIS = "hiredis==3.5.0"
_CLIENT = ("redis==8.1.0", _HIREDIS)
_UVLOOP = "uvloop==0.23.0"

_CELERY = ("celery[redis]==5.7.0", *_CLIENT)
_CELERY_WORKER = (
    *("{bin}/celery", "-A", "peers.celery_app", "worker", "-l", "WARNING"),
    *("--without-gossip", "--without-mingle", "--without-heartbeat"),
)
_CELERY_GUIDE = "https://docs.celeryq.dev/en/stable/userguide/optimizing.html"

CELERY_PREFORK = Contender(
    name="celery-prefork",
    label="Celery, prefork",
    module="peers.celery_app",
    requirements=_CELERY,
    commands=((*_CELERY_WORKER, "-c", "10"),),
    rates={"noop": 900, "io": 700, "cpu": 250},
    setting=(
        "One worker with the default pool, 10 processes; results ignored, a prefetch "
        "multiplier of 128, as the guide to optimizing says for many short tasks; no "
        "gossip, mingle or heartbeats."
    ),
    promise="Acknowledged before it runs: begun work is lost.",
    url=_CELERY_GUIDE,
)
CELERY_THREADS = Contender(
    name="celery-threads",
    label="Celery, threads",
    module="peers.celery_app",
    requirements=_CELERY,
    commands=tuple(
        (*_CELERY_WORKER, "-P", "threads", "-c", "5", "-n", f"w{number}@%h")
        for number in range(2)
    ),
    rates={"noop": 1_400, "io": 700, "cpu": 250},
    workloads=QUEUES - {"recovery"},
    setting="The same with the pool of threads: two workers of 5.",
    promise="As with prefork; a dead worker is not started again either.",
    url="https://docs.celeryq.dev/en/stable/userguide/concurrency/index.html",
)
CELERY_LATE = Contender(
    name="celery-late",
    label="Celery, acks_late",
    module="peers.celery_app",
    requirements=_CELERY,
    commands=CELERY_PREFORK.commands,
    env={"BENCH_LATE": "1"},
    workloads=frozenset({"recovery"}),
    setting="Prefork with task_acks_late and task_reject_on_worker_lost.",
    promise=(
        "The parent gives back what a dead child had begun; if the parent dies, the "
        "visibility timeout does, by default after an hour."
    ),
    url="https://docs.celeryq.dev/en/stable/userguide/tasks.html",
)

_DRAMATIQ = ("dramatiq[redis]==2.2.1", *_CLIENT)
_DRAMATIQ_WORKER = "{bin}/dramatiq", "peers.dramatiq_app", "--threads", "5"
DRAMATIQ = Contender(
    name="dramatiq",
    label="Dramatiq",
    module="peers.dramatiq_app",
    requirements=_DRAMATIQ,
    commands=((*_DRAMATIQ_WORKER, "--processes", "2"),),
    env={"dramatiq_queue_prefetch": "40"},
    rates={"noop": 5_000, "io": 900, "cpu": 300},
    workloads=QUEUES - {"recovery"},
    setting=(
        "Redis broker with the middleware it comes with, two processes of 5 threads; "
        "dramatiq_queue_prefetch=40 instead of twice the threads."
    ),
    promise="When a worker dies, the main process ends the others and itself.",
    url="https://dramatiq.io/guide.html",
)
DRAMATIQ_EAGER = Contender(
    name="dramatiq-eager",
    label="Dramatiq, polling every 5 ms",
    module="peers.dramatiq_app",
    requirements=_DRAMATIQ,
    commands=DRAMATIQ.commands,
    env={**DRAMATIQ.env, "dramatiq_worker_timeout": "5"},
    workloads=frozenset({"latency"}),
    setting="The same with dramatiq_worker_timeout=5: idle workers poll every 5 ms.",
    promise=DRAMATIQ.promise,
    url="https://dramatiq.io/guide.html",
)
DRAMATIQ_APART = Contender(
    name="dramatiq-apart",
    label="Dramatiq, two services",
    module="peers.dramatiq_app",
    requirements=_DRAMATIQ,
    commands=((*_DRAMATIQ_WORKER, "--processes", "1"),) * 2,
    workloads=frozenset({"recovery"}),
    setting="Two main processes of one worker each, so that one outlives the other.",
    promise=(
        "Given back when the dead worker's heartbeat is 60 s old and maintenance, "
        "which one command in 1,000 does, has seen that."
    ),
    url="https://dramatiq.io/advanced.html",
)
DRAMATIQ_QUICK = Contender(
    name="dramatiq-quick",
    label="Dramatiq, heartbeat 2 s",
    module="peers.dramatiq_app",
    requirements=_DRAMATIQ,
    commands=DRAMATIQ_APART.commands,
    env={"BENCH_HEARTBEAT_MS": "2000", "BENCH_MAINTENANCE": "1000000"},
    workloads=frozenset({"recovery"}),
    setting="The same with heartbeat_timeout=2000 and maintenance in every command.",
    promise="Given back when the dead worker's heartbeat is 2 s old.",
    url="https://dramatiq.io/reference.html",
)

_RQ = ("rq==3.0.0", *_CLIENT)
_RQ_POOL = (
    *("{bin}/rq", "worker-pool", "-q", "-u", "{url}"),
    *("-w", "rq.SimpleWorker", "-n"),
)
_RQ_NOTES = "https://github.com/rq/rq/blob/master/docs/benchmark.md"
RQ = Contender(
    name="rq",
    label="RQ",
    module="peers.rq_app",
    requirements=_RQ,
    commands=((*_RQ_POOL, "10"),),
    rates={"noop": 400, "io": 300, "cpu": 150},
    setting=(
        "A pool of 10 SimpleWorkers of one job each, which its notes on performance "
        "call 6 times as fast as the default; result_ttl=0, enqueue_many."
    ),
    promise="Minutes later it is moved to the failed jobs, unless the job has a Retry.",
    url=_RQ_NOTES,
)
RQ_TWO = Contender(
    name="rq-2",
    label="RQ, 2 workers",
    module="peers.rq_app",
    requirements=_RQ,
    commands=((*_RQ_POOL, "2"),),
    rates={"noop": 300, "cpu": 200},
    workloads=frozenset({"noop", "cpu"}),
    setting="The same with as many workers as cores: less CPU where nothing waits.",
    promise="As above.",
    url=_RQ_NOTES,
)

HUEY = Contender(
    name="huey",
    label="Huey",
    module="peers.huey_app",
    requirements=("huey==3.5.4", *_CLIENT),
    commands=(
        (
            *("{bin}/huey_consumer", "peers.huey_app.huey"),
            *("-q", "-n", "-k", "thread", "-w", "5"),
        ),
    )
    * 2,
    rates={"noop": 6_000, "io": 900, "cpu": 300},
    setting=(
        "RedisHuey, a list without priorities, read blocking; results=False, two "
        "consumers of 5 threads, which took less CPU than processes; no periodic tasks."
    ),
    promise="Taken off the list before it runs: begun work is lost.",
    url="https://huey.readthedocs.io/en/latest/consumer.html",
)

_TASKIQ = (
    *("taskiq[orjson,uv]==0.13.0", "taskiq-redis==1.2.4"),
    *(*_CLIENT, _UVLOOP),
)
_TASKIQ_WORKER = (
    *("{bin}/taskiq", "worker", "peers.taskiq_app:broker", "--log-level", "WARNING"),
    *("--workers", "2", "--max-async-tasks", "5", "--max-prefetch", "5"),
)
TASKIQ = Contender(
    name="taskiq",
    label="taskiq",
    module="peers.taskiq_app",
    requirements=_TASKIQ,
    commands=(_TASKIQ_WORKER,),
    rates={"noop": 5_000, "io": 900, "cpu": 300},
    workloads=QUEUES - {"recovery"},
    setting=(
        "RedisStreamBroker on uvloop with orjson, acknowledged when done; two workers "
        "of 5 coroutines, --max-prefetch 5, and 100 messages in a read, its default."
    ),
    promise=(
        "What a dead worker had read, begun or not, is claimed by another once it is "
        "idle for idle_timeout, by default 10 minutes; longer tasks run twice."
    ),
    url="https://taskiq-python.github.io/guide/cli.html",
)
TASKIQ_TEN = Contender(
    name="taskiq-ten",
    label="taskiq, 10 in a read",
    module="peers.taskiq_app",
    requirements=_TASKIQ,
    commands=(_TASKIQ_WORKER,),
    env={"BENCH_READ": "10"},
    rates={"io": 900},
    workloads=frozenset({"io", "recovery"}),
    setting="xread_count=10: one worker no longer reads what two could run at once.",
    promise=TASKIQ.promise,
    url="https://github.com/taskiq-python/taskiq-redis",
)

ARQ = Contender(
    name="arq",
    label="arq",
    module="peers.arq_app",
    requirements=("arq==0.28.0", "redis==5.3.1", _HIREDIS, _UVLOOP),
    commands=(
        (
            *("{bin}/arq", "peers.arq_app.Worker"),
            *("--custom-log-dict", "peers.arq_app.LOGGING"),
        ),
    )
    * 2,
    rates={"noop": 1_300, "io": 500, "cpu": 250},
    setting=(
        "Two workers of max_jobs=5 on uvloop, keep_result=0; poll_delay=0.005: with "
        "the default of 0.5 s each would start 10 jobs a second."
    ),
    promise="Begins again when its in-progress key ends: job_timeout and 10 s, 310 s.",
    url="https://arq-docs.helpmanual.io/",
)

SAQ = Contender(
    name="saq",
    label="SAQ",
    module="peers.saq_app",
    requirements=(
        "saq[redis]==0.26.4",
        "redis==7.4.1",
        _HIREDIS,
        "typing_extensions==4.16.0",
        _UVLOOP,
    ),
    commands=(("{bin}/saq", "peers.saq_app.settings"),) * 2,
    rates={"noop": 2_800, "io": 700, "cpu": 280},
    setting="Two workers of concurrency=5 on uvloop; ttl=-1, so no results.",
    promise=(
        "Swept once it has run longer than its timeout, by default 10 s, which is "
        "looked for every 60 s; it begins again only if the job was given retries."
    ),
    url="https://saq-py.readthedocs.io/en/latest/",
)

_STREAQ = ("streaq==7.2.0", _UVLOOP)
_STREAQ_RUN = "{bin}/streaq", "run", "peers.streaq_app:worker"
STREAQ = Contender(
    name="streaq",
    label="streaQ",
    module="peers.streaq_app",
    requirements=_STREAQ,
    commands=(_STREAQ_RUN,) * 2,
    rates={"noop": 1_700, "io": 700, "cpu": 280},
    setting=(
        "Two workers of concurrency=5 on uvloop, prefetch at its default; silent=True, "
        "ttl=0, enqueue_many."
    ),
    promise="Begins again if it isn't renewed for idle_timeout, by default 60 s.",
    url="https://streaq.readthedocs.io/en/latest/",
)
STREAQ_QUICK = Contender(
    name="streaq-quick",
    label="streaQ, idle_timeout 2 s",
    module="peers.streaq_app",
    requirements=_STREAQ,
    commands=(_STREAQ_RUN,) * 2,
    env={"BENCH_IDLE": "2"},
    workloads=frozenset({"recovery"}),
    setting="idle_timeout=2: running tasks are renewed every 1.8 s.",
    promise="Begins again if it isn't renewed for 2 s.",
    url="https://streaq.readthedocs.io/en/latest/",
)

_DBOS = ("dbos==3.4.0",)
_DBOS_WORKERS = tuple(
    ("{python}", "-m", "peers.dbos_app", "serve", str(number)) for number in range(2)
)
_DBOS_PROMISE = (
    "An executor of the same name recovers its workflows when it starts again; without "
    "DBOS Conductor nobody else does."
)
DBOS = Contender(
    name="dbos",
    label="DBOS, SQLite",
    module="peers.dbos_app",
    requirements=_DBOS,
    commands=_DBOS_WORKERS,
    rates={"five": 40, "roundtrip": 30},
    workloads=DURABLE,
    setting=(
        "Two executors, a queue of worker_concurrency=5 that is polled every 50 ms "
        "instead of every second, SQLite as DBOS opens it."
    ),
    promise=_DBOS_PROMISE,
    url="https://docs.dbos.dev/python/reference/queues",
)
DBOS_WAL = Contender(
    name="dbos-wal",
    label="DBOS, SQLite with WAL",
    module="peers.dbos_app",
    requirements=_DBOS,
    commands=_DBOS_WORKERS,
    env={"BENCH_JOURNAL": "wal"},
    rates={"five": 95, "roundtrip": 60},
    workloads=DURABLE,
    setting=(
        "The same on an engine with journal_mode=WAL, synchronous=NORMAL and a pool of "
        "one connection for each executor: as durable as a server's log that is synced "
        "every second, and its connections don't wait for each other's locks."
    ),
    promise=_DBOS_PROMISE,
    url="https://docs.dbos.dev/python/reference/configuration",
)

PEERS = (
    *(CELERY_PREFORK, CELERY_THREADS, CELERY_LATE),
    *(DRAMATIQ, DRAMATIQ_EAGER, DRAMATIQ_APART, DRAMATIQ_QUICK),
    *(RQ, RQ_TWO),
    *(HUEY, TASKIQ, TASKIQ_TEN, ARQ, SAQ),
    *(STREAQ, STREAQ_QUICK),
    *(DBOS, DBOS_WAL),
)
