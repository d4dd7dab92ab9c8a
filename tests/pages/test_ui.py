"""The blocks that pages are made of: what they write, offer and escape."""

import io
from contextlib import nullcontext

import pandas as pd
import plotly.graph_objects as go
import pyarrow.parquet as pq
import pytest
import streamlit as st
from markdown_it import MarkdownIt

from backend import scaling
from backend.errors import EmptySelection, MissingTable
from backend.printing.caption import Shown
from backend.printing.page import PLOTLY_FILE
from pages.ui import blocks, controls
from pages.ui.text import shorten
from tests.pages.session import assert_whole, find, open_page

ROWS = pd.DataFrame({"concept": ["colt's foot", 'a "b", c', "花"], "count": pd.array([3, None, 0], dtype="Int64")})


class OpenMenu(nullcontext):
    """A menu of downloads that someone has opened."""

    open = True

    def __init__(self, label: str, **options):
        super().__init__()


@pytest.fixture
def offered(monkeypatch) -> dict[str, bytes]:
    """The files that a block offers, by name, as a click would write them."""
    files = {}

    def take(label, write, *, file_name, **options):
        files[file_name] = write()

    monkeypatch.setattr(st, "download_button", take)
    monkeypatch.setattr(st, "popover", OpenMenu)
    return files


def test_table_is_offered_as_csv_and_parquet_with_all_its_rows(offered):
    blocks.show_table(ROWS, "rows")
    assert sorted(offered) == ["tailscope-rows.csv", "tailscope-rows.parquet"]
    read = pd.read_csv(io.BytesIO(offered["tailscope-rows.csv"]), dtype={"count": "Int64"})
    assert read["concept"].tolist() == ROWS["concept"].tolist()
    assert read["count"].fillna(-1).tolist() == [3, -1, 0]
    assert pq.read_table(io.BytesIO(offered["tailscope-rows.parquet"])).to_pydict() == {
        "concept": ["colt's foot", 'a "b", c', "花"],
        "count": [3, None, 0],
    }


def test_titles_are_for_people_and_downloads_keep_the_names(offered):
    blocks.show_table(pd.DataFrame({"corpus": ["cc3m"], "cc3m": [1]}), "rows", titles={"cc3m": "CC-3M"})
    assert offered["tailscope-rows.csv"].decode() == "corpus,cc3m\ncc3m,1\n"


def test_empty_table_is_offered_with_its_heading(offered):
    blocks.show_table(ROWS.head(0), "rows")
    assert offered["tailscope-rows.csv"].decode() == "concept,count\n"
    assert pq.read_table(io.BytesIO(offered["tailscope-rows.parquet"])).num_rows == 0


def test_figure_is_offered_as_vectors_a_picture_and_a_page(offered):
    shown = Shown(["RN50/cc3m"], ["CC-3M"], ["rampp@0.7"])
    blocks.show_figure(go.Figure(go.Scatter(x=[1], y=[2], name="花")), "curve", "a curve", shown=shown)
    called = "tailscope_curve_RN50-cc3m_CC-3M_rampp-0.7"
    assert list(offered) == [*(f"{called}.{ending}" for ending in ("svg", "pdf", "png", "html")), PLOTLY_FILE]
    drawing = offered[f"{called}.svg"].decode()
    assert "A curve" in drawing
    assert "Model: RN50/cc3m · Corpus: CC-3M · Counted: seen in the image, RAM++ from 0.7 · Tailscope" in drawing
    assert offered[f"{called}.pdf"].startswith(b"%PDF")
    assert offered[f"{called}.png"].startswith(b"\x89PNG")
    page = offered[f"{called}.html"].decode()
    assert "<html" in page
    assert "\\u82b1" in page or "花" in page


def test_figure_has_no_camera_whose_file_would_hold_a_bitmap():
    assert "toImage" in blocks.FIGURE_CONFIG["modeBarButtonsToRemove"]


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0"),
        (950, "950"),
        (9_999, "9,999"),
        (10_000, "10k"),
        (257_038, "257k"),
        (3_347_335, "3.35M"),
        (414_080_000, "414M"),
        (2_000_000_000, "2B"),
        (float("nan"), "not counted"),
        (None, "not counted"),
        (pd.NA, "not counted"),
    ],
)
def test_counts_are_written_for_people(count, shown):
    assert blocks.format_count(count) == shown


