"""What score a concept's frequency lets one expect: the scores of the concepts that are about as frequent.

The band of a count is made of the scores of the tenth of the concepts nearest to it in x = log10(max(count, 1)), at least 50
and at most 400 of them, and all that are as near as the last: their median is the expected score, and four in five of them
lie between the 10% and the 90% quantile. A line with one band of residuals promises the same everywhere, where scores
scatter far more at some counts than at others.

Where a study knows how many test images each score rests on, the nearest concepts give a beta-binomial law instead: how
concepts differ, and how a score of so many images scatters around its concept's own.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import special, stats

from backend.clusters import describe_clusters, find_clusters
from backend.fits import log_count

NEAREST = 0.1  # of the concepts
FEWEST, MOST = 50, 400
QUANTILES = (0.1, 0.5, 0.9)  # low, expected, high
FOLDS = 10  # where concepts are left out, a tenth at a time
MANY_IMAGES = 1000  # from here on a score's own sampling is far below the spread between concepts
CELLS = 1 << 21  # of one array of windows: 16 MB
LEAST_SPREAD, MOST_SPREAD = 1e-6, 0.999  # correlation of two images of a concept, between which a beta law exists
_NEAR = 1e-9  # in x: what rounding leaves between equal counts


@dataclass(frozen=True)
class Peers:
    """The concepts that one model was scored on, in rising order of frequency; all arrays have one entry a score.

    x: log10(max(count, 1)) · values: the scores · clusters: the number of each one's cluster, and `unit`, what a cluster is,
    "task" or "concept" (`backend.clusters`) · images: test images behind each score, None where the study does not know them ·
    bounds: the range that a score cannot leave, None where there is none.
    """

    x: np.ndarray
    values: np.ndarray
    clusters: np.ndarray
    unit: str
    images: np.ndarray | None
    bounds: tuple[float, float] | None

    def __len__(self) -> int:
        return len(self.x)

    def take(self, chosen: np.ndarray) -> "Peers":
        """Those that a mask chooses."""
        images = None if self.images is None else self.images[chosen]
        return replace(self, x=self.x[chosen], values=self.values[chosen], clusters=self.clusters[chosen], images=images)


@dataclass(frozen=True)
class MeanScore:
    """The mean score expected over a whole test set, and the range in which four test sets in five lie.

    `test_sets`: how many tasks' own effects the range is made of; None where there are too few, and it holds only the
    scatter of concepts.
    """

    value: float
    low: float
    high: float
    names: int
    test_sets: int | None


@dataclass(frozen=True)
class Gain:
    """How far scores lie from what is expected of them, on average, with their frequency known and without.

    In the scores' unit; every part that is left out in turn counts the same. `left_out`: what was, in words.
    """

    with_frequency: float
    without: float
    left_out: str


def gather_peers(points: pd.DataFrame, bounds: tuple[float, float] | None) -> Peers:
    """The peers of the rows of `join_points`: task, concept, count, value, n."""
    x = log_count(points["count"].to_numpy())
    order = np.argsort(x, kind="stable")
    clusters = find_clusters(points["task"].to_numpy(), points["concept"].to_numpy())
    known = bounds == (0, 100) and points["n"].notna().all() and len(points) > 0
    return Peers(
        x=x[order],
        values=points["value"].to_numpy(float)[order],
        clusters=clusters.codes[order],
        unit=clusters.unit,
        images=points["n"].to_numpy(float)[order] if known else None,
        bounds=bounds,
    )


def expect_scores(peers: Peers, counts: np.ndarray, images: np.ndarray | None = None) -> pd.DataFrame:
    """expected, low, high, extrapolates at each count (nan: not counted; then all of them are null).

    `images`: the test images of each score to come, where a study knows them; without, as many as its median score has.
    `extrapolates`: the count lies outside those of the peers, and the band is that of the nearest end.
    """
    counts = np.asarray(counts, float)
    known = ~np.isnan(counts)
    band = np.full((3, len(counts)), np.nan)
    band[:, known] = find_band(peers, counts[known], None if images is None else np.asarray(images, float)[known])
    low, expected, high = band
    extrapolates = np.full(len(counts), None)
    extrapolates[known] = lie_outside(peers, counts[known])
    return pd.DataFrame({"expected": expected, "low": low, "high": high, "extrapolates": extrapolates})


def find_band(peers: Peers, counts: np.ndarray, images: np.ndarray | None = None) -> np.ndarray:
    """The 10, 50 and 90% quantiles (3 × n) of the scores to expect at n counts; `images` as `expect_scores` has it."""
    x = log_count(counts)
    if peers.images is None:
        distinct, inverse = np.unique(x, return_inverse=True)
        return _find_quantiles(peers, distinct)[:, inverse]
    if images is None:
        images = np.full(len(x), np.median(peers.images))
    pairs, inverse = np.unique(np.column_stack([x, images]), axis=0, return_inverse=True)
    return _find_binomial(peers, *pairs.T)[:, inverse.ravel()]


def lie_outside(peers: Peers, counts: np.ndarray) -> np.ndarray:
    """Whether counts lie outside those of the peers, so that what is expected of them is extrapolated."""
    x = log_count(counts)
    return (x < peers.x[0] - _NEAR) | (x > peers.x[-1] + _NEAR)


def expect_mean(peers: Peers, counts: np.ndarray) -> MeanScore | None:
    """The mean score to expect over concepts of these counts, with 80% limits; None where none is counted, or the peers are
    one concept alone.

    Each concept is expected to score as its peers do on average. Whole tasks lie above or below that, which is seen by
    leaving one out: with r_t the mean residual of task t under the others, the mean of a new task of m concepts has the
    variance tau² + sigma²/m, tau² the variance of the r_t less what their concepts' scatter makes of it, sigma² the variance
    of residuals within tasks. As each r_t is seen from the others, tau² holds that these are few; as scores are observed
    ones, sigma² holds the sampling of test images.
    """
    counts = np.asarray(counts, float)
    counts = counts[~np.isnan(counts)]
    if not len(counts) or len(np.unique(peers.clusters)) < 2:
        return None
    centre = _find_means(peers, log_count(counts)).mean()
    residuals = [rest.values - _find_means(others, rest.x) for others, rest in leave_out(peers)]
    tasks = peers.unit == "task"
    if tasks:
        sizes = np.array([len(part) for part in residuals])
        shifts = np.array([part.mean() for part in residuals])
        scatter = np.mean([part.var(ddof=1) for part in residuals if len(part) > 1] or [0.0])
        effect = max(shifts.var(ddof=1) - (scatter / sizes).mean(), 0.0)
        centre += shifts.mean()
        reach = stats.t.ppf(QUANTILES[2], len(shifts) - 1) * np.sqrt(effect + scatter / len(counts))
    else:
        scatter = np.concatenate(residuals).var(ddof=1)
        reach = stats.norm.ppf(QUANTILES[2]) * np.sqrt(scatter * (1 / len(counts) + 1 / _count_nearest(len(peers))))
    figures = np.array([centre, centre - reach, centre + reach])
    if peers.bounds:
        figures = figures.clip(*peers.bounds)
    return MeanScore(*(float(figure) for figure in figures), len(counts), len(residuals) if tasks else None)


def weigh_frequency(peers: Peers) -> Gain | None:
    """How much knowing the frequency adds, by leaving out what the intervals resample; None where nothing can be left out.

    Without frequency the median of all the others is expected of every concept.
    """
    errors = []
    for others, rest in leave_out(peers):
        expected = find_band(others, 10**rest.x, rest.images)[1]
        errors.append((np.abs(rest.values - expected).mean(), np.abs(rest.values - np.median(others.values)).mean()))
    if not errors:
        return None
    with_frequency, without = np.mean(errors, axis=0)
    left_out = describe_clusters("task", len(errors)) if peers.unit == "task" else "tenths of the concepts"
    return Gain(float(with_frequency), float(without), left_out)


def leave_out(peers: Peers) -> Iterator[tuple[Peers, Peers]]:
    """(the others, those left out): each task in turn or, where concepts are the clusters, each tenth of them."""
    groups = peers.clusters if peers.unit == "task" else peers.clusters % FOLDS
    for group in np.unique(groups):
        chosen = groups == group
        if not chosen.all():
            yield peers.take(~chosen), peers.take(chosen)


def trace_band(peers: Peers, points: int = 100) -> pd.DataFrame:
    """count, expected, low, high, extrapolates at up to so many counts, from the least to the greatest of the peers."""
    x = np.unique(np.append(np.linspace(peers.x[0], peers.x[-1], points), peers.x[[0, -1]]))
    counts = 10**x
    return expect_scores(peers, counts).assign(count=counts)


def find_windows(sorted_x: np.ndarray, x: np.ndarray, nearest: int) -> tuple[np.ndarray, np.ndarray]:
    """first, end: where in `sorted_x` the `nearest` entries to each of `x` stand, with all that are as near as the last.

    >>> first, end = find_windows(np.array([0.0, 0.0, 0.0, 1.0, 2.0]), np.array([0.0, 1.4]), 2)
    >>> first.tolist(), end.tolist()
    ([0, 3], [3, 5])
    """
    first, last = np.zeros(len(x), int), np.full(len(x), len(sorted_x) - nearest)
    while (first < last).any():  # the start moves right while that swaps a far entry on the left for a nearer one
        middle = (first + last) // 2
        follower = np.minimum(middle + nearest, len(sorted_x) - 1)
        right = (first < last) & (x - sorted_x[middle] > sorted_x[follower] - x)
        first, last = np.where(right, middle + 1, first), np.where(right, last, middle)
    reach = np.maximum(x - sorted_x[first], sorted_x[first + nearest - 1] - x) + _NEAR
    return np.searchsorted(sorted_x, x - reach), np.searchsorted(sorted_x, x + reach, side="right")


def _count_nearest(peers: int) -> int:
    return min(int(np.clip(np.ceil(NEAREST * peers), FEWEST, MOST)), peers)


def _find_quantiles(peers: Peers, x: np.ndarray) -> np.ndarray:
    """The 10, 50 and 90% quantiles of the peers' scores around each x (3 × len(x)), linear between two scores."""
    first, end = find_windows(peers.x, x, _count_nearest(len(peers)))
    width = int((end - first).max(initial=1))
    found = np.empty((len(QUANTILES), len(x)))
    for start in range(0, len(x), step := max(CELLS // width, 1)):
        part = slice(start, start + step)
        places = first[part, None] + np.arange(width)
        scores = np.where(places < end[part, None], peers.values[np.minimum(places, len(peers) - 1)], np.inf)
        scores.sort(axis=1)
        size = end[part] - first[part]
        rows = np.arange(len(size))
        for k, quantile in enumerate(QUANTILES):
            place = quantile * (size - 1)
            below = np.floor(place).astype(int)
            above = np.minimum(below + 1, size - 1)
            low = scores[rows, below]
            found[k, part] = low + (scores[rows, above] - low) * (place - below)
    return found


def _find_means(peers: Peers, x: np.ndarray) -> np.ndarray:
    """The mean of the peers' scores around each x."""
    first, end = find_windows(peers.x, x, _count_nearest(len(peers)))
    return _sum_windows(peers.values, first, end) / (end - first)


def _sum_windows(values: np.ndarray, first: np.ndarray, end: np.ndarray) -> np.ndarray:
    totals = np.concatenate([[0.0], np.cumsum(values)])
    return totals[end] - totals[first]


def _find_binomial(peers: Peers, x: np.ndarray, images: np.ndarray) -> np.ndarray:
    """The 10, 50 and 90% quantiles (3 × len(x), %) of a score over so many images, by the beta-binomial law around each x."""
    alpha, beta = fit_beta(peers, x)
    found = np.empty((len(QUANTILES), len(x)))
    many = images > MANY_IMAGES
    for k, quantile in enumerate(QUANTILES):
        found[k, many] = special.betaincinv(alpha[many], beta[many], quantile)
    few = np.flatnonzero(~many)
    width = int(images[few].max(initial=0)) + 1
    for start in range(0, len(few), step := max(CELLS // width, 1)):
        part = few[start : start + step]
        n, a, b = images[part, None], alpha[part, None], beta[part, None]
        right = np.minimum(np.arange(width), n)
        chances = special.betaln(right + a, n - right + b) - special.betaln(a, b)
        chances -= special.betaln(right + 1, n - right + 1) + np.log(n + 1)  # the binomial coefficient
        below = np.cumsum(np.exp(chances), axis=1)
        for k, quantile in enumerate(QUANTILES):
            reached = np.argmax(below >= quantile - 1e-9, axis=1)
            found[k, part] = reached / images[part]
    return 100 * found


def fit_beta(peers: Peers, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """alpha, beta of the law by which the concepts around each x differ in accuracy, by moments (Kleinman 1973).

    With p the share of all images that are right and S = sum n_i (p_i - p)², E[S] = p (1 - p) ((1 - rho) (N - 1) + rho (n -
    sum n_i² / n)): rho, the correlation of two images of one concept, is 1 / (alpha + beta + 1).
    """
    first, end = find_windows(peers.x, x, _count_nearest(len(peers)))
    n, share = peers.images, peers.values / 100
    total, squares, right, right_squares = (_sum_windows(column, first, end) for column in (n, n**2, n * share, n * share**2))
    p = (right + 0.5) / (total + 1)  # half a hit and half a miss more: where all are right, another may still be wrong
    spread = right_squares - right**2 / total
    freedom = end - first - 1
    with np.errstate(divide="ignore", invalid="ignore"):
        rho = (spread / (p * (1 - p)) - freedom) / (total - squares / total - freedom)
    rho = np.clip(np.nan_to_num(rho), LEAST_SPREAD, MOST_SPREAD)
    size = 1 / rho - 1
    return p * size, (1 - p) * size
