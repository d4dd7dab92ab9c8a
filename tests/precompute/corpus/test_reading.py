"""Shards become samples: webdataset tars, caption tables, COCO captions. Whatever is wrong with one is counted, not lost."""

import io
import json
import os
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from backend.errors import SourceError
from precompute.corpus import reading as corpus
from precompute.corpus.reading import SCHEMA, Shard, find_shards, read_given_hits, read_shard
from precompute.ledger import Ledger

HITS = [
    {"image": "1.jpg", "label": "rose", "score": 1.0},
    {"image": "1.jpg", "label": "zib", "score": 1.0},
    {"image": "2.jpg", "label": "rose", "score": 1.0},
]


def picture(form: str = "JPEG", size: tuple[int, int] = (40, 30)) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", size, (200, 30, 60)).save(stream, form)
    return stream.getvalue()


def write_tar(path: Path, members: list[tuple[str, bytes]], form: int = tarfile.PAX_FORMAT) -> Path:
    with tarfile.open(path, "w", format=form) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def write_photos(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(picture())
    return folder


def write_coco(path: Path, images: list, annotations: list, categories: list | None = None) -> Path:
    content = {"images": images, "annotations": annotations}
    path.write_text(json.dumps(content if categories is None else content | {"categories": categories}))
    return path


def read(path: Path, base: Path | None = None, images: Path | None = None, number: int = 0) -> tuple[list[dict], dict]:
    """The samples of a shard and what the ledger says of it; the books balance."""
    shard = find_shards([str(path)])[0]
    ledger = Ledger()
    table = read_shard(Shard(number, shard.path, shard.kind), base or path.parent, ledger, images)
    assert table.schema.equals(SCHEMA)
    assert ledger.written == table.num_rows
    assert ledger.read == ledger.written + sum(ledger.dropped.values())
    return table.to_pylist(), dict(ledger.dropped)


def captions(path: Path) -> list[str]:
    return [sample["caption"] for sample in read(path)[0]]


# Which files are shards


def test_shards_are_sorted_within_a_pattern_and_numbered_from_zero(tmp_path):
    for name in ("b1.tar", "b0.tar", "a.csv", "c.TAR", "d.json"):
        (tmp_path / name).touch()
    shards = find_shards([f"{tmp_path}/b*.tar", f"{tmp_path}/a.csv", f"{tmp_path}/[cd].*", f"{tmp_path}/b0.tar"])
    assert [(shard.number, shard.path.name, shard.kind) for shard in shards] == [
        (0, "b0.tar", "tar"),
        (1, "b1.tar", "tar"),
        (2, "a.csv", "table"),
        (3, "c.TAR", "tar"),
        (4, "d.json", "coco"),
    ]


def test_shards_have_absolute_paths(tmp_path, monkeypatch):
    (tmp_path / "a.tar").touch()
    monkeypatch.chdir(tmp_path)
    assert find_shards(["*.tar"]) == [Shard(0, tmp_path / "a.tar", "tar")]


def test_name_with_brackets_is_a_name_where_such_a_file_exists(tmp_path):
    (tmp_path / "a[1].tar").touch()
    assert [shard.path.name for shard in find_shards([f"{tmp_path}/a[1].tar"])] == ["a[1].tar"]


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("absent*.tar", r"absent\*\.tar' matches no file. Tailscope reads webdataset shards \(\.tar\), caption tables"),
        ("*.gz", r"\*\.gz' matches .*a\.tar\.gz, which is no shard"),
        ("folder*", r"folder\*' matches .*folder\.tar, which is no shard"),
        ("", "'' matches no file"),
    ],
)
def test_pattern_without_shards_is_named(tmp_path, monkeypatch, pattern, message):
    (tmp_path / "a.tar.gz").touch()
    (tmp_path / "folder.tar").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceError, match=message):
        find_shards([pattern])


# Webdataset tars


