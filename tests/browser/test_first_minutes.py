"""The first ten minutes of someone new: a name, a list of names, a photo, a description; each answered where one looks."""

import csv
import io
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pypdf
import pytest
from PIL import Image

from backend.concepts import list_concepts
from backend.probe.facts import find_examples
from tests.browser.conftest import serve

FOLD = 900  # pixels of the window that one sees without scrolling
PATIENCE_MS = 120_000  # the first model that a server loads brings PyTorch with it
COUNT = re.compile(r"\d[\d.,]*( million| billion)? images in")
FOREIGN = "Not one of this study's pictures"


@pytest.fixture(scope="module")
def embedded_server(small_study, embedded_study, tmp_path_factory) -> Iterator[str]:
    """A server over the small study and the embedded one, as `make app` makes it."""
    folder = tmp_path_factory.mktemp("studies")
    (folder / "published").symlink_to(small_study.folder)
    (folder / "synthetic").symlink_to(embedded_study.folder)
    yield from serve(folder, folder / "server.log")


def search_box(visitor):
    """The box that finds concepts, whichever page one stands on."""
    page = visitor.page
    return page.get_by_role("combobox", name="concept").or_(page.get_by_label("Find a concept")).first


def bottom_of(locator) -> float:
    box = locator.bounding_box()
    return box["y"] + box["height"]


@pytest.mark.parametrize("name", ["rose", "colt's foot", "gyromitra"])
def test_name_is_answered_by_typing_it_and_enter_above_the_fold(published_server, visit, name):
    visitor = visit(published_server)
    search_box(visitor).fill(name)
    visitor.page.keyboard.press("Enter")
    visitor.page.wait_for_url("**/concept?**")
    answer = visitor.wait().page.get_by_test_id("stMain").get_by_text(COUNT).first
    assert name in answer.inner_text()
    assert bottom_of(answer) < FOLD
    assert visitor.page.get_by_test_id("stMain").evaluate("main => main.scrollTop") == 0


def test_fifty_names_become_a_list_of_which_are_in_the_tail(published_server, published_study, visit):
    names = list_concepts(published_study)[::70][:50]
    visitor = visit(f"{published_server}/test_set")
    visitor.page.get_by_label("Class names").fill("\n".join(names))
    visitor.page.get_by_role("button", name="Analyse").click()
    finding = visitor.page.get_by_text(re.compile(r"\d+ of 50 are in the tail: "))
    finding.wait_for()
    visitor.wait()
    found = re.search(r"(\d+) of 50 are in the tail: (.*)", finding.inner_text())
    assert int(found[1]) > 0
    assert found[2].split(",")[0].strip(" .") in names
    assert bottom_of(visitor.page.get_by_test_id("stDataFrame").first) > 0


def hand_in(visitor, content: bytes) -> None:
    visitor.page.set_default_timeout(PATIENCE_MS)
    file = {"name": "dog.jpg", "mimeType": "image/jpeg", "buffer": content}
    visitor.page.locator("input[type=file]").first.set_input_files([file])
    visitor.page.get_by_text("dog.jpg: ").wait_for()
    visitor.wait()


