"""Which events start which workflow, in the form that the scripts in Redis read.

Owns the translation of patterns to Lua. Must never decide what an event does: that is
one script's business, so that every worker sees the same.
"""

from __future__ import annotations

import fnmatch
import re
import string

from workflow_worker.app import App
from workflow_worker.model import Route

_PIECES = re.compile(r"(\*+)|(\?)|(\[!?+\]?+[^\]]*\])|(.)", re.DOTALL)
"""How fnmatch reads a pattern; a bracket that is never closed is only a bracket."""

_ASCII = [chr(code) for code in range(128)]

_CLASSES = {
    "%c": frozenset(c for c in _ASCII if c < " " or c == "\x7f"),
    "%d": frozenset(string.digits),
    "%l": frozenset(string.ascii_lowercase),
    "%u": frozenset(string.ascii_uppercase),
    "%p": frozenset(string.punctuation),
}
"""What Lua calls these, in the C locale that Redis runs in."""


def table(app: App) -> tuple[Route, ...]:
    """Return what each workflow of the App wants, in order of their names.

    Events start the current version alone; signals are for the executions of any.
    """
    return tuple(
        Route(
            workflow.name,
            names=tuple(name for name in workflow.on if not _is_pattern(name)),
            patterns=tuple(map(lua_pattern, filter(_is_pattern, workflow.on))),
            signals=_signals(app, workflow.name),
        )
        for _, workflow in sorted(app.workflows.items())
    )


def lua_pattern(pattern: str) -> str:
    """Translate an ``fnmatch`` pattern to an anchored Lua pattern of the same meaning.

    Lua sees bytes. So ``*`` is any text, but ``?`` and ``[seq]`` stand for one ASCII
    character, never for a longer one.
    """
    return f"^{''.join(map(_translated, _PIECES.finditer(pattern)))}$"


def _signals(app: App, workflow: str) -> tuple[str, ...]:
    versions = app.versions(workflow).values()
    return tuple(dict.fromkeys(name for one in versions for name in one.signals))


def _is_pattern(name: str) -> bool:
    return not set("*?[").isdisjoint(name)


def _translated(piece: re.Match[str]) -> str:
    stars, any_one, some, literal = piece.groups()
    if stars:
        return ".*"
    if any_one:
        return _one_of(frozenset(_ASCII))
    if some:
        # fnmatch itself says what is in the set, whatever its ranges look like.
        return _one_of(frozenset(c for c in _ASCII if fnmatch.fnmatchcase(c, some)))
    return _literal(literal)


def _one_of(characters: frozenset[str]) -> str:
    if not characters:
        return "[^%s%S]"  # neither space nor anything else: matches nothing
    said = ""
    for name, members in _CLASSES.items():
        if members <= characters:
            said += name
            characters -= members
    return f"[{said}{''.join(map(_literal, sorted(characters)))}]"


def _literal(character: str) -> str:
    if character == "\0":
        return "%z"
    return f"%{character}" if character in string.punctuation else character
