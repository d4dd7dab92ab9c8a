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
LINE = 0.05  # of the height of a plot: what a line of text takes
NEAR_END = 0.6  # of the width: from here on, a name stands left of its line's end, for there is no room to the right
GAP = "\u2002"


def label_ends(figure: go.Figure, ends: Sequence[End]) -> None:
    """Writes names at the ends of lines and takes these names out of the legend; nothing where there are more than MOST.

    Names that would stand over each other are moved apart. The axes have their types, and their ranges if they are to have any.
    """
    ends = [end for end in ends if np.isfinite([end.x, end.y]).all()]
    if not 0 < len(ends) <= MOST:
        return
    names = {end.name for end in ends}
    across = _scale(figure, "x", [end.x for end in ends])
    low, high = _find_range(figure, "y")
    places = move_apart(_scale(figure, "y", [end.y for end in ends]), LINE)
    heights = low + np.array(places) * (high - low)
    for trace in figure.data:
        if trace.name in names:
            trace.showlegend = False
    figure.add_scatter(
        x=[end.x for end in ends],
        y=10**heights if figure.layout.yaxis.type == "log" else heights,
        text=[f"{GAP}{end.name}{GAP}" for end in ends],
        textposition=[_choose_side(*place) for place in zip(ends, across, places, strict=True)],
        textfont={"size": 12},
        mode="text",
        cliponaxis=False,
        showlegend=False,
        hoverinfo="skip",
    )


def _choose_side(end: End, across: float, up: float) -> str:
    if across <= NEAR_END:
        return "middle right"
    return "top left" if end.rises or up < LINE else "bottom left"  # below a low line stand the axis's own numbers


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
    return (float(drawn.min()), float(drawn.max())) if len(drawn) else (0.0, 1.0)
