"""DataFrame in, Plotly figure out: every figure of the app, with one palette and one set of axes.

Colours are Okabe and Ito's, which colour-blind readers can tell apart (Color Universal Design, 2008), less black and
yellow, which vanish on a dark or a light page; lines differ in dash and points in symbol as well.
"""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from backend.scaling import Comparison, ModelLine

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8A8A8A")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot", "solid")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x", "star")
NEUTRAL = "rgba(128, 128, 128, 0.45)"
ZERO_AT = 0.25  # where a logarithmic axis shows a count of zero: a column of its own, left of one
HEIGHT = 440
SMALL_MULTIPLE = 230  # pixels
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


def draw_rank_curves(curves: pd.DataFrame, marks: pd.DataFrame, titles: dict[str, str]) -> go.Figure:
    """Frequency against rank, both logarithmic; `marks` (corpus, concept, rank, count) are points on the curves."""
    styles = style_of(titles)
    figure = go.Figure()
    for corpus, curve in _each_corpus(curves, titles):
        figure.add_scatter(
            x=curve["rank"],
            y=curve["count"],
            text=curve["concept"],
            name=titles[corpus],
            mode="lines",
            line={"color": styles[corpus]["color"], "dash": styles[corpus]["dash"], "width": 2},
            hovertemplate="%{text}<br>rank %{x:,}<br>%{y:,} samples<extra>" + titles[corpus] + "</extra>",
        )
    for corpus, mark in _each_corpus(marks[marks["count"] > 0], titles):
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
    figure.update_xaxes(type="log", title="rank of the concept (1 = most frequent)", dtick=1)
    figure.update_yaxes(type="log", title="samples that show it", exponentformat="SI", dtick=1)
    return _finish(figure)


def draw_tail_shares(shares: pd.DataFrame, titles: dict[str, str]) -> go.Figure:
    """The share of concepts with at most so many samples, one line a corpus."""
    styles = style_of(titles)
    figure = go.Figure()
    for corpus, rows in _each_corpus(shares, titles):
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
    return _finish(figure)


def draw_lorenz(curves: pd.DataFrame, titles: dict[str, str]) -> go.Figure:
    """Lorenz curves: the share of all hits that the rarest x% of the concepts share between them."""
    styles = style_of(titles)
    figure = go.Figure()
    figure.add_scatter(
        x=[0, 100], y=[0, 100], mode="lines", line={"color": NEUTRAL, "dash": "dot"}, name="all equal", hoverinfo="skip"
    )
    for corpus, curve in _each_corpus(curves, titles):
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
    return _finish(figure)


def draw_counts_against(rows: pd.DataFrame, x: str, y: str, x_title: str, y_title: str) -> go.Figure:
    """One point a concept: count `y` against count `x`, logarithmic, with zeros in a column and a row of their own."""
    figure = go.Figure()
    top = float(max(rows[x].max(), rows[y].max(), 10))
    figure.add_scatter(
        x=[1, top], y=[1, top], mode="lines", line={"color": NEUTRAL, "dash": "dot"}, name="equal", hoverinfo="skip"
    )
    figure.add_scattergl(
        x=_with_zero(rows[x]),
        y=_with_zero(rows[y]),
        customdata=np.stack([rows["concept"], rows[x], rows[y]], axis=1),
        mode="markers",
        name="concepts",
        marker={"color": COLORS[0], "size": 6, "opacity": 0.45},
        hovertemplate="%{customdata[0]}<br>x: %{customdata[1]:,}<br>y: %{customdata[2]:,}<extra></extra>",
    )
    figure.update_xaxes(title=x_title, **_zero_axis(rows[x].max()))
    figure.update_yaxes(title=y_title, **_zero_axis(rows[y].max()))
    return _finish(figure, legend=False)


