"""Sorts the hits of a range of concepts: in memory as long as they are few, on disk where one concept alone has very many."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from precompute.search.match import Methods
from precompute.search.match_kernels import choose_loop, spread_hits
from precompute.search.ranges import expand_ranges
from precompute.search.spilling import connect_spilling
from precompute.search.text import METHODS, count_hits, has_method

HELD_HITS = 1 << 24  # that are sorted in memory; more go to disk, as they come
ROWS_AT_ONCE = 1 << 17


@contextmanager
def open_sort(place: Path) -> Iterator["UnsortedHits"]:
    """A place for hits that is deleted afterwards; what a process that was killed left there goes first."""
    shutil.rmtree(place, ignore_errors=True)
    hits = UnsortedHits(place)
    try:
        yield hits
    finally:
        hits.close()


class UnsortedHits:
    """Hits as they come: text hits (`TEXT_SCHEMA`), by concept and sample_id, and image hits, by concept's number."""

    def __init__(self, place: Path):
        self._place = place
        self._held: list[tuple[pa.Table, pa.Table]] = []
        self._count = 0
        self._disk: duckdb.DuckDBPyConnection | None = None

    def add(self, text: pa.Table, image: pa.Table) -> None:
        """Takes the hits of one shard's captions and images."""
        self._held.append((text, image))
        self._count += int(np.bitwise_count(text["methods"].to_numpy()).sum()) + image.num_rows
        if self._count > HELD_HITS:
            self._put_on_disk()

    def sort(self, concepts: Sequence[str], methods: Methods) -> Iterator[pa.Table]:
        """The rows of `hits`, without `corpus`, in the table's order; names by dictionary."""
        # As the table sorts them: a concept's image hits, then its text hits by method.
        ways = (*methods.image[:1], *methods.text)
        names, modalities, stored = (pa.array(values, pa.string()) for values in (concepts, ["image", "text"], ways))
        for concept, way, sample_id, score in self._sort_on_disk(methods) if self._disk else self._sort_in_memory(methods):
            of_text = (way >= len(methods.image[:1])).astype(np.int8)
            columns = {
                "concept": pa.DictionaryArray.from_arrays(concept, names),
                "modality": pa.DictionaryArray.from_arrays(of_text, modalities),
                "method": pa.DictionaryArray.from_arrays(way, stored),
                "sample_id": pa.array(sample_id),
                "score": pa.array(score, mask=of_text.astype(bool)),
            }
            yield pa.table(columns)

    def close(self) -> None:
        """Deletes what is on disk."""
        if self._disk:
            self._disk.close()
            shutil.rmtree(self._place)

    def _sort_in_memory(self, methods: Methods) -> Iterator[tuple[np.ndarray, ...]]:
        if not self._count:
            return
        text, image = (pa.concat_tables(tables) for tables in zip(*self._held, strict=True))
        best_first = np.lexsort((image["sample_id"].to_numpy(), -image["score"].to_numpy(), image["concept"].to_numpy()))
        image = image.take(pa.array(best_first))
        shown, named, sets = (column.to_numpy() for column in (image["concept"], text["concept"], text["methods"]))
        first, last = (edge(np.concatenate([shown, named])) for edge in (np.min, np.max))
        size = int(last - first) + 1
        of_image = [np.bincount(shown - first, minlength=size)] * len(methods.image[:1])
        counts = np.stack(
            [*of_image, *count_hits(named - first, sets, size, methods.text).values()], axis=1
        )  # (concepts, ways)
        ends = (counts.cumsum() - counts.ravel()).reshape(counts.shape)
        ids, scores = np.empty(counts.sum(), np.int64), np.zeros(counts.sum(), np.float32)
        if methods.image:
            places = expand_ranges(ends[:, 0], counts[:, 0])
            ids[places], scores[places] = image["sample_id"].to_numpy(), image["score"].to_numpy()
        bits = np.array([1 << METHODS.index(way) for way in methods.text], np.uint8)
        spread = choose_loop(spread_hits, len(named))
        spread(named - first, sets, text["sample_id"].to_numpy(), bits, ends[:, counts.shape[1] - len(bits) :], ids)
        stops = counts.ravel().cumsum()
        for start in range(0, len(ids), ROWS_AT_ONCE):
            rows = np.arange(start, min(start + ROWS_AT_ONCE, len(ids)))
            concept, way = np.divmod(np.searchsorted(stops, rows, "right").astype(np.int32), np.int32(counts.shape[1]))
            yield concept + np.int32(first), way.astype(np.int8), ids[rows], scores[rows]

    def _put_on_disk(self) -> None:
        if not self._disk:
            self._place.mkdir()
            self._disk = connect_spilling(self._place / "spilled", self._place / "hits.duckdb")
            self._disk.execute("CREATE TABLE hits (concept INTEGER, method VARCHAR, sample_id BIGINT, score FLOAT)")
        for text, image in self._held:
            self._disk.register("found", image)
            self._disk.execute("INSERT INTO hits SELECT concept, NULL, sample_id, score FROM found")
            for way in METHODS:
                self._disk.register("found", text.filter(pa.array(has_method(text["methods"].to_numpy(), way))))
                self._disk.execute("INSERT INTO hits SELECT concept, ?, sample_id, NULL FROM found", [way])
        self._held = []

    def _sort_on_disk(self, methods: Methods) -> Iterator[tuple[np.ndarray, ...]]:
        ways = pa.array([*methods.image[:1], *methods.text], pa.string())
        rows = self._disk.sql(
            """SELECT concept, method, sample_id, coalesce(score, 0) AS score FROM hits
               ORDER BY concept, method NULLS FIRST, hits.score DESC, sample_id"""
        )
        for batch in rows.to_arrow_reader(ROWS_AT_ONCE):
            way = pc.index_in(pc.fill_null(batch["method"], ways[0]), ways)
            yield (
                batch["concept"].to_numpy(),
                way.to_numpy().astype(np.int8),
                batch["sample_id"].to_numpy(),
                batch["score"].to_numpy(),
            )
