"""Plotly's traces on Matplotlib's axes: points, lines, bands, bars and matrices, all as vectors."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import plotly.graph_objects as go
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from backend.printing.axes import LABEL, Scale
from backend.printing.style import INK, PIXEL, SLIM, PrintError, check_known, read_color, read_dash, read_symbol, read_text

FEW = 20  # points below which Plotly marks each one of a line
UNSEEN = {
    *("type", "customdata", "hovertemplate", "hoverinfo", "hoverlabel", "hovertext", "name", "showlegend", "legendgroup"),
    *("xaxis", "yaxis", "meta", "uid", "ids", "cliponaxis", "selected", "unselected", "legendrank", "hoveron", "visible"),
}
KNOWN = {
    "scatter": UNSEEN
    | {"x", "y", "mode", "line", "marker", "text", "textposition", "textfont", "fill", "fillcolor", "error_x", "error_y"}
    | {"opacity", "offsetgroup", "connectgaps", "texttemplate"},
    "bar": UNSEEN
    | {"x", "y", "base", "orientation", "marker", "text", "texttemplate", "textposition", "textfont", "constraintext"}
    | {"offsetgroup", "error_x", "error_y", "opacity", "width", "insidetextanchor", "textangle"},
    "heatmap": UNSEEN
    | {"z", "x", "y", "text", "texttemplate", "colorscale", "zmin", "zmax", "colorbar", "showscale", "xgap", "ygap"},
}
_SLOT = re.compile(r"%\{(text|x|y)(?::([^}]*))?\}")


@dataclass
class Plot:
    """One pair of axes with what is drawn in it; `groups`: the places in a row that bars of one category take."""

    axes: Axes
    x: Scale
    y: Scale
    layout: go.Layout
    groups: list[str] = field(default_factory=list)

    def shift(self, trace: go.Bar | go.Scatter) -> tuple[float, float]:
        """(offset from the middle of its category, width) of a trace among the groups."""
        gap = 0.2 if self.layout.bargap is None else self.layout.bargap
        width = (1 - gap) / max(len(self.groups), 1)
        name = group_of(trace)
        if self.layout.barmode in ("overlay", "stack", "relative") or name not in self.groups:
            return 0.0, 1 - gap
        return (self.groups.index(name) - (len(self.groups) - 1) / 2) * width, width


def group_of(trace: go.Bar | go.Scatter) -> str:
    """What bars that stand in one row share."""
    return trace.offsetgroup or str(trace.name)


def read_trace(trace) -> go.Scatter | go.Bar | go.Heatmap:
    """A trace as it is drawn here. Raises PrintError where it has what the print does not know."""
    if trace.type == "scattergl":  # pixels on a screen; the same points as vectors are a scatter
        trace = go.Scatter({name: value for name, value in trace.to_plotly_json().items() if name != "type"})
    if trace.type not in KNOWN:
        raise PrintError(f"The print knows no trace '{trace.type}'. Its HTML file shows it.")
    check_known(trace, KNOWN[trace.type], f"a {trace.type}")
    return trace


def draw_trace(plot: Plot, trace: go.Scatter | go.Bar | go.Heatmap) -> Line2D | Patch | None:
    """Draws a trace; returns what stands for it in a legend."""
    return {"scatter": _draw_scatter, "bar": _draw_bars, "heatmap": _draw_matrix}[trace.type](plot, trace)


def _draw_scatter(plot: Plot, trace) -> Line2D | Patch | None:
    x, y = plot.x.place(_columns(trace.x)), plot.y.place(_columns(trace.y))
    if trace.offsetgroup and plot.layout.scattermode == "group":
        y = y + plot.shift(trace)[0]
    mode = trace.mode or ("lines+markers" if len(x) < FEW else "lines")
    lines, markers = "lines" in mode, "markers" in mode
    stroke = {"color": "none", "lw": 0, "ls": "none"}
    color = trace.line.color or (trace.marker.color if isinstance(trace.marker.color, str) else INK)
    if lines:
        width = (2 if trace.line.width is None else trace.line.width) * PIXEL
        stroke = {"color": read_color(color, trace.opacity), "lw": width, "ls": read_dash(trace.line.dash)}
    if trace.fill == "toself":
        (face,) = plot.axes.fill(x, y, fc=read_color(trace.fillcolor), ec="none", lw=0, zorder=1)
        return face
    if trace.fill not in (None, "none"):
        raise PrintError(f"The print knows no fill '{trace.fill}': only toself.")
    _draw_errors(plot.axes, trace, x, y, color)
    shown: list[Line2D] = []
    if lines:
        drawn = stroke | ({"drawstyle": "steps-post"} if trace.line.shape == "hv" else {})
        shown += plot.axes.plot(x, y, zorder=2, **drawn)
    if markers:
        shown += _draw_markers(plot.axes, trace, x, y, color)
    if "text" in mode:
        _write_beside(plot.axes, trace, x, y, color)
    if not shown:
        return None
    key = Line2D([], [], **stroke)
    if markers:
        key.update_from(shown[-1])
        key.set(alpha=1.0, linestyle=stroke["ls"], linewidth=stroke["lw"])
        if lines:
            key.set_color(stroke["color"])
            key.set(markerfacecolor=shown[-1].get_markerfacecolor(), markeredgecolor=shown[-1].get_markeredgecolor())
    return key


def _draw_markers(axes: Axes, trace, x: np.ndarray, y: np.ndarray, color: str) -> list[Line2D]:
    """The points, those of one look together."""
    marker = trace.marker
    looks = list(zip(*(_spread(value, len(x)) for value in (marker.color or color, marker.symbol, marker.size)), strict=True))
    opacity = (1 if marker.opacity is None else marker.opacity) * (1 if trace.opacity is None else trace.opacity)
    drawn = []
    for look in dict.fromkeys(looks):
        chosen = np.array([one == look for one in looks], bool)
        shade, symbol, size = look
        shape, filled = read_symbol(symbol)
        face = read_color(shade, opacity)
        edge, width = read_color(marker.line.color, opacity) if marker.line.color else face, marker.line.width or 0
        if not filled or shape in SLIM:
            edge, width = face, max(width, 1.5)
        style = {"mfc": face if filled and shape not in SLIM else "none", "mec": edge, "mew": width * PIXEL}
        length = 6 if size is None else size
        drawn += axes.plot(x[chosen], y[chosen], ls="none", marker=shape, ms=length * PIXEL, zorder=3, clip_on=True, **style)
    return drawn


def _draw_errors(axes: Axes, trace, x: np.ndarray, y: np.ndarray, color: str) -> None:
    for name in ("x", "y"):
        error = trace[f"error_{name}"]
        if error.array is None or error.visible is False:
            continue
        above = np.asarray(error.array, float)
        below = above if error.arrayminus is None else np.asarray(error.arrayminus, float)
        width = (2 if error.thickness is None else error.thickness) * PIXEL
        ink = read_color(error.color or color)
        axes.errorbar(x, y, **{f"{name}err": [below, above]}, fmt="none", ecolor=ink, elinewidth=width, capsize=2, zorder=2.5)


_BESIDE = {"left": ("right", -1), "center": ("center", 0), "right": ("left", 1)}
_ABOVE = {"top": ("bottom", 1), "middle": ("center", 0), "bottom": ("top", -1)}


def _write_beside(axes: Axes, trace, x: np.ndarray, y: np.ndarray, color: str) -> None:
    """A text at each point, on the side that the trace says."""
    places = _spread(trace.textposition or "middle center", len(x))
    texts = _spread(trace.text, len(x))
    ink = read_color(trace.textfont.color if isinstance(trace.textfont.color, str) else color)
    for left, bottom, text, place in zip(x, y, texts, places, strict=True):
        if not text:
            continue
        vertical, _, horizontal = place.partition(" ")
        (ha, right), (va, up) = _BESIDE[horizontal or "center"], _ABOVE[vertical]
        axes.annotate(
            read_text(text),
            (left, bottom),
            xytext=(5 * right, 5 * up),
            textcoords="offset points",
            ha=ha,
            va=va,
            fontsize=(trace.textfont.size or 12) * PIXEL,
            color=ink,
            annotation_clip=False,
        )


def _draw_bars(plot: Plot, trace: go.Bar) -> Patch:
    across = trace.orientation == "h"
    scale, along = (plot.y, plot.x) if across else (plot.x, plot.y)
    names, ends = (trace.y, trace.x) if across else (trace.x, trace.y)
    offset, width = plot.shift(trace)
    middle, length = scale.place(_columns(names)) + offset, np.asarray(ends, float)
    least = min(along.bounds) if along.is_log and along.bounds else 0.0
    start = np.full(len(length), least) if trace.base is None else np.broadcast_to(np.asarray(trace.base, float), len(length))
    stop = length if trace.base is None else start + length
    opacity = (1 if trace.marker.opacity is None else trace.marker.opacity) * (1 if trace.opacity is None else trace.opacity)
    face = [read_color(color, opacity) for color in _spread(trace.marker.color, len(length))]
    hatch = {"/": "////", "\\": "\\\\\\\\"}.get(trace.marker.pattern.shape or "", "")
    style = {"color": face, "hatch": hatch, "edgecolor": "white" if hatch else "none", "linewidth": 0, "zorder": 2}
    if across:
        plot.axes.barh(middle, stop - start, width * 0.96, left=start, **style)
    else:
        plot.axes.bar(middle, stop - start, width * 0.96, bottom=start, **style)
    x, y = (stop, middle) if across else (middle, stop)
    _draw_errors(plot.axes, trace, x, y, INK)
    for left, bottom, text in zip(x, y, _write_bars(trace), strict=True):
        if text:
            offset_by, anchors = ((4, 0), ("left", "center")) if across else ((0, 3), ("center", "bottom"))
            plot.axes.annotate(
                read_text(text),
                (left, bottom),
                xytext=offset_by,
                textcoords="offset points",
                ha=anchors[0],
                va=anchors[1],
                fontsize=min((trace.textfont.size or 12) * PIXEL, LABEL),
                annotation_clip=False,
            )
    return Patch(fc=face[0] if face else INK, ec=style["edgecolor"], hatch=hatch, lw=0)


def _write_bars(trace: go.Bar) -> list[str]:
    """The text at each bar."""
    count = len(_columns(trace.x))
    texts = _spread(trace.text, count)
    if not trace.texttemplate:
        return ["" if text is None else str(text) for text in texts]
    rows = zip(_columns(trace.x), _columns(trace.y), texts, strict=True)
    return [_fill_slots(trace.texttemplate, {"x": x, "y": y, "text": text}) for x, y, text in rows]


def _fill_slots(template: str, values: dict[str, object]) -> str:
    """A template of Plotly's with its slots filled: %{x:.1f}, %{text}."""
    return _SLOT.sub(lambda slot: f"{values[slot[1]]:{slot[2]}}" if slot[2] else str(values[slot[1]]), template)


