"""What a visitor waits for in Chromium when another page is opened, and what the websocket carries for it, against the limits.

Reads: the studies in data/. The command:
    python -m benchmarks.browser [--runs 5] [--studies published synthetic]
Every page is opened by its address, which warms it, and then again and again by its link in the sidebar, from another
page and back. The time runs from the click to the last change of the page: an element that comes, goes or is redrawn, or a
picture that has loaded; a page is stable once nothing has changed for `QUIET_MS`, which do not count. The bytes are those
of the websocket's messages before compression. Both are printed as ratios: up to 1 is within the limit.
"""

import argparse
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlencode

from playwright.sync_api import Browser, Page, sync_playwright
from rich.console import Console
from rich.table import Table

from backend.concepts import pick_examples
from backend.study import STUDIES, Study
from benchmarks.server import SERVERS, serve
from tests.browser.conftest import find_chromium

LIMIT_SECONDS = 0.6
LIMIT_KB, LIMITS_KB = 100, {"scaling": 200}  # of a page; of those that may have more
QUIET_MS, PATIENCE_MS = 500, 60_000
PAGES = {  # what a page is asked for, beside its study
    "overview": {},
    "distributions": {},
    "scaling": {},
    "concept": {"concept": ""},
    "misalignment": {},
    "let_it_wag": {},
    "search_quality": {},
    "test_set": {"names": ""},
    "probe": {},
    "compare": {},
    "your_corpus": {},
    "web_scale": {},
}
WATCH = """() => {
  const note = () => { window.lastChange = performance.now() };
  note();
  new MutationObserver(note).observe(document.body, {subtree: true, childList: true, attributes: true, characterData: true});
  document.addEventListener('load', note, true);
}"""
# A link's address is relative, and that of the first page nothing but its query: resolved, it would be the page's at hand.
LINKED = """path => [...document.querySelectorAll('[data-testid=stSidebar] a')]
  .some(link => '/' + link.getAttribute('href').split('?')[0].replace('/', '') === path)"""
CLICK = """path => {
  const main = document.querySelector('[data-testid=stMain]');
  window.titleBefore = main.querySelector('h1')?.innerText;
  const links = [...document.querySelectorAll('[data-testid=stSidebar] a')];
  const link = links.find(link => '/' + link.getAttribute('href').split('?')[0].replace('/', '') === path);
  window.clicked = performance.now();
  link.click();
}"""
SETTLED = """quiet => {
  const title = document.querySelector('[data-testid=stMain] h1')?.innerText;
  const running = !document.querySelector('[data-testid=stApp][data-test-script-state=notRunning]');
  const waiting = document.querySelector('[data-testid=stSkeleton]');
  const pictures = [...document.querySelectorAll('[data-testid=stMain] img')].every(picture => picture.complete);
  const calm = performance.now() - window.lastChange > quiet;
  return title && title !== window.titleBefore && !running && !waiting && pictures && calm;
}"""


@dataclass
class Measured:
    """The changes to one page: seconds to stable content, and bytes received by the websocket for it."""

    study: str
    page: str
    seconds: list[float] = field(default_factory=list)
    received: list[int] = field(default_factory=list)

    @property
    def ratios(self) -> tuple[float, float]:
        """The median time and the median bytes, over their limits."""
        size = statistics.median(self.received) / 1024
        return statistics.median(self.seconds) / LIMIT_SECONDS, size / LIMITS_KB.get(self.page, LIMIT_KB)


class Window:
    """A browser's window on the app, which counts what comes by its websocket."""

    def __init__(self, page: Page, address: str):
        self.page, self.received = page, 0
        page.on("websocket", lambda socket: socket.on("framereceived", self._count))
        page.set_default_timeout(PATIENCE_MS)
        page.goto(address)
        page.evaluate(WATCH)
        page.wait_for_function(SETTLED, arg=QUIET_MS)

    def _count(self, frame: str | bytes) -> None:
        self.received += len(frame.encode() if isinstance(frame, str) else frame)

    def change_to(self, page: str) -> tuple[float, int]:
        """(seconds, bytes) from a click on a page's link to the last change of the page."""
        path = "/" if page == "overview" else f"/{page}"
        self.page.wait_for_function(LINKED, arg=path)
        before = self.received
        self.page.evaluate(CLICK, path)
        self.page.wait_for_function(SETTLED, arg=QUIET_MS)
        return self.page.evaluate("(window.lastChange - window.clicked) / 1000"), self.received - before


def list_pages(study: str) -> Iterator[tuple[str, str]]:
    """(page, path of its address) of each page, with concepts of the study where a page asks for them."""
    names = pick_examples(Study(STUDIES / study))
    asked = {"concept": names[0], "names": "\n".join(names)}
    for page, parameters in PAGES.items():
        filled = {name: value or asked[name] for name, value in parameters.items()}
        yield page, f"/{'' if page == 'overview' else page}?{urlencode({'study': study} | filled)}"


def measure(browser: Browser, address: str, study: str, runs: int) -> Iterator[Measured]:
    """Each page of a study; what is not in its sidebar is left out."""
    for page, path in list_pages(study):
        other = "scaling" if page == "overview" else "overview"
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        window = Window(context.new_page(), address + path)
        links = window.page.locator("[data-testid=stSidebar] a").evaluate_all(
            "links => links.map(link => '/' + link.getAttribute('href').split('?')[0].replace('/', ''))"
        )
        if f"/{'' if page == 'overview' else page}" in links:
            found = Measured(study, page)
            for _ in range(runs):
                window.change_to(other)
                seconds, received = window.change_to(page)
                found.seconds.append(seconds)
                found.received.append(received)
            yield found
        context.close()


def tabulate(measured: list[Measured]) -> Table:
    """One row a page: the medians and their ratios to the limits."""
    table = Table(title=f"A page change in Chromium (limits: {LIMIT_SECONDS} s; {LIMIT_KB} KB, Scaling {LIMITS_KB['scaling']})")
    for column in ("study", "page", "median, s", "worst, s", "of the limit", "KB", "of its limit"):
        table.add_column(column, justify="left" if column in ("study", "page") else "right")
    for one in measured:
        time, size = one.ratios
        middle, most, received = statistics.median(one.seconds), max(one.seconds), statistics.median(one.received) / 1024
        cells = f"{middle:.2f}", f"{most:.2f}", f"{time:.2f}", f"{received:,.0f}", f"{size:.2f}"
        table.add_row(one.study, one.page, *cells)
    return table


def main(arguments: list[str] | None = None) -> None:
    """Prints the table, and which pages are beyond a limit."""
    parser = argparse.ArgumentParser(prog="benchmarks.browser", description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5, help="changes to each page")
    parser.add_argument("--studies", nargs="+", default=["published", "synthetic"])
    options = parser.parse_args(arguments)
    measured: list[Measured] = []
    with serve(*SERVERS["as served"]) as (port, _), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
        for study in options.studies:
            measured += measure(browser, f"http://localhost:{port}", study, options.runs)
        browser.close()
    console = Console(width=110)
    console.print(tabulate(measured))
    beyond = [f"{one.study}/{one.page}" for one in measured if max(one.ratios) > 1]
    console.print(f"Beyond a limit: {', '.join(beyond) or 'none'} ({len(beyond)} of {len(measured)} pages).")


if __name__ == "__main__":
    main()
