"""Two corpora of unequal size: rates, an exact test, its interval, and hits that clump."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from backend.rates import Rates, compare_rates, measure_dispersion

NAMES = ["ant", "bee", "cat", "dog"]


def rates(pairs: int, *counts: int, names: list[str] = NAMES) -> Rates:
    return Rates(pd.Series(counts, index=names[: len(counts)]), pairs)


def compare(own: Rates, reference: Rates, dispersion: float = 1.0) -> pd.DataFrame:
    return compare_rates(own, reference, dispersion).set_index("concept")


def draw(seed: int, pairs: int, size: int, clump: int = 1, rate: float = 0.01) -> Rates:
    """Counts of many concepts that are shown alike, in clumps of equal hits."""
    counts = clump * np.random.default_rng(seed).poisson(rate * pairs / clump, size)
    return Rates(pd.Series(counts, index=[f"c{i}" for i in range(size)]), pairs)


def test_rates_ranks_and_missing_samples_are_those_of_the_pairs():
    table = compare(rates(1_000, 10, 0, 5), rates(10_000, 100, 200, 5))
    assert table.loc["ant", ["per_million", "reference_per_million", "times", "fewer"]].tolist() == [10_000, 10_000, 1, 0]
    assert table.loc["bee", ["count", "reference_count", "times", "fewer"]].tolist() == [0, 200, 0, 20]
    assert table.loc["cat", "times"] == 10
    assert table["rank"].to_dict() == {"ant": 1, "cat": 2, "bee": 3}
    assert table["reference_rank"].to_dict() == {"bee": 1, "ant": 2, "cat": 3}
    assert table["shift"].to_dict() == {"bee": 2, "ant": -1, "cat": -1}
    assert table.index.tolist() == ["bee", "ant", "cat"]  # what misses most comes first


def test_p_and_interval_are_the_exact_conditional_ones():
    table = compare(rates(1_000, 3), rates(9_000, 60))
    held = stats.binom(63, 0.1)
    assert table.loc["ant", "p"] == pytest.approx(2 * min(held.cdf(3), held.sf(2)))
    low, high = stats.binomtest(3, 63).proportion_ci(0.95, "exact")
    expected = [share / (1 - share) * 9 for share in (low, high)]
    assert table.loc["ant", ["times_low", "times_high"]].tolist() == pytest.approx(expected)


def test_only_a_share_that_is_surely_below_half_is_hardly_shown():
    table = compare(rates(100_000, 0, 700, 100, 1_000), rates(100_000, 1_000, 1_000, 200, 1_000))
    assert table["stands_out"].to_dict() == {"ant": True, "bee": True, "cat": True, "dog": False}
    assert table["hardly"].to_dict() == {"ant": True, "bee": False, "cat": False, "dog": False}


def test_concept_that_neither_corpus_shows_has_no_p_and_never_stands_out():
    table = compare(rates(10, 0, 5), rates(1_000, 0, 5))
    assert np.isnan(table.loc["ant", "p"]) and np.isnan(table.loc["ant", "times"])
    assert not table.loc["ant", "stands_out"]
    assert not table.loc["ant", "hardly"]


def test_corpora_may_change_places():
    one, other = rates(1_000, 30, 2, 5), rates(7_000, 90, 60, 0)
    there, back = compare(one, other), compare(other, one)
    assert there["p"].to_dict() == pytest.approx(back["p"].to_dict())
    assert there.loc["bee", "times"] == pytest.approx(1 / back.loc["bee", "times"])
    assert there.loc["bee", "times_low"] == pytest.approx(1 / back.loc["bee", "times_high"])


def test_concepts_that_one_corpus_does_not_count_are_left_out():
    assert compare(rates(10, 1, 1), rates(10, 1, names=["bee"])).index.tolist() == ["bee"]
    assert compare(rates(10, 1), rates(10, 1, names=["elk"])).empty


def test_alike_corpora_rarely_have_a_small_p():
    table = compare_rates(draw(1, 10_000, 2_000), draw(2, 50_000, 2_000))
    assert (table["p"] < 0.05).mean() < 0.05
    assert table["stands_out"].sum() == 0


def test_clumped_hits_look_sure_until_the_dispersion_is_known():
    own, reference = draw(1, 10_000, 2_000, clump=5), draw(2, 50_000, 2_000, clump=5)
    assert (compare_rates(own, reference)["p"] < 0.05).mean() > 0.2
    assert (compare_rates(own, reference, 5.0)["p"] < 0.05).mean() < 0.05


def test_dispersion_is_one_for_independent_hits_and_the_clump_for_clumps():
    drawn = np.random.default_rng(3).poisson(20, (500, 20))
    assert measure_dispersion(drawn) == pytest.approx(1.0, abs=0.03)
    assert measure_dispersion(5 * drawn) == pytest.approx(5.0, abs=0.15)


def test_dispersion_needs_a_hit_a_block():
    assert measure_dispersion(np.array([[1, 0, 0, 0], [0, 0, 0, 0]])) is None
    assert measure_dispersion(np.empty((0, 20))) is None
    assert measure_dispersion(np.full((3, 4), 7)) == 1.0
