"""Plotly's axes, annotations and shapes on Matplotlib's."""

from collections.abc import Iterable, Sequence
from textwrap import shorten

import numpy as np
import plotly.graph_objects as go
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedFormatter, FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator
from matplotlib.transforms import Transform, blended_transform_factory

from backend.printing.style import INK, PIXEL, PrintError, check_known, read_color, read_dash, read_text

LABEL = 8.5  # points
NAME_CHARACTERS = 46  # of a category; longer ones are cut, so that the plot keeps its place
SIZES = ((1e9, "B"), (1e6, "M"), (1e3, "k"))
KNOWN_AXIS = {
    *("type", "title", "range", "autorange", "rangemode", "tickvals", "ticktext", "tickmode", "dtick", "minor", "matches"),
    *("tickformat", "exponentformat", "categoryorder", "categoryarray", "tickangle", "showticklabels", "ticksuffix"),
    *("automargin", "fixedrange", "domain", "anchor", "showgrid", "zeroline", "side", "constrain", "tickfont", "visible"),
    *("title_standoff", "ticks", "ticklen", "hoverformat", "uirevision", "nticks", "tickcolor", "gridcolor", "linecolor"),
}
KNOWN_ANNOTATION = {
    *("text", "x", "y", "xref", "yref", "xanchor", "yanchor", "xshift", "yshift", "showarrow", "font", "align", "name"),
    *("textangle", "captureevents", "hovertext", "bgcolor", "borderpad", "opacity"),
}
KNOWN_SHAPE = {"type", "x0", "x1", "y0", "y1", "xref", "yref", "line", "fillcolor", "opacity", "layer", "name"}


class Scale:
    """An axis of a figure: where its values lie, and how it is drawn."""

    def __init__(self, axis: go.layout.XAxis, values: Iterable[Sequence]):
        self.axis = axis
        flat = [value for column in values if column is not None for value in column]
        named = axis.type == "category" or (axis.type is None and any(isinstance(value, str) for value in flat))
        first = list(axis.categoryarray) if axis.categoryarray is not None else []
        self.categories = list(dict.fromkeys([*first, *flat])) if named else None

    @property
    def is_log(self) -> bool:
        """Whether it is logarithmic."""
        return self.axis.type == "log"

    def place(self, values: Sequence) -> np.ndarray:
        """The values as numbers; a category is its place."""
        if self.categories is None:
            return np.asarray(values, float)
        return np.array([self.categories.index(value) for value in values], float)

    @property
    def bounds(self) -> tuple[float, float] | None:
        """The ends of the range that the figure asks for; None where it leaves that open."""
        if self.categories is not None:
            low, high = -0.5, len(self.categories) - 0.5
        elif self.axis.range is None:
            return None
        else:
            low, high = (10.0**end if self.is_log else end for end in map(float, self.axis.range))
        return (high, low) if self.axis.autorange == "reversed" else (low, high)


def dress_axis(axes: Axes, name: str, scale: Scale, room: float) -> None:
    """Title, range and ticks of the axis `name` ("x" or "y") as the figure has them; `room`: points along it."""
    check_known(scale.axis, KNOWN_AXIS, f"an axis ({name})")
    side, own = scale.axis, getattr(axes, f"{name}axis")
    if scale.is_log:
        getattr(axes, f"set_{name}scale")("log")
    if scale.bounds:
        getattr(axes, f"set_{name}lim")(*scale.bounds)
    elif side.rangemode == "tozero":
        getattr(axes, f"set_{name}lim")(**{"left" if name == "x" else "bottom": 0})
    if side.autorange == "reversed" and not scale.bounds:
        own.set_inverted(True)
    _set_ticks(own, scale)
    if name == "x":
        angle = side.tickangle if side.tickangle is not None else _find_angle(scale, room)
        if angle:
            for label in axes.get_xticklabels():
                label.set(rotation=-angle, ha="right" if angle < 0 else "left", rotation_mode="anchor")
    axes.tick_params(axis=name, which="both", labelsize=LABEL, **({} if side.showticklabels is not False else _NO_LABELS[name]))


_NO_LABELS = {"x": {"labelbottom": False}, "y": {"labelleft": False}}


def _find_angle(scale: Scale, room: float) -> int:
    """Names side by side stand slanted where they would touch."""
    names = scale.categories or []
    return -35 if sum(len(str(name)) + 2 for name in names) * LABEL * 0.62 > room else 0


