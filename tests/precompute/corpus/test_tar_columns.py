"""The compiled loops over a tar give what `tarfile` and the plain way give: the same samples, and the same books."""

import io
import json
import sys
import tarfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.image_header import read_header
from precompute.corpus import tar, tar_columns, tar_scan
from precompute.corpus.registry import find_shards, identify_shard, read_batches
from precompute.corpus.sample import batch_samples
from precompute.corpus.shard import Reading
from precompute.corpus.tar_kernels import read_size
from precompute.corpus.tar_layout import TarLayout
from tests.backend.test_image_header import KINDS, write_image
from tests.precompute.corpus.shard_files import join_batches, picture, write_tar

PHOTO = picture(size=(64, 48))
ODD = [picture("PNG", (7, 3)), picture("GIF", (5, 2)), picture("WEBP", (6, 4)), b"", b"no image", PHOTO[:30], PHOTO * 3]
CAPTIONS = [b"a rose", b" \n", b"", b" two\tlines \n", "café".encode(), b"a\0b", b"\xff\xfe", b"\x1c x \x1f", b"x" * 66_000]
OTHERS = ["json", "cls", "seg.png", "bin", "", "TXT", "parquet"]


def read_both(path) -> list[tuple]:
    """The samples and the books, each way."""
    (shard,) = find_shards([str(path)])
    found = []
    for read in (lambda *of: batch_samples(tar.read_tar(*of, False)), tar_columns.read_columns):
        reading = Reading()
        samples = join_batches([batch.table for batch in read(shard, reading)]).to_pylist()
        found.append((samples, reading.samples.entry(), reading.members.entry()))
    return found


@pytest.fixture
def tight(monkeypatch):
    """Blocks and stretches are so short that members cross their ends, and samples that stand alone are columns, too."""
    monkeypatch.setattr(tar_scan, "_READ_AT_ONCE", 4096)
    monkeypatch.setattr(tar_scan, "_MEMBERS_AT_ONCE", 7)
    monkeypatch.setattr(tar_columns, "_FEW_SAMPLES", 1)


KEYS = st.sampled_from(["0", "1", "2", "a/0", "/0", "v1.5", "é", ".hidden", "n" * 90, "d" * 60 + "/" + "n" * 60, "thumbs"])
MEMBERS = st.one_of(
    st.tuples(st.sampled_from(["jpg", "png", "JPEG"]), st.sampled_from([PHOTO, *ODD])),
    st.tuples(st.just("txt"), st.sampled_from(CAPTIONS)),
    st.tuples(st.sampled_from(OTHERS), st.just(b'{"caption": "a tulip"}')),
)
RUNS = st.tuples(KEYS, st.lists(MEMBERS, min_size=1, max_size=3), st.booleans())
FORMS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]


def write_runs(path, runs, form, cut=0) -> None:
    """A tar of members that come in runs with one key each, whose time may be a fraction (a header of its own in PAX)."""
    with tarfile.open(path, "w", format=form) as archive:
        for number, (key, members, fraction) in enumerate(runs):
            for ending, content in members:
                info = tarfile.TarInfo(f"{key}{number % 5 or ''}.{ending}" if ending else key)
                info.size, info.mtime = len(content), 0.5 if fraction and form == tarfile.PAX_FORMAT else 0
                archive.addfile(info, io.BytesIO(content))
    if cut:
        path.write_bytes(path.read_bytes()[:-cut])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(RUNS, min_size=1, max_size=12), st.sampled_from(FORMS), st.sampled_from([0, 0, 5_000, 10_300, 12_800]))
