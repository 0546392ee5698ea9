"""Who is healthy: small rules over what the board shows. Public names, nothing else.

Pure: nothing in here may read a clock, the board or Redis; master and monitor hand in
what they see and so come to the same verdict. ``scripts/doc_tables.py`` writes the
rules into the docs.
"""

from workflow_worker.health.judge import judge, judge_worker, ready, redis_state
from workflow_worker.health.rule import ServiceHealth, Status, Verdict
from workflow_worker.health.rules import RECENT, START_GRACE, ending, redis_away

__all__ = [
    "RECENT",
    "START_GRACE",
    "ServiceHealth",
    "Status",
    "Verdict",
    "ending",
    "judge",
    "judge_worker",
    "ready",
    "redis_away",
    "redis_state",
]
