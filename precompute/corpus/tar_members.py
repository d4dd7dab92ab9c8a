"""The members of a tar, one after the other, forwards; where it is cut off or damaged, what is wrong with it."""

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from backend.errors import SourceError
from precompute.corpus.shard import measure_size

MAX_HEADER = 1 << 20  # bytes that a tar header may ask for: long names have a few hundred

TRUNCATED = "truncated shard"
DAMAGED = "damaged shard"
AT_LEAST = ", at least"  # behind these two, where nothing says how many samples the shard had

_BAD_HEADER = (tarfile.TarError, ValueError, IndexError)  # what tarfile raises where a tar is damaged


def read_members(
    stream: IO[bytes], path: Path, first: int = 0, end: int | None = None
) -> Iterator[tuple[tarfile.TarInfo | None, str]]:
    """Every member of a tar from a byte on; where it is not whole, last the member that is cut off (None: not even its
    header) and the fault.

    The caller may read a member's bytes from `stream` meanwhile, from `offset_data` on, and nothing behind them. A tar ends in
    an empty block. `tarfile` takes any end for a good one; here one that stops without is cut off. Members that begin at
    `end` or behind it are left to the next piece. Raises SourceError where the file is no tar.
    """
    size = measure_size(stream)
    if size < tarfile.BLOCKSIZE:
        yield None, TRUNCATED
        return
    stream.seek(first)
    headers = _Headers(stream, size)
    try:
        archive = tarfile.TarFile(fileobj=headers, tarinfo=_Member)
        has_members = archive.firstmember is not None
    except _BAD_HEADER as error:
        if first == 0 and stream.tell() < size:
            raise SourceError(f"{path} is no tar archive ({error}). Delete it, or fetch it again.") from error
        yield None, TRUNCATED if stream.tell() >= size else DAMAGED
        return
    try:
        while has_members and (info := archive.next()):
            fault = ""
            if is_plain(info) and not 0 <= info.size <= size - info.offset_data:
                fault = DAMAGED if info.size < 0 else TRUNCATED
            yield info, fault
            if fault or (end is not None and archive.offset >= end):
                return
            archive.members.clear()  # tarfile keeps every header that it has read
    except _BAD_HEADER:
        yield None, TRUNCATED if stream.tell() >= size else DAMAGED
        return
    if fault := _find_end_fault(stream, headers.block):
        yield None, fault


def is_plain(info: tarfile.TarInfo) -> bool:
    """Whether a member is a file whose bytes stand in the tar in one piece."""
    return info.isreg() and not info.issparse()


def count_expected(path: Path) -> int:
    """How many samples a tar is said to have by what lies beside it; 0 where nothing does.

    img2dataset leaves `NAME_stats.json` with `successes`, webdataset's tools `sizes.json` (samples by file name) or an index
    whose `shardlist` has `url` and `nsamples`.
    """
    stem = path.name.partition(".")[0]
    stats = _read_object(path.with_name(f"{stem}_stats.json"))
    counts = [stats.get("successes"), _read_object(path.with_name("sizes.json")).get(path.name)]
    for shard in _read_object(path.with_name("index.json")).get("shardlist") or []:
        if isinstance(shard, dict) and str(shard.get("url")).rpartition("/")[2] == path.name:
            counts.append(shard.get("nsamples"))
    return max((count for count in counts if isinstance(count, int)), default=0)


class _Member(tarfile.TarInfo):
    """A member's header; of a plain file's only what a corpus needs is taken apart, in a third of the time."""

    @classmethod
    def frombuf(cls, buf: bytes, encoding: str, errors: str) -> tarfile.TarInfo:
        """The header of a block, as `tarfile` reads it, which is asked for all but sound headers of plain files."""
        plain = len(buf) == tarfile.BLOCKSIZE and buf[156:157] == tarfile.REGTYPE
        if not plain or tarfile.nti(buf[148:156]) != 256 + sum(buf[:148]) + sum(buf[156:]):  # 256: eight spaces for itself
            return super().frombuf(buf, encoding, errors)
        info = cls(tarfile.nts(buf[:100], encoding, errors))
        info.size = tarfile.nti(buf[124:136])
        if prefix := tarfile.nts(buf[345:500], encoding, errors):
            info.name = f"{prefix}/{info.name}"
        return info


class _Headers:
    """A tar as `tarfile` sees it: forwards only, and no header above 1 MiB.

    Without this, a negative size sends Python 3.11's tarfile back to the same header for ever. `block` is what was read last.
    """

    def __init__(self, stream: IO[bytes], size: int):
        self.stream = stream
        self.size = size
        self.block = b""

    def tell(self) -> int:
        return self.stream.tell()

    def read(self, size: int) -> bytes:
        if not 0 <= size <= MAX_HEADER:
            raise tarfile.ReadError("a header above the size limit")
        self.block = self.stream.read(size)
        return self.block

    def seek(self, offset: int) -> None:
        if offset < self.stream.tell():
            raise tarfile.ReadError("a member of negative size")
        self.stream.seek(min(offset, self.size))


def _find_end_fault(stream: IO[bytes], block: bytes) -> str:
    """What is wrong where a tar's members end, after the block that is no header: nothing where only empty ones follow."""
    if len(block) < tarfile.BLOCKSIZE:
        return TRUNCATED
    while block:
        if any(block):
            return DAMAGED
        block = stream.read(MAX_HEADER)
    return ""


def _read_object(path: Path) -> dict:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
