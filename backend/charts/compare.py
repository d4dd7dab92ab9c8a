"""Figures of two models side by side."""

import numpy as np
import plotly.graph_objects as go

from backend.charts.style import COLORS, NEUTRAL, finish, line_trace, with_zero, zero_axis
from backend.compare import Versus


def draw_versus(found: Versus, names: tuple[str, str], *, unit: str, corpus: str) -> go.Figure:
    """A point a concept: by how many points the first model is better, over how often a corpus shows the concept.

    Those that stand out among all comparisons are filled, the others pale; the line is the fit through all.
    """
    figure = go.Figure()
    points = found.points
    for stands_out, color, name in ((False, COLORS[5], "a concept"), (True, COLORS[0], "a concept that stands out")):
        part = points[points["stands_out"] == stands_out]
        if part.empty:
            continue
        figure.add_scattergl(
            x=with_zero(part["count"]),
            y=part["difference"],
            customdata=part[["concept", "task", "count", "first", "second"]].to_numpy(object),
            mode="markers",
            name=f"{name} ({len(part):,})",
            marker={"color": color, "size": 7 if stands_out else 5, "opacity": 0.8 if stands_out else 0.35},
            hovertemplate="<b>%{customdata[0]}</b> (%{customdata[1]})<br>%{customdata[2]:,} samples<br>"
            "%{customdata[3]:.1f} against %{customdata[4]:.1f}<extra></extra>",
        )
    if np.isfinite(found.fit.slope):
        reach = (points["difference"].min(), points["difference"].max())
        figure.add_trace(line_trace(found.fit, COLORS[1], "straight-line fit", scores=reach))
    figure.add_hline(y=0, line={"color": NEUTRAL, "width": 1, "dash": "dot"})
    first, second = names
    figure.update_xaxes(title=f"samples that show the concept ({corpus})", **zero_axis(points["count"].max()))
    figure.update_yaxes(title=f"{first} less {second}: {unit}")
    return finish(figure, height=460)
