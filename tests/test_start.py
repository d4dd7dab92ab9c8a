"""Setting up and starting: scripts/start.py in a folder of its own, with a fake interpreter in its .venv."""

import fcntl
import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
STAGE_WITH_TIME = re.compile(r"^\[\d/\d\] .+ \.\.\. \d+\.\d s$")

SERVER = """
import http.server, sys
class Healthy(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/_stcore/health" else 404)
        self.end_headers()
http.server.HTTPServer(("localhost", int(sys.argv[1])), Healthy).serve_forever()
"""


@pytest.fixture
def folder(tmp_path):
    """A project folder with nothing but what setting up needs."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "start.py", tmp_path / "scripts")
    (tmp_path / "requirements.lock").write_text("streamlit==1.67.0\n")
    return tmp_path


@pytest.fixture
def start(folder):
    """The module scripts/start.py, with that folder as its project."""
    spec = importlib.util.spec_from_file_location("start_under_test", folder / "scripts" / "start.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def fake_environment(folder: Path, answers: str = "") -> None:
    """An environment of another lock whose python notes its arguments; `answers` are lines of a `case`."""
    python = folder / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\necho "$*" >> {folder}/calls\ncase "$*" in\n{answers}\nesac\n')
    python.chmod(0o755)
    (folder / ".venv" / ".installed").write_text("the fingerprint of another lock")


def new_calls(folder: Path) -> list[str]:
    """What the fake interpreter was asked since the last look, without full paths."""
    asked = (folder / "calls").read_text().replace(f"{folder}/", "").splitlines()
    (folder / "calls").unlink()
    return asked


def command_of(folder: Path, *arguments: str) -> list[str]:
    return [sys.executable, str(folder / "scripts" / "start.py"), *arguments]


def run(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
    everything = {**os.environ, "PORT": "", **environment}
    return subprocess.run(command_of(folder, *arguments), env=everything, capture_output=True, text=True, timeout=60)


def free_port() -> int:
    with socket.create_server(("localhost", 0)) as server:
        return server.getsockname()[1]


def assert_one_sentence(done: subprocess.CompletedProcess, *words: str) -> None:
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.rstrip().endswith(".")
    assert [word for word in words if word not in done.stderr] == []


def test_missing_venv_module_names_the_package(folder):
    broken = folder / "broken"
    broken.mkdir()
    (broken / "ensurepip.py").write_text("raise ImportError")
    done = run(folder, "setup", PYTHONPATH=str(broken), PATH=str(folder))
    assert_one_sentence(done, "virtual environment", "python3-venv")


def test_old_python_is_told_the_version_it_needs(start, monkeypatch):
    monkeypatch.setattr(start, "is_recent", lambda python: False)
    with pytest.raises(start.Failure, match="Python 3.11 or newer"):
        start.choose_python()


def test_newer_python_on_path_replaces_an_old_one(start, folder, monkeypatch):
    newer = folder / "python3.12"
    newer.write_text("#!/bin/sh\n")
    newer.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(start, "is_recent", lambda python: python != sys.executable)
    assert start.choose_python() == str(newer)


def test_environment_without_marker_is_built_anew(start, folder, monkeypatch):
    left_over = folder / ".venv" / "half a package"
    left_over.mkdir(parents=True)
    commands = []
    monkeypatch.setattr(start, "run_logged", lambda command, log: commands.append(start.shown(command)))
    assert not start.environment_is_whole()
    start.make_environment()
    assert not left_over.exists()
    assert commands == [f"{sys.executable} -m venv .venv"]


def test_environment_without_its_python_is_not_whole(start, folder):
    fake_environment(folder)
    assert start.environment_is_whole()
    (folder / ".venv" / "bin" / "python").unlink()
    assert not start.environment_is_whole()


def test_system_without_unix_locks_gets_one_sentence(folder):
    code = "import runpy, sys; sys.modules['fcntl'] = None; runpy.run_path(sys.argv[1], run_name='__main__')"
    command = [sys.executable, "-c", code, str(folder / "scripts" / "start.py"), "setup"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert_one_sentence(done, "Linux and macOS", "WSL")


def test_second_setup_installs_nothing(folder):
    fake_environment(folder)
    first = run(folder, "setup")
    probe, pip, uv = new_calls(folder)
    assert (first.returncode, first.stderr) == (0, "")
    assert probe == "-c import uv"
    assert re.fullmatch(r"-m pip .*install uv==[\d.]+", pip)
    assert uv == "-m uv pip sync --compile-bytecode --python .venv/bin/python requirements.lock"
    assert run(folder, "setup").returncode == 0
    assert new_calls(folder) == ["-c import uv"]


def test_changed_lock_is_installed_again(folder):
    fake_environment(folder)
    run(folder, "setup")
    new_calls(folder)
    (folder / "requirements.lock").write_text("streamlit==1.68.0\n")
    run(folder, "setup")
    assert len(new_calls(folder)) == 3


def test_second_setup_of_the_folder_waits_for_the_first(folder):
    fake_environment(folder)
    with (folder / "requirements.lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        second = subprocess.Popen(command_of(folder, "setup"), stdout=subprocess.PIPE, text=True)
        assert "waiting" in next(second.stdout)
        assert not (folder / "calls").exists()
    rest, _ = second.communicate(timeout=60)
    assert rest.startswith("[1/2]")
    assert second.returncode == 0


def test_stage_lines_carry_number_and_time(folder):
    fake_environment(folder)
    lines = run(folder, "setup").stdout.splitlines()
    assert [line[:5] for line in lines] == ["[1/2]", "[2/2]"]
    assert all(STAGE_WITH_TIME.match(line) for line in lines)


def test_no_network_gives_one_sentence_and_no_marker(folder):
    fake_environment(folder, '"-m pip"*) echo "ERROR: no route to host"; exit 1;;')
    done = run(folder, "setup")
    assert_one_sentence(done, "could not be downloaded", "install uv==", "ERROR: no route to host", ".venv/install.log")
    assert not (folder / ".venv" / ".installed").exists()


def test_pip_installs_where_uv_cannot(folder):
    fake_environment(folder, '"-m uv"*) exit 1;;')
    assert run(folder, "setup").returncode == 0
    assert new_calls(folder)[-1].endswith("install -r requirements.lock")


def test_busy_port_is_refused_before_any_work(folder):
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        done = run(folder, "app", PORT=str(port))
    assert_one_sentence(done, f"Port {port}", "make app PORT=")
    assert done.stdout == ""


@pytest.mark.parametrize("port", ["0", "65536", "http"])
def test_impossible_port_is_refused(folder, port):
    done = run(folder, "app", "--port", port)
    assert done.returncode == 2
    assert "a port is a number from 1 to 65535" in done.stderr


def test_app_announces_its_address_last_and_stops_its_server(folder):
    (folder / "server.py").write_text(SERVER)
    answers = f'"-m precompute"*) exit 1;;\n"scripts/serve.py"*) exec {sys.executable} {folder}/server.py "$3";;'
    fake_environment(folder, answers)
    port = free_port()
    command = command_of(folder, "app", "--port", str(port))
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as app:
        lines = []
        while not lines or "runs at" not in lines[-1]:
            lines.append(next(app.stdout))
        app.send_signal(signal.SIGTERM)
        rest = app.stdout.read()
    assert lines[-1] == f"Tailscope runs at http://localhost:{port}  (stop it with Ctrl+C)\n"
    assert any("the app goes on without it" in line and "-m precompute published" in line for line in lines)
    assert (rest, app.returncode) == ("", 0)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("localhost", port))


@pytest.mark.parametrize(
    ("arguments", "address"),
    [([], "localhost"), (["HOST=0.0.0.0"], "0.0.0.0"), (["HOST=0.0.0.0", "PORT=8600"], "0.0.0.0")],
)
def test_app_listens_to_this_machine_alone_until_another_host_is_asked_for(folder, arguments, address):
    shutil.copy(ROOT / "Makefile", folder)
    fake_environment(folder, '"scripts/serve.py"*) exit 3;;')
    port = [] if any("PORT" in argument for argument in arguments) else [f"PORT={free_port()}"]
    environment = os.environ | {"HOST": "machine.example"}  # some shells export their machine's name
    subprocess.run(["make", "app", *arguments, *port], cwd=folder, env=environment, capture_output=True, timeout=60)
    assert new_calls(folder)[-1].endswith(f"--server.address {address}")


def test_server_that_dies_shows_the_end_of_its_log(folder):
    fake_environment(folder, '"scripts/serve.py"*) echo boom; exit 3;;')
    done = run(folder, "app", "--port", str(free_port()))
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "The server ended at once with exit code 3; the end of .venv/app.log:",
        "boom",
    ]


def test_pytest_gets_arguments_and_browser_and_has_the_last_word(folder):
    fake_environment(folder, '"-m pytest"*) echo "$* with $TAILSCOPE_CHROMIUM"; exit 5;;')
    done = run(folder, "test", "-k", "tail", TAILSCOPE_CHROMIUM="/bin/sh")
    assert done.stdout.splitlines()[-1] == "-m pytest --numprocesses=auto --dist=loadfile -k tail with /bin/sh"
    assert done.returncode == 5


def test_missing_browser_gives_one_sentence(folder):
    fake_environment(folder)
    (folder / "calls").touch()
    done = run(folder, "test", PATH=str(folder), TAILSCOPE_CHROMIUM="")
    assert_one_sentence(done, "Chromium", "TAILSCOPE_CHROMIUM")


def test_named_browser_that_does_not_exist_is_not_replaced(folder):
    fake_environment(folder)
    assert_one_sentence(run(folder, "test", TAILSCOPE_CHROMIUM="/no/such/browser"), "/no/such/browser")


def test_lint_reports_both_checks_even_if_the_first_fails(folder):
    fake_environment(folder, '"-m ruff format"*) exit 1;;')
    assert run(folder, "lint").returncode == 1
    assert new_calls(folder)[-2:] == ["-m ruff format --check .", "-m ruff check ."]


def test_make_help_documents_every_target():
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert re.findall(r"^make (\w+) +\w", shown, re.MULTILINE) == targets


def test_lock_holds_every_requirement_and_no_address():
    lock = (ROOT / "requirements.lock").read_text()
    required = re.findall(r"^[\w-]+", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    assert [name for name in required if f"\n{name.replace('_', '-')}==" not in lock] == []
    assert "://" not in lock
