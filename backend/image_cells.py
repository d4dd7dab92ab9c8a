"""The bytes of an image in a cell of a Parquet file: bytes, or a struct of bytes and path as Hugging Face has it."""

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from backend.errors import ImageError
from backend.image_ref import ImageRef

_ROWS_AT_ONCE = 16  # that are held while the cell is looked for: Parquet knows no way to a row but from its group's beginning


def read_cell(path: Path, place: ImageRef) -> bytes:
    """The image file in a cell of the Parquet file at `path`. Raises ImageError where there is none, or no such cell."""
    try:
        with pq.ParquetFile(path, memory_map=True) as file:
            names = file.schema_arrow.names
            if not (place.row_group < file.num_row_groups and (place.column or 0) < len(names)):
                raise ImageError(f"{path} has no row group {place.row_group} with a column {place.column}: it has changed.")
            left = place.row
            for batch in file.iter_batches(_ROWS_AT_ONCE, row_groups=[place.row_group], columns=[names[place.column or 0]]):
                if left < batch.num_rows:
                    return _take_bytes(batch.column(0)[left].as_py(), path, place)
                left -= batch.num_rows
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise ImageError(f"{path} is no readable Parquet file: {str(error).splitlines()[0]}") from error
    raise ImageError(f"Row group {place.row_group} of {path} has no row {place.row}: the file has changed.")


def _take_bytes(value: object, path: Path, place: ImageRef) -> bytes:
    content = value.get("bytes") if isinstance(value, Mapping) else value
    if not isinstance(content, bytes) or not content:
        raise ImageError(f"Row {place.row} of row group {place.row_group} of {path} holds no image.")
    return content
