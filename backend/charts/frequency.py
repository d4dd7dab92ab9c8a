"""Figures of how often corpora show concepts."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from backend.charts.labels import End, label_ends
from backend.charts.style import COLORS, MINOR, NEUTRAL, each_corpus, finish, style_of, with_zero, zero_axis

CROWD = 2_000  # marks that a page sends whole: with their names they are about 60 KB
MARKS_A_DECADE = 18  # of a cloud, side by side: a mark is six pixels wide, and a power of ten about a hundred
BAR = 16  # pixels of a bar with its number beside it
ROOM_FOR_NUMBERS = 1.3  # powers of ten right of the longest bar
NEUTRAL_INK = "#8A8A8A"  # stands out on a bar of any colour and on both pages


def draw_rank_curves(curves: pd.DataFrame, marks: pd.DataFrame, titles: dict[str, str]) -> go.Figure:
    """Frequency against rank, both logarithmic; `marks` (corpus, concept, rank, count) are points on the curves."""
    styles = style_of(titles)
    figure = go.Figure()
    for corpus, curve in each_corpus(curves, titles):
        figure.add_scatter(
            x=curve["rank"],
            y=curve["count"],
            text=curve["concept"],
            name=titles[corpus],
            mode="lines",
            line={"color": styles[corpus]["color"], "dash": styles[corpus]["dash"], "width": 2},
            hovertemplate="%{text}<br>rank %{x:,}<br>%{y:,} samples<extra>" + titles[corpus] + "</extra>",
        )
    for corpus, mark in each_corpus(marks[marks["count"] > 0], titles):
        figure.add_scatter(
            x=mark["rank"],
            y=mark["count"],
            text=mark["concept"],
            showlegend=False,
            mode="markers",
            marker={
                "color": styles[corpus]["color"],
                "symbol": styles[corpus]["symbol"],
                "size": 12,
                "line": {"width": 1.5, "color": "white"},
            },
            hovertemplate="%{text}<br>rank %{x:,}<br>%{y:,} samples<extra>" + titles[corpus] + "</extra>",
        )
    figure.update_xaxes(type="log", title="rank of the concept (1 = most frequent)", dtick=1, minor=MINOR | {"dtick": "D1"})
    figure.update_yaxes(type="log", title="samples that show it", exponentformat="SI", dtick=1, minor=MINOR | {"dtick": "D1"})
    return finish(figure)


def draw_tail_shares(shares: pd.DataFrame, titles: dict[str, str]) -> go.Figure:
    """The share of concepts with at most so many samples, one line a corpus."""
    styles = style_of(titles)
    figure = go.Figure()
    for corpus, rows in each_corpus(shares, titles):
        figure.add_scatter(
            x=[f"≤ {limit:,}" if limit else "0" for limit in rows["limit"]],
            y=rows["share"],
            customdata=rows["concepts"],
            name=titles[corpus],
            mode="lines+markers",
            line={"color": styles[corpus]["color"], "dash": styles[corpus]["dash"]},
            marker={"symbol": styles[corpus]["symbol"], "size": 9},
            hovertemplate="%{y:.1f}% (%{customdata:,} concepts)<extra>" + titles[corpus] + "</extra>",
        )
    figure.update_xaxes(title="samples that show the concept", type="category")
    figure.update_yaxes(title="share of the concepts (%)", rangemode="tozero")
    return finish(figure)


def draw_lorenz(curves: pd.DataFrame, titles: dict[str, str]) -> go.Figure:
    """Lorenz curves: the share of all hits that the rarest x% of the concepts share between them."""
    styles = style_of(titles)
    figure = go.Figure()
    figure.add_scatter(
        x=[0, 100], y=[0, 100], mode="lines", line={"color": NEUTRAL, "dash": "dot"}, name="all equal", hoverinfo="skip"
    )
    for corpus, curve in each_corpus(curves, titles):
        figure.add_scatter(
            x=curve["concepts_share"],
            y=curve["hits_share"],
            name=f"{titles[corpus]} (Gini {curve['gini'].iloc[0]:.2f})",
            mode="lines",
            line={"color": styles[corpus]["color"], "dash": styles[corpus]["dash"], "width": 2},
            hovertemplate="the rarest %{x:.0f}% of concepts<br>have %{y:.2f}% of the hits<extra></extra>",
        )
    figure.update_xaxes(title="concepts, rarest first (%)", range=[0, 100])
    figure.update_yaxes(title="share of all hits (%)", range=[0, 100])
    return finish(figure)


def draw_counts_against(rows: pd.DataFrame, x: str, y: str, x_title: str, y_title: str) -> go.Figure:
    """One point a concept: count `y` against count `x`, logarithmic, with zeros in a column and a row of their own.

    Of a crowd of concepts, those that would be drawn on one another, within a mark's width, are drawn once.
    """
    figure = go.Figure()
    drawn = _spread_marks(rows, x, y)
    top = float(max(rows[x].max(), rows[y].max(), 10))
    figure.add_scatter(
        x=[1, top], y=[1, top], mode="lines", line={"color": NEUTRAL, "dash": "dot"}, name="equal", hoverinfo="skip"
    )
    figure.add_scattergl(
        x=with_zero(drawn[x]).astype("float32"),  # four bytes a count: half of what goes to the browser is names
        y=with_zero(drawn[y]).astype("float32"),
        customdata=drawn[["concept"]].to_numpy(),
        mode="markers",
        name="concepts",
        marker={"color": COLORS[0], "size": 6, "opacity": 0.45},
        hovertemplate="%{customdata[0]}<br>x: %{x:,.0f}<br>y: %{y:,.0f}<extra></extra>",  # what stands for zero is told as 0
    )
    figure.update_xaxes(title=x_title, **zero_axis(rows[x].max()))
    figure.update_yaxes(title=y_title, **zero_axis(rows[y].max()))
    return finish(figure, legend=False)


def _spread_marks(rows: pd.DataFrame, x: str, y: str) -> pd.DataFrame:
    """Of a crowd, the first row of each cell of a grid that is as fine as a mark of the figure is wide; else every row."""
    if len(rows) <= CROWD:
        return rows
    cells = pd.DataFrame({name: (np.log10(with_zero(rows[name])) * MARKS_A_DECADE).round() for name in (x, y)})
    return rows[~cells.duplicated().to_numpy()]


def draw_thresholds(swept: pd.DataFrame, y: str, y_title: str, titles: dict[str, str]) -> go.Figure:
    """What a tagger's threshold does to `y` (median or zero_share), one line a corpus."""
    styles = style_of(titles)
    figure = go.Figure()
    for corpus, rows in each_corpus(swept, titles):
        figure.add_scatter(
            x=rows["threshold"],
            y=with_zero(rows[y]) if y == "median" else rows[y],
            customdata=rows[y],
            name=titles[corpus],
            mode="lines+markers",
            line={"color": styles[corpus]["color"], "dash": styles[corpus]["dash"]},
            marker={"symbol": styles[corpus]["symbol"], "size": 9},
            hovertemplate="threshold %{x}<br>%{customdata:,.4~g}<extra>" + titles[corpus] + "</extra>",
        )
    figure.update_xaxes(title="threshold of the tagger's score")
    axis = {"type": "log", "dtick": 1, "exponentformat": "SI"} if y == "median" else {}
    if y == "median" and (swept[y] == 0).any():
        axis = zero_axis(swept[y].max())
    figure.update_yaxes(title=y_title, **axis)
    ends = [
        (titles[corpus], rows["threshold"], with_zero(rows[y]) if y == "median" else rows[y].to_numpy())
        for corpus, rows in each_corpus(swept, titles)
    ]
    label_ends(figure, [End(name, x.iloc[-1], values[-1], bool(values[-1] >= values[0])) for name, x, values in ends])
    return finish(figure, height=340)


