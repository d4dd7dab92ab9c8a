"""Image files, one policy for all: which are read, within which limits, what counts as broken, how they are made upright.

Samples, thumbnails, test images and what visitors hand in go the same way. Pillow's decoders of plain pixels alone are used
(some of its others start programs); which format it is, a file's content says, not its name. HEIC needs the package
pillow-heif, AVIF a Pillow that was built with it. Metadata is a courtesy: where a profile, a comment or EXIF is broken, the
pixels are read without it.
"""

import io
import os
import struct
import threading
import zlib
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, features

from backend.bare_image import drop_metadata
from backend.errors import ImageError
from backend.file_kinds import HEIC_BRANDS, PICTURE_BRANDS, name_kind
from backend.image_cells import read_cell
from backend.image_header import UNKNOWN, read_header
from backend.image_ref import ImageRef
from backend.roots import IMAGE_ROOTS, allowed_roots, is_allowed
from backend.shelf import Shelf
from backend.study import Study

IMAGE_BYTES = 64 * 2**20  # the largest image file that is read
IMAGE_PIXELS = 40 * 10**6  # the largest image that is decoded: 120 MB as RGB
LONGEST = 50  # times its width; scaled until its shorter side fits a model, a thread of pixels would fill the memory
IMAGE_ENDINGS = frozenset(
    ("jpg", "jpeg", "jpe", "jfif", "png", "apng", "webp", "gif", "bmp", "dib", "tif", "tiff", "avif", "heic", "heif", "mpo")
)  # what is an image by a file's name
THUMBNAIL_SIDE = 192
JPEG_QUALITY = 85
THUMBNAIL_BYTES = 64 * 2**20  # of all thumbnails that are kept: some 10,000 of 192 pixels
# What Pillow raises on broken files: its reader of TIFF, with its many kinds of tags, lets more through than the others do.
FAULTS = (
    OSError,
    SyntaxError,
    struct.error,
    zlib.error,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    ArithmeticError,
    AttributeError,
    AssertionError,
    RuntimeError,
    MemoryError,
    Image.DecompressionBombError,
)

_NAMES = {"WEBP": "WebP", "HEIF": "HEIC", "MPO": "JPEG"}
_ORIENTATION = 0x0112  # of EXIF; 1 is upright
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_DNG_VERSION, _NEW_SUBFILE_TYPE, _SUB_IFDS = 50706, 254, 330  # tags of a TIFF
_LARGE = 4 * 10**6  # pixels: an image of 40 million takes up to half a gigabyte while it is decoded
_large_ones = threading.BoundedSemaphore(max(os.cpu_count() or 1, 2))  # decoded at once; more would not be faster


class TooLong(ImageError):
    """An image is more than `LONGEST` times as long as wide."""


@dataclass(frozen=True, eq=False)
class Decoded:
    """The picture of an image file: upright, RGB, on white; `notes` say in words what was done for that.

    format: what the content is: JPEG, PNG, WEBP, GIF, BMP, TIFF, AVIF, HEIC.
    """

    image: Image.Image
    format: str
    notes: tuple[str, ...]


def read_image_bytes(
    folder: Path, image: str | None, offset: int | None = None, length: int | None = None, *, confined: bool = True
) -> bytes:
    """The bytes of an image file: a plain file, `length` bytes from `offset` on of a shard, or a cell of a Parquet file.

    `image` is relative to `folder` (the study's), or absolute. A study may come from a stranger, so the file has to lie in
    one of the study's `allowed_roots`, with all links followed; `confined=False` is for a step that reads what its user
    named. Raises ImageError, with the cause, where there is no image, where it lies elsewhere or behind a URL, is missing,
    is larger than `IMAGE_BYTES`, or reaches beyond the end of its file.
    """
    if image is None or pd.isna(image) or not image:
        raise ImageError("This sample has no image.")
    if "://" in image:
        raise ImageError(f"The image lies at {image}: only files are read, nothing is fetched.")
    place = ImageRef.from_columns(image, offset, length)
    path = Path(folder, place.path)
    offset, length = (None if number is None or pd.isna(number) else int(number) for number in (offset, length))
    if (offset is None) != (length is None) or (offset is not None and min(offset, length - 1) < 0):
        raise ImageError(f"No place in a file: {length} bytes from {offset} on in {image}.")
    try:
        if confined and not is_allowed(path, allowed_roots(folder)):
            raise ImageError(f"The image lies outside the study's folders; {IMAGE_ROOTS} can name more of them: {image}.")
        if not path.is_file():
            raise ImageError(f"The image file is missing: {image}. It was there when the corpus was indexed.")
        if place.kind == "cell":
            content = read_cell(path, place)
            _check_bytes(len(content), image)
            return content
        size = path.stat().st_size
        start, wanted = (0, size) if offset is None else (offset, length)
        if start + wanted > size:
            raise ImageError(f"The image ends at byte {start + wanted:,} of {image}, which has {size:,}.")
        _check_bytes(wanted, image)
        with path.open("rb") as stream:
            stream.seek(start)
            return stream.read(wanted)
    except (OSError, ValueError, RuntimeError) as error:  # a name that no file can have, a ring of links
        raise ImageError(f"The image file cannot be read: {image} ({error}).") from error


