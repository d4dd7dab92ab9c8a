"""A real server and a real Chromium; what the browser complains about fails the test."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, Locator, Page, TimeoutError, expect, sync_playwright

from backend.models.catalogue import MODELS
from backend.settings import MODEL_ROOTS
from backend.study import ROOT, Study

PATIENCE_SECONDS = 60
# Streamlit asks a deep link's own folder for its endpoints before it asks the root: its 404s are part of every deep link.
PROBES = ("/_stcore/health", "/_stcore/host-config")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever opens a page in Chromium carries the marker `browser`."""
    for item in items:
        if "visit" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)


def find_chromium() -> str:
    """The browser of `make test`, or one on PATH."""
    names = (os.environ.get("TAILSCOPE_CHROMIUM"), "chromium", "chromium-browser", "google-chrome")
    found = next((path for name in names if name and (path := shutil.which(name))), None)
    if found is None:
        pytest.fail("The browser tests need Chromium on PATH or in TAILSCOPE_CHROMIUM; `make test` installs it.", pytrace=False)
    return found


def serve(studies: Path, log: Path) -> Iterator[str]:
    """The address of a server over a folder of studies, as long as the caller needs it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port), "--server.headless", "true"]
    environment = os.environ | {"TAILSCOPE_DATA": str(studies), MODEL_ROOTS: str(MODELS)}  # declared, so of any study
    with log.open("w") as output:
        server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)
    try:
        address = f"http://localhost:{port}"
        wait_until_up(server, address, log)
        yield address
    finally:
        server.terminate()
        server.wait(10)
    assert "Traceback" not in log.read_text(), log.read_text()


def wait_until_up(server: subprocess.Popen, address: str, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urlopen(f"{address}/_stcore/health", timeout=2):
                return
        except (URLError, OSError):
            time.sleep(0.1)
    pytest.fail(f"The server did not come up:\n{log.read_text()}", pytrace=False)


@pytest.fixture(scope="module")
def small_server(small_study: Study, tmp_path_factory) -> Iterator[str]:
    """A server over the small study, under the name `published`."""
    folder = tmp_path_factory.mktemp("studies")
    (folder / "published").symlink_to(small_study.folder)
    yield from serve(folder, folder / "server.log")


@pytest.fixture(scope="module")
def published_server(published_study: Study, tmp_path_factory) -> Iterator[str]:
    """A server over the study of the paper's release."""
    folder = tmp_path_factory.mktemp("studies")
    (folder / "published").symlink_to(published_study.folder)
    yield from serve(folder, folder / "server.log")


@pytest.fixture(scope="module")
def world_server(invented_study: Study, tmp_path_factory) -> Iterator[str]:
    """A server over the invented world, under the name `synthetic`."""
    yield from serve(invented_study.folder.parent, tmp_path_factory.mktemp("world") / "server.log")


@pytest.fixture(scope="module")
def both_server(small_study: Study, invented_study: Study, tmp_path_factory) -> Iterator[str]:
    """A server over the small study and the invented world."""
    folder = tmp_path_factory.mktemp("studies")
    (folder / "published").symlink_to(small_study.folder)
    (folder / "synthetic").symlink_to(invented_study.folder)
    yield from serve(folder, folder / "server.log")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One browser for the whole run."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_chromium(), args=["--no-sandbox", "--disable-background-networking"]
        )
        yield browser
        browser.close()


class Visitor:
    """A person at a browser window, who waits for the app as a person does, and notes every complaint."""

    def __init__(self, page: Page):
        self.page = page
        self.complaints: list[str] = []
        page.on("pageerror", lambda error: self.complaints.append(f"page error: {error}"))
        page.on("response", lambda response: self._note(response.status, response.url))
        page.on("console", lambda message: self._note_console(message))

    def _note(self, status: int, url: str) -> None:
        if status >= 400 and not url.endswith(PROBES):
            self.complaints.append(f"{status} {url}")

    def _note_console(self, message) -> None:
        if message.type == "error" and not message.location.get("url", "").endswith(PROBES):
            self.complaints.append(f"console: {message.text} {message.location}")

    def open(self, address: str) -> "Visitor":
        """Goes to an address and waits until the page has been drawn."""
        self.page.goto(address)
        return self.wait()

    def wait(self) -> "Visitor":
        """Waits until the script has run and the figures are drawn; an exception box fails the test."""
        self.page.wait_for_timeout(400)
        self.page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for()
        self.page.locator("h1").first.wait_for()
        self.page.wait_for_function("!document.querySelector('[data-testid=\"stSkeleton\"]')")
        assert self.page.locator('[data-testid="stException"]').count() == 0
        return self

    @property
    def title(self) -> str:
        """The question that the page answers."""
        return self.page.locator("h1").first.inner_text()

    @property
    def text(self) -> str:
        """What the page says."""
        return self.page.get_by_test_id("stMain").inner_text()

    def shown_pictures(self) -> int:
        """How many pictures of a gallery have been loaded and drawn."""
        pictures = self.page.get_by_test_id("stMain").locator("[data-testid=stImage] img")
        self.page.wait_for_function(
            "[...document.querySelectorAll('[data-testid=stMain] [data-testid=stImage] img')].every(img => img.complete)"
        )
        return sum(picture.evaluate("img => img.naturalWidth > 0") for picture in pictures.all())

    def choose_another(self, label: str) -> str:
        """Picks an option of a select box that is not the one chosen, and returns it."""
        box = self.page.get_by_role("combobox", name=label, exact=True).first
        chosen = box.input_value()
        box.scroll_into_view_if_needed()
        self.page.wait_for_timeout(800)  # a list that is open closes when the page moves under it
        box.click()
        self.page.get_by_role("option").first.wait_for()
        names = [option.inner_text() for option in self.page.get_by_role("option").all()]
        other = next(name for name in names if name != chosen)
        self.page.get_by_role("option", name=other, exact=True).click()
        self.wait()
        return other

    def open_menu(self, button: Locator) -> None:
        """Opens what hangs on a button; a page that is drawn anew just then closes it again, and so it is clicked once more."""
        self.wait()
        expect(button).to_be_visible()
        for _ in range(3):
            button.click()
            with suppress(TimeoutError):
                self.page.get_by_test_id("stPopoverBody").wait_for(timeout=5_000)
                return
        raise AssertionError("The menu does not stay open.")

    def chosen(self, label: str) -> str:
        """The chosen option of a select box."""
        return self.page.get_by_role("combobox", name=label, exact=True).first.input_value()

    def go_to(self, page: str) -> "Visitor":
        """Follows a link of the navigation."""
        link = self.page.get_by_test_id("stSidebar").get_by_test_id("stPageLink").get_by_role("link", name=page)
        place = link.bounding_box() if link.count() else None
        if place is None or place["x"] < 0:  # a narrow window keeps the navigation beside itself
            self.page.get_by_test_id("stExpandSidebarButton").click()
        link.click()
        self.page.wait_for_timeout(300)
        return self.wait()

    def fits(self) -> bool:
        """Whether the page is no wider than the window."""
        return self.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.fixture
def visit(chromium: Browser) -> Iterator:
    """Opens an address in a window of its own; at the end no window may have complained."""
    visitors: list[Visitor] = []
    contexts = []

    def open_window(address: str, *, width: int = 1280, dark: bool = False) -> Visitor:
        context = chromium.new_context(
            viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light", accept_downloads=True
        )
        contexts.append(context)
        visitors.append(Visitor(context.new_page()))
        return visitors[-1].open(address)

    yield open_window
    for context in contexts:
        context.close()
    assert [complaint for visitor in visitors for complaint in visitor.complaints] == []
