"""The slope of an average task: against statsmodels' MixedLM, and where there is none."""

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from backend.mixed import fit_mixed_slopes


def make_cloud(tasks: int = 9, seed: int = 0, spread: float = 3.0) -> pd.DataFrame:
    """Tasks of 8 to 120 points, with their own levels and slopes around 5."""
    generator = np.random.default_rng(seed)
    task = np.repeat(np.arange(tasks), generator.integers(8, 120, tasks))
    x = generator.uniform(0, 5, len(task)) + generator.normal(0, 0.5, tasks)[task]
    slope = 5 + generator.normal(0, spread, tasks)[task]
    value = 20 + generator.normal(0, 12, tasks)[task] + slope * x + generator.normal(0, 15, len(task))
    return pd.DataFrame({"task": task, "x": x, "value": value})


def fit(cloud: pd.DataFrame) -> np.ndarray:
    return fit_mixed_slopes(cloud["x"].to_numpy(), cloud[["value"]].to_numpy(), cloud["task"].to_numpy())[:, 0]


@pytest.mark.parametrize("seed", [1, 2, 4, 5])  # inside the space of covariances, where statsmodels' derivatives hold
def test_slope_and_interval_are_those_of_statsmodels(seed):
    cloud = make_cloud(seed=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = smf.mixedlm("value ~ x", cloud, groups="task", re_formula="~x").fit()
    assert expected.converged
    assert fit(cloud) == pytest.approx([expected.params["x"], *expected.conf_int().loc["x"]], abs=0.01)


def test_tasks_of_one_slope_and_many_levels_have_nearly_the_slope_within_tasks():
    cloud = make_cloud(spread=0.0)
    means = cloud.groupby("task").transform("mean")
    x, y = cloud["x"] - means["x"], cloud["value"] - means["value"]
    slope, low, high = fit(cloud)
    assert slope == pytest.approx((x * y).sum() / (x**2).sum(), abs=0.2)
    assert low < 5 < high


def test_each_task_weighs_by_what_it_tells_and_not_by_its_points_alone():
    # One large task falls, eight small ones rise: one slope for all follows the large one, that of an average task does not.
    generator = np.random.default_rng(5)
    task = np.repeat(np.arange(9), [2_000] + [40] * 8)
    x = generator.uniform(0, 5, len(task))
    value = np.where(task == 0, -5, 5) * x + generator.normal(0, 5, len(task))
    slope, low, high = fit(pd.DataFrame({"task": task, "x": x, "value": value}))
    assert 2.5 < slope < 5
    assert low < 35 / 9 < high


@pytest.mark.parametrize("unit", [1e-6, 1e5])
def test_unit_of_the_score_changes_nothing_else(unit):
    cloud = make_cloud(seed=2)
    assert fit(cloud.assign(value=cloud["value"] * unit)) == pytest.approx(fit(cloud) * unit, rel=1e-3)


def test_columns_are_fitted_as_if_each_were_alone():
    cloud = make_cloud(seed=3)
    values = np.column_stack([cloud["value"], -2 * cloud["value"], np.ones(len(cloud))])
    together = fit_mixed_slopes(cloud["x"].to_numpy(), values, cloud["task"].to_numpy())
    assert together[:, 0] == pytest.approx(fit(cloud))
    assert together[:, 1] == pytest.approx(-2 * fit(cloud)[[0, 2, 1]])
    assert np.isnan(together[:, 2]).all()


def test_four_tasks_one_frequency_and_perfect_lines_determine_no_slope():
    assert np.isnan(fit(make_cloud(tasks=4))).all()
    assert np.isnan(fit(make_cloud().assign(x=2.0))).all()
    lines = make_cloud()
    assert np.isnan(fit(lines.assign(value=lines["task"] * lines["x"] + 3 * lines["task"]))).all()


def test_tasks_of_one_point_each_and_of_one_frequency_break_nothing():
    cloud = pd.concat(
        [make_cloud(), pd.DataFrame({"task": [90, 91, 92, 92], "x": [1.0, 2.0, 3.0, 3.0], "value": [30.0, 10, 20, 40]})]
    )
    assert np.isfinite(fit(cloud)).all()
