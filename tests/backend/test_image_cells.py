"""Images in the cells of Parquet files: the column that holds them, their bytes, and what is said where there are none."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from backend.errors import ImageError
from backend.image_cells import find_image_column, read_cell
from backend.image_ref import ImageRef
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
    assert read_cell(cells, ImageRef("", row_group=0, row=0)) == b"one"
    assert read_cell(cells, ImageRef("", row_group=1, row=1)) == b"four"
    assert read_image_bytes(cells.parent, "a.parquet#1,1", confined=False) == b"four"


@pytest.mark.parametrize(
    ("row_group", "row", "told"),
    [
        (0, 1, "Row 1 of row group 0 of .*a.parquet holds no image"),
        (1, 0, "Row 0 of row group 1 of .*a.parquet holds no image"),
        (1, 7, "Row group 1 of .*a.parquet has no row 7: the file has changed"),
        (9, 0, "a.parquet has no row group 9 with a column 0: it has changed"),
    ],
)
def test_cell_without_an_image_is_said(cells, row_group, row, told):
    with pytest.raises(ImageError, match=told):
        read_cell(cells, ImageRef("", row_group=row_group, row=row))


def test_cells_in_any_order_are_their_own(tmp_path):
    images = [f"image {number}".encode() for number in range(400)]
    pq.write_table(pa.table({"image": images}), tmp_path / "many.parquet", row_group_size=300)
    order = [*range(300), *range(299, -1, -1), 150, 3, 298, 3]
    for row in order:
        assert read_cell(tmp_path / "many.parquet", ImageRef("", row_group=0, row=row)) == images[row]
    assert read_cell(tmp_path / "many.parquet", ImageRef("", row_group=1, row=99)) == images[399]


def test_other_column_is_read_where_it_is_named(tmp_path):
    pq.write_table(pa.table({"label": [0], "image": [b"one"]}), tmp_path / "b.parquet")
    assert read_cell(tmp_path / "b.parquet", ImageRef("", row_group=0, row=0)) == b"one"
    with pytest.raises(ImageError, match="holds no image"):
        read_cell(tmp_path / "b.parquet", ImageRef("", row_group=0, row=0, column=0))


def test_rewritten_file_is_read_anew(cells):
    assert read_cell(cells, ImageRef("", row_group=0, row=0)) == b"one"
    cells.unlink()
    pq.write_table(pa.table({"image": [b"other"]}), cells)
    assert read_cell(cells, ImageRef("", row_group=0, row=0)) == b"other"
