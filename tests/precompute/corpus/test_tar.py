"""Webdataset tars become samples. Whatever is wrong with one is counted, not lost."""

import io
import json
import tarfile

import pytest

from backend.errors import SourceError
from precompute.corpus import shard, tar
from precompute.corpus.registry import find_shards
from precompute.corpus.tar_members import read_members as read_members_of
from tests.precompute.corpus.shard_files import captions, picture, read, read_members, write_tar


@pytest.fixture(autouse=True, params=["one by one", "as columns"])
def way(request, monkeypatch):
    """Both ways of reading a tar give the same."""
    monkeypatch.setattr(tar, "FEW_BYTES", 0 if request.param == "as columns" else 1 << 40)


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
        assert dropped == ({} if length >= end + 512 else {"truncated shard, at least": 1}), length


def test_cut_sample_is_counted_once_and_others_under_their_own_reasons(tmp_path):
    members = [("0.jpg", picture()), *THREE[3:]]
    whole = write_tar(tmp_path / "a.tar", members).read_bytes()
    (tmp_path / "a.tar").write_bytes(whole[: whole.index(b"2.json")])
    samples, dropped = read(tmp_path / "a.tar")
    assert [sample["sample_id"] for sample in samples] == [1]
    assert dropped == {"no caption": 1, "truncated shard, at least": 1}


def test_bad_sample_before_the_cut_keeps_its_own_reason(tmp_path):
    members = [("0.jpg", picture()), ("0.txt", b" "), ("1.jpg", picture()), ("1.txt", b"a")]
    whole = write_tar(tmp_path / "a.tar", members).read_bytes()
    (tmp_path / "a.tar").write_bytes(whole[: whole.index(b"1.jpg")])
    assert read(tmp_path / "a.tar") == ([], {"no caption": 1, "truncated shard, at least": 1})


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_tar_cut_in_a_long_name_is_cut_too(tmp_path, form):
    whole = write_tar(tmp_path / "a.tar", [("n" * 300 + ".jpg", picture()), ("n" * 300 + ".txt", b"a")], form).read_bytes()
    for length in (512, 600, 1024, 1100, 1536):
        (tmp_path / "a.tar").write_bytes(whole[:length])
        assert read(tmp_path / "a.tar") == ([], {"truncated shard, at least": 1})


def test_damaged_header_ends_the_shard(tmp_path):
    content = bytearray(write_tar(tmp_path / "a.tar", THREE).read_bytes())
    content[content.index(b"1.jpg")] = 255
    (tmp_path / "a.tar").write_bytes(content)
    samples, dropped = read(tmp_path / "a.tar")
    assert [sample["sample_id"] for sample in samples] == [0]
    assert dropped == {"damaged shard, at least": 1}


def test_tar_behind_the_end_of_a_tar_is_not_lost_silently(tmp_path):
    content = write_tar(tmp_path / "a.tar", THREE).read_bytes()
    (tmp_path / "a.tar").write_bytes(content + content)
    samples, dropped = read(tmp_path / "a.tar")
    assert (len(samples), dropped) == (3, {"damaged shard, at least": 1})


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
    assert dropped in ({"damaged shard, at least": 1}, {"truncated shard, at least": 1})


@pytest.mark.parametrize("content", [b"<html>Not found</html>" * 99, b"\x1f\x8b\x08" + b"x" * 600])
def test_file_that_is_no_tar_is_refused(tmp_path, content):
    (tmp_path / "a.tar").write_bytes(content)
    with pytest.raises(SourceError, match=r"a\.tar is (no tar archive|cut off or damaged)"):
        read(tmp_path / "a.tar")


def test_empty_tar_has_no_samples(tmp_path):
    assert read(write_tar(tmp_path / "a.tar", [])) == ([], {})


def test_shard_of_too_many_samples_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(shard, "SAMPLES_PER_SHARD", 2)
    with pytest.raises(SourceError, match=r"a\.tar holds more than 2 samples. Split it"):
        read(write_tar(tmp_path / "a.tar", THREE))


@pytest.fixture
def small_pieces(monkeypatch):
    """Every tar is cut, after two samples or a few more."""
    monkeypatch.setattr(tar, "WHOLE_BYTES", 0)
    monkeypatch.setattr(shard, "PIECE_SAMPLES", 2)


def count_pieces(path) -> int:
    return len(find_shards([str(path)]))


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.PAX_FORMAT])
def test_pieces_of_a_tar_sum_to_the_whole(tmp_path, monkeypatch, form):
    long = "n" * 300 if form == tarfile.PAX_FORMAT else ""  # a header of its own before the member's
    members = []
    for number in range(9):
        members += [(f"{number}{long}.jpg", picture(size=(number + 1, 2))), (f"{number}.json", b"{}")]
        members += [(f"{number}{long}.txt", b" " if number == 4 else f"caption {number}".encode())]
    path = write_tar(tmp_path / "a.tar", members, form)
    whole, books = read(path), read_members(path)
    monkeypatch.setattr(tar, "WHOLE_BYTES", 0)
    for size, pieces in ((1, 9), (2, 5), (4, 3), (9, 1)):
        monkeypatch.setattr(shard, "PIECE_SAMPLES", size)
        assert (count_pieces(path), read(path), read_members(path)) == (pieces, whole, books)
    assert whole[1] == {"no caption": 1}
    assert books["dropped"] == {"plays no part: .json": 9}