def test_odd_tars_give_the_same_samples_and_books_both_ways(tmp_path, tight, runs, form, cut):
    write_runs(tmp_path / "a.tar", runs, form, cut)
    plain, columns = read_both(tmp_path / "a.tar")
    assert columns == plain


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("caption", ["txt", "json"])
def test_usual_tars_are_read_by_the_loops_alone(tmp_path, form, caption):
    text = b"a rose" if caption == "txt" else json.dumps({"caption": "a rose"}).encode()
    runs = [(f"{number:05}", [("jpg", PHOTO), (caption, text), ("cls", b"3")], True) for number in range(40)]
    write_runs(tmp_path / "a.tar", runs, form)
    with (tmp_path / "a.tar").open("rb") as stream:
        layout = TarLayout(caption, "caption" if caption == "json" else None)
        found = list(tar_scan.scan_members(stream, tmp_path / "a.tar", layout))
    assert [stretch.members for stretch in found] == [120]
    plain, columns = read_both(tmp_path / "a.tar")
    assert columns == plain
    assert [(row["caption"], row["width"], row["height"]) for row in columns[0]] == [("a rose", 64, 48)] * 40
    assert columns[1]["written"] == 40


def test_a_header_for_all_members_behind_it_counts_for_all_of_them(tmp_path, tight):
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.PAX_FORMAT, pax_headers={"path": "same.txt"}) as archive:
        for name, content in (("0.jpg", PHOTO), ("0.txt", b"a"), ("1.jpg", PHOTO), ("1.txt", b"b")):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    plain, columns = read_both(tmp_path / "a.tar")
    assert columns == plain
    assert [row["key"] for row in columns[0]] == ["same"]


def test_a_size_beyond_octal_digits_is_read(tmp_path, tight):
    path = write_tar(tmp_path / "a.tar", [("0.jpg", PHOTO), ("0.txt", b"a")], tarfile.GNU_FORMAT)
    content = bytearray(path.read_bytes())
    content[124:136] = b"\x80" + len(PHOTO).to_bytes(11, "big")
    content[148:156] = b" " * 8
    content[148:156] = b"%06o\0 " % sum(content[:512])
    path.write_bytes(content)
    plain, columns = read_both(path)
    assert columns == plain
    assert [row["length"] for row in columns[0]] == [len(PHOTO)]


SIZES = [b"%011o\0", b"%011o ", b"%012o", b"%6o \0    ", b"%o\0", b"%8o\0xyz", b"  %o", b"%011o8", b"9%010o\0"]
CHECKSUMS = [b"%06o\0 ", b"%06o \0", b"%07o\0", b"%6o\0 ", b"%08o", b"0%5o9 ", b"%o\0"]


@pytest.mark.parametrize("checksum", CHECKSUMS)
@pytest.mark.parametrize("size", SIZES)
def test_numbers_of_any_form_are_read_as_the_plain_way_reads_them(tmp_path, tight, size, checksum):
    path = write_tar(tmp_path / "a.tar", [("0.jpg", PHOTO), ("0.txt", b"a"), ("1.jpg", PHOTO), ("1.txt", b"b")])
    content = bytearray(path.read_bytes())
    header = memoryview(content)[content.index(b"1.jpg") :][:512]
    header[124:136] = (size % len(PHOTO)).ljust(12, b"\0")[:12]
    header[148:156] = b" " * 8
    header[148:156] = (checksum % sum(header)).ljust(8, b"\0")[:8]
    path.write_bytes(content)
    plain, columns = read_both(path)
    assert columns == plain
    assert columns[1]["written"] >= 1


def test_a_key_that_another_begins_with_and_a_flipped_byte_are_told_apart(tmp_path, tight):
    names = ["0123456.jpg", "0123456.txt", "01234567.jpg", "01234567.TXT", "0123456.7.jpg", "0123456.7.txt", "01234567a.jpg"]
    content = [PHOTO if name.endswith("jpg") else name.encode() for name in names]
    path = write_tar(tmp_path / "a.tar", [*zip(names, content, strict=True), ("01234567a.txt", b"last")])
    plain, columns = read_both(path)
    assert columns == plain
    assert [row["key"] for row in columns[0]] == ["0123456", "01234567", "01234567a"]
    content = path.read_bytes()
    header = content.index(b"01234567a.jpg")
    for place in (header + 3, header + 130, header + 300):  # the header is no sound one then
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        plain, columns = read_both(path)
        assert columns == plain
        assert [row["key"] for row in columns[0]] == ["0123456", "01234567"]


