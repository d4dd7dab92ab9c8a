"""Caption tables become samples, whole or in pieces; a row that makes none is counted, not lost."""

import csv
import os
import random

import pytest

from backend.errors import SourceError
from precompute.corpus import lines, shard, tables
from precompute.corpus.registry import find_shards, read_samples
from precompute.corpus.shard import Reading
from tests.precompute.corpus.shard_files import captions, picture, read, write_photos


def test_photo_with_two_captions_makes_two_samples(tmp_path):
    write_photos(tmp_path / "corpus" / "images", "1.jpg", "2.jpg")
    path = tmp_path / "corpus" / "captions.txt"
    path.write_text('image,caption\n1.jpg,"A dalu , red , and a ""zib"" ."\n1.jpg,A dalu .\n2.jpg,A zib .\n')
    samples, dropped = read(path, base=tmp_path / "study", number=1)
    photo = {"offset": None, "length": None, "width": 40, "height": 30}
    assert samples == [
        {"sample_id": 10_000_000, "caption": 'A dalu , red , and a "zib" .', "image": "../corpus/images/1.jpg", **photo},
        {"sample_id": 10_000_001, "caption": "A dalu .", "image": "../corpus/images/1.jpg", **photo},
        {"sample_id": 10_000_002, "caption": "A zib .", "image": "../corpus/images/2.jpg", **photo},
    ]
    assert dropped == {}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "image,caption\n1.jpg,a rose\n"),
        ("a.csv", "\ufeffImage, Caption \r\n1.jpg, a rose\r\n\r\n"),
        ("a.csv", '"caption","license","image"\n"a rose",,"1.jpg"\n'),
        ("a.tsv", "caption\timage\na rose\t1.jpg"),
        ("a.txt", "image\tcaption\n1.jpg\ta rose\n"),
    ],
)
def test_tables_of_every_form_say_the_same(tmp_path, name, content):
    write_photos(tmp_path, "1.jpg")
    (tmp_path / name).write_text(content, newline="")
    samples, dropped = read(tmp_path / name)
    assert [(sample["image"], sample["caption"]) for sample in samples] == [("1.jpg", "a rose")]
    assert dropped == {}


def test_photos_lie_in_images_or_beside_the_table_or_where_one_says(tmp_path):
    table = tmp_path / "a.csv"
    table.write_text("image,caption\n1.jpg,a\nsub/2.jpg,b\n")
    write_photos(tmp_path, "1.jpg")
    write_photos(tmp_path / "images" / "sub", "2.jpg")
    write_photos(tmp_path / "elsewhere", "1.jpg")
    assert [sample["image"] for sample in read(table)[0]] == ["1.jpg", "images/sub/2.jpg"]
    samples, dropped = read(table, images=tmp_path / "elsewhere")
    assert [sample["image"] for sample in samples] == ["elsewhere/1.jpg"]
    assert dropped == {"no image": 1}
    with pytest.raises(SourceError, match="No folder of images at .*absent"):
        read(table, images=tmp_path / "absent")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("1.jpg,", "no caption"),
        ("1.jpg", "no caption"),
        ("1.jpg,  ", "no caption"),
        (f"1.jpg,{'x' * 65_537}", "caption above 64 KiB"),
        ("absent.jpg,a", "no image"),
        (",a", "no image"),
        ("sub,a", "no image"),
        (f"{'x' * 5000}.jpg,a", "no image"),
        ("http://127.0.0.1/1.jpg,a", "no image"),
        ("pipe.jpg,a", "no image"),
        ("../a.csv,a", "image outside the folder"),
        ("sub/../1.jpg,a", "image outside the folder"),
        ("/etc/passwd,a", "image outside the folder"),
        (f"1.jpg,{'x' * 200_000}", "caption above 64 KiB"),
        ('1.jpg,"a', "unreadable row"),
        ('"1.jpg" x,a', "unreadable row"),
    ],
)
def test_row_that_makes_no_sample_is_dropped_and_the_next_one_is_read(tmp_path, row, reason):
    write_photos(tmp_path, "1.jpg")
    (tmp_path / "sub").mkdir()
    os.mkfifo(tmp_path / "pipe.jpg")
    rows = ["1.jpg,first", row, "1.jpg,last"] if row != '1.jpg,"a' else ["1.jpg,first", "1.jpg,last", row]
    (tmp_path / "a.csv").write_text("\n".join(["image,caption", *rows]) + "\n")
    samples, dropped = read(tmp_path / "a.csv")
    assert [sample["caption"] for sample in samples] == ["first", "last"]
    assert dropped == {reason: 1}


