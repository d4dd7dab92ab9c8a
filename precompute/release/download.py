"""Fetches the release's archive, 4.7 MB, once."""

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import requests
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from backend.errors import SourceError
from backend.writing import write_file

MAX_BYTES = 1 << 30
TIMEOUT = (10, 30)  # seconds to connect, seconds without a byte
MAX_SECONDS = 1800  # for all of it
_CHUNK = 1 << 18


def download(url: str, folder: Path) -> Path:
    """Fetches a URL into a folder and returns the file; one that is already there is not fetched again.

    Raises SourceError where it cannot be fetched as a whole, within the limits of bytes and seconds; then nothing is kept.
    """
    target = folder / download_name(url)
    if target.is_file():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with requests.get(url, headers={"Accept-Encoding": "identity"}, stream=True, timeout=TIMEOUT) as response:
            response.raise_for_status()
            length = response.headers.get("Content-Length", "")
            total = int(length) if length.isdigit() else None
            with write_file(target) as part, part.open("wb") as stream, _show_progress(total) as progress:
                for chunk in _read_body(response, total):
                    stream.write(chunk)
                    progress.advance(progress.task_ids[0], len(chunk))
    except requests.RequestException as error:
        raise SourceError(
            f"Cannot fetch {url} ({_root_cause(error)}). Run the command again, or fetch it by hand "
            "where there is a network, then run: python -m precompute published --source FILE.tar.gz"
        ) from error
    return target


def download_name(url: str) -> str:
    """The file name of a download: the URL's last part, told apart from other URLs by a piece of their hash."""
    name = PurePosixPath(urlsplit(url).path).name[-80:] or "release.tar.gz"
    return f"{hashlib.sha256(url.encode()).hexdigest()[:8]}-{name}"


def _read_body(response: requests.Response, total: int | None) -> Iterator[bytes]:
    """The pieces of an answer; raises SourceError where they come to more, or fewer, or later than they may."""
    deadline = time.monotonic() + MAX_SECONDS
    if (total or 0) > MAX_BYTES:
        raise SourceError(f"{response.url} has {total:,} bytes, more than the limit of {MAX_BYTES:,}.")
    done = 0
    for chunk in response.iter_content(_CHUNK):
        done += len(chunk)
        if done > MAX_BYTES:
            raise SourceError(f"{response.url} sends more than the limit of {MAX_BYTES:,} bytes.")
        if time.monotonic() > deadline:
            raise SourceError(f"{response.url} took longer than {MAX_SECONDS // 60} minutes. Run the command again.")
        yield chunk
    if total is not None and done < total:
        raise SourceError(f"{response.url} stopped after {done:,} of {total:,} bytes. Run the command again.")


def _show_progress(total: int | None) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    progress = Progress(*columns, console=Console(stderr=True))
    progress.add_task("download", total=total)
    return progress


def _root_cause(error: BaseException) -> str:
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__
    return f"{type(error).__name__}: {error}"
