"""Client: what producers and operators call.

Importing it connects to nothing.
"""

from workflow_worker.broker.executions import Execution, HistoryEntry
from workflow_worker.broker.letters import DeadLetter
from workflow_worker.client.client import Client
from workflow_worker.client.pacing import Handled, Refusal

__all__ = [
    "Client",
    "DeadLetter",
    "Execution",
    "Handled",
    "HistoryEntry",
    "Refusal",
]
