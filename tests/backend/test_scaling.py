"""Fits: against answers worked out by hand, and against scipy, statsmodels and a plain loop."""

import math
import shutil

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import statsmodels.formula.api as smf
from scipy import stats

from backend import scaling
from backend.errors import EmptySelection, MissingTable
from backend.schema import write_manifest, write_table
from backend.study import Study

IMAGENET = {
    "model": "RN50/cc3m",
    "corpus": "cc3m",
    "method": "lemmatized",
    "setting": "ensemble",
    "kind": "classification",
    "tasks": ["imagenet"],
}
POOLED = IMAGENET | {"tasks": ["cifar10", "cub", "flowers102", "imagenet"]}


def make_points(counts, values, tasks=None) -> pd.DataFrame:
    """Points as `join_points` gives them, as far as a fit needs them."""
    return pd.DataFrame({"task": tasks or ["a"] * len(counts), "count": counts, "value": values}).astype({"value": float})


def fit(counts, values, tasks=None, kind="classification") -> scaling.Fit:
    return scaling.fit_points(make_points(counts, values, tasks), kind)


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
    assert (line.residual_low, line.residual_high) == pytest.approx((0, 0), abs=1e-9)
    assert (line.log_count_min, line.log_count_max) == pytest.approx((0, 2))


def test_line_of_the_small_release_is_the_one_worked_out_by_hand(small_study):
    points = scaling.join_points(small_study, **IMAGENET)
    line = scaling.fit_points(points, "classification")
    # Sxx = 12 * 1.25, Sxy = 10 Sxx, Syy = 100 Sxx + 8 * 3²
    assert (line.n, line.slope, line.intercept) == (12, pytest.approx(10), pytest.approx(10))
    assert line.pearson_r == pytest.approx(150 / math.sqrt(15 * 1572))
    assert (line.residual_low, line.residual_high) == pytest.approx((-3, 3))


def test_pooled_tasks_share_one_line_and_imagenet_r_stays_apart(small_study):
    assert scaling.pooled_tasks(small_study, "classification") == ["cifar10", "cub", "flowers102", "imagenet"]
    line = scaling.fit_points(scaling.join_points(small_study, **POOLED), "classification")
    # 10 labels of base 40; 12 each of bases 5, 20 and 10
    assert (line.n, line.slope, line.intercept) == (46, pytest.approx(10), pytest.approx(820 / 46))
    assert line.within_task_slope == pytest.approx(10)


def test_stored_fit_equals_the_fit_made_now(small_study):
    points = scaling.join_points(small_study, **POOLED)
    stored = scaling.find_fit(points, small_study, **POOLED)
    assert vars(stored) == pytest.approx(vars(scaling.fit_points(points, "classification")), rel=1e-9)


def test_part_of_the_tasks_is_fitted_now(small_study):
    points = scaling.join_points(small_study, **IMAGENET)
    assert scaling.find_fit(points, small_study, **IMAGENET).intercept == pytest.approx(10)


def test_zero_counts_stand_at_one_and_are_counted():
    line = fit([0, 0, 10, 100], [10, 20, 30, 40])
    assert (line.n, line.n_zero, line.log_count_min) == (4, 2, 0)
    assert vars(fit([0, 1, 10, 100], [10, 20, 30, 40])) == vars(line) | {"n_zero": 1}


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
    line = scaling.fit_points(cloud, "classification")
    x = np.log10(np.maximum(cloud["count"], 1))
    assert (line.pearson_r, line.pearson_p) == pytest.approx(tuple(stats.pearsonr(x, cloud["value"])))
    assert line.spearman_r == pytest.approx(stats.spearmanr(cloud["count"].clip(lower=1), cloud["value"]).statistic)
    expected = stats.linregress(x, cloud["value"])
    assert (line.slope, line.intercept) == pytest.approx((expected.slope, expected.intercept))


@pytest.mark.parametrize("n", [3, 4, 10])
def test_p_of_a_few_points_is_that_of_scipy(cloud, n):
    few = cloud.head(n)
    x = np.log10(np.maximum(few["count"], 1))
    line = scaling.fit_points(few, "classification")
    assert line.pearson_p == pytest.approx(stats.pearsonr(x, few["value"]).pvalue)


