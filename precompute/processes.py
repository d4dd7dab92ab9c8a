"""Spreads the jobs of a step over processes that compute in one thread each."""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import forkserver
from typing import Protocol

from backend.errors import TailscopeError

# Processes are forked off a bare one: one forked off this process would inherit locks that nobody will release.
FORKS = "forkserver" in multiprocessing.get_all_start_methods()


class Workers(Protocol):
    """What does the jobs of a step, until the block that it opens ends."""

    def __enter__(self) -> "Workers": ...

    def __exit__(self, *error: object) -> None: ...

    def runs_here(self, jobs: int) -> bool:
        """Whether so many jobs are best done by this process itself, which can tell how far each is."""
        ...

    def run(self, function: Callable, jobs: Sequence[tuple]) -> Iterator:
        """Calls a function with each job's arguments, and yields what it returns, in the order that jobs are done."""
        ...


class Processes:
    """Up to `count` processes, kept until the block ends; with one, jobs run in this process.

    What a job loads (a model, sprites) stays loaded in its process for the jobs that follow. The modules `preload` are
    imported once for all of them, from the beginning of the block on, while this process goes on.
    """

    def __init__(self, count: int, preload: Sequence[str] = ()):
        self.count = count
        self._preload = list(preload)
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> "Processes":
        if self.count > 1:
            start_server(self._preload)
        return self

    def __exit__(self, *error: object) -> None:
        if self._pool:
            self._pool.shutdown(cancel_futures=True)

    def runs_here(self, jobs: int) -> bool:
        """Whether there is one process, or one job."""
        return self.count == 1 or jobs == 1

    def run(self, function: Callable, jobs: Sequence[tuple]) -> Iterator:
        """Begins to call a function with each job's arguments, and yields what it returns, in the order that jobs are done.

        With one process nothing is called before it is waited for. Yielding raises what a job raises, and TailscopeError
        where a process was killed.
        """
        if self.count == 1:
            return (function(*job) for job in jobs)
        if self._pool is None:
            self._pool = ProcessPoolExecutor(self.count, multiprocessing.get_context("forkserver" if FORKS else "spawn"))
        with _one_thread_each():
            return _collect([self._pool.submit(function, *job) for job in jobs])


def start_server(preload: Sequence[str]) -> None:
    """Starts what other processes come from, where there is such a thing, with modules imported once for all of them."""
    if FORKS:
        forkserver.set_forkserver_preload(preload)
        with _one_thread_each():
            forkserver.ensure_running()


def _collect(futures: Sequence[Future]) -> Iterator:
    try:
        for future in as_completed(futures):
            yield future.result()
    except BrokenProcessPool as error:
        raise TailscopeError(
            "One of the processes was killed, perhaps for want of memory. Run again, with fewer --processes: what is "
            "finished is kept."
        ) from error
    finally:
        for future in futures:
            future.cancel()


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Processes that are started meanwhile compute in one thread each: numpy and torch read these when they are loaded."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