def test_rows_that_an_open_quote_takes_are_all_counted(tmp_path):
    write_photos(tmp_path, "1.jpg")
    (tmp_path / "a.csv").write_text('image,caption\n1.jpg,"open\n1.jpg,b\n1.jpg,"c, d"\n1.jpg,last\n')
    samples, dropped = read(tmp_path / "a.csv")
    assert [sample["caption"] for sample in samples] == ["last"]
    assert dropped == {"unreadable row": 3}


def test_caption_in_the_last_column_may_hold_separators(tmp_path):
    write_photos(tmp_path, "1.jpg")
    (tmp_path / "a.csv").write_text('image,caption\n1.jpg,A dalu , red ; "so" .\n')
    (tmp_path / "b.tsv").write_text('image\tcaption\n1.jpg\t"A dalu\tred\n')
    (tmp_path / "c.csv").write_text("caption,image\nA dalu , red,1.jpg\n")
    assert captions(tmp_path / "a.csv") == ['A dalu , red ; "so" .']
    assert captions(tmp_path / "b.tsv") == ['"A dalu\tred']
    assert read(tmp_path / "c.csv") == ([], {"unreadable row": 1})


def test_table_of_bytes_that_are_no_text_is_read(tmp_path):
    write_photos(tmp_path, "1.jpg")
    (tmp_path / "a.csv").write_bytes(b'image,caption\n1.jpg,"caf\xe9\n\0rose"\n')
    assert captions(tmp_path / "a.csv") == ["caf\ufffd\nrose"]


@pytest.mark.parametrize(
    "content", ["", "image,caption,caption\n", "image,image,caption\n", "image,label\n1.jpg,rose\n", "\x89PNG\r\n"]
)
def test_table_without_the_header_is_refused(tmp_path, content):
    (tmp_path / "a.tsv").write_text(content)
    with pytest.raises(SourceError, match=r"a\.tsv has no header with the columns image and caption; its first line is"):
        read(tmp_path / "a.tsv")


HOSTILE = [
    "1.jpg,plain",
    "",
    '1.jpg,"two\nlines"',
    '1.jpg,"three\r\n\r\nlines"',
    '1.jpg,5" nails',
    '1.jpg,"a "" quote"',
    '"1.jpg" x,bad',
    ",no image",
    "1.jpg,",
    "1.jpg,caf\u00e9 \U0001f44d",
    "absent.jpg,x",
    f"1.jpg,{'x' * 200_000}",
]


@pytest.mark.parametrize("seed", range(12))
def test_pieces_of_a_table_sum_to_the_whole(tmp_path, monkeypatch, seed):
    chance = random.Random(seed)
    write_photos(tmp_path, "1.jpg")
    name, tail = ("a.tsv", "") if seed % 3 == 2 else ("a.csv", '1.jpg,"open\n1.jpg,x\n' if seed % 2 else "")
    separator = "\t" if name == "a.tsv" else ","
    rows = [row.replace(",", separator, 1) for row in chance.choices(HOSTILE, k=40)]
    end = chance.choice(["\n", "\r\n", "\r"])
    content = "\ufeff" * (seed % 2) + end.join([f"image{separator}caption", *rows]) + end + tail
    (tmp_path / name).write_text(content, newline="", encoding="utf-8")
    whole = read(tmp_path / name)
    monkeypatch.setattr(tables, "WHOLE_BYTES", 0)
    monkeypatch.setattr(lines, "BLOCK", 10_000 if any(len(row) > 1000 for row in rows) else 1)
    for size in (1, 3, 7):
        monkeypatch.setattr(shard, "PIECE_SAMPLES", size)
        assert len(find_shards([str(tmp_path / name)])) > 3
        assert read(tmp_path / name) == whole
    assert len(whole[0]) > 5


