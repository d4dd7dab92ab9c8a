"""Webdataset shards: tars whose members share a key (a path up to the first dot of the file name) and make one sample.

A tar is read once, forwards, with one open file: a member's bytes are taken as they pass. Nothing is unpacked, and a name
inside a tar is never used as a path.
Cost: some 12,000 samples a second on one core; most of it is `tarfile` and Pillow reading headers.
"""

import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from backend.errors import SourceError
from backend.file_kinds import LITTER, is_litter
from backend.image_ref import ImageRef
from backend.images import IMAGE_BYTES, IMAGE_ENDINGS, read_size
from precompute.corpus import shard as shards
from precompute.corpus.sample import (
    BATCH_BYTES,
    HEADER_BYTES,
    LONG_CAPTION,
    MAX_CAPTION,
    NO_CAPTION,
    NO_IMAGE,
    Sample,
    Size,
    clean_text,
    find_caption_fault,
)
from precompute.corpus.shard import Column, Layout, Piece, Reader, Reading, Shard, checksum_content, cut_at, measure_size

MAX_HEADER = 1 << 20  # bytes that a tar header may ask for: long names have a few hundred
WHOLE_BYTES = 1 << 30  # a tar up to this size is one piece; what is larger is read once more, to find where to cut

SECOND_CAPTION = "second caption of a sample"
SECOND_IMAGE = "second image of a sample"
TRUNCATED = "truncated shard"
DAMAGED = "damaged shard"
AT_LEAST = ", at least"  # behind these two, where nothing says how many samples the shard had
FOLDER = "plays no part: folder"
SPECIAL = "plays no part: link or special file"
HIDDEN = f"plays no part: {LITTER}"
OTHER = "plays no part: other ending"
SIDECARS = frozenset(("json", "cls", "npy", "npz", "pt", "pth", "pkl", "pyd", "xml", "csv", "tsv", "html", "md", "parquet"))

Role = Literal["image", "caption", ""]

_BAD_HEADER = (tarfile.TarError, ValueError, IndexError)  # what tarfile raises where a tar is damaged


def read_tar(shard: Shard, reading: Reading, with_images: bool) -> Iterator[Sample]:
    """The samples of a piece of a tar, each as soon as its image and its caption have passed.

    Members of one key make a sample even where others stand between them. Only a key that comes again after others, with
    an image or a caption that its sample has already, begins another sample. An image's bytes are held until its caption
    comes, unless very many images wait for theirs.
    """
    with shard.open() as stream:
        size = measure_size(stream)
        waiting = _Waiting(shard, reading, with_images)
        key, fault = "", ""
        for info, fault in read_members(stream, shard.path, shard.first, shard.end):
            key, role, why = read_name(info) if info else (key, "", "")
            if fault:
                if info:
                    reading.members.take(dropped=1, reason=fault)
                break
            reading.done = (info.offset_data - shard.first) / ((shard.end or size) - shard.first)
            if not role:
                reading.members.take(dropped=1, reason=why)
                continue
            reading.members.take(written=1)
            if sample := waiting.take(key, role, info, stream):
                yield sample
        if fault:
            missing = count_expected(shard.path) - shard.start - waiting.count_whole(key)
            if missing > 0:
                reading.samples.take(dropped=missing, reason=fault)
            else:
                reading.samples.take(dropped=1, reason=f"{fault}{AT_LEAST}")  # the sample that is cut off, if nothing more
        waiting.close(cut_off=key if fault else None)


def describe_tar(shard: Shard) -> Layout:
    """What its file seems to be."""
    return Layout("webdataset shards", (Column("caption", ".txt", "by its ending"),))


def cut_tar(path: Path) -> list[Piece]:
    """The pieces of a tar: a large one is cut before a new key, where no sample waits for a member that may still come."""
    if path.stat().st_size <= WHOLE_BYTES:
        return [Piece()]
    places: list[tuple[int, int]] = []
    groups, before, apart = _Groups(), 0, 0
    last: dict[str, int] = {}  # where the latest member of each key stood, counted in members
    unfinished: dict[str, int] = {}  # the same of those samples that lack something, the latest last
    with path.open("rb") as stream:
        for seen, (info, fault) in enumerate(read_members(stream, path)):
            key, role, _ = read_name(info) if info else ("", "", "")
            if fault or not role:
                continue
            if key in last:
                apart = max(apart, seen - last[key] - 1)
            elif len(groups) >= shards.PIECE_SAMPLES and _none_waits(unfinished, seen, apart):
                before += len(groups)
                places.append((before, info.offset))
                groups, last, unfinished = _Groups(), {}, {}
            last[key] = seen
            group = groups.find(key, role)
            group.roles.add(role)
            unfinished.pop(key, None)
            if not group.is_complete:
                unfinished[key] = seen
    return cut_at(places)


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
    except _BAD_HEADER as error:
        if stream.tell() < size:
            raise SourceError(f"{path} is no tar archive ({error}). Delete it, or fetch it again.") from error
        yield None, TRUNCATED
        return
    try:
        while info := archive.next():
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


