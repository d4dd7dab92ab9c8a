"""Image files that are read, cut short, missing, huge, or lie where no study may read; thumbnails; broken metadata."""

import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend import images, samples
from backend.errors import ImageError
from backend.images import Thumbnails, TooLong, make_thumbnail, open_image, read_image_bytes, read_size
from backend.roots import declare_roots
from backend.study import Study
from tests.hostile_images import draw_corners, good_files, lying_files, marred_files, name_corners, other_kinds, save
from tests.searched_study import COLORS, build, decode, encode, halves

GOOD, MARRED, OTHERS = good_files(), marred_files(), other_kinds()


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Study:
    return build(tmp_path_factory.mktemp("samples") / "tiny")


# Image bytes


def test_image_is_cut_out_of_its_shard(study):
    found = samples.find_hits(study, "rose", "mine", "image", text_method="lemmatized", image_method="openclip@0.26")
    for row in found.itertuples(index=False):
        image = decode(read_image_bytes(study.folder, row.image, row.offset, row.length))
        expected = Image.new("RGB", (1, 1), COLORS[row.sample_id]).getpixel((0, 0))
        assert np.abs(np.subtract(image.getpixel((5, 5)), expected)).max() <= 3


def test_plain_file_is_read_whole_by_a_relative_or_an_absolute_path(study):
    content = (study.folder / "far.png").read_bytes()
    assert read_image_bytes(study.folder, "far.png") == content
    assert read_image_bytes(study.folder, str(study.folder / "far.png")) == content
    assert read_image_bytes(Path("elsewhere"), str(study.folder / "far.png"), confined=False) == content


@pytest.fixture
def beside(tmp_path) -> Path:
    """A folder with a study, which links to a file outside of it, and that file."""
    (tmp_path / "study").mkdir()
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "secret.png").write_bytes(b"0123456789")
    (tmp_path / "study" / "link.png").symlink_to(tmp_path / "photos" / "secret.png")
    (tmp_path / "study" / "linked").symlink_to(tmp_path / "photos")
    (tmp_path / "study" / "ring").symlink_to(tmp_path / "study" / "ring")
    return tmp_path


OUTSIDE = ("{0}/photos/secret.png", "../photos/secret.png", "link.png", "linked/secret.png")


@pytest.mark.parametrize("image", [*OUTSIDE, "a/../../photos/secret.png", "../photos/not-there.png", "/etc/passwd"])
def test_path_that_leads_out_of_the_study_is_refused_with_the_setting(beside, image):
    with pytest.raises(ImageError) as raised:
        read_image_bytes(beside / "study", image.format(beside))
    assert str(raised.value) == (
        f"The image lies outside the study's folders; TAILSCOPE_IMAGE_ROOTS can name more of them: {image.format(beside)}."
    )


@pytest.mark.parametrize("image", OUTSIDE)
def test_folder_that_the_operator_names_is_read(beside, image, monkeypatch):
    monkeypatch.setenv("TAILSCOPE_IMAGE_ROOTS", str(beside / "photos"))
    assert read_image_bytes(beside / "study", image.format(beside), 2, 3) == b"234"


def test_folder_that_a_step_declared_is_read_by_its_own_study_alone(beside, monkeypatch):
    monkeypatch.setenv("TAILSCOPE_STATE", str(beside / "state"))
    (beside / "other").mkdir()
    declare_roots(beside / "study", [beside / "photos"])
    assert read_image_bytes(beside / "study", "../photos/secret.png") == b"0123456789"
    with pytest.raises(ImageError, match="outside the study's folders"):
        read_image_bytes(beside / "other", "../photos/secret.png")


def test_ring_of_links_is_an_image_that_cannot_be_read(beside):
    with pytest.raises(ImageError, match="The image file cannot be read: ring"):
        read_image_bytes(beside / "study", "ring")