def _set_ticks(own, scale: Scale) -> None:
    side = scale.axis
    if scale.categories is not None:
        names = [shorten(read_text(name), NAME_CHARACTERS, placeholder="…") for name in scale.categories]
        own.set_ticks(range(len(names)), names)
        own.set_minor_locator(NullLocator())
        return
    if side.tickvals is not None:
        own.set_major_locator(FixedLocator(np.asarray(side.tickvals, float)))
        if side.ticktext is not None:
            own.set_major_formatter(FixedFormatter([read_text(text) for text in side.ticktext]))
    elif scale.is_log:
        own.set_major_locator(LogLocator(10.0 ** float(side.dtick or 1)))
        own.set_major_formatter(FuncFormatter(lambda number, _: name_number(number)))
    elif side.dtick is not None:
        low, high = own.get_view_interval()
        own.set_major_locator(FixedLocator(np.arange(np.ceil(low / side.dtick), np.floor(high / side.dtick) + 1) * side.dtick))
    if not scale.is_log:
        suffix, form = side.ticksuffix or "", side.tickformat or ",.10g"
        if side.ticktext is None:
            own.set_major_formatter(FuncFormatter(lambda number, _: f"{number:{form}}{suffix}".replace("-", "−")))
        return
    own.set_minor_formatter(NullFormatter())
    minor = side.minor
    if minor.tickvals is not None:
        own.set_minor_locator(FixedLocator(np.asarray(minor.tickvals, float)))
    else:
        own.set_minor_locator(LogLocator(10.0, subs=range(2, 10)) if minor.dtick else NullLocator())


def name_number(number: float) -> str:
    """A power of ten in few letters.

    >>> [name_number(number) for number in (0.1, 1, 10_000, 1e8)]
    ['0.1', '1', '10k', '100M']
    """
    for size, letter in SIZES:
        if number >= size:
            return f"{number / size:g}{letter}"
    return f"{number:g}"


def add_annotations(places: dict[str, tuple[Axes, Scale]], layout: go.Layout) -> None:
    """The notes of a figure, each where it points to."""
    for note in layout.annotations:
        check_known(note, KNOWN_ANNOTATION, "an annotation")
        if note.showarrow is not False:
            raise PrintError("The print knows no annotation with an arrow. Its HTML file shows it.")
        xref, yref = note.xref or "x", note.yref or "y"
        axes, transform = _find_transform(places, xref, yref)
        axes.annotate(
            read_text(note.text),
            (_find_place(places, xref, note.x), _find_place(places, yref, note.y)),
            xycoords=transform,
            xytext=((note.xshift or 0) * PIXEL, (note.yshift or 0) * PIXEL),
            textcoords="offset points",
            ha=_find_anchor(places, xref, note.x, note.xanchor, ("left", "center", "right")),
            va=_find_anchor(places, yref, note.y, note.yanchor, ("bottom", "center", "top")),
            multialignment=note.align or "center",
            rotation=-(note.textangle or 0),
            fontsize=(note.font.size or 12) * PIXEL,
            color=read_color(note.font.color or INK, note.opacity),
            annotation_clip=False,
        )


def _find_place(places: dict[str, tuple[Axes, Scale]], ref: str, value: object) -> float:
    """Where an annotation stands on its axis; on a logarithmic one Plotly takes the exponent."""
    if ref not in places:
        return float(value)
    scale = places[ref][1]
    if scale.is_log:
        return 10.0 ** float(value)
    return float(scale.place([value])[0]) if isinstance(value, str) else float(value)


def _find_anchor(places: dict, ref: str, value: object, anchor: str | None, sides: tuple[str, str, str]) -> str:
    """The side of a note that stands at its place; left open, that is Plotly's: by thirds of the plot, else the middle."""
    if anchor not in (None, "auto"):
        return "center" if anchor == "middle" else anchor
    third = 1 if ref in places else min(int(3 * max(float(value), 0.0)), 2)
    return sides[third]


def add_shapes(places: dict[str, tuple[Axes, Scale]], layout: go.Layout) -> None:
    """The strokes and boxes of a figure."""
    for shape in layout.shapes:
        check_known(shape, KNOWN_SHAPE, "a shape")
        xref, yref = shape.xref or "x", shape.yref or "y"
        axes, transform = _find_transform(places, xref, yref)
        x, y = (
            [places[ref][1].place([end])[0] if ref in places else float(end) for end in ends]
            for ref, ends in ((xref, (shape.x0, shape.x1)), (yref, (shape.y0, shape.y1)))
        )
        layer = {"zorder": 0.5 if shape.layer == "below" else 2.5, "transform": transform}
        width = (2 if shape.line.width is None else shape.line.width) * PIXEL
        color = read_color(shape.line.color, shape.opacity)
        if shape.type == "line":
            axes.plot(x, y, color=color, lw=width, ls=read_dash(shape.line.dash), scalex=False, scaley=False, **layer)
        elif shape.type == "rect":
            face = read_color(shape.fillcolor, shape.opacity) if shape.fillcolor else "none"
            box = Rectangle((x[0], y[0]), x[1] - x[0], y[1] - y[0], fc=face, ec=color if width else "none", lw=width, **layer)
            axes.add_artist(box)
        else:
            raise PrintError(f"The print knows no shape '{shape.type}': only line and rect.")


def _find_transform(places: dict[str, tuple[Axes, Scale]], xref: str, yref: str) -> tuple[Axes, Transform]:
    """The axes that a note or a shape belongs to, and what its two references count in."""
    names = [ref.removesuffix(" domain") for ref in (xref, yref)]
    axes = next((places[name][0] for name in names if name in places), places["x"][0])
    x, y = (axes.transData if ref in places else axes.transAxes for ref in (xref, yref))
    return axes, blended_transform_factory(x, y)
