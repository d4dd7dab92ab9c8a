"""Figures of one corpus: how often it shows concepts beside others, and how long its captions are."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from backend.charts.style import COLORS, MINOR, each_corpus, finish, style_of
from backend.corpus_report import step_of


def draw_rate_curves(curves: pd.DataFrame) -> go.Figure:
    """Samples of a million against rank, both logarithmic, one line a corpus: the first of `curves` is wider than the others.

    curves: corpus (a title), concept, rank, per_million.
    """
    titles = {title: title for title in dict.fromkeys(curves["corpus"])}
    styles = style_of(titles)
    figure = go.Figure()
    for place, (title, curve) in enumerate(each_corpus(curves, titles)):
        figure.add_scatter(
            x=curve["rank"],
            y=curve["per_million"],
            text=curve["concept"],
            name=title,
            mode="lines",
            line={"color": styles[title]["color"], "dash": styles[title]["dash"], "width": 2 if place else 4},
            hovertemplate="%{text}<br>rank %{x:,}<br>%{y:,.3~g} of a million<extra>" + title + "</extra>",
        )
    figure.update_xaxes(type="log", title="rank of the concept (1 = most frequent)", dtick=1, minor=MINOR | {"dtick": "D1"})
    figure.update_yaxes(
        type="log", title="samples of a million that show it", exponentformat="SI", dtick=1, minor=MINOR | {"dtick": "D1"}
    )
    return finish(figure)


def draw_lengths(lengths: pd.DataFrame, unit: str) -> go.Figure:
    """How many captions are so long: value (words or characters, from 100 on in steps), count. The longest hundredth is out
    of sight. A bar of a step is as high as each of its lengths has captions on average, and as wide as the step."""
    reached = lengths["count"].cumsum() / max(lengths["count"].sum(), 1)
    longest = int(lengths["value"][reached >= 0.99].min()) if len(lengths) else 1
    steps = step_of(lengths["value"].to_numpy())
    figure = go.Figure()
    figure.add_bar(
        x=lengths["value"] - 0.5 + steps / 2,
        y=lengths["count"] / steps,
        width=steps,
        customdata=np.stack([lengths["value"], lengths["value"] + steps - 1, lengths["count"]], axis=1),
        marker={"color": COLORS[0], "line": {"width": 0}},
        hovertemplate="%{customdata[0]:,} to %{customdata[1]:,} " + unit + "<br>%{customdata[2]:,} captions<extra></extra>",
    )
    figure.update_xaxes(title=f"{unit} of a caption", range=[-0.5, longest + 0.5])
    figure.update_yaxes(title="captions of each length", rangemode="tozero")
    figure.layout.bargap = 0.1
    return finish(figure, legend=False, height=280)
