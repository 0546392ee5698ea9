"""``python -m tests.chaos.campaign``: the long run, one episode, or the mutants.

Exit status: 0 if every promise was kept, 1 if one was broken, 2 if the driver itself
could not do its work or was asked for what it does not know.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from tests.chaos.campaign import report
from tests.chaos.campaign.campaign import carry_out, carry_out_all, heed_term
from tests.chaos.campaign.episode import Result
from tests.chaos.campaign.mutating import mutants
from tests.chaos.campaign.needs import lacking
from tests.chaos.campaign.plan import Plan
from tests.chaos.campaign.profiles import PROFILES

EVENTS, FAULTS = 1_000_000, 500
"""What a long run comes to at least."""
SIZE, STRIKES = 50_000, 26
"""Events and faults of one episode."""
MOST_EPISODES = 40

seed_flag = click.option(
    "--seed", default=1, show_default=True, help="of the (first) episode"
)
events_flag = click.option(
    "--events", default=SIZE, show_default=True, help="of each episode"
)
faults_flag = click.option(
    "--faults", default=STRIKES, show_default=True, help="of each episode"
)
keep_flag = click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False, resolve_path=True),
    help="where files of failed episodes go; by default a folder for temporary files",
)
profile_kind = click.Choice(sorted(PROFILES))


@click.group(invoke_without_command=True)
@seed_flag
@click.option(
    "--profile", "profiles", type=profile_kind, multiple=True, help="only these"
)
@events_flag
@faults_flag
@click.option("--episodes", type=int, help="so many, instead of until it is enough")
@click.option("--at-once", default=2, show_default=True, help="episodes side by side")
@keep_flag
@click.option("--write", is_flag=True, help="the report into docs/, if all went well")
@click.pass_context
def main(
    context: click.Context,
    seed: int,
    profiles: Sequence[str],
    events: int,
    faults: int,
    episodes: int | None,
    at_once: int,
    keep: Path | None,
    *,
    write: bool,
) -> None:
    """Run episodes of all profiles until they come to a million events."""
    if context.invoked_subcommand is not None:
        return
    for name in profiles:
        require(name)
    results = carry_out_all(
        plans(seed, profiles or possible(), events, faults),
        keep,
        at_once,
        lambda found: is_enough(found, episodes),
    )
    click.echo(verdict(results))
    if not is_enough(results, episodes):
        click.echo(f"that is less than {EVENTS:,} events and {FAULTS} faults")
        sys.exit(status(results) or 2)
    if write and all(result.good for result in results):
        report.write(results)
    sys.exit(status(results))


@main.command()
@seed_flag
@click.option("--profile", type=profile_kind, default="loopback", show_default=True)
@events_flag
@faults_flag
@keep_flag
@click.option("--plan", "only_plan", is_flag=True, help="print what would be done")
def run(
    seed: int,
    profile: str,
    events: int,
    faults: int,
    keep: Path | None,
    *,
    only_plan: bool,
) -> None:
    """Run one episode."""
    plan = Plan(seed, profile, events, faults)
    if only_plan:
        click.echo(str(plan))
        return
    require(profile)
    result = carry_out(plan, keep)
    click.echo(verdict([result]))
    sys.exit(status([result]))


def require(profile: str) -> None:
    """Refuse a profile that this machine can't run."""
    lack = lacking(profile)
    if lack:
        raise click.UsageError(f"profile {profile} can't run here: {lack}")


def possible() -> Sequence[str]:
    """Profiles that this machine can run; says which it can't."""
    lacks = {name: lacking(name) for name in PROFILES}
    for name, lack in lacks.items():
        if lack:
            click.echo(f"left out: {name}: {lack}")
    return [name for name, lack in lacks.items() if not lack]


def plans(
    seed: int, profiles: Sequence[str], events: int, faults: int
) -> Iterator[Plan]:
    """Yield episodes of the profiles in turn, with seeds from this one on."""
    for number, profile in zip(
        range(seed, seed + MOST_EPISODES), itertools.cycle(profiles), strict=False
    ):
        yield Plan(number, profile, events, faults)


def is_enough(results: Sequence[Result], episodes: int | None) -> bool:
    if episodes is not None:
        return len(results) >= episodes
    events = sum(result.events for result in results)
    return events >= EVENTS and sum(result.faults for result in results) >= FAULTS


def verdict(results: Sequence[Result]) -> str:
    """One sentence about the whole."""
    bad = [str(result.plan.seed) for result in results if not result.good]
    events = sum(result.events for result in results)
    faults = sum(result.faults for result in results)
    ends = f"violations with seeds {', '.join(bad)}" if bad else "no violation"
    return f"{len(results)} episodes, {events:,} events, {faults} faults: {ends}"


def status(results: Sequence[Result]) -> int:
    """0: all is well; 2: the driver did not do its work; 1: a promise was broken."""
    if any(result.violations or result.left for result in results):
        return 1
    return 2 if any(result.trouble for result in results) else 0


main.add_command(mutants)


if __name__ == "__main__":
    heed_term()
    main(prog_name="python -m tests.chaos.campaign")
