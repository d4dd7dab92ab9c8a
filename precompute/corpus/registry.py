"""Which reader reads which file: by its ending. A new kind of input is a new module with a `READER`, and a line here."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from glob import glob
from pathlib import Path, PurePosixPath

import pyarrow as pa
import pyarrow.compute as pc

from backend.errors import SourceError
from precompute.corpus import coco, tables, tar
from precompute.corpus import shard as shards
from precompute.corpus.photos import BESIDE
from precompute.corpus.sample import Sample, SampleBatch, batch_samples
from precompute.corpus.shard import AS_FOUND, Layout, Reader, Reading, ReadOptions, Shard

READERS: tuple[Reader, ...] = (tar.READER, tables.READER, coco.READER)

_BY_KIND = {reader.kind: reader for reader in READERS}
_BY_ENDING = {ending: reader for reader in READERS for ending in reader.endings}


def find_shards(patterns: Sequence[str], options: ReadOptions = AS_FOUND) -> list[Shard]:
    """The shards of all files that the patterns match: files sorted within a pattern and numbered from 0, each file once.

    A large file is several shards. The photos that tables name lie in the folder `options.images`; without it in the folder
    `images` beside the table, or beside the table itself. Raises SourceError for a pattern that matches nothing, or something
    that no reader reads.
    """
    files: dict[Path, Reader] = {}
    for pattern in patterns:
        matched = [pattern] if os.path.lexists(pattern) else sorted(glob(pattern, recursive=True))  # noqa: PTH207
        if not matched:  # pathlib's own glob takes no absolute pattern
            raise SourceError(f"'{pattern}' matches no file. Tailscope reads {_describe_readers()}.")
        for path in map(Path, matched):
            reader = _BY_ENDING.get(path.suffix.lower())
            if reader is None or not path.is_file():
                raise SourceError(f"'{pattern}' matches {path}, which is no shard. Tailscope reads {_describe_readers()}.")
            files.setdefault(path.absolute(), reader)
    found, number = [], 0
    options = replace(options, images=options.images and options.images.absolute())
    for path, reader in files.items():
        pieces = reader.cut(path)
        given = replace(options, images=None) if reader.holds_images else options
        found += [Shard(number, path, reader.kind, piece.start, piece.first, piece.end, given) for piece in pieces]
        number += pieces[-1].start // shards.SAMPLES_PER_SHARD + 1
    return found


def read_samples(shard: Shard, reading: Reading, with_images: bool = False) -> Iterator[Sample]:
    """The samples of a shard as they pass, each photo's bytes with the first sample that has it where they are asked for.

    A caption has no white space around it; U+FFFD stands for bytes that are no UTF-8. What does not become a sample is
    booked under a reason. Raises SourceError where the file is not of its kind.
    """
    return _BY_KIND[shard.kind].read(shard, reading, with_images)


def read_batches(shard: Shard, reading: Reading, with_images: bool = False) -> Iterator[SampleBatch]:
    """`read_samples` in batches of bounded memory; their ids rise but where a tar's members stand apart."""
    return batch_samples(read_samples(shard, reading, with_images))


def identify_shard(shard: Shard, with_images: bool = False) -> str:
    """A checksum of all that a shard's samples depend on: other content has another one, another place or time has not."""
    return _BY_KIND[shard.kind].identify(shard, with_images)


def describe_layout(shard: Shard) -> Layout:
    """What a shard's file seems to be, and which columns are taken of it. Raises SourceError where it is not of its kind."""
    return _BY_KIND[shard.kind].describe(shard)


def measure_file(shard: Shard) -> int:
    """The bytes of a shard's whole file."""
    return shard.path.stat().st_size


def place_images(samples: pa.Table, shard: Shard, base: Path) -> pa.Table:
    """A shard's samples with `image` as a study in the folder `base` names it; it comes relative to the shard's root.

    Links are resolved first: `..` leaves a linked folder by another door than it came in.
    """
    root = PurePosixPath(os.path.relpath(shard.root.resolve(), base.resolve()))
    if _BY_KIND[shard.kind].holds_images:
        images = pa.repeat(pa.scalar(str(root / shard.path.name), pa.string()), samples.num_rows)
    else:
        start = "" if root == PurePosixPath() else f"{root}/"
        images = pc.binary_join_element_wise(pa.scalar(start), samples["image"], "")  # null where there is none
        images = pc.if_else(pc.match_substring(samples["image"], "://"), samples["image"], images)
    return samples.set_column(samples.schema.get_field_index("image"), samples.schema.field("image"), images)


def list_image_folders(shards: Sequence[Shard]) -> set[Path]:
    """The folders that the shards' images really lie in, with all links followed."""
    folders: set[Path] = set()
    for shard in shards:
        own = _BY_KIND[shard.kind].holds_images
        folders |= {shard.path.resolve().parent} if own else {shard.root.resolve(), (shard.root / BESIDE).resolve()}
    return {folder for folder in folders if folder.is_dir()}


def _describe_readers() -> str:
    *titles, last = (reader.title for reader in READERS)
    return f"{', '.join(titles)} and {last}"