def test_missing_places_of_a_frame_mean_a_plain_file(study):
    assert read_image_bytes(study.folder, "far.png", float("nan"), None)[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    ("image", "offset", "length", "message"),
    [
        (None, None, None, r"This sample has no image\."),
        (float("nan"), None, None, r"This sample has no image\."),
        ("", None, None, r"This sample has no image\."),
        ("https://example.com/a.jpg", None, None, r"lies at https://example.com/a.jpg: only files are read"),
        ("s3://bucket/0.tar", 0, 5, "only files are read"),
        ("gone.tar", 0, 5, r"The image file is missing: gone.tar\."),
        ("shards", None, None, r"The image file is missing: shards\."),
        ("ten", 8, 3, r"The image ends at byte 11 of ten, which has 10\."),
        ("ten", 99, 3, r"The image ends at byte 102 of ten, which has 10\."),
        ("ten", 0, 2**40, r"The image ends at byte 1,099,511,627,776 of ten"),
        ("ten", -1, 3, "No place in a file: 3 bytes from -1 on in ten"),
        ("ten", 3, -1, "No place in a file"),
        ("ten", 3, 0, "No place in a file"),
        ("ten", 3, None, "No place in a file: None bytes from 3 on"),
        ("ten", None, 3, "No place in a file"),
        ("a\0b", None, None, "The image file "),
        ("x" * 5000, None, None, "The image file "),
    ],
)
def test_image_that_cannot_be_read_says_why(tmp_path, image, offset, length, message):
    (tmp_path / "shards").mkdir()
    (tmp_path / "ten").write_bytes(b"0123456789")
    with pytest.raises(ImageError, match=message):
        read_image_bytes(tmp_path, image, offset, length)


def test_file_larger_than_the_limit_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "IMAGE_BYTES", 9)
    (tmp_path / "ten").write_bytes(b"0123456789")
    with pytest.raises(ImageError, match=r"The image in ten has 10 bytes; at most 9 are read\."):
        read_image_bytes(tmp_path, "ten")
    assert read_image_bytes(tmp_path, "ten", 1, 9) == b"123456789"


# Formats, metadata, other kinds


@pytest.mark.parametrize("name", MARRED)
def test_broken_metadata_never_costs_whole_pixels(name):
    decoded = open_image(MARRED[name])
    assert (decoded.image.mode, name_corners(decoded.image)) == ("RGB", "rgbw")
    assert decode(make_thumbnail(MARRED[name])).size == (192, 128)
    assert read_size(MARRED[name]) in ((36, 24), (24, 36))


@pytest.mark.parametrize("kind", OTHERS)
def test_file_of_another_kind_is_named(kind):
    with pytest.raises(ImageError) as raised:
        open_image(OTHERS[kind])
    assert kind in str(raised.value)
    assert str(raised.value).endswith((".", "image itself."))


@pytest.mark.parametrize("name", ["avif", "tiff", "heic", "bmp", "exif 6"])
def test_thumbnails_take_every_format_that_uploads_take(name):
    files = GOOD | {"avif": save(draw_corners(), "AVIF", quality=95), "heic": save(draw_corners(64, 64), "HEIF", quality=95)}
    assert name_corners(open_image(files[name]).image) == "rgbw"
    assert name_corners(decode(make_thumbnail(files[name]))) == "rgbw"


def test_size_is_read_from_the_first_bytes_as_it_stands_in_the_header():
    jpeg = GOOD["jpeg"]
    assert read_size(jpeg[: jpeg.index(b"\xff\xc0") + 20]) == read_size(GOOD["png"][:60]) == (36, 24)
    assert read_size(GOOD["exif 6"]) == (24, 36)
    assert [read_size(content) for content in (b"", b"\xff\xd8", b"no image", OTHERS["JPEG XL"])] == [(None, None)] * 4
    assert read_size(lying_files()["png"]) == (20_000, 20_000)  # as it says; whether it can be decoded is another question


