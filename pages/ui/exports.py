"""The files of a figure: SVG, PDF and PNG for a paper, a small HTML page, and the library that such pages share."""

from collections.abc import Callable
from functools import partial

import plotly.graph_objects as go

from backend.printing.caption import Caption
from backend.printing.page import PLOTLY_FILE, read_plotly, write_page
from pages.ui.downloads import Download

PRINTS = {"svg": "image/svg+xml", "pdf": "application/pdf", "png": "image/png"}
PAGE_HELP = (
    f"A few kilobytes. It takes Plotly from {PLOTLY_FILE} in its own folder, one for all such pages, and needs no network "
    "then; without that file, from Plotly's server."
)
LIBRARY_HELP = "5 MB, once: put it beside the HTML figures, and they need no network."


def list_figure_files(figure: go.Figure, name: str, caption: Caption) -> list[Download]:
    """The files of a figure, each written when someone asks for it."""
    files: list[tuple[str, str, str, Callable[[], bytes], str | None]] = [
        (f"Figure ({ending.upper()})", ending, mime, partial(write_print, figure, caption, ending), None)
        for ending, mime in PRINTS.items()
    ]
    files.append(("Figure (HTML)", "html", "text/html", partial(write_page, figure, caption), PAGE_HELP))
    return [
        *(
            Download(label, f"{name}.{ending}", mime, write, hint, caption.name_file(name, ending))
            for label, ending, mime, write, hint in files
        ),
        Download("Plotly, for HTML figures", f"{name}.min.js", "text/javascript", read_plotly, LIBRARY_HELP, PLOTLY_FILE),
    ]


def write_print(figure: go.Figure, caption: Caption, ending: str) -> bytes:
    """A figure as SVG, PDF or PNG."""
    from backend.printing.draw import print_figure  # Matplotlib is loaded for the first who asks, not before the first page

    return print_figure(figure, caption, ending)
