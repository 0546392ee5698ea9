"""Client: what producers and operators call.

Importing it connects to nothing.
"""

from workflow_worker.broker.executions import Execution, HistoryEntry
from workflow_worker.broker.queries import DeadLetter
from workflow_worker.client.client import Client

__all__ = ["Client", "DeadLetter", "Execution", "HistoryEntry"]
