"""What all figures share: one palette, one set of axes, the traces of a line and a band.

Colours are Okabe and Ito's, which colour-blind readers can tell apart (Color Universal Design, 2008), less black and
yellow, which vanish on a dark or a light page; lines differ in dash and points in symbol as well.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import plotly.graph_objects as go

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8A8A8A")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot", "solid")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x", "star")
NEUTRAL = "rgba(128, 128, 128, 0.45)"
ZERO_AT = 0.25  # where a logarithmic axis shows a count of zero: a column of its own, left of one
MINOR = {"ticks": "inside", "ticklen": 4}  # between the powers of a logarithmic axis; outside they run into its labels
HEIGHT = 440
LEGEND_ROW = 20  # pixels; a figure grows by half a row an entry, so that a narrow screen still shows its plot


def style_of(names) -> dict[str, dict]:
    """Colour, dash and symbol of each name, by its place: a corpus keeps its own when another is left out.

    Names beyond the last colour have the colours again, with other dashes and symbols.
    """
    return {
        name: {
            "color": COLORS[i % len(COLORS)],
            "dash": DASHES[(i + i // len(COLORS)) % len(DASHES)],
            "symbol": SYMBOLS[(i + i // len(COLORS)) % len(SYMBOLS)],
        }
        for i, name in enumerate(names)
    }


def name_model(model: str, corpus: str | None, titles: dict[str, str]) -> str:
    """A model's short name for a figure: architecture and corpus title, where its name ends in its corpus.

    >>> name_model("ViT-B-16/cc12m", "cc12m", {"cc12m": "CC-12M"})
    'ViT-B-16, CC-12M'
    """
    return f"{model.removesuffix(f'/{corpus}')}, {titles[corpus]}" if model.endswith(f"/{corpus}") else model


def each_corpus(rows: pd.DataFrame, titles: dict[str, str]) -> Iterator[tuple[str, pd.DataFrame]]:
    """(corpus, its rows) in the order of `titles`, which is the order of the legend."""
    for corpus in titles:
        part = rows[rows["corpus"] == corpus]
        if len(part):
            yield corpus, part


def with_zero(counts: pd.Series) -> np.ndarray:
    counts = counts.to_numpy(float)
    return np.where(counts == 0, ZERO_AT, counts)


def zero_axis(highest: float, *, zero: bool = True) -> dict:
    """A logarithmic axis with a tick at each (or each second) power of ten, and one for zero left of them."""
    highest = highest if highest > 10 else 10  # also without any count, where the highest is nan
    powers = int(np.ceil(np.log10(highest)))
    ticks = [10**power for power in range(0, powers + 1, 2 if powers > 5 else 1)]
    values = [ZERO_AT, *ticks] if zero else ticks
    return {
        "type": "log",
        "tickvals": values,
        "ticktext": (["0"] if zero else []) + [_short(tick) for tick in ticks],
        "range": [np.log10(ZERO_AT / 1.8 if zero else 0.8), np.log10(highest * 1.6)],
        "minor": MINOR | {"tickvals": [digit * 10**power for power in range(powers + 1) for digit in range(1, 10)]},
    }


def _short(number: int) -> str:
    for size, letter in ((10**9, "B"), (10**6, "M"), (10**3, "k")):
        if number >= size:
            return f"{number // size}{letter}"
    return str(number)


def line_trace(
    fit, color: str, name: str | None, *, dash: str = "solid", scores: tuple[float, float] = (-np.inf, np.inf)
) -> dict:
    """The fit's line over the counts that it was fitted to, where it lies between the least and greatest of `scores`."""
    span = np.array([fit.log_count_min, fit.log_count_max])
    if fit.slope:
        span = span.clip(*sorted((score - fit.intercept) / fit.slope for score in scores))
    return {
        "type": "scatter",
        "x": 10**span,
        "y": fit.intercept + fit.slope * span,
        "mode": "lines",
        "name": name,
        "showlegend": name is not None,
        "line": {"color": color, "width": 2.5, "dash": dash},
        "hoverinfo": "skip",
    }


def band_traces(band: pd.DataFrame) -> list[dict]:
    """What `bands.trace_band` gives: the band in which four concepts in five of about a frequency lie, and its median."""
    shared = {"type": "scatter", "mode": "lines", "hoverinfo": "skip"}
    around = {
        "x": np.concatenate([band["count"], band["count"][::-1]]),
        "y": np.concatenate([band["high"], band["low"][::-1]]),
        "name": "4 of 5 concepts of that frequency, and their median",
        "fill": "toself",
        "fillcolor": "rgba(213, 94, 0, 0.13)",
        "line": {"width": 0, "color": COLORS[1]},
    }
    middle = {
        "x": band["count"],
        "y": band["expected"],
        "showlegend": False,
        "line": {"color": COLORS[1], "width": 1.5, "dash": "dot"},
    }
    return [shared | around, shared | middle]


def finish(figure: go.Figure, *, legend: bool = True, height: int = HEIGHT, top: int = 30) -> go.Figure:
    listed = sum(trace.showlegend is not False and bool(trace.name) for trace in figure.data) if legend else 0
    layout = figure.layout  # each part assigned: update_layout compares every path of every key, for ten times as long
    layout.height = height + LEGEND_ROW * listed // 2
    layout.margin = {"l": 10, "r": 10, "t": top, "b": 10}
    layout.showlegend = legend
    layout.legend = {"orientation": "h", "yref": "container", "yanchor": "bottom", "y": 0, "x": 0}
    layout.hovermode = "closest"
    layout.dragmode = False
    for axis in (*figure.select_xaxes(), *figure.select_yaxes()):
        axis.automargin = True
    return figure
