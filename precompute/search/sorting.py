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
from precompute.search.spilling import connect_spilling

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
    """Hits as they come: concept by number, method, sample_id, score; of one concept and method by rising sample_id."""

    def __init__(self, place: Path):
        self._place = place
        self._held: list[tuple[pa.Table, pa.Table]] = []
        self._count = 0
        self._disk: duckdb.DuckDBPyConnection | None = None

    def add(self, text: pa.Table, image: pa.Table) -> None:
        """Takes the hits of one shard's captions and images."""
        self._held.append((text, image))
        self._count += text.num_rows + image.num_rows
        if self._count > HELD_HITS:
            self._put_on_disk()

    def sort(self, concepts: Sequence[str], methods: Methods) -> Iterator[pa.Table]:
        """The rows of `hits`, without `corpus`, in the table's order; names by dictionary."""
        ways = (
            *methods.image[:1],
            *methods.text,
        )  # as the table sorts them: a concept's image hits, then its text hits by method
        names, modalities, stored = (pa.array(values, pa.string()) for values in (concepts, ["image", "text"], ways))
        for concept, way, sample_id, score in self._sort_on_disk(ways) if self._disk else self._sort_in_memory(ways):
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

    def _sort_in_memory(self, ways: Sequence[str]) -> Iterator[tuple[np.ndarray, ...]]:
        if not self._count:
            return
        text, image = (pa.concat_tables(tables) for tables in zip(*self._held, strict=True))
        best_first = np.lexsort((image["sample_id"].to_numpy(), -image["score"].to_numpy(), image["concept"].to_numpy()))
        image = image.take(pa.array(best_first))
        way = np.concatenate([np.zeros(image.num_rows, np.int8), _number_ways(text["method"], ways)])
        concept, sample_id = (
            np.concatenate([image[name].to_numpy(), text[name].to_numpy()]) for name in ("concept", "sample_id")
        )
        score = np.concatenate([image["score"].to_numpy(), np.zeros(text.num_rows, np.float32)])
        order = np.argsort(concept.astype(np.int64) * len(ways) + way, kind="stable")
        for start in range(0, len(order), ROWS_AT_ONCE):
            these = order[start : start + ROWS_AT_ONCE]
            yield concept[these], way[these], sample_id[these], score[these]

    def _put_on_disk(self) -> None:
        if not self._disk:
            self._place.mkdir()
            self._disk = connect_spilling(self._place / "spilled", self._place / "hits.duckdb")
            self._disk.execute("CREATE TABLE hits (concept INTEGER, method VARCHAR, sample_id BIGINT, score FLOAT)")
        for text, image in self._held:
            for found, values in ((text, "concept, method, sample_id, NULL"), (image, "concept, NULL, sample_id, score")):
                self._disk.register("found", found)
                self._disk.execute(f"INSERT INTO hits SELECT {values} FROM found")
        self._held = []

    def _sort_on_disk(self, ways: Sequence[str]) -> Iterator[tuple[np.ndarray, ...]]:
        rows = self._disk.sql(
            """SELECT concept, method, sample_id, coalesce(score, 0) AS score FROM hits
               ORDER BY concept, method NULLS FIRST, hits.score DESC, sample_id"""
        )
        for batch in rows.to_arrow_reader(ROWS_AT_ONCE):
            way = _number_ways(pc.fill_null(batch["method"], ways[0]), ways)
            yield batch["concept"].to_numpy(), way, batch["sample_id"].to_numpy(), batch["score"].to_numpy()


def _number_ways(methods: pa.Array | pa.ChunkedArray, ways: Sequence[str]) -> np.ndarray:
    return pc.index_in(methods, pa.array(ways, pa.string())).to_numpy().astype(np.int8)
