"""Lists of captions, of every form: how a reader of one comes from what takes it apart into rows."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pyarrow as pa

from precompute.corpus.listed import batch_columns
from precompute.corpus.photos import FIRST_NAMES, Listed, Photos, checksum_photos, join_photos, locate_photos
from precompute.corpus.sample import Sample, SampleBatch
from precompute.corpus.shard import Layout, Piece, Reader, Reading, ReadOptions, Shard, checksum_content

Rows = Callable[[Shard, Reading], Iterator[Listed]]
Columns = Callable[[Shard, Reading], Iterator[pa.Table] | None]


def list_reader(
    kind: str,
    endings: tuple[str, ...],
    title: str,
    rows: Rows,
    cut: Callable[[Path, ReadOptions], list[Piece]],
    describe: Callable[[Shard], Layout],
    checksum: Callable[[Shard], str] = checksum_content,
    columns: Columns = lambda shard, reading: None,
) -> Reader:
    """The reader of a kind of list: its photos are looked for, and its checksum covers what is taken of it.

    `rows(shard, reading)`: of a piece, in order; those that are none are booked · `checksum(shard)`: of a piece of the list
    itself · `columns(shard, reading)`: the rows as columns (`batch_columns`), where that can be. The others as in `Reader`.
    """

    def read(shard: Shard, reading: Reading, with_images: bool) -> Iterator[Sample]:
        yield from join_photos(shard, rows(shard, reading), reading, with_images, _first_names(rows, shard))

    def read_columns(shard: Shard, reading: Reading, with_images: bool) -> Iterator[SampleBatch] | None:
        tables = columns(shard, reading)
        if tables is None or Photos(shard, with_images, _first_names(rows, shard)).where.here:
            return None
        return batch_columns(shard, tables, reading)

    def identify(shard: Shard, with_images: bool) -> str:
        photos = checksum_photos(shard, rows(shard, Reading()), with_images, _first_names(rows, shard))
        layout = replace(describe(shard), notes=())
        return hashlib.sha256(f"{layout}\0{checksum(shard)}\0{photos}".encode("utf-8", "surrogatepass")).hexdigest()

    def describe_with_photos(shard: Shard) -> Layout:
        layout, names = describe(shard), _first_names(rows, shard)
        where = locate_photos(shard, names)
        return replace(layout, notes=(*layout.notes, where)) if where else layout

    return Reader(kind, endings, title, read, cut, identify, describe_with_photos, read_columns=read_columns)


def _first_names(rows: Rows, shard: Shard) -> list[str]:
    """The first photos that the whole list names."""
    whole = replace(shard, start=0, first=0, end=None)
    return [row.name for row in islice(rows(whole, Reading()), FIRST_NAMES)]
