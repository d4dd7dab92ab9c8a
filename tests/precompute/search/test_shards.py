"""A shard is searched in one pass over its bytes; its part goes by its content, wherever it lies and whatever its time says."""

import dataclasses
import io
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from backend.study import ROOT
from precompute.corpus import tar_samples
from precompute.corpus.registry import find_shards
from precompute.corpus.sample import SCHEMA
from precompute.corpus.shard import ReadOptions, Shard
from precompute.search import images, shards
from precompute.search.layers import Layer
from precompute.search.parts import Look, Part, read_books, write_samples
from precompute.search.shards import SearchJob, ShardSearch, name_folder, name_part
from tests.precompute.colour_shards import ColourRecipe, picture, write_shard
from tests.precompute.corpus.shard_files import write_photos, write_tar

LAYER = Layer(("fern", "rose", "sky"))
LOOK = Look(ColourRecipe(), 0.25)
SEARCH = SearchJob(LAYER.concepts, LOOK)
RED, GREEN = picture(128, 0, 0), picture(0, 96, 0)
SAMPLES = [("A rose.", RED), ("Roses and a fern", GREEN), ("A fern", RED)]


class CountingStream(io.BytesIO):
    """A file that knows which of its bytes were read, and how often."""

    def __init__(self, content: bytes):
        super().__init__(content)
        self.reads = bytearray(len(content))

    def read(self, size: int = -1) -> bytes:
        start = self.tell()
        content = super().read(size)
        for place in range(start, start + len(content)):
            self.reads[place] += 1
        return content


@pytest.fixture
def opened(monkeypatch):
    """The streams that shards were opened as; nothing else may read an image."""
    streams = []

    def open_counting(shard):
        streams.append(CountingStream(shard.path.read_bytes()))
        return streams[-1]

    monkeypatch.setattr(Shard, "open", open_counting)
    monkeypatch.setattr(images, "read_image_bytes", lambda *place, **how: pytest.fail(f"{place} is read again"))
    return streams


def find(path, images=None) -> Shard:
    (shard,) = find_shards([str(path)], ReadOptions(images=images))
    return shard


def search(path, place) -> tuple[list[tuple], list[dict]]:
    """The image hits of a file and its samples, as its part has them."""
    part = Part(place)
    ShardSearch(SEARCH, (LAYER,)).write_part(find(path), part)
    hits = pq.read_table(part.image(LOOK, LAYER)).sort_by([("sample_id", "ascending"), ("score", "descending")])
    return [tuple(row.values()) for row in hits.to_pylist()], pq.read_table(part.samples).to_pylist()


def test_tar_is_opened_once_and_each_byte_read_once_when_a_tagger_looks(tmp_path, opened):
    path = write_shard(tmp_path / "a.tar", SAMPLES)
    hits, samples = search(path, tmp_path / "part")
    assert hits == [(0, 1, 0.5), (1, 0, 0.375), (2, 1, 0.5)]
    assert [sample["width"] for sample in samples] == [8, 8, 8]
    (stream,) = opened
    assert max(stream.reads) == 1
    for sample, (_, content) in zip(samples, SAMPLES, strict=True):
        place = slice(sample["offset"], sample["offset"] + sample["length"])
        assert (path.read_bytes()[place], set(stream.reads[place])) == (content, {1})


def test_image_before_its_caption_is_looked_at_from_the_bytes_that_passed(tmp_path, opened):
    members = [("0.png", RED), ("1.png", GREEN), ("0.txt", b"rose"), ("2.txt", b"x"), ("1.txt", b"fern"), ("2.png", RED)]
    hits, samples = search(write_tar(tmp_path / "a.tar", members), tmp_path / "part")
    assert hits == [(0, 1, 0.5), (1, 0, 0.375), (2, 1, 0.5)]
    assert [sample["caption"] for sample in samples] == ["rose", "fern", "x"]
    assert max(opened[0].reads) == 1


