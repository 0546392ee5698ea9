"""What every answer has in common: its headers, and how an error looks.

Owns both, for the application and for the server around it, which refuses on its own
what it can't read.
"""

from __future__ import annotations

from http import HTTPStatus

from flask import Response, jsonify
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from workflow_worker.errors import (
    ExecutionNotFound,
    InvalidPayload,
    NotPossible,
    Rejected,
    Unavailable,
    WorkflowWorkerError,
)
from workflow_worker.log import redact
from workflow_worker.model import Json

HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}
STATUSES: dict[type[WorkflowWorkerError], HTTPStatus] = {
    ExecutionNotFound: HTTPStatus.NOT_FOUND,
    InvalidPayload: HTTPStatus.BAD_REQUEST,
    NotPossible: HTTPStatus.CONFLICT,
    Rejected: HTTPStatus.SERVICE_UNAVAILABLE,
    Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}
"""What our own errors mean to who asked."""
RETRY_AFTER = "1"
"""Seconds after which what was unavailable may be asked for again."""


def error_body(name: str, detail: str | None) -> Json:
    """Return the body of an error: what kind, and one sentence about it."""
    return {"error": name, "detail": detail}


def harden(response: Response) -> Response:
    """Put the headers on an answer."""
    response.headers.update(HEADERS)
    return response


def refuse(error: HTTPException) -> ResponseReturnValue:
    """Answer an error as JSON, with the headers it is to have, ``Allow`` say."""
    response = _refusal(error.code or 500, error.name, error.description)
    kept = (pair for pair in error.get_headers() if pair[0] != "Content-Type")
    response.headers.extend(kept)
    return response


def fail(error: WorkflowWorkerError) -> ResponseReturnValue:
    """Answer one of our own errors; the kinds are those of ``STATUSES``."""
    status = next(code for kind, code in STATUSES.items() if isinstance(error, kind))
    return _refusal(status, status.phrase, redact(" ".join(str(error).split())))


def _refusal(status: int, name: str, detail: str | None) -> Response:
    response = jsonify(error_body(name, detail))
    response.status_code = status
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        response.headers["Retry-After"] = RETRY_AFTER
    return response
