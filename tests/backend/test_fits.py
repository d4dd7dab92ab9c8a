"""Fits: against answers worked out by hand, and against scipy, statsmodels and a plain loop."""

import math

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy import stats

from backend import clusters, fits
from backend.errors import EmptySelection


def make_points(counts, values, tasks=None) -> pd.DataFrame:
    """Points as `join_points` gives them, as far as a fit needs them."""
    names = [f"c{i}" for i in range(len(counts))]
    frame = pd.DataFrame({"task": tasks or ["a"] * len(counts), "concept": names, "count": counts, "value": values})
    return frame.astype({"value": float})


def fit(counts, values, tasks=None, kind="classification") -> fits.Fit:
    return fits.fit_points(make_points(counts, values, tasks), kind)


@pytest.fixture(scope="module")
def cloud() -> pd.DataFrame:
    """200 random points of three tasks, zeros and ties among them."""
    generator = np.random.default_rng(1)
    counts = np.floor(10 ** generator.uniform(-1, 5, 200)).astype(int)
    tasks = generator.choice(["a", "b", "c"], 200)
    values = 8 * np.log10(np.maximum(counts, 1)) + 10 * (tasks == "b") + generator.normal(0, 12, 200)
    return make_points(counts, np.round(values, 1), list(tasks))


def test_three_points_on_a_line():
    line = fit([1, 10, 100], [20, 30, 40])
    assert (line.n, line.n_zero) == (3, 0)
    assert (line.slope, line.intercept) == pytest.approx((10, 20))
    assert (line.pearson_r, line.spearman_r) == pytest.approx((1, 1))
    assert (line.log_count_min, line.log_count_max) == pytest.approx((0, 2))


def test_zero_counts_stand_at_one_and_are_counted():
    line = fit([0, 0, 10, 100], [10, 20, 30, 40])
    assert (line.n, line.n_zero, line.log_count_min) == (4, 2, 0)
    other = vars(fit([0, 1, 10, 100], [10, 20, 30, 40]))
    assert (line.spearman_r, other["spearman_r"]) == (pytest.approx(3 / math.sqrt(10)), pytest.approx(1))
    assert other == pytest.approx(vars(line) | {"n_zero": 1, "spearman_r": 1.0}, nan_ok=True)


def test_rank_correlation_ranks_the_counts_themselves_zero_below_one():
    assert fit([0, 1, 1, 10], [10, 20, 20, 40]).spearman_r == pytest.approx(1)
    assert fit([0, 1, 2, 10], [20, 10, 30, 40]).spearman_r == pytest.approx(0.8)


def test_all_counts_zero_leave_nothing_to_fit():
    line = fit([0, 0, 0, 0], [10, 20, 30, 40])
    assert (line.n, line.n_zero) == (4, 4)
    undetermined = ["slope", "pearson_r", "pearson_p", "spearman_r", "binned_r", "within_task_slope", "curvature_p"]
    assert [name for name in undetermined if not math.isnan(getattr(line, name))] == []


@pytest.mark.parametrize("count", [7, 999, 3_000_001])
def test_one_frequency_for_all_determines_no_statistic(count):
    line = fit([count] * 50, list(range(50)))
    names = ["slope", "intercept", "pearson_r", "pearson_low", "pearson_high", "pearson_p", "spearman_r"]
    names += ["binned_r", "binned_p", "within_task_slope", "curvature_p"]
    assert [name for name in names if not math.isnan(getattr(line, name))] == []


@pytest.mark.parametrize("score", [60.0, 0.1, 100 / 3])
@pytest.mark.filterwarnings("error")
def test_one_score_for_all_has_a_flat_line_and_no_correlation(score):
    line = fit([0, 3, 10, 70, 100, 2000, 30_000, 30_000], [score] * 8)
    assert (line.slope, line.intercept) == (pytest.approx(0, abs=1e-9), pytest.approx(score))
    names = ["pearson_r", "pearson_low", "pearson_high", "pearson_p", "spearman_r", "binned_r", "curvature_p"]
    assert [name for name in names if not math.isnan(getattr(line, name))] == []