def test_images_that_wait_for_their_captions_too_long_are_read_again_not_held(tmp_path, monkeypatch):
    read_again, held = [], len(RED) + len(GREEN)
    members = [(f"{number}.png", (RED, GREEN)[number % 2]) for number in range(6)]
    members += [(f"{number}.txt", b"rose") for number in range(6)]
    path = write_tar(tmp_path / "a.tar", members)
    whole = search(path, tmp_path / "whole")
    read = images.read_image_bytes
    monkeypatch.setattr(images, "read_image_bytes", lambda *place, **how: read_again.append(place) or read(*place, **how))
    monkeypatch.setattr(tar_samples, "BATCH_BYTES", held)
    assert search(path, tmp_path / "held") == whole
    assert len(read_again) == 4


def test_photo_of_a_table_is_read_once_however_many_captions_it_has(tmp_path, monkeypatch):
    (tmp_path / "1.png").write_bytes(RED)
    (tmp_path / "a.csv").write_text("image,caption\n1.png,a\n1.png,b\n1.png,c\n")
    monkeypatch.setattr(images, "read_image_bytes", lambda *place, **how: pytest.fail(f"{place} is read again"))
    hits, samples = search(tmp_path / "a.csv", tmp_path / "part")
    assert hits == [(0, 1, 0.5), (1, 1, 0.5), (2, 1, 0.5)]
    assert [sample["image"] for sample in samples] == ["1.png"] * 3


def test_members_that_play_no_part_are_booked_with_the_reason(tmp_path):
    members = [("0.png", RED), ("0.txt", b"rose"), ("0.json", b"{}"), ("0.npy", b""), (".DS_Store", b""), ("0.what", b"")]
    search(write_tar(tmp_path / "a.tar", members), tmp_path / "part")
    books = {unit: ledger.entry() for unit, ledger in read_books(Part(tmp_path / "part"), LOOK).items()}
    assert books["members"] == {
        "read": 6,
        "written": 2,
        "dropped": {
            "plays no part: .json": 1,
            "plays no part: .npy": 1,
            "plays no part: hidden file, or litter of an operating system": 1,
            "plays no part: other ending": 1,
        },
    }
    assert books["samples"] == {"read": 1, "written": 1, "dropped": {}}


def test_only_plain_values_go_to_another_process(tmp_path):
    def is_plain(value) -> bool:
        if dataclasses.is_dataclass(value):
            return all(is_plain(getattr(value, field.name)) for field in dataclasses.fields(value))
        if isinstance(value, tuple):
            return all(map(is_plain, value))
        return value is None or isinstance(value, (str, int, float, os.PathLike))

    for value in (SEARCH, find(write_shard(tmp_path / "a.tar", SAMPLES))):
        assert is_plain(value)
        assert pickle.loads(pickle.dumps(value)) == value


# What a part goes by


def name(path, images=None, with_images: bool = True) -> str:
    return name_part(find(path, images), with_images)[1]


def test_copied_moved_and_touched_tar_goes_by_the_same_name_and_a_changed_byte_by_another(tmp_path):
    path = write_shard(tmp_path / "a.tar", SAMPLES)
    before, status = name(path), path.stat()
    copy = tmp_path / "elsewhere" / "b.tar"
    copy.parent.mkdir()
    shutil.copyfile(path, copy)
    os.utime(path, ns=(0, 0))
    assert name(path) == name(copy) == before
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert name(path) != before


def test_table_goes_by_its_rows_and_photos_wherever_they_lie(tmp_path):
    folder = tmp_path / "corpus"
    write_photos(folder / "images", "1.jpg", "2.jpg")
    (folder / "a.csv").write_text("image,caption\n1.jpg,a rose\n2.jpg,fern\n3.jpg,sky\n")
    before = name(folder / "a.csv")
    shutil.copytree(folder, tmp_path / "copy")
    assert name(tmp_path / "copy" / "a.csv") == before
    photo = (folder / "images" / "2.jpg").read_bytes()
    (folder / "images" / "2.jpg").write_bytes(photo[:-2] + b"\0\0")
    assert name(folder / "a.csv") != before
    assert name(folder / "a.csv", with_images=False) == name(tmp_path / "copy" / "a.csv", with_images=False)
    shutil.copyfile(tmp_path / "copy" / "images" / "1.jpg", tmp_path / "copy" / "images" / "3.jpg")
    assert name(tmp_path / "copy" / "a.csv") != before
    (tmp_path / "copy" / "images" / "3.jpg").unlink()
    (tmp_path / "copy" / "a.csv").write_text("image,caption\n1.jpg,a rose\n2.jpg,fern\n3.jpg,fog\n")
    assert name(tmp_path / "copy" / "a.csv") != before


