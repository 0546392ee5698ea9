"""Starting: what is refused, and what the master never holds."""

from __future__ import annotations

import os
import re
import socket
import sys
from pathlib import Path

import pytest

from tests.unit.cli.commands import process, run
from workflow_worker import embedded
from workflow_worker.cli import boot, dev
from workflow_worker.errors import ConfigurationError
from workflow_worker.settings import Settings, load

FOREIGN = ("redis", "hiredis", "flask", "waitress", "valkey", "watchfiles", "shop")
FEW = 12
GOOD = "from workflow_worker import App\napp = App('shop')\n"


@pytest.mark.parametrize(
    ("spec", "code", "said"),
    [
        ("nope:app", GOOD, "nor installed: WORKFLOW_APP or --app names it"),
        ("shop:nope", GOOD, "has no attribute nope"),
        ("shop:App", GOOD, "must be an App"),
        ("shop:app", "def f(:\n", "SyntaxError"),
        ("shop:app", "import nothing_like_it\n", "nothing_like_it"),
        ("shop:app", "raise ValueError('broken\\nbadly')\n", "ValueError"),
        ("shop:app", "raise SystemExit(0)\n", "SystemExit"),
        ("shop:app", "import os\nos._exit(7)\n", "exit status 7"),
        ("shop:app", "import os\nos.abort()\n", "SIGABRT"),
    ],
)
def test_an_app_that_cannot_be_had_is_status_2(spec: str, code: str, said: str) -> None:
    Path("shop.py").write_text(code)
    done = process("start", "--app", spec, "--http-port", "off")
    assert done.returncode == 2
    assert said in done.stderr.splitlines()[-1]
    assert done.stderr.splitlines()[-1].startswith("wfworker: ")


def test_the_traceback_of_a_broken_app_is_the_users_alone() -> None:
    Path("shop.py").write_text("import goods\n")
    Path("goods.py").write_text("1 / 0\n")
    text = process("start", "--app", "shop:app", "--http-port", "off").stderr
    assert 'goods.py", line 1' in text
    files = re.findall(r'File "(.*?)"', text)
    assert {Path(file).name for file in files} <= {
        "shop.py",
        "goods.py",
        "<frozen importlib._bootstrap>",
        "<frozen importlib._bootstrap_external>",
    }
    assert Path(files[0]).name == "shop.py"


def test_a_port_in_use_is_status_2_and_named() -> None:
    Path("shop.py").write_text(GOOD)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = process("start", "--app", "shop:app", "--http-port", port)
    assert done.returncode == 2
    assert f"wfworker: HTTP_PORT {port} on 127.0.0.1 can't be bound" in done.stderr


def test_an_address_of_another_host_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"192\.0\.2\.1"):
        boot.listen(Settings(http_host="192.0.2.1", http_port=0))


def test_port_0_finds_a_free_one() -> None:
    listener = boot.listen(Settings(http_port=0))
    assert listener is not None
    with listener:
        assert re.fullmatch(r"http://127\.0\.0\.1:[1-9]\d+", boot.url_of(listener))


def test_off_binds_nothing() -> None:
    assert boot.listen(Settings(http_port=None)) is None


@pytest.mark.parametrize(
    "flags", [["--data-dir", "d"], ["--embedded", "--redis-url", "redis://h"]]
)
def test_flags_that_make_no_sense_together_are_refused(flags: list[str]) -> None:
    assert run("start", *flags).exit_code == 2


MASTER = """
import sys
from workflow_worker.cli.main import wfworker
from workflow_worker.supervisor.service import WorkerService

def run(self):  # where the master would begin to fork
    names = {name.split(".")[0] for name in sys.modules}
    ours = {name for name in sys.modules if name.startswith("workflow_worker.")}
    print(sorted(names), sorted(ours))
    return 0

WorkerService.run = run
wfworker(["start", "--app", "shop:app", "--http-port", "0"])
"""


def test_the_master_holds_no_redis_flask_or_app() -> None:
    Path("shop.py").write_text(GOOD)
    done = process(code=MASTER)
    assert done.returncode == 0, done.stderr
    loaded = re.findall(r"'([\w.]+)'", done.stdout)
    assert "workflow_worker.supervisor.service" in loaded
    assert {"workflow_worker.worker", "workflow_worker.monitor"}.isdisjoint(loaded)
    assert set(FOREIGN).isdisjoint(loaded)


