"""The HTML of a figure is small, and takes Plotly from a file beside it before it asks a network."""

import base64
import hashlib
import re

import plotly.graph_objects as go

from backend.printing.caption import Caption, Shown
from backend.printing.page import PLOTLY_FILE, read_plotly, write_page

CAPTION = Caption("Scores <of> 花", "A study", Shown(["RN50/cc3m"], ["CC-3M", "CC-12M", "A", "B"], ["lemmatized"]))


def test_page_is_small_and_says_what_it_shows():
    page = write_page(go.Figure(go.Scatter(x=[1], y=[2])), CAPTION).decode()
    assert len(page) < 20_000
    assert "<title>Scores &lt;of&gt; 花</title>" in page
    assert "Model: RN50/cc3m · Corpora: 4 · Counted: said in the caption, by lemma · Study: A study" in page


def test_file_beside_the_page_comes_before_the_network():
    page = write_page(go.Figure(), CAPTION).decode()
    sources = re.findall(r'src="([^"]*)"', page)
    assert sources == [PLOTLY_FILE, f"https://cdn.plot.ly/{PLOTLY_FILE}"]
    assert b"Plotly" in read_plotly()


def test_copy_from_elsewhere_must_be_the_one_that_comes_with_the_program():
    digest = base64.b64encode(hashlib.sha256(read_plotly()).digest()).decode()
    assert f'integrity="sha256-{digest}"' in write_page(go.Figure(), CAPTION).decode()


def test_file_name_holds_what_the_figure_shows_and_no_sign_that_a_file_system_minds():
    caption = Caption("T", "The paper's results", Shown(["ViT-B-16/cc12m"], ["CC-12M ⚠"], ["lemmatized+rampp@0.7"]))
    assert caption.name_file("scaling", "pdf") == (
        "tailscope_scaling_ViT-B-16-cc12m_CC-12M_lemmatized-rampp-0.7_The-paper-s-results.pdf"
    )
    hostile = Caption("T", "../../etc/passwd\x00", Shown(["a" * 300], ['<b>"\n'], ["x"]))
    name = hostile.name_file("a/b", "svg")
    assert re.fullmatch(r"[\w.-]+", name)
    assert len(name) < 200
    assert ".." not in name
