"""A real service: ``wfworker start`` as a process, and what can be done to it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import psutil
import redis

from tests.servers import free_port, wait_until
from workflow_worker.client import Client


class Service:
    """One instance. Killed, with all its processes, at the end of the block.

    ``within`` is what its command begins with.
    """

    within: Sequence[str] = ()

    def __init__(
        self,
        redis_url: str,
        folder: Path,
        app: str = "tests.apps.plain:app",
        cwd: Path | None = None,
        **env: str,
    ) -> None:
        self.redis_url = redis_url
        self.folder = folder
        self.cwd = cwd
        self.http_port = free_port()
        self.log_path = folder / f"service-{self.http_port}.log"
        self.marks = folder / "marks"
        self.marks.mkdir(exist_ok=True)
        self.env = os.environ | {
            "REDIS_URL": redis_url,
            "NOTES_URL": redis_url,
            "WORKFLOW_APP": app,
            "HTTP_PORT": str(self.http_port),
            "WORKER_COUNT": "2",
            "MARKS": str(self.marks),
            "PYTHONUNBUFFERED": "1",
            **env,
        }
        self.process: subprocess.Popen[bytes]
        self.family: list[psutil.Process] = []

    def start(self, *flags: str) -> Self:
        self.launch(*flags)
        self.until_ready()
        return self

    def launch(self, *flags: str) -> Self:
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *self.within,
                    *(sys.executable, "-m", "workflow_worker", "start", *flags),
                ],
                cwd=self.cwd,
                env=self.env,
                stdout=log,
                stderr=log,
            )
        return self

    def until_ready(self, workers: int | None = None) -> None:
        wanted = workers or int(self.env["WORKER_COUNT"])

        def ready() -> bool:
            if self.process.poll() is not None:
                message = f"the service ended: {self.log()}"
                raise AssertionError(message)
            return len(self.ready_pids()) == wanted

        wait_until(ready, what=f"{wanted} workers ready")
        self.remember()

    def remember(self) -> None:
        master = psutil.Process(self.process.pid)
        known = {process.pid for process in self.family}
        for process in [master, *master.children(recursive=True)]:
            if process.pid not in known:
                self.family.append(process)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.remember()
        for process in self.family:
            if process.is_running():
                process.kill()
        self.process.wait(10)

    def log(self) -> str:
        return self.log_path.read_text("utf-8", "replace")

    def get(self, path: str) -> tuple[int, dict[str, Any]]:
        url = f"http://127.0.0.1:{self.http_port}{path}"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)
        except OSError:
            return 0, {}

    def health(self) -> dict[str, Any]:
        return self.get("/api/health/worker")[1]

    def workers(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get("/api/workers")[1].get("workers", [])
        return found

    def ready_pids(self) -> list[int]:
        """Processes of the workers that take events now."""
        not_yet = ("starting", "not started", "dead", "draining", "crash")
        return [
            worker["pid"]
            for worker in self.workers()
            if worker["pid"]
            and not any(reason.startswith(not_yet) for reason in worker["reasons"])
        ]

    def client(self) -> Client:
        return Client(self.redis_url, namespace="wf")

    def signal(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    def stop(self, timeout: float = 40) -> int:
        self.remember()
        self.signal()
        return self.process.wait(timeout)

    def marked(self, kind: str) -> list[str]:
        """Names marked so, one per time."""
        return [
            path.name.split(".", 1)[1]
            for path in sorted(self.marks.glob(f"{kind}.*"))
            for _ in path.read_text().splitlines()
        ]

    def times(self, kind: str, name: str) -> list[float]:
        path = self.marks / f"{kind}.{name}"
        lines = path.read_text().splitlines() if path.exists() else []
        return [float(line.split()[0]) for line in lines]

    def pid_of(self, kind: str, name: str) -> int:
        """Which process marked it last."""
        return int(
            (self.marks / f"{kind}.{name}").read_text().split("\n")[-2].split()[1]
        )

    def open_gate(self, name: str) -> None:
        (self.marks / f"gate.{name}").touch()


def books(db: redis.Redis, prefix: str = "{wf:0}:") -> dict[str, int]:
    """Everything that has to add up, read in one moment."""
    with db.pipeline(transaction=True) as together:
        together.hgetall(prefix + "stats")
        together.xlen(prefix + "events")
        together.xpending(prefix + "events", "workers")
        together.zcard(prefix + "timers")
        together.xlen(prefix + "dead")
        flat, stream, pending, timers, dead = together.execute()
    stats = {name.decode(): int(value) for name, value in flat.items()}
    return {
        "stream": stream,
        "pending": pending["pending"],
        "timers": timers,
        "dead": dead,
        "succeeded": stats.get("events_succeeded", 0),
        "failed": stats.get("events_failed", 0),
        "ignored": stats.get("events_ignored", 0),
        "duplicate": stats.get("events_duplicate", 0),
        "started": stats.get("executions_started", 0),
        "completed": stats.get("executions_completed", 0),
        "executions_failed": stats.get("executions_failed", 0),
    }


def until_quiet(db: redis.Redis, timeout: float = 60) -> dict[str, int]:
    """Wait until nothing is queued, leased or timed, and return the books."""

    def quiet() -> dict[str, int] | None:
        found = books(db)
        still = found["stream"] + found["pending"] + found["timers"]
        return None if still else found

    return wait_until(quiet, timeout, "stream, leases and timers are empty")
