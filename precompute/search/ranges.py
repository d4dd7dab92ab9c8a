"""Ranges of whole numbers, written out, and ranges with so much in them."""

from collections.abc import Sequence

import numpy as np


def expand_ranges(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The whole numbers of ranges, one range after the other.

    >>> expand_ranges(np.array([5, 0]), np.array([2, 3])).tolist()
    [5, 6, 0, 1, 2]
    """
    ends = lengths.cumsum()
    total = ends[-1] if len(ends) else 0
    return np.arange(total) + np.repeat(starts - (ends - lengths), lengths)


def split_ranges(counts: Sequence[int], most: int) -> list[tuple[int, int]]:
    """Ranges (from, to), in order, of numbers whose counts are together at most so many, or that are one number.

    >>> split_ranges([5, 3, 1, 9, 0], 8)
    [(0, 2), (2, 3), (3, 4), (4, 5)]
    """
    ranges, start, held = [], 0, 0
    for number, count in enumerate(counts):
        if number > start and held + count > most:
            ranges.append((start, number))
            start, held = number, 0
        held += count
    return [*ranges, (start, len(counts))]
