"""The long run: episodes side by side until there were enough, each line as it ends.

Owns how many run at once. An episode mostly waits for its faults, so two cores have
room for two; each is in a process of its own, which cleans up after itself when told to
end.
"""

from __future__ import annotations

import multiprocessing
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path

import click

from tests.chaos.campaign import report, telling
from tests.chaos.campaign.episode import Episode, Result
from tests.chaos.campaign.plan import Plan


def carry_out_all(
    plans: Iterator[Plan],
    keep: Path | None,
    at_once: int,
    enough: Callable[[Sequence[Result]], bool],
) -> list[Result]:
    """Run episodes until their results are enough.

    Args:
        plans: in this order.
        keep: where files of failed episodes go.
        at_once: how many.
        enough: told all results, and for those that still run what they are to come to.
    """
    results: list[Result] = []
    running: dict[Future[Result], Plan] = {}
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(at_once, spawn, heed_term) as pool:
        while True:
            while len(running) < at_once and not enough(
                [*results, *map(_hoped_for, running.values())]
            ):
                plan = next(plans, None)
                if plan is None:
                    break
                running[pool.submit(carry_out, plan, keep)] = plan
            if not running:
                return results
            for ended in wait(running, return_when=FIRST_COMPLETED).done:
                del running[ended]
                results.append(ended.result())


def _hoped_for(plan: Plan) -> Result:
    return Result(plan, plan.events, {"planned": plan.faults})


def carry_out(plan: Plan, keep: Path | None) -> Result:
    """Run an episode and say what came of it; its files stay if that is not good."""
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"campaign-{plan.seed}-", dir=keep))
    result = _episode(plan, folder)
    lines = [
        f"seed {plan.seed:4}  {plan.profile:15} {result.events:7,} events "
        f"{result.faults:3} faults {result.seconds:6.1f} s  {report.verdict(result)}"
    ]
    if result.good:
        shutil.rmtree(folder)
    else:
        lines += (f"  {line}" for line in telling.tell(result, folder))
    # In one piece: others tell theirs meanwhile.
    click.echo("\n".join(lines))
    return result


def _episode(plan: Plan, folder: Path) -> Result:
    """Run an episode; what the driver fails at is trouble, and the next one may go."""
    try:
        return Episode(plan, folder).run()
    except Exception as error:  # noqa: BLE001 - whatever it is, others are to run
        traceback.print_exc()
        return Result(plan, trouble=f"{type(error).__name__}: {error}")


def heed_term() -> None:
    """Have TERM end this process through the ends of all blocks, and its children."""
    signal.signal(signal.SIGTERM, _end)


def _end(_number: int, _frame: object) -> None:
    for child in multiprocessing.active_children():
        child.terminate()
    sys.exit(143)
