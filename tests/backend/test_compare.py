"""Two models side by side: paired intervals, the line of their difference, and which way mistakes go."""

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.proportion import confint_proportions_2indep

from backend import compare
from backend.errors import EmptySelection
from tests.compared_study import COUNTS, accuracy, guess_rows, write_compared
from tests.tiny_study import count_rows, model_row, score_rows, write_study

CHOICE = {"kind": "classification", "setting": "plain", "corpus": "web", "method": "lemmatized"}


@pytest.fixture
def study(tmp_path):
    return write_compared(tmp_path / "s")


def test_difference_is_the_first_less_the_second(study):
    found = compare.compare_models(study, "one", "other", **CHOICE)
    assert found.points["difference"].tolist() == pytest.approx([200 / 3, -100 / 3, 0, 50])
    assert found.mean[0] == pytest.approx((200 / 3 - 100 / 3 + 50) / 4)
    assert found.mean[1] <= found.mean[0] <= found.mean[2]
    assert (found.points["paired"].all(), found.clusters) == (True, "4 concepts")


def test_both_orders_give_the_same_with_the_sign_turned(study):
    there = compare.compare_models(study, "one", "other", **CHOICE)
    back = compare.compare_models(study, "other", "one", **CHOICE)
    assert back.points["low"].tolist() == pytest.approx((-there.points["high"]).tolist())
    assert back.fit.slope == pytest.approx(-there.fit.slope)


def test_fewer_than_three_shared_concepts_are_refused(study):
    with pytest.raises(EmptySelection, match="one and third share 1 concepts with a score"):
        compare.compare_models(study, "one", "third", **CHOICE)


def test_rivals_with_results_on_the_same_images_come_first(study):
    assert compare.list_rivals(study, "one", kind="classification", setting="plain") == ["other", "third"]
    assert compare.list_by_image(study, "plain") == ["one", "other"]


def test_paired_limits_of_a_worked_example():
    low, high = compare.find_paired_interval(np.array([8.0]), np.array([3.0]), np.array([0.0]))
    error = 1.959964 * np.sqrt((0.4 + 0.1 - 0.3**2) / 10)
    assert (low[0], high[0]) == (pytest.approx(100 * (0.3 - error), abs=1e-3), pytest.approx(100 * (0.3 + error), abs=1e-3))


@pytest.mark.parametrize(("images", "better", "worse"), [(5, 0.2, 0.2), (10, 0.3, 0.1), (50, 0.25, 0.05), (50, 0.5, 0.4)])
def test_paired_limits_hold_the_truth_as_often_as_they_say(images, better, worse):
    dice = np.random.default_rng(0)
    drawn = dice.multinomial(images, [better, worse, 1 - better - worse], 4_000).astype(float)
    low, high = compare.find_paired_interval(np.full(4_000, float(images)), drawn[:, 0], drawn[:, 1])
    truth = 100 * (better - worse)
    assert ((low <= truth) & (truth <= high)).mean() > 0.93


def test_concept_stands_out_where_one_model_alone_knows_it(tmp_path):
    guesses = {name: {label: [label] * 10 for label in COUNTS} for name in ("one", "other")}
    guesses["other"]["bee"] = ["dog"] * 10
    scores = [row for name, made in guesses.items() for row in score_rows(name, accuracy(made))]
    study = write_study(
        tmp_path / "s",
        count_rows("web", "lemmatized", COUNTS),
        models=[model_row("one", "web"), model_row("other", None)],
        performance=scores,
        predictions=[row for name, made in guesses.items() for row in guess_rows(name, made)],
    )
    points = compare.compare_models(study, "one", "other", **CHOICE).points
    # 2 * 0.5^10 - 0.5^10 = 0.00098, times four comparisons
    assert points["stands_out"].tolist() == [False, True, False, False]


def test_scores_without_images_have_limits_by_their_number(tmp_path):
    rows = [
        row | {"n": 20}
        for model, value in (("one", 60), ("other", 40))
        for row in score_rows(model, dict.fromkeys(COUNTS, value))
    ]
    models = [model_row("one", "web"), model_row("other", None)]
    study = write_study(tmp_path / "s", count_rows("web", "lemmatized", COUNTS), models=models, performance=rows)
    points = compare.compare_models(study, "one", "other", **CHOICE).points
    assert not points["paired"].any()
    assert (points["low"] < 0).all() and (points["high"] > 20).all()


