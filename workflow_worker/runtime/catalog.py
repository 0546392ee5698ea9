"""What an App declares, as its runs look it up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from workflow_worker.app import Action, App, Workflow
from workflow_worker.app.rules import is_name
from workflow_worker.errors import DefinitionError


class Catalog:
    """The workflows and actions of one App; later declarations don't change it.

    Args:
        app: its annotations are resolved here.

    Attributes:
        current: by name, the workflows that new executions run.
        versions: by name and version, all of them.
        actions: by name.

    Raises:
        DefinitionError: an annotation can't be resolved, or has no JSON form.
    """

    __slots__ = ("_names", "actions", "current", "versions")

    def __init__(self, app: App) -> None:
        app.check()
        self.current: dict[str, Workflow] = dict(app.workflows)
        self.versions = {name: dict(app.versions(name)) for name in self.current}
        self.actions: dict[str, Action[..., Any]] = dict(app.actions)
        self._names: dict[Callable[..., object], set[str]] = {}
        for name, versions in self.versions.items():
            for workflow in versions.values():
                self._names.setdefault(workflow.fn, set()).add(name)

    def name_of(self, workflow: Callable[..., object] | str) -> str:
        """Return the name of a workflow to start, given its function or its name.

        Raises:
            DefinitionError: no workflow has that name, or the function isn't just one.
        """
        if isinstance(workflow, str):
            if not is_name(workflow):
                raise DefinitionError(f"no workflow can have the name {workflow!r}")
            return workflow
        found = self._names.get(workflow, set()) if callable(workflow) else set()
        if len(found) != 1:
            known = " and ".join(sorted(found)) or "no workflow of this App"
            raise DefinitionError(
                f"{workflow!r} is {known}; start a workflow by its function or its name"
            )
        return next(iter(found))
