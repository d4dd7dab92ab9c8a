"""The ladder of concepts: one of each part by frequency, picked by how many tasks name it."""

import pytest

from backend import ladder
from backend.study import Study
from tests.tiny_study import count_rows, score_rows, write_study

COUNTS = {"ant": 0, "bee": 1, "red fox": 5, "cat": 10, "dog": 100, "elk": 1_000}  # percentiles 0, 17, 33, 50, 67, 83


def build(folder, scores=None, pets=("bee", "dog")) -> Study:
    rows = count_rows("c", "lemmatized", COUNTS)
    rows += count_rows("c", "lemmatized", {name: COUNTS[name] for name in pets}, task="pets")
    return write_study(folder, rows, **({"performance": scores} if scores else {}))


def climb(study: Study, steps: int = 2, model: str | None = None):
    return ladder.climb_down(study, "c", "lemmatized", model=model, setting="plain", steps=steps)


def test_each_part_gives_the_concept_that_most_tasks_name_the_commonest_first(tmp_path):
    rows = climb(build(tmp_path))
    assert rows[["concept", "count", "tasks"]].values.tolist() == [["dog", 100, 2], ["bee", 1, 2]]


def test_of_as_many_tasks_the_one_of_fewest_words_comes_then_the_first_by_name(tmp_path):
    rows = climb(build(tmp_path, pets=()))
    assert rows["concept"].tolist() == ["cat", "ant"]
    assert climb(build(tmp_path / "fine", pets=()), steps=3)["concept"].tolist() == ["dog", "cat", "ant"]


def test_only_concepts_that_the_model_was_scored_on_are_taken_with_their_mean(tmp_path):
    scores = score_rows("net", {"cat": 40, "bee": 10}) + score_rows("net", {"bee": 30}, task="pets")
    rows = climb(build(tmp_path, scores), model="net")
    assert rows[["concept", "value"]].values.tolist() == [["cat", 40.0], ["bee", 20.0]]
    assert climb(build(tmp_path / "other", scores), model="unheard of").empty


def test_scores_under_another_setting_are_none(tmp_path):
    study = build(tmp_path, score_rows("net", {"cat": 40}, setting="other"))
    assert climb(study, model="net").empty


def test_ladder_without_a_model_has_no_values(tmp_path):
    assert climb(build(tmp_path))["value"].isna().all()


def test_part_without_a_concept_has_no_row(tmp_path):
    assert climb(build(tmp_path), steps=100)["count"].tolist() == [1_000, 100, 10, 5, 1, 0]


def test_ladder_of_the_paper_has_a_step_of_each_tenth_and_no_count_that_is_known_to_be_wrong(published_study):
    rows = ladder.climb_down(published_study, "laion400m", "rampp@0.7", model="ViT-L-14/laion400m", setting="ensemble")
    assert (rows["percentile"] // 10).tolist() == pytest.approx(list(range(9, -1, -1)))
    assert {"rose", "colt's foot"}.isdisjoint(rows["concept"])
    assert rows["tasks"].min() >= 2
