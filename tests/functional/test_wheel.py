"""The wheel: what users install, alone, with the checkout out of reach.

And the source archive, where operators find what is no code.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "workflow_worker"

ALONE = """
import sys

# An editable install puts the checkout within reach: take that away.
root, site, *sys.argv[1:] = sys.argv[1:]
sys.path[:] = [p for p in sys.path if p not in ("", root)]
sys.meta_path[:] = [f for f in sys.meta_path if "editable" not in repr(f).lower()]
sys.path.insert(0, site)
"""

RUN_MODULE = """
import runpy

runpy.run_module("workflow_worker", run_name="__main__", alter_sys=True)
"""

LOAD_SCRIPTS = """
from importlib import resources
from workflow_worker.broker import scripts

folder = resources.files("workflow_worker.broker") / "lua"
for file in folder.iterdir():
    if file.name.endswith(".lua"):
        assert "--include" not in scripts.source(file.name.removesuffix(".lua"))
        print(file.name)
print(scripts.__file__)
"""


def run(*command: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


FOLDERS = (".ci", "docs", "examples", "scripts", "tests", "workflow_worker")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Has a copy to build from: setuptools leaves its own folders beside it."""
    folder = tmp_path_factory.mktemp("built")
    source = folder / "source"
    source.mkdir()
    for file in filter(Path.is_file, ROOT.iterdir()):
        shutil.copy(file, source)
    ignored = shutil.ignore_patterns("__pycache__")
    for name in FOLDERS:
        shutil.copytree(ROOT / name, source / name, ignore=ignored)
    return folder


@pytest.fixture(scope="module")
def wheel(folder: Path) -> Path:
    flags = ("--no-deps", "--no-build-isolation", "--no-index", "--quiet")
    run("-m", "pip", "wheel", *flags, "--wheel-dir", ".", "./source", folder=folder)
    [found] = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path) -> Path:
    """The wheel, unpacked as pip would; nothing else is in the folder."""
    target = wheel.parent / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    return target


def files(folder: Path, pattern: str) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob(pattern)}


def test_every_module_is_in_it(installed: Path) -> None:
    assert files(installed / "workflow_worker", "*.py") == files(PACKAGE, "*.py")


def test_every_script_and_part_is_in_it(installed: Path) -> None:
    found = files(installed / "workflow_worker", "*.lua")
    assert found == files(PACKAGE, "*.lua")
    assert "broker/lua/parts/fence.lua" in found


def test_type_checkers_learn_that_it_is_typed(installed: Path) -> None:
    assert (installed / "workflow_worker" / "py.typed").is_file()


def test_nothing_but_the_package_is_in_it(installed: Path) -> None:
    names = {path.name.partition("-")[0] for path in installed.iterdir()}
    assert names == {"workflow_worker"}


def test_the_command_is_declared(installed: Path) -> None:
    [declared] = installed.glob("*.dist-info/entry_points.txt")
    assert "wfworker = workflow_worker.cli.main:main" in declared.read_text()


def alone(code: str, *arguments: str, installed: Path) -> str:
    """Run code that finds the unpacked wheel and the dependencies, nothing else."""
    where = (str(ROOT), str(installed))
    return run("-c", ALONE + code, *where, *arguments, folder=installed)


def test_the_checkout_is_out_of_reach(installed: Path) -> None:
    said = alone("import workflow_worker as w; print(w.__file__)", installed=installed)
    assert Path(said.strip()).is_relative_to(installed)


def test_the_module_runs_from_it(installed: Path) -> None:
    said = alone(RUN_MODULE, "--version", installed=installed)
    [metadata] = installed.glob("*.dist-info/METADATA")
    version = said.split()[1]
    assert said == f"wfworker {version}\n"
    assert f"\nVersion: {version}\n" in metadata.read_text()


def test_every_script_loads_from_it(installed: Path) -> None:
    *names, place = alone(LOAD_SCRIPTS, installed=installed).splitlines()
    assert set(names) == {file.name for file in (PACKAGE / "broker/lua").glob("*.lua")}
    assert Path(place).is_relative_to(installed)


BUILD_SDIST = "from setuptools import build_meta; build_meta.build_sdist('..')"


def test_all_of_the_repository_is_in_the_source_archive(folder: Path) -> None:
    run("-c", BUILD_SDIST, folder=folder / "source")
    [archive] = folder.glob("*.tar.gz")
    shutil.unpack_archive(archive, folder / "unpacked")
    [unpacked] = (folder / "unpacked").iterdir()
    assert (unpacked / "scripts/systemd/wfworker@.service").is_file()
    for name in FOLDERS:
        assert files(unpacked / name, "*") == files(folder / "source" / name, "*")
