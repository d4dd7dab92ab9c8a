"""Opens images that strangers hand in: within limits that are known before anything is decoded, never on disk.

Pillow's decoders of plain pixels alone are used; which format it is, a file's content says, not its name. HEIC needs the
package pillow-heif.
"""

import io
import threading
import zlib
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec

import numpy as np
from PIL import Image, ImageOps

from backend.errors import ImageError
from backend.images import BROKEN, IMAGE_FORMATS, IMAGE_PIXELS, flatten

UPLOAD_BYTES = 20 * 2**20
LONGEST = 50  # times its width; scaled until its shorter side fits a model, a thread of pixels would fill the memory
FORMATS = (*IMAGE_FORMATS, "TIFF")
DECODED_AT_ONCE = 2  # an image of 40 million pixels takes up to half a gigabyte while it is decoded

_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_ORIENTATION = 0x0112  # of EXIF; 1 is upright
_TURNS = range(2, 9)
# Pillow's reader of TIFF, with its many kinds of tags, lets more through on broken files than the others do.
_FAULTS = (*BROKEN, KeyError, EOFError, ArithmeticError, AttributeError, AssertionError, RuntimeError, zlib.error)
_decoders = threading.BoundedSemaphore(DECODED_AT_ONCE)


@dataclass(frozen=True, eq=False)
class Upload:
    """An image as it was handed in: upright, RGB, on white; `notes` say in words what was done for that.

    format: JPEG, PNG, ... · width, height: pixels of the upright image.
    """

    image: Image.Image
    format: str
    width: int
    height: int
    notes: tuple[str, ...]


def list_endings() -> list[str]:
    """The endings of file names that are worth offering: jpg, png, ..."""
    plain = ["jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff"]
    return [*plain, "heic", "heif"] if _reads_heic() else plain


def describe_limits() -> str:
    """What is taken, in a sentence."""
    names = ", ".join("WebP" if name == "WEBP" else name for name in FORMATS)
    return (
        f"{names}{' or HEIC' if _reads_heic() else ''}, up to {UPLOAD_BYTES // 2**20} MB and "
        f"{IMAGE_PIXELS // 10**6} million pixels each."
    )


def open_upload(content: bytes) -> Upload:
    """The image in a file's bytes; of an animation or several pages the first.

    Raises ImageError, with the cause in a sentence, where the file is empty, too large, no image of these formats, a
    drawing (SVG), broken or cut short, or has too many pixels, which is known before it is decoded.
    """
    if not content:
        raise ImageError("The file is empty.")
    if len(content) > UPLOAD_BYTES:
        raise ImageError(f"The file has {len(content) / 2**20:,.1f} MB; at most {UPLOAD_BYTES // 2**20} MB are taken.")
    formats = (*FORMATS, "HEIF") if _reads_heic() else FORMATS
    try:
        with _decoders, Image.open(io.BytesIO(content), formats=formats) as image:
            _check_size(*image.size)
            notes = _list_changes(image)
            pixels = flatten(_reduce_depth(ImageOps.exif_transpose(image)))
            name = {"MPO": "JPEG", "HEIF": "HEIC"}.get(image.format, image.format)
    except Image.UnidentifiedImageError as error:
        raise ImageError(_name_others(content) or f"The file is no whole image. Taken are {describe_limits()}") from error
    except Image.DecompressionBombError as error:
        raise ImageError(f"The image has too many pixels; at most {IMAGE_PIXELS:,} are decoded.") from error
    except MemoryError as error:
        raise ImageError("The image takes more memory than there is.") from error
    except _FAULTS as error:
        raise ImageError(f"The image is broken or cut short: {error}") from error
    return Upload(pixels, name, *pixels.size, notes)


def _name_others(content: bytes) -> str:
    """What a file is that people take for an image, with what to do instead; "" where it is none of these."""
    start = content[:4096].lower()
    if b"<svg" in start:
        return "The file is an SVG, which is a drawing and has no pixels. Export it as PNG."
    if start.lstrip()[:5] in (b"<!doc", b"<html", b"<?xml"):
        return "The file is a web page, not an image. Save the image itself."
    if start.startswith((b"%pdf", b"%!ps")):
        return "The file is a PDF or PostScript document, not an image. Export it as PNG."
    if content[4:8] == b"ftyp" and content[8:12] in _HEIC_BRANDS and not _reads_heic():
        return "The file is a HEIC image, for which the package pillow-heif is not installed. Save it as JPEG."
    return ""


def _check_size(width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise ImageError(f"The image has no pixels: it is {width} x {height}.")
    if width * height > IMAGE_PIXELS:
        raise ImageError(f"The image has {width:,} x {height:,} pixels; at most {IMAGE_PIXELS:,} are decoded.")
    if max(width, height) > LONGEST * min(width, height):
        raise ImageError(f"The image is {width:,} x {height:,} pixels: more than {LONGEST} times as long as wide.")


def _list_changes(image: Image.Image) -> tuple[str, ...]:
    """What will be done to an image before a model sees it; it is opened and not yet decoded."""
    changes = {
        # Not how many: to count the pages of a TIFF of 5 MB that was made for it took 20 s.
        "the first of several frames or pages": getattr(image, "is_animated", False),
        "turned upright, as its EXIF says": image.getexif().get(_ORIENTATION) in _TURNS,
        "converted from CMYK": image.mode == "CMYK",
        "reduced to 8 bits a colour": image.mode.startswith(("I", "F")),
        "set on white where it is transparent": image.has_transparency_data,
    }
    image.seek(0)
    return tuple(words for words, applies in changes.items() if applies)


def _reduce_depth(image: Image.Image) -> Image.Image:
    """An image of 32 bits a pixel as grey: its own range from black to white, for no other is known. Others stay."""
    if image.mode not in ("I", "F"):
        return image
    values = np.nan_to_num(np.asarray(image, np.float64), posinf=0.0, neginf=0.0)
    low, high = values.min(), values.max()
    return Image.fromarray(((values - low) * (255.0 / (high - low or 1.0))).round().astype(np.uint8))


@cache
def _reads_heic() -> bool:
    if find_spec("pillow_heif") is None:
        return False
    from pillow_heif import register_heif_opener

    register_heif_opener(thumbnails=False)
    return True
