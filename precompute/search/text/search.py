"""Searches a column of captions: compiled where that pays and can be had, else in plain Python, with the same result.

Cost: 1.5 million captions a second on one core of a server, with 4,000 concepts and three methods.
"""

import warnings
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from precompute.search.text.reference import Captions, search_plainly
from precompute.search.text.vocabulary import Vocabulary

if TYPE_CHECKING:
    from precompute.search.text.engine import Engine

BATCH_CAPTIONS = 1 << 16
BATCH_BYTES = 1 << 23  # so that a batch of long captions takes no more memory than one of short ones
FEW_CAPTIONS = 20_000  # are searched sooner than the compiled search is loaded

_NOTHING = np.empty(0, np.int32)


class SlowSearchWarning(UserWarning):
    """The compiled search cannot run here; captions are searched ten times as slowly."""


def search_captions(captions: Captions, vocabulary: Vocabulary) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """For each method the hits: caption rows and concept numbers, both int32, sorted by both, each pair once."""
    engine = choose_engine(vocabulary, len(captions))
    if engine is None:
        return search_plainly(as_strings(captions), vocabulary)
    found: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {method: [(_NOTHING, _NOTHING)] for method in vocabulary.needs}
    start = 0
    for batch in split_captions(captions):
        rows, concepts, sets = engine.find_in_order(batch)
        for number, method in enumerate(found):
            chosen = sets & 1 << number != 0
            found[method].append((rows[chosen] + np.int32(start), concepts[chosen]))
        start += len(batch)
    return {
        method: (np.concatenate([rows for rows, _ in pairs]), np.concatenate([concepts for _, concepts in pairs]))
        for method, pairs in found.items()
    }


def choose_engine(vocabulary: Vocabulary, count: int | None) -> "Engine | None":
    """The compiled search, where it is loaded already or pays for so many captions; None is no number that is known."""
    is_worth_it = find_fault.cache_info().currsize or count is None or count >= FEW_CAPTIONS
    return open_engine(vocabulary) if is_worth_it else None


@lru_cache(maxsize=2)
def open_engine(vocabulary: Vocabulary) -> "Engine | None":
    """The compiled search for a vocabulary; None, with a warning that names the cause, where it cannot run."""
    fault = find_fault()
    if fault:
        warnings.warn(f"Captions are searched in plain Python, ten times as slowly: {fault}", SlowSearchWarning, stacklevel=3)
        return None
    from precompute.search.text.engine import Engine

    return Engine(vocabulary)


@lru_cache(maxsize=1)
def find_fault() -> str | None:
    """Why the compiled search cannot run here, where it cannot. It is compiled by that, where it was not kept: 10 s, once."""
    try:
        from precompute.search.text.engine import try_engine
    except (ImportError, OSError, RuntimeError) as error:
        return f"numba cannot be loaded ({error})."
    return try_engine()


def as_strings(captions: Captions) -> Captions:
    """A column of strings of any kind (views, by dictionary) as plain ones, without a copy where they are."""
    is_plain = pa.types.is_string(captions.type) or pa.types.is_large_string(captions.type)
    return captions if is_plain else captions.cast(pa.large_string())


def split_captions(captions: Captions) -> Iterator[pa.Array]:
    """Batches of a column, in order, of bounded number and bytes; a single caption may have more."""
    captions = as_strings(captions)
    for chunk in captions.chunks if isinstance(captions, pa.ChunkedArray) else [captions]:
        ends = pc.fill_null(pc.binary_length(chunk), 0).to_numpy(zero_copy_only=False).cumsum(dtype=np.int64)
        start = held = 0
        while start < len(chunk):
            full = int(np.searchsorted(ends, held + BATCH_BYTES, "right"))
            stop = min(max(full, start + 1), start + BATCH_CAPTIONS)
            yield chunk.slice(start, stop - start)
            start, held = stop, ends[stop - 1]
