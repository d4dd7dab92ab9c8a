"""Opens images that strangers hand in: of the kinds that are read everywhere, within limits, never on disk."""

from backend.errors import ImageError
from backend.images import IMAGE_PIXELS, Decoded, describe_formats, open_image

UPLOAD_BYTES = 20 * 2**20


def describe_limits() -> str:
    """What is taken, in a sentence."""
    return f"{describe_formats()}, up to {UPLOAD_BYTES // 2**20} MB and {IMAGE_PIXELS // 10**6} million pixels each."


def open_upload(content: bytes) -> Decoded:
    """The image in a file's bytes. Raises ImageError where it is too large, and what `open_image` raises."""
    if len(content) > UPLOAD_BYTES:
        raise ImageError(f"The file has {len(content) / 2**20:,.1f} MB; at most {UPLOAD_BYTES // 2**20} MB are taken.")
    return open_image(content)
