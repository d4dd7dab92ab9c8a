"""Names at the ends of lines: few enough, apart from each other, on the side where there is room."""

import numpy as np
import plotly.graph_objects as go
import pytest

from backend.charts.labels import LINE, MOST, End, label_ends, move_apart


def figure_of(names: list[str], **axes) -> go.Figure:
    figure = go.Figure(layout=axes)
    for name in names:
        figure.add_scatter(x=[1, 100], y=[0, 10], name=name)
    return figure


def test_names_stand_at_the_ends_and_leave_the_legend():
    figure = figure_of(["a", "b", "c", "other"])
    label_ends(figure, [End("a", 1, 0.0), End("b", 100, 10.0), End("c", 100, 2.0, False)])
    *lines, labels = figure.data
    assert [line.showlegend for line in lines] == [False, False, False, None]
    assert [text.strip() for text in labels.text] == ["a", "b", "c"]
    assert list(labels.textposition) == ["middle right", "middle left", "middle left"]
    assert list(labels.y) == pytest.approx([0, 10 + 7 * LINE, 2 - 7 * LINE])  # above a line that rises, below one that falls


@pytest.mark.parametrize("count", [0, MOST + 1])
def test_no_line_or_too_many_keep_the_legend(count):
    names = [str(i) for i in range(count)]
    figure = figure_of(names)
    label_ends(figure, [End(name, 1, 1.0) for name in names])
    assert len(figure.data) == count
    assert all(line.showlegend is None for line in figure.data)


def test_names_of_the_same_end_are_moved_apart_by_a_line_of_text():
    figure = figure_of(["a", "b"], xaxis_type="log")
    label_ends(figure, [End("a", 100, 5.0), End("b", 100, 5.0)])
    first, second = figure.data[-1].y
    assert second - first == pytest.approx(10 * LINE)
    assert (first + second) / 2 == pytest.approx(5 + 7 * LINE)


def test_names_are_moved_apart_by_powers_on_a_logarithmic_axis():
    figure = go.Figure(layout={"yaxis_type": "log"})
    for name in ("a", "b"):
        figure.add_scatter(x=[1, 2], y=[1, 10_000], name=name)
    label_ends(figure, [End("a", 2, 100.0), End("b", 2, 100.0)])
    assert np.diff(np.log10(figure.data[-1].y)).tolist() == pytest.approx([4 * LINE])


def test_line_without_an_end_has_no_name():
    figure = figure_of(["a"])
    label_ends(figure, [End("a", 1, float("nan"))])
    assert len(figure.data) == 1


def test_places_that_are_apart_stay():
    assert move_apart([0.9, 0.1, 0.5], 0.1) == pytest.approx([0.9, 0.1, 0.5])
