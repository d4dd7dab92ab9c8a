"""Sorts the hits of a range of concepts, on disk where they are many, and counts the different captions and images of each."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from precompute.search.match import Methods

MEMORY_LIMIT = 10**9  # bytes, of the sort of one range's hits
ROWS_AT_ONCE = 1 << 17


@contextmanager
def open_sort(place: Path) -> Iterator["UnsortedHits"]:
    """A place for hits, on disk, that is deleted afterwards; what a process that was killed left there goes first."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    config = {"memory_limit": f"{MEMORY_LIMIT}B", "temp_directory": str(place / "spilled")}
    connection = duckdb.connect(str(place / "hits.duckdb"), config=config)
    try:
        yield UnsortedHits(connection)
    finally:
        connection.close()
        shutil.rmtree(place)


class UnsortedHits:
    """Hits as they come: concept by number, method, sample_id, score, and a hash of the caption or the image."""

    def __init__(self, connection: duckdb.DuckDBPyConnection):
        self.connection = connection
        connection.execute(
            """CREATE TABLE hits
               (concept INTEGER, image BOOLEAN, method VARCHAR, sample_id BIGINT, score FLOAT, content BIGINT)"""
        )

    def add(self, text: pa.Table, image: pa.Table) -> None:
        """Takes the hits of one shard's captions and images."""
        for name, found in (("text", text), ("image", image)):
            self.connection.register(f"found_{name}", found)
        self.connection.execute("INSERT INTO hits SELECT concept, FALSE, method, sample_id, NULL, content FROM found_text")
        self.connection.execute("INSERT INTO hits SELECT concept, TRUE, NULL, sample_id, score, content FROM found_image")

    def sort(self, concepts: Sequence[str], methods: Methods) -> Iterator[pa.Table]:
        """The rows of `hits`, without `corpus`, in the table's order."""
        rows = self.connection.sql(
            """SELECT concept, image, method, sample_id, score FROM hits
               ORDER BY concept, image DESC, method, score DESC NULLS LAST, sample_id"""
        )
        names = pa.array(concepts, pa.string())
        modalities, stored = pa.array(["text", "image"]), methods.image[0] if methods.image else None
        for batch in rows.to_arrow_reader(ROWS_AT_ONCE):
            image = batch["image"].cast(pa.int8())
            columns = {
                "concept": names.take(batch["concept"]),
                "modality": modalities.take(image),
                "method": pc.fill_null(batch["method"], stored) if stored else batch["method"],
                "sample_id": batch["sample_id"],
                "score": batch["score"],
            }
            yield pa.table(columns)

    def count_distinct(self, methods: Methods) -> dict[str, tuple[list[int], list[int]]]:
        """By method, concepts and how many different captions each hits; and images, by each threshold, where all are known."""
        text = """SELECT concept, method, count(*) AS found
                  FROM (SELECT DISTINCT concept, method, content FROM hits WHERE NOT image) GROUP BY ALL"""
        image = """SELECT concept, asked.method, count(*) AS found
                   FROM (SELECT concept, content, max(score) AS score FROM hits
                         WHERE image AND content IS NOT NULL GROUP BY ALL)
                   JOIN (SELECT unnest(CAST($methods AS VARCHAR[])) AS method,
                                unnest(CAST($thresholds AS FLOAT[])) AS threshold) AS asked
                   ON score >= threshold GROUP BY ALL"""
        rows = self.connection.execute(text).fetchall()
        if methods.thresholds:
            asked = {"methods": list(methods.image), "thresholds": list(methods.thresholds)}
            rows += self.connection.execute(image, asked).fetchall()
        counted: dict[str, tuple[list[int], list[int]]] = {}
        for concept, method, found in rows:
            for column, value in zip(counted.setdefault(method, ([], [])), (concept, found), strict=True):
                column.append(value)
        return counted
