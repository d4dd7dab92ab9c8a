"""The figure of a tail benchmark."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from backend.charts.style import COLORS, DASHES, NEUTRAL, SYMBOLS, finish


def draw_tail_models(models: pd.DataFrame, lines: pd.DataFrame, *, tail: str, reference: str) -> go.Figure:
    """One point a model: its tail score against its reference score, with the line of each side of the split."""
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
    figure.update_xaxes(title=f"{reference} accuracy (%)", rangemode="tozero")
    figure.update_yaxes(title=f"{tail} accuracy (%)", rangemode="tozero")
    return finish(figure, height=500)
