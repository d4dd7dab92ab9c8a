"""The samples of a tar while its members pass: those of one key make a sample even where others stand between them."""

import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO

from backend.image_ref import ImageRef
from backend.images import IMAGE_BYTES, read_size
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
from precompute.corpus.shard import Reading, Shard, measure_size
from precompute.corpus.tar_layout import JSON, MAX_JSON, Role, find_layout, read_first_members
from precompute.corpus.tar_members import AT_LEAST, count_expected
from precompute.corpus.values import read_json_caption

SECOND_CAPTION = "second caption of a sample"
SECOND_IMAGE = "second image of a sample"


@dataclass(slots=True)
class Group:
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


class Groups:
    """Which group a member belongs to; groups are numbered in the order of their first members."""

    def __init__(self, parts: int):
        self.parts = parts
        self.latest: dict[str, Group] = {}
        self.current: Group | None = None
        self.count = 0
        self._whole = Group(-1, parts, {"caption", "image"} if parts == 2 else {"caption"})  # stands for all that are complete

    def __len__(self) -> int:
        return self.count

    def find(self, key: str, role: Role) -> Group:
        """The group of a member, which is a new one where its key's latest is closed to it."""
        group = self.latest.get(key)
        if group is None or (group is not self.current and role in group.roles):
            group = self.latest[key] = Group(self.count, self.parts, set())
            self.count += 1
        self.current = group
        return group

    def add_whole(self, keys: list[str]) -> int:
        """Adds groups that are complete, of keys that are new; the number of the first of them."""
        number, self.count = self.count, self.count + len(keys)
        self.latest.update(dict.fromkeys(keys, self._whole))
        self.current = self.latest[keys[-1]] = Group(self.count - 1, self.parts, set(self._whole.roles))
        return number


class Waiting:
    """The samples of a piece of a tar while its members pass, and which of them lack one still.

    `key`: of the member that passed last · `fault`: why the members ended before their time.
    """

    def __init__(self, shard: Shard, stream: IO[bytes], reading: Reading, with_images: bool = False):
        self.shard = shard
        self.stream = stream
        self.file_size = measure_size(stream)
        self.reading = reading
        self.books = reading.samples
        self.with_images = with_images
        self.layout = find_layout(read_first_members(shard.path), shard.options, shard.path)
        self.key, self.fault = "", ""
        self.most_text = MAX_JSON if self.layout.caption == JSON else MAX_CAPTION
        self.groups = Groups(self.layout.parts)
        self.incomplete: dict[int, Group] = {}
        self.holding: dict[int, Group] = {}  # those of them that have an image's bytes, the oldest first
        self.held = 0  # bytes in all

    def read_member(self, info: tarfile.TarInfo | None, fault: str) -> Sample | None:
        """Books a member, as `read_members` gives it; the sample that it completes, if it does."""
        self.key, role, why = self.layout.read_name(info) if info else (self.key, "", "")
        self.fault = fault
        if fault:
            if info:
                self.reading.members.take(dropped=1, reason=fault)
            return None
        self.tell_progress(info.offset_data)
        if not role:
            self.reading.members.take(dropped=1, reason=why)
            return None
        self.reading.members.take(written=1)
        return self.take(self.key, role, info.offset_data, info.size)

    def read_stretch(self, last: str, playing: int, dropped: Mapping[str, int]) -> None:
        """Books members that passed together: the last one's name, how many play a part, and how many none, by reason."""
        self.key = self.layout.read_name(tarfile.TarInfo(last))[0]
        self.reading.members.take(written=playing)
        for reason, count in dropped.items():
            self.reading.members.take(dropped=count, reason=reason)

    def tell_progress(self, place: int) -> None:
        """Tells how much of the piece lies before a byte."""
        self.reading.done = (place - self.shard.first) / ((self.shard.end or self.file_size) - self.shard.first)

    def take(self, key: str, role: Role, offset: int, size: int) -> Sample | None:
        """The sample that the member of a key and a role completes, if it does."""
        group = self.groups.find(key, role)
        if role in group.roles:
            self.books.take(dropped=1, reason=SECOND_IMAGE if role == "image" else SECOND_CAPTION)
            return None
        group.roles.add(role)
        if role == "image":
            self._read_image(group, offset, size)
        else:
            self.stream.seek(offset)
            group.caption, group.caption_fault = self.read_caption(self.stream.read(min(size, self.most_text)), size)
        if not group.is_complete:
            self._keep(group)
            return None
        self.incomplete.pop(group.number, None)
        if self.holding.pop(group.number, None):
            self.held -= len(group.content)
        return self._finish(key, group)

    def close(self) -> None:
        """Books the samples that stayed incomplete, and those that a tar that is not whole has lost."""
        broken = None
        if self.fault:
            broken = self.groups.latest.get(self.key)
            whole = len(self.groups) - (broken is not None and not broken.is_complete)
            missing = count_expected(self.shard.path) - self.shard.start - whole
            if missing > 0:
                self.books.take(dropped=missing, reason=self.fault)
            else:
                self.books.take(dropped=1, reason=f"{self.fault}{AT_LEAST}")  # the sample that is cut off, if nothing more
        for group in self.incomplete.values():
            if group is not broken:
                self.books.take(dropped=1, reason=group.fault)

    def read_caption(self, content: bytes, size: int) -> tuple[str, str]:
        """The caption in a member of a size, by its first bytes, and why it makes no sample."""
        if self.layout.caption == JSON:
            caption = read_json_caption(content, self.layout.options)
            return caption, find_caption_fault(caption)
        caption = clean_text(content.decode("utf-8", "replace"))
        return caption, LONG_CAPTION if size > MAX_CAPTION else find_caption_fault(caption)

    def read_head(self, offset: int, size: int, whole: bool = False) -> tuple[bytes, Size]:
        """The first bytes of an image, or all that are read of one, and its size by these and, where they tell none, by all."""
        self.stream.seek(offset)
        wanted = min(size, IMAGE_BYTES)
        content = self.stream.read(wanted if whole else min(wanted, HEADER_BYTES))
        found = read_size(content)
        if found == (None, None) and len(content) < wanted:
            found = read_size(content + self.stream.read(wanted - len(content)))
        return content, found

    def _read_image(self, group: Group, offset: int, size: int) -> None:
        group.image = (offset, size)
        content, group.size = self.read_head(offset, size, self.with_images)
        if self.with_images and size <= IMAGE_BYTES:
            group.content = content

    def _keep(self, group: Group) -> None:
        self.incomplete[group.number] = group
        if group.content:
            self.holding[group.number] = group
            self.held += len(group.content)
        while self.held > BATCH_BYTES:
            oldest = self.holding.pop(next(iter(self.holding)))
            self.held -= len(oldest.content)
            oldest.content = None  # whoever wants it reads it again, by its place

    def _finish(self, key: str, group: Group) -> Sample | None:
        content, caption = group.content, group.caption
        group.content, group.caption = None, ""
        if group.fault:
            self.books.take(dropped=1, reason=group.fault)
            return None
        self.books.take(written=1)
        image = ImageRef(self.shard.path.name, *group.image) if self.layout.has_images else None
        sample_id = self.shard.sample_id(self.shard.start + group.number)
        return Sample(sample_id, key, caption, image, group.size, content)
