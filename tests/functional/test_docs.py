"""What the docs say is run: every Python block of a page, in order, as one program."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"^\.\. code-block:: python\n\n((?:(?:   .*)?\n)+)", re.MULTILINE)


def blocks(page: Path) -> list[str]:
    return [dedent(found) for found in BLOCK.findall(page.read_text("utf-8") + "\n")]


@pytest.mark.parametrize(
    "name", ["tutorial.rst", "determinism.rst", "testing.rst", "errors.rst"]
)
def test_every_python_block_of_a_page_runs(name: str) -> None:
    run_page(name)


def run_page(name: str) -> None:
    page = DOCS / name
    code = blocks(page)
    assert code
    names: dict[str, object] = {"__name__": page.stem}
    for block in code:
        exec(compile(block, f"{name}: {block[:40]!r}", "exec"), names)  # noqa: S102


class Heard:
    """Stands for a library in an example; remembers what it was asked for."""

    def __init__(self, calls: list[tuple[object, ...]]) -> None:
        self.calls = calls

    def __getattr__(self, name: str) -> Callable[..., object]:
        def call(*given: object, **named: object) -> object:
            self.calls.append((name, *given, *named.values()))
            return contextlib.nullcontext(self)

        return call


def test_the_page_on_hooks_runs_and_asks_django_and_sentry_for_what_it_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[tuple[object, ...]] = []
    for module in ("django", "django.db", "sentry_sdk"):
        monkeypatch.setitem(sys.modules, module, Heard(calls))
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "shop.settings")

    run_page("hooks.rst")

    assert calls == [
        ("setup",),
        ("init", False),
        ("close_old_connections",),
        ("isolation_scope",),
        ("set_tag", "workflow", "bill"),
        ("set_tag", "action", "vat"),
        ("set_tag", "execution", calls[6][-1]),
        ("close_old_connections",),
        (
            "capture_message",
            "bill failed for good: workflow_worker.errors.PermanentError",
            "error",
        ),
        ("flush", 2),
    ]
