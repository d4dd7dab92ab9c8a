"""A printed figure is a vector drawing whose texts are texts, which touch neither each other nor the edge of the page."""

import io
import warnings
import xml.etree.ElementTree as ElementTree

import numpy as np
import plotly.graph_objects as go
import pypdf
import pytest
from PIL import Image

from backend.printing.caption import Caption, Shown
from backend.printing.draw import lay_out, print_figure
from backend.printing.style import PrintError
from tests.backend import test_charts
from tests.printed import assert_legible

SVG = "{http://www.w3.org/2000/svg}"
LONG = "accuracy of a model with a long name against how often its corpus shows each of the concepts of all of its tasks"
CAPTION = Caption(
    f"{LONG}, {LONG}",
    "A study",
    Shown(
        ["ViT-B-16-quickgelu/a-corpus-of-a-long-name-indeed", "RN50/cc3m"], ["CC-12M"], ["lemmatized+rampp@0.7", "lowercased"]
    ),
)


def read_svg(figure: go.Figure, caption: Caption = CAPTION) -> ElementTree.Element:
    return ElementTree.fromstring(print_figure(figure, caption, "svg"))


def texts_of(drawing: ElementTree.Element) -> str:
    return " ".join("".join(element.itertext()) for element in drawing.iter(f"{SVG}text"))


@pytest.mark.parametrize("draw", test_charts.CASES)
def test_svg_of_every_figure_is_vectors_and_its_texts_are_texts(draw):
    drawing = read_svg(draw())
    assert drawing.tag == f"{SVG}svg"
    assert list(drawing.iter(f"{SVG}image")) == []
    said = texts_of(drawing)
    for part in (LONG, "RN50/cc3m", "Corpus: CC-12M", "said and seen, by lemma and RAM++ from 0.7", "Study: A study"):
        assert part.split()[-1] in said
    title = draw().layout.xaxis.title.text
    assert not title or title.split()[0] in said


@pytest.mark.parametrize("draw", test_charts.CASES)
def test_pdf_of_every_figure_has_texts_and_no_bitmap(draw):
    (page,) = pypdf.PdfReader(io.BytesIO(print_figure(draw(), CAPTION, "pdf"))).pages
    assert "accuracy of a model with a long name" in page.extract_text()
    assert "Corpus: CC-12M" in page.extract_text().replace("\n", " ")
    assert len(page.images) == 0


@pytest.mark.parametrize("draw", test_charts.CASES)
def test_no_text_touches_another_or_leaves_the_page(draw):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_legible(lay_out(draw(), CAPTION))


@pytest.mark.parametrize("ending", ["svg", "pdf", "png"])
def test_same_figure_gives_the_same_file(ending):
    first, again = (print_figure(test_charts.draw_scaling([0, 1, 10], [5, 10, 20]), CAPTION, ending) for _ in range(2))
    assert first == again


def test_png_is_a_picture_fit_for_print():
    picture = Image.open(io.BytesIO(print_figure(test_charts.draw_scaling([0, 1, 10], [5, 10, 20]), CAPTION, "png")))
    assert picture.format == "PNG"
    assert picture.width == 1600


def test_every_point_is_drawn_where_the_figure_has_it():
    figure = test_charts.draw_scaling([0, 1, 10, 100], [5, 10, 20, 40])
    (axes,) = lay_out(figure, CAPTION).axes
    clouds = [line for line in axes.lines if line.get_linestyle() == "None" and len(line.get_xdata()) == 4]
    assert any(np.array_equal(line.get_xydata(), np.c_[[0.25, 1, 10, 100], [5, 10, 20, 40]]) for line in clouds)
    assert axes.get_xscale() == "log"
    assert np.allclose(np.log10(axes.get_xlim()), figure.layout.xaxis.range)
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "1", "10", "100"]


def test_bars_stand_side_by_side_as_long_as_their_counts():
    counts = test_charts.concept_counts([0, 4, 3], [0, 4_000, 3])
    (axes,) = lay_out(test_charts.charts.draw_concept_counts(counts, test_charts.TITLES), CAPTION).axes
    assert [round(bar.get_x() + bar.get_width(), 6) for bar in axes.patches] == [0.25, 4_000, 3]
    edges = [(bar.get_y(), bar.get_y() + bar.get_height()) for bar in axes.patches]
    assert all(one[1] <= two[0] for one, two in zip(edges, edges[1:], strict=False))
    assert {"0", "4,000", "3"} <= {text.get_text().strip() for text in axes.texts}


def test_legend_names_each_trace_once():
    page = lay_out(test_charts.draw_scaling([0, 1, 10, 100], [5, 10, 20, 40]), CAPTION)
    (legend,) = page.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "a concept of a task (4)",
        "4 of 5 concepts of that frequency, and their median",
        "straight-line fit",
        "mean of a bin, with quartiles",
    ]


def test_label_at_a_logarithmic_place_stands_there():
    figure = go.Figure(go.Scatter(x=[1, 100], y=[1, 2], mode="lines+text", text=["", "CC-12M"], textposition="middle right"))
    figure.add_annotation(x=1, y=1.5, text="<b>ten</b>", showarrow=False)
    figure.update_xaxes(type="log")
    (axes,) = lay_out(figure, CAPTION).axes
    assert {text.get_text(): tuple(text.xy) for text in axes.texts} == {"CC-12M": (100.0, 2.0), "ten": (10.0, 1.5)}


@pytest.mark.parametrize(
    "trace",
    [go.Pie(values=[1]), go.Scatter(x=[1], y=[1], stackgroup="a"), go.Scatter(x=[1], y=[1], marker={"symbol": "hexagon"})],
)
def test_what_the_print_does_not_know_is_refused_by_name(trace):
    with pytest.raises(PrintError, match="pie|stackgroup|hexagon"):
        print_figure(go.Figure(trace), CAPTION, "svg")


def test_signs_of_formulas_and_markup_stand_as_they_are():
    figure = go.Figure(go.Scatter(x=[1], y=[1], name="$x^2$ <b>&lt;</b>"), {"showlegend": True})
    assert "$x^2$ <" in texts_of(read_svg(figure, Caption("costs $5 and $6", "")))
