"""A service with a token and something of every kind in it, and how it is asked."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.servers import server, wait_until
from tests.service import Service

TOKEN = "right"  # noqa: S105 - of these tests
STRANGE = "a/b//c ?#%\n☃/signal"
"""An event id that a path can hold only if everybody takes care."""
STATUSES = ("running", "waiting", "retrying", "completed", "failed", "cancelled")


class Api(Service):
    """The service, asked with its token."""

    def ask(
        self,
        path: str,
        body: object = None,
        *,
        raw: bytes | None = None,
        **headers: str,
    ) -> tuple[int, Any]:
        """GET, or with a body POST it; return status and answer."""
        data = raw if body is None else json.dumps(body).encode()
        given = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        url = f"http://127.0.0.1:{self.http_port}{path}"
        request = urllib.request.Request(url, data, given | named)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - http, above
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)
        except OSError:
            return 0, {}

    def workers(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask("/api/workers")[1].get("workers", [])
        return found

    def until_filled(self) -> None:
        """Publish, and wait until there is an execution of every status."""
        with self.client() as client:
            client.publish("asks", key="cancelled")
            client.publish("asks", id=STRANGE, key="waits")
            client.publish("parent", id="parent")
            client.publish("doubles", {"n": 2}, id="done")
            client.publish("gated", {"gate": "closed"}, id="fails")
            client.publish("gated", {"gate": "shut"}, id="fails-too")
            client.publish("patient", id="retries")
            client.publish("long", id="runs")
            wait_until(lambda: len(client.executions(key="cancelled")) == 1)
            client.cancel(client.executions(key="cancelled")[0].id)
            for status in STATUSES:
                wait_until(lambda s=status: client.executions(s), what=status)
            wait_until(lambda: len(client.dead_letters()) == 2)


@contextmanager
def filled(folder: Path, **env: str) -> Iterator[Api]:
    """Run a service of its own on a server of its own."""
    with server("valkey-9", folder) as redis:
        service = Api(redis.url, folder, "tests.apps.every:app", **env)
        with service.start():
            service.until_filled()
            yield service


def path_of(execution_id: str) -> str:
    return f"/api/executions/{quote(execution_id, safe='')}"
