"""Reads a release member by member: from a folder, a .tar.gz, or a URL; nothing is ever unpacked to disk."""

import tarfile
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import requests
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from backend.errors import SourceError
from backend.schema import file_sha256

MAX_MEMBER = 64 << 20  # bytes of one file; the release's largest has 3 MB
MAX_TOTAL = 2 << 30  # bytes read out of one archive: a bomb stops here
MAX_DOWNLOAD = 1 << 30
TIMEOUT = (10, 30)  # seconds to connect, seconds without a byte
MAX_DURATION = 1800  # seconds for a whole download
_CHUNK = 1 << 18


@dataclass(frozen=True)
class Member:
    """One regular file of a release: its path below the release's root, its bytes, or why they were refused."""

    path: str
    content: bytes = b""
    refused: str = ""


def read_members(source: Path) -> Iterator[Member]:
    """Every file of a folder or of a .tar.gz (whose one top folder is taken off), in a fixed order of the source.

    A link, a path that leaves the release, and a file above 64 MiB are handed out as refused, never followed or read.
    Raises SourceError where the source is neither, is cut off, or exceeds 2 GiB.
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
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_symlink():
            yield Member(name, refused="link in the release")
        elif path.is_file():
            if path.stat().st_size > MAX_MEMBER:
                yield Member(name, refused="file above the size limit")
            else:
                yield Member(name, path.read_bytes())


def _read_archive(path: Path) -> Iterator[Member]:
    total = 0
    try:
        with tarfile.open(path, mode="r|gz") as archive:
            for info in archive:
                total += info.size
                if total > MAX_TOTAL:
                    raise SourceError(
                        f"{path} holds more than {MAX_TOTAL >> 30} GiB; that is no release of the paper."
                    )
                if member := _archive_member(archive, info):
                    yield member
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise SourceError(
            f"{path} is not a complete .tar.gz archive ({error}). Fetch it again, or name another with --source."
        ) from error


def _archive_member(archive: tarfile.TarFile, info: tarfile.TarInfo) -> Member | None:
    parts = PurePosixPath(info.name).parts
    name = "/".join(parts[1:]) or info.name
    if info.isdir():
        return None
    if info.name.startswith("/") or ".." in parts:
        return Member(info.name, refused="path outside the release")
    if not info.isreg():
        return Member(name, refused="link in the release" if info.issym() or info.islnk() else "special file")
    if info.size > MAX_MEMBER:
        return Member(name, refused="file above the size limit")
    return Member(name, archive.extractfile(info).read())


def download(url: str, folder: Path) -> Path:
    """Fetches a URL into a folder and returns the file; one that is already there whole is not fetched again.

    The body streams into `NAME.part`, under a size limit and time-outs. A broken download resumes where it stopped when
    the server can continue the very same file (ETag), and starts again when it cannot. Raises SourceError.
    """
    name = "-".join(PurePosixPath(urlsplit(url).path).parts[1:]) or "release.tar.gz"
    target = folder / name
    if target.is_file():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    part, tag = folder / f"{name}.part", folder / f"{name}.etag"
    try:
        _fetch(url, part, tag)
    except requests.RequestException as error:
        raise SourceError(
            f"Cannot fetch {url} ({_root_cause(error)}). Fetch it by hand where there is a network, then run: "
            "python -m precompute published --source FILE.tar.gz"
        ) from error
    part.replace(target)
    tag.unlink(missing_ok=True)
    return target


def _fetch(url: str, part: Path, tag: Path) -> None:
    headers = {"Accept-Encoding": "identity"}
    if part.is_file() and tag.is_file():
        headers |= {"Range": f"bytes={part.stat().st_size}-", "If-Range": tag.read_text(encoding="utf-8")}
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        if response.status_code == 416:  # the part is already as long as the file
            return
        response.raise_for_status()
        resumed = response.status_code == 206
        done = part.stat().st_size if resumed else 0
        if etag := response.headers.get("ETag", ""):
            tag.write_text(etag, encoding="utf-8")
        length = response.headers.get("Content-Length")
        total = done + int(length) if length else None
        if (total or 0) > MAX_DOWNLOAD:
            raise SourceError(f"{url} has {total:,} bytes, more than the limit of {MAX_DOWNLOAD:,}.")
        _write_body(response, part, done, total, url)


def _write_body(response: requests.Response, part: Path, done: int, total: int | None, url: str) -> None:
    deadline = time.monotonic() + MAX_DURATION
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with part.open("ab" if done else "wb") as stream, Progress(*columns) as progress:
        bar = progress.add_task("download", total=total, completed=done)
        for chunk in response.iter_content(_CHUNK):
            done += len(chunk)
            if done > MAX_DOWNLOAD:
                raise SourceError(f"{url} sends more than the limit of {MAX_DOWNLOAD:,} bytes.")
            if time.monotonic() > deadline:
                raise SourceError(
                    f"{url} took longer than {MAX_DURATION // 60} minutes. Run the command again to resume."
                )
            stream.write(chunk)
            progress.advance(bar, len(chunk))
    if total is not None and done < total:
        raise SourceError(
            f"{url} stopped after {done:,} of {total:,} bytes. Run the command again to resume."
        )


def _root_cause(error: BaseException) -> str:
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__
    return f"{type(error).__name__}: {error}"
