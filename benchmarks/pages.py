"""Server time of every page: first run in a warm server, and one widget change, over 20 runs.

Reads: the published study. The command: python -m benchmarks.pages
A run is one execution of app.py and the page by Streamlit's AppTest, without server and browser: what a visitor waits for
is in benchmarks/server.py. A widget is set to another
value each time, in turn through all values that it has, so that most runs meet a question for the first or second time.
"""

import logging
import statistics
import time
from itertools import cycle, islice

from rich.console import Console
from rich.table import Table
from streamlit.testing.v1 import AppTest

from backend import alignment, frequency, scaling
from backend.study import ROOT, STUDIES, Study

RUNS = 20
LIMIT_MS = 150
# page, query parameters, widget type, key of the widget that is changed
PAGES = [
    ("distributions", {}, "selectbox", "method"),
    ("distributions", {"curve": "Text or image"}, "selectbox", "corpus"),
    ("distributions", {"curve": "Between corpora"}, "selectbox", "method"),
    ("scaling", {}, "selectbox", "model"),
    ("scaling", {}, "selectbox", "method"),
    ("scaling", {"view": "Several models"}, "selectbox", "setting"),
    ("scaling", {"view": "Every model"}, "selectbox", "method"),
    ("concept", {"concept": "rose"}, "selectbox", "setting"),
    ("concept", {"concept": "rose"}, "text_input", "concept"),
    ("misalignment", {}, "selectbox", "corpus"),
    ("let_it_wag", {}, "selectbox", "method"),
    ("test_set", {"names": "rose\nflamingo\npickup truck"}, "selectbox", "model"),
]
CONCEPTS = ("dog", "flamingo", "acadian flycatcher", "jeans", "pickup truck", "golden", "hammer", "beach", "pizza")


def open_page(page: str, parameters: dict[str, str]) -> tuple[AppTest, float]:
    """A fresh session on a page, and the milliseconds of its first run."""
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    for name, value in parameters.items():
        app.query_params[name] = value
    app.switch_page(f"pages/{page}.py")
    return app, _run(app)


def list_values(study: Study, key: str) -> list[str]:
    """The values that a widget goes through."""
    if key == "concept":
        return list(CONCEPTS)
    if key == "method":
        return list(frequency.list_methods(study)["method"])
    if key == "corpus":
        return list(alignment.list_joint_methods(study)["corpus"].unique())
    kind, setting = scaling.list_settings(study).iloc[0]
    if key == "model":
        return list(scaling.list_models(study, kind, setting)["model"].head(12))
    settings = scaling.list_settings(study)
    return list(settings.loc[settings["kind"] == kind, "setting"])


def change_widget(app: AppTest, kind: str, key: str, values: list[str]) -> list[float]:
    """Milliseconds of 20 runs, each after the widget was given its next value."""
    times = []
    for value in islice(cycle(values), 1, RUNS + 1):
        next(widget for widget in app.get(kind) if widget.key == key).set_value(value)
        times.append(_run(app))
    return times


def _run(app: AppTest) -> float:
    start = time.perf_counter()
    app.run()
    elapsed = 1000 * (time.perf_counter() - start)
    assert not app.exception, app.exception
    return elapsed


def main() -> None:
    """Prints the table."""
    logging.getLogger("streamlit.runtime.scriptrunner_utils.script_run_context").setLevel(logging.ERROR)
    table = Table(title=f"Server time of a page, ms ({RUNS} runs; aim: widget change under {LIMIT_MS} ms)")
    for column in ("page", "view", "widget", "first run", "median", "p95", "worst"):
        table.add_column(column, justify="left" if column in ("page", "view", "widget") else "right")
    study = Study(STUDIES / "published")
    for page, parameters, kind, key in PAGES:
        app, first = open_page(page, parameters)
        times = sorted(change_widget(app, kind, key, list_values(study, key)))
        figures = (first, statistics.median(times), times[int(0.95 * (len(times) - 1))], times[-1])
        table.add_row(
            page, parameters.get("view") or parameters.get("curve", ""), key, *(f"{figure:.0f}" for figure in figures)
        )
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
