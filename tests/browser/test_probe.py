"""The journey of a person who hands in pictures: reads the answer, opens a concept, compares models, runs a batch."""

import io
import re
import zipfile

import pandas as pd
import pytest

from backend.images import read_image_bytes
from backend.probe.facts import find_examples
from tests.invented_world import CONCEPTS, true_counts

FREQUENT, RARE = CONCEPTS[0], CONCEPTS[30]
MODEL = "clip_from=shipped&clip=zipf-20k"  # of a declared folder: nothing says that it can know no other pictures
OTHER = "RN-mini-64/zipf-5k"  # one of the models that come with the program
PATIENCE_MS = 120_000  # the first model that a server loads brings PyTorch with it


@pytest.fixture(scope="module")
def pictures(invented_study) -> dict[str, dict]:
    """A picture of a frequent and one of a rare species, as files that a browser uploads."""
    assert true_counts("zipf")[FREQUENT] > 25 * true_counts("zipf")[RARE]
    return {
        name: {"name": f"{name}.jpg", "mimeType": "image/jpeg", "buffer": read(invented_study, name)}
        for name in (FREQUENT, RARE)
    }


def read(study, concept: str) -> bytes:
    """The image of a sample that shows a concept."""
    _, rows = find_examples(study, concept, 1)
    row = rows.iloc[0]
    return read_image_bytes(study.folder, row["image"], row["offset"], row["length"])


def upload(visitor, *files: dict, box: int = 0) -> None:
    visitor.page.set_default_timeout(PATIENCE_MS)
    visitor.page.locator("input[type=file]").nth(box).set_input_files(list(files))
    visitor.page.wait_for_timeout(600)
    visitor.wait()


def say_what_it_is(visitor, name: str) -> None:
    visitor.page.get_by_label("What is it really?").fill(name)
    visitor.page.keyboard.press("Enter")
    visitor.page.get_by_text(f"“{name}” comes").wait_for()
    visitor.wait()


HOW_OFTEN = re.compile(r"How often (had it seen|do the corpora show) such things\?")


def test_person_hands_in_a_rare_and_a_frequent_species_and_tries_every_experiment(world_server, visit, pictures):
    visitor = visit(f"{world_server}/probe?{MODEL}")
    assert "No image yet" in visitor.text
    upload(visitor, pictures[RARE])
    visitor.page.get_by_text(HOW_OFTEN).wait_for()
    say_what_it_is(visitor, RARE)
    assert "%" in visitor.page.get_by_test_id("stMain").locator("h2").first.inner_text()
    assert "of the concepts are rarer" in visitor.text
    assert visitor.shown_pictures() > 5

    upload(visitor, pictures[FREQUENT])
    assert f"{RARE}.jpg: 48 × 40 pixels" in visitor.text
    visitor.choose_another("Which image")
    assert f"{FREQUENT}.jpg: 48 × 40 pixels" in visitor.text

    beside = visitor.page.get_by_role("combobox", name="Beside it").first
    beside.scroll_into_view_if_needed()
    visitor.page.wait_for_timeout(800)  # a list that is open closes when the page moves under it
    beside.click()
    visitor.page.get_by_role("option", name=OTHER).click()
    visitor.page.keyboard.press("Escape")
    visitor.page.get_by_text("Each one's candidates as a table").wait_for()
    assert "clips_beside=" in visitor.wait().page.url

    visitor.page.get_by_role("tab", name="Prompts and names").click()
    visitor.page.get_by_text("By the prompts alone").wait_for()
    visitor.wait()

    links = visitor.page.get_by_test_id("stMain").get_by_test_id("stPageLink")
    name = links.first.inner_text()
    links.first.locator("a").click()
    visitor.page.wait_for_url("**/concept?**")
    assert visitor.wait().title == f"How well is “{name}” covered?"
    visitor.page.go_back()
    visitor.page.get_by_text(HOW_OFTEN).wait_for()
    assert f"{FREQUENT}.jpg" in visitor.wait().text


def test_person_runs_a_labelled_batch_and_takes_its_table(world_server, visit, pictures, tmp_path):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, file in pictures.items():
            archive.writestr(f"{name}/1.jpg", file["buffer"])
        archive.writestr(f"{RARE}/broken.jpg", b"no image")
    visitor = visit(f"{world_server}/probe?{MODEL}&experiment=A+labelled+batch")
    upload(visitor, {"name": "pictures.zip", "mimeType": "application/zip", "buffer": stream.getvalue()}, box=1)
    visitor.page.get_by_text("2 of 3 files").wait_for()
    visitor.wait()
    box = visitor.page.get_by_test_id("stExpander").filter(has_text="All 2 images as a table")
    box.locator("summary").click()
    visitor.open_menu(box.get_by_test_id("stPopoverButton"))
    with visitor.page.expect_download() as download:
        visitor.page.get_by_role("button", name="Data (CSV)").click()
    download.value.save_as(tmp_path / "batch.csv")
    rows = pd.read_csv(tmp_path / "batch.csv")
    assert rows["label"].tolist() == [FREQUENT, RARE]
    assert (rows["place"] == 1).tolist() == rows["right"].tolist()


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_answer_fits_the_window(world_server, visit, pictures, width, dark):
    visitor = visit(f"{world_server}/probe?{MODEL}&clips_beside=RN-mini-64%2Fzipf-5k", width=width, dark=dark)
    assert visitor.title == "Does CLIP know what is on my photo?"
    assert visitor.fits()
    upload(visitor, pictures[RARE], pictures[FREQUENT])
    visitor.page.get_by_text("Each one's candidates as a table").wait_for()
    assert visitor.wait().fits()
