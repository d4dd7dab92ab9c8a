"""Searches held against the truth: precision and recall, errors of frequency, and which rows stand for a corpus."""

import math

import pytest

from backend import quality
from backend.errors import EmptySelection
from backend.methods import Method
from backend.study import Study
from tests.tiny_study import animal_rows, count_rows, write_study

SEARCH = {
    "text": ["lemmatized"],
    "image": ["openclip@0.20", "openclip@0.30"],
    "chosen": {"text": "lemmatized", "image": "openclip@0.30", "joint": "lemmatized+openclip@0.30"},
    "tagger": "a test",
}


def quality_row(split: str, modality: str, method: str, found: int, relevant: int, correct: int) -> dict:
    threshold = Method(method).threshold
    row = {"corpus": "small", "split": split, "modality": modality, "method": method, "threshold": threshold}
    row |= {"found": found, "relevant": relevant, "correct": correct}
    return row | {"precision": None, "recall": None, "frequency_error": 0.25}


ROWS = [
    quality_row("validation", "image", "openclip@0.30", 4, 8, 4),
    quality_row("validation", "image", "openclip@0.20", 16, 8, 8),
    quality_row("all", "image", "openclip@0.20", 9, 9, 9),
    quality_row("all", "image", "openclip@0.30", 0, 10, 0),
    quality_row("all", "joint", "lemmatized+openclip@0.30", 5, 0, 0),
    quality_row("all", "text", "lemmatized", 10, 8, 6),
]
TRUTH = [
    {"corpus": "small", "concept": concept, "modality": modality, "count": count}
    for concept, modality, count in (("ant", "text", 9), ("dog", "text", 100), ("dog", "image", 19), ("unheard", "text", 5))
]


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Study:
    counts = animal_rows() + count_rows("small", "openclip@0.30", {"dog": 1})
    folder = tmp_path_factory.mktemp("quality") / "tiny"
    return write_study(folder, counts, manifest={"search": {"small": SEARCH}}, search_quality=ROWS, truth=TRUTH)


def test_precision_and_recall_are_percentages_of_found_and_of_relevant(study):
    searches = quality.list_searches(study, "small").set_index("method")
    assert searches.loc["lemmatized", ["precision", "recall"]].tolist() == [60, 75]


def test_search_that_found_nothing_has_no_precision(study):
    searches = quality.list_searches(study, "small").set_index("method")
    assert math.isnan(searches.loc["openclip@0.30", "precision"])
    assert searches.loc["openclip@0.30", "recall"] == 0
    assert math.isnan(searches.loc["lemmatized+openclip@0.30", "recall"])


def test_only_chosen_thresholds_stand_for_a_corpus_text_first(study):
    assert quality.list_searches(study, "small")["method"].tolist() == [
        "lemmatized",
        "openclip@0.30",
        "lemmatized+openclip@0.30",
    ]


def test_searches_are_those_of_the_corpus_asked_for(study):
    assert quality.list_searches(study, "large").empty


def test_validation_split_is_swept_by_rising_threshold_with_the_chosen_one_marked(study):
    swept = quality.sweep_thresholds(study)
    assert swept["threshold"].tolist() == [0.2, 0.3]
    assert swept["precision"].tolist() == [50, 100]
    assert swept["recall"].tolist() == [100, 50]
    assert swept["chosen"].tolist() == [False, True]


def test_counts_meet_their_truth_the_furthest_off_first(study):
    compared = quality.compare_truth(study, "small", SEARCH["chosen"].values())
    # ant: log10(1 / 10); dog by image: log10(2 / 20); dog by text: right; what was not counted is not compared
    assert compared[["concept", "modality", "count", "truth"]].values.tolist() == [
        ["ant", "text", 0, 9],
        ["dog", "image", 1, 19],
        ["dog", "text", 100, 100],
    ]
    assert compared["error"].tolist() == pytest.approx([-1, -1, 0])


def test_error_of_a_modality_is_the_mean_over_its_concepts(study):
    errors = quality.measure_error(quality.compare_truth(study, "small", SEARCH["chosen"].values()))
    assert errors.values.tolist() == [["text", 2, pytest.approx(0.5), 50.0], ["image", 1, pytest.approx(1), 0.0]]


def test_corpus_without_a_truth_is_named(study):
    with pytest.raises(EmptySelection, match="'large' has no concept with both a count and a true number"):
        quality.compare_truth(study, "large", SEARCH["chosen"].values())


def test_true_numbers_of_a_concept_and_of_one_that_has_none(study, tmp_path):
    assert quality.list_truth(study, "dog").values.tolist() == [["small", "image", 19], ["small", "text", 100]]
    assert quality.list_truth(study, "bee").empty
    assert quality.list_truth(write_study(tmp_path / "other", animal_rows()), "dog").empty


def test_truth_is_known_where_both_tables_are(study, tmp_path):
    assert quality.is_known(study)
    assert not quality.is_known(write_study(tmp_path / "other", animal_rows()))
    assert quality.list_known_corpora(study).tolist() == ["small"]
