"""The straight line through points of frequency and score: its statistics, bins and intervals.

x = log10(max(count, 1)), y = value. The raw Pearson r, squared, is the share of the variance of concepts' scores that goes
with frequency; the binned r says how well the *mean* score follows a line. Three slopes: of the line through all points
(pooled), after each task's own mean is taken out (within tasks), and of an average task (mixed). Intervals resample clusters.
"""

from dataclasses import asdict, dataclass, fields

import numpy as np
import pandas as pd
from scipy import stats

from backend.clusters import bootstrap_lines, describe_clusters, find_clusters
from backend.errors import EmptySelection
from backend.mixed import fit_mixed_slopes

# The paper's notebooks (zero_shot_*, retrieval_*, t2i_*_search_results) bin ln(count) at this many edges.
BIN_EDGES = {"classification": 12, "generation": 7, "retrieval": 7}
FEWEST_POINTS = 3
TENFOLD = 1.0  # in log10: where counts span less, points per tenfold say nothing about them
ROUNDING = 1e-24  # of a sum of squares: what float64 leaves of a perfect fit
DISCOVERIES = 0.05  # the share of false ones among the comparisons that Benjamini and Hochberg's procedure keeps


@dataclass(frozen=True)
class Slope:
    """Points per tenfold samples with the 95% interval; `name` says of what: "mixed", "within tasks" or "pooled"."""

    name: str
    value: float
    low: float
    high: float

    @property
    def p(self) -> float:
        """The two-sided p of a slope of zero: of a normal estimate whose 95% interval is as wide."""
        error = (self.high - self.low) / (2 * stats.norm.ppf(0.975))
        if not error > 0:  # a perfect line differs from zero beyond doubt; without an interval nothing is known
            return 0.0 if error == 0 and self.value else float("nan")
        return float(2 * stats.norm.sf(abs(self.value) / error))

    @property
    def reaches_zero(self) -> bool:
        """Whether the interval holds zero, so that the sign of the slope is not known; true where there is no interval."""
        return not (self.low > 0 or self.high < 0)


