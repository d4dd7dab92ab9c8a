"""Images in the cells of Parquet files: the column that holds them, their bytes, and what is said where there are none."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from backend.cells import find_image_column, read_cell
from backend.errors import ImageError
from backend.images import read_image_bytes

STRUCT = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        ({"image": STRUCT, "label": pa.int64()}, "image"),
        ({"thumb": pa.binary(), "jpg": pa.binary()}, "jpg"),
        ({"raw": pa.large_binary(), "caption": pa.string()}, "raw"),
        ({"IMG": pa.binary(), "a": pa.binary()}, "IMG"),
        ({"image": pa.string(), "label": pa.int64()}, None),
        ({"image": pa.struct([("path", pa.string())])}, None),
    ],
)
def test_column_of_images_is_found_by_its_type_then_its_name(columns, found):
    assert find_image_column(pa.schema(list(columns.items()))) == found


@pytest.fixture
def cells(tmp_path):
    rows = [{"bytes": b"one", "path": "1.jpg"}, None, {"bytes": None, "path": "3.jpg"}, {"bytes": b"four", "path": None}]
    pq.write_table(pa.table({"image": pa.array(rows, STRUCT), "label": [0, 1, 0, 1]}), tmp_path / "a.parquet", row_group_size=2)
    return tmp_path / "a.parquet"


def test_bytes_of_a_cell(cells):
    assert read_cell(cells, 0, 0) == b"one"
    assert read_cell(cells, 1, 1) == b"four"
    assert read_image_bytes(cells.parent, "a.parquet#1,1", confined=False) == b"four"


@pytest.mark.parametrize(("row_group", "row"), [(0, 1), (1, 0), (1, 7), (9, 0)])
def test_cell_without_an_image_is_said(cells, row_group, row):
    with pytest.raises(ImageError, match=f"row {row} of row group {row_group} of a.parquet"):
        read_cell(cells, row_group, row)


def test_file_without_images_is_said(tmp_path):
    pq.write_table(pa.table({"label": [0]}), tmp_path / "b.parquet")
    with pytest.raises(ImageError, match="no column of images"):
        read_cell(tmp_path / "b.parquet", 0, 0)


def test_rewritten_file_is_read_anew(cells):
    assert read_cell(cells, 0, 0) == b"one"
    cells.unlink()
    pq.write_table(pa.table({"image": [b"other"]}), cells)
    assert read_cell(cells, 0, 0) == b"other"
