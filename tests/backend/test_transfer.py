"""Forecasts of more data: their range, how they fared, and change of score against change of frequency."""

import math
from dataclasses import replace

import pandas as pd
import pytest

from backend import fits, transfer
from backend.errors import EmptySelection
from tests.tiny_study import ANIMALS_BEFORE, count_rows, model_row, score_rows, two_corpora, write_study

CHOICE = {"kind": "classification", "setting": "plain", "method": "lemmatized"}


@pytest.fixture
def line() -> fits.Fit:
    """A fit whose slope of an average task is 10 points a tenfold, from 5 to 20."""
    points = pd.DataFrame({"task": "t", "concept": list("abc"), "count": [1, 10, 100], "value": [10.0, 26.0, 30.0]})
    fit = fits.fit_points(points, "classification")
    return replace(fit, mixed_slope=10.0, mixed_low=5.0, mixed_high=20.0)


def test_data_needed_is_ten_to_the_gain_over_both_ends_of_the_slope(line):
    assert transfer.foresee_need(line, 50, 40.0, gain=10, ceiling=100) == pytest.approx((10**0.5, 100))
    assert transfer.foresee_need(line, 50, 40.0, gain=20, ceiling=100) == pytest.approx((10, 10_000))


@pytest.mark.parametrize(
    ("count", "value", "change"),
    [
        (0, 40.0, {}),
        (50, 90.1, {}),
        (50, 40.0, {"mixed_low": -0.1}),
        (50, 40.0, {"mixed_low": 0.0}),
        (50, 40.0, {"mixed_low": -20.0, "mixed_high": -5.0}),
        (50, 40.0, {"mixed_slope": math.nan, "slope_low": math.nan}),
    ],
    ids=["never counted", "above the ceiling", "reaches zero", "touches zero", "falls", "has no interval"],
)
def test_data_needed_is_silent_where_it_cannot_be_told(line, count, value, change):
    assert transfer.foresee_need(replace(line, **change), count, value, gain=10, ceiling=100) is None


def test_target_at_the_ceiling_is_told(line):
    assert transfer.foresee_need(line, 50, 90.0, gain=10, ceiling=100) is not None


def test_pooled_slope_stands_in_where_there_are_too_few_tasks(line):
    few = replace(line, mixed_slope=math.nan, slope=8.0, slope_low=2.0, slope_high=10.0)
    assert transfer.foresee_need(few, 50, 40.0, gain=10, ceiling=100) == pytest.approx((10, 10**5))


def test_slope_of_nearly_nothing_asks_for_more_than_any_number_but_overflows_nothing(line):
    least, most = transfer.foresee_need(replace(line, mixed_low=1e-9), 50, 40.0, gain=10, ceiling=100)
    assert least < most == 1e300


def test_forecast_is_the_slope_times_the_tenfolds_and_stands_beside_what_was_seen(tmp_path):
    table = transfer.check_forecasts(two_corpora(tmp_path / "s", {"small": 100, "large": 1_000}), **CHOICE)
    (row,) = table.to_dict("records")
    assert (row["architecture"], row["first"], row["second"]) == ("net", "net/small", "net/large")
    assert (row["corpus"], row["larger"], row["concepts"]) == ("small", "large", 4)
    assert (row["tenfolds"], row["seen"]) == (1.25, 15)
    assert (row["by_line"], row["foretold"], row["foretold_low"], row["foretold_high"]) == (11.25, 10, 7.5, 13.75)


def test_forecast_of_fewer_samples_has_its_lower_end_first(tmp_path):
    study = two_corpora(tmp_path / "s", {"small": 100, "large": 1_000}, after=dict.fromkeys(ANIMALS_BEFORE, 1))
    (row,) = transfer.check_forecasts(study, **CHOICE).to_dict("records")
    assert row["tenfolds"] == -1.5
    assert (row["foretold_low"], row["foretold"], row["foretold_high"]) == (-16.5, -12, -9)


def test_corpora_of_one_size_are_a_pair_but_no_forecast(tmp_path):
    study = two_corpora(tmp_path / "s", {"small": 100, "large": 100})
    assert transfer.list_pairs(study, **CHOICE)[["corpus", "larger", "grows"]].values.tolist() == [["large", "small", False]]
    assert transfer.check_forecasts(study, **CHOICE).empty


def test_corpus_of_unknown_size_is_larger_where_it_shows_more(tmp_path):
    study = two_corpora(tmp_path / "s", {"small": 100, "large": None})
    assert transfer.list_pairs(study, **CHOICE)[["corpus", "larger", "grows"]].values.tolist() == [["small", "large", True]]


def test_study_of_one_corpus_an_architecture_has_no_pair(tmp_path):
    scores = score_rows("net/small", {"ant": 10, "bee": 20})
    counts = count_rows("small", "lemmatized", {"ant": 1, "bee": 10})
    study = write_study(tmp_path / "s", counts, models=[model_row("net/small", "small")], performance=scores)
    assert transfer.list_pairs(study, **CHOICE).empty
    assert transfer.check_forecasts(study, **CHOICE).empty


def test_change_is_of_each_concept_by_itself(tmp_path):
    study = two_corpora(tmp_path / "s", {"small": 100, "large": 1_000})
    found = transfer.compare_change(study, "net/small", "net/large", **CHOICE)
    assert found.points["concept"].tolist() == list(ANIMALS_BEFORE)
    assert found.points["tenfolds"].tolist() == [1, 1, 2, 1]
    assert found.points["gained"].tolist() == [10, 10, 30, 10]
    assert (found.slope[0], found.intercept, found.pearson[0]) == (pytest.approx(20), pytest.approx(-10), pytest.approx(1))
    assert found.clusters == "4 concepts"


def test_change_of_too_few_shared_concepts_says_so(tmp_path):
    study = two_corpora(tmp_path / "s", {"small": 100, "large": 1_000}, after={"ant": 1, "bee": 2})
    with pytest.raises(EmptySelection, match="net/small and net/large share 2 concepts; a line needs 3"):
        transfer.compare_change(study, "net/small", "net/large", **CHOICE)


def changes(tasks: list[str], tenfolds: list[float], gained: list[float]) -> transfer.Change:
    concepts = [f"c{i}" for i in range(len(tasks))]
    points = pd.DataFrame({"task": tasks, "concept": concepts, "tenfolds": tenfolds, "gained": gained})
    return transfer.fit_change(points)


def test_tasks_are_drawn_where_there_are_enough_and_taken_out_within(tmp_path):
    tasks = [task for task in "abcdef" for _ in range(3)]
    levels = [10.0 * "abcdef".index(task) for task in tasks]
    tenfolds = [level / 10 + step for level, step in zip(levels, [0, 1, 2] * 6, strict=True)]
    gained = [level + 3 * step for level, step in zip(levels, [0, 1, 2] * 6, strict=True)]
    found = changes(tasks, tenfolds, gained)
    assert found.clusters == "6 tasks"
    assert found.within == pytest.approx((3, 3, 3))
    assert found.slope[0] > 6  # tasks that gained more samples gained more points, by 10 a tenfold
    assert found.slope[1] < found.slope[0] < found.slope[2]


@pytest.mark.parametrize(("tenfolds", "gained"), [([1, 1, 1], [1, 2, 3]), ([1, 2, 3], [5, 5, 5])])
def test_changes_that_are_all_alike_determine_nothing(tenfolds, gained):
    assert math.isnan(changes(["t"] * 3, tenfolds, gained).pearson[0])
