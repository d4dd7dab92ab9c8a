"""Hits of many captions, sorted in runs on disk: the same as those of one search, in the order of their table."""

import random

import numpy as np
import pyarrow as pa
import pytest

from precompute.search.text import METHODS, compile_vocabulary, runs, search
from precompute.search.text.reference import search_plainly
from precompute.search.text.runs import find_runs, merge_hits

CONCEPTS = ("a rose", "café", "crested dalu", "dalu", "nothing", "rose", "zib")
WORDS = ("dalu", "dalus", "crested", "roses", "rose", "café", "a", "zib", "and")


@pytest.fixture
def captions() -> list[str]:
    chance = random.Random(4)
    return [" ".join(chance.choices(WORDS, k=chance.randrange(7))) for _ in range(500)]


def sorted_plainly(captions: list[str]) -> list[tuple[str, str, str, int, None]]:
    found = search_plainly(pa.array(captions, pa.string()), compile_vocabulary(CONCEPTS))
    rows = [
        (CONCEPTS[concept], "text", method, row, None)
        for method, pair in found.items()
        for row, concept in zip(*(side.tolist() for side in pair), strict=True)
    ]
    return sorted(rows, key=lambda row: row[:4])


def read_rows(table: pa.Table) -> list[tuple]:
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("is_compiled", [True, False])
def test_merged_runs_are_the_sorted_hits_of_all(tmp_path, monkeypatch, captions, threads, is_compiled):
    monkeypatch.setattr(search, "BATCH_CAPTIONS", 64)
    monkeypatch.setattr(runs, "HITS_AT_ONCE", 100)
    if not is_compiled:
        for module in (search, runs):
            monkeypatch.setattr(module, "find_fault", lambda: "it is not there.")
        monkeypatch.setattr(runs, "choose_engine", lambda vocabulary, count: None)
    pieces = [pa.array(captions[:7]), pa.chunked_array([captions[7:300], captions[300:]]), pa.array([], pa.string())]
    path = tmp_path / "runs"
    with find_runs(pieces, compile_vocabulary(CONCEPTS), path, threads) as found:
        spans = found.split()
        tables = [table for span in spans for table in merge_hits(found, CONCEPTS, span)]
        expected = sorted_plainly(captions)
        assert found.row_count == 500
        assert len(spans) > 3
        assert max(table.num_rows for table in tables) <= 100
        assert [row for table in tables for row in read_rows(table)] == expected
        assert found.counts.tolist() == [
            [sum(row[0] == concept and row[2] == method for row in expected) for method in METHODS] for concept in CONCEPTS
        ]
    assert not path.exists()


def test_ranges_hold_no_more_hits_than_are_merged_at_once(tmp_path, monkeypatch, captions):
    monkeypatch.setattr(runs, "HITS_AT_ONCE", 150)
    with find_runs([pa.array(captions)], compile_vocabulary(CONCEPTS), tmp_path / "runs") as found:
        spans = found.split()
        hits = found.counts.ravel()
        assert [stop for _, stop in spans[:-1]] == [start for start, _ in spans[1:]]
        assert (spans[0][0], spans[-1][1]) == (0, len(CONCEPTS) * len(METHODS))
        assert all(hits[start:stop].sum() <= 150 or stop - start == 1 for start, stop in spans)


@pytest.mark.parametrize("captions", [[], [""]])
def test_no_captions_have_no_hits(tmp_path, captions):
    with find_runs([pa.array(captions, pa.string())], compile_vocabulary(["rose"]), tmp_path / "runs") as found:
        assert found.row_count == len(captions)
        assert found.counts.tolist() == [[0, 0, 0]]
        assert [table.num_rows for span in found.split() for table in merge_hits(found, ["rose"], span)] == [0]


def test_chosen_methods_alone_are_searched(tmp_path):
    vocabulary = compile_vocabulary(["rose"], ["lowercased"])
    with find_runs([pa.array(["roses", "a rose", "rose"])], vocabulary, tmp_path / "runs") as found:
        (hits,) = found.merge(0, 1)
        assert (found.methods, hits.counts.tolist(), hits.rows.tolist()) == (("lowercased",), [2], [1, 2])
        assert hits.rows.dtype == np.int64


def test_a_reader_that_fails_leaves_no_file(tmp_path):
    def read():
        yield pa.array(["a rose"])
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        find_runs(read(), compile_vocabulary(["rose"]), tmp_path / "runs")
    assert list(tmp_path.iterdir()) == []