def draw_thresholds(swept: pd.DataFrame, y: str, y_title: str, titles: dict[str, str]) -> go.Figure:
    """What a tagger's threshold does to `y` (median or zero_share), one line a corpus."""
    styles = style_of(titles)
    figure = go.Figure()
    for corpus, rows in _each_corpus(swept, titles):
        figure.add_scatter(
            x=rows["threshold"],
            y=_with_zero(rows[y]) if y == "median" else rows[y],
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
        axis = _zero_axis(swept[y].max())
    figure.update_yaxes(title=y_title, **axis)
    return _finish(figure, height=340)


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
    return _finish(figure, legend=False, height=480)


def draw_scaling(points: pd.DataFrame, bins: pd.DataFrame, fit, band: pd.DataFrame, *, unit: str, name: str) -> go.Figure:
    """One model: a point a (task, label) pair, the mean of each bin with its quartiles, the line, and the band by frequency."""
    figure = go.Figure()
    figure.add_scattergl(
        x=_with_zero(points["count"]),
        y=points["value"],
        customdata=np.stack([points["concept"], points["task"], points["count"]], axis=1),
        mode="markers",
        name=f"a concept of a task ({len(points):,})",
        marker={"color": COLORS[5], "size": 5, "opacity": 0.35},
        hovertemplate="<b>%{customdata[0]}</b> (%{customdata[1]})<br>%{customdata[2]:,} samples<br>%{y:.1f}"
        f" {unit}<extra></extra>",
    )
    figure.add_traces([*_band_traces(band), _line_trace(fit, COLORS[1], "straight-line fit")])
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
    figure.update_xaxes(title=f"samples that show the concept ({name})", **_zero_axis(points["count"].max()))
    figure.update_yaxes(title=unit)
    return _finish(figure, height=500)


def draw_lines(lines: list[ModelLine], titles: dict[str, str], *, unit: str) -> go.Figure:
    """Several models in one plot: each line's bin means and fit; colour and symbol tell the corpus, dash its models."""
    figure = go.Figure()
    colors = style_of(titles)
    for i, line in enumerate(lines):
        place = sum(other.corpus == line.corpus for other in lines[:i])
        color, symbol = colors[line.corpus]["color"], colors[line.corpus]["symbol"]
        figure.add_trace(_line_trace(line.fit, color, None, dash=DASHES[place % len(DASHES)]))
        figure.add_scatter(
            x=line.bins["edge"],
            y=line.bins["mean"],
            customdata=line.bins["n"],
            mode="markers",
            name=name_model(line.model, line.corpus, titles),
            marker={"color": color, "symbol": f"{symbol}-open" if place % 2 else symbol, "size": 9},
            hovertemplate="mean %{y:.1f} of %{customdata:,} concepts<br>up to %{x:,.0f} samples<extra>"
            + line.model
            + "</extra>",
        )
    top = max((line.bins["edge"].max() for line in lines), default=10)
    figure.update_xaxes(title="samples in the model's own corpus", **_zero_axis(top, zero=False))
    figure.update_yaxes(title=f"mean {unit}")
    return _finish(figure, height=460)


def draw_comparison(comparison: Comparison, names: tuple[str, str], *, unit: str, name: str) -> go.Figure:
    """Two models over the counts of one corpus: a point a concept, the bin means and the line of each."""
    figure = go.Figure()
    points = comparison.points
    for i, column in enumerate(("first", "second")):
        figure.add_scattergl(
            x=_with_zero(points["count"]),
            y=points[column],
            customdata=np.stack([points["concept"], points["count"]], axis=1),
            mode="markers",
            showlegend=False,
            marker={"color": COLORS[i], "symbol": SYMBOLS[i], "size": 5, "opacity": 0.35},
            hovertemplate="<b>%{customdata[0]}</b><br>%{customdata[1]:,} samples<br>%{y:.1f} "
            + unit
            + f"<extra>{names[i]}</extra>",
        )
    for i, side in enumerate((comparison.first, comparison.second)):
        if np.isfinite(side.fit.slope):
            figure.add_trace(_line_trace(side.fit, COLORS[i], None, dash=DASHES[i]))
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
    figure.update_xaxes(title=f"samples that show the concept ({name})", **_zero_axis(points["count"].max()))
    figure.update_yaxes(title=unit)
    return _finish(figure, height=480)


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
    return _finish(figure, height=460)


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
    return _finish(figure, height=300)


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
    return _finish(figure, height=340)


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
            x=_with_zero(rows["truth"]),
            y=_with_zero(rows["count"]),
            customdata=np.stack([rows["concept"], rows["truth"], rows["count"]], axis=1),
            mode="markers",
            name=modality,
            marker={"color": style["color"], "symbol": style["symbol"], "size": 7, "opacity": 0.55},
            hovertemplate="<b>%{customdata[0]}</b><br>%{customdata[1]:,} in truth<br>%{customdata[2]:,} counted"
            f"<extra>{modality}</extra>",
        )
    figure.update_xaxes(title="true number of samples", **_zero_axis(highest))
    figure.update_yaxes(title="samples counted", **_zero_axis(highest))
    return _finish(figure, height=480)


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
            _line_trace(line.fit, COLORS[1], None) | place,
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
    return _finish(figure, legend=False, height=100 + SMALL_MULTIPLE * rows, top=60)


