"""With which corpus and model a study begins."""

import pytest

from backend.defaults import Start, find_start, list_scored_models, pick_corpus
from tests.tiny_study import animal_rows, model_row, overall_row, score_rows, write_study

MODELS = [model_row("net/small", "small"), model_row("net/large", "large"), model_row("old/large", "large")]
MODELS += [model_row("open/other", None), model_row("never scored", "large")]


def write(folder, **manifest):
    """Three models with scores of 10, 20 and 30 on two corpora, one of 40 on data that is not counted, and one without any."""
    scored = zip(("net/small", "old/large", "net/large", "open/other"), (10, 20, 30, 40), strict=True)
    scores = [(model, value, score_rows(model, {"ant": value})) for model, value in scored]
    return write_study(
        folder / "tiny",
        animal_rows(),
        manifest=manifest,
        models=MODELS,
        performance=[row for _, _, rows in scores for row in rows],
        overall=[overall_row(model, "animals", value) for model, value, _ in scores],
    )


def test_manifest_names_the_corpus_and_the_model_to_begin_with(tmp_path):
    study = write(tmp_path, main={"corpus": "small", "model": "old/large"})
    assert find_start(study) == Start("small", "old/large")


def test_without_it_the_corpus_of_most_pairs_and_its_best_model_come_first(tmp_path):
    assert find_start(write(tmp_path)) == Start("large", "net/large")


@pytest.mark.parametrize("main", [{"corpus": "absent", "model": "absent"}, {"corpus": "absent", "model": "never scored"}])
def test_what_the_manifest_names_and_the_study_lacks_is_passed_over(tmp_path, main):
    assert find_start(write(tmp_path, main=main)) == Start("large", "net/large")


def test_best_of_all_stands_for_a_corpus_that_trained_none(tmp_path):
    models = [model_row("net", None), model_row("other", None)]
    scores = score_rows("net", {"ant": 1}) + score_rows("other", {"ant": 2})
    overall = [overall_row("net", "animals", 1), overall_row("other", "animals", 2)]
    study = write_study(tmp_path / "tiny", animal_rows(), models=models, performance=scores, overall=overall)
    assert find_start(study) == Start("large", "other")


def test_study_without_counts_or_scores_begins_with_neither(tmp_path):
    assert find_start(write_study(tmp_path / "empty")) == Start(None, None)
    assert find_start(write_study(tmp_path / "counts", animal_rows())) == Start("large", None)


def test_models_stand_from_best_to_worst_and_by_kind(tmp_path):
    rows = list_scored_models(write(tmp_path))
    assert rows["model"].tolist() == ["open/other", "net/large", "old/large", "net/small"]
    assert rows["score"].tolist() == [40, 30, 20, 10]
    assert rows["corpus"].fillna("").tolist() == ["", "large", "large", "small"]


def test_models_without_an_overall_score_stand_by_name(tmp_path):
    models = [model_row("b", "small"), model_row("a", "small")]
    scores = score_rows("a", {"ant": 1}) + score_rows("b", {"ant": 2})
    rows = list_scored_models(write_study(tmp_path / "tiny", animal_rows(), models=models, performance=scores))
    assert rows["model"].tolist() == ["a", "b"]
    assert rows["score"].isna().all()


def test_corpus_to_begin_with_is_picked_where_it_can_be(tmp_path):
    study = write(tmp_path, main={"corpus": "small"})
    assert pick_corpus(study, ["large", "small"]) == "small"
    assert pick_corpus(study, ["large"]) == "large"


def test_corpus_of_unknown_size_is_picked_last(tmp_path):
    study = write_study(tmp_path / "tiny", animal_rows(), pairs={"small": 5, "large": None})
    assert find_start(study) == Start("small", None)