def test_tar_is_not_cut_within_a_sample_whose_members_stand_apart(tmp_path, small_pieces):
    pairs = [(0, 1), (2, 3), (4, 5), (6, 7)]  # each caption stands behind the other sample's image
    members = [
        (f"{number}.{ending}", picture() if ending == "jpg" else b"a")
        for pair in pairs
        for ending in ("jpg", "txt")
        for number in pair
    ]
    path = write_tar(tmp_path / "a.tar", members)
    assert count_pieces(path) > 1
    samples, dropped = read(path)
    assert ([sample["sample_id"] for sample in samples], dropped) == (list(range(8)), {})


def test_tar_of_all_images_before_all_captions_stays_whole(tmp_path, small_pieces):
    members = [(f"{number}.jpg", picture()) for number in range(6)] + [(f"{number}.txt", b"a") for number in range(6)]
    path = write_tar(tmp_path / "a.tar", members)
    assert (count_pieces(path), len(read(path)[0])) == (1, 6)


def test_tar_that_is_cut_off_is_so_in_its_last_piece_alone(tmp_path, small_pieces):
    whole = write_tar(tmp_path / "a.tar", THREE + [(f"9{name}", content) for name, content in THREE]).read_bytes()
    (tmp_path / "a.tar").write_bytes(whole[: whole.index(b"92.txt")])
    assert count_pieces(tmp_path / "a.tar") > 1
    samples, dropped = read(tmp_path / "a.tar")
    assert ([sample["sample_id"] for sample in samples], dropped) == ([0, 1, 2, 3, 4], {"truncated shard, at least": 1})


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_members_are_those_that_tarfile_lists(tmp_path, form):
    names = ["a.jpg", "d" * 90 + "/" + "n" * 95 + ".txt", "é.jpg", "x/y z.json", "n" * 99, "e/" * 40 + "end.txt"]
    path = write_tar(tmp_path / "a.tar", [(name, b"x" * number * 300) for number, name in enumerate(names)], form)
    with tarfile.open(path) as archive:
        expected = [(info.name, info.size, info.offset_data, info.isreg()) for info in archive]
    with path.open("rb") as stream:
        found = [(info.name, info.size, info.offset_data, info.isreg()) for info, _ in read_members_of(stream, path)]
    assert found == expected
    assert len(found) == 6


def test_every_member_is_in_the_books_once(tmp_path):
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive:
        for name, kind in (("folder", tarfile.DIRTYPE), ("link.jpg", tarfile.SYMTYPE), ("pipe", tarfile.FIFOTYPE)):
            info = tarfile.TarInfo(name)
            info.type = kind
            archive.addfile(info)
        for name in ("0.jpg", "0.txt", "0.txt", "0.cls", ".DS_Store", "__MACOSX/._0.jpg", "readme", "1.jpg"):
            archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    assert read_members(path) == {
        "read": 11,
        "written": 4,
        "dropped": {
            "plays no part: .cls": 1,
            "plays no part: folder": 1,
            "plays no part: hidden file, or litter of an operating system": 2,
            "plays no part: link or special file": 2,
            "plays no part: other ending": 1,
        },
    }


def test_shards_sum_to_the_whole(tmp_path):
    whole = read(write_tar(tmp_path / "whole.tar", THREE))[0]
    parts = [read(write_tar(tmp_path / f"{number}.tar", THREE[number * 3 :][:3]), number=number)[0] for number in range(3)]
    assert [part[0]["sample_id"] for part in parts] == [0, 10_000_000, 20_000_000]
    assert [part[0]["caption"] for part in parts] == [sample["caption"] for sample in whole]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a_stats.json", {"successes": 9}),
        ("sizes.json", {"a.tar": 9}),
        ("index.json", {"shardlist": [{"url": "https://127.0.0.1/a.tar", "nsamples": 9}]}),
    ],
)
def test_what_lies_beside_a_truncated_shard_says_how_many_samples_are_missing(tmp_path, name, said):
    whole = write_tar(tmp_path / "a.tar", THREE).read_bytes()
    (tmp_path / name).write_text(json.dumps(said))
    (tmp_path / "a.tar").write_bytes(whole[: whole.index(b"1.txt")])  # 0 is whole, 1 has lost its caption
    samples, dropped = read(tmp_path / "a.tar")
    assert (len(samples), dropped) == (1, {"truncated shard": 8})
    (tmp_path / "a.tar").write_bytes(whole)
    assert read(tmp_path / "a.tar")[1] == {}
