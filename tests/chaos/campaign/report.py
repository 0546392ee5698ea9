"""The last long run, for the docs: one JSON file, and the tables made of it.

Owns ``docs/chaos/report.json`` and what stands between the marks in
``docs/reliability.rst``. Must never write a figure that is not in the file.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tests.chaos.campaign.episode import Result
from tests.chaos.campaign.profiles import PROFILES
from tests.chaos.campaign.telling import by_rule
from tests.servers import binaries
from workflow_worker.version import VERSION

DOCS = Path(__file__).resolve().parents[3] / "docs"
FILE = DOCS / "chaos" / "report.json"
PAGE = DOCS / "reliability.rst"
Json = dict[str, Any]


def episode(result: Result) -> Json:
    """One episode, as the file has it."""
    plan = result.plan
    return {
        "seed": plan.seed,
        "profile": plan.profile,
        "server": plan.server,
        "events": result.events,
        "faults": result.faults,
        "by_fault": result.by_fault,
        "seconds": round(result.seconds, 1),
        "verdict": verdict(result),
    }


def verdict(result: Result) -> str:
    """What came of it, in a few words."""
    if result.trouble:
        return f"not done: {result.trouble}"
    broken = [
        f"{count} times {rule}" for rule, count in by_rule(result.violations).items()
    ]
    broken += [f"{count} times {what}" for what, count in result.left.items()]
    return ", ".join(broken) or "no violation"


def summary(results: Iterable[Result]) -> Json:
    """A whole run."""
    episodes = [episode(result) for result in results]
    faults: Counter[str] = Counter()
    for one in episodes:
        faults.update(one["by_fault"])
    return {
        "version": VERSION,
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": f"{os.cpu_count()} cores, Python {platform.python_version()}",
        "servers": sorted(name for name in binaries() if _used(name, episodes)),
        "events": sum(one["events"] for one in episodes),
        "faults": sum(one["faults"] for one in episodes),
        "seconds": round(sum(one["seconds"] for one in episodes)),
        "by_fault": dict(sorted(faults.items())),
        "episodes": episodes,
    }


def write(results: Iterable[Result]) -> None:
    """Write the file and the page, keeping what is not of this run."""
    _store(summary(results))


def write_mutants(rows: list[Json]) -> None:
    """The same for what saw each mutant."""
    _store({"mutants": rows})


def _store(news: Json) -> None:
    FILE.parent.mkdir(exist_ok=True)
    kept = json.loads(FILE.read_text("utf-8")) if FILE.exists() else {}
    found = kept | news
    FILE.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    PAGE.write_text(written(PAGE.read_text("utf-8"), found), "utf-8")


def written(page: str, found: Json) -> str:
    """Return a page with its tables as the file has them."""
    for name, build in TABLES.items():
        begin, end = marks(name)
        before, rest = page.split(begin)
        after = rest.split(end)[1]
        page = f"{before}{begin}\n{''.join(build(found))}{end}{after}"
    return page


def marks(name: str) -> tuple[str, str]:
    """The lines before and after a table."""
    return (
        f".. {name}: written by make chaos\n",
        f".. {name}: end of what is written\n",
    )


def _episodes(found: Json) -> Iterator[str]:
    if "episodes" not in found:
        return
    yield (
        f"{found['events']:,} events and {found['faults']} faults in "
        f"{len(found['episodes'])} episodes of {found['seconds'] // 60} minutes "
        "together, some of them side by side; "
        f"{found['machine']}; version {found['version']}, {found['date']}.\n\n"
    )
    head = ("profile", "what strikes", "seeds", "events", "faults", "verdict")
    rows = [_row_of(name, found["episodes"]) for name in PROFILES]
    yield table((12, 34, 20, 10, 8, 16), head, [row for row in rows if row])


def _row_of(profile: str, episodes: list[Json]) -> tuple[str, ...]:
    own = [one for one in episodes if one["profile"] == profile]
    if not own:
        return ()
    return (
        profile,
        PROFILES[profile].about,
        ", ".join(str(one["seed"]) for one in own),
        f"{sum(one['events'] for one in own):,}",
        str(sum(one["faults"] for one in own)),
        "; ".join(sorted({one["verdict"] for one in own})),
    )


def _faults(found: Json) -> Iterator[str]:
    if "by_fault" in found:
        rows = [(name, str(count)) for name, count in found["by_fault"].items()]
        yield table((30, 10), ("fault", "times"), rows)


def _mutants(found: Json) -> Iterator[str]:
    if "mutants" in found:
        head = ("what was broken", "caught by", "seed", "profile")
        rows = [
            (one["promise"], one["rule"], str(one["seed"]), one["profile"])
            for one in found["mutants"]
        ]
        yield table((45, 30, 10, 15), head, rows)


def table(
    widths: tuple[int, ...], head: tuple[str, ...], rows: Iterable[tuple[str, ...]]
) -> str:
    """A list-table, as docutils reads it."""
    wide = " ".join(map(str, widths))
    lines = [".. list-table::", "   :header-rows: 1", f"   :widths: {wide}", ""]
    for cells in (head, *rows):
        first, *others = cells
        lines.append(f"   * - {first}")
        lines += [f"     - {cell}" for cell in others]
    return "\n".join(lines) + "\n\n"


def _used(name: str, episodes: list[Json]) -> bool:
    return any(one["server"] == name for one in episodes)


TABLES = {
    "Table of episodes": _episodes,
    "Table of faults": _faults,
    "Table of mutants": _mutants,
}
