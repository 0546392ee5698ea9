"""From ``module:attribute`` to the App: imports the user's code, and says what failed.

Owns the sentences about an App that can't be had. Must never be called in the master,
unless it preloads: the user's module would stay in its memory.
"""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from types import ModuleType, TracebackType

from workflow_worker.app.registry import App
from workflow_worker.errors import ConfigurationError

_SPEC = re.compile(r"([^\W\d]\w*(?:\.[^\W\d]\w*)*):([^\W\d]\w*)")


def load_app(spec: str) -> App:
    """Import the App that a setting names, its annotations checked.

    The working directory is first on ``sys.path`` from then on.

    Args:
        spec: ``module:attribute``, ``shop.orders:app``.

    Raises:
        ConfigurationError: it can't be had; one sentence. What the user's own code
            raised is its ``__cause__``, its traceback beginning in that code.
    """
    found = _SPEC.fullmatch(spec)
    if not found:
        raise ConfigurationError(
            f"WORKFLOW_APP is {spec!r}, but must be module:attribute, as orders:app"
        )
    # Here, for who only publishes needs no prometheus_client.
    from workflow_worker.metrics import values  # noqa: PLC0415 - as it says

    # Metrics that the App declares are to be kept where ours are.
    values.install()
    app = _attribute(_module(found[1]), found[2])
    app.check()
    return app


def _module(name: str) -> ModuleType:
    try:
        here = str(Path.cwd())
    except FileNotFoundError:
        raise ConfigurationError(
            "the working directory is gone: start the service again in the new one"
        ) from None
    if sys.path[:1] not in ([here], [""]):
        sys.path.insert(0, here)
    importlib.invalidate_caches()
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as err:
        if err.name is None or not f"{name}.".startswith(f"{err.name}."):
            raise _broken(name, err) from err
        raise ConfigurationError(
            f"the App's module {name} was not found, neither in {here} nor installed: "
            "WORKFLOW_APP or --app names it"
        ) from None
    except ConfigurationError:
        raise
    except (Exception, SystemExit) as err:
        raise _broken(name, err) from err


def _broken(name: str, err: BaseException) -> ConfigurationError:
    trace = err.__traceback__
    while trace is not None and _is_ours(trace):
        trace = trace.tb_next
    err.__traceback__ = trace
    said = f"{type(err).__name__}: {err}" if str(err) else type(err).__name__
    return ConfigurationError(f"the App's module {name} can't be imported: {said}")


def _is_ours(trace: TracebackType) -> bool:
    name = str(trace.tb_frame.f_globals.get("__name__"))
    return name == __name__ or name.split(".", maxsplit=1)[0] == "importlib"


def _attribute(module: ModuleType, name: str) -> App:
    if not hasattr(module, name):
        raise ConfigurationError(
            f"the module {module.__name__} ({module.__file__}) has no attribute {name}"
        )
    app = getattr(module, name)
    if not isinstance(app, App):
        raise ConfigurationError(
            f"{module.__name__}:{name} must be an App, "
            f"but is of type {type(app).__name__}"
        )
    return app
