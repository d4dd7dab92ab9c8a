"""Text hits as the search keeps them, out of rows that are easier to read."""

from collections.abc import Iterable

import pyarrow as pa

from precompute.search.match import TEXT_SCHEMA
from precompute.search.text import METHODS


def make_text_hits(rows: Iterable[tuple[str, int, int]]) -> pa.Table:
    """The hits of rows (method, sample_id, concept), by concept and sample."""
    sets: dict[tuple[int, int], int] = {}
    for method, sample, concept in rows:
        sets[concept, sample] = sets.get((concept, sample), 0) | 1 << METHODS.index(method)
    hits = [(sample, concept, methods) for (concept, sample), methods in sorted(sets.items())]
    return pa.table([list(column) for column in zip(*hits, strict=True)] or [[], [], []], schema=TEXT_SCHEMA)