def test_label_that_a_task_spells_otherwise_joins_by_its_concept(tmp_path):
    names = {"Ant": 10, "bee": 20, "cat": 30, "dog": 40}  # the label "Ant" has the concept "ant"
    both = {"BEE": 5, "bee": 7, "ant": 1, "cat": 2}  # of two labels of one concept, the one that is spelled alike
    study = write_study(
        tmp_path / "s",
        [*count_rows("web", "lemmatized", COUNTS), *count_rows("web", "lemmatized", {"Ant": 1, "BEE": 10})],
        models=[model_row("one", "web"), model_row("other", None)],
        performance=[*score_rows("one", names), *score_rows("other", both)],
    )
    points = compare.compare_models(study, "one", "other", **CHOICE).points
    assert points[["label", "first", "second"]].values.tolist() == [["Ant", 10, 1], ["bee", 20, 7], ["cat", 30, 2]]
    assert compare.list_rivals(study, "one", kind="classification", setting="plain") == ["other"]


def test_difference_lies_within_its_limits_where_one_models_images_are_unknown(tmp_path):
    known = [row | {"n": 6} for row in score_rows("one", dict.fromkeys(COUNTS, 50))]
    rows = [*known, *score_rows("other", dict.fromkeys(COUNTS, 40.8))]  # 2.4 of six images
    models = [model_row("one", "web"), model_row("other", None)]
    study = write_study(tmp_path / "s", count_rows("web", "lemmatized", COUNTS), models=models, performance=rows)
    points = compare.compare_models(study, "one", "other", **CHOICE).points
    low, high = (100 * end for end in confint_proportions_2indep(3, 6, 0.408 * 6, 6, method="newcomb"))
    assert points["low"].tolist() == pytest.approx([low] * 4)
    assert points["high"].tolist() == pytest.approx([high] * 4)
    assert not points["stands_out"].any()


def test_images_of_a_mistake_are_those_of_one_model(study):
    rows = compare.list_cell(study, "one", setting="plain", task="animals", label="bee", guess="dog")
    assert rows[["item", "place", "guess"]].values.tolist() == [["bee/1", 3, "dog"], ["bee/2", 3, "dog"]]
    assert compare.list_cell(study, "other", setting="plain", task="animals", label="bee", guess="dog")["item"].tolist() == [
        "bee/2"
    ]


def test_mistakes_are_counted_with_both_frequencies(study):
    mistakes = compare.list_mistakes(study, "one", setting="plain", corpus="web", method="lemmatized")
    rows = mistakes[["concept", "guessed", "images", "count", "guess_count"]].values.tolist()
    assert rows == [["bee", "dog", 2, 10, 1_000], ["ant", "cat", 1, 1, 100]]


def test_pull_is_the_share_of_mistakes_towards_the_more_frequent(study):
    mistakes = compare.list_mistakes(study, "other", setting="plain", corpus="web", method="lemmatized")
    classes = compare.list_classes(study, ["animals"], corpus="web", method="lemmatized")
    pull = compare.measure_pull(mistakes, classes)
    # ant taken for cat twice and dog once, bee for dog once: towards the frequent; dog for ant once: towards the rare.
    assert (pull.mistakes, pull.share[0]) == (5, pytest.approx(80))
    # Of three other classes more frequent than the ant are three, than the bee two, than the dog none.
    assert pull.by_chance == pytest.approx(100 * (3 * 1 + 2 / 3 + 0) / 5)


def test_no_mistake_is_said(study):
    with pytest.raises(EmptySelection, match="No image was taken for something else"):
        compare.measure_pull(pd.DataFrame(columns=["task", "concept", "count", "guess_count", "images"]), pd.DataFrame())


def test_images_of_a_class_begin_with_those_in_dispute(study):
    rows = compare.list_images(study, "one", "other", setting="plain", task="animals", label="bee")
    assert rows[["item", "first_guess", "second_guess"]].values.tolist() == [
        ["bee/1", "dog", "bee"],
        ["bee/0", "bee", "bee"],
        ["bee/2", "dog", "dog"],
    ]
    assert rows["first_place"].tolist()[0] > 1
