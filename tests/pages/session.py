"""A visitor of the app: opens a page at an address, reads what it says, changes a widget, takes a download."""

import json
import re

import pandas as pd
from streamlit.testing.v1 import AppTest

from backend.study import ROOT

REASON_MARKS = (":material/check:", ":material/close:", ":material/notes:")
PAGES = sorted(path.stem for path in (ROOT / "pages").glob("*.py") if path.stem != "__init__")


def _unescape(text: str) -> str:
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", text)


def open_page(page: str = "", **address: str | list[str]) -> AppTest:
    """A fresh session on a page (the first one, without a name), run once at an address.

    A selection stands in the address by its title, `corpus="CC-3M"`, or by its code, `method="lowercased"`.
    """
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    for name, value in address.items():
        app.query_params[name] = value
    if page:
        app.switch_page(f"pages/{page}.py")
    return app.run()


def find(app: AppTest, kind: str, key: str):
    """The widget of a kind with this key."""
    (found,) = [widget for widget in app.get(kind) if widget.key == key]
    return found


def choose(app: AppTest, kind: str, key: str, value) -> AppTest:
    """Sets a widget to a value (an option's own value, not its title) and runs the page."""
    find(app, kind, key).set_value(value)
    return app.run()


def written(app: AppTest) -> list[str]:
    """The Markdown of everything that a page says in words beside the sidebar, as it was written."""
    kinds = ("title", "header", "subheader", "markdown", "caption", "info", "warning", "error", "page_link")
    return [element.value for kind in kinds for element in app.main.get(kind)]


def said(app: AppTest) -> str:
    """What a reader reads of it, a line an element."""
    return "\n".join(_unescape(text) for text in written(app))


def told(app: AppTest) -> list[str]:
    """The messages of the page's information boxes, as a reader reads them."""
    return [_unescape(box.value) for box in app.info]


def table(app: AppTest, *columns: str) -> pd.DataFrame:
    """The rows of the page's table that has these columns."""
    (found,) = [frame.value for frame in app.dataframe if set(columns) <= set(frame.value.columns)]
    return found


def explained(app: AppTest) -> str:
    """What stands under "How this was counted", as a reader reads it."""
    (found,) = [box for box in app.expander if box.label == "How this was counted"]
    return _unescape("\n".join(element.value for element in [*found.markdown, *found.caption]))


def captions(app: AppTest) -> list[str]:
    """The captions of the samples that a gallery shows, in their order."""
    return [text.value for text in app.get("text")]


def reasons(app: AppTest) -> list[str]:
    """What a gallery says below each caption, as it was written: the lines of one sample joined by a bar."""
    return [text.value.replace("  \n", " | ") for text in app.caption if text.value.startswith(REASON_MARKS)]


def figure(app: AppTest, name: str) -> dict:
    """The page's figure of this name, as the browser gets it."""
    (found,) = [chart for chart in app.get("plotly_chart") if chart.key == f"figure-{name}"]
    return json.loads(found.proto.spec)


def downloads(app: AppTest) -> set[str]:
    """The files that the page offers: every menu of them is opened."""
    for menu in app.get("popover"):
        app.session_state[menu.proto.id.split("-", 2)[-1]] = True  # an element's id ends in its key
    app.run()
    return {button.key.split("-", 2)[-1] for button in app.get("download_button")}


def figure_files(name: str) -> set[str]:
    """The files that the menu of a figure offers beside its rows."""
    return {f"{name}.{ending}" for ending in ("svg", "pdf", "png", "html", "min.js")}


def links(app: AppTest) -> list[str]:
    """The titles of the page's links to other pages, but for the navigation's, as a reader reads them."""
    return [_unescape(link.value) for link in app.main.get("page_link")]


def assert_whole(app: AppTest) -> AppTest:
    """No exception, no error box and no number that is none is on the page, and something is."""
    assert not app.exception, [error.value for error in app.exception]
    assert not app.error, [error.value for error in app.error]
    assert said(app).strip()
    assert not re.search(r"\b(nan|NaN|None|inf|NaT)\b|<NA>", said(app)), said(app)
    return app
