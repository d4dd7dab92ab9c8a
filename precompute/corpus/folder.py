"""Loose files in a folder: images with a caption file of the same name beside each, or images alone.

A piece is some of the folder's images, in the order of their paths.
"""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from backend.file_kinds import is_litter
from backend.image_ref import ImageRef
from backend.images import IMAGE_ENDINGS
from precompute.corpus import shard as shards
from precompute.corpus.photos import describe_file, read_photo
from precompute.corpus.sample import MAX_CAPTION, NO_IMAGE, Sample, clean_text, find_caption_fault, name_sidecar
from precompute.corpus.shard import Column, Layout, Piece, Reader, Reading, ReadOptions, Shard, cut_at
from precompute.corpus.values import read_json_caption

CAPTION_ENDINGS = ("txt", "caption", "json")  # of the file beside an image that holds its caption, the first that is there

_MAX_JSON = 1 << 24  # bytes


class Loose(NamedTuple):
    """An image of a folder and the file with its caption, as paths below the folder; None for what is not there."""

    image: str | None
    caption: str | None


def list_loose(folder: Path) -> tuple[list[Loose], list[str]]:
    """The images below a folder with their captions, in order, captions without an image too; and the files that are neither.

    Where no image has a caption beside it, other files are no captions: the folder holds images alone.
    """
    images: dict[str, str] = {}
    texts: dict[str, dict[str, str]] = {}
    others: list[str] = []
    for path in list_files(folder):
        stem, ending = _split(path)
        if ending in IMAGE_ENDINGS and stem not in images:
            images[stem] = path
        elif ending in CAPTION_ENDINGS:
            texts.setdefault(stem, {})[ending] = path
        else:
            others.append(path)
    if not images.keys() & texts.keys():
        return [Loose(path, None) for path in images.values()], sorted(
            [*others, *(path for found in texts.values() for path in found.values())]
        )
    kind = next(ending for ending in CAPTION_ENDINGS if any(ending in texts.get(stem, ()) for stem in images))
    captions = {stem: found[kind] for stem, found in texts.items() if kind in found}
    unused = [path for found in texts.values() for ending, path in found.items() if ending != kind]
    lone = captions.keys() - images.keys() if kind != "json" else set()  # a statistic of the whole folder is no caption
    found = [Loose(path, captions.get(stem)) for stem, path in images.items()] + [Loose(None, captions[key]) for key in lone]
    return sorted(found, key=lambda one: one.image or one.caption), sorted(others + unused)


def list_files(folder: Path) -> Iterator[str]:
    """The files below a folder, as paths below it in order; litter and hidden ones left out."""
    for where, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not is_litter(name))
        for name in sorted(files):
            if not is_litter(name):
                yield Path(where, name).relative_to(folder).as_posix()


def _split(path: str) -> tuple[str, str]:
    stem, _, ending = path.rpartition(".")
    return (stem, ending.lower()) if "/" not in ending and stem else (path, "")


def _choose(shard: Shard) -> list[Loose]:
    return list_loose(shard.path)[0][shard.first : shard.end]


def _read(shard: Shard, reading: Reading, with_images: bool) -> Iterator[Sample]:
    loose, others = list_loose(shard.path)
    captioned = any(one.caption for one in loose)
    chosen = loose[shard.first : shard.end]
    if shard.first == 0:
        _book_others(reading, others)
    for number, one in enumerate(chosen):
        sample_id = shard.sample_id(shard.start + number)
        reading.done = (number + 1) / len(chosen)
        reading.members.take(written=(one.image is not None) + (one.caption is not None))
        caption = _read_caption(shard, one.caption) if one.caption else ""
        fault = find_caption_fault(caption) if captioned else ""
        if fault := fault or ("" if one.image else NO_IMAGE):
            reading.samples.take(dropped=1, reason=fault)
            continue
        reading.samples.take(written=1)
        size, content = read_photo(shard.path / one.image, with_images)
        yield Sample(sample_id, one.image, caption, ImageRef(one.image), size, content)


def _book_others(reading: Reading, others: list[str]) -> None:
    for path in others:
        reading.members.take(dropped=1, reason=name_sidecar(_split(path)[1]))


def _read_caption(shard: Shard, path: str) -> str:
    """The caption in a file; "" where it cannot be read or holds none."""
    is_json = path.lower().endswith(".json")
    try:
        with (shard.path / path).open("rb") as stream:
            content = stream.read(_MAX_JSON if is_json else MAX_CAPTION + 1)
        if not is_json:
            return clean_text(content.decode("utf-8-sig", "replace"))
        return read_json_caption(content, shard.options)
    except OSError:
        return ""


def _cut(path: Path, options: ReadOptions) -> list[Piece]:
    count = len(list_loose(path)[0])
    return cut_at([(place, place) for place in range(shards.PIECE_SAMPLES, count, shards.PIECE_SAMPLES)])


def _identify(shard: Shard, with_images: bool) -> str:
    checksum = hashlib.sha256(f"{shard.options.caption}".encode())
    for one in _choose(shard):
        checksum.update(f"{one}\0".encode("utf-8", "surrogateescape"))
        if one.image:
            checksum.update(describe_file(shard.path / one.image, with_images).encode())
        if one.caption:
            checksum.update(describe_file(shard.path / one.caption, True).encode())
    return checksum.hexdigest()


def _describe(shard: Shard) -> Layout:
    loose, others = list_loose(shard.path)
    first = next((one.caption for one in loose if one.caption), None)
    notes = (f"{len(others):,} other files play no part",) if others else ()
    if first is None:
        note = "the images are searched, and no captions: an image-side count alone"
        return Layout("folder of images without captions", (), (note, *notes))
    ending = _split(first)[1]
    lone = sum(one.caption is None for one in loose)
    notes = (*notes, f"{lone:,} images have no caption") if lone else notes
    return Layout("folder of images with a caption file each", (Column("caption", f".{ending}", "beside each image"),), notes)


READER = Reader("folder", (), "folders of images", _read, _cut, _identify, _describe)