SHARED = """
import sys, threading
from workflow_worker.supervisor import imports

imports.share()
before = set(sys.modules)
assert threading.active_count() == 1
import workflow_worker.worker.main, workflow_worker.monitor.main

print(sorted(set(sys.modules) - before))
"""


def test_children_find_what_they_need_of_the_standard_library_imported() -> None:
    done = process(code=SHARED)
    assert done.returncode == 0, done.stderr
    loaded = re.findall(r"'([\w.]+)'", done.stdout)
    assert "workflow_worker.worker.main" in loaded
    assert "workflow_worker.runtime.execute" not in loaded
    late = {name for name in loaded if name.split(".")[0] in sys.stdlib_module_names}
    # Small ones, which differ between versions of Python.
    assert len(late) < FEW, late


def test_the_working_directory_is_where_modules_are_looked_for_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "path", ["elsewhere"])
    boot.import_from_here()
    boot.import_from_here()
    assert sys.path == [str(tmp_path), "elsewhere"]


def test_a_pidfile_holds_the_pid_and_goes_away(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    with boot.pidfile(path):
        assert path.read_text() == f"{os.getpid()}\n"
        assert list(tmp_path.iterdir()) == [path]
    assert not path.exists()


def test_a_pidfile_of_a_living_process_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    path.write_text("1\n")
    with (
        pytest.raises(ConfigurationError, match="a running process, 1"),
        boot.pidfile(path),
    ):
        pytest.fail("it was taken")
    assert path.read_text() == "1\n"


@pytest.mark.parametrize("text", ["", "nonsense", "999999999", "-1", "0"])
def test_a_stale_pidfile_is_taken_over(tmp_path: Path, text: str) -> None:
    path = tmp_path / "pid"
    path.write_text(text)
    with boot.pidfile(path):
        assert path.read_text() == f"{os.getpid()}\n"


def test_a_pidfile_that_became_anothers_stays(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    with boot.pidfile(path):
        path.write_text("1\n")
    assert path.read_text() == "1\n"


def test_a_pidfile_nowhere_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigurationError, match="can't be written"),
        boot.pidfile(tmp_path / "none" / "pid"),
    ):
        pytest.fail("it was written")


def test_dev_reloads_and_talks_on_a_server_of_its_own() -> None:
    launch = dev.launch({})
    assert (launch.reload, launch.embedded) == (True, True)
    assert load(launch.flags).log_level == "debug"


@pytest.mark.parametrize("where", ["flag", "environment", ".env"])
def test_dev_uses_the_redis_that_is_set(
    where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if where == "environment":
        monkeypatch.setenv("REDIS_URL", "redis://h")
    if where == ".env":
        Path(".env").write_text("REDIS_URL=redis://h\n")
    flags = {"redis_url": "redis://h" if where == "flag" else None}
    assert not dev.launch(flags).embedded


def test_dev_keeps_the_log_level_that_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_LEVEL", "error")
    assert load(dev.launch({}).flags).log_level == "error"


def test_the_server_of_the_extra_is_found_without_its_package() -> None:
    code = (
        "import sys; from workflow_worker.embedded import find_server\n"
        "print(find_server(), [m for m in sys.modules if 'valkey' in m])"
    )
    done = process(code=code)
    assert done.stdout.endswith("valkey-server []\n")


def test_a_data_folder_has_one_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "LOCK_LIMIT", 0.0)
    first = embedded._lock(tmp_path / "data")
    with pytest.raises(ConfigurationError, match="another embedded server"):
        embedded._lock(tmp_path / "data")
    os.close(first)
    os.close(embedded._lock(tmp_path / "data"))


def test_a_data_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(ConfigurationError, match="can't be used for data"):
        embedded._lock(tmp_path / "data")


def test_no_socket_path_is_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("x" * 120)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    folder = embedded._private_folder()
    folder.rmdir()
    assert len(os.fsencode(folder / "s")) < 100
    assert list(long.iterdir()) == []
