"""Makes the screenshots of the README again, from both studies.

    .venv/bin/python scripts/screenshots.py

Starts the app on a free port, opens each page in the system's Chromium, and writes docs/images/*.png.
"""

import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from playwright.sync_api import sync_playwright

from backend.study import ROOT, STUDIES
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


def main() -> None:
    """Writes every screenshot."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server = serve(STUDIES, Path(folder) / "server.log")
        address = next(server)
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
        for name, path, height, heading in SHOTS:
            page = browser.new_page(viewport={"width": 1280, "height": height}, color_scheme="light")
            Visitor(page).open(f"{address}/{path}")
            page.locator("[data-testid=stSkeleton]").first.wait_for(state="detached", timeout=120_000)
            if heading:
                page.get_by_role("heading", name=heading).evaluate("element => element.scrollIntoView()")
            page.wait_for_timeout(1500)  # the figure's last repaint
            page.screenshot(path=IMAGES / f"{name}.png")
            print(os.path.relpath(IMAGES / f"{name}.png"))
        browser.close()
        server.close()


if __name__ == "__main__":
    main()
