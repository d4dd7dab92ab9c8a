"""The straight line through points of frequency and score: its statistics, bins and interval.

x = log10(max(count, 1)), y = value. The raw Pearson r says how much of a concept's score its frequency explains; the
binned r, the paper's figure, says how well the *mean* score follows a line.
"""

from dataclasses import asdict, dataclass, fields
from functools import lru_cache

import numpy as np
import pandas as pd
from scipy import stats

from backend.errors import EmptySelection

# The paper's notebooks (zero_shot_log_linear_plots, retrieval_*_search_results) bin ln(count) at this many edges.
BIN_EDGES = {"classification": 12, "generation": 12, "retrieval": 7}
RESAMPLES = 1000
SEED = 0
BAND = (10, 90)  # percentiles of the residuals: four concepts in five score inside the band
FEWEST_POINTS = 3
TENFOLD = 1.0  # in log10: where counts span less, points per tenfold say nothing about them
ROUNDING = 1e-24  # of a sum of squares: what float64 leaves of a perfect fit


@dataclass(frozen=True)
class Fit:
    """One line through the points of a model: the columns of `scaling.parquet` that a fit itself determines.

    A statistic that the points cannot determine (no spread in frequency or in score) is nan.
    """

    n: int
    n_zero: int
    slope: float
    intercept: float
    pearson_r: float
    pearson_low: float
    pearson_high: float
    pearson_p: float
    spearman_r: float
    binned_r: float
    binned_p: float
    within_task_slope: float
    curvature_p: float
    residual_low: float
    residual_high: float
    log_count_min: float
    log_count_max: float

    @property
    def spans_tenfold(self) -> bool:
        """Whether the greatest count is at least ten times the least."""
        return self.log_count_max - self.log_count_min >= TENFOLD

    @classmethod
    def from_row(cls, row) -> "Fit":
        """The fit of a row of `scaling.parquet`."""
        return cls(**{field.name: row[field.name] for field in fields(cls)})


def log_count(count: float | np.ndarray) -> float | np.ndarray:
    """x of every fit: log10(max(count, 1)), so that a count of zero stands where a count of one does."""
    return np.log10(np.maximum(count, 1))


def fit_points(points: pd.DataFrame, kind: str) -> Fit:
    """The fit through the rows of `join_points`. Raises EmptySelection below three points."""
    if len(points) < FEWEST_POINTS:
        raise EmptySelection(f"A fit needs {FEWEST_POINTS} points; this selection has {len(points)}.")
    values = points[["value"]].to_numpy(float)
    return fit_columns(points["count"].to_numpy(), values, points["task"].to_numpy(), kind)[0]


def fit_columns(counts: np.ndarray, values: np.ndarray, tasks: np.ndarray, kind: str) -> list[Fit]:
    """One fit a column of `values` (n × k, finite), all over the same `counts` (n) and `tasks` (n).

    Columns share the bootstrap's resamples, so that a thousand of them are a few matrix products.
    """
    x = log_count(counts)
    slope, intercept, r = _line(x, values)
    residuals = values - intercept - np.outer(x, slope)
    low, high = np.percentile(residuals, BAND, axis=0)
    r_low, r_high = bootstrap_pearson(x, values)
    spearman = _line(stats.rankdata(x), stats.rankdata(values, axis=0))[2]
    within = _within_task_slope(x, values, tasks)
    curvature = _curvature_p(x, values)
    fits = []
    for k in range(values.shape[1]):
        binned_r, binned_p = binned_correlation(counts, values[:, k], kind)
        fits.append(
            Fit(
                n=len(x),
                n_zero=int((counts == 0).sum()),
                slope=float(slope[k]),
                intercept=float(intercept[k]),
                pearson_r=float(r[k]),
                pearson_low=float(r_low[k]),
                pearson_high=float(r_high[k]),
                pearson_p=_pearson_p(r[k], len(x)),
                spearman_r=float(spearman[k]),
                binned_r=binned_r,
                binned_p=binned_p,
                within_task_slope=float(within[k]),
                curvature_p=float(curvature[k]),
                residual_low=float(low[k]),
                residual_high=float(high[k]),
                log_count_min=float(x.min()),
                log_count_max=float(x.max()),
            )
        )
    return fits


