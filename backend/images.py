"""Image files: read by place, decoded within limits, turned upright, made thumbnails of."""

import io
import struct
from pathlib import Path

import pandas as pd
from PIL import Image, ImageOps

from backend.errors import ImageError
from backend.shelf import Shelf
from backend.study import Study

IMAGE_BYTES = 64 * 2**20  # the largest image file that is read
IMAGE_PIXELS = 40 * 10**6  # the largest image that is decoded: 120 MB as RGB
IMAGE_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")  # decoders of plain pixels; Pillow's others may start programs
THUMBNAIL_SIDE = 192
JPEG_QUALITY = 85
THUMBNAIL_BYTES = 64 * 2**20  # of all thumbnails that are kept: some 10,000 of 192 pixels
# What Pillow raises on broken files: the first three were seen on 16,000 of them, Image.open expects the others too.
BROKEN = (OSError, SyntaxError, struct.error, ValueError, IndexError, TypeError)


def read_image_bytes(folder: Path, image: str | None, offset: int | None = None, length: int | None = None) -> bytes:
    """The bytes of an image file: a plain file, or `length` bytes from `offset` on of a shard. One seek, one read.

    `image` is relative to `folder` (the study's), or absolute. Raises ImageError, with the cause, where there is no image,
    where it lies behind a URL, is missing, is larger than `IMAGE_BYTES`, or reaches beyond the end of its file.
    """
    if image is None or pd.isna(image) or not image:
        raise ImageError("This sample has no image.")
    if "://" in image:
        raise ImageError(f"The image lies at {image}: only files are read, nothing is fetched.")
    path = Path(folder, image)
    offset, length = (None if number is None or pd.isna(number) else int(number) for number in (offset, length))
    if (offset is None) != (length is None) or (offset is not None and min(offset, length - 1) < 0):
        raise ImageError(f"No place in a file: {length} bytes from {offset} on in {image}.")
    try:
        if not path.is_file():
            raise ImageError(f"The image file is missing: {image}. It was there when the corpus was indexed.")
        size = path.stat().st_size
        start, wanted = (0, size) if offset is None else (offset, length)
        if start + wanted > size:
            raise ImageError(f"The image ends at byte {start + wanted:,} of {image}, which has {size:,}.")
        if wanted > IMAGE_BYTES:
            raise ImageError(f"The image in {image} has {wanted:,} bytes; at most {IMAGE_BYTES:,} are read.")
        with path.open("rb") as stream:
            stream.seek(start)
            return stream.read(wanted)
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        raise ImageError(f"The image file cannot be read: {image} ({error}).") from error


def make_thumbnail(content: bytes, side: int = THUMBNAIL_SIDE) -> bytes:
    """A JPEG of an image file, its longer side `side` pixels; small images are enlarged. Raises what `decode_image` raises."""
    small = _fit(decode_image(content, 2 * side), side)
    stream = io.BytesIO()
    small.save(stream, "JPEG", quality=JPEG_QUALITY)
    return stream.getvalue()


def decode_image(content: bytes, side: int | None = None) -> Image.Image:
    """The picture of an image file, as the camera was held, in RGB on white.

    `side`: pixels that are enough for the caller; a large JPEG is then decoded at an eighth to a half of its size. Raises
    ImageError where the file is no image, is broken or cut short, or has more than `IMAGE_PIXELS`, which is known before it
    is decoded.
    """
    try:
        with Image.open(io.BytesIO(content), formats=IMAGE_FORMATS) as image:
            width, height = image.size
            if width * height > IMAGE_PIXELS:
                raise ImageError(f"The image has {width:,} x {height:,} pixels; at most {IMAGE_PIXELS:,} are decoded.")
            if side:
                image.draft(None, (side, side))
            return flatten(ImageOps.exif_transpose(image))
    except Image.DecompressionBombError as error:
        raise ImageError(f"The image has too many pixels: {error}") from error
    except BROKEN as error:
        raise ImageError(f"The image cannot be decoded: {error}") from error


def flatten(image: Image.Image) -> Image.Image:
    """The image as RGB; what is transparent is white, and 16 bits a pixel become 8 (Pillow would cut them off at 255)."""
    if image.mode.startswith("I;16"):
        image = image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")


def _fit(image: Image.Image, side: int) -> Image.Image:
    scale = side / max(image.size)
    size = tuple(max(round(length * scale), 1) for length in image.size)
    return image.resize(size, Image.Resampling.BICUBIC if scale > 1 else Image.Resampling.LANCZOS, reducing_gap=2.0)


class Thumbnails:
    """Thumbnails of one size that have been made, the longest unused given up first; for many threads at once."""

    def __init__(self, side: int = THUMBNAIL_SIDE, max_bytes: int = THUMBNAIL_BYTES):
        self.side = side
        self.shelf: Shelf[bytes] = Shelf(max_bytes, len)

    def get(self, study: Study, row) -> bytes:
        """The thumbnail of a sample: a row of `find_hits` or `find_misaligned`, as `itertuples` gives it.

        Raises ImageError where it has none that can be shown; that is found out anew each time.
        """
        key = (study.token, row.image, None if pd.isna(row.offset) else int(row.offset), self.side)
        place = (study.folder, row.image, row.offset, row.length)
        return self.shelf.get(key, lambda: make_thumbnail(read_image_bytes(*place), self.side))
