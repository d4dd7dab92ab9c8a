"""A run notes what each shard took, and says at its end where the time went."""

import json
from dataclasses import replace

import pytest

from backend.schema import table_path
from backend.study import Study
from backend.validation import study_faults
from precompute.corpus.shard import Shard
from precompute.search import index
from precompute.search.cache import name_cache
from precompute.search.index import Request, index_study
from precompute.search.run_log import RunLog, Stopwatch, Took, choose_runs, measure_run, read_log, summarize
from precompute.search.shards import share_bytes
from precompute.vocabulary import add_tasks
from tests.precompute.colour_shards import picture, write_shard

STAGES = ["recognizing", "searching", "merging", "describing", "telling languages"]


@pytest.fixture
def study(tmp_path):
    """A study that knows its concepts alone."""
    (tmp_path / "names.txt").write_text("Rose\nfern\n")
    add_tasks(tmp_path / "studies" / "mine", {"plants": tmp_path / "names.txt"})
    return tmp_path / "studies" / "mine"


def test_time_within_something_else_is_counted_once():
    times = iter([0.0, 1.0, 3.0, 10.0])
    clock = Stopwatch(lambda: next(times))
    with clock.during("reading"), clock.during("images"):
        pass
    assert clock.seconds == {"reading": 1.0 + 7.0, "images": 2.0}


def test_time_until_each_item_comes_is_counted_and_that_between_them_is_not():
    times = iter([0.0, 5.0, 6.0, 8.0, 20.0, 21.0])
    clock = Stopwatch(lambda: next(times))
    assert list(clock.during_each("reading", "ab")) == ["a", "b"]
    assert clock.seconds == {"reading": 5.0 + 2.0 + 1.0}


@pytest.mark.parametrize("processes", [1, 2])
def test_each_shard_has_a_line_and_one_that_is_kept_has_none(study, tmp_path, processes):
    noted, pattern = [], str(tmp_path / "corpus" / "*.tar")
    write_shard(tmp_path / "corpus" / "0.tar", [("A rose", picture(1, 2, 3)), ("", picture(1, 2, 3))])
    write_shard(tmp_path / "corpus" / "1.tar", [("A fern", picture(1, 2, 3))])
    index_study(study, Request("mine", [pattern]), processes=processes, note=noted.append)
    lines = read_log(name_cache(study) / "mine.log.jsonl")
    shards = sorted((line for line in lines if "shard" in line), key=lambda line: line["shard"])
    assert [line["shard"] for line in shards] == [str(tmp_path / "corpus" / name) for name in ("0.tar", "1.tar")]
    assert [(line["samples"], line["dropped"]) for line in shards] == [(1, 1), (1, 0)]  # one has no caption
    for line in shards:
        assert line["seconds"]["reading"] > 0 < line["seconds"]["text"]
        assert (line["seconds"]["images"], line["rss"] > 10**7) == (0.0, True)
    assert [line["stage"] for line in lines if "stage" in line] == STAGES
    assert sorted(took.shard for took in noted) == [line["shard"] for line in shards]
    write_shard(tmp_path / "corpus" / "2.tar", [("A sky", picture(1, 2, 3))])
    index_study(study, Request("mine", [pattern]), processes=processes)
    runs = [line for line in read_log(name_cache(study) / "mine.log.jsonl") if "shard" in line][2:]
    assert [line["shard"] for line in runs] == [str(tmp_path / "corpus" / "2.tar")]


def test_long_run_says_what_took_the_time_and_a_short_one_does_not(study, tmp_path, monkeypatch):
    write_shard(tmp_path / "0.tar", [("A rose", picture(1, 2, 3))])
    told = []
    index_study(study, Request("mine", [str(tmp_path / "0.tar")]), tell=told.append)
    assert not any(line.startswith("Took") for line in told)
    monkeypatch.setattr(index, "LONG_SECONDS", 0.0)
    write_shard(tmp_path / "1.tar", [("A fern", picture(1, 2, 3))])
    index_study(study, Request("other", [str(tmp_path / "1.tar")], keep=False, terms=True), tell=told.append)
    assert told[-1].startswith("Took ")
    assert "describing " in told[-1] and "indexing all words " in told[-1]
    assert "recognizing " in told[-1] and "of the processes' time went into reading " in told[-1]


