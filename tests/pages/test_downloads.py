"""Downloads: no text of a CSV starts a formula, Parquet keeps every text, and nothing is held before it is asked for."""

import csv
import io

import pandas as pd
import pyarrow.parquet as pq
import pytest

from pages.ui.downloads import CSV_HELP, write_csv, write_parquet
from tests.pages.session import assert_whole, downloads, figure_files, find, open_page

FORMULAS = [
    '=HYPERLINK("https://evil.example")',
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "＝1+1",
    "＋1",
    "－1",
    "＠A1",
]
DTYPES = ["str", "object", "category", "string[python]"]


def read_cells(content: bytes) -> list[list[str]]:
    """The cells of a CSV, as a spreadsheet gets them."""
    return list(csv.reader(io.StringIO(content.decode(), newline="")))


def as_text(formula: str) -> str:
    """What a spreadsheet is to get of a formula."""
    return "'" + formula.replace("\r", "\n")


@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_text_that_begins_like_a_formula_is_text_to_a_spreadsheet(formula, dtype):
    table = pd.DataFrame({"caption": pd.Series([formula, "a rose"], dtype=dtype)})
    assert read_cells(write_csv(table)) == [["caption"], [as_text(formula)], ["a rose"]]


@pytest.mark.parametrize("formula", FORMULAS)
def test_heading_that_begins_like_a_formula_is_text_to_a_spreadsheet(formula):
    assert read_cells(write_csv(pd.DataFrame({formula: [1]}))) == [[as_text(formula)], ["1"]]


def test_formula_marks_within_a_text_stay_as_they_are():
    table = pd.DataFrame({"caption": ["a = b", "rose+thorn", "mid-air", "me@home", "", "'=1"]})
    assert [row[0] for row in read_cells(write_csv(table))[1:]] == list(table["caption"])


def test_numbers_stay_numbers():
    table = pd.DataFrame(
        {
            "change": [-1.5, float("nan")],
            "count": pd.array([-3, None], dtype="Int64"),
            "known": [True, False],
            "mixed": [-2, "-2"],
        }
    )
    assert read_cells(write_csv(table))[1:] == [["-1.5", "-3", "True", "-2"], ["", "", "False", "'-2"]]


def test_missing_text_is_an_empty_cell():
    table = pd.DataFrame({"caption": ["=1", None], "count": [1, 2]})
    assert read_cells(write_csv(table))[1:] == [["'=1", "1"], ["", "2"]]


def test_carriage_return_within_a_text_begins_no_row():
    table = pd.DataFrame({"caption": ["a\r=1+1", "b\r\n=2"]})
    assert write_csv(table) == b'caption\n"a\n=1+1"\n"b\n=2"\n'


def test_table_at_hand_is_not_changed():
    table = pd.DataFrame({"caption": ["=1"]})
    write_csv(table)
    assert table.to_dict("list") == {"caption": ["=1"]}


def test_parquet_keeps_every_text():
    table = pd.DataFrame({"caption": FORMULAS})
    assert pq.read_table(io.BytesIO(write_parquet(table))).to_pydict() == {"caption": FORMULAS}


def test_menu_holds_nothing_until_it_is_opened_and_csv_says_what_is_done_to_text(published):
    app = assert_whole(open_page("distributions"))
    assert not app.get("download_button")
    assert downloads(app) == figure_files("rank-curves") | {"rank-curves.csv", "rank-curves.parquet"}
    assert find(app, "download_button", "download-Data (CSV)-rank-curves.csv").help == CSV_HELP
    assert not find(app, "download_button", "download-Data (Parquet)-rank-curves.parquet").help
