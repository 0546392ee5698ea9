"""Runs mutants: each in a copy of the project, until a seed shows it or seeds run out.

Owns the copies and the processes that run in them. Must never change the project.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from tests.chaos.campaign import episode, load, report
from tests.chaos.campaign.mutants import MUTANTS, SHARP, Mutant
from tests.chaos.campaign.plan import Plan
from tests.chaos.campaign.profiles import PROFILES
from tests.chaos.campaign.stories import SHARES

ROOT = Path(__file__).resolve().parents[3]
SEEDS = 5
"""How many are tried at most."""
LONGEST = 180.0
"""Seconds an episode may take; a broken product may hold it up for ever."""
CALM, PATIENCE = 12.0, 20.0
"""Seconds after which what is not done never will be: nobody waits longer for it."""


@dataclass(frozen=True, slots=True)
class Caught:
    """What became of a mutant.

    Attributes:
        mutant: which.
        seed: of the episode that showed it; 0: none did.
        rule: the first of its rules that did.
        said: the violation, as text.
        tried: how many episodes that took.
    """

    mutant: Mutant
    seed: int = 0
    rule: str = ""
    said: str = ""
    tried: int = 0

    def __str__(self) -> str:
        if not self.seed:
            return f"{self.mutant.name:18} not seen in {self.tried} episodes"
        return f"{self.mutant.name:18} seed {self.seed}  {self.said}"

    @property
    def command(self) -> str:
        """What shows it again."""
        again = f"--only {self.mutant.name} --seed {self.seed}"
        return f"python -m tests.chaos.campaign mutants {again}"

    def row(self) -> dict[str, Any]:
        """As the report has it."""
        return {
            "name": self.mutant.name,
            "promise": self.mutant.promise,
            "rule": self.rule,
            "seed": self.seed,
            "profile": self.mutant.profile,
            "command": self.command,
        }


def hunt(mutant: Mutant, seed: int | None = None, seeds: int = SEEDS) -> Caught:
    """Run episodes from this seed on until one of its rules sees the mutant."""
    seed = mutant.first if seed is None else seed
    with mutated(mutant) as root:
        for tried, number in enumerate(range(seed, seed + seeds), 1):
            found = carry_out(mutant, number, root)
            for rule in mutant.rules:
                if rule in found:
                    return Caught(mutant, number, rule, found[rule], tried)
    return Caught(mutant, tried=seeds)


@contextlib.contextmanager
def mutated(mutant: Mutant | None) -> Iterator[Path]:
    """A copy of the project, in which the mutant's texts are replaced.

    Raises:
        LookupError: a text is not there any more.
    """
    root = Path(tempfile.mkdtemp(prefix="mutant-"))
    try:
        ignored = shutil.ignore_patterns("__pycache__")
        for package in ("workflow_worker", "tests"):
            shutil.copytree(ROOT / package, root / package, ignore=ignored)
        for change in mutant.changes if mutant else ():
            file = root / "workflow_worker" / change.file
            text = file.read_text("utf-8")
            if text.count(change.old) != 1:
                message = f"{change.file} has not once this text: {change.old!r}"
                raise LookupError(message)
            file.write_text(text.replace(change.old, change.new), "utf-8")
        yield root
    finally:
        shutil.rmtree(root, ignore_errors=True)


def carry_out(mutant: Mutant, seed: int, root: Path) -> dict[str, str]:
    """Run one episode in a copy; returns the violations' texts by their rules."""
    sizes = (seed, mutant.events, mutant.faults)
    command = [sys.executable, "-m", __name__, mutant.name, *map(str, sizes)]
    env = os.environ | {"PYTHONPATH": str(root), "TMPDIR": str(root)}
    with subprocess.Popen(
        command,
        cwd=root,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        try:
            out, err = process.communicate(timeout=LONGEST)
        except subprocess.TimeoutExpired:
            err = b"it took too long"
            out = b""
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    lines = out.splitlines()
    if not lines:
        return {"driver": err.decode("utf-8", "replace")[-2000:]}
    found: dict[str, str] = json.loads(lines[-1])
    return found


@click.command()
@click.option("--only", "names", multiple=True, help="this one; may be repeated")
@click.option("--seed", type=int, help="of the first episode; by default its own")
@click.option("--seeds", default=SEEDS, show_default=True, help="most for each")
@click.option("--write", is_flag=True, help="the report into docs/, if all are caught")
def mutants(names: Sequence[str], seed: int | None, seeds: int, *, write: bool) -> None:
    """Break the product on purpose, and see whether the checker sees it."""
    known = {mutant.name: mutant for mutant in MUTANTS}
    unknown = sorted(set(names) - set(known))
    if unknown:
        message = f"no mutant {', '.join(unknown)}; there are {', '.join(known)}"
        raise click.UsageError(message)
    chosen = [known[name] for name in names] or list(MUTANTS)
    found = []
    for mutant in chosen:
        caught = hunt(mutant, seed, seeds)
        click.echo(str(caught))
        found.append(caught)
    survivors = [caught.mutant.name for caught in found if not caught.seed]
    ends = f"not seen: {', '.join(survivors)}" if survivors else "all seen"
    click.echo(f"{len(found)} mutants: {ends}")
    if write and not survivors and not names:
        report.write_mutants([caught.row() for caught in found])
    sys.exit(1 if survivors else 0)


def child(arguments: Sequence[str]) -> None:
    """Run an episode of this copy and print what it violated, as JSON."""
    name, *sizes = arguments
    seed, events, faults = map(int, sizes)
    mutant = next(each for each in MUTANTS if each.name == name)
    PROFILES.update(SHARP)
    SHARES.update(mutant.shares)
    episode.CALM, load.PATIENCE = CALM, PATIENCE
    plan = Plan(seed, mutant.profile, events, faults)
    folder = Path(tempfile.mkdtemp(prefix="episode-"))
    result = episode.Episode(plan, folder).run()
    found: dict[str, str] = {}
    for violation in result.violations:
        found.setdefault(violation.rule, str(violation))
    if result.trouble:
        found["driver"] = result.trouble
    click.echo(json.dumps(found))


if __name__ == "__main__":
    child(sys.argv[1:])
