"""The monitor does not keep the memory of what it answered once."""

from __future__ import annotations

from pathlib import Path

import psutil

from tests.functional.api import TOKEN, Api
from tests.servers import Server
from workflow_worker.broker.keys import Partition

MB = 1_000_000


def test_large_answers_leave_the_monitor_as_small_as_it_was(
    own_server: Server, tmp_path: Path
) -> None:
    partition = Partition("wf")
    with own_server.client() as db:
        for number in range(20):
            name = f"0-{number}.w"
            large = {"status": "completed", "result": '"' + "r" * MB + '"'}
            db.hset(partition.record(name), mapping=large)
            db.zadd(partition.by_status("completed"), {name: number})
    with Api(own_server.url, tmp_path, HTTP_TOKEN=TOKEN).start() as service:
        (monitor,) = (
            each
            for each in psutil.Process(service.process.pid).children()
            if "monitor" in " ".join(each.cmdline())
        )
        before = monitor.memory_info().rss
        for _ in range(12):  # as often as it has threads
            found = service.ask("/api/executions")[1]["executions"]
            assert len(found) == 20
        assert monitor.memory_info().rss - before < 60 * MB
