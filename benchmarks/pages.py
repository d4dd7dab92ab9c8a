"""Server time of every page: first run in a warm server, and one widget change, over 20 runs.

Reads: the published study. The command: python -m benchmarks.pages
A run is one execution of app.py and the page by Streamlit's AppTest, without server and browser: what a visitor waits for
is in benchmarks/server.py. A widget is set to another
value each time, in turn through all values that it has, so that most runs meet a question for the first or second time.
"""

import logging
import statistics
import time

from rich.console import Console
from rich.table import Table
from streamlit.testing.v1 import AppTest

from backend import alignment, frequency
from backend.study import ROOT, STUDIES, Study

RUNS = 20
MOST_VALUES = 12  # that a select box goes through
LIMIT_MS = 150
# page, query parameters, key of the select box that is changed
PAGES = [
    ("distributions", {}, "method"),
    ("distributions", {"curve": "Text or image"}, "corpus"),
    ("distributions", {"curve": "Between corpora"}, "method"),
    ("scaling", {}, "model"),
    ("scaling", {}, "method"),
    ("scaling", {"view": "Several models"}, "setting"),
    ("scaling", {"view": "Every model"}, "method"),
    ("concept", {"concept": "rose"}, "setting"),
    ("concept", {"concept": "rose"}, "concept"),
    ("misalignment", {}, "corpus"),
    ("let_it_wag", {}, "method"),
    ("your_corpus", {}, "reference"),
    ("your_corpus", {"part": "What to collect"}, "reference"),
    ("web_scale", {}, "measure_run"),
    ("test_set", {"names": "rose\nflamingo\npickup truck"}, "model"),
]
CONCEPTS = ("dog", "flamingo", "acadian flycatcher", "jeans", "pickup truck", "golden", "hammer", "beach", "pizza")


def open_page(page: str, parameters: dict[str, str]) -> tuple[AppTest, float]:
    """A fresh session on a page, and the milliseconds of its first run."""
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    for name, value in parameters.items():
        app.query_params[name] = value
    app.switch_page(f"pages/{page}.py")
    return app, _run(app)


def list_values(study: Study, key: str, options: list[str]) -> list[str]:
    """The values that a select box goes through, as the tables have them; a model's name is what the box shows."""
    if key == "concept":
        return list(CONCEPTS)
    if key == "method":
        return list(frequency.list_methods(study)["method"])
    if key == "corpus":
        return list(alignment.list_joint_methods(study)["corpus"].unique())
    return options[:MOST_VALUES]


def change_widget(app: AppTest, study: Study, key: str) -> list[float]:
    """Milliseconds of 20 runs, each after the select box was given its next value."""
    times = []
    for number in range(1, RUNS + 1):
        widget = next(widget for widget in app.get("selectbox") if widget.key == key)
        values = list_values(study, key, widget.options)
        widget.set_value(values[number % len(values)])
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
    for page, parameters, key in PAGES:
        app, first = open_page(page, parameters)
        times = sorted(change_widget(app, study, key))
        figures = (first, statistics.median(times), times[int(0.95 * (len(times) - 1))], times[-1])
        table.add_row(
            page, parameters.get("view") or parameters.get("curve", ""), key, *(f"{figure:.0f}" for figure in figures)
        )
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
