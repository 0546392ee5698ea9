"""The shape of every answer, as JSON schemas.

Owns what the description of the API says of answers; what makes them is elsewhere, and
tests compare the two.
"""

from __future__ import annotations

from typing import Any

from workflow_worker.broker.listing import STATUSES

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number"}
COUNT: Schema = {"type": "integer", "minimum": 0}
YES: Schema = {"type": "boolean"}
TIME: Schema = {"type": "string", "format": "date-time"}
ANYTHING: Schema = {}
MAPPING: Schema = {"type": "object"}
COUNTS: Schema = {"type": "object", "additionalProperties": {"type": "integer"}}
STATUS: Schema = {"type": "string", "enum": ["healthy", "degraded", "unhealthy"]}


def maybe(schema: Schema) -> Schema:
    """Return the schema of this or null."""
    return schema | {"type": [schema["type"], "null"]}


def listed(schema: Schema) -> Schema:
    """Return the schema of a list of these."""
    return {"type": "array", "items": schema}


def record(**fields: Schema) -> Schema:
    """Return the schema of an object with exactly these fields."""
    return {
        "type": "object",
        "properties": fields,
        "required": [*fields],
        "additionalProperties": False,
    }


def named(name: str) -> Schema:
    """Return a reference to one of :data:`SHAPES`."""
    return {"$ref": f"#/components/schemas/{name}"}


_PROBE = {"status": TEXT, "reason": TEXT}
_FIGURES = dict.fromkeys(
    (
        "workerCount",
        "healthyWorkers",
        "degradedWorkers",
        "unhealthyWorkers",
        "eventsProcessed",
        "eventsSucceeded",
        "eventsFailed",
        "activeEvents",
    ),
    COUNT,
)
_FAILURE = record(type=TEXT, message=TEXT, category=TEXT)
_EXECUTION = {
    "id": TEXT,
    "workflow": TEXT,
    "version": maybe(TEXT),
    "key": TEXT,
    "status": {"type": "string", "enum": [*STATUSES]},
    "state": maybe(TEXT),
    "attempt": COUNT,
    "result": ANYTHING,
    "error": _FAILURE | {"type": ["object", "null"]},
    "startedAt": TIME,
    "updatedAt": TIME,
    "waitingFor": listed(TEXT),
}

SHAPES: dict[str, Schema] = {
    "Error": record(error=TEXT, detail=TEXT),
    "Probe": record(**_PROBE) | {"required": ["status"]},
    "Health": record(
        status=STATUS,
        **_FIGURES,
        timestamp=TIME,
    ),
    "Running": record(
        executionId=TEXT, workflow=TEXT, action=maybe(TEXT), sinceMs=COUNT
    ),
    "Worker": record(
        slot=COUNT,
        pid=maybe(COUNT),
        status=STATUS,
        reasons=listed(TEXT),
        activeEvents=COUNT,
        eventsProcessed=COUNT,
        heartbeatAgeMs=maybe(COUNT),
        startedAt=maybe(TIME),
        residentBytes=maybe(COUNT),
        running=listed(named("Running")),
    ),
    "Workers": record(workers=listed(named("Worker"))),
    "Listed": record(**_EXECUTION),
    "Executions": record(executions=listed(named("Listed"))),
    "HistoryEntry": record(
        ordinal=COUNT,
        kind=TEXT,
        name=TEXT,
        startedAt=maybe(TIME),
        durationMs=NUMBER,
        attempt=COUNT,
        result=ANYTHING,
        error={"type": ["object", "null"], "additionalProperties": TEXT},
    ),
    "Execution": record(
        **_EXECUTION,
        dueAt=maybe(TIME),
        data=MAPPING,
        parent=maybe(TEXT),
        history=listed(named("HistoryEntry")),
    ),
    "DeadLetter": record(
        id=TEXT,
        event=record(name=TEXT, key=TEXT, id=TEXT, payload=ANYTHING, headers=MAPPING),
        workflow=TEXT,
        executionId=TEXT,
        category=TEXT,
        reason=TEXT,
        errorType=TEXT,
        message=TEXT,
        traceback=TEXT,
        action=TEXT,
        attempts=COUNT,
        deliveries=COUNT,
        exit=TEXT,
        firstTriedAt=maybe(TIME),
        lastTriedAt=maybe(TIME),
    ),
    "DeadLetters": record(deadLetters=listed(named("DeadLetter"))),
    "Instance": record(
        name=TEXT,
        host=TEXT,
        pid=COUNT,
        version=TEXT,
        app=TEXT,
        startedAt=maybe(TIME),
        httpAddress=maybe(TEXT),
        status=TEXT,
        reasons=listed(TEXT),
        **_FIGURES,
        eventsPerSecond=NUMBER,
        restarts=COUNT,
        workers=listed(named("InstanceWorker")),
        runningLeftOut=COUNT,
        silentMs=COUNT,
        lost=YES,
    ),
    "Fleet": record(
        timestamp=TIME,
        instances=listed(named("Instance")),
        eventsPerSecond=NUMBER,
        backlog=COUNT,
        pending=COUNT,
        oldestWaitingMs=maybe(COUNT),
        oldestPendingMs=maybe(COUNT),
        timers=COUNT,
        nextTimerMs=maybe({"type": "integer"}),
        deadLetters=COUNT,
        counters=COUNTS,
        executions=COUNTS,
    ),
    "Published": record(eventId=TEXT),
    "Cancelled": record(status={"type": "string", "enum": ["cancelled", "asked"]}),
    "Retried": record(status={"type": "string", "enum": ["running"]}),
    "Handled": record(
        done=COUNT, refused=listed(record(id=TEXT, why=TEXT)), left=COUNT
    ),
}
"""By name. What another instance says of its workers may be of another version."""
SHAPES["InstanceWorker"] = SHAPES["Worker"] | {
    "properties": SHAPES["Worker"]["properties"] | {"status": TEXT}
}
