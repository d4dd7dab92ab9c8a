"""Different captions and images stand beside the raw counts, and are never more than these."""

import math

import pytest

from backend.distinct import list_distinct
from backend.errors import MissingTable
from backend.validation import study_faults
from tests.tiny_study import animal_rows, write_study


def build(folder, **found: int):
    rows = [
        {"corpus": "small", "concept": concept, "modality": "text", "method": "lemmatized", "count": count}
        for concept, count in found.items()
    ]
    return write_study(folder, animal_rows(), distinct_hits=rows)


def test_different_hits_stand_beside_the_hits(tmp_path):
    study = build(tmp_path / "mine", dog=40, elk=100, ant=0)
    assert study_faults(study.folder) == []
    assert list_distinct(study, "dog").values.tolist() == [["small", "text", "lemmatized", 100, 40, 2.5]]
    assert list_distinct(study, "elk")["repeats"].tolist() == [1.0]
    (row,) = list_distinct(study, "ant").itertuples(index=False)
    assert (row.hits, row.distinct, math.isnan(row.repeats)) == (0, 0, True)
    assert list_distinct(study, "cat").empty


def test_study_that_does_not_know_says_how_to_build_it(tmp_path):
    with pytest.raises(MissingTable, match="no table 'distinct_hits'. Build it: python -m precompute index"):
        list_distinct(write_study(tmp_path / "old", animal_rows()), "dog")


def test_more_different_hits_than_hits_are_a_fault(tmp_path):
    assert study_faults(build(tmp_path / "mine", dog=101).folder) == ["distinct_hits: 1 counts above the hits, such as of dog"]