def test_fewer_than_three_points_are_refused():
    with pytest.raises(EmptySelection, match=r"^A fit needs 3 points; this selection has 2\.$"):
        fit([1, 10], [1, 2])


def test_correlations_are_those_of_scipy(cloud):
    line = fits.fit_points(cloud, "classification")
    x = np.log10(np.maximum(cloud["count"], 1))
    assert (line.pearson_r, line.pearson_p) == pytest.approx(tuple(stats.pearsonr(x, cloud["value"])))
    assert line.spearman_r == pytest.approx(stats.spearmanr(cloud["count"], cloud["value"]).statistic)
    expected = stats.linregress(x, cloud["value"])
    assert (line.slope, line.intercept) == pytest.approx((expected.slope, expected.intercept))


@pytest.mark.parametrize("n", [3, 4, 10])
def test_p_of_a_few_points_is_that_of_scipy(cloud, n):
    few = cloud.head(n)
    x = np.log10(np.maximum(few["count"], 1))
    line = fits.fit_points(few, "classification")
    assert line.pearson_p == pytest.approx(stats.pearsonr(x, few["value"]).pvalue)


def test_curvature_p_is_the_t_test_of_the_quadratic_term(cloud):
    expected = smf.ols("value ~ x + I(x**2)", cloud.assign(x=np.log10(cloud["count"].clip(lower=1)))).fit()
    line = fits.fit_points(cloud, "classification")
    assert line.curvature_p == pytest.approx(expected.pvalues["I(x ** 2)"])


def test_curve_has_a_small_curvature_p_and_a_noisy_line_a_large_one():
    counts = [1, 10, 100, 1000, 10_000] * 4
    noise = [1, -1, -1, 1, 0, -1, 1, 1, -1, 0] * 2
    curved = [x**2 * 4 + e for x, e in zip([0, 1, 2, 3, 4] * 4, noise, strict=True)]
    straight = [x * 4 + e for x, e in zip([0, 1, 2, 3, 4] * 4, noise, strict=True)]
    assert fit(counts, curved).curvature_p < 1e-10
    assert fit(counts, straight).curvature_p > 0.5


def test_two_frequencies_determine_no_curvature():
    assert math.isnan(fit([1, 1, 10, 10], [1, 2, 3, 4]).curvature_p)


def test_slope_within_tasks_is_that_of_task_dummies(cloud):
    expected = smf.ols("value ~ x + C(task)", cloud.assign(x=np.log10(cloud["count"].clip(lower=1)))).fit()
    line = fits.fit_points(cloud, "classification")
    assert line.within_task_slope == pytest.approx(expected.params["x"])
    assert line.within_task_slope != pytest.approx(line.slope, rel=1e-3)


def test_slope_within_tasks_takes_out_what_tasks_differ_in():
    # Within each task a tenfold adds 5; the frequent task is the harder one, so the pooled line falls.
    line = fit([1, 10, 1000, 10_000], [60, 65, 10, 15], ["a", "a", "b", "b"])
    assert line.within_task_slope == pytest.approx(5)
    assert line.slope == pytest.approx((-2 * 60 - 65 + 10 + 2 * 15) / 10)  # x less its mean: -2, -1, 1, 2


def test_one_label_a_task_determines_no_slope_within_tasks():
    assert math.isnan(fit([1, 10, 100], [1, 2, 4], ["a", "b", "c"]).within_task_slope)


def test_interval_is_that_of_a_plain_loop_over_the_same_resamples(cloud):
    points = cloud.head(40)
    x, y = np.log10(points["count"].clip(lower=1)).to_numpy(), points["value"].to_numpy()
    drawn = np.random.default_rng(clusters.SEED).integers(0, 40, size=(clusters.RESAMPLES["concept"], 40))
    expected = np.percentile([np.corrcoef(x[rows], y[rows])[0, 1] for rows in drawn], [2.5, 97.5])
    line = fits.fit_points(points, "classification")
    assert (line.pearson_low, line.pearson_high) == pytest.approx(tuple(expected))


