"""The HTTP interface: which path leads to which page.

Owns the paths. Pages are made elsewhere; who may see them, access.py decides.
"""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask, jsonify
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException
from werkzeug.routing import PathConverter

from workflow_worker.board import Board
from workflow_worker.client import Client
from workflow_worker.monitor import answers
from workflow_worker.monitor.access import Access
from workflow_worker.monitor.api import TIMEOUT, Reads, Turnstile, Writes
from workflow_worker.monitor.openapi import describe
from workflow_worker.monitor.pages import Pages
from workflow_worker.settings import Settings


class Id(PathConverter):
    """An id as it may be: with slashes, and whatever else its publisher gave it."""

    regex = r"[^/](?s:.*?)"


def make_app(
    settings: Settings,
    board: Board,
    now: Callable[[], float],
    metrics: Callable[[], bytes],
) -> Flask:
    """Build the WSGI application.

    Args:
        settings: hang timeout, address and token; where Redis is.
        board: what it shows.
        now: the monotonic clock.
        metrics: returns what Prometheus scrapes.
    """
    app = Flask("workflow_worker.monitor", static_folder=None, template_folder=None)
    app.json.sort_keys = False  # type: ignore[attr-defined] # the default provider has it
    app.url_map.converters["id"] = Id
    # Else a path with // would lead elsewhere, if it leads nowhere.
    app.url_map.merge_slashes = False
    writable = settings.http_token is not None
    gets, posts = _pages(settings, board, now, metrics, writable=writable)
    for path, page in gets.items():
        app.add_url_rule(path, path, page, provide_automatic_options=False)
    for path, page in posts.items():
        app.add_url_rule(
            path, path, page, methods=["POST"], provide_automatic_options=False
        )
    app.before_request(Access(settings).check)
    app.after_request(answers.harden)
    app.register_error_handler(HTTPException, answers.refuse)
    for kind in answers.STATUSES:
        app.register_error_handler(kind, answers.fail)
    return app


Views = dict[str, Callable[..., ResponseReturnValue]]


def _pages(
    settings: Settings,
    board: Board,
    now: Callable[[], float],
    metrics: Callable[[], bytes],
    *,
    writable: bool,
) -> tuple[Views, Views]:
    """Return the pages to get and those to post to, by path."""
    pages = Pages(board, now, settings.hang_timeout_ms, metrics)
    client = Client(settings=settings, timeout=TIMEOUT)
    reads, writes, guard = Reads(client), Writes(client), Turnstile().guard
    description = describe(writable=writable)
    gets: Views = {
        "/api/health/worker": pages.health,
        "/livez": pages.live,
        "/readyz": pages.ready,
        "/metrics": pages.metrics,
        "/api/workers": pages.workers,
        "/api/openapi.json": lambda: jsonify(description),
        "/api/fleet": guard(reads.fleet),
        "/api/executions": guard(reads.executions),
        "/api/executions/<id:execution_id>": guard(reads.execution),
        "/api/dead-letters": guard(reads.letters),
        "/api/dead-letters/<id:letter_id>": guard(reads.letter),
    }
    if not writable:
        return gets, {}
    return gets, {
        "/api/executions/<id:execution_id>/signal": guard(writes.signal),
        "/api/executions/<id:execution_id>/cancel": guard(writes.cancel),
        "/api/executions/<id:execution_id>/retry": guard(writes.retry),
        "/api/dead-letters/redrive": guard(writes.redrive),
        "/api/dead-letters/purge": guard(writes.purge),
    }
