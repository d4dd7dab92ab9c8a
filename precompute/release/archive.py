"""Reads a release member by member, from a folder or a .tar.gz; nothing is ever unpacked to disk."""

import gzip
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from backend.errors import SourceError
from backend.writing import file_sha256

MAX_MEMBER = 64 << 20  # bytes of one file; the release's largest has 1 MB
MAX_TOTAL = 2 << 30  # bytes read out of one source: a bomb stops here
MAX_MEMBERS = 100_000
_CHUNK = 1 << 18
_NO_RELEASE = "that is no release of the paper."


@dataclass(frozen=True)
class Member:
    """One file of a release: its path below the release's root, its bytes, or why they were refused."""

    path: str
    content: bytes = b""
    refused: str = ""


def read_members(source: Path) -> Iterator[Member]:
    """Every file of a folder or of a .tar.gz (whose one top folder is taken off), in the source's order.

    A link, a path that leaves the release, and a file above 64 MiB are handed out as refused, never followed
    or read. Raises SourceError where the source is neither, is cut off or damaged, or exceeds 2 GiB.
    """
    if source.is_dir():
        yield from _read_folder(source)
    elif source.is_file():
        yield from _read_archive(source)
    else:
        raise SourceError(f"No release at {source}: it is neither a folder nor a .tar.gz file.")


def describe_source(source: Path) -> dict:
    """What identifies a source in a manifest: its name, and an archive's size and sha256."""
    if source.is_dir():
        return {"name": source.name, "form": "folder"}
    return {
        "name": source.name,
        "form": "tar.gz",
        "bytes": source.stat().st_size,
        "sha256": file_sha256(source),
    }


def _read_folder(root: Path) -> Iterator[Member]:
    total = 0
    for path in sorted(root.rglob("*")):
        name = _printable(path.relative_to(root).as_posix())
        if path.is_symlink():
            yield Member(name, refused="link in the release")
        elif path.is_file():
            size = path.stat().st_size
            if size > MAX_MEMBER:
                yield Member(name, refused="file above the size limit")
                continue
            total += size
            if total > MAX_TOTAL:
                raise _too_large(root)
            yield Member(name, path.read_bytes())
        elif not path.is_dir():
            yield Member(name, refused="special file")


class _Unpacked:
    """The tar inside a .tar.gz, as tarfile reads it: forwards only, and bounded while it unpacks.

    `gzip` checks length and CRC at the end; tarfile's own stream mode does not, and takes damaged archives.
    """

    def __init__(self, stream: gzip.GzipFile):
        self.stream = stream
        self.position = 0

    def tell(self) -> int:
        return self.position

    def read(self, size: int) -> bytes:
        if size > MAX_MEMBER:
            raise tarfile.ReadError("a header above the size limit")
        return self.take(size)

    def seek(self, offset: int) -> None:
        if offset < self.position:
            raise tarfile.ReadError("a member of negative size")
        while self.position < offset and self.take(min(offset - self.position, _CHUNK)):
            pass

    def take(self, size: int) -> bytes:
        """The next bytes, none at the end, where `gzip` compares checksums."""
        content = self.stream.read(size)
        self.position += len(content)
        if self.position > MAX_TOTAL:
            raise _too_large(self.stream.name)
        return content


def _read_archive(path: Path) -> Iterator[Member]:
    try:
        with gzip.open(path) as stream:
            unpacked = _Unpacked(stream)
            with tarfile.open(fileobj=unpacked, mode="r:") as archive:
                for number, info in enumerate(archive):
                    if number >= MAX_MEMBERS:
                        raise SourceError(f"{path} holds more than {MAX_MEMBERS:,} files; {_NO_RELEASE}")
                    if member := _archive_member(archive, info):
                        yield member
            while unpacked.take(_CHUNK):  # what follows the last member still belongs to the checksum
                pass
    except (tarfile.TarError, EOFError, zlib.error, OSError, ValueError) as error:
        raise SourceError(
            f"{path} is not a whole .tar.gz archive ({error}). Delete it and fetch it again, or name another with --source."
        ) from error


def _archive_member(archive: tarfile.TarFile, info: tarfile.TarInfo) -> Member | None:
    parts = PurePosixPath(info.name).parts
    name = _printable("/".join(parts[1:]) or info.name)
    if info.isdir():
        return None
    if info.name.startswith("/") or ".." in parts:
        return Member(_printable(info.name), refused="path outside the release")
    if info.issym() or info.islnk():
        return Member(name, refused="link in the release")
    if not info.isreg() or info.issparse():
        return Member(name, refused="special file")
    if info.size > MAX_MEMBER:
        return Member(name, refused="file above the size limit")
    return Member(name, archive.extractfile(info).read())


def _printable(name: str) -> str:
    """A path that any text file can hold: bytes that are no UTF-8 show as escapes."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def _too_large(source: Path | str) -> SourceError:
    return SourceError(f"{source} holds more than {MAX_TOTAL >> 30} GiB; {_NO_RELEASE}")
