"""Sets a fresh machine up and runs Tailscope there: what the Makefile's targets call.

    python3 scripts/start.py setup | app [--port 8502] [--host 0.0.0.0] | test [pytest arguments] | lint | bench

It runs on the system's Python with the standard library alone, since nothing else is installed yet, and
parses on Python 3.8, so that an old one gets a sentence instead of a syntax error; so does Windows. Everything is installed
into `.venv`, from `requirements.lock`; what the tools print goes to `.venv/install.log` and `.venv/app.log`.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import http.client
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Iterator, NoReturn, Sequence  # noqa: UP035 (Python 3.8 must be able to import this file)

try:
    import fcntl
except ModuleNotFoundError:
    sys.exit(
        "Tailscope runs on Linux and macOS, and this Python is of another system. "
        "On Windows, run the same command in WSL (install it with `wsl --install`)."
    )

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
MARKER = VENV / ".installed"
INSTALL_LOG = VENV / "install.log"
APP_LOG = VENV / "app.log"
PUBLISHED_MANIFEST = ROOT / "data" / "published" / "manifest.json"

UV_VERSION = "0.13.9"
OTHER_PYTHONS = ("python3.13", "python3.12", "python3.11")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
DEFAULT_PORT = 8501
DEFAULT_HOST = "localhost"  # only this machine's browsers reach the app, so visitors may name its files and fetch weights
EVERY_HOST = ("0.0.0.0", "::")
SERVER_PATIENCE_SECONDS = 60
STOP_PATIENCE_SECONDS = 5

NO_PYTHON = "Tailscope needs Python 3.11 or newer and found none on PATH: install one, then run the same command again."
NO_VENV = (
    "This Python cannot make a virtual environment: install the module "
    "(on Debian and Ubuntu the package python3-venv), then run the same command again."
)
NO_BROWSER = (
    "The browser tests need Chromium: install it (on Debian: apt-get install chromium) "
    "or set TAILSCOPE_CHROMIUM to the path of a Chromium or Chrome."
)


class Failure(Exception):
    """What stopped a command, as a sentence for the person at the terminal."""


class CommandFailed(Failure):
    """A program that ran into its log ended badly; the message quotes the last line of that log."""

    def __init__(self, command: Sequence[object], log: Path) -> None:
        said = "".join(last_lines(log, 1)).strip()
        super().__init__(f'`{shown(command)}` failed with "{said}" (all it printed: {shown([log])}).')


class Stages:
    """Numbers the stages of one command and prints each with the seconds it took."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.number = 0

    @contextlib.contextmanager
    def stage(self, name: str, shows_output: bool = False) -> Iterator[None]:
        """Times the block. With `shows_output` its own lines come between the heading and the time."""
        self.number += 1
        heading = f"[{self.number}/{self.total}] {name} ..."
        print(heading, end="\n" if shows_output else " ", flush=True)
        began = time.monotonic()
        try:
            yield
        except BaseException:
            print(flush=True)
            raise
        seconds = f"{time.monotonic() - began:.1f} s"
        print(f"{heading} {seconds}" if shows_output else seconds, flush=True)


def shown(command: Sequence[object]) -> str:
    """The command as one would type it in the project's folder."""
    return " ".join(shlex.quote(str(word).replace(f"{ROOT}/", "")) for word in command)


def last_lines(log: Path, count: int) -> list[str]:
    """The last lines of a log that are not blank."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return [line for line in lines if line.strip()][-count:]


def succeeds(command: Sequence[object]) -> bool:
    """Whether a program ends well; False if it cannot even be started. What it prints is lost."""
    try:
        return subprocess.run(list(map(str, command)), capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def run_logged(command: Sequence[object], log: Path) -> None:
    """Runs a program with its output in `log` rather than on the terminal."""
    with log.open("a", encoding="utf-8") as output:
        print(f"$ {shown(command)}", file=output, flush=True)
        words = list(map(str, command))
        done = subprocess.run(words, cwd=ROOT, stdout=output, stderr=output, close_fds=False, check=False)
    if done.returncode:
        raise CommandFailed(command, log)


def run_module(*arguments: str) -> int:
    """Runs `python -m ...` of the environment with its output on the terminal; returns its exit code."""
    return subprocess.run([str(PYTHON), "-m", *arguments], cwd=ROOT, check=False).returncode


@contextlib.contextmanager
def only_one_setup() -> Iterator[None]:
    """Makes a second set-up of the folder wait: it would take the first one's half-built environment away."""
    with LOCK.open("rb") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Another command is setting up this folder: waiting for it.", flush=True)
            fcntl.flock(held, fcntl.LOCK_EX)
        os.set_inheritable(held.fileno(), True)  # an installer that outlives a killed set-up keeps the lock
        yield


