"""A figure as SVG, PDF or PNG, drawn by Matplotlib on the server: it needs no browser, no network and no display.

Plotly's own way to these files is a headless Chromium, which a fresh machine does not have.
"""

import io
from functools import cache
from threading import Lock
from typing import Literal

import plotly.graph_objects as go
from matplotlib import rc_context
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, get_font_names
from matplotlib.legend import Legend

from backend.printing.axes import Scale, add_annotations, add_shapes, dress_axis
from backend.printing.caption import Caption
from backend.printing.style import GRID, INK, PrintError, read_text
from backend.printing.traces import Plot, draw_trace, group_of, read_trace

Ending = Literal["svg", "pdf", "png"]
WIDTH, PAD, GAP = 8.0, 0.12, 0.1  # inches: of the page, around it, between its parts
DOTS = 200  # of a PNG, an inch
POINTS, PIXELS = 72, 96  # an inch, of print and of a screen
TITLE, LINE, NAMES = 12, 8, 8.5  # points: of title, caption line and axis titles and legend
SETTINGS = {
    "svg.fonttype": "none",  # text stays text
    "pdf.fonttype": 42,
    "svg.hashsalt": "tailscope",  # the same figure gives the same file
    "text.parse_math": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}
# After Matplotlib's own font, which every machine has, those for names that it cannot write, where they are installed.
FONTS = ("Noto Sans CJK JP", "Noto Sans CJK SC", "WenQuanYi Zen Hei", "Hiragino Sans", "PingFang SC", "Arial Unicode MS")
_LOCK = Lock()  # Matplotlib's settings and fonts are the whole process's


def print_figure(figure: go.Figure, caption: Caption, ending: Ending) -> bytes:
    """The file. All is drawn as vectors but in a PNG. Raises PrintError where the figure has what the print does not know."""
    with _LOCK, rc_context(SETTINGS | {"font.family": ["DejaVu Sans", *_find_fonts()]}):
        page = lay_out(figure, caption)
        about = {"Title": caption.title, "Creator": "Tailscope"}
        undated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}[ending]
        named = about if ending != "png" else {"Title": caption.title, "Software": "Tailscope"}
        stream = io.BytesIO()
        page.savefig(stream, format=ending, dpi=DOTS, metadata=named | undated)
        return stream.getvalue()


@cache
def _find_fonts() -> list[str]:
    installed = set(get_font_names())
    return [name for name in FONTS if name in installed]


def lay_out(figure: go.Figure, caption: Caption) -> Figure:
    """The page, from top to bottom: title, plots, legend, caption line; each has its own room, and long texts are broken."""
    page = Figure(figsize=(WIDTH, WIDTH), dpi=POINTS, facecolor="white", layout="constrained")
    measure = Measure()
    title = measure.wrap(caption.title, TITLE, WIDTH - 2 * PAD, bold=True)
    line = measure.wrap(caption.line, LINE, WIDTH - 2 * PAD)
    room = (figure.layout.height or 450) / PIXELS
    traces = [read_trace(trace) for trace in figure.data if trace.visible not in (False, "legendonly")]
    plots = add_plots(page, figure.layout, traces, measure, room)
    keys = draw_plots(plots, figure.layout, traces)
    legend = add_legend(page, keys, measure) if figure.layout.showlegend is not False else None
    head = title.count("\n") + 1
    foot = line.count("\n") + 1
    heights = (head * TITLE * 1.3 / POINTS, room, measure.size(legend)[1] if legend else 0.0, foot * LINE * 1.3 / POINTS)
    whole = sum(heights) + 2 * PAD + 3 * GAP
    page.set_size_inches(WIDTH, whole)
    left, top = PAD / WIDTH, 1 - PAD / whole
    above, below = PAD + heights[0] + GAP, PAD + heights[3] + GAP
    page.text(left, top, title, fontsize=TITLE, fontweight="bold", va="top", linespacing=1.2).set_in_layout(False)
    page.text(left, PAD / whole, line, fontsize=LINE, va="bottom", color="#4A5963", linespacing=1.2).set_in_layout(False)
    if legend:
        legend.set_bbox_to_anchor((left, below / whole))
    base = below + heights[2] + GAP
    rect = (left, base / whole, 1 - 2 * left, 1 - (base + above) / whole)
    page.get_layout_engine().set(rect=rect, w_pad=0.02, h_pad=0.02)
    return page


