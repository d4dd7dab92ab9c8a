"""Reads a release member by member: from a folder, a .tar.gz, or a URL; nothing is ever unpacked to disk."""

import gzip
import hashlib
import tarfile
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import requests
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from backend.errors import SourceError
from backend.writing import file_sha256

MAX_MEMBER = 64 << 20  # bytes of one file; the release's largest has 1 MB
MAX_TOTAL = 2 << 30  # bytes read out of one source: a bomb stops here
MAX_MEMBERS = 100_000
MAX_DOWNLOAD = 1 << 30
TIMEOUT = (10, 30)  # seconds to connect, seconds without a byte
MAX_DURATION = 1800  # seconds for a whole download
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


def download(url: str, folder: Path) -> Path:
    """Fetches a URL into a folder and returns the file; one that is already there whole is not fetched again.

    The body streams into `NAME.part`, under a size limit and time-outs. A broken download resumes where it
    stopped when the server can continue the very same file (ETag), and starts again when it cannot.
    Raises SourceError.
    """
    name = download_name(url)
    target = folder / name
    if target.is_file():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    part, tag = folder / f"{name}.part", folder / f"{name}.etag"
    try:
        _fetch(url, part, tag)
    except requests.RequestException as error:
        raise SourceError(
            f"Cannot fetch {url} ({_root_cause(error)}). Run the command again to go on, or fetch it by hand "
            "where there is a network, then run: python -m precompute published --source FILE.tar.gz"
        ) from error
    part.replace(target)
    tag.unlink(missing_ok=True)
    return target


def download_name(url: str) -> str:
    """The file name of a download: the URL's last part, told apart from other URLs by a piece of their hash."""
    name = PurePosixPath(urlsplit(url).path).name[-80:] or "release.tar.gz"
    return f"{hashlib.sha256(url.encode()).hexdigest()[:8]}-{name}"


def _fetch(url: str, part: Path, tag: Path) -> None:
    headers = {"Accept-Encoding": "identity"}
    have = part.stat().st_size if part.is_file() and tag.is_file() else 0
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": tag.read_text(encoding="utf-8")}
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        if response.status_code == 416 and response.headers.get("Content-Range") == f"bytes */{have}":
            return  # the part is already the whole file
        if response.status_code == 416:
            part.unlink(missing_ok=True)  # it is no beginning of the file: the next try starts again
        response.raise_for_status()
        span = response.headers.get("Content-Range", "")
        resumed = response.status_code == 206 and span.startswith(f"bytes {have}-")
        if response.status_code == 206 and not resumed:
            part.unlink(missing_ok=True)
            raise SourceError(f"{url} sent another range ({span}) than asked for. Run the command again.")
        done = have if resumed else 0
        if not resumed:
            tag.unlink(missing_ok=True)
        if etag := response.headers.get("ETag", ""):
            tag.write_text(etag, encoding="utf-8")
        length = response.headers.get("Content-Length", "")
        total = done + int(length) if length.isdigit() else None
        if (total or 0) > MAX_DOWNLOAD:
            part.unlink(missing_ok=True)
            raise SourceError(f"{url} has {total:,} bytes, more than the limit of {MAX_DOWNLOAD:,}.")
        _write_body(response, part, done, total, url)


def _write_body(response: requests.Response, part: Path, done: int, total: int | None, url: str) -> None:
    deadline = time.monotonic() + MAX_DURATION
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    console = Console(stderr=True)
    with part.open("ab" if done else "wb") as stream, Progress(*columns, console=console) as progress:
        bar = progress.add_task("download", total=total, completed=done)
        for chunk in response.iter_content(_CHUNK):
            done += len(chunk)
            if done > MAX_DOWNLOAD:
                part.unlink()
                raise SourceError(f"{url} sends more than the limit of {MAX_DOWNLOAD:,} bytes.")
            if time.monotonic() > deadline:
                raise SourceError(f"{url} took longer than {MAX_DURATION // 60} minutes. Run the command again to resume.")
            stream.write(chunk)
            progress.advance(bar, len(chunk))
    if total is not None and done < total:
        raise SourceError(f"{url} stopped after {done:,} of {total:,} bytes. Run the command again to resume.")


def _root_cause(error: BaseException) -> str:
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__
    return f"{type(error).__name__}: {error}"