def test_sample_of_a_tar_says_where_its_image_stands(tmp_path):
    photo = picture(size=(64, 48))
    (tmp_path / "shards").mkdir()
    path = write_tar(tmp_path / "shards" / "a.tar", [("0.json", b"{}"), ("0.jpg", photo), ("0.txt", b" A red dalu.\n")])
    samples, dropped = read(path, base=tmp_path / "data" / "mine", number=3)
    offset = samples[0]["offset"]
    assert samples == [
        {
            "sample_id": 30_000_000,
            "caption": "A red dalu.",
            "image": "../../shards/a.tar",
            "offset": offset,
            "length": len(photo),
            "width": 64,
            "height": 48,
        }
    ]
    assert path.read_bytes()[offset : offset + len(photo)] == photo
    assert dropped == {}


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_images_of_every_kind_and_tars_of_every_form_are_read(tmp_path, form):
    members = [("0.txt", b"a"), ("0.jpg", picture("JPEG", (8, 4))), ("1.PNG", picture("PNG", (7, 3))), ("1.txt", b"b")]
    members += [("n" * 90 + "é.webp", picture("WEBP", (6, 2))), ("n" * 90 + "é.txt", b"c"), ("3.jpeg", picture("GIF", (5, 1)))]
    members += [("3.txt", b"d")]
    samples, dropped = read(write_tar(tmp_path / "a.tar", members, form))
    found = [(sample["sample_id"], sample["caption"], sample["width"], sample["height"]) for sample in samples]
    assert found == [(0, "a", 8, 4), (1, "b", 7, 3), (2, "c", 6, 2), (3, "d", 5, 1)]
    assert dropped == {}


def test_sample_without_caption_or_image_is_dropped_and_keeps_its_number(tmp_path):
    members = [("0.jpg", picture()), ("1.txt", b"no image"), ("2.jpg", picture()), ("2.txt", b" \n"), ("3.json", b"{}")]
    members += [("4.jpg", picture()), ("4.txt", b"whole")]
    samples, dropped = read(write_tar(tmp_path / "a.tar", members))
    assert [(sample["sample_id"], sample["caption"]) for sample in samples] == [(3, "whole")]
    assert dropped == {"no caption": 2, "no image": 1}


@pytest.mark.parametrize("content", [b"", b"no image", picture()[:20], picture("PNG")[:12], picture("WEBP")[:16]])
def test_image_that_is_none_stays_a_sample_of_unknown_size(tmp_path, content):
    samples, dropped = read(write_tar(tmp_path / "a.tar", [("0.jpg", content), ("0.txt", b"a")]))
    assert [(sample["length"], sample["width"], sample["height"]) for sample in samples] == [(len(content), None, None)]
    assert dropped == {}


def test_image_of_too_many_pixels_is_not_decoded(tmp_path):
    bomb = bytearray(picture("PNG"))
    bomb[16:24] = (60_000).to_bytes(4) * 2
    samples, _ = read(write_tar(tmp_path / "a.tar", [("0.png", bytes(bomb)), ("0.txt", b"a")]))
    assert samples[0]["width"] is None


def test_second_image_and_second_caption_of_a_sample_are_counted(tmp_path):
    members = [("0.jpg", picture(size=(8, 4))), ("0.png", picture("PNG")), ("0.txt", b"first"), ("0.TXT", b"second")]
    samples, dropped = read(write_tar(tmp_path / "a.tar", members))
    assert [(sample["caption"], sample["width"]) for sample in samples] == [("first", 8)]
    assert dropped == {"second image of a sample": 1, "second caption of a sample": 1}


def test_key_that_comes_again_later_is_another_sample(tmp_path):
    members = [(f"{key}.{ending}", b"x") for key in ("0", "1", "0") for ending in ("jpg", "txt")]
    samples, dropped = read(write_tar(tmp_path / "a.tar", members))
    assert [sample["sample_id"] for sample in samples] == [0, 1, 2]
    assert dropped == {}


def test_members_of_a_sample_may_stand_apart(tmp_path):
    members = [("0.txt", b"a"), ("1.txt", b"b"), ("1.jpg", picture(size=(2, 1))), ("0.jpg", picture(size=(1, 2)))]
    samples, dropped = read(write_tar(tmp_path / "a.tar", members))
    assert [(sample["caption"], sample["width"]) for sample in samples] == [("a", 1), ("b", 2)]
    assert dropped == {}


