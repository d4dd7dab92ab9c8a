"""Hits of many captions, sorted in runs on disk: the same as those of one search, in the order of their table."""

import random

import numpy as np
import pyarrow as pa
import pytest

from precompute.search.text import compile_vocabulary, runs, search
from precompute.search.text.reference import search_plainly
from precompute.search.text.runs import MergedHits, find_runs

CONCEPTS = ("a rose", "café", "crested dalu", "dalu", "nothing", "rose", "zib")
WORDS = ("dalu", "dalus", "crested", "roses", "rose", "café", "a", "zib", "and")


@pytest.fixture
def captions() -> list[str]:
    chance = random.Random(4)
    return [" ".join(chance.choices(WORDS, k=chance.randrange(7))) for _ in range(500)]


def sorted_plainly(captions: list[str]) -> list[tuple[int, int, int]]:
    """Concept, row and set of methods of all hits."""
    sets: dict[tuple[int, int], int] = {}
    for number, pair in enumerate(search_plainly(pa.array(captions, pa.string()), compile_vocabulary(CONCEPTS)).values()):
        for row, concept in zip(*(side.tolist() for side in pair), strict=True):
            sets[concept, row] = sets.get((concept, row), 0) | 1 << number
    return sorted((*hit, methods) for hit, methods in sets.items())


def list_hits(hits: MergedHits) -> list[tuple[int, int, int]]:
    concepts = np.repeat(np.arange(hits.first_concept, hits.first_concept + len(hits.counts)), hits.counts)
    return list(zip(concepts.tolist(), hits.rows.tolist(), hits.sets.tolist(), strict=True))


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
        merged = [hits for span in spans for hits in found.merge(*span)]
        expected = sorted_plainly(captions)
        assert found.row_count == 500
        assert len(spans) > 3
        assert max(len(hits.rows) for hits in merged) <= 100
        assert [row for hits in merged for row in list_hits(hits)] == expected
        assert len({methods for _, _, methods in expected}) > 2
        assert found.counts.tolist() == [sum(hit[0] == number for hit in expected) for number in range(len(CONCEPTS))]
    assert not path.exists()


def test_ranges_hold_no_more_hits_than_are_merged_at_once(tmp_path, monkeypatch, captions):
    monkeypatch.setattr(runs, "HITS_AT_ONCE", 150)
    with find_runs([pa.array(captions)], compile_vocabulary(CONCEPTS), tmp_path / "runs") as found:
        spans = found.split()
        assert [stop for _, stop in spans[:-1]] == [start for start, _ in spans[1:]]
        assert (spans[0][0], spans[-1][1]) == (0, len(CONCEPTS))
        assert all(found.counts[start:stop].sum() <= 150 or stop - start == 1 for start, stop in spans)
        assert len(spans) > 3


@pytest.mark.parametrize("captions", [[], [""]])
def test_no_captions_have_no_hits(tmp_path, captions):
    with find_runs([pa.array(captions, pa.string())], compile_vocabulary(["rose"]), tmp_path / "runs") as found:
        assert found.row_count == len(captions)
        assert found.counts.tolist() == [0]
        assert [len(hits.rows) for span in found.split() for hits in found.merge(*span)] == [0]


def test_chosen_methods_alone_are_searched(tmp_path):
    vocabulary = compile_vocabulary(["rose"], ["lowercased"])
    with find_runs([pa.array(["roses", "a rose", "rose"])], vocabulary, tmp_path / "runs") as found:
        (hits,) = found.merge(0, 1)
        assert (found.methods, list_hits(hits)) == (("lowercased",), [(0, 1, 1), (0, 2, 1)])
        assert (hits.rows.dtype, hits.sets.dtype) == (np.int64, np.uint8)


def test_a_reader_that_fails_leaves_no_file(tmp_path):
    def read():
        yield pa.array(["a rose"])
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        find_runs(read(), compile_vocabulary(["rose"]), tmp_path / "runs")
    assert list(tmp_path.iterdir()) == []