class Measure:
    """How much room texts and legends take, in inches."""

    def __init__(self):
        self.renderer = RendererAgg(WIDTH * POINTS, WIDTH * POINTS, POINTS)

    def wrap(self, text: str, size: float, width: float, *, bold: bool = False) -> str:
        """The text in lines of at most `width`; a word that is longer is broken."""
        font = FontProperties(size=size, weight="bold" if bold else "normal")
        lines = [""]
        for word in text.split():
            longer = f"{lines[-1]} {word}".strip()
            if self._fits(longer, font, width):
                lines[-1] = longer
                continue
            lines += [""] if lines[-1] else []
            for letter in word:
                if lines[-1] and not self._fits(lines[-1] + letter, font, width):
                    lines.append("")
                lines[-1] += letter
        return "\n".join(lines)

    def _fits(self, text: str, font: FontProperties, width: float) -> bool:
        return self.renderer.get_text_width_height_descent(text, font, ismath=False)[0] / POINTS <= width

    def size(self, legend: Legend) -> tuple[float, float]:
        """Width and height of a legend."""
        box = legend.get_window_extent(self.renderer)
        return box.width / POINTS, box.height / POINTS


def add_plots(page: Figure, layout: go.Layout, traces: list, measure: Measure, room: float) -> dict[str, Plot]:
    """A pair of axes for each that the traces name, by the name of its x-axis; in a grid where the figure has one."""
    pairs = list(dict.fromkeys((trace.xaxis or "x", trace.yaxis or "y") for trace in traces)) or [("x", "y")]
    grid = layout.grid
    rows, columns = (grid.rows or 1, grid.columns or 1)
    if len(pairs) > rows * columns or len({x for x, _ in pairs}) < len(pairs):
        raise PrintError(f"The print knows one pair of axes, or a grid with room for each; this figure has {len(pairs)}.")
    cells = page.add_gridspec(rows, columns)
    plots: dict[str, Plot] = {}
    for number, (x, y) in enumerate(pairs):
        sides = [getattr(layout, f"{name[0]}axis{name[1:]}") for name in (x, y)]
        shared = {
            f"share{side}": plots[f"x{axis.matches[1:]}"].axes
            for side, axis in zip("xy", sides, strict=True)
            if axis.matches and f"x{axis.matches[1:]}" in plots
        }
        axes = page.add_subplot(cells[number // columns, number % columns], **shared)
        own = [trace for trace in traces if (trace.xaxis or "x") == x]
        scales = [Scale(axis, (trace[name] for trace in own)) for name, axis in zip("xy", sides, strict=True)]
        groups = list(dict.fromkeys(group_of(trace) for trace in own if trace.type == "bar"))
        plots[x] = Plot(axes, *scales, layout, groups)
        for name, scale, length in (("x", scales[0], 0.85 * WIDTH / columns), ("y", scales[1], 0.85 * room / rows)):
            if title := scale.axis.title.text:
                getattr(axes, f"set_{name}label")(measure.wrap(read_text(title), NAMES, length), fontsize=NAMES)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_axisbelow(True)
        axes.grid(True, color=GRID, lw=0.6)
    return plots


def draw_plots(plots: dict[str, Plot], layout: go.Layout, traces: list) -> dict[str, object]:
    """Draws the traces with their axes, notes and shapes; returns what the legend names."""
    keys = {}
    for trace in traces:
        key = draw_trace(plots[trace.xaxis or "x"], trace)
        if key is not None and trace.name and trace.showlegend is not False:
            keys.setdefault(read_text(trace.name), key)
    places = {}
    for x, plot in plots.items():
        dress_axis(plot.axes, "x", plot.x, 0.8 * WIDTH * POINTS)
        dress_axis(plot.axes, "y", plot.y, 0.0)
        places |= {x: (plot.axes, plot.x), f"y{x[1:]}": (plot.axes, plot.y)}
    add_shapes(places, layout)
    add_annotations(places, layout)
    return keys


def add_legend(page: Figure, keys: dict[str, object], measure: Measure) -> Legend | None:
    """A legend at the lower left with as many columns as fit; None without a name to tell."""
    place = {"loc": "lower left", "frameon": False, "borderpad": 0, "borderaxespad": 0, "fontsize": NAMES}
    for columns in range(min(len(keys), 5), 0, -1):
        legend = page.legend(keys.values(), keys, ncols=columns, **place)
        legend.set_in_layout(False)
        if columns == 1 or measure.size(legend)[0] <= WIDTH - 2 * PAD:
            return legend
        legend.remove()
    return None
