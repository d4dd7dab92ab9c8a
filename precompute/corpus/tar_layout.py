"""How the samples of a tar are named and where their captions stand, told by its first members."""

import json
import tarfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from backend.errors import SourceError
from backend.file_kinds import LITTER, is_litter
from backend.images import IMAGE_ENDINGS
from precompute.corpus.columns import find_columns, note_choice
from precompute.corpus.sample import name_sidecar
from precompute.corpus.shard import Column, Layout, ReadOptions
from precompute.corpus.tar_members import is_plain, read_members
from precompute.corpus.values import list_names

Role = Literal["image", "caption", ""]

FOLDER = "plays no part: folder"
SPECIAL = "plays no part: link or special file"
HIDDEN = f"plays no part: {LITTER}"
LONE_IMAGE = "plays no part: image in a shard of captions"
CAPTION_ENDINGS = ("txt", "caption", "text", "cap")  # of a member that holds nothing but a caption, the likeliest first
JSON = "json"
MAX_JSON = 1 << 24  # bytes of a member

_FIRST_MEMBERS = 128
_MOST_MEMBERS = 100_000  # where all images stand before all captions, or behind them
_FIRST_JSONS = 16


@dataclass(frozen=True)
class TarLayout:
    """How members make samples.

    `caption`: the ending of those that hold captions; None where none does · `field`: the caption's name in the JSON, where
    that holds it · `last_dot`: keys go up to the last dot of the file name, not to the first · `has_images`: whether a
    sample has an image; without any the captions stand alone.
    """

    caption: str | None
    field: str | None = None
    last_dot: bool = False
    has_images: bool = True

    @property
    def parts(self) -> int:
        """How many members make a sample: image and caption, or a caption alone."""
        return 2 if self.has_images else 1

    @cached_property
    def options(self) -> ReadOptions:
        """How the JSON of a sample is read."""
        return ReadOptions(caption=self.field)

    def read_name(self, info: tarfile.TarInfo) -> tuple[str, Role, str]:
        """A member's key, its role, and where it plays none the reason."""
        folder, _, name = info.name.rpartition("/")
        stem, ending = split_name(name, self.last_dot)
        key = f"{folder}/{stem}".removeprefix("/")
        if not is_plain(info):
            return key, "", FOLDER if info.isdir() else SPECIAL
        if is_litter(name):
            return key, "", HIDDEN
        if ending in IMAGE_ENDINGS:
            return (key, "image", "") if self.has_images else (key, "", LONE_IMAGE)
        if ending == self.caption:
            return key, "caption", ""
        return key, "", name_sidecar(ending.rpartition(".")[2])


@dataclass(frozen=True)
class FirstMembers:
    """What the first members of a tar are: how many have each ending, and the objects in the first JSON members."""

    endings: Counter
    last_endings: Counter
    objects: tuple[Mapping, ...]

    @property
    def names(self) -> list[str]:
        """The names of the values in the JSON."""
        return list(dict.fromkeys(name for value in self.objects for name in list_names(value)))


def split_name(name: str, last_dot: bool) -> tuple[str, str]:
    """A file name's stem, and its ending in small letters.

    >>> split_name("0.seg.PNG", last_dot=False), split_name("v1.5.PNG", last_dot=True)
    (('0', 'seg.png'), ('v1.5', 'png'))
    """
    stem, _, ending = name.partition(".")
    if last_dot and "." in ending:
        stem, _, ending = name.rpartition(".")
    return stem, ending.lower()


def read_first_members(path: Path) -> FirstMembers:
    """What the first members of a tar are. Raises SourceError where the file is no tar."""
    endings, last_endings, objects = Counter(), Counter(), []
    with path.open("rb") as stream:
        for seen, (info, fault) in enumerate(read_members(stream, path)):
            if info is None or fault or seen >= _MOST_MEMBERS or (seen >= _FIRST_MEMBERS and _are_mixed(last_endings)):
                break
            name = info.name.rpartition("/")[2]
            if not is_plain(info) or is_litter(name):
                continue
            endings[split_name(name, False)[1]] += 1
            last_endings[split_name(name, True)[1]] += 1
            if name.lower().endswith(".json") and len(objects) < _FIRST_JSONS:
                stream.seek(info.offset_data)
                objects.append(_parse(stream.read(min(info.size, MAX_JSON))))
    return FirstMembers(endings, last_endings, tuple(value for value in objects if value is not None))


def _are_mixed(endings: Counter) -> bool:
    """Whether there are images and other members."""
    return bool(IMAGE_ENDINGS & endings.keys()) and bool(endings.keys() - IMAGE_ENDINGS)


def find_layout(first: FirstMembers, options: ReadOptions, path: Path) -> TarLayout:
    """How the members of a tar make samples. Raises SourceError where a user named a caption that they lack."""
    last_dot = not IMAGE_ENDINGS & first.endings.keys() and bool(IMAGE_ENDINGS & first.last_endings.keys())
    endings = first.last_endings if last_dot else first.endings
    has_images = bool(IMAGE_ENDINGS & endings.keys()) or not endings
    asked = options.caption and options.caption.lower().lstrip(".")
    known = [asked] if asked and asked != JSON else list(CAPTION_ENDINGS)
    plain = next((ending for ending in known if ending in endings), None)
    if plain:
        return TarLayout(plain, None, last_dot, has_images)
    field = next((column.name for column in _find_fields(first, options, path) if column.role == "caption"), None)
    if field:
        return TarLayout(JSON, field, last_dot, has_images)
    if asked and endings and asked != JSON:
        raise SourceError(f"{path} has no members that end in .{asked} (--caption); they end in: {', '.join(sorted(endings))}.")
    return TarLayout(None if first.objects else CAPTION_ENDINGS[0], None, last_dot, True)


def describe_layout(path: Path, options: ReadOptions) -> Layout:
    """What a tar seems to be."""
    first = read_first_members(path)
    layout = find_layout(first, options, path)
    notes = () if layout.has_images else ("there is no image in it: captions alone are read",)
    if layout.last_dot:
        notes += ("keys go up to the last dot of a name: to the first dot there would be no images",)
    why = "named by --caption" if options.caption else "by its name"
    if layout.field:
        column = (Column("caption", f".json, {layout.field}", why),)
    elif layout.caption and layout.caption in (first.last_endings if layout.last_dot else first.endings):
        column = (Column("caption", f".{layout.caption}", why),)
    else:
        column = ()
        keys = f"the JSON has the keys {', '.join(first.names)}" if first.objects else "there is no .txt and no .json"
        notes += (f"no member is known to hold captions: {keys}. Name it: --caption KEY",)
    chosen = (Column("caption", layout.field or "", ""),)
    notes += note_choice(first.names, chosen)
    if "classes" in first.names:
        notes += ("the JSON lists classes: with these shards as --image-hits too they count as image hits",)
    return Layout("webdataset shards", column, notes)


def _find_fields(first: FirstMembers, options: ReadOptions, path: Path) -> tuple[Column, ...]:
    if not first.objects:
        return ()
    named = ReadOptions() if options.caption == JSON else ReadOptions(caption=options.caption)
    return find_columns(first.names, named, path)


def _parse(content: bytes) -> Mapping | None:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, Mapping) else None