def test_pieces_that_are_columns_sum_to_the_whole(tmp_path, tight, monkeypatch):
    runs = [(f"{number:03}-", [("jpg", PHOTO), ("txt", b"%d" % number)], False) for number in range(30)]
    write_runs(tmp_path / "a.tar", runs, tarfile.USTAR_FORMAT)
    monkeypatch.setattr(tar, "FEW_BYTES", 0)
    whole = [batch.table for shard in find_shards([str(tmp_path / "a.tar")]) for batch in read_batches(shard, Reading())]
    monkeypatch.setattr(tar, "WHOLE_BYTES", 0)
    monkeypatch.setattr("precompute.corpus.shard.PIECE_SAMPLES", 4)
    shards = find_shards([str(tmp_path / "a.tar")])
    pieces = [batch.table for shard in shards for batch in read_batches(shard, Reading())]
    assert len(shards) > 5
    assert join_batches(pieces).to_pylist() == join_batches(whole).to_pylist()
    assert join_batches(whole)["caption"].to_pylist() == [str(number) for number in range(30)]


@pytest.mark.parametrize("least", [0, 1 << 40])
def test_a_tar_is_known_by_what_its_samples_depend_on(tmp_path, monkeypatch, least):
    monkeypatch.setattr(tar, "FEW_BYTES", least)
    names = {}
    for name, photo, caption in (("a", PHOTO, b"a"), ("pixels", PHOTO[:-9] + bytes(9), b"a"), ("text", PHOTO, b"b")):
        path = write_tar(tmp_path / f"{name}.tar", [("0.jpg", photo), ("0.txt", caption), ("1.jpg", photo), ("1.txt", b"c")])
        (shard,) = find_shards([str(path)])
        names[name] = [identify_shard(shard, with_images) for with_images in (False, True)]
    assert names["a"][0] == names["pixels"][0] != names["text"][0]
    assert len({with_images for _, with_images in names.values()}) == 3
    before = names["text"][0]
    (tmp_path / "text_stats.json").write_text('{"successes": 9}')
    assert identify_shard(shard) != before


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(1, 1), (640, 427), (16_000, 9)])
def test_loops_read_the_size_that_the_header_says(kind, size):
    content = np.frombuffer(write_image(kind, size), np.uint8)
    assert read_size(content, 0, len(content)) == size


WRITTEN = [write_image(kind, (31, 17))[:800] for kind in KINDS]


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(WRITTEN), st.lists(st.tuples(st.integers(0, 799), st.integers(0, 255)), max_size=4), st.integers(0, 800))
def test_loops_read_broken_headers_as_the_plain_way_does(content, changes, length):
    broken = bytearray(content)
    for place, byte in changes:
        broken[place % len(broken)] = byte
    head = bytes(broken[:length])
    width, height = read_header(head)
    assert read_size(np.frombuffer(b"?" + head, np.uint8), 1, 1 + len(head)) == (width or 0, height or 0)


def test_without_numba_tars_are_read_the_plain_way_and_a_warning_says_so(tmp_path, monkeypatch):
    path = write_tar(tmp_path / "a.tar", [("0.jpg", PHOTO), ("0.txt", b"a rose")])
    monkeypatch.setattr(tar, "FEW_BYTES", 0)
    monkeypatch.setitem(sys.modules, "precompute.corpus.tar_columns", None)
    tar._find_loops.cache_clear()
    try:
        (shard,) = find_shards([str(path)])
        with pytest.warns(UserWarning, match="Tars are read in plain Python.*numba cannot be loaded"):
            (batch,) = read_batches(shard, Reading())
    finally:
        tar._find_loops.cache_clear()
    assert batch.table["caption"].to_pylist() == ["a rose"]
