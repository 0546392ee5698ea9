"""Records the journals of ``flows`` as this version writes them.

``python -m tests.histories.record`` adds ``<version>-<workflow>.json`` for each that is
not there yet. A file that is there is never written again.
"""

from __future__ import annotations

import json
from pathlib import Path

import redis

from tests.histories import flows
from workflow_worker import __version__
from workflow_worker.model import Json
from workflow_worker.testing import Started, TestWorker

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]


def performed(worker: TestWorker) -> list[Started]:
    """Run every workflow to its end."""
    order = worker.start("order", {"items": ["tea", "cup"]}, key="o-1")
    order.signal("approved", {"by": "ann"})
    worker.skip()
    worker.skip()
    doomed = worker.start("doomed")
    regretted = worker.start("regretted")
    regretted.cancel()
    return [order, doomed, regretted]


def journal_of(db: redis.Redis, started: Started) -> Json:
    seen = started.look()
    key = "{test:0}:x:" + started.id
    fields = {
        name.decode()[2:]: value.decode()
        for name, value in db.hgetall(key).items()
        if name.startswith(b"e:")
    }
    journal = db.lrange("{test:0}:j:" + started.id, 0, -1)
    return {
        "execution": started.id,
        "workflow": seen.workflow,
        "version": seen.version,
        "event": {**fields, "key": seen.key},
        # Tracebacks name files; where this checkout lies is nobody's business.
        "journal": [entry.decode().replace(f"{ROOT}/", "") for entry in journal],
        "status": seen.status,
        "result": seen.result,
        "error": seen.error,
    }


def main() -> None:
    with TestWorker(flows.app) as worker:
        ended = performed(worker)
        with redis.Redis.from_url(worker.redis_url) as db:
            for started in ended:
                found = journal_of(db, started)
                path = FOLDER / f"{__version__}-{found['workflow']}.json"
                if not path.exists():
                    path.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
