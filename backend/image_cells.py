"""The bytes of an image in a cell of a Parquet file: bytes, or a struct of bytes and path as Hugging Face has it."""

import threading
from collections import deque
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from backend.errors import ImageError
from backend.image_ref import ImageRef

IMAGE_COLUMNS = ("image", "img", "picture", "photo", "jpg", "jpeg", "png", "webp")  # names that go before others
_ROWS_AT_ONCE = 16  # that are read at once: Parquet knows no way to a row but from its group's beginning
_BATCHES_KEPT = 8  # behind the furthest row, for threads that ask for cells about in their order
_lock = threading.Lock()


def find_image_column(schema: pa.Schema) -> str | None:
    """The column whose cells can hold image files: bytes, or a struct with `bytes`. Of several a usual name, else the first."""
    columns = [field.name for field in schema if _holds_bytes(field.type)]
    return min(columns, key=lambda name: (_rank(name.lower()), columns.index(name)), default=None)


def read_cell(path: Path, place: ImageRef) -> bytes:
    """The image file in a cell of the Parquet file at `path`. Raises ImageError where there is none, or no such cell.

    A place without a column is in the one that `find_image_column` finds. Who asks for the cells of a group about in their
    order has each of them decoded once.
    """
    try:
        with _lock:
            cursor = _open_cursor(path, path.stat().st_mtime_ns, place.row_group, place.column)
            if place.row < cursor.first:
                cursor.restart()
            return _require_bytes(cursor.find(place.row), path, place)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise ImageError(f"{path} is no readable Parquet file: {str(error).splitlines()[0]}") from error


class _Cursor:
    """A column of a row group as it is read from its beginning, and the rows that were read last."""

    def __init__(self, path: Path, row_group: int, column: int | None):
        self.path = path
        self.row_group = row_group
        self.file = pq.ParquetFile(path, memory_map=True)
        schema = self.file.schema_arrow
        if not (row_group < self.file.num_row_groups and (column or 0) < len(schema)):
            raise ImageError(f"{path} has no row group {row_group} with a column {column or 0}: it has changed.")
        self.name = find_image_column(schema) if column is None else schema.names[column]
        if self.name is None:
            raise ImageError(f"{path} has no column of images.")
        self.restart()

    def restart(self) -> None:
        """Goes back to the first row."""
        self.batches = self.file.iter_batches(_ROWS_AT_ONCE, row_groups=[self.row_group], columns=[self.name])
        self.kept: deque[pa.Array] = deque(maxlen=_BATCHES_KEPT)
        self.end = 0

    @property
    def first(self) -> int:
        """The first row that is kept."""
        return self.end - sum(map(len, self.kept))

    def find(self, row: int) -> object:
        """The cell of a row that is not before `first`."""
        while row >= self.end:
            batch = next(self.batches, None)
            if batch is None:
                raise ImageError(f"Row group {self.row_group} of {self.path} has no row {row}: the file has changed.")
            self.kept.append(batch.column(0))
            self.end += batch.num_rows
        begin = self.first
        for column in self.kept:
            if row < begin + len(column):
                return column[row - begin].as_py()
            begin += len(column)
        raise AssertionError("a row between those that are kept")


@lru_cache(maxsize=2)
def _open_cursor(path: Path, changed: int, row_group: int, column: int | None) -> _Cursor:
    return _Cursor(path, row_group, column)


def take_bytes(cell: object) -> bytes | None:
    """The image file in a cell, bytes or a struct of them and a path; None where there is none."""
    content = cell.get("bytes") if isinstance(cell, Mapping) else cell
    return content if isinstance(content, bytes) and content else None


def _require_bytes(cell: object, path: Path, place: ImageRef) -> bytes:
    content = take_bytes(cell)
    if content is None:
        raise ImageError(f"Row {place.row} of row group {place.row_group} of {path} holds no image.")
    return content


def _holds_bytes(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return kind.get_field_index("bytes") >= 0 and _holds_bytes(kind.field("bytes").type)
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind)


def _rank(name: str) -> int:
    return IMAGE_COLUMNS.index(name) if name in IMAGE_COLUMNS else len(IMAGE_COLUMNS)
