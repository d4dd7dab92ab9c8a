"""Images that stand in the cells of a Parquet file, as Hugging Face's data sets keep them: which column, and their bytes."""

import threading
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from backend.errors import ImageError

IMAGE_COLUMNS = ("image", "img", "picture", "photo", "jpg", "jpeg", "png", "webp")  # names that go before others
GROUPS_KEPT = 2  # row groups whose images are in memory: who reads cells reads them in a row

_lock = threading.Lock()


def find_image_column(schema: pa.Schema) -> str | None:
    """The column whose cells hold image files: bytes, or a struct with `bytes`. Of several a usual name, else the first."""
    columns = [field.name for field in schema if _holds_bytes(field.type)]
    return min(columns, key=lambda name: (_place_of(name.lower()), columns.index(name)), default=None)


def read_cell(path: Path, row_group: int, row: int, column: int | None = None) -> bytes:
    """The image file in one cell of a Parquet file. Raises ImageError where there is none.

    `column`: its number, where it is another than `find_image_column` finds. The row group is read as a whole, and kept for
    the cells beside it.
    """
    try:
        with _lock:
            cells = _read_images(path, path.stat().st_mtime_ns, row_group, column)
        content = cells[row].as_py()
    except (OSError, ValueError, IndexError, pa.ArrowException) as error:
        raise ImageError(f"The image cannot be read: row {row} of row group {row_group} of {path.name} ({error}).") from error
    if not content:
        raise ImageError(f"There is no image in row {row} of row group {row_group} of {path.name}.")
    return content


def read_bytes_of(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The bytes of image cells, where they are structs too."""
    if not pa.types.is_struct(column.type):
        return column
    parts = [pc.struct_field(part, "bytes") for part in column.chunks]  # null where the struct is
    return pa.chunked_array(parts, column.type.field("bytes").type)


@lru_cache(maxsize=GROUPS_KEPT)
def _read_images(path: Path, changed: int, row_group: int, column: int | None) -> pa.ChunkedArray:
    with pq.ParquetFile(path) as file:
        schema = file.schema_arrow
        name = find_image_column(schema if column is None else pa.schema([schema.field(column)]))
        if name is None:
            raise ValueError("the file has no column of images")
        return read_bytes_of(file.read_row_group(row_group, columns=[name]).column(name))


def _holds_bytes(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return kind.get_field_index("bytes") >= 0 and _holds_bytes(kind.field("bytes").type)
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind)


def _place_of(name: str, order: Sequence[str] = IMAGE_COLUMNS) -> int:
    return order.index(name) if name in order else len(order)