def test_interval_is_the_same_every_time(cloud):
    first, second = (fits.fit_points(cloud, "classification") for _ in range(2))
    assert (first.pearson_low, first.pearson_high) == (second.pearson_low, second.pearson_high)
    assert first.pearson_low < first.pearson_r < first.pearson_high


@pytest.mark.parametrize("n", [3, 4, 5])
def test_interval_of_a_few_points_stays_between_minus_one_and_one(cloud, n):
    lines = [fits.fit_points(cloud.iloc[start : start + n], "retrieval") for start in range(0, 60, n)]
    assert min(line.pearson_low for line in lines) >= -1
    assert max(line.pearson_high for line in lines) <= 1


def test_columns_fitted_together_equal_columns_fitted_alone(cloud):
    values = np.column_stack([cloud["value"], -cloud["value"], np.arange(200.0)])
    together = fits.fit_columns(cloud, values, "generation")
    alone = [fits.fit_columns(cloud, values[:, [k]], "generation")[0] for k in range(3)]
    assert [vars(line) for line in together] == [pytest.approx(vars(line), nan_ok=True) for line in alone]
    assert together[1].slope == pytest.approx(-together[0].slope)


def test_order_of_points_changes_nothing_but_the_resamples(cloud):
    first = vars(fits.fit_points(cloud, "classification"))
    second = vars(fits.fit_points(cloud.sample(frac=1, random_state=2), "classification"))
    for name in ("pearson_low", "pearson_high"):
        assert first.pop(name) == pytest.approx(second.pop(name), abs=0.05)
    for name in ("slope_low", "slope_high", "within_low", "within_high"):
        assert first.pop(name) == pytest.approx(second.pop(name), abs=0.6)
    assert first == pytest.approx(second, nan_ok=True)


@pytest.mark.parametrize("unit", [1e-3, 1e-7, 1e6])
def test_unit_of_the_score_changes_slopes_and_no_correlation(cloud, unit):
    first = fits.fit_points(cloud, "generation")
    second = fits.fit_points(cloud.assign(value=cloud["value"] * unit), "generation")
    names = ["pearson_r", "pearson_low", "pearson_high", "pearson_p", "spearman_r", "binned_r", "curvature_p"]
    assert [getattr(second, name) for name in names] == pytest.approx([getattr(first, name) for name in names])
    assert second.slope == pytest.approx(first.slope * unit)


def test_bins_are_those_worked_out_by_hand():
    # Seven edges from ln 1 to ln 64 are 1, 2, 4, ..., 64; a count belongs to the first edge not below it.
    counts = np.array([0, 3, 5, 7, 33, 64])
    bins = fits.bin_points(counts, [10, 20, 30, 50, 60, 80], "retrieval")
    assert bins["edge"].tolist() == pytest.approx([1, 4, 8, 64])
    assert bins["mean"].tolist() == [10, 20, 40, 70]
    assert bins["n"].tolist() == [1, 1, 2, 2]
    assert bins["low"].tolist() == [10, 20, 35, 65]
    assert bins["high"].tolist() == [10, 20, 45, 75]


def test_binned_correlation_is_that_of_edge_and_mean():
    counts = np.array([0, 3, 5, 7, 33, 64])
    r, p = fits.binned_correlation(counts, np.array([10, 20, 30, 50, 60, 80]), "retrieval")
    # edges 0, 2, 3, 6 (in ln 2) with means 10, 20, 40, 70: Sxy 195, Sxx 18.75, Syy 2100
    assert r == pytest.approx(195 / math.sqrt(18.75 * 2100))
    assert p == pytest.approx(stats.pearsonr([0, 2, 3, 6], [10, 20, 40, 70]).pvalue)


