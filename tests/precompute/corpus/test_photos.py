"""Photos are found by the names that a list gives, however these were written; never by a name that could be another's."""

import pytest

from precompute.corpus.preview import preview
from precompute.corpus.registry import find_shards
from precompute.corpus.shard import ReadOptions
from tests.precompute.corpus.shard_files import picture, read, write_photos


def images(path, **options) -> list[str]:
    """The images of a table's samples."""
    return [sample["image"] for sample in read(path, **options)[0]]


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("images/0.jpg", r"images\0.jpg"),
        ("a b.jpg", "a%20b.jpg"),
        ("a%20b.jpg", "a%20b.jpg"),
        ("x.jpg", "./x.jpg"),
        ("x.jpg", "x.JPG"),
        ("x.JPG", "x.jpg"),
        ("jalape\u00f1o.jpg", "jalapen\u0303o.jpg"),
        ("jalapen\u0303o.jpg", "jalape\u00f1o.jpg"),
        ("sub/x.jpg", "/elsewhere/data/sub/x.jpg"),
        ("x.jpg", r"C:\photos\x.jpg"),
        ("images/deep/below/x.jpg", "x.jpg"),
    ],
)
def test_name_of_another_system_finds_its_photo(tmp_path, file, name):
    write_photos((tmp_path / file).parent, (tmp_path / file).name)
    (tmp_path / "a.csv").write_text(f"image,caption\n{name},a rose\n")
    assert images(tmp_path / "a.csv") == [file]


def test_absolute_path_below_the_folder_finds_its_photo(tmp_path):
    write_photos(tmp_path / "sub", "1.jpg", "2.jpg")
    (tmp_path / "a.csv").write_text(f"image,caption\nsub/1.jpg,a\n{tmp_path}/sub/2.jpg,b\n")
    assert images(tmp_path / "a.csv") == ["sub/1.jpg", "sub/2.jpg"]


def test_last_part_of_a_path_is_not_enough_where_it_could_be_anothers(tmp_path):
    write_photos(tmp_path / "images" / "a", "0.jpg")
    (tmp_path / "a.csv").write_text("image,caption\na/0.jpg,of a\nb/0.jpg,of b\n")
    samples, dropped = read(tmp_path / "a.csv")
    assert ([sample["caption"] for sample in samples], dropped) == (["of a"], {"no image": 1})
    write_photos(tmp_path / "images" / "b", "0.jpg")
    (tmp_path / "a.csv").write_text("image,caption\na/0.jpg,of a\n0.jpg,of which\n")
    assert read(tmp_path / "a.csv")[1] == {"image name of several files": 1}


def test_folders_that_are_not_here_are_left_out_only_where_all_names_have_them(tmp_path):
    write_photos(tmp_path / "images", "0.jpg")
    (tmp_path / "a.csv").write_text("image,caption\nx/0.jpg,a\ny/0.jpg,b\n")
    samples, dropped = read(tmp_path / "a.csv")
    assert [(sample["caption"], sample["image"]) for sample in samples] == [("a", None), ("b", None)]
    assert dropped == {}  # none of its photos is here: captions alone
    (tmp_path / "a.csv").write_text("image,caption\nx/0.jpg,a\nx/1.jpg,b\n")
    samples, dropped = read(tmp_path / "a.csv")
    assert [(sample["caption"], sample["image"]) for sample in samples] == [("a", "images/0.jpg")]
    assert dropped == {"no image": 1}


def test_captions_stand_alone_where_no_photo_is_here_and_none_was_promised(tmp_path):
    (tmp_path / "a.csv").write_text("image,caption\n1.jpg,a\nhttp://127.0.0.1/2.jpg,b\n")
    assert [(sample["caption"], sample["image"]) for sample in read(tmp_path / "a.csv")[0]] == [
        ("a", None),
        ("b", "http://127.0.0.1/2.jpg"),
    ]
    (kind,) = preview(find_shards([str(tmp_path / "a.csv")])).kinds
    assert kind.layout.notes == (
        "none of the photos is here, such as 1.jpg: captions alone are read; --images FOLDER says where they are",
    )
    write_photos(tmp_path / "photos", "other.jpg")
    assert read(tmp_path / "a.csv", images=tmp_path / "photos") == ([], {"no image": 2})


def test_wide_column_that_nobody_reads_sets_no_limit(tmp_path):
    write_photos(tmp_path, "1.jpg")
    rows = [f"1.jpg,{'x' * 200_000},caption {number}" for number in range(4)]
    (tmp_path / "a.csv").write_text("\n".join(["image,html,caption", *rows]))
    samples, dropped = read(tmp_path / "a.csv")
    assert ([sample["caption"] for sample in samples], dropped) == ([f"caption {number}" for number in range(4)], {})


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_table_in_another_certain_encoding_is_read(tmp_path, encoding):
    write_photos(tmp_path / "images", "1.jpg")
    (tmp_path / "a.csv").write_text("image,caption\n1.jpg,caf\u00e9 rose\n", encoding=encoding)
    samples, _ = read(tmp_path / "a.csv")
    assert [(sample["caption"], sample["image"]) for sample in samples] == [("caf\u00e9 rose", "images/1.jpg")]


def test_lines_of_an_unknown_encoding_are_told(tmp_path):
    (tmp_path / "a.csv").write_bytes("caption\nстол\nrose\n".encode("cp1251"))
    (kind,) = preview(find_shards([str(tmp_path / "a.csv")])).kinds
    assert kind.layout.notes == ("1 of the first 3 lines are no UTF-8: save the file as UTF-8",)


def test_photos_are_read_once_for_all_their_captions(tmp_path):
    (tmp_path / "1.jpg").write_bytes(picture(size=(8, 4)))
    (tmp_path / "a.jsonl").write_text('{"image": "1.jpg", "caption": ["a", "b"]}\n')
    samples, _ = read(tmp_path / "a.jsonl")
    assert [(sample["sample_id"], sample["width"]) for sample in samples] == [(0, 8), (1, 8)]
    assert find_shards([str(tmp_path / "a.jsonl")], ReadOptions(images=tmp_path))[0].root == tmp_path


def test_photos_of_absolute_paths_outside_the_folder_are_told_with_the_option_that_reads_them(tmp_path):
    write_photos(tmp_path / "elsewhere" / "a", "1.jpg")
    (tmp_path / "here").mkdir()
    path = tmp_path / "here" / "openclip.csv"
    path.write_text(f"filepath,title\n{tmp_path}/elsewhere/a/1.jpg,a rose\n")
    (kind,) = preview(find_shards([str(path)])).kinds
    assert f"--images {tmp_path}/elsewhere/a reads them too" in kind.layout.notes[-1]
    images = ReadOptions(images=tmp_path / "elsewhere" / "a")
    assert preview(find_shards([str(path)], images)).kinds[0].examples[0].image.path == "1.jpg"
