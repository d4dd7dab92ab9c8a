"""Is a concept shown more rarely in one corpus than in another? Rates of two corpora of unequal size, with an exact test.

A sample counts at most once for a concept, and nearly every concept is rare, so that its count is Poisson's where samples are
independent. They are not: one photo has five captions, one shop writes a thousand alike. How much more counts scatter between
parts of a corpus than Poisson's would is its dispersion; counts are divided by it before they are tested.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from backend.fits import keep_discoveries

MILLION = 1e6
HARDLY = 0.5  # of the other corpus's share: below it, with all of the interval, a concept is hardly shown
BLOCKS = 20  # equal parts of a corpus, in its own order, between which counts scatter
INTERVAL = 0.95


@dataclass(frozen=True, eq=False)
class Rates:
    """How often one corpus shows concepts: `counts` (concept -> samples), of `pairs` samples in all."""

    counts: pd.Series
    pairs: int


def measure_dispersion(blocks: np.ndarray) -> float | None:
    """The variance of counts over their mean between equal blocks of a corpus, on average over concepts; at least 1.

    blocks (concepts × blocks): the hits of each. Pearson's chi-square over its degrees of freedom, of the concepts with at
    least one hit a block on average; None where there is none. 1 is Poisson's own scatter.

    >>> measure_dispersion(np.array([[4, 0, 4, 0], [2, 2, 2, 2]]))
    1.3333333333333333
    """
    means = blocks.mean(axis=1)
    common = blocks[means >= 1]
    if not common.size:
        return None
    means = common.mean(axis=1, keepdims=True)
    squares = ((common - means) ** 2 / means).sum()
    return max(float(squares / (len(common) * (common.shape[1] - 1))), 1.0)


def compare_rates(own: Rates, reference: Rates, dispersion: float = 1.0) -> pd.DataFrame:
    """The concepts that both corpora count, those that the first misses most beside the other's share first.

    concept, count, reference_count, per_million and reference_per_million (samples of a million pairs), times (the first over
    the second; null where the second is zero), times_low and times_high (95%), rank and reference_rank (1 is the most
    frequent of these concepts), shift (places lost), p, stands_out (survives Benjamini and Hochberg's procedure at 5% over
    all concepts), hardly (surely below half of the other's share), fewer (samples below what that share would give).

    p is two-sided and exact (Przyborowski and Wilenski 1940): given both counts' sum, the first is binomial. Both counts are
    divided by the dispersion, which is taken to be the same in both corpora. nan where neither shows the concept.
    """
    both = own.counts.index.intersection(reference.counts.index)
    count, other = (rates.counts.loc[both].to_numpy(float) for rates in (own, reference))
    p, low, high = _compare_counts(count / dispersion, other / dispersion, own.pairs, reference.pairs)
    with np.errstate(divide="ignore", invalid="ignore"):
        times = (count / own.pairs) / (other / reference.pairs)
    ranks = [pd.Series(-counts).rank(method="min").astype(int).to_numpy() for counts in (count, other)]
    stands_out = keep_discoveries(p)
    table = pd.DataFrame(
        {
            "concept": both,
            "count": count.astype(np.int64),
            "reference_count": other.astype(np.int64),
            "per_million": MILLION * count / own.pairs,
            "reference_per_million": MILLION * other / reference.pairs,
            "times": np.where(other > 0, times, np.nan),
            "times_low": np.where(other > 0, low, np.nan),
            "times_high": np.where(other > 0, high, np.nan),
            "rank": ranks[0],
            "reference_rank": ranks[1],
            "shift": ranks[0] - ranks[1],
            "p": p,
            "stands_out": stands_out,
            "hardly": stands_out & (high < HARDLY),
            "fewer": other / reference.pairs * own.pairs - count,
        }
    )
    return table.sort_values(["fewer", "concept"], ascending=[False, True], ignore_index=True)


def _compare_counts(
    count: np.ndarray, other: np.ndarray, pairs: int, other_pairs: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """p, and the ends of the 95% interval of the ratio of rates (Clopper and Pearson's); counts need not be whole."""
    share = pairs / (pairs + other_pairs)
    at_most = np.where(other > 0, special.betainc(np.maximum(other, 1e-300), count + 1, 1 - share), 1.0)
    at_least = np.where(count > 0, special.betainc(np.maximum(count, 1e-300), other + 1, share), 1.0)
    p = np.where(count + other > 0, np.minimum(2 * np.minimum(at_most, at_least), 1.0), np.nan)
    tail = (1 - INTERVAL) / 2
    low = np.where(count > 0, special.betaincinv(np.maximum(count, 1e-300), other + 1, tail), 0.0)
    high = np.where(other > 0, special.betaincinv(count + 1, np.maximum(other, 1e-300), 1 - tail), 1.0)
    with np.errstate(divide="ignore"):
        return p, low / (1 - low) * other_pairs / pairs, high / (1 - high) * other_pairs / pairs