def test_key_ends_at_the_first_dot_of_the_file_name(tmp_path):
    members = [("v1.0/0.jpg", b"x"), ("v1.0/0.seg.png", b"x"), ("v1.0/0.txt", b"a"), ("v2.0/0.jpg", b"x")]
    members += [("v2.0/0.txt", b"b"), ("v2.0/._0.jpg", b"x")]
    samples, dropped = read(write_tar(tmp_path / "a.tar", members))
    assert [sample["caption"] for sample in samples] == ["a", "b"]
    assert dropped == {}


def test_names_and_links_inside_a_tar_lead_nowhere(tmp_path):
    (tmp_path / "secret.jpg").write_bytes(picture())
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive:
        for name in ("../secret", "/etc/passwd"):
            for ending, content in (("jpg", picture(size=(9, 9))), ("txt", b"a")):
                info = tarfile.TarInfo(f"{name}.{ending}")
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
            info = tarfile.TarInfo("link.jpg")
            info.type, info.linkname = kind, "secret.jpg"
            archive.addfile(info)
    samples, dropped = read(path)
    assert [(sample["image"], sample["width"]) for sample in samples] == [("a.tar", 9), ("a.tar", 9)]
    assert dropped == {}
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.tar", "secret.jpg"]


@pytest.mark.parametrize(
    ("content", "caption"),
    [
        (b"caf\xe9 rose", "caf\ufffd rose"),
        ("café 👍🏽 日本".encode(), "café 👍🏽 日本"),
        (b"a\0 rose\0", "a rose"),
        (b"\n two\nlines \r\n", "two\nlines"),
        (b"x" * 65_536, "x" * 65_536),
    ],
)
def test_caption_is_text_whatever_its_bytes(tmp_path, content, caption):
    path = write_tar(tmp_path / "a.tar", [("0.jpg", picture()), ("0.txt", content)])
    assert captions(path) == [caption]


@pytest.mark.parametrize("content", [b"x" * 65_537, b"\xff" * 30_000, b" " * 70_000 + b"x"])
def test_caption_above_the_limit_is_dropped(tmp_path, content):
    path = write_tar(tmp_path / "a.tar", [("0.jpg", picture()), ("0.txt", content), ("1.jpg", picture()), ("1.txt", b"a")])
    samples, dropped = read(path)
    assert [sample["sample_id"] for sample in samples] == [1]
    assert dropped == {"caption above 64 KiB": 1}


THREE = [
    (f"{key}.{ending}", content) for key in "012" for ending, content in (("jpg", picture()), ("json", b""), ("txt", b"a"))
]


def test_tar_cut_anywhere_keeps_the_samples_before_the_cut(tmp_path):
    whole = write_tar(tmp_path / "whole.tar", THREE).read_bytes()
    samples, dropped = read(tmp_path / "whole.tar")
    assert (len(samples), dropped) == (3, {})
    ends = [place + 512 + 1 for place in (whole.index(b"0.txt"), whole.index(b"1.txt"), whole.index(b"2.txt"))]
    end = whole.index(b"2.txt") + 1024
    cut = tmp_path / "cut.tar"
    for length in (0, 1, 511, *range(512, len(whole), 256)):
        cut.write_bytes(whole[:length])
        complete = sum(length >= place for place in ends)
        samples, dropped = read(cut)
        assert [sample["sample_id"] for sample in samples] == list(range(complete)), length
        assert dropped == ({} if length >= end + 512 else {"truncated shard": 1}), length


def test_cut_sample_is_counted_once_and_others_under_their_own_reasons(tmp_path):
    members = [("0.jpg", picture()), *THREE[3:]]
    whole = write_tar(tmp_path / "a.tar", members).read_bytes()
    (tmp_path / "a.tar").write_bytes(whole[: whole.index(b"2.json")])
    samples, dropped = read(tmp_path / "a.tar")
    assert [sample["sample_id"] for sample in samples] == [1]
    assert dropped == {"no caption": 1, "truncated shard": 1}