def test_file_of_more_rows_than_a_number_has_takes_several_numbers(tmp_path, monkeypatch):
    write_photos(tmp_path, "1.jpg")
    monkeypatch.setattr(tables, "WHOLE_BYTES", 0)
    monkeypatch.setattr(shard, "PIECE_SAMPLES", 2)
    monkeypatch.setattr(shard, "SAMPLES_PER_SHARD", 4)
    for name, rows in (("a.csv", 10), ("b.csv", 3)):
        (tmp_path / name).write_text("image,caption\n" + "1.jpg,a\n" * rows)
    found = find_shards([str(tmp_path / "*.csv")])
    assert [(piece.path.name, piece.number, piece.start) for piece in found] == [
        *[("a.csv", 0, start) for start in range(0, 10, 2)],
        *[("b.csv", 3, start) for start in range(0, 3, 2)],
    ]
    ids = [sample.sample_id for piece in found for sample in read_samples(piece, Reading())]
    assert ids == [*range(10), 12, 13, 14]


def test_line_without_an_end_does_not_fill_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "BLOCK", 1 << 16)
    monkeypatch.setattr(lines, "LONGEST_LINE", 1 << 17)
    write_photos(tmp_path, "1.jpg")
    (tmp_path / "a.csv").write_text("image,caption\n1.jpg,a\n" + "x" * 300_000 + "\n1.jpg,b\n")
    samples, dropped = read(tmp_path / "a.csv")
    assert [sample["caption"] for sample in samples] == ["a", "b"]
    assert dropped.keys() == {"no caption"}


def test_photo_that_cannot_be_identified_stays_a_sample(tmp_path):
    (tmp_path / "1.jpg").write_bytes(b"no image")
    (tmp_path / "a.csv").write_text("image,caption\n1.jpg,a\n")
    samples, dropped = read(tmp_path / "a.csv")
    assert [(sample["image"], sample["width"]) for sample in samples] == [("1.jpg", None)]
    assert dropped == {}


def test_image_is_found_from_a_study_behind_a_link(tmp_path):
    write_photos(tmp_path / "corpus", "1.jpg")
    (tmp_path / "corpus" / "a.csv").write_text("image,caption\n1.jpg,a\n")
    (tmp_path / "disk" / "deep" / "studies").mkdir(parents=True)
    (tmp_path / "studies").symlink_to(tmp_path / "disk" / "deep" / "studies")
    base = tmp_path / "studies" / "mine"
    samples, _ = read(tmp_path / "corpus" / "a.csv", base=base)
    base.mkdir()
    assert (base / samples[0]["image"]).read_bytes() == picture()


def test_flickr8k_has_five_captions_a_photo(shared_data, tmp_path):
    samples, dropped = read(shared_data / "flickr8k-1000" / "captions.txt", base=tmp_path)
    assert (len(samples), dropped) == (5000, {})
    assert len({sample["image"] for sample in samples}) == 1000
    lines = (shared_data / "flickr8k-1000" / "captions.txt").read_text(encoding="utf-8").splitlines()
    quoted = [line for line in lines if ',"' in line]
    assert sum(bool({",", '"'} & set(sample["caption"])) for sample in samples) == len(quoted) > 0
    assert all((tmp_path / sample["image"]).is_file() and sample["width"] for sample in samples[::500])


def test_a_very_long_cell_is_read_and_the_limit_of_the_process_stays(tmp_path):
    before = csv.field_size_limit()
    path = tmp_path / "a.csv"
    path.write_text(f"note,caption\n{'x' * (before + 1)},a rose\n")
    assert captions(path) == ["a rose"]
    assert csv.field_size_limit() == before