def test_curvature_p_is_the_t_test_of_the_quadratic_term(cloud):
    expected = smf.ols("value ~ x + I(x**2)", cloud.assign(x=np.log10(cloud["count"].clip(lower=1)))).fit()
    line = scaling.fit_points(cloud, "classification")
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
    line = scaling.fit_points(cloud, "classification")
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
    drawn = np.random.default_rng(scaling.SEED).integers(0, 40, size=(scaling.RESAMPLES, 40))
    expected = np.percentile([np.corrcoef(x[rows], y[rows])[0, 1] for rows in drawn], [2.5, 97.5])
    line = scaling.fit_points(points, "classification")
    assert (line.pearson_low, line.pearson_high) == pytest.approx(tuple(expected))


def test_interval_is_the_same_every_time(cloud):
    first, second = (scaling.fit_points(cloud, "classification") for _ in range(2))
    assert (first.pearson_low, first.pearson_high) == (second.pearson_low, second.pearson_high)
    assert first.pearson_low < first.pearson_r < first.pearson_high


@pytest.mark.parametrize("n", [3, 4, 5])
def test_interval_of_a_few_points_stays_between_minus_one_and_one(cloud, n):
    lines = [scaling.fit_points(cloud.iloc[start : start + n], "retrieval") for start in range(0, 60, n)]
    assert min(line.pearson_low for line in lines) >= -1
    assert max(line.pearson_high for line in lines) <= 1


def test_columns_fitted_together_equal_columns_fitted_alone(cloud):
    counts, tasks = cloud["count"].to_numpy(), cloud["task"].to_numpy()
    values = np.column_stack([cloud["value"], -cloud["value"], np.arange(200.0)])
    together = scaling.fit_columns(counts, values, tasks, "generation")
    alone = [scaling.fit_columns(counts, values[:, [k]], tasks, "generation")[0] for k in range(3)]
    assert [vars(line) for line in together] == [pytest.approx(vars(line)) for line in alone]
    assert together[1].slope == pytest.approx(-together[0].slope)


def test_order_of_points_changes_nothing_but_the_resamples(cloud):
    first = vars(scaling.fit_points(cloud, "classification"))
    second = vars(scaling.fit_points(cloud.sample(frac=1, random_state=2), "classification"))
    for name in ("pearson_low", "pearson_high"):
        assert first.pop(name) == pytest.approx(second.pop(name), abs=0.05)
    assert first == pytest.approx(second)


@pytest.mark.parametrize("unit", [1e-3, 1e-7, 1e6])
def test_unit_of_the_score_changes_slopes_and_no_correlation(cloud, unit):
    first = scaling.fit_points(cloud, "generation")
    second = scaling.fit_points(cloud.assign(value=cloud["value"] * unit), "generation")
    names = ["pearson_r", "pearson_low", "pearson_high", "pearson_p", "spearman_r", "binned_r", "curvature_p"]
    assert [getattr(second, name) for name in names] == pytest.approx([getattr(first, name) for name in names])
    assert second.slope == pytest.approx(first.slope * unit)


def test_bins_are_those_worked_out_by_hand():
    # Seven edges from ln 1 to ln 64 are 1, 2, 4, ..., 64; a count belongs to the first edge not below it.
    counts = np.array([0, 3, 5, 7, 33, 64])
    bins = scaling.bin_points(counts, [10, 20, 30, 50, 60, 80], "retrieval")
    assert bins["edge"].tolist() == pytest.approx([1, 4, 8, 64])
    assert bins["mean"].tolist() == [10, 20, 40, 70]
    assert bins["n"].tolist() == [1, 1, 2, 2]
    assert bins["low"].tolist() == [10, 20, 35, 65]
    assert bins["high"].tolist() == [10, 20, 45, 75]


def test_binned_correlation_is_that_of_edge_and_mean():
    counts = np.array([0, 3, 5, 7, 33, 64])
    r, p = scaling.binned_correlation(counts, np.array([10, 20, 30, 50, 60, 80]), "retrieval")
    # edges 0, 2, 3, 6 (in ln 2) with means 10, 20, 40, 70: Sxy 195, Sxx 18.75, Syy 2100
    assert r == pytest.approx(195 / math.sqrt(18.75 * 2100))
    assert p == pytest.approx(stats.pearsonr([0, 2, 3, 6], [10, 20, 40, 70]).pvalue)


@pytest.mark.parametrize(("kind", "edges"), [("classification", 12), ("generation", 12), ("retrieval", 7)])
def test_number_of_bins_is_the_papers(kind, edges):
    counts = np.arange(1, 20_001)
    assert len(scaling.bin_points(counts, np.ones(20_000), kind)) == edges


