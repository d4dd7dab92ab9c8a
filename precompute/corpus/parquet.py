"""Parquet: tables of captions with URLs or file names (LAION, DataComp), and tables that hold the images themselves (Hugging
Face, img2dataset).

A piece is some row groups. Only the columns that are taken are read, a batch at a time.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from backend.errors import SourceError
from backend.image_cells import find_image_column, take_bytes
from backend.image_ref import ImageRef
from backend.images import IMAGE_BYTES, read_size
from precompute.corpus import shard as shards
from precompute.corpus.columns import find_columns, note_choice
from precompute.corpus.lists import list_reader
from precompute.corpus.photos import Listed
from precompute.corpus.sample import NO_IMAGE, Sample, find_caption_fault
from precompute.corpus.shard import Column, Layout, Piece, Reader, Reading, ReadOptions, Shard
from precompute.corpus.values import list_samples

ROWS_AT_ONCE = 4096
COLUMNS_AT_ONCE = 1 << 15  # rows, of which only texts are read
IMAGES_AT_ONCE = 32  # rows whose images are held at a time
PIECE_BYTES = 1 << 30  # of row groups: a piece ends where it has more

_FIRST_ROWS = 32  # by which it is told whether a column holds images


class _Row(NamedTuple):
    group: int
    number: int  # within its row group
    values: dict


@contextmanager
def open_parquet(path: Path) -> Iterator[pq.ParquetFile]:
    """A Parquet file, to be read a batch at a time. Raises SourceError where it is none, or is cut off."""
    try:
        with pq.ParquetFile(path, memory_map=True) as file:
            yield file
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path} is no readable Parquet file: {str(error).splitlines()[0]}") from error


def holds_images(path: Path, options: ReadOptions) -> bool:
    """Whether the column of images holds their bytes, not their names."""
    with open_parquet(path) as file:
        column = _image_column(file, options, path)
        if column is None:
            return False
        for batch in file.iter_batches(_FIRST_ROWS, columns=[column]):
            return any(take_bytes(value) for value in batch.column(0).to_pylist())
    return False


def _image_column(file: pq.ParquetFile, options: ReadOptions, path: Path) -> str | None:
    """The column whose type can hold images' bytes, if there is one."""
    schema = file.schema_arrow
    if not options.image:
        return find_image_column(schema)
    asked = next(column.name for column in find_columns(schema.names, options, path) if column.role == "image")
    return find_image_column(pa.schema([schema.field(asked)]))


def _list_names(schema: pa.Schema) -> list[str]:
    """The columns, and the parts of those that are structs: `json.caption`."""
    inner = [f"{field.name}.{part.name}" for field in schema if pa.types.is_struct(field.type) for part in field.type]
    return [*schema.names, *inner]


def _find_columns(file: pq.ParquetFile, shard: Shard) -> tuple[Column, ...]:
    """The columns that are taken. Raises SourceError where none holds a caption."""
    names = _list_names(file.schema_arrow)
    columns = find_columns(names, shard.options, shard.path)
    if not any(column.role == "caption" for column in columns):
        raise SourceError(
            f"{shard.path} has the columns {', '.join(names)}, and none is known to hold captions. Name it: --caption COLUMN"
        )
    return columns


def _tops(columns: Sequence[Column], schema: pa.Schema) -> list[str]:
    """The whole columns in which these are."""
    return list(dict.fromkeys(name if name in schema.names else name.partition(".")[0] for name in (c.name for c in columns)))


def _groups(file: pq.ParquetFile, shard: Shard) -> range:
    return range(shard.first, file.num_row_groups if shard.end is None else shard.end)


def _read_rows(file: pq.ParquetFile, shard: Shard, columns: Sequence[Column], size: int, reading: Reading) -> Iterator[_Row]:
    names = _tops(columns, file.schema_arrow)
    groups = _groups(file, shard)
    total = max(sum(file.metadata.row_group(group).num_rows for group in groups), 1)
    seen = 0
    for group in groups:
        number = 0
        for batch in file.iter_batches(size, row_groups=[group], columns=names):
            for values in _list_values(batch):
                seen += 1
                reading.done = seen / total
                yield _Row(group, number, values)
                number += 1


def _list_values(batch: pa.RecordBatch) -> list[dict]:
    """The rows of a batch; a text that is no UTF-8 is its bytes."""
    try:
        return batch.to_pylist()
    except UnicodeDecodeError:
        kinds = [pa.large_binary() if _holds_texts(field.type) else field.type for field in batch.schema]
        return pa.table(
            [column.cast(kind) for column, kind in zip(batch.columns, kinds, strict=True)], batch.schema.names
        ).to_pylist()


def _read_captions(shard: Shard, reading: Reading) -> Iterator[Listed]:
    with open_parquet(shard.path) as file:
        columns = _find_columns(file, shard)
        for row in _read_rows(file, shard, columns, ROWS_AT_ONCE, reading):
            yield from list_samples(row.values, columns)


def _read_columns(shard: Shard, reading: Reading) -> Iterator[pa.Table] | None:
    """The rows of a piece as columns; None where a cell may hold anything but one text."""
    with open_parquet(shard.path) as file:
        schema = file.schema_arrow
        chosen = {column.role: column.name for column in _find_columns(file, shard)}
        if not all(name in schema.names and _holds_texts(schema.field(name).type) for name in chosen.values()):
            return None
    return _iterate_columns(shard, reading, chosen)


