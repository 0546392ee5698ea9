"""Client: what producers and operators call.

Importing it connects to nothing.
"""

from workflow_worker.broker.executions import Execution, HistoryEntry
from workflow_worker.broker.figures import Figures
from workflow_worker.broker.instances import Instance, Running, Worker
from workflow_worker.broker.letters import DeadLetter
from workflow_worker.client.client import Client
from workflow_worker.client.fleet import Fleet
from workflow_worker.client.pacing import Handled, Refusal

__all__ = [
    "Client",
    "DeadLetter",
    "Execution",
    "Figures",
    "Fleet",
    "Handled",
    "HistoryEntry",
    "Instance",
    "Refusal",
    "Running",
    "Worker",
]