def _draw_matrix(plot: Plot, trace: go.Heatmap) -> None:
    values = np.ma.masked_invalid(np.asarray(trace.z, float))
    if not isinstance(trace.colorscale, tuple):
        raise PrintError("The print knows the color scales that a figure brings along only.")
    shades = LinearSegmentedColormap.from_list("scale", [(place, read_color(color)) for place, color in trace.colorscale])
    x, y = plot.x.place(trace.x), plot.y.place(trace.y)
    mesh = plot.axes.pcolormesh(x, y, values, cmap=shades, vmin=trace.zmin, vmax=trace.zmax, shading="nearest", zorder=1)
    plot.axes.grid(False)
    if trace.text is not None:
        for (row, column), value in np.ndenumerate(values):
            dark = value is not np.ma.masked and np.dot(mesh.cmap(mesh.norm(value))[:3], (0.299, 0.587, 0.114)) < 0.5
            ink = "white" if dark else INK
            text = read_text(trace.text[row][column])
            plot.axes.text(x[column], y[row], text, ha="center", va="center", color=ink, fontsize=LABEL, zorder=4)
    if trace.showscale is not False:
        bar = plot.axes.figure.colorbar(mesh, ax=plot.axes, aspect=40, pad=0.02)
        bar.outline.set_visible(False)
        bar.solids.set(rasterized=False, edgecolor="face")  # Matplotlib makes a bitmap of many shades
        bar.ax.tick_params(labelsize=LABEL)
        bar.set_label(read_text(trace.colorbar.title.text or ""), fontsize=LABEL)


def _columns(values: Sequence | None) -> Sequence:
    return () if values is None else values


def _spread(value: object, count: int) -> list:
    """A value for each point: the same one, or each its own."""
    if value is None or isinstance(value, (str, int, float)):
        return [value] * count
    return list(value)
