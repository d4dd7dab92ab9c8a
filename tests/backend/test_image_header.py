"""What the header parser says of a file's size is what Pillow says; where it is not sure, it says nothing."""

import io
import random

import pytest
from PIL import Image

from backend.image_header import UNKNOWN, read_header

KINDS = {
    "jpeg": ("RGB", {"format": "JPEG"}),
    "grey jpeg": ("L", {"format": "JPEG"}),
    "cmyk jpeg": ("CMYK", {"format": "JPEG"}),
    "progressive jpeg": ("RGB", {"format": "JPEG", "progressive": True, "comment": b"x" * 9_000}),
    "jpeg with a profile": (
        "RGB",
        {"format": "JPEG", "icc_profile": bytes(range(256)) * 500, "exif": b"Exif\0\0" + b"\xff\xc0" * 90},
    ),
    "png": ("RGBA", {"format": "PNG"}),
    "palette png": ("P", {"format": "PNG"}),
    "one-bit png": ("1", {"format": "PNG"}),
    "webp": ("RGB", {"format": "WEBP"}),
    "lossless webp": ("RGBA", {"format": "WEBP", "lossless": True}),
    "webp with a profile": ("RGB", {"format": "WEBP", "icc_profile": b"profile" * 20}),
}


def write_image(kind: str, size: tuple[int, int]) -> bytes:
    mode, options = KINDS[kind]
    file = io.BytesIO()
    Image.new(mode, size).save(file, **options)
    return file.getvalue()


def ask_pillow(content: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(content)) as image:
        return image.size


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (640, 427), (16_000, 9)])
@pytest.mark.parametrize("kind", KINDS)
def test_size_is_the_one_that_was_written(kind, size):
    assert read_header(write_image(kind, size)) == ask_pillow(write_image(kind, size)) == size


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_is_cut_off_has_its_size_or_none(kind):
    content = write_image(kind, (31, 17))
    found = {read_header(content[:length]) for length in range(min(len(content), 3_000))}
    assert found - {UNKNOWN, (31, 17)} == set()
    assert read_header(content[:24]) == UNKNOWN


@pytest.mark.parametrize("kind", KINDS)
def test_broken_bytes_raise_nothing(kind):
    chance, content = random.Random(1), write_image(kind, (31, 17))
    for _ in range(500):
        broken = bytearray(content[:700])
        for _ in range(chance.randrange(1, 6)):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        width, height = read_header(bytes(broken))
        assert (width is None) == (height is None)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xc0\x00\x00" * 9,
        b"GIF89a\x01\x00\x01\x00" + b"\0" * 30,
        b"RIFF\0\0\0\0WEBPVP8 " + b"\0" * 30,
        b"<svg/>",
    ],
)
def test_what_no_header_says_is_unknown(content):
    assert read_header(content) == UNKNOWN


def test_a_png_whose_header_was_changed_is_left_to_pillow():
    content = bytearray(write_image("png", (31, 17)))
    content[19] = 200
    assert read_header(bytes(content)) == UNKNOWN


def test_real_photos_have_the_sizes_that_pillow_reads(shared_data):
    paths = sorted(shared_data.rglob("*.jpg"))
    heads = [path.read_bytes()[: 1 << 16] for path in paths]
    sizes = [read_header(head) for head in heads]
    assert len(paths) > 1_000
    assert sum(size != UNKNOWN for size in sizes) > 0.99 * len(sizes)
    for size, head in zip(sizes, heads, strict=True):
        assert size in (UNKNOWN, ask_pillow(head))
