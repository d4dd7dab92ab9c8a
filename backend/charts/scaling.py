"""Figures of scores against frequency."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from backend.charts.labels import End, label_ends
from backend.charts.style import (
    COLORS,
    DASHES,
    NEUTRAL,
    SYMBOLS,
    band_traces,
    finish,
    line_trace,
    name_model,
    style_of,
    with_zero,
    zero_axis,
)
from backend.scaling import Comparison, ModelLine

SMALL_MULTIPLE = 230  # pixels


def draw_scaling(points: pd.DataFrame, bins: pd.DataFrame, fit, band: pd.DataFrame, *, unit: str, name: str) -> go.Figure:
    """One model: a point a (task, label) pair, the mean of each bin with its quartiles, the line, and the band by frequency."""
    figure = go.Figure()
    for i, (task, rows) in enumerate(points.groupby("task", sort=False)):  # a trace a task: its name travels once
        figure.add_scattergl(
            x=with_zero(rows["count"]).astype("float32"),  # half the bytes; above 16.8 million a count's last digit may differ
            y=rows["value"].astype("float32"),
            customdata=rows[["concept"]].to_numpy(),
            mode="markers",
            name=f"a concept of a task ({len(points):,})",
            legendgroup="concepts",
            showlegend=i == 0,
            marker={"color": COLORS[5], "size": 5, "opacity": 0.35},
            hovertemplate=f"<b>%{{customdata[0]}}</b> ({task})<br>%{{x:,.0f}} samples<br>%{{y:.1f}} {unit}<extra></extra>",
        )
    scores = (points["value"].min(), points["value"].max())
    figure.add_traces([*band_traces(band), line_trace(fit, COLORS[1], "straight-line fit", scores=scores)])
    figure.add_scatter(
        x=bins["edge"],
        y=bins["mean"],
        customdata=bins["n"],
        mode="markers",
        name="mean of a bin, with quartiles",
        marker={"color": COLORS[0], "size": 10, "line": {"color": "white", "width": 1}},
        error_y={
            "type": "data",
            "array": (bins["high"] - bins["mean"]).clip(lower=0),
            "arrayminus": (bins["mean"] - bins["low"]).clip(lower=0),
            "thickness": 1.2,
        },
        hovertemplate="mean %{y:.1f} of %{customdata:,} concepts<br>up to %{x:,.0f} samples<extra></extra>",
    )
    figure.update_xaxes(title=f"samples that show the concept ({name})", **zero_axis(points["count"].max()))
    figure.update_yaxes(title=unit)
    return finish(figure, height=500)


def draw_lines(
    lines: list[ModelLine], titles: dict[str, str], *, unit: str, by_corpus: bool = False, height: int = 460
) -> go.Figure:
    """Several models in one plot: each line's bin means and fit; colour and symbol tell the corpus, dash its models.

    by_corpus: lines are named by their corpus alone, where there is one model of each.
    """
    figure = go.Figure()
    colors = style_of(titles)
    ends = []
    for i, line in enumerate(lines):
        place = sum(other.corpus == line.corpus for other in lines[:i])
        color, symbol = colors[line.corpus]["color"], colors[line.corpus]["symbol"]
        name = titles[line.corpus] if by_corpus else name_model(line.model, line.corpus, titles)
        fitted = line_trace(line.fit, color, None, dash=DASHES[place % len(DASHES)], scores=line.scores)
        ends.append(End(name, fitted["x"][-1], fitted["y"][-1], line.fit.slope >= 0))
        figure.add_trace(fitted)
        figure.add_scatter(
            x=line.bins["edge"],
            y=line.bins["mean"],
            customdata=line.bins["n"],
            mode="markers",
            name=name,
            marker={"color": color, "symbol": f"{symbol}-open" if place % 2 else symbol, "size": 9},
            hovertemplate="mean %{y:.1f} of %{customdata:,} concepts<br>up to %{x:,.0f} samples<extra>"
            + line.model
            + "</extra>",
        )
    top = max((line.bins["edge"].max() for line in lines), default=10)
    figure.update_xaxes(title="samples in the model's own corpus", **zero_axis(top, zero=False))
    figure.update_yaxes(title=f"mean {unit}")
    label_ends(figure, ends)
    return finish(figure, height=height)


def draw_comparison(
    comparison: Comparison, names: tuple[str, str], *, unit: str, name: str, cloud: bool = True, height: int = 480
) -> go.Figure:
    """Two models over the counts of one corpus: a point a concept (unless without the `cloud`), bin means and line of each."""
    figure = go.Figure()
    points = comparison.points
    for i, column in enumerate(("first", "second") if cloud else ()):
        figure.add_scattergl(
            x=with_zero(points["count"]),
            y=points[column],
            customdata=np.stack([points["concept"], points["count"]], axis=1),
            mode="markers",
            showlegend=False,
            marker={"color": COLORS[i], "symbol": SYMBOLS[i], "size": 5, "opacity": 0.35},
            hovertemplate="<b>%{customdata[0]}</b><br>%{customdata[1]:,} samples<br>%{y:.1f} "
            + unit
            + f"<extra>{names[i]}</extra>",
        )
    ends = []
    for i, side in enumerate((comparison.first, comparison.second)):
        if np.isfinite(side.fit.slope):
            scores = points[("first", "second")[i]]
            bounds = (scores.min(), scores.max())
            fitted = line_trace(side.fit, COLORS[i], None, dash=DASHES[i], scores=bounds)
            ends.append(End(names[i], fitted["x"][-1], fitted["y"][-1], side.fit.slope >= 0))
            figure.add_trace(fitted)
        figure.add_scatter(
            x=side.bins["edge"],
            y=side.bins["mean"],
            customdata=side.bins["n"],
            mode="markers",
            name=names[i],
            marker={"color": COLORS[i], "symbol": SYMBOLS[i], "size": 11, "line": {"color": "white", "width": 1}},
            hovertemplate="mean %{y:.1f} of %{customdata:,} concepts<br>up to %{x:,.0f} samples"
            f"<extra>{names[i]}</extra>",
        )
    figure.update_xaxes(title=f"samples that show the concept ({name})", **zero_axis(points["count"].max()))
    figure.update_yaxes(title=unit)
    label_ends(figure, ends)
    return finish(figure, height=height)


def draw_change(points: pd.DataFrame, slope: float, intercept: float, *, unit: str) -> go.Figure:
    """One point a concept of a task: by how many tenfolds its count changed, and by how many points its score did."""
    figure = go.Figure()
    figure.add_scattergl(
        x=points["tenfolds"],
        y=points["gained"],
        customdata=points[["concept", "task", "count_before", "count_after", "value_before", "value_after"]].to_numpy(object),
        mode="markers",
        name=f"a concept of a task ({len(points):,})",
        marker={"color": COLORS[5], "size": 5, "opacity": 0.35},
        hovertemplate="<b>%{customdata[0]}</b> (%{customdata[1]})<br>%{customdata[2]:,} to %{customdata[3]:,} samples<br>"
        "%{customdata[4]:.1f} to %{customdata[5]:.1f} " + unit + "<extra></extra>",
    )
    if np.isfinite(slope):
        span = np.array([points["tenfolds"].min(), points["tenfolds"].max()])
        figure.add_scatter(
            x=span,
            y=intercept + slope * span,
            mode="lines",
            name="straight-line fit",
            line={"color": COLORS[1], "width": 2.5},
            hoverinfo="skip",
        )
    figure.add_hline(y=0, line={"color": NEUTRAL, "width": 1, "dash": "dot"})
    figure.add_vline(x=0, line={"color": NEUTRAL, "width": 1, "dash": "dot"})
    figure.update_xaxes(title="tenfolds more samples (change of log10 count)")
    figure.update_yaxes(title=f"change of {unit}")
    return finish(figure, height=460)


def draw_small_multiples(lines: list[ModelLine], titles: dict[str, str], *, unit: str, columns: int = 3) -> go.Figure:
    """One small plot a model on shared axes: bin means and fit, with slope and raw r in the title."""
    rows = -(-len(lines) // columns)
    traces, notes, axes = [], [], {}
    for i, line in enumerate(lines):
        number = str(i + 1) if i else ""
        place = {"xaxis": f"x{number}", "yaxis": f"y{number}"}
        hover = "mean %{y:.1f} of %{customdata:,} concepts<br>up to %{x:,.0f} samples<extra></extra>"
        bins = line.bins
        traces += [
            line_trace(line.fit, COLORS[1], None, scores=line.scores) | place,
            {
                "type": "scatter",
                "x": bins["edge"].to_numpy(),
                "y": bins["mean"].to_numpy(),
                "customdata": bins["n"].to_numpy(),
                "mode": "markers",
                "marker": {"color": COLORS[0], "size": 6},
                "hovertemplate": hover,
            }
            | place,
        ]
        name = name_model(line.model, line.corpus, titles).replace(", ", "<br>", 1)
        r = line.fit.pearson_r
        title = f"<b>{name}</b><br>{line.fit.slope:+.1f}, r {r:.2f}" if np.isfinite(r) else f"<b>{name}</b>"
        notes.append(
            {
                "text": title,
                "xref": f"x{number} domain",
                "yref": f"y{number} domain",
                "x": 0,
                "y": 1.02,
                "yanchor": "bottom",
                "align": "left",
                "showarrow": False,
                "font": {"size": 10},
            }
        )
        axes[f"xaxis{number}"] = {"type": "log", "exponentformat": "SI", "dtick": 3, "matches": "x" if i else None}
        axes[f"yaxis{number}"] = {
            "matches": "y" if i else None,
            "showticklabels": i % columns == 0,
            "title": f"mean {unit}" if i % columns == 0 else None,
        }
    grid = {"rows": rows, "columns": columns, "pattern": "independent", "xgap": 0.08, "ygap": 0.45}
    figure = go.Figure({"data": traces, "layout": axes | {"grid": grid, "annotations": notes}})
    return finish(figure, legend=False, height=100 + SMALL_MULTIPLE * rows, top=60)


def draw_concept_scores(scores: pd.DataFrame, titles: dict[str, str], *, unit: str) -> go.Figure:
    """Measured scores beside the band of concepts that are about as frequent, one row a model."""
    rows = scores.iloc[::-1]
    known = rows["value_low"].notna()
    names = [name_model(model, corpus, titles) for model, corpus in zip(rows["model"], rows["corpus"], strict=True)]
    figure = go.Figure()
    figure.add_bar(
        base=rows["low"],
        x=rows["high"] - rows["low"],
        y=names,
        orientation="h",
        name="concepts about as frequent: 4 of 5, and their median",
        marker={"color": COLORS[5], "opacity": 0.35},
        customdata=np.stack([rows["low"], rows["high"], rows["count"]], axis=1),
        hovertemplate="4 in 5 concepts with about %{customdata[2]:,} samples score<br>%{customdata[0]:.0f} to "
        "%{customdata[1]:.0f}<extra></extra>",
    )
    figure.add_scatter(
        x=rows["expected"],
        y=names,
        mode="markers",
        showlegend=False,
        marker={"color": COLORS[5], "size": 14, "symbol": "line-ns-open", "line": {"width": 2}},
        hovertemplate="expected %{x:.1f}<extra></extra>",
    )
    figure.add_scatter(
        x=rows["value"],
        y=names,
        mode="markers",
        name="measured, with the 95% interval of its test images" if known.any() else "measured",
        marker={"color": COLORS[1], "size": 10, "symbol": "diamond"},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": (rows["value_high"] - rows["value"]).fillna(0),
            "arrayminus": (rows["value"] - rows["value_low"]).fillna(0),
            "thickness": 1.2,
            "visible": bool(known.any()),
        },
        hovertemplate="measured %{x:.1f}<extra></extra>",
    )
    figure.update_xaxes(title=unit)
    figure.update_yaxes(automargin=True, type="category")
    return finish(figure, height=150 + 24 * len(rows))
