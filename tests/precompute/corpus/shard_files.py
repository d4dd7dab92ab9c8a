"""Small shards of every kind, and what is read of them as a study would have it."""

import io
import json
import tarfile
from pathlib import Path

import pyarrow as pa
from PIL import Image

from precompute.corpus.registry import find_shards, place_images, read_batches
from precompute.corpus.sample import SCHEMA
from precompute.corpus.shard import Reading, ReadOptions


def join_batches(tables: list[pa.Table]) -> pa.Table:
    """One table of several batches' samples, sorted by sample_id: a reader may give one early whose first part came late."""
    return pa.concat_tables([SCHEMA.empty_table(), *tables]).sort_by("sample_id")


def picture(form: str = "JPEG", size: tuple[int, int] = (40, 30)) -> bytes:
    """An image file of one colour."""
    stream = io.BytesIO()
    Image.new("RGB", size, (200, 30, 60)).save(stream, form)
    return stream.getvalue()


def write_tar(path: Path, members: list[tuple[str, bytes]], form: int = tarfile.PAX_FORMAT) -> Path:
    """A tar of these members."""
    with tarfile.open(path, "w", format=form) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def write_photos(folder: Path, *names: str) -> Path:
    """A folder of photos."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(picture())
    return folder


def write_coco(path: Path, images: list, annotations: list, categories: list | None = None) -> Path:
    """A COCO file."""
    content = {"images": images, "annotations": annotations}
    path.write_text(json.dumps(content if categories is None else content | {"categories": categories}))
    return path


def read(path: Path, base: Path | None = None, images: Path | None = None, number: int = 0) -> tuple[list[dict], dict]:
    """The samples of a file, whole or in pieces, and what the ledger says of it; the books balance."""
    samples, reading = [], Reading()
    for shard in find_shards([str(path)], ReadOptions(images=images)):
        tables = [batch.table for batch in read_batches(shard, reading)]
        samples += place_images(join_batches(tables), shard, base or path.parent).drop_columns("key").to_pylist()
        assert all(table.schema.equals(SCHEMA) for table in tables)
    for sample in samples:
        sample["sample_id"] += number * 10_000_000
    assert reading.samples.written == len(samples)
    for ledger in (reading.samples, reading.members):
        assert ledger.read == ledger.written + sum(ledger.dropped.values())
    return samples, dict(reading.samples.dropped)


def read_members(path: Path) -> dict:
    """What the ledger says of the members of a file."""
    reading = Reading()
    for shard in find_shards([str(path)]):
        for _ in read_batches(shard, reading):
            pass
    return reading.members.entry()


def captions(path: Path) -> list[str]:
    """The captions of a file's samples."""
    return [sample["caption"] for sample in read(path)[0]]
