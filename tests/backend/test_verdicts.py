"""Who errs where caption and image disagree, sample by sample, and the pictures to compare with."""

from pathlib import Path

import pytest

from backend import verdicts
from backend.disagreements import find_misaligned
from backend.study import Study
from tests.searched_study import CAPTIONS, FAR, MISALIGNED, build
from tests.tiny_study import write_rows

# What the six samples show and name in truth. At 0.20 sample 2 agrees, 3 is image-only, 4 text-only, the last conflicts.
TRUTH = {
    0: (["rose"], ["rose"]),
    1: (["rose", "lily"], ["rose", "lily"]),
    2: (["rose"], ["lily"]),
    3: (["rose"], []),
    4: (["rose"], ["rose"]),
    FAR: (["rose", "lily"], ["rose"]),
}


def write_truth(study: Study, truth: dict[int, tuple[list[str], list[str]]]) -> Study:
    rows = [{"corpus": "mine", "sample_id": one, "shown": shown, "named": named} for one, (shown, named) in truth.items()]
    write_rows(study.folder, "sample_truth", rows)
    return Study(study.folder)


@pytest.fixture
def study(tmp_path) -> Study:
    return write_truth(build(tmp_path / "few"), TRUTH)


def judge(study: Study, threshold: float, kind: str) -> dict[int, str]:
    found = verdicts.judge_samples(study, "mine", find_misaligned(study, "mine", threshold, kind))
    return dict(zip(found["sample_id"], found["erring"], strict=True))


def test_caption_that_names_nothing_shown_errs_and_a_side_that_tells_of_one_of_two_does_not(study):
    # at 0.22: 2 says lily, and rose is seen and shown; the last says rose, lily is seen, and both are shown
    assert judge(study, 0.22, "conflicting") == {2: "the caption", FAR: "neither"}


def test_side_that_tells_of_nothing_errs_where_something_is_shown(study):
    assert judge(study, 0.2, "image-only") == {3: "the caption"}
    assert judge(study, 0.2, "text-only") == {4: "the tagger"}


def test_whoever_tells_of_something_errs_where_nothing_is_shown(tmp_path):
    empty = write_truth(build(tmp_path / "few"), {one: ([], ["rose"] if said else []) for one, said, *_ in MISALIGNED})
    assert judge(empty, 0.22, "conflicting") == {2: "both", FAR: "both"}
    assert judge(empty, 0.2, "image-only") == {3: "the tagger"}
    assert judge(empty, 0.2, "text-only") == {4: "the caption"}


def test_verdicts_add_up_to_the_samples_that_disagree(study):
    assert verdicts.count_verdicts(study, "mine", 0.22, "conflicting") == {
        "the caption": 1,
        "the tagger": 0,
        "both": 0,
        "neither": 1,
    }
    assert sum(verdicts.count_verdicts(study, "mine", 0.26, "text-only").values()) == 2
    assert sum(verdicts.count_verdicts(study, "mine", 0.3, "image-only").values()) == 0


def test_only_verdicts_about_a_concept_are_counted(study):
    # at 0.22 both samples are about rose, and the image of sample 2 has lily at 0.21 only
    assert verdicts.count_verdicts(study, "mine", 0.26, "text-only", "lily")["neither"] == 0
    assert sum(verdicts.count_verdicts(study, "mine", 0.22, "conflicting", "rose").values()) == 2


def test_portrait_is_the_first_sample_that_shows_the_concept_alone(study):
    found = verdicts.find_portraits(study, "mine", ["rose", "lily", "tulip"])
    assert found[["concept", "corpus", "sample_id", "caption"]].values.tolist() == [["rose", "mine", 0, CAPTIONS[0]]]


def test_portrait_comes_from_another_corpus_where_the_own_one_has_none(invented_study):
    never = "tailed fepso"  # zipf shows none of the last four species
    found = verdicts.find_portraits(invented_study, "zipf", [never, "striped daxu"]).set_index("concept")
    assert found["corpus"].to_dict() == {never: "balanced", "striped daxu": "zipf"}


def test_truth_of_samples_is_known_corpus_by_corpus(study, tmp_path):
    assert verdicts.knows_samples(study, "mine")
    assert not verdicts.knows_samples(study, "other")
    assert not verdicts.knows_samples(build(Path(tmp_path) / "unknown"), "mine")
