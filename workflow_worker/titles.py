"""What a process is called in ps: its role, its App, its load.

Owns the form. It must never show more of the settings than the App's module: titles are
read by every user of the host.
"""

from __future__ import annotations

from setproctitle import setproctitle


class _Process:
    title = ""


_process = _Process()


def entitle(role: str, workflow_app: str = "", load: str = "") -> None:
    """Name this process; cheap if that is its name already.

    Args:
        role: ``master``, ``worker 0``.
        workflow_app: setting ``WORKFLOW_APP``; empty for a role that has no App.
        load: what it is busy with; empty for a role that has none.
    """
    module = workflow_app.partition(":")[0]
    title = " ".join(filter(None, ("wfworker:", role, module and f"[{module}]", load)))
    if title != _process.title:
        _process.title = title
        setproctitle(title)
