"""Jobs in several processes: all are done, a process keeps what it loaded, and a failure is told."""

import os
import signal
from pathlib import Path

import pytest

from backend.errors import TailscopeError
from precompute.processes import Processes


def note(folder: Path, number: int) -> None:
    """A job that leaves its number, its process and its thread limit."""
    (folder / str(number)).write_text(f"{os.getpid()} {os.environ.get('OMP_NUM_THREADS')}")


def fail(number: int) -> None:
    raise ValueError(f"job {number}")


def die(number: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_with_one_process_jobs_run_here_in_order(tmp_path):
    with Processes(1) as processes:
        assert len(list(processes.run(note, [(tmp_path, 0), (tmp_path, 1)]))) == 2
    assert {path.read_text().split()[0] for path in tmp_path.iterdir()} == {str(os.getpid())}


def test_processes_are_kept_between_steps_and_compute_in_one_thread(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    with Processes(2) as processes:
        for first in (0, 10):
            assert len(list(processes.run(note, [(tmp_path, first + number) for number in range(5)]))) == 5
    notes = [path.read_text().split() for path in tmp_path.iterdir()]
    assert len(notes) == 10
    assert 1 <= len({process for process, _ in notes} - {str(os.getpid())}) <= 2
    assert {threads for _, threads in notes} == {"1"}
    assert os.environ["OMP_NUM_THREADS"] == "7"


@pytest.mark.parametrize(("job", "error", "message"), [(fail, ValueError, "job 3"), (die, TailscopeError, "was killed")])
def test_what_goes_wrong_in_a_process_is_raised_here(job, error, message):
    with Processes(2) as processes, pytest.raises(error, match=message):
        list(processes.run(job, [(3,)]))