def draw_concept_counts(counts: pd.DataFrame, titles: dict[str, str], truth: pd.DataFrame | None = None) -> go.Figure:
    """A concept's counts: one row a corpus, one mark a modality; a line where its labels carry different counts.

    `truth` (corpus, modality, truth) adds an upright stroke at each true number.
    """
    styles = style_of(("text", "image", "joint"))
    figure = go.Figure()
    for (modality, style), size in zip(styles.items(), (17, 12, 8), strict=True):  # equal counts stay visible
        rows = counts[counts["modality"] == modality]
        figure.add_scatter(
            x=_with_zero(rows["high"]),
            y=[titles[corpus] for corpus in rows["corpus"]],
            customdata=np.stack([rows["low"], rows["high"], rows["method_title"]], axis=1),
            mode="markers",
            name=modality,
            marker={"color": style["color"], "symbol": style["symbol"], "size": size},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [0] * len(rows),
                "arrayminus": _with_zero(rows["high"]) - _with_zero(rows["low"]),
            },
            hovertemplate="%{customdata[0]:,} to %{customdata[1]:,} samples<br>%{customdata[2]}<extra></extra>",
        )
    highest = counts["high"].max()
    if truth is not None and len(truth):
        highest = max(highest, truth["truth"].max())
        for modality, style in styles.items():
            rows = truth[truth["modality"] == modality]
            figure.add_scatter(
                x=_with_zero(rows["truth"]),
                y=[titles[corpus] for corpus in rows["corpus"]],
                customdata=np.stack([rows["truth"], rows["modality"]], axis=1),
                mode="markers",
                showlegend=False,
                marker={"color": style["color"], "symbol": "line-ns-open", "size": 24, "line": {"width": 2}},
                hovertemplate="%{customdata[0]:,} samples in truth<br>%{customdata[1]}<extra></extra>",
            )
    figure.update_xaxes(title="samples that show it", **_zero_axis(highest))
    figure.update_yaxes(autorange="reversed", automargin=True)
    return _finish(figure, height=130 + 42 * counts["corpus"].nunique())


def draw_concept_scores(scores: pd.DataFrame, titles: dict[str, str], *, unit: str) -> go.Figure:
    """Measured scores beside the band of concepts that are about as frequent, one row a model."""
    rows = scores.iloc[::-1]
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
        name="measured",
        marker={"color": COLORS[1], "size": 10, "symbol": "diamond"},
        hovertemplate="measured %{x:.1f}<extra></extra>",
    )
    figure.update_xaxes(title=unit)
    figure.update_yaxes(automargin=True, type="category")
    return _finish(figure, height=150 + 24 * len(rows))


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
            hovertemplate="%{x:.2f}% " + name + "<extra>%{y}</extra>",
        )
    figure.update_xaxes(title="misaligned samples (%)", rangemode="tozero")
    figure.update_yaxes(autorange="reversed", automargin=True)
    return _finish(figure, height=120 + 62 * len(degrees))


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
    return _finish(figure, height=500)


def _each_corpus(rows: pd.DataFrame, titles: dict[str, str]):
    """(corpus, its rows) in the order of `titles`, which is the order of the legend."""
    for corpus in titles:
        part = rows[rows["corpus"] == corpus]
        if len(part):
            yield corpus, part


def _with_zero(counts: pd.Series) -> np.ndarray:
    counts = counts.to_numpy(float)
    return np.where(counts == 0, ZERO_AT, counts)


def _zero_axis(highest: float, *, zero: bool = True) -> dict:
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
    }


def _short(number: int) -> str:
    for size, letter in ((10**9, "B"), (10**6, "M"), (10**3, "k")):
        if number >= size:
            return f"{number // size}{letter}"
    return str(number)


def _line_trace(fit, color: str, name: str | None, *, dash: str = "solid") -> dict:
    """The fit's line over the counts that it was fitted to."""
    span = np.array([fit.log_count_min, fit.log_count_max])
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


def _band_traces(band: pd.DataFrame) -> list[dict]:
    """What `bands.trace_band` gives: the band in which four concepts in five of about a frequency lie, and its median."""
    shared = {"type": "scatter", "mode": "lines", "hoverinfo": "skip"}
    around = {
        "x": np.concatenate([band["count"], band["count"][::-1]]),
        "y": np.concatenate([band["high"], band["low"][::-1]]),
        "name": "where 4 of 5 concepts of about that frequency lie, and their median",
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


def _finish(figure: go.Figure, *, legend: bool = True, height: int = HEIGHT, top: int = 30) -> go.Figure:
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