@pytest.mark.parametrize(("form", "name"), [("AVIF", "an AVIF image"), ("HEIF", "a HEIC image")])
def test_decoder_that_is_not_installed_is_named(form, name, monkeypatch):
    content = save(draw_corners(), form)
    monkeypatch.setattr(images.features, "check", lambda feature: False)
    monkeypatch.setattr(images, "_reads_heic", lambda: False)
    with pytest.raises(ImageError, match=f"The file is {name}, .* Save it as JPEG."):
        open_image(content)
    assert images.describe_formats() == "JPEG, PNG, WebP, GIF, BMP or TIFF"


def test_thread_of_pixels_is_shown_and_not_given_to_a_model():
    thread = save(Image.new("RGB", (1, 3000)), "PNG")
    assert decode(make_thumbnail(thread)).size == (1, 192)
    with pytest.raises(TooLong, match="1 x 3,000 pixels: more than 50 times as long as wide"):
        open_image(thread)


def test_broken_file_costs_no_more_memory_for_its_metadata():
    tracemalloc.start()
    open_image(MARRED["png of 100 texts of 1 MB"])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100_000_000  # Pillow's own limit on what texts unpack to is 67 MB


# Thumbnails


@pytest.mark.parametrize(
    ("size", "expected"),
    [((40, 20), (64, 32)), ((20, 40), (32, 64)), ((640, 640), (64, 64)), ((900, 1), (64, 1)), ((1, 1), (64, 64))],
)
def test_longer_side_is_the_one_asked_for(size, expected):
    image = decode(make_thumbnail(encode(Image.new("RGB", size, "red"), "PNG"), 64))
    assert (image.size, image.format, image.mode) == (expected, "JPEG", "RGB")


def test_image_is_turned_as_the_camera_was_held():
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter to the right: what was left is then above
    image = decode(make_thumbnail(encode(halves("red", "blue"), exif=exif), 64))
    assert image.size == (32, 64)
    assert image.getpixel((16, 8))[0] > 200
    assert image.getpixel((16, 56))[2] > 200


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "RGBA", "LA", "1"])
@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF"])
def test_every_kind_of_image_becomes_rgb(mode, form):
    if (mode, form) in {("CMYK", "PNG"), ("RGBA", "JPEG"), ("LA", "JPEG"), ("P", "JPEG"), ("CMYK", "GIF")}:
        return
    image = decode(make_thumbnail(encode(halves("white", "black").convert(mode), form), 64))
    assert (image.mode, image.size) == ("RGB", (64, 32))
    assert min(image.getpixel((8, 16))) > 240
    assert max(image.getpixel((56, 16))) < 15


def test_what_is_transparent_is_white():
    image = Image.new("RGBA", (10, 10), (255, 0, 0, 0))
    assert min(decode(make_thumbnail(encode(image, "PNG"), 64)).getpixel((32, 32))) > 250


def test_sixteen_bits_a_pixel_keep_their_brightness():
    image = Image.fromarray(np.full((10, 10), 32_768, np.uint16))
    assert decode(make_thumbnail(encode(image, "PNG"), 64)).getpixel((32, 32)) == (128, 128, 128)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF"])
def test_image_that_is_cut_short_is_refused(form):
    noise = np.random.default_rng(0).integers(0, 256, (50, 50, 3), dtype=np.uint8)
    content = encode(Image.fromarray(noise), form)
    for length in (0, 10, len(content) // 2):
        with pytest.raises(ImageError, match="broken or cut short|no whole image|is empty"):
            make_thumbnail(content[:length])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"<svg/>", "is an SVG"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "PostScript"),
        (b"GIF89a", "no whole image"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 40, "no whole image"),
    ],
)
def test_what_is_no_image_is_refused(content, reason):
    with pytest.raises(ImageError, match=reason):
        make_thumbnail(content)


