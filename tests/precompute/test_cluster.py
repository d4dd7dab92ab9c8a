"""A Ray cluster makes the bytes that this machine makes, though its workers are killed; what it cannot be used for it says."""

import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from backend.errors import SourceError, TailscopeError
from backend.study import ROOT
from backend.validation import study_faults
from backend.writing import file_sha256
from precompute import cluster
from precompute.cluster import Cluster, Seal, check_seal, start_workers
from precompute.corpus.registry import find_shards
from precompute.fingerprint import code_sha256
from precompute.processes import Processes, Workers
from precompute.search import corpus as corpora
from precompute.search import merge
from precompute.search.corpus import CorpusPlan, add_corpus, index_corpus
from precompute.search.index import Request, index_study
from precompute.search.plan import ImageSearch
from precompute.study_writer import extend_study
from precompute.vocabulary import add_tasks
from tests.precompute.cluster_jobs import KILLED, die, die_once, fail, pair
from tests.precompute.colour_shards import ColourRecipe, picture, write_shard

SEARCH = ImageSearch(ColourRecipe(), None, (0.25, 0.5), 0.25)
START = """
import logging, sys, ray
started = ray.init("local", num_cpus=2, include_dashboard=False, object_store_memory=1 << 27, logging_level=logging.ERROR)
print(started.address_info["gcs_address"], flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """The address of a Ray cluster of two workers, which asks for a token that was made for it."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("USAGE_STATS_ENABLED", "0"), ("AUTH_MODE", "token"), ("AUTH_TOKEN", secrets.token_hex(32))):
            patch.setenv(f"RAY_{name}", value)
        command = [sys.executable, "-c", START]
        with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as started:
            yield started.stdout.readline().strip()
            started.stdin.close()
            assert started.wait(60) == 0


@pytest.fixture
def corpus(tmp_path) -> Path:
    """A folder of five tars; of their pictures some show what the captions say."""
    colours = [picture(128, 0, 0), picture(0, 96, 0), picture(0, 0, 200), b"no image"]
    captions = ["A rose.", "Roses and a fern", "a fern in the sky", "nothing"]
    for number in range(5):
        samples = [(captions[(row + number) % 4], colours[row * (number + 1) % 4]) for row in range(12)]
        write_shard(tmp_path / "corpus" / f"{number}.tar", samples)
    return tmp_path / "corpus"


@pytest.fixture
def study(tmp_path) -> Path:
    """A study that knows its concepts alone."""
    (tmp_path / "names.txt").write_text("Rose\nfern\nsky\n")
    add_tasks(tmp_path / "studies" / "mine", {"plants": tmp_path / "names.txt"})
    return tmp_path / "studies" / "mine"


def add(study: Path, corpus: Path, work: Path, ray: str | None = None) -> None:
    """Indexes the tars into the study, by captions and by a tagger that needs no model."""
    plan = CorpusPlan("mine", "Mine", find_shards([str(corpus / "*.tar")]), work, study, SEARCH, ray=ray)
    with extend_study(study) as (part, manifest):
        add_corpus(part, manifest, index_corpus(part, plan))


def checksums(study: Path) -> dict[str, str]:
    return {str(path.relative_to(study)): file_sha256(path) for path in sorted(study.rglob("*.parquet"))}


@dataclass
class Deadly:
    """Workers of which some are killed in the middle of a job, once for each of some kinds of job."""

    workers: Workers
    markers: Path

    def __enter__(self) -> Workers:
        self.workers.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.workers.__exit__(*error)

    def runs_here(self, jobs: int) -> bool:
        return self.workers.runs_here(jobs)

    def run(self, function: Callable, jobs: Sequence[tuple]) -> Iterator:
        return self.workers.run(die_once, [(self.markers, function, *job) for job in jobs])


def test_cluster_whose_workers_are_killed_makes_the_bytes_of_a_local_run(study, corpus, tmp_path, monkeypatch, address):
    monkeypatch.setattr(merge, "RANGE_HITS", 20)
    monkeypatch.setattr(merge, "PARTS_AT_ONCE", 2)
    add(study, corpus, tmp_path / "alone")
    alone = checksums(study)
    assert study_faults(study) == []
    markers = tmp_path / "markers"
    markers.mkdir()
    monkeypatch.setattr(corpora, "start_workers", lambda *how: Deadly(start_workers(*how), markers))
    add(study, corpus, tmp_path / "cluster", address)
    assert checksums(study) == alone
    assert len(alone) > 5
    assert {path.name for path in markers.iterdir()} == KILLED
    assert not list((tmp_path / "cluster").glob(".shared-*"))


def test_jobs_go_through_a_cluster_a_few_at_a_time_and_their_errors_come_back(tmp_path, address, monkeypatch):
    monkeypatch.setattr(cluster, "RETRIES", 1)
    with Cluster(address, tmp_path, processes=2) as workers:
        common = ("a", "b", "c")
        assert sorted(workers.run(pair, [(common, number) for number in range(7)])) == [(3, number) for number in range(7)]
        with pytest.raises(SourceError, match="^job 3$"):
            list(workers.run(fail, [(3,)]))
        with pytest.raises(TailscopeError, match="worker died 2 times on the Ray cluster .* Run again"):
            list(workers.run(die, [(3,)]))
    assert list(tmp_path.iterdir()) == []


def test_cluster_of_one_machine_is_started_for_a_run(study, corpus, address):
    index_study(study, Request("mine", [str(corpus / "*.tar")]))
    alone = checksums(study)
    index_study(study, Request("mine", [str(corpus / "*.tar")], keep=False, force=True, ray="local"), processes=1)
    assert checksums(study) == alone


@pytest.mark.parametrize("nowhere", ["127.0.0.1:1", "nonsense", "ray://127.0.0.1:10001"])
def test_address_without_a_cluster_is_one_sentence(tmp_path, nowhere):
    with (
        pytest.raises(TailscopeError, match=rf"no Ray cluster to use at '{nowhere}': .*--ray local") as error,
        Cluster(nowhere, tmp_path),
    ):
        pass
    assert "\n" not in str(error.value)
    assert not list(tmp_path.glob(".shared-*"))


def test_worker_that_would_make_other_tables_is_refused(tmp_path):
    (tmp_path / "token").touch()
    code, libraries = code_sha256("precompute.processes"), cluster._list_libraries()
    check_seal(Seal(tmp_path / "token", "precompute.processes", code, libraries))
    with pytest.raises(TailscopeError, match="is not the folder of this run.*all machines share"):
        check_seal(Seal(tmp_path / "elsewhere", "precompute.processes", code, libraries))
    with pytest.raises(TailscopeError, match="another version of the program"):
        check_seal(Seal(tmp_path / "token", "precompute.processes", "0" * 64, libraries))
    other = (("duckdb", "0.1"), *libraries[1:])
    with pytest.raises(TailscopeError, match=r"has duckdb \S+, and this run 0\.1\. Install requirements\.lock"):
        check_seal(Seal(tmp_path / "token", "precompute.processes", code, other))


def test_ray_is_imported_only_where_it_is_asked_for(tmp_path):
    assert isinstance(start_workers(None, None, tmp_path), Processes)
    code = "import sys, precompute.search.index, precompute.__main__; assert 'ray' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=120)