def test_columns_that_change_places_make_another_name(tmp_path, monkeypatch):
    monkeypatch.setattr("precompute.corpus.tables.WHOLE_BYTES", 0)
    monkeypatch.setattr("precompute.corpus.shard.PIECE_SAMPLES", 1)
    write_photos(tmp_path, "1.jpg")
    names = set()
    for header in ("image,note,caption", "image,caption,note"):
        (tmp_path / "a.csv").write_text(f"{header}\n1.jpg,a,b\n1.jpg,c,d\n")
        names.add(name_part(find_shards([str(tmp_path / "a.csv")])[1], False)[1])
    assert len(names) == 2


def test_part_that_is_there_is_not_written_again(tmp_path):
    path, place = write_shard(tmp_path / "a.tar", SAMPLES), tmp_path / "part"
    search(path, place)
    written = {file.name: file.stat().st_ino for file in place.iterdir()}
    search(path, place)
    assert {file.name: file.stat().st_ino for file in place.iterdir()} == written


def test_parts_know_other_code_concepts_taggers_and_floors(tmp_path, monkeypatch):
    part = Part(tmp_path)
    others = [(Look(ColourRecipe("other"), 0.25), LAYER), (Look(ColourRecipe(), 0.2), LAYER), (LOOK, Layer(("fern",)))]
    assert len({part.image(look, layer) for look, layer in [(LOOK, LAYER), *others]}) == 4
    assert part.text(LAYER) != part.text(Layer(("fern",)))
    before = name_folder(tmp_path)
    monkeypatch.setattr(shards, "code_sha256", lambda module: "other code")
    assert name_folder(tmp_path) != before


def test_hits_of_lower_scores_serve_a_higher_floor_and_never_a_lower_one(tmp_path):
    path = write_shard(tmp_path / "a.tar", SAMPLES)
    search(path, tmp_path / "part")
    part = Part(tmp_path / "part")
    assert part.find_image(Look(ColourRecipe(), 0.3), LAYER) == part.image(LOOK, LAYER)
    assert part.find_image(Look(ColourRecipe(), 0.24), LAYER) is None
    assert part.find_image(Look(ColourRecipe("other"), 0.3), LAYER) is None


def test_samples_that_come_early_are_put_in_their_place(tmp_path):
    with write_samples(tmp_path / "samples.parquet") as file:
        for ids in ([2, 3], [0], [1, 4]):
            table = pa.table(
                {"sample_id": ids, "caption": [f"caption {number % 2}" for number in ids], "key": ["k"] * len(ids)}
            )
            columns = {name: table[name] if name in table.column_names else pa.nulls(len(ids)) for name in SCHEMA.names}
            file.write(pa.table(columns).cast(SCHEMA))
    written = pq.read_table(tmp_path / "samples.parquet")
    assert written["sample_id"].to_pylist() == [0, 1, 2, 3, 4]
    even, odd, *others = written["caption_hash"].to_pylist()
    assert even != odd
    assert others == [even, odd, even]


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="only Linux tells the most memory that a process had")
def test_a_file_of_one_row_group_is_searched_in_bounded_memory(tmp_path):
    """Twice as many captions take no more memory: they are read, hashed, searched and written a piece at a time."""
    code = """
import sys
from pathlib import Path
from precompute.corpus.registry import find_shards
from precompute.search.layers import Layer
from precompute.search.parts import Part
from precompute.search.shards import SearchJob, ShardSearch
(shard,) = find_shards([sys.argv[1]])
ShardSearch(SearchJob(("fern", "rose")), (Layer(("fern", "rose")),)).write_part(shard, Part(Path(sys.argv[1] + ".part")))
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
"""
    peaks = []
    for millions in (1, 3):
        path = tmp_path / f"{millions}.parquet"
        captions = pa.array([f"a rose and a fern number {number}" for number in range(1000)]).take(
            pa.array(np.arange(millions * 1_000_000) % 1000)
        )
        pq.write_table(pa.table({"caption": captions}), path, row_group_size=10_000_000)
        done = subprocess.run([sys.executable, "-c", code, str(path)], cwd=ROOT, capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout.split()[-1]) / 1024)
    assert peaks[1] < 1.5 * peaks[0]
