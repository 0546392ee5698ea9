"""What users declare: an App of workflows and actions, checked where it is declared.

Declaring has no side effect, and nothing here runs a workflow: that is the runtime's.
Read in this order: registry (App), workflow and action (what it holds), current (what
a thread is inside of), future (what ``.submit`` gives), retry (what is declared about
errors), hooks (what runs beside), rules (what is refused), load (from a setting to an
App).
"""

from __future__ import annotations

from workflow_worker.app.action import Action
from workflow_worker.app.current import current_action
from workflow_worker.app.future import Future
from workflow_worker.app.hooks import ActionCall, DeadLetterNotice
from workflow_worker.app.load import load_app
from workflow_worker.app.registry import App
from workflow_worker.app.retry import RetryPolicy
from workflow_worker.app.workflow import Workflow

__all__ = [
    "Action",
    "ActionCall",
    "App",
    "DeadLetterNotice",
    "Future",
    "RetryPolicy",
    "Workflow",
    "current_action",
    "load_app",
]
