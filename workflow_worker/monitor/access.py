"""Who may read and change what over HTTP.

Owns that decision, made before a request is looked at any closer. It must never depend
on what a page would answer.
"""

from __future__ import annotations

import hmac
import ipaddress
from urllib.parse import urlsplit

from flask import abort, request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Unauthorized

from workflow_worker.settings import Settings

OPEN_PATHS = frozenset({"/api/health/worker", "/livez", "/readyz", "/metrics"})
"""Open to everybody who can reach the port: they tell nothing but figures."""


class Access:
    """Who may ask for what is not open to everybody.

    With a token: who has it. Without: whoever is on this machine, if the address is
    one of its own, and to read only; else those paths are not there at all.
    """

    def __init__(self, settings: Settings) -> None:
        self._token = settings.http_token
        self._host = settings.http_host
        self._private = _loopback(settings.http_host)

    def check(self) -> None:
        """Let the request pass or end it with 401, 403 or 404."""
        if request.path in OPEN_PATHS:
            return
        if self._token:
            self._check_token(self._token)
        elif not self._private or request.method == "POST":
            abort(404)
        elif not self._ours(request.headers.get("Host")):
            abort(403, f"this service is asked for as localhost or {self._host}")

    def _check_token(self, token: str) -> None:
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        right = hmac.compare_digest(given.strip(" ").encode(), token.encode())
        if scheme.lower() != "bearer" or not right:
            raise Unauthorized(
                "the bearer token is missing or wrong",
                www_authenticate=WWWAuthenticate("bearer"),
            )

    def _ours(self, host: str | None) -> bool:
        """Tell whether the request names this machine.

        A page in a browser here may be from a name that was made to lead to loopback:
        to the browser that is one site, and it would let the page read the answers.
        Browsers always say which name they asked for.
        """
        if host is None:
            return True
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return _loopback(name) or name == self._host.lower()


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
