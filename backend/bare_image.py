"""An image file without its metadata: what is left when a broken profile, comment or EXIF keeps a decoder from sound pixels."""

import struct
import zlib
from collections.abc import Iterator

_PNG = b"\x89PNG\r\n\x1a\n"
# What the pixels need; of the others, tRNS says what is transparent, eXIf how the camera was held, acTL that there are frames.
_PNG_KEPT = (b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"eXIf", b"acTL", b"fcTL", b"fdAT")
_WEBP_DROPPED = (b"ICCP", b"EXIF", b"XMP ")
_START_OF_SCAN = 0xDA
_ADOBE, _JFIF = 0xEE, 0xE0  # they say how the colours of a JPEG are stored


def drop_metadata(content: bytes) -> bytes:
    """The bytes of an image file without profiles, texts, EXIF and XMP, as far as it can be told apart.

    PNG, JPEG, WebP, AVIF and HEIC; other files, and what is too broken to be taken apart, come back as they are.
    """
    if content.startswith(_PNG):
        return _PNG + b"".join(_keep_chunks(content))
    if content.startswith(b"\xff\xd8\xff"):
        return b"\xff\xd8" + b"".join(_keep_segments(content))
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        body = b"WEBP" + b"".join(_keep_parts(content))
        return b"RIFF" + struct.pack("<I", len(body)) + body
    if content[4:8] == b"ftyp":
        return _hide_exif(content)
    return content


def _keep_chunks(content: bytes) -> Iterator[bytes]:
    """The chunks of a PNG that its pixels need."""
    place = len(_PNG)
    while place + 8 <= len(content):
        (length,), name = struct.unpack_from(">I", content, place), content[place + 4 : place + 8]
        chunk = content[place : place + length + 12]
        if name in _PNG_KEPT and (name != b"eXIf" or chunk[-4:] == struct.pack(">I", zlib.crc32(chunk[4:-4]))):
            yield chunk
        place += length + 12


def _keep_segments(content: bytes) -> Iterator[bytes]:
    """The segments of a JPEG without those of applications and comments; from the first scan on, everything."""
    place = 2
    while place + 4 <= len(content) and content[place] == 0xFF and content[place + 1] != _START_OF_SCAN:
        marker, (length,) = content[place + 1], struct.unpack_from(">H", content, place + 2)
        if marker in (_ADOBE, _JFIF) or not (0xE0 <= marker <= 0xEF or marker == 0xFE):
            yield content[place : place + 2 + length]
        place += 2 + length
    yield content[place:]


def _keep_parts(content: bytes) -> Iterator[bytes]:
    """The parts of a WebP without profile, EXIF and XMP; its header still says that they are there, which no decoder minds."""
    place = 12
    while place + 8 <= len(content):
        (length,) = struct.unpack_from("<I", content, place + 4)
        if content[place : place + 4] not in _WEBP_DROPPED:
            yield content[place : place + 8 + length + length % 2]
        place += 8 + length + length % 2


def _hide_exif(content: bytes) -> bytes:
    """An AVIF or HEIC whose EXIF is called something that no decoder knows; how it is turned stands elsewhere in the file."""
    start = content.find(b"meta")
    if start < 4:
        return content
    (length,) = struct.unpack_from(">I", content, start - 4)
    end = start - 4 + length
    return content[:start] + content[start:end].replace(b"Exif", b"skip") + content[end:]
