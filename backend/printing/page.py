"""A figure as a small HTML page, which takes Plotly from a file beside it, or from Plotly's own server where there is none."""

import base64
import hashlib
from functools import cache
from html import escape

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs, get_plotlyjs_version

from backend.printing.caption import Caption

PLOTLY_FILE = f"plotly-{get_plotlyjs_version()}.min.js"
MISSING = f"This figure needs {PLOTLY_FILE}: put it into the same folder (the Download menu has it), or connect to a network."


@cache
def read_plotly() -> bytes:
    """The library that draws the figures of all pages."""
    return get_plotlyjs().encode()


@cache
def _find_digest() -> str:
    """What a browser compares a copy from elsewhere with."""
    return base64.b64encode(hashlib.sha256(read_plotly()).digest()).decode()


def write_page(figure: go.Figure, caption: Caption) -> bytes:
    """The page: title, figure, caption line; kilobytes, since the library lies in a file of its own."""
    # A page's own file is asked first: with it beside the page, nothing is asked of a network.
    source, digest = f"https://cdn.plot.ly/{PLOTLY_FILE}", f"sha256-{_find_digest()}"
    elsewhere = f'<script src="{source}" integrity="{digest}" crossorigin="anonymous"><\\/script>'
    drawing = figure.to_html(full_html=False, include_plotlyjs=False, config={"displaylogo": False})
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{escape(caption.title)}</title>
<style>body {{font: 16px sans-serif; margin: 1.5rem auto; max-width: 1100px}} figcaption {{color: #555}}</style>
<script src="{PLOTLY_FILE}"></script>
<script>window.Plotly || document.write('{elsewhere}')</script>
</head>
<body>
<figure>
<h1 style="font-size: 1.3rem">{escape(caption.title)}</h1>
<p id="missing" hidden>{escape(MISSING)}</p>
<script>document.getElementById("missing").hidden = !!window.Plotly</script>
{drawing}
<figcaption>{escape(caption.line)}</figcaption>
</figure>
</body>
</html>
""".encode()
