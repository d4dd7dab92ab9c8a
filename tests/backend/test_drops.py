"""What was dropped is listed by shard and reason, and adds up to the books."""

import json

import pytest

from backend.drops import list_drops, sum_drops
from backend.errors import MissingTable
from backend.schema import MANIFEST
from backend.validation import study_faults
from backend.writing import write_manifest
from tests.tiny_study import animal_rows, write_study

DROPS = [
    ("small", "samples", "0.tar", "truncated shard", 256, 1000),
    ("small", "samples", "1.tar", "no caption", 3, 10),
    ("small", "samples", "1.tar", "no image", 1, 10),
    ("small", "samples", "0.tar", "no caption", 4, 1000),
    ("large", "concepts", "", "concept without a word", 1, 5),
]
BOOKS = {
    "small": {
        "samples": {"read": 1010, "written": 746, "dropped": {"truncated shard": 256, "no caption": 7, "no image": 1}},
    },
    "large": {"concepts": {"read": 5, "written": 4, "dropped": {"concept without a word": 1}}},
}


@pytest.fixture
def study(tmp_path):
    """Two indexed corpora, of which the first dropped samples."""
    names = ("corpus", "unit", "shard", "reason", "count", "read")
    rows = [dict(zip(names, row, strict=True)) for row in DROPS]
    return write_study(tmp_path / "mine", animal_rows(), manifest={"counts": {"index": BOOKS}}, drops=rows)


def change_books(study, corpus: str, reason: str, count: int) -> None:
    manifest = json.loads((study.folder / MANIFEST).read_text())
    manifest["counts"]["index"][corpus]["samples"]["dropped"][reason] = count
    write_manifest(study.folder, manifest)


def test_drops_of_a_corpus_are_listed_by_shard_the_most_first(study):
    rows = list_drops(study, "small")
    assert rows[["shard", "reason", "count"]].values.tolist() == [
        ["0.tar", "truncated shard", 256],
        ["0.tar", "no caption", 4],
        ["1.tar", "no caption", 3],
        ["1.tar", "no image", 1],
    ]
    assert rows["share"].tolist() == [0.256, 0.004, 0.3, 0.1]
    assert list_drops(study, "absent").empty


def test_drops_are_summed_over_shards(study):
    assert sum_drops(study, "small").values.tolist() == [
        ["samples", "truncated shard", 256, 1],
        ["samples", "no caption", 7, 2],
        ["samples", "no image", 1, 1],
    ]


def test_study_without_the_table_says_how_to_build_it(tmp_path):
    with pytest.raises(MissingTable, match="no table 'drops'. Build it: python -m precompute index"):
        list_drops(write_study(tmp_path / "old", animal_rows()), "small")


def test_drops_that_add_up_are_sound_and_others_a_fault(study):
    assert study_faults(study.folder) == []
    change_books(study, "small", "no caption", 6)
    assert study_faults(study.folder) == ["drops: small / samples / no caption adds up to 7, the manifest says 6"]


def test_reason_that_the_table_lacks_is_a_fault(study):
    change_books(study, "small", "bad row", 2)
    assert study_faults(study.folder) == ["drops: small / samples / bad row adds up to 0, the manifest says 2"]


def test_shard_that_dropped_more_than_it_held_is_a_fault(tmp_path):
    rows = [{"corpus": "small", "unit": "samples", "shard": "a", "reason": "no image", "count": 3, "read": 2}]
    study = write_study(tmp_path / "mine", animal_rows(), drops=rows)
    assert study_faults(study.folder) == ["drops: small / samples / a dropped more than it held"]
