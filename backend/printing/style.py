"""Plotly's words for colours, dashes, symbols and texts, as Matplotlib has them."""

import re
from html import unescape

import plotly.graph_objects as go
from matplotlib.colors import to_rgba

from backend.errors import TailscopeError

INK, GRID = "#16222B", "#D5DCE1"
PIXEL = 0.75  # points of a CSS pixel
DASHES = {
    "solid": "-",
    "dash": (0, (5, 2.5)),
    "dot": (0, (1.2, 1.8)),
    "dashdot": (0, (5, 2, 1.2, 2)),
    "longdash": (0, (9, 3)),
    "longdashdot": (0, (9, 2.5, 1.2, 2.5)),
}
SYMBOLS = {
    "circle": "o",
    "square": "s",
    "diamond": "D",
    "triangle-up": "^",
    "triangle-down": "v",
    "cross": "P",
    "x": "X",
    "star": "*",
    "line-ns": "|",
    "line-ew": "_",
}
SLIM = {"|", "_"}  # have no face, only a stroke
_RGB = re.compile(r"rgba?\(([^)]*)\)")
_TAG = re.compile(r"</?(b|i|sub|sup|span|em|strong)\b[^>]*>")


class PrintError(TailscopeError):
    """A figure has a part that the print does not know; nothing is drawn rather than something else."""


def read_color(color: str | None, opacity: float | None = None) -> tuple[float, float, float, float]:
    """Red, green, blue and opacity, each 0 to 1.

    >>> read_color("rgba(255, 0, 0, 0.5)", 0.5)
    (1.0, 0.0, 0.0, 0.25)
    """
    if found := _RGB.fullmatch(color or INK):
        numbers = [float(number) for number in found[1].split(",")]
        rgba = (*(number / 255 for number in numbers[:3]), numbers[3] if len(numbers) > 3 else 1.0)
    else:
        rgba = to_rgba(color or INK)
    return (*rgba[:3], rgba[3] * (1.0 if opacity is None else opacity))


def read_dash(dash: str | None):
    """Matplotlib's line style of a dash."""
    return _look_up(DASHES, dash or "solid", "dash")


def read_symbol(symbol: str | None) -> tuple[str, bool]:
    """(marker, whether it is filled).

    >>> read_symbol("square-open")
    ('s', False)
    """
    name = symbol or "circle"
    return _look_up(SYMBOLS, name.removesuffix("-open"), "symbol"), not name.endswith("-open")


def _look_up(known: dict, name: str, kind: str):
    if name not in known:
        raise PrintError(f"The print knows no {kind} '{name}'. It knows: {', '.join(known)}.")
    return known[name]


def read_text(text: object) -> str:
    """A text without Plotly's markup; `<br>` begins a line.

    >>> read_text("<b>ViT</b><br>r &gt; 0")
    'ViT\\nr > 0'
    """
    return unescape(_TAG.sub("", str(text).replace("<br>", "\n")))


def check_known(part: go.Figure | object, known: set[str], what: str) -> None:
    """Raises PrintError where a part of a figure sets what the print does not know."""
    unknown = sorted(key for key in part.to_plotly_json() if key not in known)
    if unknown:
        raise PrintError(f"The print does not know {', '.join(unknown)} of {what}. Its HTML file shows it.")