@dataclass(frozen=True)
class Fit:
    """One line through the points of a model: the columns of `scaling.parquet` that a fit itself determines.

    A statistic that the points cannot determine (no spread in frequency or in score, too few tasks for a mixed slope) is nan.
    `clusters` and `n_clusters`: what the intervals resample. `paper_r`: the binned r over the bins alone that the paper's
    figure of the same points prints, known where `scaling.parquet` was built from the paper's release.
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
    log_count_min: float
    log_count_max: float
    slope_low: float = float("nan")
    slope_high: float = float("nan")
    within_low: float = float("nan")
    within_high: float = float("nan")
    mixed_slope: float = float("nan")
    mixed_low: float = float("nan")
    mixed_high: float = float("nan")
    paper_r: float = float("nan")
    clusters: str = "concept"
    n_clusters: int = 0

    @property
    def slopes(self) -> list[Slope]:
        """The slopes that are determined, the one that leads first: mixed, within tasks, pooled."""
        found = [
            Slope("mixed", self.mixed_slope, self.mixed_low, self.mixed_high),
            Slope("within tasks", self.within_task_slope, self.within_low, self.within_high),
            Slope("pooled", self.slope, self.slope_low, self.slope_high),
        ]
        return [slope for slope in found if np.isfinite(slope.value)]

    @property
    def lead(self) -> Slope:
        """The slope that a headline tells: the mixed one, or the pooled one where there are too few tasks for it."""
        return next(
            (slope for slope in self.slopes if slope.name == "mixed"),
            Slope("pooled", self.slope, self.slope_low, self.slope_high),
        )

    @property
    def resampled(self) -> str:
        """What the intervals resample, in words: "18 tasks"."""
        return describe_clusters(self.clusters, self.n_clusters)

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
    return fit_columns(points[["count", "task", "concept"]], values, kind)[0]


def fit_columns(points: pd.DataFrame, values: np.ndarray, kind: str) -> list[Fit]:
    """One fit a column of `values` (n × k, finite), all over the same `points` (n rows: count, task, concept).

    Columns share the draws of the bootstrap.
    """
    counts, tasks = points["count"].to_numpy(), points["task"].to_numpy()
    x = log_count(counts)
    slope, intercept, r = _line(x, values)
    clusters = find_clusters(tasks, points["concept"].to_numpy())
    intervals = bootstrap_lines(x, values, tasks, clusters)
    mixed = fit_mixed_slopes(x, values, tasks)
    spearman = _line(stats.rankdata(counts), stats.rankdata(values, axis=0))[2]
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
                pearson_low=float(intervals.pearson[0, k]),
                pearson_high=float(intervals.pearson[1, k]),
                pearson_p=_pearson_p(r[k], len(x)),
                spearman_r=float(spearman[k]),
                binned_r=binned_r,
                binned_p=binned_p,
                within_task_slope=float(within[k]),
                curvature_p=float(curvature[k]),
                log_count_min=float(x.min()),
                log_count_max=float(x.max()),
                slope_low=float(intervals.slope[0, k]),
                slope_high=float(intervals.slope[1, k]),
                within_low=float(intervals.within[0, k]),
                within_high=float(intervals.within[1, k]),
                mixed_slope=float(mixed[0, k]),
                mixed_low=float(mixed[1, k]),
                mixed_high=float(mixed[2, k]),
                clusters=clusters.unit,
                n_clusters=clusters.number,
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


def average_bins(counts: np.ndarray, values: np.ndarray, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """All bins of `bin_points`, the empty ones too: ln of the edge, and mean (nan where a bin is empty)."""
    edges, bins = _assign_bins(counts, kind)
    n = np.bincount(bins, minlength=len(edges))
    means = np.full(len(edges), np.nan)
    means[n > 0] = np.bincount(bins, values, len(edges))[n > 0] / n[n > 0]
    return edges, means


def correlate_bins(edges: np.ndarray, means: np.ndarray) -> tuple[float, float]:
    """Pearson r, and its p, of ln(bin edge) with bin mean over the bins that have one; nan below three or without spread."""
    filled = np.isfinite(means)
    if filled.sum() < FEWEST_POINTS or np.ptp(means[filled]) == 0:
        return float("nan"), float("nan")
    result = stats.pearsonr(edges[filled], means[filled])
    return float(result.statistic), float(result.pvalue)


def binned_correlation(counts: np.ndarray, values: np.ndarray, kind: str) -> tuple[float, float]:
    """`correlate_bins` over all bins that hold a point."""
    return correlate_bins(*average_bins(counts, values, kind))


def find_residuals(points: pd.DataFrame, fit: Fit) -> pd.DataFrame:
    """The points with `expected` (the pooled line), `residual` (value minus line) and `stands_out`, most above the line first.

    `stands_out`: the residual survives Benjamini and Hochberg's procedure at 5% among all of them, measured in standard
    deviations of the residuals.
    """
    expected = fit.intercept + fit.slope * log_count(points["count"].to_numpy())
    table = points.assign(expected=expected, residual=points["value"] - expected)
    spread = table["residual"].std()
    p = 2 * stats.norm.sf(np.abs(table["residual"]) / spread) if spread > 0 else np.ones(len(table))
    table["stands_out"] = keep_discoveries(p)
    return table.sort_values("residual", ascending=False, kind="stable", ignore_index=True)


def keep_discoveries(p: np.ndarray) -> np.ndarray:
    """Which of many p survive Benjamini and Hochberg's procedure at 5%; a p that is not known never does.

    >>> keep_discoveries(np.array([0.001, 0.04, float("nan"), 0.04])).tolist()
    [True, True, False, True]
    """
    known = np.isfinite(p)
    kept = np.zeros(len(p), bool)
    if known.any():
        kept[known] = stats.false_discovery_control(np.asarray(p)[known]) <= DISCOVERIES
    return kept


def fit_columns_table(points: pd.DataFrame, values: np.ndarray, kind: str) -> pd.DataFrame:
    """`fit_columns` as a frame, one row a column of `values`; statistics that are not determined are null."""
    return pd.DataFrame([asdict(fit) for fit in fit_columns(points, values, kind)])


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
