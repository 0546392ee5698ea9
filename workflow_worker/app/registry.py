"""The App: what one service declares, by name.

Owns the tables of workflows, actions and hooks and that no name, or version of a
workflow, stands for two things, over all included Apps. Must never do more on
declaration than to look and remember.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any, Generic, ParamSpec, TypeVar, overload

from workflow_worker.app import rules
from workflow_worker.app.action import Action
from workflow_worker.app.hooks import (
    ActionCall,
    DeadLetterNotice,
    Hook,
    HookKind,
    Hooks,
)
from workflow_worker.app.retry import ErrorRule, RetryPolicy
from workflow_worker.app.workflow import Workflow
from workflow_worker.errors import DefinitionError, ErrorCategory

P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., object])
Plain = TypeVar("Plain", bound=Callable[[], object])
Around = TypeVar("Around", bound=Callable[[ActionCall], Iterator[None]])
Told = TypeVar("Told", bound=Callable[[DeadLetterNotice], object])
D = TypeVar("D", Workflow, Action[..., Any], ErrorRule, Hook)


class Table(Generic[D]):
    """Definitions of one kind, told on to the tables that include this one."""

    def __init__(self) -> None:
        self.by_ident: dict[tuple[str, str], D] = {}
        self.listeners: list[Table[D]] = []

    def line(self) -> list[Table[D]]:
        """Return this table and all that include it, however far up, each once."""
        line = [self]
        for table in line:
            line += [above for above in table.listeners if above not in line]
        return line

    def refuse_doubles(self, *definitions: D) -> None:
        """Require that each name is free, or already stands for the same thing.

        The same thing arrives twice when two included Apps include a third.
        """
        for table in self.line():
            for definition in definitions:
                found = table.by_ident.get(definition.ident, definition)
                if found != definition:
                    raise DefinitionError(
                        f"{definition.place} has the name {_shown(definition.ident)}, "
                        f"which is taken by {found.place}"
                    )

    def add(self, definition: D) -> None:
        """Take a definition, here and wherever this table is included."""
        self.refuse_doubles(definition)
        for table in self.line():
            table.by_ident[definition.ident] = definition

    def tell(self, listener: Table[D]) -> None:
        """Have another table take what this one has and will have."""
        for definition in self.by_ident.values():
            listener.add(definition)
        self.listeners.append(listener)


def _shown(ident: tuple[str, str]) -> str:
    name, version = ident
    return f"{name} and the version {version}" if version else name


class App:
    """The registry of what one service runs.

    Args:
        name: shows in process titles and logs.
    """

    def __init__(self, name: str) -> None:
        if not isinstance(name, str) or not name.strip():
            raise DefinitionError(f"App needs a name, not {name!r}")
        self.name = name
        self._workflows: Table[Workflow] = Table()
        self._actions: Table[Action[..., Any]] = Table()
        self._error_rules: Table[ErrorRule] = Table()
        self._hooks: Table[Hook] = Table()

    def __repr__(self) -> str:
        return f"<App {self.name}>"

    @property
    def workflows(self) -> Mapping[str, Workflow]:
        """The workflows that new executions run, by name, those of included Apps too.

        Of several versions the one declared last, whichever App it came with.
        """
        found: dict[str, Workflow] = {}
        for workflow in self._workflows.by_ident.values():
            known = found.setdefault(workflow.name, workflow)
            if workflow.rank > known.rank:
                found[workflow.name] = workflow
        return types.MappingProxyType(found)

    def versions(self, name: str) -> Mapping[str, Workflow]:
        """Return what is declared under this name, by version, the oldest first."""
        found = [w for w in self._workflows.by_ident.values() if w.name == name]
        found.sort(key=lambda workflow: workflow.rank)
        return types.MappingProxyType({w.version: w for w in found})

    @property
    def actions(self) -> Mapping[str, Action[..., Any]]:
        """The actions by name, those of included Apps among them."""
        actions = self._actions.by_ident.values()
        return types.MappingProxyType({action.name: action for action in actions})

    def workflow(
        self,
        *,
        on: str | Iterable[str],
        name: str | None = None,
        version: str = "",
        signals: str | Iterable[str] = (),
        timeout: float | timedelta | None = None,
        max_retries: int | None = None,
        result_ttl: float | timedelta | None = None,
    ) -> Callable[[F], F]:
        """Declare that events start this function; it stays what it is.

        Args:
            on: an event name, several, or patterns as of ``fnmatch``: ``*`` is any
                text, ``?`` and ``[seq]`` are one ASCII character, case matters.
            name: of the workflow, by default the function's. Two workflows may share
                an event: both run.
            version: stored on each execution that starts. Functions of one name may
                differ in it: new executions run the one declared last, the others
                finish their own.
            signals: names of the events that its executions may wait for.
            timeout: seconds or timedelta that an execution may take from its start,
                waits included; then it fails with ``WorkflowTimeout``. By default as
                long as it takes.
            max_retries: how often it is run again after an error of its own code, by
                default what the setting ``MAX_RETRIES`` says. Actions have their own.
            result_ttl: seconds or timedelta to keep a result, by default what the
                setting ``RESULT_TTL_MS`` says.

        Raises:
            DefinitionError: the function or an argument can't work.
        """

        def declare(fn: F) -> F:
            place = rules.plain_function(fn, "workflow")
            rules.context_and_event(fn, place)
            workflow = Workflow(
                fn,
                rules.name(name, fn, place),
                place,
                rules.event_names(on, place),
                rules.version(version, place),
                rules.milliseconds(result_ttl, "result_ttl", place),
                rules.signal_names(signals, place),
                rules.milliseconds(timeout, "timeout", place),
                rules.max_retries(max_retries, place),
            )
            self._workflows.add(workflow)
            return fn

        return declare

    @overload
    def action(self, fn: Callable[P, R], /) -> Action[P, R]: ...

    @overload
    def action(
        self,
        /,
        *,
        name: str | None = None,
        timeout: float | timedelta | None = None,
        max_retries: int | None = None,
        retry: RetryPolicy | None = None,
    ) -> Callable[[Callable[P, R]], Action[P, R]]: ...

    def action(
        self,
        fn: Callable[..., object] | None = None,
        /,
        *,
        name: str | None = None,
        timeout: float | timedelta | None = None,
        max_retries: int | None = None,
        retry: RetryPolicy | None = None,
    ) -> object:
        """Declare a side effect, with or without parentheses.

        Args:
            fn: the function.
            name: of the action in the journal, by default the function's.
            timeout: seconds or timedelta that one try may take, or one heartbeat to the
                next; then it has failed with ``ActionTimeout``. By default as long as
                it takes.
            max_retries: how often it is tried again, by default what the setting
                ``MAX_RETRIES`` says.
            retry: how it is tried again; what it leaves open is as the settings say.

        Raises:
            DefinitionError: the function or an argument can't work.
        """

        def declare(fn: Callable[..., object]) -> Action[..., object]:
            place = rules.plain_function(fn, "action")
            action = Action(
                fn,
                rules.name(name, fn, place),
                place,
                rules.milliseconds(timeout, "timeout", place),
                rules.retry(retry, max_retries, place),
            )
            self._actions.add(action)
            return action

        return declare if fn is None else declare(fn)

    def classify(
        self, error: type[BaseException], category: ErrorCategory | str
    ) -> None:
        """Say what an exception class asks for, and what derives from it.

        Goes before every default but that of a class raised to say it itself, and after
        an action's own policy. For ``Exception`` it says what becomes of those that no
        rule is for.

        Args:
            error: the class.
            category: transient, recoverable or permanent.

        Raises:
            DefinitionError: it is no exception class or no category, or another
                category is declared for it.
        """
        self._error_rules.add(rules.error_rule(error, category))

    @property
    def error_rules(self) -> Mapping[type[BaseException], ErrorCategory]:
        """What exception classes ask for, as declared here and in included Apps."""
        declared = self._error_rules.by_ident.values()
        return types.MappingProxyType({rule.error: rule.category for rule in declared})

    def on_worker_start(self, fn: Plain, /) -> Plain:
        """Declare what each worker process runs once before it takes events.

        After the App was imported, in the main thread. If it raises, the worker takes
        no events and ends; another one is started after a while, a longer one each
        time.

        Args:
            fn: takes nothing.

        Raises:
            DefinitionError: the function can't work.
        """
        return self._hook(HookKind.START, fn)

    def on_worker_stop(self, fn: Plain, /) -> Plain:
        """Declare what each worker process runs once after its last event.

        In the main thread, when it drains and ends in order; not in one that is killed,
        or that never was ready. It has what is left of ``SHUTDOWN_TIMEOUT_MS``. Those
        declared last run first. What it raises is logged.

        Args:
            fn: takes nothing.

        Raises:
            DefinitionError: the function can't work.
        """
        return self._hook(HookKind.STOP, fn)

    def around_action(self, fn: Around, /) -> Around:
        """Declare what runs around every try of an action that a workflow calls.

        A generator function: what stands before its one ``yield`` runs before the
        action, what stands after it afterwards, in the same thread and on the action's
        time. An error of the action is raised at the ``yield``. Those declared first
        are outermost. It can't change what comes of the action: what it raises itself
        is logged, and what it swallows is raised all the same.

        Args:
            fn: takes an :class:`ActionCall`.

        Raises:
            DefinitionError: the function can't work.
        """
        return self._hook(HookKind.AROUND, fn, "an ActionCall")

    def on_dead_letter(self, fn: Told, /) -> Told:
        """Declare what is called after an execution has failed for good.

        By the worker that committed the dead letter, once it is durable, in a thread of
        its own: one call after the other. Nothing is certain about it: a worker killed
        at the wrong moment makes no call, and one that has fallen far behind drops
        calls, with a warning. What it raises is logged.

        Args:
            fn: takes a :class:`DeadLetterNotice`.

        Raises:
            DefinitionError: the function can't work.
        """
        return self._hook(HookKind.DEAD_LETTER, fn, "a DeadLetterNotice")

    @property
    def hooks(self) -> Hooks:
        """The hooks declared here and in included Apps, each once."""
        return Hooks(self._hooks.by_ident.values())

    def _hook(self, kind: HookKind, fn: F, *given: str) -> F:
        role = f"{kind} hook"
        place = rules.plain_function(fn, role, generator=kind is HookKind.AROUND)
        rules.parameters(fn, place, *given)
        self._hooks.add(Hook(kind, fn, place))
        return fn

    def include(self, other: App) -> None:
        """Take over what another App declares, now and later.

        Raises:
            DefinitionError: a name is declared twice, or the Apps include each other.
        """
        if not isinstance(other, App):
            raise DefinitionError(f"only an App can be included, not {other!r}")
        if other._workflows in self._workflows.line():
            raise DefinitionError(f"{self!r} and {other!r} can't include each other")
        self._workflows.refuse_doubles(*other._workflows.by_ident.values())
        self._actions.refuse_doubles(*other._actions.by_ident.values())
        self._error_rules.refuse_doubles(*other._error_rules.by_ident.values())
        other._workflows.tell(self._workflows)
        other._error_rules.tell(self._error_rules)
        other._actions.tell(self._actions)
        other._hooks.tell(self._hooks)

    def check(self) -> None:
        """Resolve every annotation that counts, so that none fails in a run.

        Raises:
            DefinitionError: one can't be resolved, or has no JSON form.
        """
        for workflow in self._workflows.by_ident.values():
            _ = workflow.accepts, workflow.returns
        for action in self._actions.by_ident.values():
            _ = action.returns
