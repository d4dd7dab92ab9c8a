"""What a corpus's counts let one expect by another's line, and what to collect."""

import numpy as np
import pandas as pd
import pytest

from backend.bands import expect_mean
from backend.collecting import Selection, expect_tasks, list_needs, plan_collection, read_line
from backend.corpus_report import read_corpus
from backend.errors import EmptySelection
from backend.rates import Rates, compare_rates
from backend.transfer import foresee_need
from tests.tiny_study import ANIMALS_BEFORE, count_rows, two_corpora, write_study

SELECTION = Selection("net/small", "small", "lemmatized", "plain", "classification")


@pytest.fixture
def holder(tmp_path):
    """net/small scores 10, 20, 30, 40 at 1, 10, 100, 1000 samples, with a mixed slope of 8 [6, 11]."""
    return two_corpora(tmp_path / "holder", {"small": 10_000, "large": 100_000})


def counted(tmp_path, **counts: int):
    study = write_study(tmp_path / "mine", count_rows("mine", "lemmatized", counts, task="beasts"), pairs={"mine": 1_000})
    return read_corpus(study, "mine", "lemmatized")


def test_more_samples_bring_a_share_to_that_of_the_reference(tmp_path):
    own = counted(tmp_path, ant=10, bee=0, cat=50)
    reference = Rates(pd.Series({"ant": 2_000, "bee": 100, "cat": 10}), 10_000)
    needs = list_needs(own, compare_rates(Rates(own.counts, 1_000), reference), None, None).set_index("concept")
    # (10 + m) / (1,000 + m) = 0.2 at m = 237.5; (0 + m) / (1,000 + m) = 0.01 at 10.1; the cat has more than its share
    assert needs["to_share"].to_dict() == {"ant": 238, "bee": 11}
    assert "more_low" not in needs


def test_more_samples_for_ten_points_are_those_of_the_slopes_interval(tmp_path, holder):
    own = counted(tmp_path, ant=0, cat=100, dog=1_000)
    line = read_line(holder, SELECTION)
    needs = list_needs(own, None, line, 100.0).set_index("concept")
    assert needs.index.tolist() == ["ant", "cat", "dog"]  # without a reference the rarest come first
    low, high = foresee_need(line.fit, 100, needs.loc["cat", "expected"], gain=10, ceiling=100)
    assert needs.loc["cat", ["more_low", "more_high"]].tolist() == [np.ceil(100 * (low - 1)), np.ceil(100 * (high - 1))]
    assert low == pytest.approx(10 ** (10 / 11))
    assert needs.loc["ant", ["more_low", "more_high"]].isna().all()  # no multiple of zero is more


def test_nothing_is_told_above_the_ceiling(tmp_path, holder):
    needs = list_needs(counted(tmp_path, dog=1_000), None, read_line(holder, SELECTION), 30.0)
    assert needs["more_low"].isna().all()


def test_plan_joins_reference_and_line(tmp_path, holder):
    own = counted(tmp_path, ant=1, bee=1, cat=1, dog=1)
    plan = plan_collection(own, (holder, "large"), (holder, SELECTION)).set_index("concept")
    assert plan.index.tolist() == ["cat", "dog"]  # 10,000 of 100,000 each; ant and bee have their share
    assert plan["to_share"].tolist() == [110, 110]  # (1 + m) / (1,000 + m) = 0.1
    assert plan["more_low"].notna().all()
    alone = plan_collection(own, None, None)
    assert alone.columns.tolist() == ["concept", "count"]


def test_each_task_is_expected_its_mean_over_the_line_s_peers(tmp_path, holder):
    own = counted(tmp_path, ant=0, bee=100, yak=20_000)
    (row,) = expect_tasks(own, holder, SELECTION).to_dict("records")
    mean = expect_mean(read_line(holder, SELECTION).peers, np.array([0.0, 100.0, 20_000.0]))
    assert (row["task"], row["concepts"], row["missing"]) == ("beasts", 3, 1)
    assert (row["expected"], row["low"], row["high"]) == (mean.value, mean.low, mean.high)
    assert row["low"] < row["expected"] < row["high"]
    assert row["outside"] == pytest.approx(100 / 3)  # the yak; a count of zero stands where one does
    assert row["measured"] == 15  # its 10 on the ant and 20 on the bee; it was not asked for a yak


def test_task_of_another_kind_has_no_line(tmp_path, holder):
    study = write_study(
        tmp_path / "mine",
        count_rows("mine", "lemmatized", ANIMALS_BEFORE),
        concepts=[
            {"task": "animals", "kind": "retrieval", "label": name, "concept": name, "words": [name]} for name in ANIMALS_BEFORE
        ],
    )
    with pytest.raises(EmptySelection, match="counted for no task of the kind classification"):
        expect_tasks(read_corpus(study, "mine", "lemmatized"), holder, SELECTION)


def test_line_needs_three_points(tmp_path):
    study = two_corpora(tmp_path / "few", {"small": 10, "large": 100}, after={"ant": 1, "bee": 2})
    with pytest.raises(EmptySelection, match="A line needs 3 points; net/large has 2"):
        read_line(study, Selection("net/large", "large", "lemmatized", "plain", "classification"))
