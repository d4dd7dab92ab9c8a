"""Copies of files that cannot be read in place: fetched from elsewhere, unpacked (.gz, .zst), or written as UTF-8 from
UTF-16 or Windows' Latin alphabet.

Images are shown from the place where they were read, and large files are cut into pieces, so a file is copied once to the
disk, a block at a time, instead of being streamed again and again. Copies are kept by what they were made of: a file that
changed is copied anew. They lie in the folder that TAILSCOPE_CACHE names, else in the user's folder for such things.
"""

import codecs
import gzip
import hashlib
import os
import zlib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import IO

import pyarrow as pa

from backend.errors import SourceError
from backend.writing import write_file
from precompute.corpus.encodings import HEAD, name_encoding
from precompute.corpus.remote import describe_remote, open_remote

CACHE = "TAILSCOPE_CACHE"  # the environment's word for the folder of copies
PACKED = (".gz", ".tgz", ".zst", ".zstd")

_BLOCK = 1 << 20
_BINARY = (".tar", ".parquet")  # whatever else is read is a text


def strip_packing(name: str) -> str:
    """A file's name as it is when unpacked.

    >>> strip_packing("a.tsv.gz"), strip_packing("a.TGZ"), strip_packing("a.tar")
    ('a.tsv', 'a.tar', 'a.tar')
    """
    stem, dot, ending = name.rpartition(".")
    if f".{ending.lower()}" not in PACKED:
        return name
    return f"{stem}.tar" if ending.lower() == "tgz" else stem


def needs_copy(path: Path) -> bool:
    """Whether a file of the disk is packed, or a text that is certainly not in UTF-8 (`encodings.name_encoding`)."""
    if strip_packing(path.name) != path.name:
        return True
    if path.suffix.lower() == ".tar":
        with path.open("rb") as stream:
            return stream.read(2) == b"\x1f\x8b"
    return path.suffix.lower() not in _BINARY and bool(name_encoding(read_head(path)))


def read_head(path: Path) -> bytes:
    """What a file of the disk begins with, once it is unpacked; nothing where it is damaged there."""
    try:
        with path.open("rb") as stream:
            return next(_unpack(stream, path.name), b"")[:HEAD]
    except (EOFError, zlib.error, OSError, pa.ArrowInvalid, SourceError):
        return b""


def copy_file(path: Path) -> Path:
    """The unpacked copy of a file of the disk, as UTF-8 where it is a text; made where it is not there yet.

    Raises SourceError where the file is cut off, or damaged.
    """
    found = path.stat()
    place = _place(f"{path.absolute()}\0{found.st_size}\0{found.st_mtime_ns}", strip_packing(path.name))
    if not place.is_file():
        with path.open("rb") as stream:
            _write(stream, path.name, place, path)
    return place


def fetch_file(url: str) -> Path:
    """The copy of a file that lies elsewhere, unpacked; fetched where it is not there yet, or has changed.

    Raises SourceError where it cannot be had, and where the package for its protocol is missing.
    """
    place = place_remote(url)
    if not place.is_file():
        with open_remote(url) as stream:
            _write(stream, _name_remote(url), place, url)
    return place


def place_remote(url: str) -> Path:
    """Where the copy of a file that lies elsewhere is, or will be. Raises SourceError where there is no such file."""
    return _place(f"{url}\0{describe_remote(url)}", strip_packing(_name_remote(url)))


def _name_remote(url: str) -> str:
    return url.partition("?")[0].rstrip("/").rpartition("/")[2] or "file"


def _place(made_of: str, name: str) -> Path:
    folder = os.environ.get(CACHE) or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "tailscope"
    return Path(folder) / "corpora" / hashlib.sha256(os.fsencode(made_of)).hexdigest()[:24] / name


def read_plain(stream: IO[bytes], name: str) -> Iterator[bytes]:
    """What a file of this name holds, a block at a time: unpacked, and as UTF-8 where it is a text in another encoding that is
    certain.

    Raises what unpacks it (EOFError, zlib.error, ArrowInvalid, OSError) where it is cut off or damaged.
    """
    return _decode(_unpack(stream, name), strip_packing(name))


def _write(stream: IO[bytes], name: str, place: Path, source: Path | str) -> None:
    """Writes the copy, which is whole or not there."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with write_file(place) as part, part.open("wb") as out:
            for block in read_plain(stream, name):
                out.write(block)
    except (EOFError, zlib.error, pa.ArrowInvalid, OSError) as error:
        if not isinstance(error, OSError) or error.errno is None:  # what unpacks it says so, not the disk
            raise SourceError(f"{source} is cut off or damaged ({error}). Fetch it again.") from error
        raise SourceError(f"{source} cannot be copied to {place.parent}: {error}. {CACHE} can name another folder.") from error


def _unpack(stream: IO[bytes], name: str) -> Iterator[bytes]:
    head = stream.read(4)
    with _Joined(head, stream) as joined:
        if head[:2] == b"\x1f\x8b":
            with gzip.GzipFile(fileobj=joined) as unpacked:
                yield from _blocks(unpacked)
        elif head == b"\x28\xb5\x2f\xfd":
            with pa.CompressedInputStream(pa.PythonFile(joined, "r"), "zstd") as unpacked:
                yield from _blocks(unpacked)
        elif strip_packing(name) != name and head:
            raise SourceError(f"{name} is not packed, whatever its name says. Rename it to {strip_packing(name)}.")
        else:
            yield from _blocks(joined)


def _blocks(stream: IO[bytes]) -> Iterator[bytes]:
    while block := stream.read(_BLOCK):
        yield block


def _decode(blocks: Iterator[bytes], name: str) -> Iterator[bytes]:
    """The blocks; where they are a text that is certainly not in UTF-8, as UTF-8."""
    first = next(blocks, b"")
    encoding = name_encoding(first[:HEAD]) if Path(name).suffix.lower() not in _BINARY else ""
    if not encoding:
        yield from chain([first] if first else [], blocks)
        return
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    for block in chain([first], blocks):
        yield decoder.decode(block).encode("utf-8", "replace")


class _Joined:
    """A stream whose first bytes were read already."""

    def __init__(self, head: bytes, stream: IO[bytes]):
        self.head = head
        self.stream = stream
        self.closed = False

    def __enter__(self) -> "_Joined":
        return self

    def __exit__(self, *error: object) -> None:
        self.closed = True

    def read(self, size: int = -1) -> bytes:
        """The next bytes, at most so many."""
        if size is None or size < 0:
            head, self.head = self.head, b""
            return head + self.stream.read()
        head, self.head = self.head[:size], self.head[size:]
        return head if len(head) == size else head + self.stream.read(size - len(head))

    def readable(self) -> bool:
        """It is only read."""
        return True

    def close(self) -> None:
        """The stream below stays open: who opened it closes it."""
        self.closed = True
