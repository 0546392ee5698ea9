"""Routes: a Lua pattern means what fnmatch means, tried in the Lua that Redis runs."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from lupa.lua51 import LuaRuntime

from workflow_worker import App, Context
from workflow_worker.model import Route
from workflow_worker.runtime.route import lua_pattern, table

find: Callable[[bytes, bytes], bool] = LuaRuntime(encoding=None).eval(
    b"function(name, pattern) return string.find(name, pattern) ~= nil end"
)

TEXT = st.text(st.sampled_from("aAbz09._-]![%^$*?\n\0 ~é中"), max_size=8)
PIECES = r"* ? a b . % - ] [ ! é [ab] [!ab] [a-z] [!a-z] []a] [!]] [b-a] [^a] [a-]"
PATTERN = st.lists(st.sampled_from(PIECES.split()), max_size=6).map("".join)


def lua_matches(pattern: str, name: str) -> bool:
    return find(name.encode(), lua_pattern(pattern).encode())


@given(PATTERN.filter(str.isascii), TEXT.filter(str.isascii))
@example("[]", "[]")
@example("[!]", "[!]")
@example("[", "[")
@example("[b-a]", "a")
@example("[!b-a]", "a")
@example("[a-c-e]", "-")
@example("[!a]", "\0")
@example("a.b", "axb")
@example("[%a]", "b")
@example("?", "\n")
def test_a_lua_pattern_matches_what_fnmatch_matches(pattern: str, name: str) -> None:
    assert lua_matches(pattern, name) == fnmatch.fnmatchcase(name, pattern)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=10))
def test_a_name_taken_literally_matches_itself_alone(name: str) -> None:
    escaped = "".join(f"[{c}]" if c in "*?[" else c for c in name)
    assert lua_matches(escaped, name)
    assert not lua_matches(escaped, name + "x")
    assert not lua_matches(escaped, "x" + name)


@given(st.lists(st.sampled_from(["*", "é", "中", "a"]), max_size=5).map("".join), TEXT)
def test_a_star_spans_characters_of_any_length(pattern: str, name: str) -> None:
    assert lua_matches(pattern, name) == fnmatch.fnmatchcase(name, pattern)


@pytest.mark.parametrize("pattern", ["?", "??", "[!a]", "[!a]?"])
def test_one_character_is_one_of_ascii(pattern: str) -> None:
    assert not lua_matches(pattern, "é")


def test_the_table_tells_names_from_patterns() -> None:
    app = App("shop")

    @app.workflow(on=["order.placed", "order.re*", "a-b"])
    def two(ctx: Context) -> None: ...

    @app.workflow(on="x?")
    def one(ctx: Context) -> None: ...

    assert table(app) == (
        Route("one", (), (lua_pattern("x?"),)),
        Route("two", ("order.placed", "a-b"), ("^order%.re.*$",)),
    )


def test_only_the_current_version_is_started_but_all_get_their_signals() -> None:
    app = App("shop")

    @app.workflow(on=["old", "o*"], name="flow", version="1", signals=["b", "a"])
    def one(ctx: Context) -> None: ...

    @app.workflow(on="new", name="flow", version="2", signals=["c", "a"])
    def two(ctx: Context) -> None: ...

    assert table(app) == (Route("flow", ("new",), (), ("b", "a", "c")),)
