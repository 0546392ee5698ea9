"""Redis away for ten seconds in the middle of a load."""

from __future__ import annotations

import signal
import threading
from collections import Counter
from pathlib import Path

import redis

from tests.servers import Server, wait_until
from tests.service import Service, books, until_quiet
from workflow_worker import Unavailable

EVENTS = 6000


class Publisher(threading.Thread):
    """Publishes at about a thousand a second; repeats by id what failed."""

    def __init__(self, service: Service) -> None:
        super().__init__()
        self.service = service
        self.sent = 0
        self.refused = 0
        self.pause = threading.Event()

    def run(self) -> None:
        with self.service.client() as client:
            while self.sent < EVENTS:
                event_id = f"e{self.sent}"
                try:
                    client.publish("Closed", {}, id=event_id)
                except Unavailable:
                    self.refused += 1
                    self.pause.wait(0.05)
                else:
                    self.sent += 1
                    self.pause.wait(0.0005)


def test_nothing_is_lost_or_doubled_and_health_says_so(
    own_server: Server, valkey: Server, db: redis.Redis, tmp_path: Path
) -> None:
    # Notes go to a server that stays: what the workflow itself does is not on trial.
    app = "tests.apps.tally:app"
    with Service(own_server.url, tmp_path, app, NOTES_URL=valkey.url) as service:
        service.start()
        publisher = Publisher(service)
        publisher.start()
        wait_until(lambda: service.health()["eventsProcessed"] > 100)
        own_server.stop(signal.SIGTERM)
        told: Counter[str] = Counter()
        away = threading.Event()
        for _ in range(100):
            told[service.health()["status"]] += 1
            away.wait(0.1)
        own_server.start()
        publisher.join(60)
        with own_server.client() as queue:
            until_quiet(queue)
            found = books(queue)
        wait_until(lambda: service.health()["status"] == "healthy")
    assert publisher.refused > 0
    assert told["degraded"] > told["healthy"]
    assert found["succeeded"] == found["completed"] == EVENTS
    assert (found["dead"], found["failed"]) == (0, 0)
    seen = {member.decode() for member in db.smembers("seen:Closed")}
    assert seen == {f"e{n}" for n in range(EVENTS)}
