"""The files of one corpus's tables: written piece by piece in any process, moved into a study, counted and taken away.

A corpus of few rows has one file of a table, a larger one several whose rows follow one another: nobody reads all rows to put
them in one.
"""

import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from backend.schema import TABLES, corpus_files, part_name, parts_path, table_path
from backend.writing import corpus_entry

Piece = TypeVar("Piece")


class CorpusFile:
    """A file of a corpus's rows of a table, written piece by piece in row groups of the table's size."""

    def __init__(self, path: Path, name: str, corpus: str):
        self.corpus = corpus
        self.spec = TABLES[name]
        self.path = path
        self._waiting: list[pa.Table] = []
        self._rows = 0

    def __enter__(self) -> "CorpusFile":
        self._writer = pq.ParquetWriter(self.path, self.spec.schema, **self.spec.writing)
        return self

    def __exit__(self, error: type | None, *details: object) -> None:
        if error is None and self._rows:
            self._flush(self._rows)
        self._writer.close()

    def write(self, table: pa.Table) -> None:
        """Appends rows; the column `corpus` is added where they lack it."""
        if "corpus" not in table.column_names:
            table = table.add_column(0, "corpus", pa.repeat(pa.scalar(self.corpus), table.num_rows))
        self._waiting.append(table.select(self.spec.schema.names).cast(self.spec.schema))
        self._rows += table.num_rows
        if self._rows >= self.spec.row_group:
            self._flush(self._rows - self._rows % self.spec.row_group)

    def _flush(self, rows: int) -> None:
        waiting = pa.concat_tables(self._waiting)
        self._writer.write_table(waiting.slice(0, rows), row_group_size=self.spec.row_group)
        self._waiting, self._rows = [waiting.slice(rows)], waiting.num_rows - rows


def split_pieces(pieces: Iterable[tuple[Piece, int]], most: int) -> Iterator[list[Piece]]:
    """Pieces, each with its rows, in runs that make one file each: of at most so many rows, or a single piece; at least one.

    >>> list(split_pieces([("a", 3), ("b", 4), ("c", 4), ("d", 9)], most=8))
    [['a', 'b'], ['c'], ['d']]
    """
    run: list[Piece] = []
    held = 0
    for piece, rows in pieces:
        if run and held + rows > most:
            yield run
            run, held = [], 0
        run.append(piece)
        held += rows
    yield run


def place_files(made: Sequence[Path], folder: Path, name: str, corpus: str) -> dict:
    """Moves a corpus's finished files of a table into a study's folder, in the order of their rows; their manifest entry."""
    remove_files(folder, name, corpus)
    places = [table_path(folder, name, corpus)]
    if len(made) > 1:
        places = [parts_path(folder, name, corpus) / part_name(number) for number in range(len(made))]
    places[0].parent.mkdir(parents=True, exist_ok=True)
    for path, place in zip(made, places, strict=True):
        path.replace(place)
    return corpus_entry(places)


def move_files(source: Path, folder: Path, name: str, corpus: str) -> None:
    """Moves a corpus's files of a table from one study's folder into another's, in the place of what lies there."""
    remove_files(folder, name, corpus)
    (folder / name).mkdir(exist_ok=True)
    for place in (table_path, parts_path):
        if (made := place(source, name, corpus)).exists():
            made.replace(place(folder, name, corpus))


def remove_files(folder: Path, name: str, corpus: str) -> None:
    """Deletes a corpus's files of a table out of a study's folder, where it has some."""
    table_path(folder, name, corpus).unlink(missing_ok=True)
    shutil.rmtree(parts_path(folder, name, corpus), ignore_errors=True)


def measure_files(folder: Path, names: Sequence[str], corpus: str) -> int:
    """The bytes of a corpus's files of some tables."""
    return sum(path.stat().st_size for name in names for path in corpus_files(folder, name, corpus))


def read_batches(files: Sequence[Path], size: int, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Some columns of a corpus's files in batches, in the order of the rows."""
    for path in files:
        with pq.ParquetFile(path) as held:
            yield from held.iter_batches(size, columns=list(columns))


def count_rows(files: Sequence[Path]) -> int:
    """How many rows some files have, by their footers."""
    return sum(pq.read_metadata(path).num_rows for path in files)
