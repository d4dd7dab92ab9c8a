"""One value says where an image's bytes stand, whatever it stands in; the tables' three columns say the same."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from backend.image_ref import ImageRef

PLACES = [
    (ImageRef("images/1.jpg"), "file", ("images/1.jpg", None, None)),
    (ImageRef("a.tar", 512, 9), "slice", ("a.tar", 512, 9)),
    (ImageRef("b.parquet", row_group=0, row=7), "cell", ("b.parquet#0,7", None, None)),
    (ImageRef("https://example.org/1.jpg"), "url", ("https://example.org/1.jpg", None, None)),
    (ImageRef("odd.parquet#1.jpg"), "file", ("odd.parquet#1.jpg", None, None)),
]


@pytest.mark.parametrize(("place", "kind", "columns"), PLACES)
def test_columns_and_place_say_the_same(place, kind, columns):
    assert (place.kind, place.columns()) == (kind, columns)
    assert ImageRef.from_columns(*columns) == place


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_missing_numbers_of_a_data_frame_are_none(missing):
    assert ImageRef.from_columns("1.jpg", missing, missing) == ImageRef("1.jpg")
    assert ImageRef.from_columns("a.tar", np.float64(512), np.int64(9)) == ImageRef("a.tar", 512, 9)


def test_place_is_seen_from_elsewhere_but_a_url_and_an_absolute_path_stay():
    assert ImageRef("a.tar", 512, 9).below(Path("corpus")) == ImageRef("corpus/a.tar", 512, 9)
    assert ImageRef("b.parquet", row_group=1, row=2).below(Path("x")).columns() == ("x/b.parquet#1,2", None, None)
    for place in (ImageRef("/data/1.jpg"), ImageRef("https://example.org/1.jpg")):
        assert place.below(Path("corpus")) == place
