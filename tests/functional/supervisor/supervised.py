"""A service of stand-in workers: started as a program, looked at from outside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import psutil

from tests.servers import wait_until

ROOT = Path(__file__).parents[3]
GOOD_APP = "from workflow_worker.app import App\napp = App('flows')\n"


class Service:
    """A running stand-in service, looked at from outside."""

    def __init__(self, folder: Path, *, reload: bool) -> None:
        self.folder = folder
        self.seen: set[psutil.Process] = set()
        command = [
            sys.executable,
            "-m",
            "tests.functional.supervisor.standin",
            str(folder),
        ]
        self.log = (folder / "log").open("w")
        self.process = subprocess.Popen(
            command + ["reload"] * reload,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stderr=self.log,
        )
        wait_until((folder / "service.json").exists)
        self.port = json.loads((folder / "service.json").read_text())["port"]

    def births(self) -> list[dict[str, Any]]:
        path = self.folder / "births.jsonl"
        rows = path.read_text().splitlines() if path.exists() else []
        return [json.loads(row) for row in rows]

    def get(self, path: str) -> dict[str, Any]:
        url = f"http://127.0.0.1:{self.port}{path}"
        try:
            with urlopen(url, timeout=30) as answer:
                body = answer.read()
        except HTTPError as error:
            with error:
                body = error.read()
        return dict(json.loads(body))

    def health(self) -> dict[str, Any]:
        return self.get("/api/health/worker")

    def workers(self) -> list[dict[str, Any]]:
        return list(self.get("/api/workers")["workers"])

    def pids(self) -> set[int]:
        return {row["pid"] for row in self.workers() if row["pid"]}

    def until_status(self, status: str) -> dict[str, Any]:
        return wait_until(
            lambda: (h := self.health())["status"] == status and h, what=status
        )

    def until_born(self, count: int) -> list[dict[str, Any]]:
        return wait_until(lambda: len(b := self.births()) >= count and b)

    def until_logged(self, text: str) -> None:
        wait_until(lambda: text in self.text(), what=text)

    def text(self) -> str:
        return (self.folder / "log").read_text()

    def plan(self, plan: str) -> None:
        (self.folder / "plan.tmp").write_text(plan)
        (self.folder / "plan.tmp").rename(self.folder / "plan")

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def family(self) -> list[psutil.Process]:
        self.seen.update(psutil.Process(self.process.pid).children(recursive=True))
        return [process for process in self.seen if alive(process)]

    def child(self, role: str) -> psutil.Process:
        return wait_until(
            lambda: next((p for p in self.family() if role in titled(p)), None)
        )

    def master_title(self) -> str:
        return titled(psutil.Process(self.process.pid))

    def end(self) -> None:
        if self.process.poll() is None:
            self.family()
            self.process.kill()
        self.process.wait()
        self.log.close()
        orphans = [process for process in self.seen if alive(process)]
        try:
            assert gone(orphans)
        finally:  # a broken lifeline must not litter the machine
            for process in filter(alive, orphans):
                process.kill()


Start = Callable[..., Service]


def titled(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline()).rstrip()
    except psutil.Error:
        return ""


def gone(processes: list[psutil.Process]) -> bool:
    """True within 5 s; whom init has not reaped yet is gone all the same."""
    return wait_until(lambda: not any(map(alive, processes)), timeout=5)


def alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
