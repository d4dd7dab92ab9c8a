"""Sorts what captions name, of any number of captions in bounded memory: hits go to disk in sorted runs, which are then merged.

A batch of captions is searched and sorted while it lies in the processor's cache, and written as a run. Runs follow each other
by rising row, so that to merge them is to put each key's rows of one run after those of the run before: nothing is compared.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from precompute.search.ranges import expand_ranges
from precompute.search.text.reference import Captions, search_plainly
from precompute.search.text.search import choose_engine, find_fault, split_captions
from precompute.search.text.vocabulary import Vocabulary

HITS_AT_ONCE = 1 << 20  # that are merged in memory; one run's of one concept and method may be more

_OFFSET = np.dtype(np.int32)
_ROW = np.dtype(np.int32)


@dataclass(frozen=True, eq=False)
class MergedHits:
    """Hits in order: of each key from `first_key` on the number (keys,), and the rows of all, int64 (hits,), by key and row.

    A key is the concept's number times the number of methods, plus the method's. One with very many hits comes in pieces.
    """

    first_key: int
    counts: np.ndarray
    rows: np.ndarray


class HitRuns:
    """Sorted runs in one file, written once and then read by ranges of keys, by several threads where that helps.

    `counts`: of each concept and method the number of hits, int64 (concepts, methods) · `row_count`: of the captions searched.
    """

    def __init__(self, path: Path, concept_count: int, methods: Sequence[str]):
        self.path = path
        self.methods = tuple(methods)
        self.row_count = 0
        self.counts = np.zeros((concept_count, len(self.methods)), np.int64)
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

    def append(self, size: int, counts: np.ndarray, rows: np.ndarray) -> None:
        """Adds a run: `size` captions more, of each key the number of hits, and the rows among these captions, by key."""
        offsets = np.concatenate([[0], counts.cumsum(dtype=np.int64)]).astype(_OFFSET)
        self._places.append((self._end, self.row_count))
        for array in (offsets, rows.astype(_ROW, copy=False)):
            self._end += os.pwrite(self._file.fileno(), array, self._end)
        self.row_count += size
        self.counts += counts[: self.counts.size].reshape(self.counts.shape)

    def split(self) -> list[tuple[int, int]]:
        """Ranges of keys (from, to), in order, that have at most `HITS_AT_ONCE` hits, or are one key."""
        ranges, start, held = [], 0, 0
        for key, hits in enumerate(self.counts.ravel().tolist()):
            if key > start and held + hits > HITS_AT_ONCE:
                ranges.append((start, key))
                start, held = key, 0
            held += hits
        return [*ranges, (start, self.counts.size)]

    def merge(self, start: int, stop: int) -> Iterator[MergedHits]:
        """The hits of the keys from `start` to before `stop`."""
        counts = self.counts.ravel()[start:stop]
        if stop - start == 1 and counts[0] > HITS_AT_ONCE:
            for place, first_row in self._places:
                _, rows = self._read(place, start, stop)
                yield MergedHits(start, np.array([len(rows)]), rows + np.int64(first_row))
            return
        merged = np.empty(counts.sum(), np.int64)
        ends = counts.cumsum() - counts  # of what is merged so far, of each key
        put = _find_place_rows()
        for place, first_row in self._places:
            put(merged, ends, *self._read(place, start, stop), first_row)
        yield MergedHits(start, counts, merged)

    def _read(self, place: int, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Of one run the number of hits of each key in a range, and their rows."""
        begin = place + start * _OFFSET.itemsize
        offsets = self._read_array(begin, stop - start + 1, _OFFSET)
        first = place + (self.counts.size + 1) * _OFFSET.itemsize + int(offsets[0]) * _ROW.itemsize
        return np.diff(offsets), self._read_array(first, int(offsets[-1] - offsets[0]), _ROW)

    def _read_array(self, place: int, count: int, kind: np.dtype) -> np.ndarray:
        return np.frombuffer(os.pread(self._file.fileno(), count * kind.itemsize, place), kind)


def merge_hits(runs: HitRuns, concepts: Sequence[str], span: tuple[int, int]) -> Iterator[pa.Table]:
    """Rows of the table `hits`, without `corpus`, in its order, of a range of keys: with names by dictionary, of no score.

    The concepts are those of the vocabulary; they are sorted, and so are the methods.
    """
    names, methods, text = pa.array(concepts, pa.string()), pa.array(runs.methods, pa.string()), pa.array(["text"])
    for hits in runs.merge(*span):
        keys = np.arange(hits.first_key, hits.first_key + len(hits.counts), dtype=np.int32)
        concept, method = np.divmod(keys, np.int32(len(methods)))
        concept, method = np.repeat(concept, hits.counts), np.repeat(method.astype(np.int8), hits.counts)
        first, last = hits.first_key // len(methods), (hits.first_key + len(hits.counts) - 1) // len(methods)
        columns = {
            "concept": _name(concept - np.int32(first), names.slice(first, last - first + 1)),
            "modality": _name(np.zeros(len(hits.rows), np.int8), text),
            "method": _name(method, methods),
            "sample_id": pa.array(hits.rows),
            "score": pa.nulls(len(hits.rows), pa.float32()),
        }
        yield pa.table(columns)


def _name(numbers: np.ndarray, names: pa.Array) -> pa.DictionaryArray:
    """Names by their numbers, each of which is known to be one."""
    return pa.DictionaryArray.from_arrays(numbers, names, safe=False)


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
                    find, given = (engine.find_by_key, (batch,)) if engine else (_find_plainly, (batch, vocabulary))
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


def _find_place_rows() -> Callable:
    if find_fault():
        return _place_plainly
    from precompute.search.text.matching import place_rows

    return place_rows


def _place_plainly(merged: np.ndarray, ends: np.ndarray, lengths: np.ndarray, rows: np.ndarray, first_row: int) -> None:
    """As the compiled `place_rows`."""
    merged[expand_ranges(ends, lengths)] = rows + np.int64(first_row)
    ends += lengths


def _find_plainly(captions: pa.Array, vocabulary: Vocabulary) -> tuple[np.ndarray, np.ndarray]:
    """What the compiled search gives as hits by key."""
    methods = len(vocabulary.needs)
    found = search_plainly(captions, vocabulary).values()
    rows = np.concatenate([pair[0] for pair in found])
    keys = np.concatenate([pair[1].astype(np.int64) * methods + number for number, pair in enumerate(found)])
    return np.bincount(keys, minlength=len(vocabulary.concepts) * methods), rows[np.lexsort((rows, keys))]