def read_name(info: tarfile.TarInfo) -> tuple[str, Role, str]:
    """A member's key, its role, and where it plays none the reason."""
    folder, _, name = info.name.rpartition("/")
    stem, _, ending = name.partition(".")
    key, ending = f"{folder}/{stem}", ending.lower()
    if not is_plain(info):
        return key, "", FOLDER if info.isdir() else SPECIAL
    if ending in IMAGE_ENDINGS:
        return key, "image", ""
    if ending == "txt":
        return key, "caption", ""
    if is_litter(name):
        return key, "", HIDDEN
    ending = ending.rpartition(".")[2]
    return key, "", f"plays no part: .{ending}" if ending in SIDECARS else OTHER


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


@dataclass(slots=True)
class _Group:
    """The members of a tar that share a key, as far as they have passed: what makes one sample."""

    number: int
    roles: set[Role]
    image: tuple[int, int] = (0, 0)  # offset, bytes
    size: Size = (None, None)
    content: bytes | None = None
    caption: str = ""
    caption_fault: str = NO_CAPTION

    @property
    def is_complete(self) -> bool:
        """Whether image and caption have both passed, good or bad."""
        return len(self.roles) == 2

    @property
    def fault(self) -> str:
        """Why the members make no sample; nothing where they do."""
        return self.caption_fault or ("" if "image" in self.roles else NO_IMAGE)


class _Groups:
    """Which group a member belongs to; groups are numbered in the order of their first members."""

    def __init__(self):
        self.latest: dict[str, _Group] = {}
        self.current: _Group | None = None
        self.count = 0

    def __len__(self) -> int:
        return self.count

    def find(self, key: str, role: Role) -> _Group:
        """The group of a member, which is a new one where its key's latest is closed to it."""
        group = self.latest.get(key)
        if group is None or (group is not self.current and role in group.roles):
            group = self.latest[key] = _Group(self.count, set())
            self.count += 1
        self.current = group
        return group


def _read_object(path: Path) -> dict:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _none_waits(unfinished: dict[str, int], seen: int, apart: int) -> bool:
    """Whether every unfinished sample has waited longer than any sample's members have stood apart so far."""
    return not unfinished or seen - next(reversed(unfinished.values())) - 1 > apart


class _Waiting:
    """The samples of a tar that lack a member still."""

    def __init__(self, shard: Shard, reading: Reading, with_images: bool):
        self.shard = shard
        self.books = reading.samples
        self.with_images = with_images
        self.groups = _Groups()
        self.incomplete: dict[int, _Group] = {}
        self.holding: dict[int, _Group] = {}  # those of them that have an image's bytes, the oldest first
        self.held = 0  # bytes in all

    def take(self, key: str, role: Role, info: tarfile.TarInfo, stream: IO[bytes]) -> Sample | None:
        """The sample that this member completes, if it does."""
        group = self.groups.find(key, role)
        if role in group.roles:
            self.books.take(dropped=1, reason=SECOND_IMAGE if role == "image" else SECOND_CAPTION)
            return None
        group.roles.add(role)
        stream.seek(info.offset_data)
        if role == "image":
            self._read_image(group, info, stream)
        else:
            group.caption = clean_text(stream.read(min(info.size, MAX_CAPTION)).decode("utf-8", "replace"))
            group.caption_fault = LONG_CAPTION if info.size > MAX_CAPTION else find_caption_fault(group.caption)
        if not group.is_complete:
            self._keep(group)
            return None
        self.incomplete.pop(group.number, None)
        if self.holding.pop(group.number, None):
            self.held -= len(group.content)
        return self._finish(key, group)

    def count_whole(self, cut_off: str) -> int:
        """How many samples have begun, but for the one of the key `cut_off` that is not whole."""
        group = self.groups.latest.get(cut_off)
        return len(self.groups) - (group is not None and not group.is_complete)

    def close(self, cut_off: str | None) -> None:
        """Books the samples that stayed incomplete; the one of the key `cut_off` is booked already."""
        broken = self.groups.latest.get(cut_off) if cut_off is not None else None
        for group in self.incomplete.values():
            if group is not broken:
                self.books.take(dropped=1, reason=group.fault)

    def _read_image(self, group: _Group, info: tarfile.TarInfo, stream: IO[bytes]) -> None:
        group.image = (info.offset_data, info.size)
        wanted = min(info.size, IMAGE_BYTES)
        content = stream.read(wanted if self.with_images else min(wanted, HEADER_BYTES))
        group.size = read_size(content)
        if group.size == (None, None) and len(content) < wanted:
            group.size = read_size(content + stream.read(wanted - len(content)))
        if self.with_images and info.size <= IMAGE_BYTES:
            group.content = content

    def _keep(self, group: _Group) -> None:
        self.incomplete[group.number] = group
        if group.content:
            self.holding[group.number] = group
            self.held += len(group.content)
        while self.held > BATCH_BYTES:
            oldest = self.holding.pop(next(iter(self.holding)))
            self.held -= len(oldest.content)
            oldest.content = None  # whoever wants it reads it again, by its place

    def _finish(self, key: str, group: _Group) -> Sample | None:
        content, caption = group.content, group.caption
        group.content, group.caption = None, ""
        if group.fault:
            self.books.take(dropped=1, reason=group.fault)
            return None
        self.books.take(written=1)
        image = ImageRef(self.shard.path.name, *group.image)
        sample_id = self.shard.sample_id(self.shard.start + group.number)
        return Sample(sample_id, key.removeprefix("/"), caption, image, group.size, content)


READER = Reader(
    "tar", (".tar",), "webdataset shards (.tar)", read_tar, cut_tar, checksum_content, describe_tar, holds_images=True
)
