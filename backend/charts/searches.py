"""Figures of what searches find: disagreement of text and images, and searches against the truth."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from backend.charts.labels import End, label_ends
from backend.charts.style import COLORS, DASHES, NEUTRAL, SYMBOLS, finish, style_of, with_zero, zero_axis


def draw_disagreements(swept: pd.DataFrame, threshold: float) -> go.Figure:
    """How many samples disagree in each way at each threshold (threshold, kind, share), and where the threshold stands."""
    figure = go.Figure()
    for i, (kind, rows) in enumerate(swept.groupby("kind", sort=False)):
        figure.add_scatter(
            x=rows["threshold"],
            y=rows["share"],
            customdata=rows["samples"],
            mode="lines+markers",
            name=kind,
            line={"color": COLORS[i], "dash": DASHES[i]},
            marker={"symbol": SYMBOLS[i], "size": 7},
            hovertemplate="from %{x:.2f} on<br>%{customdata:,} samples (%{y:.1f}%)<extra>" + kind + "</extra>",
        )
    figure.add_vline(x=threshold, line={"color": NEUTRAL, "width": 2, "dash": "dot"})
    figure.update_xaxes(title="threshold of the image score", tickformat=".2f")
    figure.update_yaxes(title="of all samples (%)", rangemode="tozero")
    label_ends(figure, [_find_end(kind, rows, "share") for kind, rows in swept.groupby("kind", sort=False)])
    return finish(figure, height=300)


def _find_end(name: str, rows: pd.DataFrame, column: str) -> End:
    """The end of a line over thresholds."""
    values = rows[column].to_numpy()
    return End(name, rows["threshold"].iloc[-1], values[-1], bool(values[-1] >= values[0]))


def draw_quality(swept: pd.DataFrame, columns: dict[str, str], y_title: str) -> go.Figure:
    """Measures of a search against its threshold, one line a measure; the chosen threshold is marked.

    `columns` names the measures of `swept` (threshold, chosen, ...) for people.
    """
    figure = go.Figure()
    for i, (column, name) in enumerate(columns.items()):
        rows = swept[swept[column].notna()]
        figure.add_scatter(
            x=rows["threshold"],
            y=rows[column],
            mode="lines+markers",
            name=name,
            line={"color": COLORS[i], "dash": DASHES[i]},
            marker={"symbol": SYMBOLS[i], "size": 7},
            hovertemplate="from %{x:.2f} on<br>%{y:.3~g}<extra>" + name + "</extra>",
        )
    for row in swept[swept["chosen"]].itertuples(index=False):
        figure.add_vline(x=row.threshold, line={"color": NEUTRAL, "width": 2, "dash": "dot"})
        figure.add_annotation(
            x=row.threshold, y=1, yref="paper", yanchor="bottom", text=f"chosen: {row.threshold:.2f}", showarrow=False
        )
    figure.update_xaxes(title="threshold of the image score", tickformat=".2f")
    figure.update_yaxes(title=y_title, rangemode="tozero")
    known = [(name, swept[swept[column].notna()], column) for column, name in columns.items()]
    label_ends(figure, [_find_end(name, rows, column) for name, rows, column in known if len(rows)])
    return finish(figure, height=340)


def draw_truth(compared: pd.DataFrame) -> go.Figure:
    """One point a concept and modality: its count against its true number, on the diagonal where the search was right."""
    figure = go.Figure()
    highest = max(float(compared[["count", "truth"]].max().max()), 10.0)
    figure.add_scatter(
        x=[1, highest], y=[1, highest], mode="lines", line={"color": NEUTRAL, "dash": "dot"}, name="right", hoverinfo="skip"
    )
    for modality, style in style_of(("text", "image", "joint")).items():
        rows = compared[compared["modality"] == modality]
        if rows.empty:
            continue
        figure.add_scattergl(
            x=with_zero(rows["truth"]),
            y=with_zero(rows["count"]),
            customdata=np.stack([rows["concept"], rows["truth"], rows["count"]], axis=1),
            mode="markers",
            name=modality,
            marker={"color": style["color"], "symbol": style["symbol"], "size": 7, "opacity": 0.55},
            hovertemplate="<b>%{customdata[0]}</b><br>%{customdata[1]:,} in truth<br>%{customdata[2]:,} counted"
            f"<extra>{modality}</extra>",
        )
    figure.update_xaxes(title="true number of samples", **zero_axis(highest))
    figure.update_yaxes(title="samples counted", **zero_axis(highest))
    return finish(figure, height=480)


def draw_degrees(degrees: pd.DataFrame) -> go.Figure:
    """Misalignment degree of each corpus over both denominators."""
    figure = go.Figure()
    for i, (column, name) in enumerate((("degree", "of all pairs"), ("degree_extracted", "of samples with a concept found"))):
        figure.add_bar(
            x=100 * degrees[column],
            y=degrees["title"],
            orientation="h",
            name=name,
            marker={"color": COLORS[i], "pattern": {"shape": "" if i == 0 else "/"}},
            texttemplate="%{x:.1f}%",
            textposition="outside",  # beside its bar: on the hatching nobody can read it
            cliponaxis=False,
            hovertemplate="%{x:.2f}% " + name + "<extra>%{y}</extra>",
        )
    figure.update_xaxes(title="misaligned samples (%)", range=[0, 112 * degrees[["degree", "degree_extracted"]].max().max()])
    figure.update_yaxes(autorange="reversed", automargin=True)
    return finish(figure, height=100 + 44 * len(degrees))
