"""Makes the screenshots of the README again, or with `--all` one of every page of every study, wide and narrow, light and dark.

    .venv/bin/python scripts/screenshots.py
    .venv/bin/python scripts/screenshots.py --all FOLDER

Starts the app on a free port over the studies of data/ (or of TAILSCOPE_DATA), opens each page in the system's Chromium, and
writes docs/images/*.png, or FOLDER/*.png: there each page at its whole length.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from playwright.sync_api import Browser, Page, sync_playwright

from backend.concepts import pick_examples
from backend.study import ROOT, STUDIES, Study, list_studies
from pages.ui.navigation import ENTRIES
from tests.browser.conftest import Visitor, find_chromium, serve

IMAGES = ROOT / "docs" / "images"
# file, address, window height in pixels, the heading to begin at
SHOTS = [
    ("scaling", "scaling?study=published&model=ViT-B-16%2Fcc12m&method=joint%3A+lemmatized%2Brampp%400.7", 1000, None),
    ("concept", "concept?study=published&concept=rose", 1000, None),
    ("causal", "scaling?study=synthetic&view=Causal+comparison", 1150, None),
    ("probe", "probe?study=synthetic&source=the+study&like=kenaubaik&pick=1", 1150, None),
    ("samples", "misalignment?study=synthetic", 1000, "Which samples disagree?"),
]
WIDTHS, THEMES = (1280, 390), ("light", "dark")
LONGEST = 8000  # pixels of a page; Chromium draws no longer ones
LAST_REPAINT = 1500  # milliseconds in which a figure is drawn for the last time


def main() -> None:
    """Writes the screenshots."""
    parser = argparse.ArgumentParser(description="Screenshots of the README, or of every page.")
    parser.add_argument("--all", type=Path, metavar="FOLDER", help="every page of every study, wide and narrow, light and dark")
    folder = parser.parse_args().all
    with tempfile.TemporaryDirectory() as logs, sync_playwright() as playwright:
        server = serve(STUDIES, Path(logs) / "server.log")
        address = next(server)
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
        for path in shoot_all(browser, address, folder) if folder else shoot_readme(browser, address):
            print(os.path.relpath(path), flush=True)
        browser.close()
        server.close()


def shoot_readme(browser: Browser, address: str) -> Iterator[Path]:
    """The pictures of the README, each path when it is written."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    for name, path, height, heading in SHOTS:
        page = browser.new_page(viewport={"width": 1280, "height": height}, color_scheme="light")
        Visitor(page).open(f"{address}/{path}")
        if heading:
            page.get_by_role("heading", name=heading).evaluate("element => element.scrollIntoView()")
        yield shoot(page, IMAGES / f"{name}.png")
        page.close()


def shoot_all(browser: Browser, address: str, folder: Path) -> Iterator[Path]:
    """STUDY-PAGE-WIDTH-THEME.png of every page of every study, each path when it is written."""
    folder.mkdir(parents=True, exist_ok=True)
    for study, path in list_addresses():
        for width in WIDTHS:
            for theme in THEMES:
                page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=theme)
                Visitor(page).open(f"{address}/{path}")
                length = page.get_by_test_id("stMain").evaluate("element => element.scrollHeight")
                page.set_viewport_size({"width": width, "height": min(max(length, 900), LONGEST)})
                yield shoot(page, folder / f"{study}-{path.partition('?')[0] or 'overview'}-{width}-{theme}.png")
                page.close()


def list_addresses() -> Iterator[tuple[str, str]]:
    """(study, address) of every page of every study, with a concept or names where a page asks for them."""
    for study in list_studies(STUDIES):
        names = pick_examples(Study(STUDIES / study))
        asked = {"concept": {"concept": names[0]}, "test_set": {"names": "\n".join(names)}}
        for entry in ENTRIES:
            path = "" if entry is ENTRIES[0] else entry.name
            yield study, f"{path}?{urlencode({'study': study} | asked.get(entry.name, {}))}"


def shoot(page: Page, path: Path) -> Path:
    """Writes what a window shows, once its figures stand still; the path."""
    page.locator("[data-testid=stSkeleton]").first.wait_for(state="detached", timeout=120_000)
    page.wait_for_timeout(LAST_REPAINT)
    page.screenshot(path=path)
    return path


if __name__ == "__main__":
    main()
