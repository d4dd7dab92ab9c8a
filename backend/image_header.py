"""Width and height out of the first bytes of a JPEG, PNG or WebP file, without opening it as an image.

What these bytes do not say for sure (another format, a header that is cut off or broken) is left to
`backend.images.read_size`, which asks Pillow.
"""

from struct import unpack_from
from zlib import crc32

Size = tuple[int | None, int | None]
UNKNOWN: Size = (None, None)

_PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
_PNG_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}  # by colour type
_NO_LENGTH = frozenset((0x01, *range(0xD0, 0xD8)))  # JPEG markers that nothing follows
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_START_OF_SCAN = 0xDA


def read_header(head: bytes) -> Size:
    """Width and height (pixels) as the header says them, not turned; nulls where these bytes do not tell.

    >>> read_header(b"RIFF\\x1a\\0\\0\\0WEBPVP8L\\x0d\\0\\0\\0\\x2f\\x02\\x40\\0" + b"\\0" * 6), read_header(b"GIF89a")
    ((3, 2), (None, None))
    """
    if head.startswith(b"\xff\xd8\xff"):
        return _read_jpeg(head)
    if head.startswith(_PNG):
        return _read_png(head)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return _read_webp(head)
    return UNKNOWN


def _read_jpeg(head: bytes) -> Size:
    """The size of the frame, once the scan begins: segments before it are skipped by their lengths."""
    place, size = 2, UNKNOWN
    while place + 4 <= len(head) and head[place] == 0xFF:
        marker = head[place + 1]
        if marker == 0xFF or marker in _NO_LENGTH:
            place += 1 if marker == 0xFF else 2
            continue
        if marker == _START_OF_SCAN:
            return size
        if marker in _FRAMES:
            if size != UNKNOWN or place + 10 > len(head):
                return UNKNOWN
            bits, height, width, colours = unpack_from(">BHHB", head, place + 4)
            if bits != 8 or colours not in (1, 3, 4) or not (width and height):
                return UNKNOWN
            size = (width, height)
        place += 2 + unpack_from(">H", head, place + 2)[0]
    return UNKNOWN


def _read_png(head: bytes) -> Size:
    if len(head) < 33:
        return UNKNOWN
    width, height, depth, colour, *_, checksum = unpack_from(">IIBBBBBI", head, 16)
    is_sound = checksum == crc32(head[12:29]) and depth in _PNG_DEPTHS.get(colour, ())
    return (width, height) if is_sound and width and height else UNKNOWN


def _read_webp(head: bytes) -> Size:
    if len(head) < 30:
        return UNKNOWN
    kind = head[12:16]
    if kind == b"VP8X":
        return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
    if kind == b"VP8L" and head[20] == 0x2F:
        bits = int.from_bytes(head[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 " and head[23:26] == b"\x9d\x01\x2a":
        width, height = unpack_from("<HH", head, 26)
        return width & 0x3FFF, height & 0x3FFF
    return UNKNOWN
