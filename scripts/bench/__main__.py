"""``make bench``: speed, side by side, in one run on one server, with a verdict."""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import click

import pages
from contenders import Contender
from environments import ROOT, Environment, environment
from machine import iterations, machine
from plan import WORKLOADS, Job, jobs
from plotting import plot
from reports import Report, Run, described, read, written
from roster import CONTENDERS
from running import Stage
from server import Server
from targets import verdict
from tracks import MeasurementError

DOCS = ROOT / "docs" / "bench"
ASIDE = ROOT / "build" / "bench"
"""For runs that say less than the docs do."""
ROUNDS = 3
"""With fewer the docs would lack spreads, and p99.9."""
MINUTE = 60.0


@click.command()
@click.option(
    "--rounds",
    default=ROUNDS,
    type=click.IntRange(1, 9),
    show_default=True,
    help="How often all is measured.",
)
@click.option(
    "--only",
    multiple=True,
    type=click.Choice(WORKLOADS),
    help="A workload, may be repeated; all by default.",
)
@click.option(
    "--contenders",
    "names",
    multiple=True,
    type=click.Choice([each.name for each in CONTENDERS]),
    help="Who takes part, may be repeated; all by default.",
)
@click.option("--quick", is_flag=True, help="Hardly any work: does it run at all?")
@click.option(
    "--render", is_flag=True, help="Measure nothing; write the last report anew."
)
@click.option("--plots/--no-plots", default=True, help="Draw; needs matplotlib.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help=(
        "Folder of the report: docs/bench, or with --only, --contenders, --quick "
        "or fewer rounds build/bench, unless this says another."
    ),
)
def main(
    rounds: int,
    only: tuple[str, ...],
    names: tuple[str, ...],
    quick: bool,
    render: bool,
    plots: bool,
    out: Path | None,
) -> None:
    """Measure the product and its peers, and say what was reached.

    All of it takes about 45 minutes, and more the first time: each peer is installed
    into an environment of its own. The exit status is 1 if a measurement failed.
    """
    full = not (only or names or quick) and rounds >= ROUNDS
    folder = out or (DOCS if full else ASIDE)
    if not render:
        chosen = [each for each in CONTENDERS if not names or each.name in names]
        signal.signal(signal.SIGTERM, _end)
        report = _measured(chosen, only, rounds, quick)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "report.json").write_text(written(report), "utf-8")
    report = read(folder / "report.json")
    if plots:
        plot(folder)
    if folder == DOCS:
        pages.write()
    sys.stdout.write(verdict(report))
    sys.exit(any(run.failed for run in report.runs))


def _end(number: int, frame: FrameType | None) -> None:
    sys.exit("bench: asked to end; nothing was written")


def _measured(
    chosen: Sequence[Contender], only: Sequence[str], rounds: int, quick: bool
) -> Report:
    environments = _environments(chosen)
    began = time.monotonic()
    planned = list(jobs(chosen, only, rounds, quick))
    with _server() as (server, folder):
        about = machine() | {"server": server.version()}
        hashes = iterations()
        runs = []
        for place, job in enumerate(planned, start=1):
            run = _run(job, environments[job.contender.name], server, folder, hashes)
            runs.append(run)
            spent = (time.monotonic() - began) / MINUTE
            print(f"{spent:5.1f} min {place}/{len(planned)} {_line(run)}", flush=True)
    today = datetime.now(UTC).date().isoformat()
    minutes = round((time.monotonic() - began) / MINUTE, 1)
    return Report(today, minutes, about, described(chosen), runs)


def _environments(
    chosen: Sequence[Contender],
) -> dict[str, Environment | MeasurementError]:
    """Install what is missing; a contender that can't be is a failure of its own."""
    made: dict[str, Environment | MeasurementError] = {}
    for each in chosen:
        try:
            made[each.name] = environment(each.requirements)
        except MeasurementError as failed:
            made[each.name] = failed
    return made


@contextmanager
def _server() -> Iterator[tuple[Server, Path]]:
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        with Server(folder) as server:
            yield server, folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(
    job: Job,
    where: Environment | MeasurementError,
    server: Server,
    folder: Path,
    hashes: int,
) -> Run:
    run = Run(job.workload, job.contender.name, job.round, job.x)
    if isinstance(where, MeasurementError):
        run.failed = str(where)
        return run
    own = folder / "stage"
    try:
        server.empty()
        own.mkdir()
        stage = Stage(job.contender, where, server, own, hashes, job.env)
        run.figures, run.samples = job.measure(stage)
    except MeasurementError as error:
        run.failed = str(error)
    except Exception as error:  # noqa: BLE001 - all other figures stay
        traceback.print_exc()
        run.failed = f"{type(error).__name__}: {error}"
    finally:
        shutil.rmtree(own, ignore_errors=True)
    return run


def _line(run: Run) -> str:
    at = f" {run.x}" if run.x is not None else ""
    told = run.failed or " ".join(
        f"{name}={value:.4g}" for name, value in run.figures.items()
    )
    if run.samples:
        told += f" p50={run.samples[len(run.samples) // 2]}us"
    return f"{run.workload}{at} {run.contender}: {told}"


if __name__ == "__main__":
    main(prog_name="bench")
