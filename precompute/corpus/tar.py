"""Webdataset shards: tars whose members share a key (a path up to the first dot of the file name) and make one sample.

A tar is read once, forwards, with one open file; only its first members are looked at before, to tell where captions stand. A
member's bytes are taken as they pass. Nothing is unpacked, and a name inside a tar is never used as a path.
Cost: some 12,000 samples a second on one core; most of it is `tarfile` and Pillow reading headers.
"""

import hashlib
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from backend.errors import SourceError
from backend.image_ref import ImageRef
from backend.images import IMAGE_BYTES, read_size
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
from precompute.corpus.shard import Layout, Piece, Reader, Reading, ReadOptions, Shard, checksum_content, cut_at, measure_size
from precompute.corpus.tar_layout import JSON, MAX_JSON, Role, TarLayout, describe_layout, find_layout, read_first_members
from precompute.corpus.tar_members import AT_LEAST, count_expected, read_members
from precompute.corpus.values import read_json_caption

WHOLE_BYTES = 1 << 30  # a tar up to this size is one piece; what is larger is read once more, to find where to cut

SECOND_CAPTION = "second caption of a sample"
SECOND_IMAGE = "second image of a sample"


def read_tar(shard: Shard, reading: Reading, with_images: bool) -> Iterator[Sample]:
    """The samples of a piece of a tar, each as soon as its image and its caption have passed.

    Members of one key make a sample even where others stand between them. Only a key that comes again after others, with
    an image or a caption that its sample has already, begins another sample. An image's bytes are held until its caption
    comes, unless very many images wait for theirs.
    """
    with shard.open() as stream:
        size = measure_size(stream)
        layout = find_layout(read_first_members(shard.path), shard.options, shard.path)
        waiting = _Waiting(shard, reading, with_images, layout)
        key, fault = "", ""
        for info, fault in read_members(stream, shard.path, shard.first, shard.end):
            key, role, why = layout.read_name(info) if info else (key, "", "")
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
    return describe_layout(shard.path, shard.options)


def identify_tar(shard: Shard, with_images: bool) -> str:
    """A checksum of a piece's bytes, and of how its members make samples."""
    try:
        layout = find_layout(read_first_members(shard.path), shard.options, shard.path)
    except SourceError:  # who reads it says so
        layout = None
    expected = count_expected(shard.path)  # how many a shard that is cut off has lost
    return hashlib.sha256(f"{layout}\0{expected}\0{checksum_content(shard)}".encode()).hexdigest()


def cut_tar(path: Path, options: ReadOptions) -> list[Piece]:
    """The pieces of a tar: a large one is cut before a new key, where no sample waits for a member that may still come."""
    if path.stat().st_size <= WHOLE_BYTES:
        return [Piece()]
    places: list[tuple[int, int]] = []
    layout = find_layout(read_first_members(path), options, path)
    groups, before, apart = _Groups(layout.parts), 0, 0
    last: dict[str, int] = {}  # where the latest member of each key stood, counted in members
    unfinished: dict[str, int] = {}  # the same of those samples that lack something, the latest last
    with path.open("rb") as stream:
        for seen, (info, fault) in enumerate(read_members(stream, path)):
            key, role, _ = layout.read_name(info) if info else ("", "", "")
            if fault or not role:
                continue
            if key in last:
                apart = max(apart, seen - last[key] - 1)
            elif len(groups) >= shards.PIECE_SAMPLES and _none_waits(unfinished, seen, apart):
                before += len(groups)
                places.append((before, info.offset))
                groups, last, unfinished = _Groups(layout.parts), {}, {}
            last[key] = seen
            group = groups.find(key, role)
            group.roles.add(role)
            unfinished.pop(key, None)
            if not group.is_complete:
                unfinished[key] = seen
    return cut_at(places)


@dataclass(slots=True)
class _Group:
    """The members of a tar that share a key, as far as they have passed: what makes one sample."""

    number: int
    parts: int
    roles: set[Role]
    image: tuple[int, int] = (0, 0)  # offset, bytes
    size: Size = (None, None)
    content: bytes | None = None
    caption: str = ""
    caption_fault: str = NO_CAPTION

    @property
    def is_complete(self) -> bool:
        """Whether image and caption have both passed, good or bad, as far as there are both."""
        return len(self.roles) == self.parts

    @property
    def fault(self) -> str:
        """Why the members make no sample; nothing where they do."""
        return self.caption_fault or ("" if "image" in self.roles or self.parts == 1 else NO_IMAGE)


class _Groups:
    """Which group a member belongs to; groups are numbered in the order of their first members."""

    def __init__(self, parts: int):
        self.parts = parts
        self.latest: dict[str, _Group] = {}
        self.current: _Group | None = None
        self.count = 0

    def __len__(self) -> int:
        return self.count

    def find(self, key: str, role: Role) -> _Group:
        """The group of a member, which is a new one where its key's latest is closed to it."""
        group = self.latest.get(key)
        if group is None or (group is not self.current and role in group.roles):
            group = self.latest[key] = _Group(self.count, self.parts, set())
            self.count += 1
        self.current = group
        return group


def _none_waits(unfinished: dict[str, int], seen: int, apart: int) -> bool:
    """Whether every unfinished sample has waited longer than any sample's members have stood apart so far."""
    return not unfinished or seen - next(reversed(unfinished.values())) - 1 > apart


class _Waiting:
    """The samples of a tar that lack a member still."""

    def __init__(self, shard: Shard, reading: Reading, with_images: bool, layout: TarLayout):
        self.shard = shard
        self.books = reading.samples
        self.with_images = with_images
        self.layout = layout
        self.groups = _Groups(layout.parts)
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
            self._read_caption(group, info, stream)
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

    def _read_caption(self, group: _Group, info: tarfile.TarInfo, stream: IO[bytes]) -> None:
        if self.layout.caption == JSON:
            group.caption = read_json_caption(stream.read(min(info.size, MAX_JSON)), self.layout.options)
            group.caption_fault = find_caption_fault(group.caption)
        else:
            group.caption = clean_text(stream.read(min(info.size, MAX_CAPTION)).decode("utf-8", "replace"))
            group.caption_fault = LONG_CAPTION if info.size > MAX_CAPTION else find_caption_fault(group.caption)

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
        image = ImageRef(self.shard.path.name, *group.image) if self.layout.has_images else None
        sample_id = self.shard.sample_id(self.shard.start + group.number)
        return Sample(sample_id, key.removeprefix("/"), caption, image, group.size, content)


READER = Reader("tar", (".tar",), "webdataset shards (.tar)", read_tar, cut_tar, identify_tar, describe_tar, holds_images=True)
