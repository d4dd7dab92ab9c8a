"""The text method `synonyms`: the names of concepts are searched for as phrases, and each hit counts for whom it names.

A vocabulary of `names.names` is searched like one of concepts; `fold_names` makes of what was found the hits of the concepts by
every method, `synonyms` among them, and each name's own count.
"""

from dataclasses import dataclass

import numpy as np

from backend.synonyms import METHOD, Names
from precompute.search.ranges import expand_ranges

Pairs = tuple[np.ndarray, np.ndarray]  # caption rows, concept numbers: int32 (hits,) each, sorted by both


@dataclass(frozen=True, eq=False)
class FoldedHits:
    """The hits of concepts by each method, and how many captions have each name as a phrase, int64 (names,)."""

    found: dict[str, Pairs]
    names: np.ndarray


def fold_names(found: dict[str, Pairs], names: Names, concepts: int) -> FoldedHits:
    """The hits of the first `concepts` of some names, which are the concepts' own, out of those of all names.

    A caption that has several of a concept's names is one hit of it by `synonyms`.
    """
    own = {method: _keep_own(pairs, concepts) for method, pairs in found.items()}
    rows, numbers = found["phrase"]
    widths = np.array([len(owners) for owners in names.owners], np.int64)
    flat = np.array([concept for owners in names.owners for concept in owners], np.int64)
    starts = widths.cumsum() - widths
    lengths = widths[numbers]
    keys = np.repeat(rows, lengths) * np.int64(max(concepts, 1)) + flat[expand_ranges(starts[numbers], lengths)]
    folded_rows, folded = np.divmod(np.unique(keys), max(concepts, 1))
    own[METHOD] = folded_rows.astype(np.int32), folded.astype(np.int32)
    return FoldedHits(own, np.bincount(numbers, minlength=len(names.names)))


def _keep_own(pairs: Pairs, concepts: int) -> Pairs:
    rows, numbers = pairs
    kept = numbers < concepts
    return rows[kept], numbers[kept]
