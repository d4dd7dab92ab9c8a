"""Ranges of whole numbers, written out."""

import numpy as np


def expand_ranges(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The whole numbers of ranges, one range after the other.

    >>> expand_ranges(np.array([5, 0]), np.array([2, 3])).tolist()
    [5, 6, 0, 1, 2]
    """
    ends = lengths.cumsum()
    total = ends[-1] if len(ends) else 0
    return np.arange(total) + np.repeat(starts - (ends - lengths), lengths)
