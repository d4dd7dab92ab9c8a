"""Jobs for workers of a cluster: some that end badly, and one that lets other jobs begin but not end. Quick to import."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

from backend.errors import SourceError

KILLED = {"_search_here", "match_parts", "sort_hits"}  # the jobs of an index run that leave something when they are killed


def pair(common: tuple[str, ...], number: int) -> tuple[int, int]:
    """How long the first argument is, and the second."""
    return len(common), number


def fail(number: int) -> None:
    """Raises an error of ours."""
    raise SourceError(f"job {number}")


def die(*arguments: object, **options: object) -> None:
    """Kills the process."""
    os.kill(os.getpid(), signal.SIGKILL)


def die_once(markers: Path, function: Callable, *job: object) -> object:
    """What the function returns; but a process is killed when it first writes rows, once for each of the kinds `KILLED`."""
    import pyarrow.parquet as pq

    kind = (job[0] if function.__name__ == "_call" else function).__name__
    try:
        if kind in KILLED:
            (markers / kind).touch(exist_ok=False)
            pq.ParquetWriter.write_table = die
    except FileExistsError:
        pass
    return function(*job)
