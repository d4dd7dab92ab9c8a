"""Spreads the jobs of a step over processes that compute in one thread each."""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

from backend.errors import TailscopeError


class Processes:
    """Up to `count` processes, started by the first jobs and kept until the block ends; with one, jobs run in this process.

    What a job loads (a model, sprites) stays loaded in its process for the jobs that follow.
    """

    def __init__(self, count: int):
        self.count = count
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> "Processes":
        return self

    def __exit__(self, *error: object) -> None:
        if self._pool:
            self._pool.shutdown(cancel_futures=True)

    def run(self, function: Callable, jobs: Sequence[tuple]) -> Iterator[None]:
        """Calls a function with each job's arguments, and yields whenever one is done, in any order.

        Raises what a job raises, and TailscopeError where a process was killed.
        """
        if self.count == 1:
            for job in jobs:
                function(*job)
                yield
            return
        if self._pool is None:  # spawned: a forked process would inherit locks that nobody will release
            self._pool = ProcessPoolExecutor(self.count, multiprocessing.get_context("spawn"))
        with _one_thread_each():
            futures = [self._pool.submit(function, *job) for job in jobs]
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
