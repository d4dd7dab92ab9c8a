"""Names written at the lines themselves, where they are few enough, instead of in a legend."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go


class End(NamedTuple):
    """Where a line is named, and whether it rises there: its name stands on the side that the line leaves free."""

    name: str
    x: float
    y: float
    rises: bool = True


MOST = 7  # lines that have their names at their ends
LINE = 0.065  # of the height of a plot: what a line of text takes
NEAR_END = 0.6  # of the width: from here on, a name stands left of its line's end, for there is no room to the right
GAP = "\u2002"


def label_ends(figure: go.Figure, ends: Sequence[End]) -> None:
    """Writes names at the ends of lines and takes these names out of the legend.

    Nothing is done where there are more than MOST, or no line. Names that would stand over each other are moved apart. The axes have their types, and their ranges if they are to have any.
    """
    ends = [end for end in ends if np.isfinite([end.x, end.y]).all()]
    if not 0 < len(ends) <= MOST or _is_a_point(figure):
        return
    names = {end.name for end in ends}
    across = _scale(figure, "x", [end.x for end in ends])
    low, high = _find_range(figure, "y")
    up = _scale(figure, "y", [end.y for end in ends])
    sides = [_choose_side(*one) for one in zip(ends, across, up, strict=True)]
    middles = up + LINE * np.array([side.above for side in sides])
    places = move_apart(middles, LINE)
    heights = low + np.array(places) * (high - low)
    for trace in figure.data:
        if trace.name in names:
            trace.showlegend = False
    figure.add_scatter(
        x=[end.x for end in ends],
        y=10**heights if figure.layout.yaxis.type == "log" else heights,
        text=[f"{GAP}{end.name}{GAP}" for end in ends],
        textposition=[f"middle {side.across}" for side in sides],
        textfont={"size": 12},
        mode="text",
        cliponaxis=False,
        showlegend=False,
        hoverinfo="skip",
    )


def _is_a_point(figure: go.Figure) -> bool:
    """Whether all that is drawn has one x, so that no line has an end."""
    return len({float(x) for trace in figure.data if trace.x is not None for x in np.asarray(trace.x, float)}) < 2


class _Side(NamedTuple):
    """On which side of a line's end its name stands, and how many lines of text above it."""

    across: str
    above: float


def _choose_side(end: End, across: float, up: float) -> _Side:
    if across <= NEAR_END:
        return _Side("right", 0)
    return _Side("left", 0.7 if end.rises or up < LINE else -0.7)  # below a low line stand the axis's own numbers


def move_apart(places: Sequence[float], gap: float) -> list[float]:
    """Places that are at least `gap` apart, in the order of those given, and as a whole where those were.

    >>> [round(place, 3) for place in move_apart([0.5, 0.1, 0.5], 0.1)]
    [0.467, 0.067, 0.567]
    """
    order = np.argsort(places, kind="stable")
    moved = np.array(places, float)
    for before, after in zip(order, order[1:], strict=False):
        moved[after] = max(moved[after], moved[before] + gap)
    return (moved - (moved - np.array(places)).mean()).tolist()


def _scale(figure: go.Figure, axis: str, values: Sequence[float]) -> np.ndarray:
    """Values of an axis as shares of its length."""
    low, high = _find_range(figure, axis)
    measured = np.log10(values) if figure.layout[f"{axis}axis"].type == "log" else np.array(values, float)
    return (measured - low) / (high - low or 1)


def _find_range(figure: go.Figure, axis: str) -> tuple[float, float]:
    """The range of an axis, of logarithms where it is logarithmic: its own, else that of what is drawn."""
    layout = figure.layout[f"{axis}axis"]
    if layout.range is not None:
        return tuple(layout.range)
    drawn = np.concatenate([np.asarray(trace[axis], float) for trace in figure.data if trace[axis] is not None])
    drawn = drawn[np.isfinite(drawn)]
    drawn = np.log10(drawn[drawn > 0]) if layout.type == "log" else drawn
    low, high = (float(drawn.min()), float(drawn.max())) if len(drawn) else (0.0, 1.0)
    return (low, high) if high > low else (low - 1, high + 1)  # as Plotly shows a single value