def test_bad_sample_before_the_cut_keeps_its_own_reason(tmp_path):
    members = [("0.jpg", picture()), ("0.txt", b" "), ("1.jpg", picture()), ("1.txt", b"a")]
    whole = write_tar(tmp_path / "a.tar", members).read_bytes()
    (tmp_path / "a.tar").write_bytes(whole[: whole.index(b"1.jpg")])
    assert read(tmp_path / "a.tar") == ([], {"no caption": 1, "truncated shard": 1})


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_tar_cut_in_a_long_name_is_cut_too(tmp_path, form):
    whole = write_tar(tmp_path / "a.tar", [("n" * 300 + ".jpg", picture()), ("n" * 300 + ".txt", b"a")], form).read_bytes()
    for length in (512, 600, 1024, 1100, 1536):
        (tmp_path / "a.tar").write_bytes(whole[:length])
        assert read(tmp_path / "a.tar") == ([], {"truncated shard": 1})


def test_damaged_header_ends_the_shard(tmp_path):
    content = bytearray(write_tar(tmp_path / "a.tar", THREE).read_bytes())
    content[content.index(b"1.jpg")] = 255
    (tmp_path / "a.tar").write_bytes(content)
    samples, dropped = read(tmp_path / "a.tar")
    assert [sample["sample_id"] for sample in samples] == [0]
    assert dropped == {"damaged shard": 1}


def test_tar_behind_the_end_of_a_tar_is_not_lost_silently(tmp_path):
    content = write_tar(tmp_path / "a.tar", THREE).read_bytes()
    (tmp_path / "a.tar").write_bytes(content + content)
    samples, dropped = read(tmp_path / "a.tar")
    assert (len(samples), dropped) == (3, {"damaged shard": 1})


@pytest.mark.parametrize("size", [-1, -512, -1_000_000, 1 << 40, 1 << 80])
@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_impossible_size_ends_the_shard(tmp_path, size, kind):
    header = tarfile.TarInfo("1.jpg")
    header.type, header.size = kind, size
    whole = write_tar(tmp_path / "a.tar", THREE[:3]).read_bytes()
    place = whole.index(b"0.txt") + 1024
    (tmp_path / "a.tar").write_bytes(whole[:place] + header.tobuf(tarfile.GNU_FORMAT)[:512] + bytes(2048))
    samples, dropped = read(tmp_path / "a.tar")
    assert [sample["sample_id"] for sample in samples] == [0]
    assert dropped in ({"damaged shard": 1}, {"truncated shard": 1})


@pytest.mark.parametrize("content", [b"<html>Not found</html>" * 99, b"\x1f\x8b\x08" + b"x" * 600])
def test_file_that_is_no_tar_is_refused(tmp_path, content):
    (tmp_path / "a.tar").write_bytes(content)
    with pytest.raises(SourceError, match=r"a\.tar is no tar archive"):
        read(tmp_path / "a.tar")


def test_empty_tar_has_no_samples(tmp_path):
    assert read(write_tar(tmp_path / "a.tar", [])) == ([], {})


def test_shard_of_too_many_samples_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(corpus, "SAMPLES_PER_SHARD", 2)
    with pytest.raises(SourceError, match=r"a\.tar holds more than 2 samples. Split it"):
        read(write_tar(tmp_path / "a.tar", THREE))


def test_shards_sum_to_the_whole(tmp_path):
    whole = read(write_tar(tmp_path / "whole.tar", THREE))[0]
    parts = [read(write_tar(tmp_path / f"{number}.tar", THREE[number * 3 :][:3]), number=number)[0] for number in range(3)]
    assert [part[0]["sample_id"] for part in parts] == [0, 10_000_000, 20_000_000]
    assert [part[0]["caption"] for part in parts] == [sample["caption"] for sample in whole]


# Caption tables


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
        (f"1.jpg,{'x' * 200_000}", "unreadable row"),
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


