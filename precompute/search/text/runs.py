"""Sorts what captions name, of any number of captions in bounded memory: hits go to disk in sorted runs, which are then merged.

A batch of captions is searched and sorted while it lies in the processor's cache, and written as a run. Runs follow each other
by rising row, so that to merge them is to put each concept's hits of one run after those of that before: nothing is compared.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from precompute.search.ranges import expand_ranges, split_ranges
from precompute.search.text.reference import Captions, search_plainly
from precompute.search.text.search import choose_engine, find_fault, split_captions
from precompute.search.text.vocabulary import Vocabulary

HITS_AT_ONCE = 1 << 20  # that are merged in memory; one run's of one concept and method may be more

_OFFSET = np.dtype(np.int32)
_HIT = np.dtype(np.int32)


@dataclass(frozen=True, eq=False)
class MergedHits:
    """Hits in order: of each concept from `first_concept` on the number (concepts,); and of all, by concept and row, the rows,
    int64, and the sets of methods, uint8 (hits,). Bit n of a set stands for the n-th method.

    A concept with very many hits comes in pieces.
    """

    first_concept: int
    counts: np.ndarray
    rows: np.ndarray
    sets: np.ndarray


class HitRuns:
    """Sorted runs in one file, written once and then read by ranges of concepts, by several threads where that helps.

    `counts`: of each concept the number of hits, int64 (concepts,) · `row_count`: of the captions searched.
    """

    def __init__(self, path: Path, concept_count: int, methods: Sequence[str]):
        self.path = path
        self.methods = tuple(methods)
        self.row_count = 0
        self.counts = np.zeros(concept_count, np.int64)
        self._places: list[tuple[int, int]] = []  # of each run: where it begins in the file, and its first row
        self._file = path.open("w+b", buffering=0)
        self._end = 0

    def __enter__(self) -> "HitRuns":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Deletes the file."""
        self._file.close()
        self.path.unlink()

    def append(self, size: int, counts: np.ndarray, hits: np.ndarray) -> None:
        """Adds a run of `size` captions more: of each concept the number of hits, and all of them as the engine's
        `find_by_concept` gives them, by their rows among these captions."""
        offsets = np.concatenate([[0], counts.cumsum(dtype=np.int64)]).astype(_OFFSET)
        self._places.append((self._end, self.row_count))
        for array in (offsets, hits.astype(_HIT, copy=False)):
            self._end += os.pwrite(self._file.fileno(), array, self._end)
        self.row_count += size
        self.counts += counts[: len(self.counts)]

    def split(self) -> list[tuple[int, int]]:
        """Ranges of concepts (from, to), in order, that have at most `HITS_AT_ONCE` hits, or are one concept."""
        return split_ranges(self.counts.tolist(), HITS_AT_ONCE)

    def merge(self, start: int, stop: int) -> Iterator[MergedHits]:
        """The hits of the concepts from `start` to before `stop`."""
        counts = self.counts[start:stop]
        if stop - start == 1 and counts[0] > HITS_AT_ONCE:
            for place, first_row in self._places:
                _, hits = self._read(place, start, stop)
                rows, sets = _unpack(hits, len(self.methods), first_row)
                yield MergedHits(start, np.array([len(rows)]), rows, sets)
            return
        rows, sets = np.empty(counts.sum(), np.int64), np.empty(counts.sum(), np.uint8)
        ends = counts.cumsum() - counts  # of what is merged so far, of each concept
        put = _find_place_hits()
        for place, first_row in self._places:
            put(rows, sets, ends, *self._read(place, start, stop), len(self.methods), first_row)
        yield MergedHits(start, counts, rows, sets)

    def _read(self, place: int, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Of one run the number of hits of each concept in a range, and these hits."""
        begin = place + start * _OFFSET.itemsize
        offsets = self._read_array(begin, stop - start + 1, _OFFSET)
        first = place + (len(self.counts) + 1) * _OFFSET.itemsize + int(offsets[0]) * _HIT.itemsize
        return np.diff(offsets), self._read_array(first, int(offsets[-1] - offsets[0]), _HIT)

    def _read_array(self, place: int, count: int, kind: np.dtype) -> np.ndarray:
        return np.frombuffer(os.pread(self._file.fileno(), count * kind.itemsize, place), kind)


def find_runs(
    captions: Iterable[Captions], vocabulary: Vocabulary, path: Path, threads: int = 1, count: int | None = None
) -> HitRuns:
    """The hits of captions that come piece by piece, sorted in runs in a new file at `path`; close it by leaving its block.

    `count`: how many captions there are, where that is known; for few the compiled search is not loaded.
    """
    engine = choose_engine(vocabulary, count)
    runs = HitRuns(path, len(vocabulary.concepts), vocabulary.needs)
    waiting: deque[tuple[int, Future]] = deque()
    try:
        with ThreadPoolExecutor(threads) as pool:
            for piece in captions:
                for batch in split_captions(piece):
                    find, given = (engine.find_by_concept, (batch,)) if engine else (_find_plainly, (batch, vocabulary))
                    waiting.append((len(batch), pool.submit(find, *given)))
                    if len(waiting) > threads:
                        size, found = waiting.popleft()
                        runs.append(size, *found.result())
            for size, found in waiting:
                runs.append(size, *found.result())
    except BaseException:
        runs.close()
        raise
    return runs


def _find_place_hits() -> Callable:
    if find_fault():
        return _place_plainly
    from precompute.search.text.matching import place_hits

    return place_hits


def _place_plainly(
    rows: np.ndarray, sets: np.ndarray, ends: np.ndarray, lengths: np.ndarray, hits: np.ndarray, shift: int, first_row: int
) -> None:
    """As the compiled `place_hits`."""
    places = expand_ranges(ends, lengths)
    rows[places], sets[places] = _unpack(hits, shift, first_row)
    ends += lengths


def _unpack(hits: np.ndarray, shift: int, first_row: int) -> tuple[np.ndarray, np.ndarray]:
    """The rows, int64, and the sets of methods of hits."""
    return (hits >> shift) + np.int64(first_row), (hits & ((1 << shift) - 1)).astype(np.uint8)


def _find_plainly(captions: pa.Array, vocabulary: Vocabulary) -> tuple[np.ndarray, np.ndarray]:
    """What the compiled search gives as hits by concept."""
    found = search_plainly(captions, vocabulary).values()
    rows = np.concatenate([rows for rows, _ in found])
    concepts = np.concatenate([concepts for _, concepts in found])
    sets = np.repeat(np.int32(1) << np.arange(len(found), dtype=np.int32), [len(rows) for rows, _ in found])
    order = np.lexsort((rows, concepts))
    rows, concepts, sets = rows[order], concepts[order], sets[order]
    firsts = np.flatnonzero((np.diff(rows, prepend=-1) != 0) | (np.diff(concepts, prepend=-1) != 0))
    hits = rows[firsts] << len(found) | np.bitwise_or.reduceat(sets, firsts) if len(firsts) else rows
    return np.bincount(concepts[firsts], minlength=len(vocabulary.concepts)), hits
