"""Webdataset shards: tars whose members share a key (a path up to the first dot of the file name) and make one sample.

A tar is read once, forwards, with one open file; only its first members are looked at before, to tell where captions stand. A
member's bytes are taken as they pass. Nothing is unpacked, and a name inside a tar is never used as a path.
"""

import hashlib
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import pyarrow as pa

from backend.errors import SourceError
from precompute.corpus import shard as shards
from precompute.corpus.sample import Sample, SampleBatch, batch_samples
from precompute.corpus.shard import Layout, Piece, Reader, Reading, ReadOptions, Shard, checksum_content, cut_at
from precompute.corpus.tar_layout import describe_layout, find_layout, read_first_members
from precompute.corpus.tar_members import count_expected, read_members
from precompute.corpus.tar_samples import Groups, Waiting

FEW_BYTES = 1 << 24  # of a tar that is read before the compiled loops are loaded
WHOLE_BYTES = 1 << 30  # a tar up to this size is one piece; what is larger is read once more, to find where to cut


def read_tar(shard: Shard, reading: Reading, with_images: bool) -> Iterator[Sample]:
    """The samples of a piece of a tar, each as soon as its image and its caption have passed.

    Members of one key make a sample even where others stand between them. Only a key that comes again after others, with
    an image or a caption that its sample has already, begins another sample. An image's bytes are held until its caption
    comes, unless very many images wait for theirs.
    """
    with shard.open() as stream:
        waiting = Waiting(shard, stream, reading, with_images)
        for info, fault in read_members(stream, shard.path, shard.first, shard.end):
            if sample := waiting.read_member(info, fault):
                yield sample
        waiting.close()


def read_tar_columns(shard: Shard, reading: Reading, with_images: bool) -> Iterator[SampleBatch] | None:
    """The samples of `read_tar` without images' bytes, by compiled loops; None where they do not pay or cannot be had."""
    if with_images or shard.path.stat().st_size < FEW_BYTES or not (read := _find_loops()):
        return None
    return read(shard, reading)


@lru_cache(maxsize=1)
def _find_loops() -> Callable[[Shard, Reading], Iterator[SampleBatch]] | None:
    try:
        from precompute.corpus.tar_columns import read_columns
    except (ImportError, OSError, RuntimeError) as error:
        warnings.warn(f"Tars are read in plain Python, ten times as slowly: numba cannot be loaded ({error}).", stacklevel=2)
        return None
    return read_columns


def describe_tar(shard: Shard) -> Layout:
    """What its file seems to be."""
    return describe_layout(shard.path, shard.options)


def identify_tar(shard: Shard, with_images: bool) -> str:
    """A checksum of what a piece's samples depend on: of the samples alone, or of all bytes where images count."""
    checksum = hashlib.sha256(b"%d" % count_expected(shard.path))  # how many a shard that is cut off has lost
    reading = Reading()
    try:
        if with_images:
            checksum.update(f"{find_layout(read_first_members(shard.path), shard.options, shard.path)}".encode())
        else:
            for batch in _read_batches(replace(shard, number=0), reading):
                checksum.update(_write_stream(batch.table.drop_columns("image")))
            checksum.update(f"{reading.samples.entry()}{reading.members.entry()}".encode())
            return checksum.hexdigest()
    except SourceError:  # who reads it says so
        checksum.update(b"no tar")
    checksum.update(checksum_content(shard).encode())
    return checksum.hexdigest()


def _read_batches(shard: Shard, reading: Reading) -> Iterator[SampleBatch]:
    return read_tar_columns(shard, reading, False) or batch_samples(read_tar(shard, reading, False))


def _write_stream(table: pa.Table) -> pa.Buffer:
    """The bytes of a table."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def cut_tar(path: Path, options: ReadOptions) -> list[Piece]:
    """The pieces of a tar: a large one is cut before a new key, where no sample waits for a member that may still come."""
    if path.stat().st_size <= WHOLE_BYTES:
        return [Piece()]
    places: list[tuple[int, int]] = []
    layout = find_layout(read_first_members(path), options, path)
    groups, before, apart = Groups(layout.parts), 0, 0
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
                groups, last, unfinished = Groups(layout.parts), {}, {}
            last[key] = seen
            group = groups.find(key, role)
            group.roles.add(role)
            unfinished.pop(key, None)
            if not group.is_complete:
                unfinished[key] = seen
    return cut_at(places)


def _none_waits(unfinished: dict[str, int], seen: int, apart: int) -> bool:
    """Whether every unfinished sample has waited longer than any sample's members have stood apart so far."""
    return not unfinished or seen - next(reversed(unfinished.values())) - 1 > apart


READER = Reader(
    "tar", (".tar",), "webdataset shards (.tar)", read_tar, cut_tar, identify_tar, describe_tar, True, read_tar_columns
)