def test_summary_adds_up_the_lines_of_one_run(tmp_path):
    path = tmp_path / "a.log.jsonl"
    RunLog(path, run="before").note(Took("z.tar", 9, 9, {"images": 9.0}, 9))
    log = RunLog(path, run="now")
    log.note(Took("a.tar", 900, 100, {"reading": 6.0, "text": 1.0}, 5 * 10**8))
    log.note(Took("b.tar", 990, 10, {"images": 1.0}, 4 * 10**8))
    with path.open("a") as file:
        file.write(json.dumps({"run": "now", "stage": "searching", "seconds": 4.0}) + "\n")
        file.write(json.dumps({"run": "now", "stage": "merging", "seconds": 1.0}) + "\n")
        file.write('{"run": "now", "sta')  # a run was killed here
    assert summarize(read_log(path, "now")) == (
        "Took 5.0 s: searching 4.0 s, merging 1.0 s. Searched 2,000 samples in 2 shards, 500 a second; of the processes' time "
        "went into reading 75%, text 12%, images 12%; 500.0 MB of memory a process at most."
    )
    assert [line["run"] for line in read_log(path)] == ["before"] + ["now"] * 4
    assert read_log(tmp_path / "absent.jsonl") == []


def test_study_keeps_what_its_largest_run_took(study, tmp_path):
    write_shard(tmp_path / "corpus" / "0.tar", [("A rose", picture(1, 2, 3)), ("", picture(1, 2, 3))])
    asked = Request("mine", [str(tmp_path / "corpus" / "*.tar")])
    index_study(study, asked)
    (run,) = Study(study).manifest.runs["mine"]
    assert (run.searched, run.indexed, run.processes, run.tagger) == (2, 1, 1, "")
    assert list(run.stages) == STAGES and min(run.stages.values()) > 0
    assert run.core_seconds["reading"] > 0 < run.core_seconds["text"] and run.core_seconds["images"] == 0.0
    lines = read_log(name_cache(study) / "mine.log.jsonl")
    assert run.core_seconds["reading"] == sum(line["seconds"]["reading"] for line in lines if "shard" in line)
    files = [table_path(study, name, "mine") for name in ("samples", "hits", "cooccurrences")]
    assert run.study_bytes == sum(path.stat().st_size for path in files) < run.study_bytes + run.kept_bytes
    assert min(run.memory, run.peak) > 10**7
    write_shard(tmp_path / "corpus" / "1.tar", [("A fern", picture(1, 2, 3))])
    index_study(study, asked)  # reads one sample more, and is no better measure
    assert Study(study).manifest.runs["mine"] == (run,)
    write_shard(tmp_path / "corpus" / "2.tar", [("A fern", picture(1, 2, 3))] * 3)
    index_study(study, asked)
    (larger,) = Study(study).manifest.runs["mine"]
    assert (larger.searched, larger.indexed) == (3, 5)
    assert study_faults(study) == []


def test_run_is_measured_by_the_shards_that_it_read():
    def shard(reading: float, images: float = 0.0) -> dict:
        seconds = {"reading": reading, "text": 1.0, "images": images}
        return {"run": "now", "shard": "a.tar", "samples": 9, "dropped": 1, "seconds": seconds, "rss": 5}

    known = {"processes": None, "indexed": 18, "study_bytes": 1, "kept_bytes": 2, "tagger": ""}
    stages = [{"run": "now", "stage": name, "seconds": 2.0} for name in ("searching", "merging")]
    assert measure_run([shard(0.0), *stages], **known) is None  # it was kept, and searched for what was new
    assert measure_run([shard(1.0), stages[0]], **known) is None  # it was killed
    run = measure_run([shard(0.0), shard(4.0), shard(1.0), *stages], **known)
    assert (run.searched, run.core_seconds) == (20, {"reading": 5.0, "text": 2.0, "images": 0.0})
    assert run.processes == 4  # 7 s of processes within 2 s of the clock, to the even number
    looked = measure_run([shard(1.0, 3.0), *stages], **known)
    more = replace(run, searched=21)
    assert choose_runs([run, looked, more]) == [more, looked]


def test_shards_count_by_their_bytes_and_pieces_of_a_file_alike(tmp_path):
    (tmp_path / "a").write_bytes(b"a" * 300)
    (tmp_path / "b").write_bytes(b"b" * 100)
    small, first, second = Shard(0, tmp_path / "b", "tar"), Shard(1, tmp_path / "a", "tar"), Shard(1, tmp_path / "a", "tar", 7)
    absent = Shard(2, tmp_path / "c", "tar", source="https://a.example/c.tar")
    assert share_bytes([small, first, second]) == {small: 0.25, first: 0.375, second: 0.375}
    assert share_bytes([small, absent]) == {small: 0.5, absent: 0.5}
    assert share_bytes([]) == {}