def test_every_point_is_in_one_bin(cloud):
    bins = scaling.bin_points(cloud["count"].to_numpy(), cloud["value"].to_numpy(), "classification")
    assert bins["n"].sum() == 200
    assert (bins["mean"] * bins["n"]).sum() == pytest.approx(cloud["value"].sum())


def test_two_bins_have_no_correlation():
    r, p = scaling.binned_correlation(np.array([1, 1, 100]), np.array([1, 2, 3]), "retrieval")
    assert (math.isnan(r), math.isnan(p)) == (True, True)


def test_prediction_is_the_line_with_the_band_of_its_residuals(small_study):
    line = scaling.fit_points(scaling.join_points(small_study, **IMAGENET), "classification")
    inside = line.predict(100)
    assert (inside.value, inside.low, inside.high) == pytest.approx((30, 27, 33))
    assert [line.predict(count).extrapolates for count in (0, 1, 1000, 1001)] == [False, False, False, True]
    assert line.predict(0).value == line.predict(1).value == pytest.approx(10)


def test_prediction_beyond_the_counts_is_said_and_clipped(small_study):
    line = scaling.fit_points(scaling.join_points(small_study, **IMAGENET), "classification")
    beyond = line.predict(10**12, bounds=(0, 100))
    assert (beyond.value, beyond.low, beyond.high, beyond.extrapolates) == (100, 100, 100, True)
    assert line.predict(10**12).value == pytest.approx(130)


def test_fit_without_small_counts_extrapolates_at_zero():
    assert fit([10, 100, 1000], [1, 2, 4]).predict(0).extrapolates is True


@pytest.mark.parametrize(
    ("slope", "gain", "factor"),
    [(10, 10, 10), (10, 20, 100), (5, 10, 100), (10, 0, 1), (10, -10, 0.1), (0.01, 10, math.inf)],
)
def test_data_needed_is_ten_to_the_gain_over_the_slope(slope, gain, factor):
    line = fit([1, 10, 100], [50, 50 + slope, 50 + 2 * slope])
    assert line.data_needed(gain) == pytest.approx(factor)


@pytest.mark.parametrize("values", [[30, 20, 10], [20, 20, 20]])
def test_no_amount_of_data_raises_a_line_that_does_not_rise(values):
    assert fit([1, 10, 100], values).data_needed(10) == math.inf


def test_undetermined_line_needs_no_end_of_data():
    assert fit([5, 5, 5], [1, 2, 3]).data_needed(10) == math.inf


def test_residuals_come_with_the_line_most_above_it_first():
    points = make_points([1, 10, 100, 1000], [10, 26, 24, 40])
    table = scaling.find_residuals(points, fit([1, 10, 100, 1000], [10, 20, 30, 40]))
    assert table["expected"].tolist() == pytest.approx([20, 10, 40, 30])
    assert table["residual"].tolist() == pytest.approx([6, 0, 0, -6], abs=1e-9)


def joined(study: Study, task: str, **selection) -> dict[str, int]:
    points = scaling.join_points(study, **IMAGENET | {"tasks": [task]} | selection)
    return dict(zip(points["label"], points["count"], strict=True))


def test_plane_meets_the_counts_of_airplane(small_study):
    counts = joined(small_study, "cifar10")
    assert (len(counts), counts["plane"], counts["car"]) == (10, 1, 10)


def test_underscores_meet_the_counts_with_spaces(small_study):
    counts = joined(small_study, "imagenet-r")
    assert (len(counts), counts["African_chameleon"], counts["ice_cream"]) == (12, 10, 10)


def test_concept_has_its_own_count_under_each_task(small_study):
    assert (joined(small_study, "imagenet")["crane"], joined(small_study, "cub")["crane"]) == (1000, 10)


@pytest.mark.parametrize(("method", "count"), [("lemmatized", 0), ("rampp@0.7", 3)])
def test_bird_is_found_under_either_spelling(small_study, method, count):
    selection = {"model": "craiyon_dalle-mini", "corpus": "laion_aesthetics", "method": method}
    counts = joined(small_study, "t2i", **selection, setting="human_align", kind="generation")
    assert (len(counts), counts["acadian flycatcher"]) == (12, count)


def test_label_without_a_count_makes_no_point(small_study):
    counts = joined(small_study, "flowers102", model="ViT-B-32/laion400m", corpus="laion400m", method="lowercased")
    assert counts == {"colt's foot": 1, "iris": 40, "magnolia": 9, "petunia": 2, "rose": 257_038}