def draw_heatmap(r: pd.DataFrame, n: pd.DataFrame, titles: dict[str, str]) -> go.Figure:
    """A correlation matrix, its figures written in; cells without shared tasks stay empty."""
    names = [name for name in titles if name in r.index]
    values = r.loc[names, names].to_numpy(float)
    text = np.where(np.isfinite(values), np.char.mod("%.2f", np.nan_to_num(values)), "")
    shown = [titles[name] for name in names]
    figure = go.Figure(
        go.Heatmap(
            z=values,
            x=shown,
            y=shown,
            text=text,
            texttemplate="%{text}",
            customdata=n.loc[names, names].to_numpy(),
            colorscale="Cividis",
            zmin=0,
            zmax=1,
            colorbar={"title": "r", "thickness": 12},
            hovertemplate="%{y} and %{x}<br>r = %{z:.3f} over %{customdata:,} pairs<extra></extra>",
        )
    )
    figure.update_yaxes(autorange="reversed")
    figure.update_xaxes(tickangle=-35)
    return finish(figure, legend=False, height=480)


def draw_concept_counts(counts: pd.DataFrame, titles: dict[str, str], truth: pd.DataFrame | None = None) -> go.Figure:
    """A concept's counts: a group of bars a corpus in the order of `counts`, a bar a modality with its number written beside
    it; a line where its labels carry different counts.

    `truth` (corpus, modality, truth) adds an upright stroke at each true number.
    """
    styles = style_of(("text", "image", "joint"))
    figure = go.Figure()
    for modality, style in styles.items():
        rows = counts[counts["modality"] == modality]
        if rows.empty:
            continue
        figure.add_bar(
            x=with_zero(rows["high"]),
            y=[titles[corpus] for corpus in rows["corpus"]],
            text=[f"{count:,}" for count in rows["high"]],
            textposition="outside",
            textfont={"size": 12},
            constraintext="none",
            cliponaxis=False,
            customdata=np.stack([rows["low"], rows["high"], rows["method_title"]], axis=1),
            orientation="h",
            name="both" if modality == "joint" else modality,
            offsetgroup=modality,
            marker={"color": style["color"]},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [0] * len(rows),
                "arrayminus": with_zero(rows["high"]) - with_zero(rows["low"]),
                "visible": bool((rows["low"] < rows["high"]).any()),
            },
            hovertemplate="%{customdata[0]:,} to %{customdata[1]:,} samples<br>%{customdata[2]}<extra></extra>",
        )
    highest = counts["high"].max()
    if truth is not None and len(truth):
        highest = max(highest, truth["truth"].max())
        for modality in styles:
            rows = truth[truth["modality"] == modality]
            figure.add_scatter(
                x=with_zero(rows["truth"]),
                y=[titles[corpus] for corpus in rows["corpus"]],
                customdata=np.stack([rows["truth"], rows["modality"]], axis=1),
                mode="markers",
                showlegend=False,
                offsetgroup=modality,
                marker={"color": NEUTRAL_INK, "symbol": "line-ns-open", "size": BAR, "line": {"width": 3}},
                hovertemplate="%{customdata[0]:,} samples in truth<br>%{customdata[1]}<extra></extra>",
            )
    axis = zero_axis(highest)
    axis["range"][1] += ROOM_FOR_NUMBERS
    figure.update_xaxes(title="samples that show it", **axis)
    order = [titles[corpus] for corpus in counts["corpus"].drop_duplicates()]
    figure.update_yaxes(autorange="reversed", automargin=True, categoryorder="array", categoryarray=order)
    figure.layout.barmode = figure.layout.scattermode = "group"
    figure.layout.bargap = 0.25
    bars = counts.groupby("corpus")["modality"].nunique().sum()
    return finish(figure, height=110 + BAR * int(bars) + 10 * len(order))
