"""Files that lie elsewhere (http, https, s3, gs, hf), by fsspec: what is there, and their bytes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import fsspec

from backend.errors import SourceError

PROTOCOLS = ("http", "https", "s3", "gs", "gcs", "hf")

_PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "hf": "huggingface_hub", "http": "aiohttp", "https": "aiohttp"}


def is_remote(pattern: str) -> bool:
    """Whether a pattern names files that lie elsewhere. Raises SourceError for a protocol that is not known here.

    >>> is_remote("s3://bucket/a.tar"), is_remote("data/*.tar")
    (True, False)
    """
    protocol, mark, _ = pattern.partition("://")
    if not mark or protocol == "file":
        return False
    if protocol not in PROTOCOLS:
        raise SourceError(f"'{pattern}': nothing is read by {protocol}://, only by {', '.join(PROTOCOLS)} and file.")
    return True


def list_remote(url: str) -> list[str]:
    """The files that a URL names, or matches with * and ?; those below it where it is a folder.

    Raises SourceError where the place cannot be reached, or holds no such file.
    """
    protocol = url.partition("://")[0]
    if protocol in ("http", "https"):
        if "*" in url:
            raise SourceError(f"'{url}': a web server does not list its files. Number them: {{00000..00099}}.")
        return [url]
    with _told(url):
        system, path = fsspec.core.url_to_fs(url)
        if "*" in path or "[" in path:
            found = system.glob(path)
        else:
            found = system.find(path) if system.isdir(path) else [path]
        return [system.unstrip_protocol(name) for name in sorted(found)]


def describe_remote(url: str) -> str:
    """What changes when the file at a URL does, as far as its server tells."""
    with _told(url):
        system, path = fsspec.core.url_to_fs(url)
        known = system.info(path)
        return "\0".join(
            f"{key}={known[key]}" for key in ("size", "ETag", "etag", "LastModified", "mtime", "oid") if known.get(key)
        )


def measure_remote(url: str) -> int:
    """The size of the file at a URL in bytes; 0 where its server does not tell."""
    with _told(url):
        system, path = fsspec.core.url_to_fs(url)
        return system.info(path).get("size") or 0


@contextmanager
def open_remote(url: str) -> Iterator[IO[bytes]]:
    """The bytes of the file at a URL, as they come. Raises SourceError where they cannot be had."""
    with _told(url):
        system, path = fsspec.core.url_to_fs(url)
        with system.open(path, "rb", cache_type="readahead", block_size=1 << 22) as stream:
            yield stream


@contextmanager
def _told(url: str) -> Iterator[None]:
    """Faults of fsspec and of what it uses, as ours."""
    protocol = url.partition("://")[0]
    try:
        yield
    except SourceError:
        raise
    except ImportError as error:
        package = _PACKAGES[protocol]
        raise SourceError(f"To read {protocol}:// takes the package {package}. Install it: pip install {package}") from error
    except FileNotFoundError as error:
        raise SourceError(f"There is no file at {url}.") from error
    except Exception as error:  # each protocol's package has faults of its own, with no class in common
        raise SourceError(
            f"{url} cannot be read: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        ) from error
