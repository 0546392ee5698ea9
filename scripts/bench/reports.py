"""What a run found, as a file: every single measurement, so that anybody can check.

Owns the format of report.json. All else, tables, plots and verdict, is made from it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from contenders import Contender

THREAD, COMMAND = "thread ", "command "
"""What names of figures begin with that tell of a kind of thread, or a command of the
server: microseconds an event."""


@dataclass
class Run:
    """One measurement.

    Attributes:
        workload: its name; of a curve ``curve-NAME``.
        contender: who.
        round: counted from 1.
        x: where on a curve.
        figures: by name; times in microseconds, seconds or milliseconds as the name
            says, sizes in bytes.
        samples: single times in microseconds, sorted.
        failed: why there is nothing, in one sentence.
    """

    workload: str
    contender: str
    round: int
    x: int | None = None
    figures: dict[str, float] = field(default_factory=dict)
    samples: list[int] = field(default_factory=list)
    failed: str = ""


@dataclass
class Report:
    """A whole run of ``make bench``.

    Attributes:
        when: the day, as people write it.
        minutes: that it took.
        machine: where.
        contenders: by name: label, setting, promise, url, requirements, ours, floor.
        runs: all measurements in order.
    """

    when: str
    minutes: float
    machine: dict[str, Any]
    contenders: dict[str, dict[str, Any]]
    runs: list[Run]


def described(contenders: Iterable[Contender]) -> dict[str, dict[str, Any]]:
    """Return what a report says of contenders."""
    return {
        each.name: {
            "label": each.label,
            "setting": each.setting,
            "promise": each.promise,
            "url": each.url,
            "requirements": list(each.requirements),
            "ours": each.ours,
            "floor": each.floor,
        }
        for each in contenders
    }


def written(report: Report) -> str:
    """Return the text of the file: a line per measurement."""
    head = {key: value for key, value in asdict(report).items() if key != "runs"}
    runs = ",\n".join(f"  {json.dumps(_run(each))}" for each in report.runs)
    return f'{json.dumps(head, indent=1)[:-2]},\n "runs": [\n{runs}\n ]\n}}\n'


def _run(run: Run) -> dict[str, Any]:
    kept = {key: value for key, value in asdict(run).items() if value not in (None, "")}
    kept["figures"] = {name: _short(value) for name, value in run.figures.items()}
    return kept


def _short(value: float) -> float:
    """Return it with the digits that mean something."""
    return float(f"{value:.6g}")


def read(path: Path) -> Report:
    """Return a report that was written."""
    found = json.loads(path.read_text("utf-8"))
    found["runs"] = [Run(**run) for run in found["runs"]]
    return Report(**found)