@pytest.mark.parametrize(("kind", "edges"), [("classification", 12), ("generation", 7), ("retrieval", 7)])
def test_number_of_bins_is_the_papers(kind, edges):
    counts = np.arange(1, 20_001)
    assert len(fits.bin_points(counts, np.ones(20_000), kind)) == edges


def test_every_point_is_in_one_bin(cloud):
    bins = fits.bin_points(cloud["count"].to_numpy(), cloud["value"].to_numpy(), "classification")
    assert bins["n"].sum() == 200
    assert (bins["mean"] * bins["n"]).sum() == pytest.approx(cloud["value"].sum())


def test_two_bins_have_no_correlation():
    r, p = fits.binned_correlation(np.array([1, 1, 100]), np.array([1, 2, 3]), "retrieval")
    assert (math.isnan(r), math.isnan(p)) == (True, True)


def test_residuals_come_with_the_line_most_above_it_first():
    points = make_points([1, 10, 100, 1000], [10, 26, 24, 40])
    table = fits.find_residuals(points, fit([1, 10, 100, 1000], [10, 20, 30, 40]))
    assert table["expected"].tolist() == pytest.approx([20, 10, 40, 30])
    assert table["residual"].tolist() == pytest.approx([6, 0, 0, -6], abs=1e-9)
    assert not table["stands_out"].any()


def test_one_concept_far_from_the_line_stands_out_among_many_that_are_near():
    counts = [10 ** (i % 4) for i in range(200)]
    values = [10 * (i % 4) + (1 if i % 8 < 4 else -1) for i in range(200)]
    values[7] += 60
    table = fits.find_residuals(make_points(counts, values), fit(counts, values))
    assert table.loc[table["stands_out"], "concept"].tolist() == ["c7"]


def test_discoveries_are_those_of_benjamini_and_hochberg():
    p = np.array([0.01, 0.013, 0.014, 0.19, 0.35, 0.5, 0.63, 0.67, 0.75, 0.81])  # the third is below 3 / 10 of 5%
    assert fits.keep_discoveries(p).tolist() == [True] * 3 + [False] * 7
    assert not fits.keep_discoveries(np.array([np.nan, np.nan])).any()
    assert not fits.keep_discoveries(np.array([])).any()


def test_slope_that_leads_is_the_mixed_one_where_there_are_tasks_enough(cloud):
    few = fits.fit_points(cloud, "classification")
    assert (few.lead.name, few.clusters, few.n_clusters) == ("pooled", "concept", 200)
    assert [slope.name for slope in few.slopes] == ["within tasks", "pooled"]
    many = fits.fit_points(cloud.assign(task=[f"t{i % 6}" for i in range(200)]), "classification")
    assert (many.lead.name, many.lead.value, many.resampled) == ("mixed", many.mixed_slope, "6 tasks")


@pytest.mark.parametrize(
    ("value", "low", "high", "p", "reaches"),
    [
        (1.0, 0.0, 2.0, 0.05, True),
        (2.0, 1.0, 3.0, 8.86e-5, False),
        (0.0, -1.0, 1.0, 1, True),
        (-2.0, -3.0, -1.0, 8.86e-5, False),
    ],
)
def test_p_of_a_slope_is_that_of_its_interval(value, low, high, p, reaches):
    slope = fits.Slope("mixed", value, low, high)
    assert (slope.p, slope.reaches_zero) == (pytest.approx(p, rel=1e-2), reaches)


def test_slope_without_an_interval_has_no_p_and_is_not_known_to_differ_from_zero():
    slope = fits.Slope("pooled", 1.0, math.nan, math.nan)
    assert (math.isnan(slope.p), slope.reaches_zero) == (True, True)


def test_perfect_line_differs_from_zero_beyond_doubt():
    slope = fit([1, 10, 100, 1000], [10, 20, 30, 40]).lead
    assert slope.reaches_zero is False
    assert fits.Slope("pooled", 10.0, 10.0, 10.0).p == 0