def _iterate_columns(shard: Shard, reading: Reading, chosen: Mapping[str, str]) -> Iterator[pa.Table]:
    with open_parquet(shard.path) as file:
        groups = _groups(file, shard)
        total, seen = max(sum(file.metadata.row_group(group).num_rows for group in groups), 1), 0
        for batch in file.iter_batches(COLUMNS_AT_ONCE, row_groups=groups, columns=list(dict.fromkeys(chosen.values()))):
            seen += len(batch)
            reading.done = seen / total
            nothing = pa.nulls(len(batch), pa.string())
            columns = (("name", "image"), ("caption", "caption"), ("url", "url"))
            yield pa.table({name: batch[chosen[role]] if role in chosen else nothing for name, role in columns})


def _holds_texts(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _read_cells(shard: Shard, reading: Reading, with_images: bool) -> Iterator[Sample]:
    with open_parquet(shard.path) as file:
        columns = _find_columns(file, shard)
        name = _image_column(file, shard.options, shard.path)
        usual = find_image_column(file.schema_arrow)
        place = None if name == usual else file.schema_arrow.get_field_index(name)  # another than who reads a cell looks in
        texts = tuple(column for column in columns if column.role != "image")
        taken = (*texts, Column("image", name, ""))
        position = shard.start
        for row in _read_rows(file, shard, taken, IMAGES_AT_ONCE, reading):
            cell = row.values[name]
            content = take_bytes(cell)
            ref = ImageRef(shard.path.name, row_group=row.group, row=row.number, column=place)
            size = read_size(content) if content else (None, None)
            held = content if with_images and content and len(content) <= IMAGE_BYTES else None
            key = _name_row(row, cell)
            for listed in list_samples(row.values, texts):
                sample_id, position = shard.sample_id(position), position + 1
                if fault := find_caption_fault(listed.caption) or ("" if content else NO_IMAGE):
                    reading.samples.take(dropped=1, reason=fault)
                    continue
                reading.samples.take(written=1)
                yield Sample(sample_id, key, listed.caption, ref, size, held)
                held = None


def _name_row(row: _Row, cell: object) -> str:
    """What hits that were made elsewhere may call a row: its image's path, else where it stands."""
    path = cell.get("path") if isinstance(cell, Mapping) else None
    return path or f"{row.group},{row.number}"


def _cut(path: Path, options: ReadOptions) -> list[Piece]:
    """The pieces of a file: some row groups each, of bounded samples and bytes as far as the groups are."""
    pieces: list[Piece] = []
    with open_parquet(path) as file:
        columns = _find_columns(file, Shard(0, path, "parquet", options=options))
        counts = _count_samples(file, columns)
        first, start, position, held = 0, 0, 0, 0
        for group, count in enumerate(counts):
            if group > first and (position + count - start > shards.PIECE_SAMPLES or held + _size(file, group) > PIECE_BYTES):
                pieces.append(Piece(start, first, group))
                first, start, held = group, position, 0
            position += count
            held += _size(file, group)
    return [*pieces, Piece(start, first, None)]


def _count_samples(file: pq.ParquetFile, columns: Sequence[Column]) -> list[int]:
    """How many samples each row group has: its rows, or where a row has a list of captions, as many as these are."""
    caption = next(column for column in columns if column.role == "caption")
    top = _tops([caption], file.schema_arrow)[0]
    kind = file.schema_arrow.field(top).type
    counts = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
    if len(counts) < 2 or not (pa.types.is_list(kind) or pa.types.is_struct(kind) or pa.types.is_large_list(kind)):
        return counts
    return [
        sum(
            len(list_samples(row, (caption,)))
            for batch in file.iter_batches(ROWS_AT_ONCE, row_groups=[group], columns=[top])
            for row in batch.to_pylist()
        )
        for group in range(file.num_row_groups)
    ]


def _size(file: pq.ParquetFile, group: int) -> int:
    return file.metadata.row_group(group).total_byte_size


def _identify(shard: Shard, with_images: bool = False) -> str:
    """A checksum of a piece's columns that are taken, and of its images where they count."""
    checksum = hashlib.sha256()
    with open_parquet(shard.path) as file, shard.open() as stream:
        columns = _find_columns(file, shard)
        image = _image_column(file, shard.options, shard.path)
        names = {*_tops(columns, file.schema_arrow)} - {image} | ({image} if with_images else set())
        checksum.update(f"{columns}\0{image}".encode("utf-8", "surrogatepass"))
        for group in _groups(file, shard):
            metadata = file.metadata.row_group(group)
            for number in range(metadata.num_columns):
                chunk = metadata.column(number)
                checksum.update(f"{chunk.path_in_schema}\0{chunk.total_compressed_size}\0".encode())
                if chunk.path_in_schema.partition(".")[0] in names:
                    stream.seek(chunk.dictionary_page_offset or chunk.data_page_offset)
                    checksum.update(stream.read(chunk.total_compressed_size))
    return checksum.hexdigest()


def _describe(shard: Shard) -> Layout:
    with open_parquet(shard.path) as file:
        columns = _find_columns(file, shard)
        names = _list_names(file.schema_arrow)
    return Layout("Parquet table of captions", columns, note_choice(names, columns))


def _describe_cells(shard: Shard) -> Layout:
    with open_parquet(shard.path) as file:
        columns = _find_columns(file, shard)
        name = _image_column(file, shard.options, shard.path)
        names = _list_names(file.schema_arrow)
    texts = tuple(column for column in columns if column.role == "caption")
    image = Column("image", name, "it holds images")
    return Layout("Parquet table with the images in it", (*texts, image), note_choice(names, texts))


READER = list_reader("parquet", (".parquet",), "Parquet (.parquet)", _read_captions, _cut, _describe, _identify, _read_columns)
CELLS = Reader(
    "cells",
    (),
    "Parquet with images",
    _read_cells,
    _cut,
    _identify,
    _describe_cells,
    holds_images=True,
)