def _check_bytes(wanted: int, image: str) -> None:
    if wanted > IMAGE_BYTES:
        raise ImageError(f"The image in {image} has {wanted:,} bytes; at most {IMAGE_BYTES:,} are read.")


def make_thumbnail(content: bytes, side: int = THUMBNAIL_SIDE) -> bytes:
    """A JPEG of an image file, its longer side `side` pixels; small images are enlarged. Raises what `open_image` raises."""
    return encode_jpeg(_fit(decode_image(content, 2 * side), side))


def encode_jpeg(image: Image.Image) -> bytes:
    """The bytes of a JPEG of an RGB picture."""
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=JPEG_QUALITY)
    return stream.getvalue()


def list_formats() -> tuple[str, ...]:
    """The formats that are read on this machine, as Pillow calls them."""
    avif = ("AVIF",) if features.check("avif") else ()
    return ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", *avif, *(("HEIF",) if _reads_heic() else ()))


def describe_formats() -> str:
    """The formats that are read on this machine, in words.

    >>> describe_formats().startswith("JPEG, PNG, WebP, GIF, BMP, TIFF")
    True
    """
    *names, last = (_NAMES.get(name, name) for name in list_formats())
    return f"{', '.join(names)} or {last}"


def read_size(content: bytes) -> tuple[int | None, int | None]:
    """Width and height (pixels) as an image's header says them, without decoding it or turning it; nulls where it has none.

    `content` may be the file's first bytes alone; in 64 KiB nearly every header stands. Pillow is asked, for ten times as
    long, where the bytes themselves do not tell.
    """
    if (size := read_header(content)) != UNKNOWN:
        return size
    for read in (bytes, drop_metadata):
        with suppress(*FAULTS), Image.open(io.BytesIO(read(content)), formats=list_formats()) as image:
            return image.size
    return None, None


def decode_image(content: bytes, side: int | None = None) -> Image.Image:
    """The picture of an image file, as the camera was held, in RGB on white; raises what `open_image` raises."""
    return open_image(content, side).image


def open_image(content: bytes, side: int | None = None) -> Decoded:
    """The picture of an image file, of an animation or several pages the first; its limits are known before it is decoded.

    `side`: pixels that are enough for the caller, who wants it to look at; a large JPEG is then decoded at an eighth to a
    half of its size. Without it the image is meant for a model, and one that is too long for that raises TooLong. Raises
    ImageError, with the cause in a sentence, where the file is empty, none of these formats, broken or cut short, or has
    more than `IMAGE_PIXELS`.
    """
    if not content:
        raise ImageError("The file is empty.")
    try:
        return _decode(content, side)
    except FAULTS as error:
        bare = drop_metadata(content)
        if bare != content:
            with suppress(*FAULTS):
                return _decode(bare, side)
        raise ImageError(_explain(content, error)) from error


