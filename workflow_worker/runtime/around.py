"""One try of an action inside the hooks that an App wraps around actions.

Owns that a hook can't change what comes of the action: what it raises or swallows is
dropped, and said in the log. Must never hold up control flow: the end of the action's
time and the loss of the lease pass through hooks, and out of them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator

from workflow_worker.app.hooks import ActionCall, Hook
from workflow_worker.errors import ControlFlow

log = logging.getLogger(__name__)

Begun = Generator[None, None, None]
"""A hook that stands at its ``yield``."""


class Around:
    """The hooks around every action of a worker.

    Args:
        hooks: the outermost first.
    """

    __slots__ = ("_hooks",)

    def __init__(self, hooks: tuple[Hook, ...]) -> None:
        self._hooks = hooks

    def run(self, call: ActionCall, act: Callable[[], bytes], depth: int = 0) -> bytes:
        """Run the action inside the hooks from this depth on; its outcome stands.

        Args:
            call: what the hooks are told.
            act: the action.
            depth: how many hooks are outside of here.
        """
        if depth == len(self._hooks):
            return act()
        hook = self._hooks[depth]
        begun = _begin(hook, call)
        if begun is None:
            return self.run(call, act, depth + 1)
        try:
            result = self.run(call, act, depth + 1)
        except BaseException as error:
            trace = error.__traceback__
            _fail(hook, begun, error)
            # Where the action failed, not where the hook heard of it.
            error.__traceback__ = trace
            raise
        _succeed(hook, begun)
        return result


def _begin(hook: Hook, call: ActionCall) -> Begun | None:
    """Run a hook to its ``yield``; None if it has not come there."""
    try:
        begun: Begun = hook.fn(call)
        next(begun)
    except StopIteration:
        log.error("%s did not yield: the action runs without it", hook.place)  # noqa: TRY400 - no error of the interpreter's
    except ControlFlow:
        raise
    except BaseException:  # whatever it is, it is not the action's
        log.exception("%s failed: the action runs without it", hook.place)
    else:
        return begun
    return None


def _succeed(hook: Hook, begun: Begun) -> None:
    try:
        next(begun)
    except StopIteration:
        return
    except ControlFlow:
        raise
    except BaseException:  # as above
        log.exception("%s failed after the action, whose result stands", hook.place)
    else:
        _close(hook, begun)


def _fail(hook: Hook, begun: Begun, error: BaseException) -> None:
    try:
        begun.throw(error)
    except StopIteration:
        # It swallowed the error, which the caller raises all the same.
        return
    except BaseException as raised:
        if raised is error or _is_wrapped(raised, error):
            return
        if isinstance(raised, ControlFlow):
            raise
        # The action's error is kept with the execution; its text may hold data that is
        # not for the log.
        _unlink(raised, error)
        log.exception("%s failed after the action, whose error stands", hook.place)
    else:
        _close(hook, begun)


def _close(hook: Hook, begun: Begun) -> None:
    log.error("%s yielded twice: what it does after that is dropped", hook.place)
    try:
        begun.close()
    except ControlFlow:
        raise
    except BaseException:  # as above
        log.exception("%s failed when it was closed", hook.place)


def _is_wrapped(raised: BaseException, error: BaseException) -> bool:
    # What the interpreter makes of a StopIteration that leaves a generator.
    return isinstance(error, StopIteration) and raised.__cause__ is error


def _unlink(raised: BaseException, error: BaseException) -> None:
    """Cut the action's error off what a hook raised on its account."""
    seen: set[int] = set()
    part: BaseException | None = raised
    while part is not None and id(part) not in seen:
        seen.add(id(part))
        if part.__cause__ is error:
            part.__cause__ = None
        if part.__context__ is error:
            part.__context__ = None
        part = part.__cause__ or part.__context__
