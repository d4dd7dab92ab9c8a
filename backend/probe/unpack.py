"""Files that strangers hand in, and those in their zips: read in memory, within limits, or left out under a reason.

Nothing is unpacked further than the size that it claims, no name is used as a path, and what plays no part is not unpacked.
"""

import io
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from backend.errors import SourceError
from backend.file_kinds import LITTER, is_litter
from backend.images import IMAGE_ENDINGS
from backend.probe.uploads import UPLOAD_BYTES

MAX_IMAGES = 2_000
MAX_MEMBERS = 10_000  # of a zip, with folders and what is no image
BATCH_BYTES = 192 * 2**20  # of all files of a batch, unpacked
TABLE = "csv"  # the ending of a table of labels
UNREADABLE = "cannot be unpacked"
ENCRYPTED = "is encrypted"
OUTSIDE = "its name leads out of the archive"
NOT_AN_IMAGE = "no image by its name"

_ZIP_FAULTS = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError)
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


@dataclass(frozen=True, eq=False)
class Part:
    """A file by its name, a path in its zip; `fault`: why it plays no part, and then `content` is empty; else ""."""

    name: str
    content: bytes
    fault: str = ""


def unpack_file(name: str, content: bytes, room: int | None = None) -> tuple[Part, ...]:
    """What a file holds: the files of a zip, in its order, else itself; images and tables of labels, the others with a fault.

    `room`: the bytes that there is room for, at most `BATCH_BYTES`. Raises SourceError where a zip cannot be read, or has
    too many files or bytes.
    """
    room = BATCH_BYTES if room is None else min(room, BATCH_BYTES)
    if content.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return tuple(_read_zip(name, content, room))
    fault = _find_fault(PurePosixPath(name), len(content))
    if not fault and len(content) > room:
        raise SourceError(f"{name} is too much: a batch has at most {BATCH_BYTES // 2**20} MB, unpacked.")
    return (Part(name, b"" if fault else content, fault),)


def check_amount(parts: Iterable[Part]) -> None:
    """Raises SourceError where these are too many images for one batch, or too many bytes."""
    images = [part for part in parts if not part.fault and read_ending(part.name) != TABLE]
    if len(images) > MAX_IMAGES or sum(len(part.content) for part in images) > BATCH_BYTES:
        raise SourceError(
            f"Too much for one batch: at most {MAX_IMAGES:,} images and {BATCH_BYTES // 2**20} MB, unpacked, are taken."
        )


def read_ending(name: str) -> str:
    """The ending of a file's name in lower case, without its dot.

    >>> read_ending("a.b/c.JPG")
    'jpg'
    """
    return PurePosixPath(name).suffix.lower().lstrip(".")


def _read_zip(name: str, content: bytes, room: int) -> Iterator[Part]:
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except _ZIP_FAULTS as error:
        raise SourceError(f"{name} is no zip that can be read: {error}") from error
    with archive:
        members = [member for member in archive.infolist() if not member.filename.endswith("/")]
        if len(members) > MAX_MEMBERS:
            raise SourceError(f"{name} holds {len(members):,} files; at most {MAX_MEMBERS:,} are taken.")
        for member in members:
            path = PurePosixPath(member.filename.replace("\\", "/"))
            if not path.name or path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
                yield Part(path.name or name, b"", OUTSIDE)
            elif fault := _find_fault(path, member.file_size) or _find_packing_fault(member):
                yield Part(str(path), b"", fault)
            else:
                room -= member.file_size  # what it claims: no more is unpacked of it, and a broken one costs the same time
                if room < 0:
                    raise SourceError(f"{name} holds too much: a batch has at most {BATCH_BYTES // 2**20} MB, unpacked.")
                yield Part(str(path), *_unpack_member(archive, member))


def _find_fault(path: PurePosixPath, size: int) -> str:
    """Why a file of this name and size plays no part; "" where it may."""
    if any(map(is_litter, path.parts)):
        return LITTER
    if read_ending(path.name) not in {*IMAGE_ENDINGS, TABLE}:
        return NOT_AN_IMAGE
    return _tell_too_large(size) if size > UPLOAD_BYTES else ""


def _find_packing_fault(member: zipfile.ZipInfo) -> str:
    if member.flag_bits & 1:
        return ENCRYPTED
    return "" if member.compress_type in _PACKINGS else UNREADABLE


def _unpack_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> tuple[bytes, str]:
    try:
        with archive.open(member) as stream:
            content = stream.read(UPLOAD_BYTES + 1)
    except _ZIP_FAULTS:
        return b"", UNREADABLE
    return (content, "") if len(content) <= UPLOAD_BYTES else (b"", _tell_too_large(len(content)))


def _tell_too_large(size: int) -> str:
    return f"has {size / 2**20:,.1f} MB; at most {UPLOAD_BYTES // 2**20} MB are taken"
