"""The figure of a tail benchmark."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from backend.charts.style import COLORS, DASHES, NEUTRAL, SYMBOLS, finish

NEAR_END = 0.15  # of the axis: nearer to its end, a name would run out of the figure
GAP = "\u2002"  # between a point and its name


def draw_tail_models(
    models: pd.DataFrame, lines: pd.DataFrame, *, tail: str, reference: str, named: Mapping[str, str] | None = None
) -> go.Figure:
    """One point a model: its tail score against its reference score, with the line of each side of the split.

    named: the models whose names stand at their points, above or below the others (`tail.pick_named`).
    """
    figure = go.Figure()
    top = float(models["reference"].max())
    figure.add_scatter(
        x=[0, top], y=[0, top], mode="lines", line={"color": NEUTRAL, "dash": "dot"}, name="equal", hoverinfo="skip"
    )
    for i, side in enumerate(("below", "above")):
        rows = models[models["side"] == side]
        figure.add_scatter(
            x=rows["reference"],
            y=rows["tail"],
            text=rows["model"],
            mode="markers",
            name=f"models {side} the split",
            marker={"color": COLORS[i], "symbol": SYMBOLS[i], "size": 9},
            hovertemplate=f"<b>%{{text}}</b><br>{reference} %{{x:.1f}}%<br>{tail} %{{y:.1f}}%<extra></extra>",
        )
        for line in lines[lines["side"] == side].itertuples(index=False):
            span = np.array([line.low, line.high])
            figure.add_scatter(
                x=span,
                y=line.intercept + line.slope * span,
                mode="lines",
                name=f"slope {line.slope:.3f}",
                line={"color": COLORS[i], "dash": DASHES[i]},
                hoverinfo="skip",
            )
    rows = models[models["model"].isin(named or {})]
    figure.add_scatter(
        x=rows["reference"],
        y=rows["tail"],
        text=[f"{GAP}{name}{GAP}" for name in rows["model"]],
        textposition=[_place_name(named[row.model], row.reference / top) for row in rows.itertuples()],
        textfont={"size": 11},
        mode="text",
        cliponaxis=False,
        showlegend=False,
        hoverinfo="skip",
    )
    figure.update_xaxes(title=f"{reference} accuracy (%)", range=[0, 1.08 * top])
    figure.update_yaxes(title=f"{tail} accuracy (%)", rangemode="tozero")
    return finish(figure, height=460)


def _place_name(side: str, share: float) -> str:
    """Where a name stands at its point: away from the others, and inside the figure; `share` of the axis lies left of it."""
    if side == "above":
        return "top left" if share > NEAR_END else "top right"
    return "bottom right" if share < 1 - NEAR_END else "bottom left"