@pytest.mark.parametrize("count", [10_000, 99_950, 999_499, 999_999, 1_000_000, 999_999_999])
def test_written_count_is_within_half_a_percent(count):
    shown = blocks.format_count(count)
    assert "e" not in shown
    scale = {"k": 1e3, "M": 1e6, "B": 1e9}[shown[-1]]
    assert float(shown[:-1]) * scale == pytest.approx(count, rel=0.005)


@pytest.mark.parametrize(
    "text",
    [
        "*a* **b** _c_ __d__",
        "`code` ``more``",
        "<script>alert(1)</script>",
        "[a](b) ![c](d)",
        "# title",
        "- item",
        "1. item",
        "> quote",
        "&lt;b&gt; &copy; &#42;",
        "a | b",
        "~~gone~~",
        "\\*",
        "plain words",
    ],
)
def test_escaped_text_reads_as_it_was_written(text):
    html = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(blocks.escape(text))
    entities = {"&lt;": "<", "&gt;": ">", "&quot;": '"', "&amp;": "&"}
    body = html.removeprefix("<p>").removesuffix("</p>\n")
    for entity, mark in entities.items():
        body = body.replace(entity, mark)
    assert body == text


def test_escaped_text_holds_no_formula_icon_or_colour():
    escaped = blocks.escape("$x$ :red[y] :material/home:")
    assert "\\$x\\$" in escaped
    assert "\\:red\\[y\\]" in escaped
    assert "\\:material/home\\:" in escaped


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a rose", "a rose"),
        ("a red rose", "a red…"),
        ("  a\n\trose ", "a rose"),
        ("\x00\u202ea", "a"),
        ("", ""),
        ("abcdefg", "abcdefg"),
        ("abcdefgh", "abcdef…"),
    ],
)
def test_text_is_shortened_to_one_line(text, shown):
    assert shorten(text, 7) == shown


def test_what_a_user_can_mend_ends_in_a_message(monkeypatch):
    boxes = []
    monkeypatch.setattr(st, "info", lambda text, **options: boxes.append(text))
    for error in (MissingTable("No table *a*."), EmptySelection("Nothing.")):

        def fail(error=error):
            raise error

        blocks.show_guarded(fail)
    assert boxes == [blocks.escape("No table *a*."), blocks.escape("Nothing.")]


def test_what_a_user_cannot_mend_is_not_hidden():
    with pytest.raises(ZeroDivisionError):
        blocks.show_guarded(lambda: 1 / 0)


def test_guard_hands_on_its_arguments():
    taken = []
    blocks.show_guarded(lambda *args: taken.extend(args), 1, "two")
    assert taken == [1, "two"]


def test_corpora_are_put_in_the_order_of_their_titles():
    titles = {"small": "Small", "large": "Large", "other": "Other"}
    assert controls.in_order(titles, pd.Series(["large", "small", "large", "unheard of"])) == ["small", "large"]
    assert controls.in_order(titles, pd.Series([], dtype=object)) == []


@pytest.mark.parametrize(("kind", "bounds"), [("classification", (0, 100)), ("retrieval", (0, 100)), ("generation", None)])
def test_percentages_have_bounds_and_other_metrics_none(kind, bounds):
    assert scaling.bounds_of(kind) == bounds


def test_units_name_their_metric():
    assert controls.unit_of("classification", "ensemble") == "accuracy (%)"
    assert controls.unit_of("retrieval", "i2t@1") == "recall, i2t@1 (%)"
    assert controls.unit_of("generation", "human_align") == "human align"


def test_address_may_name_a_corpus_and_a_method_as_the_tables_do(published):
    app = assert_whole(open_page("distributions", curve="Text or image", corpus="laion400m", text="lemmatized"))
    assert find(app, "selectbox", "corpus").value == "laion400m"
    app = assert_whole(open_page("scaling", method="lowercased", against="laion400m"))
    assert find(app, "selectbox", "method").value == "lowercased"
    assert find(app, "selectbox", "against").value == "laion400m"