def encode(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG")
    return stream.getvalue()


def make_photo() -> bytes:
    """A picture like a photo: soft large shapes, fine grain, nothing of the invented world."""
    random = np.random.default_rng(7)
    soft = Image.fromarray(random.integers(40, 200, (6, 8, 3), np.uint8)).resize((640, 480), Image.Resampling.BICUBIC)
    return encode(
        Image.fromarray(np.clip(np.asarray(soft, float) + random.normal(0, 12, (480, 640, 3)), 0, 255).astype(np.uint8))
    )


def assert_called_foreign(visitor) -> None:
    """No guess, no count and no chance of one stands in large type."""
    visitor.page.get_by_role("heading", name=FOREIGN).wait_for()
    headings = visitor.wait().page.get_by_test_id("stMain").locator("h2").all_inner_texts()
    assert not [heading for heading in headings if "%" in heading]
    assert "which it was trained on, shows it in" not in visitor.text
    assert bottom_of(visitor.page.get_by_role("heading", name=FOREIGN)) < FOLD


def test_picture_from_elsewhere_is_foreign_to_the_invented_world(embedded_server, visit):
    visitor = visit(f"{embedded_server}/probe?study=synthetic")
    hand_in(visitor, make_photo())
    assert_called_foreign(visitor)


def test_picture_is_answered_by_its_name_where_no_model_is(embedded_server, visit):
    visitor = visit(f"{embedded_server}/probe?study=published")
    hand_in(visitor, make_photo())
    assert not visitor.page.get_by_test_id("stMain").get_by_text(re.compile(r"^similarity|candidates: ")).count()  # none looked
    visitor.page.get_by_label("What is on it?").fill("rose")
    visitor.page.keyboard.press("Enter")
    card = visitor.page.get_by_test_id("stMain").get_by_text("of the concepts are rarer").first
    card.wait_for()
    assert "CC-3M" in visitor.wait().text


def find_dog(folder: Path) -> bytes:
    """A photo whose caption names a dog."""
    with (folder / "captions.txt").open(encoding="utf-8", newline="") as stream:
        name = next(row["image"] for row in csv.DictReader(stream) if " dog " in row["caption"])
    return next(path for path in folder.rglob(name)).read_bytes()


def test_photo_of_a_dog_is_foreign_to_the_invented_world(embedded_server, visit, shared_data):
    visitor = visit(f"{embedded_server}/probe?study=synthetic")
    hand_in(visitor, find_dog(shared_data / "flickr8k-1000"))
    assert_called_foreign(visitor)


def test_photo_of_a_dog_is_answered_by_its_name_in_the_papers_results(published_server, visit, shared_data):
    visitor = visit(f"{published_server}/probe")
    hand_in(visitor, find_dog(shared_data / "flickr8k-1000"))
    visitor.page.get_by_label("What is on it?").fill("dog")
    visitor.page.keyboard.press("Enter")
    visitor.page.get_by_test_id("stMain").get_by_text("of the concepts are rarer").first.wait_for()
    visitor.wait()
    assert re.search(r"[\d.]+M samples in LAION-400M|[\d.]+M in LAION-400M", visitor.text)


def test_description_finds_pictures_of_the_embedded_study_at_once(embedded_server, embedded_study, visit):
    concept = list_concepts(embedded_study)[0]
    visitor = visit(f"{embedded_server}/probe?study=synthetic&experiment=Text+to+images")
    visitor.page.set_default_timeout(PATIENCE_MS)
    visitor.page.get_by_label("Text", exact=True).fill(f"a photo of a {concept}.")
    visitor.page.keyboard.press("Enter")
    visitor.page.get_by_text("Searched: 1,000 of its").wait_for()
    visitor.wait()
    assert visitor.shown_pictures() >= 24
    assert visitor.page.get_by_text(re.compile(r"similarity 0\.\d{3}")).count() == 24


def test_picture_of_a_candidate_leads_to_its_page(embedded_server, embedded_study, visit):
    concept = next(name for name in list_concepts(embedded_study) if len(find_examples(embedded_study, name, 1)[1]))
    visitor = visit(f"{embedded_server}/probe?study=synthetic&source=the+study&like={concept.replace(' ', '+')}")
    visitor.page.set_default_timeout(PATIENCE_MS)
    visitor.page.get_by_text("Similarity:").first.wait_for(state="attached")
    link = visitor.wait().page.get_by_test_id("stMain").locator("a:has(img)").first
    link.wait_for()
    with visitor.page.context.expect_page() as opened:  # a picture's link opens a window of its own
        link.click()
    opened.value.wait_for_url("**/concept?**")
    opened.value.get_by_role("heading", name=re.compile(concept)).first.wait_for()


def test_figure_is_taken_home_as_svg_pdf_png_and_html(small_server, visit, tmp_path):
    visitor = visit(f"{small_server}/scaling")
    visitor.open_menu(visitor.page.get_by_test_id("stPopoverButton").first)
    files = {}
    for label in ("Figure (SVG)", "Figure (PDF)", "Figure (PNG)", "Figure (HTML)", "Plotly, for HTML figures"):
        with visitor.page.expect_download() as download:
            visitor.page.get_by_role("button", name=label).click()
        files[label] = tmp_path / download.value.suggested_filename
        download.value.save_as(files[label])
    names = [path.name for path in files.values()]
    assert all(re.fullmatch(r"tailscope_scaling_[\w.-]+_[\w.-]+_[\w.-]+\.(svg|pdf|png|html)", name) for name in names[:4])
    assert len({path.stem for path in list(files.values())[:4]}) == 1
    drawing = ElementTree.parse(files["Figure (SVG)"]).getroot()
    assert not [element for element in drawing.iter() if element.tag.endswith("image")]
    assert "Study: " in "".join(drawing.itertext())
    (page,) = pypdf.PdfReader(files["Figure (PDF)"]).pages
    assert "accuracy" in page.extract_text().lower()
    assert len(page.images) == 0
    assert Image.open(files["Figure (PNG)"]).width == 1600
    assert files["Figure (HTML)"].stat().st_size < 2_000_000 < files["Plotly, for HTML figures"].stat().st_size
    assert_drawn_without_network(visitor, files["Figure (HTML)"])


def assert_drawn_without_network(visitor, path: Path) -> None:
    """With Plotly's file beside it, the page draws its figure, and asks for nothing else."""
    alone = visitor.page.context.new_page()
    asked = []
    alone.on("request", lambda request: asked.append(request.url))
    alone.goto(path.as_uri())
    alone.locator(".js-plotly-plot .main-svg").first.wait_for()
    assert {url.partition(":")[0] for url in asked} <= {"file", "data", "blob"}
    assert alone.locator("#missing").is_hidden()
