"""What ``wfworker doctor`` says of work that was lost, left behind or late."""

from __future__ import annotations

import json
import shlex

import pytest

from tests.functional.broker.audit import Books
from tests.functional.broker.conftest import PARTITION, Database
from tests.functional.doctor import Examined
from tests.servers import Server
from workflow_worker.broker import claim, fleet
from workflow_worker.model import PutBack, Route

pytestmark = pytest.mark.usefixtures("hurried")


@pytest.fixture
def any_server(valkey: Server) -> Server:
    """One is enough here: test_doctor_servers.py reads from each."""
    return valkey


def examined(base: Database, *flags: str) -> Examined:
    return Examined(base.server.url, *flags)


def follow(base: Database, advice: str) -> None:
    """Do what a finding says: a redis-cli command at its end."""
    words = shlex.split(advice[advice.index("redis-cli") :])
    assert words[:3] == ["redis-cli", "-u", "URL"]
    base.client.execute_command(*words[3:])


def test_a_worker_that_is_gone_and_what_it_holds_is_named(base: Database) -> None:
    base.open(base.hand("service.0.abc"))
    found = examined(base, "--lease-ms", "100", "--poll-interval-ms", "100")
    severity, text = found["workers"]
    assert (severity, found.status) == ("warning", 1)
    assert "1 event: service.0.abc" in text
    base.hand("b").claim()
    assert examined(base)["workers"][1].endswith("1 event: b")


def test_what_runs_without_an_entry_is_stuck_and_revived_by_the_advice(
    base: Database, books: None
) -> None:
    hand = base.hand()
    task = base.open(hand)
    base.client.xack(PARTITION.events, "workers", task.entry)
    base.client.xdel(PARTITION.events, task.entry)
    found = examined(base)
    assert found.status == 2
    assert found["stuck"] == (
        "error",
        f"1 execution: {task.execution_id} (no entry says to run it)",
    )
    follow(base, found.advice("stuck"))
    assert "stuck" not in examined(base).bad
    again = hand.begin()
    assert again.execution_id == task.execution_id
    assert hand.commit(again) == [True]


def test_what_waits_without_its_timer_is_stuck_and_revived_by_the_advice(
    base: Database, books: None
) -> None:
    execution_id = base.waiting(base.hand(), delay_ms=30_000)
    timers = base.timers()
    base.client.zrem(PARTITION.timers, *timers)
    found = examined(base)
    assert found["stuck"][1] == f"1 execution: {execution_id} (its timer is gone)"
    follow(base, found.advice("stuck"))
    assert base.timers() == timers
    assert "stuck" not in examined(base).bad


def test_a_wait_that_nobody_woke_is_stuck_and_revived_by_the_advice(
    base: Database, books: None
) -> None:
    hand = base.hand()
    execution_id = base.waiting(hand)
    base.signal("step", 1, key="k")
    assert hand.take() == []
    wake = hand.begin()
    # As if the server had forgotten that it was resumed.
    base.client.hset(PARTITION.record(execution_id), "status", "waiting")
    base.client.zrem(PARTITION.by_status("running"), execution_id)
    base.client.zadd(PARTITION.by_status("waiting"), {execution_id: 1})
    base.client.xack(PARTITION.events, "workers", wake.entry)
    base.client.xdel(PARTITION.events, wake.entry)
    found = examined(base)
    assert "what it waits for has come" in found["stuck"][1]
    follow(base, found.advice("stuck"))
    again = hand.begin()
    assert again.execution_id == execution_id
    assert len(again.inbox) == 1


def test_what_was_put_back_is_not_stuck(base: Database) -> None:
    hand = base.hand()
    base.open(hand, "in the stream")
    put_back = base.open(hand, "put back")
    assert hand.requeue(put_back, delay_ms=60_000) == [True]
    assert examined(base)["stuck"][0] == "ok"


def test_work_for_a_workflow_that_no_worker_has_is_named(base: Database) -> None:
    hand = base.hand()
    base.add("go")
    event, wake = [*hand.take(), base.open(hand)]
    for task in (event, wake):
        claim.requeue(hand.link, hand.owner, [task], 60_000, PutBack.UNKNOWN)
    severity, text = examined(base)["unknown workflows"]
    assert severity == "warning"
    assert "2 events put back" in text
    assert text.endswith("version: s, w")


def test_a_backlog_and_timers_that_no_service_comes_for_are_errors(
    base: Database,
) -> None:
    base.add("go")
    base.client.zadd(PARTITION.timers, {"w:gone": 1})
    found = examined(base)
    assert found.status == 2
    assert found["backlog"][0] == "error"
    assert "1 event waits" in found["backlog"][1]
    assert found["timers"][0] == "error"
    assert "1 of 1 timer overdue" in found["timers"][1]
    assert found["services"] == ("note", "0 services running")


def test_a_namespace_of_another_protocol_is_an_error(base: Database) -> None:
    base.client.hset(PARTITION.meta, "protocol", "1")
    found = examined(base)
    assert (found.status, found["namespace"][0]) == (2, "error")
    assert "protocol version 1" in found["namespace"][1]


def test_an_event_that_takes_down_its_workers_is_named(base: Database) -> None:
    entry = base.open(base.hand()).entry
    for _ in range(2):
        base.client.xclaim(PARTITION.events, "workers", "b", 0, [entry])
    severity, text = examined(base)["suspects"]
    assert severity == "warning"
    assert f"{entry} 3 times" in text


def test_the_newest_dead_letter_is_told_without_what_was_in_it(base: Database) -> None:
    base.add("step", payload='{"card": "4111"}')  # neither key nor execution
    assert base.hand().take() == []
    found = examined(base)
    assert found["dead letters"][0] == "warning"
    assert "(no workflow, InvalidEvent)" in found["dead letters"][1]
    assert "4111" not in found.output


def test_what_nobody_wants_is_told_and_a_full_inbox(base: Database) -> None:
    hand = base.hand(inbox_limit=10)
    execution_id = base.waiting(hand, "step", delay_ms=None)
    for number in range(9):
        base.signal("other", number, key="k")
    base.add("nobody.wants.this")
    assert hand.take(100) == []
    found = examined(base, "--inbox-limit", "10")
    assert found["unwanted events"] == ("note", "1 event that no workflow wanted")
    assert found["inboxes"][0] == "warning"
    assert f"{execution_id} holds 9 of 10" in found["inboxes"][1]


def test_books_that_do_not_add_up_are_told(base: Database) -> None:
    base.waiting(base.hand())
    assert examined(base)["books"][0] == "ok"
    base.client.hincrby(PARTITION.stats, "executions_started", 2)
    assert examined(base)["books"][0] == "warning"
    base.client.hincrby(PARTITION.stats, "executions_started", -2)
    Books(base.client, PARTITION).check()


def test_a_workflow_whose_last_worker_is_long_gone_is_named(base: Database) -> None:
    routes = f"{PARTITION.prefix}routes"
    [old] = [name for name in base.client.hkeys(routes) if name.startswith(b"@")]
    # No running worker has the workflows of the App that this command is given.
    assert examined(base)["workflows"][0] == "note"
    said = json.loads(base.client.hget(routes, old))
    said["expires"] = str(int(said["expires"]) - 600_000)
    base.client.hset(routes, old, json.dumps(said))
    fleet.register(base.hand().link, PARTITION, (Route("w", names=("go",)),))
    severity, text = examined(base)["workflows"]
    assert severity == "warning"
    assert text.startswith("no worker has r, s, v; the last one that had was heard of")