def test_image_of_too_many_pixels_is_refused_before_it_is_decoded(monkeypatch):
    monkeypatch.setattr(images, "IMAGE_PIXELS", 799)
    monkeypatch.setattr(images, "flatten", lambda image: pytest.fail("decoded"))
    with pytest.raises(ImageError, match=r"The image has 40 x 20 pixels; at most 799 are decoded\."):
        make_thumbnail(encode(halves("red", "blue")))


def test_bomb_is_refused():
    header = bytearray(encode(Image.new("L", (8, 8)), "BMP"))
    header[18:26] = (60_000).to_bytes(4, "little") * 2  # its width and height
    with pytest.raises(ImageError, match="too many pixels"):
        make_thumbnail(bytes(header))


def rows_with_images(study: Study) -> list:
    found = samples.find_hits(study, "rose", "mine", "image", text_method="lemmatized", image_method="openclip@0.26")
    return list(found.itertuples(index=False))


def test_thumbnail_is_made_once(study, monkeypatch):
    thumbnails = Thumbnails(side=64)
    rows = rows_with_images(study)
    made = [thumbnails.get(study, row) for row in rows]
    assert [decode(content).size for content in made] == [(64, 48)] * 4
    assert len(set(made)) == 4  # one key for each place in the same shard
    assert thumbnails.shelf.held_bytes == sum(map(len, made))
    monkeypatch.setattr(images, "make_thumbnail", lambda *args: pytest.fail("made again"))
    assert [thumbnails.get(study, row) for row in rows] == made


def test_study_that_is_built_anew_has_new_thumbnails(tmp_path):
    study = build(tmp_path)
    thumbnails = Thumbnails()
    found = samples.find_hits(study, "lily", "mine", "image", text_method="lemmatized", image_method="openclip@0.20")
    row = next(found.itertuples(index=False))
    before = thumbnails.get(study, row)
    Image.new("RGB", (8, 4), "green").save(study.folder / row.image)
    anew = Study(study.folder, study.manifest.raw | {"created": "2027-01-01T00:00:00+00:00"})
    assert thumbnails.get(study, row) == before != thumbnails.get(anew, row)


def test_thumbnails_stay_within_their_bytes_and_the_longest_unused_goes_first(study):
    rows = rows_with_images(study)[:3]
    sizes = [len(make_thumbnail(read_image_bytes(study.folder, row.image, row.offset, row.length))) for row in rows]
    thumbnails = Thumbnails(max_bytes=sum(sizes) - 1)
    for row in (rows[0], rows[1], rows[0], rows[2]):  # the second is the longest unused when the third comes
        thumbnails.get(study, row)
    assert thumbnails.shelf.held_bytes == sizes[0] + sizes[2]
    assert [offset for (_, _, offset, _), _ in thumbnails.shelf.held] == [rows[0].offset, rows[2].offset]


def test_thumbnail_larger_than_all_that_may_be_kept_is_given_and_not_kept(study):
    thumbnails = Thumbnails(max_bytes=10)
    assert decode(thumbnails.get(study, rows_with_images(study)[0])).size == (192, 144)
    assert thumbnails.shelf.held_bytes == 0


def test_sample_without_an_image_says_so_each_time(study):
    found = samples.find_hits(study, "rose", "mine", "text", text_method="lemmatized", image_method="openclip@0.26")
    without = next(row for row in found.itertuples(index=False) if row.sample_id == 4)
    thumbnails = Thumbnails()
    for _ in range(2):
        with pytest.raises(ImageError, match="no image"):
            thumbnails.get(study, without)
    assert thumbnails.shelf.held_bytes == 0


def test_many_threads_get_the_thumbnails_of_one(study):
    rows = rows_with_images(study)
    expected = [Thumbnails().get(study, row) for row in rows] * 20
    thumbnails = Thumbnails(max_bytes=sum(map(len, expected[:3])))
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda row: thumbnails.get(study, row), rows * 20)) == expected
    assert thumbnails.shelf.held_bytes == sum(size for _, size in thumbnails.shelf.held) <= thumbnails.shelf.max_bytes
