"""The settings of a service: public names, nothing else."""

from workflow_worker.settings.cores import usable_cores
from workflow_worker.settings.kinds import mask_url
from workflow_worker.settings.sources import DOTENV, ENVIRONMENT, FLAG, load
from workflow_worker.settings.table import DEFAULT, Row, Settings, table

__all__ = [
    "DEFAULT",
    "DOTENV",
    "ENVIRONMENT",
    "FLAG",
    "Row",
    "Settings",
    "load",
    "mask_url",
    "table",
    "usable_cores",
]
