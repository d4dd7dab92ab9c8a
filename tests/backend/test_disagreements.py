"""Samples that disagree, worked out by hand: where a study has them by concept, and where it has no table of that."""

import json
import shutil

import pandas as pd
import pytest

from backend import disagreements
from backend.errors import EmptySelection
from backend.schema import MANIFEST
from backend.study import Study
from backend.validation import study_faults
from backend.writing import write_manifest
from tests.searched_study import FAR, build


@pytest.fixture(scope="module", params=["by concept", "by sample alone"])
def study(tmp_path_factory, request) -> Study:
    built = build(tmp_path_factory.mktemp("disagreements") / "tiny")
    if request.param == "by concept":
        return built
    shutil.rmtree(built.folder / "disagreements")
    manifest = json.loads((built.folder / MANIFEST).read_text(encoding="utf-8"))
    del manifest["tables"]["disagreements"]
    write_manifest(built.folder, manifest)
    return Study(built.folder)


def test_study_of_these_tests_has_no_fault(study):
    assert study_faults(study.folder) == []


@pytest.mark.parametrize(
    ("threshold", "concept", "expected"),
    [
        (0.20, None, [1, 1, 1]),
        (0.26, None, [1, 2, 1]),
        (0.30, None, [1, 3, 0]),
        (0.26, "rose", [1, 2, 1]),
        (0.26, "lily", [1, 0, 0]),
        (0.20, "lily", [1, 0, 0]),
        (0.26, "unicorn", [0, 0, 0]),
    ],
)
def test_disagreements_are_counted_by_kind(study, threshold, concept, expected):
    counts = disagreements.count_misaligned(study, "mine", threshold, concept)
    assert list(zip(counts["kind"], counts["samples"], strict=True)) == list(
        zip(["conflicting", "text-only", "image-only"], expected, strict=True)
    )
    for kind, count in zip(counts["kind"], counts["samples"], strict=True):
        assert len(disagreements.find_misaligned(study, "mine", threshold, kind, concept=concept)) == count


@pytest.mark.parametrize(
    ("threshold", "kind", "near_boundary", "expected"),
    [
        (0.20, "conflicting", False, [FAR]),  # only now is its lily seen
        (0.23, "conflicting", False, [2, FAR]),  # best 0.33, 0.24
        (0.23, "conflicting", True, [FAR, 2]),  # 0.24 is 0.01 away, and the agreed 0.21 of sample 2 is 0.02 away
        (0.26, "conflicting", False, [2]),
        (0.26, "text-only", False, [4, FAR]),
        (0.26, "text-only", True, [FAR, 4]),  # sample 4 has no score at all
        (0.26, "image-only", False, [3]),
        (0.30, "text-only", False, [1, 4, FAR]),  # 0.26 agreed no longer counts, nor does it as a conflict
        (0.30, "image-only", False, []),
    ],
)
def test_disagreeing_samples_and_their_order(study, threshold, kind, near_boundary, expected):
    found = disagreements.find_misaligned(study, "mine", threshold, kind, near_boundary=near_boundary)
    assert found["sample_id"].tolist() == expected


def test_disagreeing_sample_tells_its_concepts_and_scores(study):
    row = next(disagreements.find_misaligned(study, "mine", 0.26, "conflicting").itertuples(index=False))
    assert (row.caption, row.text_concepts, row.image_concepts) == ("a lily", ["lily"], ["rose"])
    assert [round(score, 2) for score in row.image_scores] == [0.33]
    assert (round(row.best, 2), round(row.agreed, 2), row.image) == (0.33, 0.21, "shards/0000.tar")


def test_pages_of_disagreeing_samples_follow_each_other(study):
    first, second = (
        disagreements.find_misaligned(study, "mine", 0.30, "text-only", limit=2, offset=offset)["sample_id"].tolist()
        for offset in (0, 2)
    )
    assert (first, second) == ([1, 4], [FAR])


@pytest.mark.parametrize("threshold", [0.19, 0.31])
def test_threshold_that_was_not_counted_is_refused(study, threshold):
    with pytest.raises(EmptySelection) as error:
        disagreements.count_misaligned(study, "mine", threshold)
    assert str(error.value) == f"The samples of 'mine' were compared at thresholds from 0.2 to 0.3, not {threshold}."


def test_threshold_from_a_slider_may_be_off_by_rounding(study):
    assert disagreements.count_misaligned(study, "mine", 0.1 + 0.2)["samples"].tolist() == [1, 3, 0]


def test_disagreements_are_swept_over_the_counted_thresholds(study):
    swept = disagreements.sweep_misaligned(study, "mine")
    assert swept.pivot(index="threshold", columns="kind", values="samples").reset_index().values.tolist() == [
        [0.2, 1, 1, 1],  # threshold, conflicting, image-only, text-only
        [0.26, 1, 1, 2],
        [0.3, 1, 0, 3],
    ]


@pytest.mark.parametrize("concept", [None, "rose", "lily", "unicorn"])
def test_profile_counts_as_each_threshold_does_by_itself(study, concept):
    profile = disagreements.profile_misaligned(study, "mine", concept)
    steps = disagreements.list_steps([0.20, 0.26, 0.30])
    assert len(steps) == 11
    for threshold in steps:
        pd.testing.assert_frame_equal(
            disagreements.count_profile(profile, threshold), disagreements.count_misaligned(study, "mine", threshold, concept)
        )
