"""How every file is written: under a temporary name, then renamed; a file is whole or not there."""

import hashlib
import json
import os
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pyarrow.parquet as pq

from backend.schema import MANIFEST

PART = ".part"  # how the name of an unfinished file ends; it begins with a dot
STALE_SECONDS = 3600  # an unfinished file of that age was left by a process that was killed


@contextmanager
def write_file(path: Path) -> Iterator[Path]:
    """A file of a temporary name beside `path` to write; it becomes `path`, on disk as a whole, where the block ends well.

    Where the block raises, nothing is left. Several processes may write one path at once: the last one's file stays.
    Raises OSError where the disk is full or the folder cannot be written.
    """
    part = path.with_name(f".{path.name}.{secrets.token_hex(6)}{PART}")
    try:
        yield part
        with part.open("rb+") as stream:
            os.fsync(stream.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def file_entry(path: Path) -> dict:
    """The manifest entry, rows and sha256, of a Parquet file that was written elsewhere."""
    return {"rows": pq.read_metadata(path).num_rows, "sha256": file_sha256(path)}


def corpus_entry(paths: Sequence[Path]) -> dict:
    """The manifest entry of a corpus's rows of a folder table, which lie in one file or, in this order, in several."""
    parts = [file_entry(path) for path in paths]
    if len(parts) == 1:
        return parts[0]
    return {
        "rows": sum(part["rows"] for part in parts),
        "sha256": join_sha256([part["sha256"] for part in parts]),
        "parts": parts,
    }


def join_sha256(checksums: Sequence[str]) -> str:
    """One checksum of several files', in their order.

    >>> join_sha256(["ab", "cd"]) != join_sha256(["cd", "ab"])
    True
    """
    return hashlib.sha256("\n".join(checksums).encode()).hexdigest()


def folder_entry(files: dict[str, dict]) -> dict:
    """The manifest entry of a folder table, from the entries of its corpora.

    >>> folder_entry({"mine": {"rows": 2, "sha256": "ab"}, "cc3m": {"rows": 3, "sha256": "cd"}})["rows"]
    5
    """
    return {"rows": sum(entry["rows"] for entry in files.values()), "files": dict(sorted(files.items()))}


def write_manifest(folder: Path, manifest: dict) -> None:
    """Writes `manifest.json` last: it is what makes the folder a complete study."""
    with write_file(folder / MANIFEST) as part:
        part.write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file, as 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sweep_folder(folder: Path, newest: Path, max_bytes: int, *, companions: Sequence[str] = ()) -> None:
    """Deletes the files of a cache that were used longest ago, until all together take no more than `max_bytes`.

    The cache's files end as `newest` does, which stays whatever it takes; with a file goes what its name and one of the
    `companions` name. Unfinished files that nobody writes any more go as well.
    """
    files = []
    for path in (*folder.glob(f"*{newest.suffix}"), *folder.glob(f".*{PART}")):
        with suppress(OSError):  # another process may sweep as well
            state = path.stat()
            if path.suffix == newest.suffix:
                files.append((path == newest, state.st_mtime_ns, state.st_size, path))
            elif time.time() - state.st_mtime > STALE_SECONDS:
                path.unlink()
    total = sum(size for _, _, size, _ in files)
    for _, _, size, path in sorted(files)[:-1]:
        if total <= max_bytes:
            break
        for companion in ("", *companions):
            Path(f"{path}{companion}").unlink(missing_ok=True)
        total -= size
