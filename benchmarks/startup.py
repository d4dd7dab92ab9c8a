"""Time to the first page of a fresh process, the time of a whole import, and the peak memory of both.

Reads: the published study and, for the import, its source. The command: python -m benchmarks.startup
Every figure is of a process of its own; `import` is the time to load Streamlit and the app's modules, `first page` is
app.py and the overview run to their end after that, as the first visitor of a new server waits for it.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from backend.study import ROOT

RUNS = 5
FIRST_PAGE = """
import json, resource, time
start = time.perf_counter()
from streamlit.testing.v1 import AppTest
import pages.ui.blocks, pages.ui.controls, backend.overview, backend.charts, backend.scaling
imported = time.perf_counter()
app = AppTest.from_file("app.py", default_timeout=60).run()
assert not app.exception and len(app.title) == 1
done = time.perf_counter()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"import s": imported - start, "first page s": done - imported, "peak MB": peak}))
"""
IMPORT = """
import json, resource, sys, time
from pathlib import Path
start = time.perf_counter()
from precompute.release.published import build_published, locate_source
build_published(locate_source(None), Path(sys.argv[1]) / "published", lambda stage, done: None)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"whole import s": time.perf_counter() - start, "peak MB": peak}))
"""


def measure(code: str, runs: int, *arguments: str) -> dict[str, list[float]]:
    """The figures that a program prints as JSON, over fresh processes."""
    figures: dict[str, list[float]] = {}
    for _ in range(runs):
        command = [sys.executable, "-W", "ignore", "-c", code, *arguments]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        for name, value in json.loads(done.stdout.splitlines()[-1]).items():
            figures.setdefault(name, []).append(value)
    return figures


def main() -> None:
    """Prints the table."""
    table = Table(title="Start and import, each in fresh processes (aims: first page 1.5 s, import 120 s and 2,000 MB)")
    for column in ("what", "figure", "runs", "median", "worst"):
        table.add_column(column, justify="left" if column in ("what", "figure") else "right")
    with tempfile.TemporaryDirectory() as folder:
        for what, code, runs, arguments in (
            ("first page", FIRST_PAGE, RUNS, ()),
            ("precompute published", IMPORT, 1, (str(Path(folder)),)),
        ):
            for name, values in measure(code, runs, *arguments).items():
                table.add_row(what, name, str(runs), f"{statistics.median(values):,.2f}", f"{max(values):,.2f}")
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