def test_selection_that_joins_nothing_says_so(small_study):
    with pytest.raises(EmptySelection) as error:
        joined(small_study, "cub", corpus="laion400m")
    assert str(error.value) == (
        "Nothing joins: no task has both scores of RN50/cc3m (ensemble) and counts of laion400m by lemmatized."
    )


@pytest.fixture
def spelled_study(tmp_path) -> Study:
    """A task that counts `ice cream` under two spellings, and scores it under one of them or under a third."""
    counts = [("ice cream", 10), ("ice_cream", 200)]
    scores = [("one", "ice_cream"), ("two", "Ice cream")]
    names = {"task": "t", "concept": "ice cream"}
    frequency = [
        names | {"corpus": "c", "label": label, "modality": "text", "method": "phrase", "count": count}
        for label, count in counts
    ]
    performance = [
        names | {"kind": "classification", "model": model, "setting": "s", "label": label, "value": 50.0, "n": None}
        for model, label in scores
    ]
    labels = [label for label, _ in counts] + ["Ice cream"]
    concepts = [names | {"kind": "classification", "label": label, "words": ["ice", "cream"]} for label in labels]
    write_table(tmp_path, "concepts", pa.Table.from_pylist(concepts))
    write_table(tmp_path, "frequency", pa.Table.from_pylist(frequency))
    write_table(tmp_path, "performance", pa.Table.from_pylist(performance))
    write_manifest(tmp_path, {"schema_version": 1, "title": "Spellings", "tables": {}, "created": ""})
    return Study(tmp_path)


@pytest.mark.parametrize(("model", "counts"), [("one", [200]), ("two", [10, 200])])
def test_score_meets_its_own_spelling_else_every_spelling(spelled_study, model, counts):
    selection = {"model": model, "corpus": "c", "method": "phrase", "setting": "s", "kind": "classification"}
    points = scaling.join_points(spelled_study, **selection, tasks=["t"])
    assert points["count"].tolist() == counts


@pytest.mark.parametrize("table", ["concepts", "frequency", "performance"])
def test_join_names_the_table_that_is_missing(spelled_study, table):
    (spelled_study.folder / f"{table}.parquet").unlink()
    with pytest.raises(MissingTable, match=f"no table '{table}'"):
        scaling.join_points(Study(spelled_study.folder), **IMAGENET)


def test_default_setting_of_a_kind_comes_first(small_study):
    settings = scaling.list_settings(small_study)
    assert list(settings.itertuples(index=False, name=None)) == [
        ("classification", "ensemble"),
        ("classification", "class"),
        ("generation", "human_align"),
        ("retrieval", "i2t@1"),
        ("retrieval", "t2i@10"),
    ]


def test_models_with_a_corpus_come_first_with_their_mean_score(small_study):
    models = scaling.list_models(small_study, "classification", "class")
    assert models["model"].tolist() == ["RN50/cc3m", "ViT-B-32/laion400m", "ViT-B-32/datacomp"]
    assert models["corpus"].fillna("").tolist() == ["cc3m", "laion400m", ""]
    assert models["score"].tolist() == [19, 60, 70]


def test_models_of_a_study_without_overall_scores_have_none(small_study, tmp_path):
    folder = shutil.copytree(small_study.folder, tmp_path / "study")
    (folder / "overall.parquet").unlink()
    models = scaling.list_models(Study(folder), "classification", "class")
    assert (len(models), models["score"].isna().all()) == (3, True)


def test_concepts_score_stands_beside_what_its_frequency_predicts(small_study):
    rows = scaling.score_concept(
        small_study, "jeans", kind="classification", setting="ensemble", method="lemmatized"
    ).set_index("model")
    trained = rows.loc["RN50/cc3m"]
    assert (trained["count"], trained["value"], trained["factor"]) == (100, 33, pytest.approx(10))
    assert trained["expected"] == pytest.approx(820 / 46 + 20)
    assert (rows.loc["ViT-B-32/laion400m", "count"], rows.loc["ViT-B-32/laion400m", "factor"]) == (0, math.inf)
    assert rows.loc["ViT-B-32/datacomp", ["count", "expected", "factor"]].isna().all()


def test_each_model_is_drawn_over_its_own_corpus(small_study):
    lines = scaling.draw_models(small_study, kind="classification", setting="ensemble", method="lemmatized")
    assert [(line["name"], line["corpus"], line["fit"].n) for line in lines] == [
        ("RN50/cc3m", "cc3m", 46),
        ("ViT-B-32/laion400m", "laion400m", 24),
    ]
    table = scaling.tabulate_fits(lines)
    assert table["slope"].tolist() == pytest.approx([10, 0], abs=1e-9)