def flatten(image: Image.Image) -> Image.Image:
    """The image as RGB; what is transparent is white, and 16 bits a pixel become 8 (Pillow would cut them off at 255).

    32 bits a pixel have no white of their own: their range in this image goes from black to white.
    """
    if image.mode.startswith("I;16"):
        image = image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    if image.mode in ("I", "F"):
        values = np.nan_to_num(np.asarray(image, np.float64), posinf=0.0, neginf=0.0)
        low, high = values.min(), values.max()
        image = Image.fromarray(((values - low) * (255.0 / (high - low or 1.0))).round().astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")


def _decode(content: bytes, side: int | None) -> Decoded:
    with Image.open(io.BytesIO(content), formats=list_formats()) as image:
        _check_size(*image.size, for_model=side is None)
        if image.format == "TIFF" and _is_raw(image, content):
            raise ImageError("The file is a camera raw file, of which only a small preview could be seen. Develop it to JPEG.")
        several = getattr(image, "is_animated", False)  # not how many: to count the pages of a TIFF of 5 MB took 20 s
        image.seek(0)
        if side:
            image.draft(None, (side, side))
        with _large_ones if image.width * image.height > _LARGE else nullcontext():
            image.load()  # before anything else looks at it: once Pillow has failed on an image, a second try gives black
            orientation = _read_orientation(image)
            notes = _list_changes(image, several, orientation)
            turned = image.transpose(_TURNS[orientation]) if orientation in _TURNS else image
            return Decoded(flatten(turned), _NAMES.get(image.format, image.format).upper(), notes)


def _check_size(width: int, height: int, for_model: bool) -> None:
    if width < 1 or height < 1:
        raise ImageError(f"The image has no pixels: it is {width} x {height}.")
    if width * height > IMAGE_PIXELS:
        raise ImageError(f"The image has {width:,} x {height:,} pixels; at most {IMAGE_PIXELS:,} are decoded.")
    if for_model and max(width, height) > LONGEST * min(width, height):
        raise TooLong(f"The image is {width:,} x {height:,} pixels: more than {LONGEST} times as long as wide.")


def _is_raw(image: Image.Image, content: bytes) -> bool:
    """Whether a TIFF is a camera's raw file: one says so, the others begin with a reduced picture and hide the whole one."""
    tags = image.tag_v2
    return _DNG_VERSION in tags or content[8:10] == b"CR" or (tags.get(_NEW_SUBFILE_TYPE) == 1 and _SUB_IFDS in tags)


def _read_orientation(image: Image.Image) -> int:
    """How an opened image is to be turned, 1 to 8 as EXIF has it; 1 where its EXIF cannot be read."""
    try:
        return image.getexif().get(_ORIENTATION, 1)
    except FAULTS:
        return 1


def _list_changes(image: Image.Image, several: bool, orientation: int) -> tuple[str, ...]:
    """What is done to an image before it is seen."""
    changes = {
        "the first of several frames or pages": several,
        "turned upright, as its EXIF says": orientation in _TURNS,
        "converted from CMYK": image.mode == "CMYK",
        "reduced to 8 bits a colour": image.mode.startswith(("I", "F")),
        "set on white where it is transparent": image.has_transparency_data,
    }
    return tuple(words for words, applies in changes.items() if applies)


def _explain(content: bytes, error: Exception) -> str:
    """Why a file gives no picture, in a sentence or two."""
    if isinstance(error, Image.UnidentifiedImageError):
        kind = _name_missing_decoder(content) or name_kind(content)
        return kind or f"The file is no whole image. Taken are {describe_formats()}."
    if isinstance(error, Image.DecompressionBombError):
        return f"The image has too many pixels; at most {IMAGE_PIXELS:,} are decoded."
    if isinstance(error, MemoryError):
        return "The image takes more memory than there is."
    return f"The image is broken or cut short: {error}"


def _name_missing_decoder(content: bytes) -> str:
    """What is missing here to read an AVIF or HEIC; "" where nothing is, or the file is neither."""
    brand = content[8:12] if content[4:8] == b"ftyp" else b""
    if brand in HEIC_BRANDS and not _reads_heic():
        return "The file is a HEIC image, for which the package pillow-heif is not installed. Save it as JPEG."
    if brand in PICTURE_BRANDS and "AVIF" not in list_formats():
        return "The file is an AVIF image, which this installation of Pillow was built without. Save it as JPEG."
    return ""


@cache
def _reads_heic() -> bool:
    if find_spec("pillow_heif") is None:
        return False
    from pillow_heif import register_heif_opener

    register_heif_opener(thumbnails=False)
    return True


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
