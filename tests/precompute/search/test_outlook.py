"""What comes after searching is foretold while it goes on, from shards that are merged for real; and not in a short run."""

from pathlib import Path

import pytest

from precompute.corpus.registry import find_shards
from precompute.processes import Processes
from precompute.search import outlook
from precompute.search.index import Request, index_study
from precompute.search.outlook import Outlook
from precompute.search.run_log import Expected, RunLog, Took, read_log
from precompute.search.shards import SearchJob, find_parts, search_parts
from precompute.vocabulary import add_tasks

LINES = {"a.csv": 3, "b.csv": 6, "c.csv": 100}


@pytest.fixture
def study(tmp_path) -> Path:
    """A study that knows its concepts alone, and a corpus of three files beside it."""
    (tmp_path / "names.txt").write_text("Rose\nfern\n")
    for name, count in LINES.items():
        (tmp_path / name).write_text("caption\n" + "a rose\n" * count)
    add_tasks(tmp_path / "studies" / "mine", {"plants": tmp_path / "names.txt"})
    return tmp_path / "studies" / "mine"


def test_stages_to_come_are_on_the_line_through_two_trials(study, tmp_path, monkeypatch):
    """A trial of n samples takes 2 s of merging and 0.1 s for each; describing 0.5 s, and languages of all that are there."""
    monkeypatch.setattr(outlook, "LARGEST", 0.5)
    shards, now, tried, shares = find_shards([str(tmp_path / "*.csv")]), [0.0], [], []
    search = SearchJob(("fern", "rose"))

    def trial(folder: Path, chosen, share: float) -> dict[str, float]:
        assert list(folder.iterdir()) == []
        samples = sum(LINES[shard.path.name] for shard in chosen)
        tried.append(samples)
        shares.append(share)
        now[0] += 0.1
        return {"merging": 2 + 0.1 * samples, "describing": 0.5, "telling languages": 0.01 * samples}

    noted = []
    log = RunLog(tmp_path / "a.log.jsonl", noted.append)
    with Processes(1) as here:
        found = find_parts(shards, search, tmp_path / "work", here, lambda stage, done: None)
        watch = Outlook(found, search, log, trial, lambda: now[0])

        def note(took: Took) -> None:
            now[0] += 10.0
            watch.note(took)

        search_parts(found, search, here, lambda stage, done: None, note)
    assert tried == [3, 9]
    told = {one.stage: one.seconds for one in noted if isinstance(one, Expected)}
    sizes = {shard.path.name: shard.path.stat().st_size for shard in shards}
    total = 9 / ((sizes["a.csv"] + sizes["b.csv"]) / sum(sizes.values()))
    assert shares == [pytest.approx(samples / total) for samples in tried]
    assert told == {
        "merging shards": pytest.approx(2 + 0.1 * total),
        "describing captions": pytest.approx(0.5 * total / 9 + 0.01 * total),
    }
    assert [line["expected"] for line in read_log(log.path) if "expected" in line] == list(told)


def test_short_run_tries_nothing_and_a_long_one_foretells_all_of_its_stages(study, tmp_path, monkeypatch):
    pattern, noted = str(tmp_path / "*.csv"), []
    index_study(study, Request("short", [pattern], keep=False), note=noted.append)
    assert {type(one) for one in noted} == {Took}
    monkeypatch.setattr(outlook, "FIRST_AFTER", 0.0)
    monkeypatch.setattr(outlook, "LARGEST", 1.0)
    (tmp_path / "d.csv").write_text("caption\n" + "a fern\n" * 100)
    index_study(study, Request("long", [str(tmp_path / "[a-d].csv")], terms=True), note=noted.append)
    told = {one.stage for one in noted if isinstance(one, Expected)}
    assert told == {"merging shards", "describing captions", "indexing all words"}
