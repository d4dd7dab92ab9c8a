"""Spreads the jobs of a step over a Ray cluster: the functions of `precompute.processes`, on many machines.

What a job writes it writes where it runs. So the study and its kept searches must lie in a folder that every machine has at the
same path (NFS, Lustre; mount it with lookupcache=positive), and so must the project, the shards, and the folder TAILSCOPE_CACHE
where these are packed or URLs. Each worker looks before its first job whether the folder, the code and the libraries are the
same: a cluster that would make other tables is refused. A job whose worker dies is done again by Ray, anywhere; so a job clears
what it may have left. No process sees every hit: each range of concepts is a file of the corpus.
Ray is imported where a cluster is asked for and nowhere else. Nothing is reported to anybody and no dashboard is started.
"""

import logging
import os
import platform
import secrets
import socket
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, is_dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

from backend.errors import TailscopeError
from precompute.fingerprint import code_sha256
from precompute.processes import Processes, Workers
from precompute.study_writer import LIBRARIES

LOCAL = "local"  # the address of a cluster that is started on this machine for the run
RETRIES = 3  # of a job whose worker dies
AT_ONCE = 1_000  # jobs that the cluster knows of; it has no more cores, and a corpus has many more shards
OBJECT_BYTES = 1 << 28  # of memory for what jobs have in common, on a local cluster
REACHED_IN = 10.0  # seconds in which a cluster's machine must answer; Ray itself waits for minutes

# Ray reads these when it is imported: nothing is reported, and workers see the GPUs as other processes do.
SETTINGS = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}


@dataclass(frozen=True)
class Seal:
    """What must be the same where a job runs: a file in the shared folder, the code of the jobs, the libraries."""

    token: Path
    module: str
    code: str
    libraries: tuple[tuple[str, str], ...]


def start_workers(processes: int | None, ray: str | None, folder: Path) -> Workers:
    """What does the jobs of a run that writes into `folder`: processes of this machine (one where no number is named), or Ray.

    `ray`: the address of a cluster, or `LOCAL`; its jobs at once are `processes`, or as many as it has cores.
    """
    return Cluster(ray, folder, processes) if ray else Processes(processes or 1)


class Cluster:
    """A Ray cluster, connected to until the block ends; a local one is started for the block. As `Processes`, with tasks.

    Raises TailscopeError where none answers at the address, where a machine of it has another folder, code or libraries, and
    where a job's worker dies again and again.
    """

    def __init__(self, address: str, folder: Path, processes: int | None = None):
        self.address = address
        self.processes = processes
        self._token = folder.absolute() / f".shared-{secrets.token_hex(6)}"

    def __enter__(self) -> "Cluster":
        self._token.parent.mkdir(parents=True, exist_ok=True)
        self._token.touch()
        try:
            self._connect()
        except BaseException:
            self._token.unlink()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._ray.shutdown()
        self._token.unlink(missing_ok=True)

    def runs_here(self, jobs: int) -> bool:
        """Never: all jobs run on the cluster."""
        return False

    def run(self, function: Callable, jobs: Sequence[tuple]) -> Iterator:
        """Yields what a function returns for each job's arguments, in the order that jobs are done.

        An argument that several jobs have is sent once. Yielding raises what a job raises.
        """
        ray = self._ray
        held = _hold_common(ray, jobs)
        module = function.__module__
        seal = ray.put(Seal(self._token, module, code_sha256(module), _list_libraries()))
        task = ray.remote(do_job).options(num_cpus=1, max_retries=RETRIES)
        waiting, left = [], iter(jobs)
        try:
            for job in left:
                waiting.append(task.remote(seal, function, *(held.get(id(argument), argument) for argument in job)))
                if len(waiting) == (self.processes or AT_ONCE):
                    yield self._take(waiting)
            while waiting:
                yield self._take(waiting)
        finally:
            for one in waiting:
                ray.cancel(one, force=True)

    def _take(self, waiting: list) -> object:
        """What a job that is done returned; it waits no more."""
        (done,), _ = self._ray.wait(waiting, num_returns=1)
        waiting.remove(done)
        try:
            return self._ray.get(done)
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause or error from error
        except self._ray.exceptions.RayError as error:
            raise TailscopeError(
                f"A job's worker died {RETRIES + 1} times on the Ray cluster ({_shorten(error)}), perhaps for want of memory. "
                "Run again, with fewer workers on a machine: what is finished is kept."
            ) from error

    def _connect(self) -> None:
        for name, value in SETTINGS.items():
            os.environ.setdefault(name, value)
        import ray

        self._ray = ray
        quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
        try:
            if self.address == LOCAL:
                ray.init(LOCAL, num_cpus=self.processes, include_dashboard=False, object_store_memory=OBJECT_BYTES, **quiet)
            else:
                _reach(self.address)
                ray.init(self.address, **quiet)
        except (OSError, RuntimeError, ValueError) as error:
            raise TailscopeError(
                f"There is no Ray cluster to use at '{self.address}': {_shorten(error)}. Run this on a machine of the cluster "
                f"and name its head, --ray HOST:PORT (or auto), with its token in RAY_AUTH_TOKEN if it asks for one; start one "
                f"with 'ray start --head'; or use --ray {LOCAL}."
            ) from error


def do_job(seal: Seal, function: Callable, *job: object) -> object:
    """What a function returns, called on a worker that is as it must be. Raises TailscopeError where it is not."""
    check_seal(seal)
    return function(*job)


@lru_cache(maxsize=64)
def check_seal(seal: Seal) -> None:
    """Raises TailscopeError where this process has another folder, other code or other libraries than the one that asks."""
    machine = platform.node()
    if not seal.token.exists():
        raise TailscopeError(
            f"{seal.token.parent} on {machine} is not the folder of this run. On Ray a study lies in a folder that all "
            "machines share, at the same path."
        )
    if code_sha256(seal.module) != seal.code:
        raise TailscopeError(f"{machine} has another version of the program. All machines of a Ray cluster need the same.")
    for (name, wanted), (_, found) in zip(seal.libraries, _list_libraries(), strict=True):
        if found != wanted:
            raise TailscopeError(
                f"{machine} has {name} {found}, and this run {wanted}. Install requirements.lock on all machines "
                "of the cluster."
            )


@lru_cache(maxsize=1)
def _list_libraries() -> tuple[tuple[str, str], ...]:
    return tuple((name, version(name)) for name in LIBRARIES)


def _hold_common(ray, jobs: Sequence[tuple]) -> dict[int, object]:
    """References, by `id`, to the records and lists that several jobs have among their arguments: held by the cluster once."""
    often = Counter(id(argument) for job in jobs for argument in job)
    held: dict[int, object] = {}
    for job in jobs:
        for argument in job:
            if often[id(argument)] > 1 and id(argument) not in held and _is_large(argument):
                held[id(argument)] = ray.put(argument)
    return held


def _is_large(argument: object) -> bool:
    return isinstance(argument, (list, tuple)) or (is_dataclass(argument) and not isinstance(argument, type))


def _reach(address: str) -> None:
    """Raises OSError where no machine answers at an address of the form HOST:PORT."""
    host, _, port = address.rpartition(":")
    if host and port.isdecimal() and "/" not in host:
        socket.create_connection((host, int(port)), REACHED_IN).close()


def _shorten(error: BaseException) -> str:
    """The first sentence of an error."""
    return str(error).strip().split("\n")[0].split(". ")[0].rstrip(".") or type(error).__name__
