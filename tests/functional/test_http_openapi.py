"""The service does what its own description says, whatever it is asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
import redis
import schemathesis
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode

from tests.functional.api import STRANGE, TOKEN, Api, filled
from tests.servers import wait_until

KNOWN = {
    "/api/executions": [f"0-{STRANGE}.asks", "0-fails.gated", "0-parent.parent/1"],
}
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module", params=["token", "none"])
def api(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Api]:
    env = {"HTTP_TOKEN": TOKEN} if request.param == "token" else {}
    with filled(tmp_path_factory.mktemp("api"), **env) as service:
        broken = {b"name": b"doubles", b"payload": b"{\xff", b"\xfe": b"\x00"}
        with redis.Redis.from_url(service.redis_url) as db:
            db.xadd("{wf:0}:events", broken)
        wait_until(lambda: len(letters(service)) == 3)
        yield service


def letters(api: Api) -> list[str]:
    found = api.ask("/api/dead-letters")[1]["deadLetters"]
    return [each["id"] for each in found]


def operations(api: Api) -> list[Any]:
    schema = schemathesis.openapi.from_url(
        f"http://127.0.0.1:{api.http_port}/api/openapi.json", headers=BEARER
    )
    found = [
        result.ok() for result in schema.get_all_operations() if isinstance(result, Ok)
    ]
    assert len(found) == (15 if "HTTP_TOKEN" in api.env else 10)
    # What is only read first: the others leave less to read.
    return sorted(found, key=lambda each: each.method)


def try_out(operation: Any, mode: GenerationMode, **fixed: Any) -> set[int]:
    """Ask some times; return the statuses that were answered."""
    statuses = set()

    @hypothesis.given(case=operation.as_strategy(mode, headers=BEARER, **fixed))
    @hypothesis.settings(
        max_examples=6,
        deadline=None,
        database=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    def conforms(case: Any) -> None:
        limit = case.body.get("limit") if isinstance(case.body, dict) else None
        if isinstance(limit, float) and limit.is_integer():
            # To JSON schema 5.0 is whole; nobody's JSON has it.
            case.body["limit"] = int(limit)
        statuses.add(case.call_and_validate().status_code)

    conforms()
    return statuses


def test_every_answer_is_as_described(api: Api) -> None:
    known = KNOWN | {"/api/dead-letters": letters(api)}
    for operation in operations(api):
        statuses = try_out(operation, GenerationMode.POSITIVE)
        if operation.query or operation.body:
            try_out(operation, GenerationMode.NEGATIVE)
        if "{id}" in operation.path:
            for each in known[operation.path.partition("/{id}")[0]]:
                statuses |= try_out(
                    operation, GenerationMode.POSITIVE, path_parameters={"id": each}
                )
        assert 200 in statuses, operation.label