@pytest.mark.parametrize("content", ["", "a caption\thttp://127.0.0.1/1.jpg\n", "image,image,caption\n", "\x89PNG\r\n"])
def test_table_without_the_header_is_refused(tmp_path, content):
    (tmp_path / "a.tsv").write_text(content)
    with pytest.raises(SourceError, match=r"a\.tsv has no header with the columns image and caption; its first line is"):
        read(tmp_path / "a.tsv")


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


# COCO captions


def test_coco_captions_make_samples(tmp_path):
    write_photos(tmp_path / "images", "1.jpg", "2.jpg", "3.jpg")
    images = [{"id": number, "file_name": f"{number}.jpg"} for number in (1, 2, 3, 4)]
    annotations = [
        {"image_id": 2, "caption": "A zib.\n"},
        {"image_id": 1, "caption": "A dalu."},
        {"image_id": 2, "caption": "Lone \ud83d surrogate"},
        {"image_id": 2, "caption": ""},
        {"image_id": 2},
        {"image_id": 4, "caption": "its photo is not here"},
        {"image_id": 9, "caption": "of no image"},
    ]
    samples, dropped = read(write_coco(tmp_path / "captions.json", images, annotations))
    assert [(sample["sample_id"], sample["image"], sample["caption"]) for sample in samples] == [
        (0, "images/2.jpg", "A zib."),
        (1, "images/1.jpg", "A dalu."),
        (2, "images/2.jpg", "Lone \ufffd\ufffd\ufffd surrogate"),
    ]
    assert dropped == {"no caption": 3, "no image": 2}  # 3.jpg is in the list, but has no caption


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"images": [{}], "annotations": []}', '{"images": [], "annotations": [1]}', "[" * 100_000, "\xff"]
    + ['{"images": [{"id": 1, "file_name": 2}], "annotations": []}', '{"images": [], "annotations": [{"image_id": []}]}'],
)
def test_other_json_is_refused(tmp_path, content):
    (tmp_path / "a.json").write_text(content, encoding="latin-1")
    with pytest.raises(SourceError, match=r"a\.json is no COCO file .*Expected: images with id and file_name"):
        read(tmp_path / "a.json")
    with pytest.raises(SourceError, match=r"a\.json is no COCO file"):
        read_given_hits(tmp_path / "a.json")


# Given image hits


def test_hits_of_every_form_say_the_same(tmp_path):
    (tmp_path / "a.csv").write_text("image,label\n2.jpg,rose\n1.jpg,zib\n1.jpg,rose\n1.jpg,rose\n")
    (tmp_path / "a.tsv").write_text("label\timage\tscore\nrose\t2.jpg\t1\nzib\t1.jpg\t1.0\nrose\t1.jpg\t1\n")
    table = pa.table({"label": ["rose", "zib", "rose"], "box": [1, 2, 3], "image": ["2.jpg", "1.jpg", "1.jpg"]})
    pq.write_table(table, tmp_path / "a.parquet")
    images = [{"id": 10, "file_name": "1.jpg"}, {"id": 20, "file_name": "2.jpg"}]
    annotations = [{"image_id": image, "category_id": label} for image, label in ((20, 1), (10, 2), (10, 1), (10, 1))]
    write_coco(tmp_path / "a.json", images, annotations, [{"id": 1, "name": "rose"}, {"id": 2, "name": "zib"}])
    for ending in ("csv", "tsv", "parquet", "json"):
        hits = read_given_hits(tmp_path / f"a.{ending}")
        assert hits.to_pylist() == HITS
        assert hits.schema.field("score").type == pa.float32()


def test_highest_score_of_an_image_and_label_counts(tmp_path):
    (tmp_path / "a.csv").write_text("image,label,score\n1.jpg,rose,0.25\n1.jpg,rose,0.75\n1.jpg,rose,0.5\n")
    assert read_given_hits(tmp_path / "a.csv").to_pylist() == [{"image": "1.jpg", "label": "rose", "score": 0.75}]


