"""What is expected at a frequency: the nearest concepts, their band, a test set's mean, and what frequency adds."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from backend import bands

PERCENT = (0, 100)


def peers_of(counts, values, tasks=None, images=None, bounds=PERCENT) -> bands.Peers:
    """The peers of concepts with these counts and scores, each a concept of its own."""
    tasks = ["t"] * len(counts) if tasks is None else tasks
    names = [f"c{i}" for i in range(len(counts))]
    points = pd.DataFrame({"task": tasks, "concept": names, "count": counts, "value": values, "n": images})
    return bands.gather_peers(points, bounds)


def band_by_hand(counts, values, count, nearest) -> np.ndarray:
    """Quantiles of the scores whose distance is at most that of the last of the nearest."""
    x = np.log10(np.maximum(counts, 1))
    distances = np.abs(x - np.log10(max(count, 1)))
    return np.quantile(np.asarray(values)[distances <= np.sort(distances)[nearest - 1] + 1e-9], (0.1, 0.5, 0.9))


@pytest.mark.parametrize(("concepts", "nearest"), [(60, 50), (1_000, 100), (6_000, 400)])
def test_band_is_the_quantiles_of_the_tenth_of_the_concepts_nearest_in_frequency(concepts, nearest):
    generator = np.random.default_rng(1)
    counts = (10 ** generator.uniform(-1, 4, concepts)).astype(int)  # a fifth of them zero, many alike
    values = generator.uniform(0, 100, concepts)
    queries = np.array([0, 1, 2, 7, 100, 2_345, 10_000, 10**6])
    found = bands.find_band(peers_of(counts, values), queries)
    by_hand = np.column_stack([band_by_hand(counts, values, count, nearest) for count in queries])
    np.testing.assert_allclose(found, by_hand)


def test_all_that_are_as_near_as_the_last_belong_to_the_band():
    counts, values = [0] * 80 + [1_000] * 80, [*range(80), *[90] * 80]
    low, middle, high = bands.find_band(peers_of(counts, values), np.array([0.0]))[:, 0]
    assert (low, middle, high) == pytest.approx((7.9, 39.5, 71.1))  # of all 80, not of 50


def test_fewer_than_fifty_concepts_are_all_each_others_peers():
    found = bands.find_band(peers_of([1, 10, 100], [0, 50, 100]), np.array([1.0, 100.0]))
    assert found.tolist() == [[10, 10], [50, 50], [90, 90]]


def test_zero_and_one_stand_in_one_place_as_in_every_fit():
    generator = np.random.default_rng(2)
    peers = peers_of(generator.integers(0, 1_000, 300), generator.uniform(0, 100, 300))
    zero, one = bands.find_band(peers, np.array([0.0, 1.0])).T
    assert zero.tolist() == one.tolist()


def test_order_of_the_concepts_changes_nothing():
    generator = np.random.default_rng(3)
    counts, values = generator.integers(0, 50, 500), generator.uniform(0, 100, 500)
    order = generator.permutation(500)
    one, other = peers_of(counts, values), peers_of(counts[order], values[order])
    queries = np.arange(50.0)
    np.testing.assert_allclose(bands.find_band(one, queries), bands.find_band(other, queries))


def test_concept_without_a_count_has_no_expected_score():
    table = bands.expect_scores(peers_of([1, 10, 100], [0, 50, 100]), np.array([np.nan, 10.0, 0.0, 101.0]))
    assert table["expected"].isna().tolist() == [True, False, False, False]
    assert table["extrapolates"].tolist() == [None, False, False, True]
    assert bands.expect_scores(peers_of([1, 10], [0, 1]), np.array([np.nan]))[["low", "high"]].isna().all(axis=None)


def test_traced_band_runs_from_the_least_count_to_the_greatest():
    traced = bands.trace_band(peers_of([0, 10, 1_000], [0, 50, 100]))
    assert traced["count"].iloc[[0, -1]].tolist() == pytest.approx([1, 1_000])
    assert (traced["low"] <= traced["expected"]).all() and (traced["expected"] <= traced["high"]).all()
    assert len(bands.trace_band(peers_of([7, 7, 7], [1, 2, 3]))) == 1


# Where the number of test images is known


def draw_study(concepts: int, images: int, seed: int) -> bands.Peers:
    """Concepts of accuracy Beta(2, 3), each measured on so many images."""
    generator = np.random.default_rng(seed)
    accuracies = generator.beta(2, 3, concepts)
    right = generator.binomial(images, accuracies)
    return peers_of(generator.integers(1, 10_000, concepts), 100 * right / images, images=[images] * concepts)


def test_law_of_the_concepts_is_found_behind_the_sampling_of_images():
    alpha, beta = bands.fit_beta(draw_study(40_000, 10, seed=4), np.array([3.0]))
    assert alpha[0] / (alpha[0] + beta[0]) == pytest.approx(2 / 5, abs=0.05)
    assert alpha[0] + beta[0] == pytest.approx(5, rel=0.3)


@pytest.mark.parametrize("images", [1, 5, 10, 300])
def test_band_of_a_score_over_few_images_is_beta_binomial(images):
    peers = draw_study(500, 10, seed=5)
    alpha, beta = bands.fit_beta(peers, np.array([2.0]))
    found = bands.find_band(peers, np.array([100.0]), np.array([float(images)]))[:, 0]
    law = stats.betabinom(images, alpha[0], beta[0])
    np.testing.assert_allclose(found, [100 * law.ppf(quantile) / images for quantile in (0.1, 0.5, 0.9)])


def test_more_images_leave_only_the_spread_between_concepts():
    peers = draw_study(500, 10, seed=6)
    few, many, endless = bands.find_band(peers, np.array([100.0] * 3), np.array([2.0, 1_000.0, 10.0**6])).T
    assert few[2] - few[0] > many[2] - many[0]
    np.testing.assert_allclose(many, endless, atol=0.2)


@pytest.mark.parametrize("images", [5, 50])
def test_four_in_five_new_scores_lie_in_the_band_whatever_their_number_of_images(images):
    peers = draw_study(2_000, 20, seed=7)
    generator = np.random.default_rng(8)
    scores = 100 * generator.binomial(images, generator.beta(2, 3, 4_000)) / images
    low, _, high = bands.find_band(peers, np.array([100.0]), np.array([float(images)]))[:, 0]
    # a band of whole images holds at least its share, and at most the two outermost numbers more
    law = stats.betabinom(images, 2, 3)
    assert 0.76 <= ((scores >= low) & (scores <= high)).mean() <= 0.84 + 2 * law.pmf(np.arange(images + 1)).max()


def test_scores_that_are_all_wrong_or_all_right_have_a_band():
    for value in (0.0, 100.0):
        peers = peers_of(range(1, 61), [value] * 60, images=[10] * 60)
        np.testing.assert_allclose(bands.find_band(peers, np.array([5.0]), np.array([10.0]))[:, 0], [value] * 3)


def test_scores_without_bounds_or_with_unknown_images_keep_their_quantiles():
    values = np.linspace(0, 100, 60)
    for unknown in (
        peers_of(range(1, 61), values, images=[10] * 60, bounds=None),
        peers_of(range(1, 61), values, images=[10] * 59 + [None]),
    ):
        assert unknown.images is None


# The mean of a test set


def draw_tasks(seed: int, images: int | None = None) -> tuple[bands.Peers, np.ndarray, float]:
    """Peers of all of 19 tasks but the last, its counts and its mean: each task has a level of its own, with deviation 10.

    With `images`, each score is the share of so many that are right.
    """
    tasks, concepts = 19, 60
    generator = np.random.default_rng(seed)
    names = np.repeat(np.arange(tasks), concepts)
    counts = (10 ** generator.uniform(0, 5, len(names))).astype(int)
    values = (
        20 + 6 * np.log10(np.maximum(counts, 1)) + generator.normal(0, 10, tasks)[names] + generator.normal(0, 15, len(names))
    )
    if images:
        values = 100 * generator.binomial(images, values.clip(0, 100) / 100) / images
    known = names < tasks - 1
    peers = peers_of(counts[known], values[known], names[known], [images] * known.sum())
    return peers, counts[~known], values[~known].mean()


@pytest.mark.parametrize("images", [None, 5])
def test_means_of_unseen_tasks_lie_in_the_range_four_times_in_five(images):
    inside = 0
    for seed in range(200):
        peers, counts, mean = draw_tasks(seed, images)
        expected = bands.expect_mean(peers, counts)
        inside += expected.low <= mean <= expected.high
    assert 0.73 <= inside / 200 <= 0.87


def test_range_of_a_mean_holds_the_tasks_own_effect_however_many_names_there_are():
    peers, counts, _ = draw_tasks(seed=1)
    few, many = bands.expect_mean(peers, counts[:2]), bands.expect_mean(peers, np.tile(counts, 100))
    assert few.high - few.low > many.high - many.low > 2 * 8  # two in three tasks lie within 10 points of the mean of all
    assert (few.names, few.test_sets) == (2, 18)


def test_too_few_tasks_leave_the_scatter_of_concepts_alone():
    generator = np.random.default_rng(9)
    peers = peers_of(generator.integers(1, 1_000, 300), generator.normal(50, 10, 300))
    expected = bands.expect_mean(peers, np.full(25, 100))
    assert expected.test_sets is None
    # 10 points of scatter, over 25 names and over the 50 nearest: 1.28 * 10 * sqrt(1/25 + 1/50) on each side
    assert (expected.high - expected.low) / 2 == pytest.approx(3.1, abs=0.4)


def test_range_of_a_few_concepts_is_not_narrow():
    expected = bands.expect_mean(peers_of([1, 10, 100, 1_000], [0, 100, 0, 100]), np.array([10.0]))
    assert (expected.low, expected.high) == (0, 100)


def test_mean_moves_with_the_scores_and_stays_within_their_bounds():
    peers, counts, _ = draw_tasks(seed=2)
    lower = bands.expect_mean(peers, counts)
    higher = bands.expect_mean(replace(peers, values=peers.values + 7), counts)
    assert higher.value - lower.value == pytest.approx(7)
    assert bands.expect_mean(replace(peers, values=peers.values + 70), counts).high == 100


def test_names_that_are_not_counted_have_no_mean():
    peers, *_ = draw_tasks(seed=3)
    assert bands.expect_mean(peers_of([1], [50]), np.array([1])) is None
    assert bands.expect_mean(peers, np.array([])) is None
    assert bands.expect_mean(peers, np.array([np.nan])) is None


# What frequency adds


def test_frequency_that_decides_the_score_adds_all_but_the_nearest_concepts_spread():
    counts = np.tile(np.geomspace(1, 10**5, 100).astype(int), 6)
    tasks = np.repeat(list("abcdef"), 100)
    gain = bands.weigh_frequency(peers_of(counts, 10 * np.log10(counts), tasks))
    # the median of all lies 25 x 0.5 away on average; a tenth of the concepts spans less than five points
    assert gain.without == pytest.approx(12.5, abs=0.5)
    assert gain.with_frequency < 1
    assert gain.left_out == "6 tasks"


def test_frequency_that_says_nothing_adds_nothing():
    generator = np.random.default_rng(10)
    gain = bands.weigh_frequency(peers_of(generator.integers(0, 1_000, 2_000), generator.uniform(0, 100, 2_000)))
    assert gain.with_frequency == pytest.approx(gain.without, rel=0.03)
    assert gain.left_out == "tenths of the concepts"


def test_single_concept_leaves_nothing_to_weigh():
    assert bands.weigh_frequency(peers_of([1], [50])) is None


def test_each_score_is_left_out_once():
    peers, *_ = draw_tasks(seed=4)
    parts = list(bands.leave_out(peers))
    assert len(parts) == 18
    assert sum(len(rest) for _, rest in parts) == len(peers)
    assert all(len(others) + len(rest) == len(peers) for others, rest in parts)
