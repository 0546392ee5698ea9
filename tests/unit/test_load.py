"""Finding the App a setting names, and what importing the package brings along."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from workflow_worker import DefinitionError
from workflow_worker.app import load_app
from workflow_worker.errors import ConfigurationError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working directory whose modules are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_the_app_is_loaded_from_the_working_directory_first(folder: Path) -> None:
    (folder / "colorsys.py").write_text(
        "from workflow_worker import App\napp = App('mine')"
    )
    sys.modules.pop("colorsys", None)
    assert load_app("colorsys:app").name == "mine"


@pytest.mark.parametrize(
    "spec", ["", "flows", "flows:", ":app", "flows:app:x", "a b:c", "1:2", "flows:a.b"]
)
def test_a_malformed_spec_is_named(folder: Path, spec: str) -> None:
    with pytest.raises(ConfigurationError, match="must be module:attribute"):
        load_app(spec)


@pytest.mark.parametrize(
    ("code", "spec", "sentence"),
    [
        ("", "nowhere:app", "module nowhere was not found"),
        ("", "flows.deeper:app", "module flows.deeper"),
        ("", "flows:app", "has no attribute app"),
        ("app = 5", "flows:app", "must be an App, but is of type int"),
        ("1 / 0", "flows:app", "can't be imported: ZeroDivisionError: division by"),
        (
            "import nowhere",
            "flows:app",
            "can't be imported: ModuleNotFoundError: No mod",
        ),
        ("def", "flows:app", "can't be imported: SyntaxError"),
        ("raise SystemExit(3)", "flows:app", "can't be imported: SystemExit: 3"),
    ],
)
def test_an_app_that_cannot_be_had_is_explained(
    folder: Path, code: str, spec: str, sentence: str
) -> None:
    (folder / "flows.py").write_text(code)
    with pytest.raises(ConfigurationError, match=sentence):
        load_app(spec)


def test_the_users_own_exception_stays_the_cause(folder: Path) -> None:
    (folder / "flows.py").write_text("1 / 0")
    with pytest.raises(ConfigurationError) as caught:
        load_app("flows:app")
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


@pytest.mark.parametrize(
    "declaration", ["def flow(ctx, order: int): ...", "async def flow(ctx): ..."]
)
def test_a_wrong_declaration_is_reported_in_its_own_words(
    folder: Path, declaration: str
) -> None:
    (folder / "flows.py").write_text(
        "from workflow_worker import App\n"
        "app = App('x')\n"
        "@app.workflow(on='a')\n"
        f"{declaration}\n"
    )
    with pytest.raises(DefinitionError, match=r"^workflow flow \(.*flows.py:3\)"):
        load_app("flows:app")


def test_importing_the_package_brings_neither_redis_nor_the_runtime() -> None:
    heavy = "{'redis', 'flask', 'msgspec', 'workflow_worker.app'}"
    code = f"import sys, workflow_worker; sys.exit(len({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_public_name_is_there_and_no_other() -> None:
    import workflow_worker

    for name in workflow_worker.__all__:
        assert getattr(workflow_worker, name) is not None
    with pytest.raises(AttributeError, match="Workflw"):
        _ = workflow_worker.Workflw  # type: ignore[attr-defined]


def test_a_working_directory_that_is_gone_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "release"
    here.mkdir()
    monkeypatch.chdir(here)
    here.rmdir()
    with pytest.raises(ConfigurationError, match="the working directory is gone"):
        load_app("flows:app")