def is_recent(python: str) -> bool:
    """Whether an interpreter is new enough for the packages."""
    return succeeds([python, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"])


def can_make_environments(python: str) -> bool:
    """Whether an interpreter has `venv` and `ensurepip`, which Debian keeps in a package of their own."""
    return succeeds([python, "-c", "import venv, ensurepip"])


def choose_python() -> str:
    """The interpreter to build the environment with: this one if it will do, else one on PATH."""
    others = [path for path in map(shutil.which, OTHER_PYTHONS) if path]
    problem = NO_PYTHON
    for python in (sys.executable, *others):
        if is_recent(python):
            if can_make_environments(python):
                return python
            problem = NO_VENV
    raise Failure(problem)


def environment_is_whole() -> bool:
    """Whether an earlier set-up came to its end and its interpreter still finds the packages."""
    return MARKER.exists() and succeeds([PYTHON, "-c", "import uv"])


def make_environment() -> None:
    """Builds `.venv` anew; what an interrupted set-up left there may lack any file, so none of it is kept."""
    python = choose_python()
    if VENV.exists():
        shutil.rmtree(VENV)
    VENV.mkdir()
    run_logged([python, "-m", "venv", VENV], INSTALL_LOG)


def install_packages(fingerprint: str) -> None:
    """Makes the environment hold exactly the locked packages; the marker goes first and comes back last."""
    MARKER.unlink(missing_ok=True)
    pip = [PYTHON, "-m", "pip", "--disable-pip-version-check", "--retries", "2", "install"]
    try:
        run_logged([*pip, f"uv=={UV_VERSION}"], INSTALL_LOG)
        try:
            # compiled here in 20 s by all cores: the first import of torch would take 10 s longer, in every process at once
            sync = [PYTHON, "-m", "uv", "pip", "sync", "--compile-bytecode", "--python", PYTHON, LOCK]
            run_logged(sync, INSTALL_LOG)
        except CommandFailed:
            # uv took 47 s where pip took 177 s, but ignores mirrors and certificates that only pip is told of
            run_logged([*pip, "-r", LOCK], INSTALL_LOG)
    except CommandFailed as error:
        raise Failure(f"The packages could not be downloaded: {error}") from error
    MARKER.write_text(fingerprint, encoding="utf-8")


def setup(stages: Stages) -> None:
    """Brings `.venv` to the state of `requirements.lock`; does nothing where it is there already."""
    with only_one_setup():
        with stages.stage("Python environment"):
            if not environment_is_whole():
                make_environment()
        fingerprint = hashlib.sha256(LOCK.read_bytes()).hexdigest()
        installed = MARKER.exists() and MARKER.read_text(encoding="utf-8") == fingerprint
        with stages.stage("packages" if installed else "packages (several GB: a first time takes minutes)"):
            if not installed:
                install_packages(fingerprint)


def is_free(port: int) -> bool:
    """Whether a server could listen on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port just given up is free
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True


def check_port(port: int) -> None:
    """Refuses a port that cannot be had, before any long work is done."""
    if is_free(port):
        return
    other = next(candidate for candidate in range(DEFAULT_PORT, 65536) if is_free(candidate))
    raise Failure(f"Port {port} is in use or not allowed: take another one with `make app PORT={other}`.")


def build_embedded_study(stages: Stages) -> None:
    """Builds the study of the invented world out of the shipped models, or finds it up to date."""
    with stages.stage("embedded study", shows_output=True):
        if run_module("precompute", "synthetic"):
            command = f"{shown([PYTHON])} -m precompute synthetic"
            print(f"The embedded study could not be built; the app goes on without it. Build it later with: {command}")


def build_published_study(stages: Stages) -> None:
    """Builds the study of the paper's results, or finds it up to date; without it the app still starts."""
    command = f"{shown([PYTHON])} -m precompute published"
    with stages.stage("published study", shows_output=True):
        if run_module("precompute", "published"):
            there = PUBLISHED_MANIFEST.exists()
            print(
                f"The app goes on with the published study as it is. Bring it up to date later with: {command}"
                if there
                else f"The published study could not be built; the app goes on without it. Build it later with: {command}"
            )


@contextlib.contextmanager
def running_server(host: str, port: int) -> Iterator[subprocess.Popen]:
    """A Streamlit server for the length of the block; Ctrl+C at the terminal reaches only us, who stop it."""
    command = [str(PYTHON), "scripts/serve.py", "--server.port", str(port), "--server.headless", "true"]
    command += ["--server.address", host]
    with APP_LOG.open("w", encoding="utf-8") as log:
        server = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        yield server
    finally:
        stop_server(server)


def stop_server(server: subprocess.Popen) -> None:
    """Ends the server, at the latest after a few seconds; a second Ctrl+C must not leave it behind."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    server.terminate()
    try:
        server.wait(STOP_PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def reachable_host(host: str) -> str:
    """The name by which a browser on this machine finds a server that listens at `host`."""
    return DEFAULT_HOST if host in EVERY_HOST else host


def is_healthy(host: str, port: int) -> bool:
    """Whether Streamlit answers there; asked without urllib, which would use a configured proxy."""
    connection = http.client.HTTPConnection(reachable_host(host), port, timeout=2)
    try:
        connection.request("GET", "/_stcore/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def server_failure(what: str) -> Failure:
    """A sentence with the end of the server's log."""
    return Failure("\n".join([f"{what}; the end of {shown([APP_LOG])}:", *last_lines(APP_LOG, 15)]))


def wait_until_healthy(server: subprocess.Popen, host: str, port: int) -> None:
    """Returns once the server answers."""
    deadline = time.monotonic() + SERVER_PATIENCE_SECONDS
    while server.poll() is None:
        if is_healthy(host, port):
            return
        if time.monotonic() > deadline:
            raise server_failure(f"The server did not answer within {SERVER_PATIENCE_SECONDS} seconds")
        time.sleep(0.1)
    raise server_failure(f"The server ended at once with exit code {server.returncode}")


def serve(host: str, port: int, stages: Stages) -> int:
    """Runs the app until someone stops it."""
    with running_server(host, port) as server:
        with stages.stage("server"):
            wait_until_healthy(server, host, port)
        try:
            name = reachable_host(host)
            name = f"[{name}]" if ":" in name else name
            print(f"Tailscope runs at http://{name}:{port}  (stop it with Ctrl+C)", flush=True)
            code = server.wait()
        except KeyboardInterrupt:
            return 0
        raise server_failure(f"The server ended with exit code {code}")


def find_chromium() -> str | None:
    """The path of the browser for the tests; TAILSCOPE_CHROMIUM goes before what is on PATH."""
    named = os.environ.get("TAILSCOPE_CHROMIUM")
    if named and not shutil.which(named):
        raise Failure(f"TAILSCOPE_CHROMIUM is {named}, and there is no program of that name.")
    return next((path for path in map(shutil.which, [named] if named else BROWSERS) if path), None)


def apt_get() -> list[str] | None:
    """The start of an apt-get command that asks no questions; None where we have none or may not use it."""
    if not shutil.which("apt-get"):
        return None
    command = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]
    if os.geteuid() == 0:
        return command
    sudo = ["sudo", "-n"]
    return [*sudo, *command] if succeeds([*sudo, "true"]) else None


def provide_chromium() -> str:
    """The path of a browser, installed where that is possible without asking."""
    found = find_chromium()
    if found:
        return found
    apt = apt_get()
    if apt is None:
        raise Failure(NO_BROWSER)
    with contextlib.suppress(CommandFailed):  # one broken source among many is no reason to give up
        run_logged([*apt, "update"], INSTALL_LOG)
    try:
        run_logged([*apt, "install", "-y", "chromium"], INSTALL_LOG)
    except CommandFailed as error:
        raise Failure(f"{NO_BROWSER} {error}") from error
    found = find_chromium()
    if found is None:
        raise Failure(NO_BROWSER)
    return found


def become_pytest(arguments: Sequence[str], chromium: str) -> NoReturn:
    """Turns this process into pytest, so that its closing line comes last and its exit code is ours."""
    os.chdir(ROOT)
    os.environ["TAILSCOPE_CHROMIUM"] = chromium
    workers = ["--numprocesses=auto", "--dist=loadfile"]  # a file's tests share a server
    os.execv(str(PYTHON), [str(PYTHON), "-m", "pytest", *workers, *arguments])


def command_setup(options: argparse.Namespace) -> int:
    """Installs the packages into .venv."""
    setup(Stages(2))
    return 0


def command_app(options: argparse.Namespace) -> int:
    """Sets up, builds the embedded study and the published one, and serves the app."""
    check_port(options.port)
    stages = Stages(5)
    setup(stages)
    build_embedded_study(stages)
    build_published_study(stages)
    return serve(options.host, options.port, stages)


def command_test(options: argparse.Namespace) -> int:
    """Sets up and runs every test; further arguments go to pytest."""
    stages = Stages(4)
    setup(stages)
    with stages.stage("browser"):
        chromium = provide_chromium()
    print("[4/4] tests (the last line gives the time)", flush=True)
    become_pytest(options.arguments, chromium)


def command_lint(options: argparse.Namespace) -> int:
    """Sets up and checks formatting and code; both are reported even if the first one fails."""
    stages = Stages(4)
    setup(stages)
    with stages.stage("formatting", shows_output=True):
        badly_formatted = run_module("ruff", "format", "--check", ".")
    with stages.stage("code", shows_output=True):
        badly_written = run_module("ruff", "check", ".")
    return int(bool(badly_formatted or badly_written))


def command_bench(options: argparse.Namespace) -> int:
    """Sets up and runs the benchmarks."""
    stages = Stages(3)
    setup(stages)
    with stages.stage("benchmarks", shows_output=True):
        return run_module("benchmarks")


COMMANDS = {
    "setup": command_setup,
    "app": command_app,
    "test": command_test,
    "lint": command_lint,
    "bench": command_bench,
}


def port_number(text: str) -> int:
    """A TCP port out of the command line or the environment."""
    if not (text.isdecimal() and 0 < int(text) < 65536):
        raise argparse.ArgumentTypeError(f"a port is a number from 1 to 65535, not {text!r}")
    return int(text)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The chosen command and its options; what `test` does not know itself is for pytest."""
    summary = __doc__.splitlines()[0]
    parser = argparse.ArgumentParser(prog="scripts/start.py", description=summary)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, run in COMMANDS.items():
        command = commands.add_parser(name, help=run.__doc__, description=run.__doc__)
        command.set_defaults(run=run)
        if name == "app":
            port = os.environ.get("PORT") or str(DEFAULT_PORT)
            command.add_argument("--port", type=port_number, default=port, help="default: $PORT, else 8501")
            who = "where to listen: localhost (the default) for this machine alone, 0.0.0.0 for every one that reaches it"
            command.add_argument("--host", default=DEFAULT_HOST, help=who)
    options, rest = parser.parse_known_args(arguments)
    if rest and options.command != "test":
        parser.error(f"{options.command} does not take {' '.join(rest)}")
    options.arguments = rest
    return options


def interrupt(*_: object) -> NoReturn:
    """Treats being told to end like Ctrl+C, so that no child is left running."""
    raise KeyboardInterrupt


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; every failure foreseen here ends in a sentence and exit code 1."""
    options = parse(arguments)
    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGHUP, interrupt)
    try:
        return options.run(options)
    except Failure as failure:
        print(failure, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
