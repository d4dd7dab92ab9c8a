"""Intervals that draw whole clusters: against plain loops that draw the rows of whole tasks or concepts."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from backend import clusters
from backend.clusters import bootstrap_lines, describe_clusters, find_clusters


def make_cloud(tasks: int, points: int = 12) -> pd.DataFrame:
    """As many points a task, each task with its own level; ten concepts that stand in several tasks."""
    generator = np.random.default_rng(1)
    task = np.repeat(np.arange(tasks), points)
    x = generator.uniform(0, 5, len(task)) + 0.3 * task
    value = 4 * x + generator.normal(0, 15, tasks)[task] + generator.normal(0, 8, len(task))
    return pd.DataFrame({"task": task, "concept": generator.integers(0, 10, len(task)), "x": x, "value": value})


def find_intervals(cloud: pd.DataFrame) -> clusters.Intervals:
    tasks = cloud["task"].to_numpy()
    return bootstrap_lines(cloud["x"].to_numpy(), cloud[["value"]].to_numpy(), tasks, find_clusters(tasks, cloud["concept"]))


def within(rows: pd.DataFrame) -> float:
    means = rows.groupby("task")[["x", "value"]].transform("mean")
    x = rows["x"] - means["x"]
    return float((x * (rows["value"] - means["value"])).sum() / (x**2).sum())


def test_tasks_are_drawn_from_five_on_else_concepts():
    five, four = make_cloud(5), make_cloud(4)
    found = [find_clusters(cloud["task"], cloud["concept"]) for cloud in (five, four)]
    assert [(clusters.unit, clusters.number) for clusters in found] == [("task", 5), ("concept", 10)]


def test_clusters_are_told_in_words():
    assert [describe_clusters("task", 1), describe_clusters("concept", 4469)] == ["1 task", "4,469 concepts"]


@pytest.mark.parametrize(("tasks", "unit"), [(6, "task"), (3, "concept")])
def test_intervals_are_those_of_a_plain_loop_over_the_rows_of_whole_clusters(monkeypatch, tasks, unit):
    monkeypatch.setattr(clusters, "RESAMPLES", {"task": 300, "concept": 300})
    cloud = make_cloud(tasks)
    number = cloud[unit].nunique()
    rows = [part for _, part in cloud.groupby(pd.factorize(cloud[unit])[0])]
    drawn = np.random.default_rng(clusters.SEED).integers(0, number, size=(300, number))
    samples = [pd.concat([rows[i] for i in draw]) for draw in drawn]
    found = find_intervals(cloud)
    slopes = [stats.linregress(sample["x"], sample["value"]).slope for sample in samples]
    correlations = [np.corrcoef(sample["x"], sample["value"])[0, 1] for sample in samples]
    assert found.slope[:, 0] == pytest.approx(np.percentile(slopes, (2.5, 97.5)))
    assert found.pearson[:, 0] == pytest.approx(np.percentile(correlations, (2.5, 97.5)))
    assert found.within[:, 0] == pytest.approx(np.percentile([within(sample) for sample in samples], (2.5, 97.5)))


def test_levels_of_tasks_make_the_interval_wider_than_one_of_points():
    cloud = make_cloud(8, points=100)
    of_tasks = np.ptp(find_intervals(cloud).slope)
    alone = bootstrap_lines(
        cloud["x"].to_numpy(),
        cloud[["value"]].to_numpy(),
        np.zeros(len(cloud)),
        find_clusters(["t"] * len(cloud), range(len(cloud))),
    )
    assert of_tasks > 2 * np.ptp(alone.slope)


def test_order_of_the_points_changes_nothing_but_the_draws():
    cloud = make_cloud(9)
    first, second = find_intervals(cloud), find_intervals(cloud.sample(frac=1, random_state=3))
    assert first.slope.ravel() == pytest.approx(second.slope.ravel(), abs=0.15)


def test_perfect_line_has_no_width_and_one_frequency_no_interval():
    tasks, concepts = np.zeros(4), np.arange(4)
    line = bootstrap_lines(np.arange(4.0), 10 + 10 * np.arange(4.0)[:, None], tasks, find_clusters(tasks, concepts))
    assert line.slope.ravel() == pytest.approx([10, 10])
    flat = bootstrap_lines(np.ones(4), np.arange(4.0)[:, None], tasks, find_clusters(tasks, concepts))
    assert np.isnan([flat.slope, flat.within, flat.pearson]).all()


def test_difference_of_columns_that_differ_by_a_line_has_the_lines_slope():
    cloud = make_cloud(6)
    x, value, tasks = cloud["x"].to_numpy(), cloud["value"].to_numpy(), cloud["task"].to_numpy()
    found = bootstrap_lines(x, np.column_stack([value, value + 3 * x, 3 * x]), tasks, find_clusters(tasks, cloud["concept"]))
    assert found.slope[:, 1] - found.slope[:, 0] == pytest.approx([3, 3])
    assert found.slope[:, 2] == pytest.approx([3, 3])
