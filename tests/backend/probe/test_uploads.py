"""Images that strangers hand in: every format and mode is seen upright and in its colours, every hostile file refused."""

import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image

from backend import images
from backend.errors import ImageError
from backend.probe import uploads
from backend.probe.uploads import describe_limits, open_upload
from tests.hostile_images import (
    SIDES,
    broken_files,
    cut_files,
    draw_corners,
    good_files,
    lying_files,
    make_pages,
    make_png,
    name_corners,
    save,
    turn,
)

GOOD, CUT, LYING, BROKEN = good_files(), cut_files(), lying_files(), broken_files()
GREY = {
    "grey jpeg": "?w?w",
    "grey and alpha png": "?w?w",
    "black and white png": "ww?w",
    "16 bit png": "w??w",
    "16 bit tiff": "w??w",
    "16 bit grey and alpha png": "w??w",
    "32 bit tiff": "w??w",
    "float tiff": "w??w",
    "float tiff with holes": "?ww?",
}


def refusal(content: bytes) -> str:
    with pytest.raises(ImageError) as raised:
        open_upload(content)
    return str(raised.value)


def test_there_are_more_than_sixty_hostile_and_odd_files():
    assert len(GOOD) + len(CUT) + len(LYING) + len(BROKEN) > 120


@pytest.mark.parametrize("name", GOOD)
def test_image_is_seen_upright_in_its_colours(name):
    upload = open_upload(GOOD[name])
    assert (upload.image.mode, upload.image.size) == ("RGB", SIDES)
    bright = GREY.get(name, "rgbw")
    assert name_corners(upload.image) == bright


@pytest.mark.parametrize("name", CUT)
def test_image_that_is_cut_short_is_refused(name):
    said = refusal(CUT[name])
    assert said.startswith(("The image is broken or cut short: ", "The file is no whole image. "))


@pytest.mark.parametrize("name", LYING)
def test_claim_of_too_many_pixels_is_refused_before_decoding(name):
    tracemalloc.start()
    said = refusal(LYING[name])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert said == "The image has too many pixels; at most 40,000,000 are decoded."
    assert peak < 5_000_000


def test_file_of_countless_pages_costs_no_more_than_its_first():
    start = time.perf_counter()
    assert open_upload(make_pages(20_000)).notes == ("the first of several frames or pages",)
    assert time.perf_counter() - start < 1


def test_pixel_limit_holds_below_the_one_of_pillow():
    assert refusal(make_png(8_000, 6_000)) == "The image has 8,000 x 6,000 pixels; at most 40,000,000 are decoded."


@pytest.mark.parametrize("name", BROKEN)
def test_broken_or_strange_file_is_refused_in_a_sentence(name):
    said = refusal(BROKEN[name])
    assert said.startswith("The ") and len(said) < 300 and "Traceback" not in said


def test_files_that_people_take_for_images_are_named():
    assert refusal(BROKEN["svg"]) == "The file is an SVG, which is a drawing and has no pixels. Export it as PNG."
    assert refusal(BROKEN["pdf"]) == "The file is a PDF or PostScript document, not an image. Export it as PNG."
    assert refusal(BROKEN["web page"]) == "The file is a web page, not an image. Save the image itself."
    assert refusal(b"") == "The file is empty."


def test_byte_limit_is_stated_and_held(monkeypatch):
    monkeypatch.setattr(uploads, "UPLOAD_BYTES", 2**20)
    assert refusal(b"\x00" * (2**20 + 2**19)) == "The file has 1.5 MB; at most 1 MB are taken."
    assert "up to 1 MB and 40 million pixels each." in describe_limits()


def test_heic_without_its_package_says_what_is_missing(monkeypatch):
    monkeypatch.setattr(images, "_reads_heic", lambda: False)
    assert "the package pillow-heif is not installed. Save it as JPEG." in refusal(BROKEN["heic"])
    assert "HEIC" not in describe_limits()


@pytest.fixture(scope="module")
def heic() -> bytes:
    return save(draw_corners(64, 64), "HEIF", quality=100)


def test_heic_with_its_package_is_read(heic):
    upload = open_upload(heic)
    assert (upload.format, name_corners(upload.image)) == ("HEIC", "rgbw")
    assert "HEIC" in describe_limits()


@pytest.mark.parametrize("share", [0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99])
def test_heic_that_is_cut_short_is_refused_in_a_sentence(heic, share):
    assert refusal(heic[: int(share * len(heic))]).startswith(
        ("The image is broken or cut short", "The file is no whole image")
    )


def test_notes_say_what_was_done():
    notes = {name: open_upload(GOOD[name]).notes for name in ("png", "exif 6", "cmyk jpeg", "rgba png", "16 bit png", "mpo")}
    assert notes == {
        "png": (),
        "exif 6": ("turned upright, as its EXIF says",),
        "cmyk jpeg": ("converted from CMYK",),
        "rgba png": ("set on white where it is transparent",),
        "16 bit png": ("reduced to 8 bits a colour",),
        "mpo": ("the first of several frames or pages",),
    }


def test_format_is_what_the_content_says():
    assert {open_upload(GOOD[name]).format for name in ("jpeg", "mpo", "progressive jpeg")} == {"JPEG"}
    assert open_upload(GOOD["animated webp"]).format == "WEBP"


def test_image_is_longer_than_wide_by_at_most_fifty_times():
    assert open_upload(save(Image.new("RGB", (2, 100)), "PNG")).image.height == 100
    assert refusal(save(Image.new("RGB", (1, 100)), "PNG")).endswith("more than 50 times as long as wide.")


def test_eight_threads_open_images_at_the_same_time():
    contents = [*GOOD.values(), *BROKEN.values()] * 2

    def try_one(content: bytes) -> bool:
        try:
            return open_upload(content).image.mode == "RGB"
        except ImageError:
            return False

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(try_one, contents)) == 2 * len(GOOD)


def test_turned_image_is_as_large_as_it_is_seen():
    upload = open_upload(turn(6))
    assert upload.image.size == SIDES