def bin_points(counts: np.ndarray, values: np.ndarray, kind: str) -> pd.DataFrame:
    """The paper's bins, non-empty ones only: edge (a count), mean, low and high quartile, n.

    Edges are equally spaced in ln(max(count, 1)) from the least to the greatest; a bin holds what lies above the edge
    before and not above its own (`numpy.digitize(..., right=True)`).
    """
    edges, bins = _assign_bins(counts, kind)
    grouped = pd.Series(np.asarray(values, float)).groupby(bins)
    table = grouped.agg(mean="mean", n="size")
    table["low"], table["high"] = grouped.quantile(0.25), grouped.quantile(0.75)
    table.insert(0, "edge", np.exp(edges[table.index]))
    return table.reset_index(drop=True)


def _assign_bins(counts: np.ndarray, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """The natural logarithms of the bins' edges, and the number of each point's bin."""
    x = np.log(np.maximum(counts, 1))
    edges = np.linspace(x.min(), x.max(), BIN_EDGES[kind])
    return edges, np.minimum(np.digitize(x, edges, right=True), len(edges) - 1)


def binned_correlation(counts: np.ndarray, values: np.ndarray, kind: str) -> tuple[float, float]:
    """Pearson r, and its p, of ln(bin edge) with bin mean; nan below three bins or without spread."""
    edges, bins = _assign_bins(counts, kind)
    n = np.bincount(bins, minlength=len(edges))
    means = np.bincount(bins, values, len(edges))[n > 0] / n[n > 0]
    if len(means) < FEWEST_POINTS or np.ptp(means) == 0:
        return float("nan"), float("nan")
    result = stats.pearsonr(edges[n > 0], means)
    return float(result.statistic), float(result.pvalue)


def bootstrap_pearson(x: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The 95% percentile interval of Pearson's r for each column of `values`, over 1000 resamples of the pairs.

    The seed is fixed, so that the same points give the same interval.
    """
    covariance, variance_x, variance_y = _resample_moments(x, values)
    with np.errstate(divide="ignore", invalid="ignore"):
        r = covariance / np.sqrt(np.maximum(variance_x[:, None] * variance_y, 0))
    r[~np.isfinite(r)] = np.nan
    r[:, np.ptp(values, axis=0) == 0] = np.nan
    r = r.clip(-1, 1)
    return _percentiles_without_nan(r, (2.5, 97.5))


def bootstrap_slopes(x: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The 95% percentile interval of the slope for each column of `values`, over 1000 resamples of the pairs.

    The columns share the resamples, so that the difference of two columns has the interval of the slopes' difference.
    """
    covariance, variance_x, _ = _resample_moments(x, values)
    with np.errstate(divide="ignore", invalid="ignore"):
        slopes = covariance / variance_x[:, None]
    slopes[variance_x <= 1e-12 * np.var(x)] = np.nan  # a resample of one frequency only
    slopes[~np.isfinite(slopes)] = np.nan
    return _percentiles_without_nan(slopes, (2.5, 97.5))


def _resample_moments(x: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each resample: the covariances of x with the columns (1000 × k), x's variance (1000), the columns' (1000 × k)."""
    weights = _resamples(len(x))
    x = x - x.mean()
    values = values - values.mean(axis=0)
    n = len(x)
    mean_x = weights @ x / n
    mean_y = weights @ values / n
    variance_x = weights @ x**2 / n - mean_x**2
    variance_y = weights @ values**2 / n - mean_y**2
    covariance = weights @ (x[:, None] * values) / n - mean_x[:, None] * mean_y
    return covariance, variance_x, variance_y


def find_residuals(points: pd.DataFrame, fit: Fit) -> pd.DataFrame:
    """The points with `expected` (the line) and `residual` (value minus line), most above the line first."""
    expected = fit.intercept + fit.slope * log_count(points["count"].to_numpy())
    table = points.assign(expected=expected, residual=points["value"] - expected)
    return table.sort_values("residual", ascending=False, kind="stable", ignore_index=True)


def fit_columns_table(counts: np.ndarray, values: np.ndarray, tasks: np.ndarray, kind: str) -> pd.DataFrame:
    """`fit_columns` as a frame, one row a column of `values`; statistics that are not determined are null."""
    return pd.DataFrame([asdict(fit) for fit in fit_columns(counts, values, tasks, kind)])


def _line(x: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Least-squares slope and intercept, and Pearson's r, of each column of `values` on x; nan without spread."""
    centred = x - x.mean()
    deviations = values - values.mean(axis=0)
    sxx = (centred**2).sum() if np.ptp(x) else np.nan
    syy = np.where(np.ptp(values, axis=0) > 0, (deviations**2).sum(axis=0), np.nan)
    sxy = centred @ deviations
    slope = sxy / sxx
    return slope, values.mean(axis=0) - slope * x.mean(), np.clip(sxy / np.sqrt(sxx * syy), -1, 1)


def _pearson_p(r: float, n: int) -> float:
    """The two-sided p of Pearson's r from its exact distribution, as scipy.stats.pearsonr gives it."""
    if not np.isfinite(r) or n < FEWEST_POINTS:
        return float("nan")
    half = n / 2 - 1
    return float(2 * stats.beta(half, half, loc=-1, scale=2).sf(abs(r)))


def _within_task_slope(x: np.ndarray, values: np.ndarray, tasks: np.ndarray) -> np.ndarray:
    """The slope after each task's own mean is taken out of x and y (task fixed effects)."""
    codes = pd.factorize(tasks)[0]
    sizes = np.bincount(codes)
    x = x - (np.bincount(codes, x) / sizes)[codes]
    means = np.stack([np.bincount(codes, column) / sizes for column in values.T], axis=1)
    sxx = (x**2).sum()
    if np.isclose(sxx, 0):
        return np.full(values.shape[1], np.nan)
    return x @ (values - means[codes]) / sxx


def _curvature_p(x: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The p of the quadratic term in y = a + b x + c x²: small where a curve beats the line.

    nan where x has fewer than three values, and where nothing but rounding is left to explain.
    """
    freedom = len(x) - 3
    centred = x - x.mean()
    design = np.column_stack([np.ones_like(centred), centred, centred**2])
    if freedom < 1 or np.linalg.matrix_rank(design) < 3:
        return np.full(values.shape[1], np.nan)
    deviations = values - values.mean(axis=0)
    q, triangle = np.linalg.qr(design)
    coefficients = np.linalg.solve(triangle, q.T @ deviations)
    rss = ((deviations - design @ coefficients) ** 2).sum(axis=0)
    rss[rss <= ROUNDING * (deviations**2).sum(axis=0)] = np.nan
    t = coefficients[2] / np.sqrt(rss / freedom) / np.abs(np.linalg.inv(triangle)[2, 2])
    return 2 * stats.t.sf(np.abs(t), freedom)


@lru_cache(maxsize=2)
def _resamples(n: int) -> np.ndarray:
    """How often each of n points is drawn in each of 1000 resamples: 1000 × n, float32 (18 MB for 4,469 points)."""
    generator = np.random.default_rng(SEED)
    drawn = generator.integers(0, n, size=(RESAMPLES, n))
    drawn += np.arange(RESAMPLES)[:, None] * n
    return np.bincount(drawn.ravel(), minlength=RESAMPLES * n).reshape(RESAMPLES, n).astype(np.float32)


def _percentiles_without_nan(r: np.ndarray, percentiles: tuple[float, float]) -> np.ndarray:
    empty = np.isnan(r).all(axis=0)
    result = np.full((len(percentiles), r.shape[1]), np.nan)
    if not empty.all():
        result[:, ~empty] = np.nanpercentile(r[:, ~empty], percentiles, axis=0)
    return result