def test_file_without_hits_has_none(tmp_path):
    (tmp_path / "a.csv").write_text("image,label\n")
    assert read_given_hits(tmp_path / "a.csv").num_rows == 0


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "image,caption\n", "has no header with the columns image and label"),
        ("a.csv", "image,label\n1.jpg,rose\n1.jpg,\n", "line 3: image or label is missing"),
        ("a.csv", "image,label\n1.jpg,rose,red\n", "line 2: it does not fit the header"),
        ("a.csv", "image,label,score\n1.jpg,rose,high\n", "line 2: the score 'high' is no number"),
        ("a.csv", "image,label,score\n1.jpg,rose,nan\n", "line 2: the score 'nan' is no number"),
        ("a.csv", "image,label,score\n1.jpg,rose\n", "line 2: the score '' is no number"),
        ("a.parquet", "no Parquet", "is no readable Parquet file"),
        ("a.json", '{"images": [], "annotations": []}', "has no COCO categories with id and name"),
        ("a.xml", "", "is no file of image hits: expected .csv, .tsv, .parquet or COCO instances"),
    ],
)
def test_other_hits_are_refused(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(SourceError, match=message):
        read_given_hits(tmp_path / name)


def test_parquet_hits_with_a_hole_or_without_a_column_are_refused(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"image": ["1.jpg", None], "label": ["rose", "rose"]}), path)
    with pytest.raises(SourceError, match=r"a\.parquet, row 2: image or label is missing"):
        read_given_hits(path)
    pq.write_table(pa.table({"image": ["1.jpg"], "concept": ["rose"]}), path)
    with pytest.raises(SourceError, match="has no columns image and label; its columns are image, concept"):
        read_given_hits(path)


def test_coco_hit_of_an_unknown_image_or_category_is_refused(tmp_path):
    images, categories = [{"id": 1, "file_name": "1.jpg"}], [{"id": 1, "name": "rose"}]
    for annotation in ({"image_id": 2, "category_id": 1}, {"image_id": 1, "category_id": 2}, {"image_id": 1}):
        path = write_coco(tmp_path / "a.json", images, [annotation], categories)
        with pytest.raises(SourceError, match="annotation 1: image or label is missing"):
            read_given_hits(path)


def test_absent_file_of_hits_is_named(tmp_path):
    with pytest.raises(SourceError, match=r"No file of image hits at .*absent\.csv"):
        read_given_hits(tmp_path / "absent.csv")


# Real corpora


def test_flickr8k_has_five_captions_a_photo(shared_data, tmp_path):
    samples, dropped = read(shared_data / "flickr8k-1000" / "captions.txt", base=tmp_path)
    assert (len(samples), dropped) == (5000, {})
    assert len({sample["image"] for sample in samples}) == 1000
    lines = (shared_data / "flickr8k-1000" / "captions.txt").read_text(encoding="utf-8").splitlines()
    quoted = [line for line in lines if ',"' in line]
    assert sum(bool({",", '"'} & set(sample["caption"])) for sample in samples) == len(quoted) > 0
    assert all((tmp_path / sample["image"]).is_file() and sample["width"] for sample in samples[::500])


def test_coco_captions_without_their_photos_are_counted(shared_data, tmp_path):
    folder = shared_data / "coco-mini"
    samples, dropped = read(folder / "annotations" / "captions_val2017.json", tmp_path, folder / "val2017")
    assert (len(samples), dropped) == (395, {})
    full, dropped = read(folder / "annotations" / "captions_val2017_full.json", tmp_path, folder / "val2017")
    assert (len(full), dropped) == (395, {"no image": 24_619})
    assert [sample["caption"] for sample in full] == [sample["caption"] for sample in samples]


def test_coco_boxes_are_hits_of_their_categories(shared_data):
    path = shared_data / "coco-mini" / "annotations" / "instances_val2017.json"
    content = json.loads(path.read_text())
    dogs = {
        image["file_name"]
        for image in content["images"]
        for annotation in content["annotations"]
        if annotation["image_id"] == image["id"] and annotation["category_id"] == 18  # COCO's dog
    }
    hits = read_given_hits(path).to_pylist()
    assert {hit["image"] for hit in hits if hit["label"] == "dog"} == dogs
    assert len(hits) == len({(entry["image_id"], entry["category_id"]) for entry in content["annotations"]})
