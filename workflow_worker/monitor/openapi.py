"""The description of the HTTP API, OpenAPI 3.1, as ``/api/openapi.json`` serves it.

Owns what is said of each path. Parameters and bodies are those that asked.py decodes.
"""

from __future__ import annotations

from typing import Any

import msgspec

from workflow_worker.model import Json
from workflow_worker.monitor import asked
from workflow_worker.monitor.shapes import SHAPES, Schema, named
from workflow_worker.version import VERSION

BEARER = "token"
"""Name of the security scheme."""
_REFUSALS = {
    400: "A parameter or the body is not what it must be.",
    401: "The token is missing or wrong.",
    403: "The request names another host.",
    404: "There is no such thing.",
    409: "Its status does not allow that.",
    413: "The body is too large.",
    415: "The body is not declared as JSON.",
    431: "The line with the path, and the headers, are too large.",
    503: "Redis can't be reached, or too many requests wait for it.",
}
_ABOUT = """\
What a workflow-worker service is doing, and what can be done about it. Health, probes
and metrics are open to whoever reaches the port. The rest needs the token; without a
configured one it is for this machine alone, and nothing can be changed.
"""


def describe(*, writable: bool) -> Json:
    """Return the description.

    Args:
        writable: there is a token, which everything but the open paths needs.
    """
    paths = {**_open_paths(), **_reading()}
    if writable:
        for path, item in _writing().items():
            paths[path] = paths.get(path, {}) | item
    components: Json = {"schemas": SHAPES | _bodies()}
    found: Json = {
        "openapi": "3.1.0",
        "info": {
            "title": "workflow-worker",
            "version": VERSION,
            "description": _ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": components,
    }
    if writable:
        components["securitySchemes"] = {BEARER: {"type": "http", "scheme": "bearer"}}
        found["security"] = [{BEARER: []}]
    return found


# --- paths ------------------------------------------------------------------------


def _open_paths() -> Json:
    return {
        "/api/health/worker": _get(
            "health",
            "How the service fares; 503 where it does not work.",
            "Health",
            also={503: "Health"},
            opened=True,
        ),
        "/livez": _get(
            "live",
            "Whether the master is alive.",
            "Probe",
            also={503: "Probe"},
            opened=True,
        ),
        "/readyz": _get(
            "ready",
            "Whether Redis answers and a worker is ready.",
            "Probe",
            also={503: "Probe"},
            opened=True,
        ),
        "/metrics": _get(
            "metrics", "The metrics, as Prometheus reads them.", "", opened=True
        ),
    }


def _reading() -> Json:
    return {
        "/api/workers": _get(
            "workers", "What every worker of this service does.", "Workers"
        ),
        "/api/openapi.json": _get("description", "This description.", "Description"),
        "/api/fleet": _get(
            "fleet",
            "All instances with this Redis and namespace.",
            "Fleet",
            refused=(400, 503),
        ),
        "/api/executions": _get(
            "listExecutions",
            "Executions, the last changed first.",
            "Executions",
            parameters=_parameters(asked.Listing),
            refused=(400, 503),
        ),
        "/api/executions/{id}": _get(
            "getExecution",
            "One execution, with its journal.",
            "Execution",
            parameters=[_execution_id()],
            refused=(400, 404, 503),
        ),
        "/api/dead-letters": _get(
            "listDeadLetters",
            "Dead letters, the oldest first.",
            "DeadLetters",
            parameters=_parameters(asked.Filters),
            refused=(400, 503),
        ),
        "/api/dead-letters/{id}": _get(
            "getDeadLetter",
            "One dead letter.",
            "DeadLetter",
            parameters=[_letter_id()],
            refused=(400, 404, 503),
        ),
    }


def _writing() -> Json:
    one = [_execution_id()]
    return {
        "/api/executions/{id}/signal": _post(
            "signalExecution",
            "Send a signal to one execution. It need not have begun: an id that is "
            "unknown is no error.",
            "Word",
            "Published",
            parameters=one,
        ),
        "/api/executions/{id}/cancel": _post(
            "cancelExecution",
            "End one execution: at once, or at its next step.",
            "Nothing",
            "Cancelled",
            parameters=one,
            refused=(404, 409),
        ),
        "/api/executions/{id}/retry": _post(
            "retryExecution",
            "Make a failed or cancelled execution go on where its journal ends.",
            "Nothing",
            "Retried",
            parameters=one,
            refused=(404, 409),
        ),
        "/api/dead-letters/redrive": _post(
            "redriveDeadLetters",
            "Give dead letters another try. Repeat it while some are left; to get past "
            "those that are refused, go on after the last of them.",
            "Choice",
            "Handled",
        ),
        "/api/dead-letters/purge": _post(
            "purgeDeadLetters",
            "Remove dead letters for good, and the failed executions behind them.",
            "Choice",
            "Handled",
        ),
    }


# --- parts ------------------------------------------------------------------------


def _get(
    name: str,
    summary: str,
    shape: str,
    *,
    parameters: list[Json] | None = None,
    refused: tuple[int, ...] = (),
    also: dict[int, str] | None = None,
    opened: bool = False,
) -> Json:
    answers = {"200": _answer("Done.", shape)}
    for code, other in (also or {}).items():
        answers[str(code)] = _answer("It is not.", other)
    operation = _operation(name, summary, parameters, answers, refused)
    if opened:
        operation["security"] = []
    else:
        operation["responses"] |= _refusals((401, 403, 431))
    return {"get": operation}


def _post(
    name: str,
    summary: str,
    body: str,
    shape: str,
    *,
    parameters: list[Json] | None = None,
    refused: tuple[int, ...] = (),
) -> Json:
    refused = (400, 401, *refused, 413, 415, 431, 503)
    answers = {"200": _answer("Done.", shape)}
    operation = _operation(name, summary, parameters, answers, refused)
    operation["requestBody"] = {
        "required": body != "Nothing",
        "content": {"application/json": {"schema": named(body)}},
    }
    return {"post": operation}


def _operation(
    name: str,
    summary: str,
    parameters: list[Json] | None,
    answers: Json,
    refused: tuple[int, ...],
) -> Json:
    return {
        "operationId": name,
        "summary": summary,
        "parameters": parameters or [],
        "responses": answers | _refusals(refused),
    }


def _answer(about: str, shape: str) -> Json:
    if not shape:
        return {"description": about, "content": {"text/plain": {"schema": _TEXT}}}
    schema = {"type": "object"} if shape == "Description" else named(shape)
    return {
        "description": about,
        "content": {"application/json": {"schema": schema}},
    }


_TEXT: Schema = {"type": "string"}


def _refusals(codes: tuple[int, ...]) -> Json:
    return {str(code): _answer(_REFUSALS[code], "Error") for code in codes}


def _execution_id() -> Json:
    about = (
        "Its id, percent-encoded, be it slashes: those of children have one, and ids "
        "of events whatever their publishers gave them."
    )
    return _in_path(about, {"type": "string", "minLength": 1, "pattern": "^[^/]"})


def _letter_id() -> Json:
    return _in_path("Its id.", {"type": "string", "minLength": 1, "pattern": "^[^/]"})


def _in_path(about: str, schema: Schema) -> Json:
    return {
        "name": "id",
        "in": "path",
        "required": True,
        "description": about,
        "schema": schema,
    }


def _parameters(kind: type[Any]) -> list[Json]:
    _, found = msgspec.json.schema_components([kind])
    return [
        {"name": name, "in": "query", "required": False, "schema": schema}
        for name, schema in found[kind.__name__]["properties"].items()
    ]


def _bodies() -> dict[str, Schema]:
    kinds = (asked.Word, asked.Nothing, asked.Choice)
    _, found = msgspec.json.schema_components(
        kinds, ref_template="#/components/schemas/{name}"
    )
    for schema in found.values():
        # Docstrings are for whoever reads the code.
        schema.pop("description", None)
        schema.pop("title", None)
    found["Choice"]["anyOf"] = _SAYS_WHICH
    return found


def _with(name: str, schema: Schema) -> Schema:
    return {"required": [name], "properties": {name: schema}}


_SAYS_WHICH = [
    _with("ids", {"minItems": 1}),
    _with("workflow", {"minLength": 1}),
    _with("error", {"minLength": 1}),
    _with("olderThanSeconds", {"minimum": 0}),
    _with("all", {"const": True}),
]
"""What a choice has to have at least one of."""
