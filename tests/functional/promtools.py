"""A real Prometheus server and its tool, both of Debian's package ``prometheus``."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from tests.servers import free_port, wait_until

needs_prometheus = pytest.mark.skipif(
    not shutil.which("promtool") and not os.environ.get("CI"),
    reason="apt-get install prometheus; CI has it",
)
Query = Callable[[str], list[dict[str, Any]]]


@contextmanager
def prometheus(target_port: int, folder: Path) -> Iterator[Query]:
    """A Prometheus server that scrapes a port of this machine ten times a second."""
    port = free_port()
    config = {
        "global": {"scrape_interval": "100ms", "scrape_timeout": "100ms"},
        "scrape_configs": [
            {
                "job_name": "wfworker",
                "static_configs": [{"targets": [f"127.0.0.1:{target_port}"]}],
            }
        ],
    }
    path = folder / "prometheus.yml"
    path.write_text(json.dumps(config))  # which is YAML, too
    command = [
        "prometheus",
        f"--config.file={path}",
        f"--storage.tsdb.path={folder / 'prometheus'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=error",
    ]

    def query(expression: str) -> list[dict[str, Any]]:
        asked = urllib.parse.urlencode({"query": expression})
        url = f"http://127.0.0.1:{port}/api/v1/query?{asked}"
        try:
            with urllib.request.urlopen(url, timeout=20) as answer:
                found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        except urllib.error.HTTPError as error:
            if error.code != HTTPStatus.SERVICE_UNAVAILABLE:  # it is not ready yet
                raise AssertionError(error.read().decode()) from error
            return []
        except urllib.error.URLError:  # it does not listen yet
            return []
        return found

    process = subprocess.Popen(command)
    try:
        wait_until(lambda: query("up == 1"), what="Prometheus has scraped")
        yield query
    finally:
        process.terminate()
        process.wait(20)


def promtool(*arguments: str, text: str = "") -> tuple[int, str]:
    """Run it; return its exit status and whatever it said."""
    done = subprocess.run(
        ["promtool", *arguments],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr
