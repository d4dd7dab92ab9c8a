"""What an interval resamples, and the intervals: lines and correlations over points that come in clusters.

Points of one task share its level and its slope, so that an interval which draws single points is several times too narrow.
Whole clusters are drawn instead. Sums over each cluster make all draws one matrix product.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

FEWEST_TASKS = 5  # with fewer, too few different draws of whole tasks exist; the concepts are drawn instead
RESAMPLES = {"task": 10_000, "concept": 1_000}  # of few clusters more, where two seeds differed by 0.3 points otherwise
SEED = 0
INTERVAL = (2.5, 97.5)  # percentiles of the draws
_FLAT = 1e-12  # of the variance of x: a draw with less spread has no slope


@dataclass(frozen=True)
class Clusters:
    """What is drawn as a whole: `unit` is "task" or "concept"; `codes` (n) numbers the cluster of each point from 0 on."""

    unit: str
    codes: np.ndarray
    number: int


def find_clusters(tasks: np.ndarray, concepts: np.ndarray) -> Clusters:
    """The clusters of points by their tasks (n) and concepts (n): tasks where there are at least five, else concepts.

    >>> found = find_clusters(["a", "a", "b"], ["x", "y", "x"])
    >>> found.unit, found.number
    ('concept', 2)
    """
    codes, names = pd.factorize(np.asarray(tasks))
    if len(names) >= FEWEST_TASKS:
        return Clusters("task", codes, len(names))
    codes, names = pd.factorize(np.asarray(concepts))
    return Clusters("concept", codes, len(names))


def describe_clusters(unit: str, number: int) -> str:
    """Clusters in words, as a page says what an interval resamples.

    >>> describe_clusters("task", 18), describe_clusters("concept", 1)
    ('18 tasks', '1 concept')
    """
    return f"{number:,} {unit}{'' if number == 1 else 's'}"


@dataclass(frozen=True)
class Intervals:
    """95% percentile intervals over draws of clusters: each an array 2 × k, low and high of k columns.

    `slope`: of the line through all points · `within`: of the slope after each task's own mean is taken out · `pearson`: of r.
    """

    slope: np.ndarray
    within: np.ndarray
    pearson: np.ndarray


def bootstrap_lines(x: np.ndarray, values: np.ndarray, tasks: np.ndarray, clusters: Clusters) -> Intervals:
    """The intervals of each column of `values` (n × k) over `x` (n), with `tasks` (n).

    The seed is fixed, and the columns share the draws: the same points give the same interval, and the difference of two
    columns has the interval of the slopes' difference. nan where nothing is determined.
    """
    x = x - x.mean()
    values = values - values.mean(axis=0)
    weights = _resamples(clusters.number, RESAMPLES[clusters.unit])
    columns = np.column_stack([np.ones_like(x), x, x**2, values, x[:, None] * values, values**2])
    whole = _Moments.of(weights @ _sum_by(clusters.codes, clusters.number, columns))
    within = _within(columns, np.asarray(tasks), clusters, weights)
    slope = _divide(whole.xy, whole.xx, _FLAT * np.var(x) * whole.n)
    with np.errstate(divide="ignore", invalid="ignore"):
        r = whole.xy / np.sqrt(np.maximum(whole.xx[:, None] * whole.yy, 0))
    r[:, np.ptp(values, axis=0) == 0] = np.nan
    return Intervals(*(_percentiles(draws) for draws in (slope, within, r.clip(-1, 1))))


def bootstrap_means(values: np.ndarray, clusters: Clusters, weights: np.ndarray | None = None) -> tuple[float, float]:
    """The 95% interval of the mean of values (n), weighted or not, over draws of whole clusters; nan for fewer than two."""
    if clusters.number < 2:
        return float("nan"), float("nan")
    shares = np.ones_like(values, dtype=float) if weights is None else weights
    drawn = _resamples(clusters.number, RESAMPLES[clusters.unit])
    sums = drawn @ _sum_by(clusters.codes, clusters.number, np.column_stack([shares, shares * values]))
    low, high = _percentiles((sums[:, 1] / np.maximum(sums[:, 0], 1e-12))[:, None])[:, 0]
    return float(low), float(high)


@dataclass(frozen=True)
class _Moments:
    """Of each draw: n, and the centred sums of squares and products xx (draws), xy and yy (draws × k)."""

    n: np.ndarray
    xx: np.ndarray
    xy: np.ndarray
    yy: np.ndarray

    @classmethod
    def of(cls, sums: np.ndarray) -> "_Moments":
        """The moments of sums of the columns 1, x, x², values, x values, values² (draws × (3 + 3 k))."""
        n, sum_x, sum_xx = sums[:, 0], sums[:, 1], sums[:, 2]
        sum_y, sum_xy, sum_yy = np.split(sums[:, 3:], 3, axis=1)
        whole = np.maximum(n, 1)  # a draw without a point of a task has zeros in every sum
        share = (sum_x / whole)[:, None]
        return cls(n, sum_xx - sum_x**2 / whole, sum_xy - share * sum_y, sum_yy - sum_y**2 / whole[:, None])


def _within(columns: np.ndarray, tasks: np.ndarray, clusters: Clusters, weights: np.ndarray) -> np.ndarray:
    """The slope within tasks of each draw (draws × k): products about each task's own mean, added up over the tasks."""
    codes, names = pd.factorize(tasks)
    if clusters.unit == "task":  # a task is drawn whole, so that its products are drawn with it
        each = _Moments.of(_sum_by(codes, len(names), columns))
        xx, xy = weights @ each.xx, weights @ each.xy
    else:
        parts = [_Moments.of(weights @ _sum_by(clusters.codes, clusters.number, columns * (codes == task)[:, None]))
                 for task in range(len(names))]  # fmt: skip
        xx, xy = sum(part.xx for part in parts), sum(part.xy for part in parts)
    return _divide(xy, xx, _FLAT * columns[:, 2].sum())


def _sum_by(codes: np.ndarray, number: int, columns: np.ndarray) -> np.ndarray:
    """The sums of columns (n × m) over each cluster (number × m)."""
    return np.stack([np.bincount(codes, column, number) for column in columns.T], axis=1)


def _divide(products: np.ndarray, squares: np.ndarray, least: np.ndarray | float) -> np.ndarray:
    """The slopes of draws, nan where x has less than the least spread."""
    slopes = np.full_like(products, np.nan)
    spread = squares > least
    slopes[spread] = products[spread] / squares[spread, None]
    return slopes


@lru_cache(maxsize=4)
def _resamples(number: int, times: int) -> np.ndarray:
    """How often each of a number of clusters is drawn in each draw: times × number."""
    drawn = np.random.default_rng(SEED).integers(0, number, size=(times, number))
    drawn += np.arange(times)[:, None] * number
    return np.bincount(drawn.ravel(), minlength=times * number).reshape(times, number).astype(float)


def _percentiles(draws: np.ndarray) -> np.ndarray:
    """The low and high ends of each column of draws, over the draws that are determined (2 × k)."""
    empty = ~np.isfinite(draws).any(axis=0)
    result = np.full((2, draws.shape[1]), np.nan)
    if not empty.all():
        kept = np.where(np.isfinite(draws), draws, np.nan)[:, ~empty]
        result[:, ~empty] = np.nanpercentile(kept, INTERVAL, axis=0)
    return result
