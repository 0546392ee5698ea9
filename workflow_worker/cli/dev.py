"""``wfworker dev``: start, with the defaults of somebody who is writing the App.

Owns these defaults and nothing else.
"""

from __future__ import annotations

from pathlib import Path

import click

from workflow_worker.cli.options import Flags, examples, settings_options
from workflow_worker.cli.start import Launch, run
from workflow_worker.settings import DEFAULT, load

EXAMPLES = examples(
    "wfworker dev --app orders:app",
    "wfworker dev --app orders:app --redis-url redis://127.0.0.1:6379/0",
)


@click.command("dev", epilog=EXAMPLES)
@settings_options()
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    help="Folder of the embedded server's data; by default one that is removed.",
)
def command(data_dir: Path | None, **flags: str | None) -> None:
    """Run the service for development.

    Like start --reload, with debug logs, and an embedded server unless REDIS_URL is
    set. A file that can't be imported is shown, and waited for.
    """
    click.get_current_context().exit(run(launch(flags, data_dir)))


def launch(flags: Flags, data_dir: Path | None = None) -> Launch:
    """Return how development starts: what was set anywhere stays as it is set."""
    settings = load(flags)
    embedded = settings.origin("REDIS_URL") == DEFAULT
    if settings.origin("LOG_LEVEL") == DEFAULT:
        flags = {**flags, "log_level": "debug"}
    return Launch(flags, embedded, data_dir, reload=True)
