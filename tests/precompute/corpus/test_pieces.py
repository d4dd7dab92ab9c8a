"""Large files of every kind are cut into pieces of bounded size, whose samples sum to the whole."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from backend.errors import ImageError, SourceError
from backend.images import read_image_bytes
from precompute.corpus import jsonl, parquet, shard, text
from precompute.corpus.registry import find_shards, identify_shard, read_samples
from precompute.corpus.shard import Reading, ReadOptions
from tests.precompute.corpus.shard_files import picture, read, write_photos

ROWS = [{"image": "1.jpg", "caption": [f"a {number}", "b"] if number % 3 else f"c {number}"} for number in range(20)]


@pytest.fixture
def lines(tmp_path):
    """A file of JSON lines, of which two make no row, and some make two samples."""
    write_photos(tmp_path, "1.jpg")
    content = [json.dumps(row) for row in ROWS]
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join([*content[:9], "{broken", "", "[1]", *content[9:]]))
    return path


def test_pieces_of_json_lines_sum_to_the_whole(lines, monkeypatch):
    whole = read(lines)
    assert (len(whole[0]), whole[1]) == (33, {"unreadable row": 2})
    monkeypatch.setattr(jsonl, "WHOLE_BYTES", 0)
    for size in (1, 3, 7):
        monkeypatch.setattr(shard, "PIECE_SAMPLES", size)
        assert len(find_shards([str(lines)])) > 3
        assert read(lines) == whole


def test_pieces_of_text_sum_to_the_whole(tmp_path, monkeypatch):
    (tmp_path / "a.txt").write_text("".join(f"caption {number}\r\n" for number in range(20)) + "\n\nlast")
    whole = read(tmp_path / "a.txt")
    assert (len(whole[0]), whole[1]) == (21, {"no caption": 2})
    monkeypatch.setattr(text, "WHOLE_BYTES", 0)
    for size in (1, 3, 7):
        monkeypatch.setattr(shard, "PIECE_SAMPLES", size)
        assert len(find_shards([str(tmp_path / "a.txt")])) > 3
        assert read(tmp_path / "a.txt") == whole


@pytest.mark.parametrize("with_bytes", [False, True])
@pytest.mark.parametrize("with_lists", [False, True])
def test_pieces_of_parquet_sum_to_the_whole(tmp_path, monkeypatch, with_bytes, with_lists):
    write_photos(tmp_path, "1.jpg")
    columns = {"image": [picture(size=(number + 1, 2)) if with_bytes else "1.jpg" for number in range(20)]}
    columns["caption"] = [["a", f"b {number}"][: 1 + number % 2] if with_lists else f"b {number}" for number in range(20)]
    pq.write_table(pa.table(columns), tmp_path / "a.parquet", row_group_size=4)
    whole = read(tmp_path / "a.parquet")
    assert len(whole[0]) == (30 if with_lists else 20)
    for size, pieces in ((1, 5), (2_000_000, 1)):
        monkeypatch.setattr(shard, "PIECE_SAMPLES", size)
        assert len(find_shards([str(tmp_path / "a.parquet")])) == pieces
        assert read(tmp_path / "a.parquet") == whole
    monkeypatch.setattr(parquet, "PIECE_BYTES", 1)
    assert len(find_shards([str(tmp_path / "a.parquet")])) == 5


def test_pieces_of_a_folder_sum_to_the_whole(tmp_path, monkeypatch):
    write_photos(tmp_path / "photos", *(f"{number}.jpg" for number in range(7)))
    (tmp_path / "photos" / "notes.md").write_text("x")
    whole = read(tmp_path / "photos")
    monkeypatch.setattr(shard, "PIECE_SAMPLES", 2)
    assert len(find_shards([str(tmp_path / "photos")])) == 4
    assert read(tmp_path / "photos") == whole
    assert [sample["image"] for sample in whole[0]] == [f"photos/{number}.jpg" for number in range(7)]


def test_cell_of_parquet_gives_the_images_bytes(tmp_path):
    images = [{"bytes": picture(size=(number + 1, 2)), "path": None} for number in range(40)]
    pq.write_table(pa.table({"text": ["a"] * 40, "image": images}), tmp_path / "a.parquet", row_group_size=25)
    samples, _ = read(tmp_path / "a.parquet")
    for row in (0, 24, 25, 39):
        assert read_image_bytes(tmp_path, samples[row]["image"]) == images[row]["bytes"]
        assert samples[row]["width"] == row + 1
    for cell in ("0,25", "2,0", "0,0,7", "0,0,0"):
        with pytest.raises(ImageError, match="cannot be read"):
            read_image_bytes(tmp_path, f"a.parquet#{cell}")


def test_image_column_that_a_user_names_is_the_one_that_is_shown(tmp_path):
    columns = {"text": ["a"], "image": [picture(size=(2, 2))], "other": [{"bytes": picture(size=(3, 3)), "path": "1.jpg"}]}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    (found,) = find_shards([str(tmp_path / "a.parquet")], ReadOptions(image="other"))
    (sample,) = read_samples(found, Reading())
    assert (sample.size, sample.key) == ((3, 3), "1.jpg")
    assert read_image_bytes(tmp_path, sample.image.columns()[0]) == picture(size=(3, 3))


def test_copy_under_another_name_has_the_same_checksum_and_its_own_images(tmp_path):
    table = pa.table({"text": ["a"], "image": [picture()]})
    for name in ("a.parquet", "b.parquet"):
        pq.write_table(table, tmp_path / name)
    one, two = find_shards([f"{tmp_path}/*.parquet"])
    assert identify_shard(one, True) == identify_shard(two, True) != identify_shard(one, False)
    assert read(tmp_path / "b.parquet")[0][0]["image"] == "b.parquet#0,0"


@pytest.mark.parametrize("change", ["text", "image"])
def test_checksum_of_parquet_follows_what_is_taken(tmp_path, change):
    names = {}
    for name in ("a", "b"):
        other = name == "b"
        columns = {
            "text": ["changed" if other and change == "text" else "a"],
            "image": [picture("PNG" if other and change == "image" else "JPEG")],
        }
        pq.write_table(pa.table(columns), tmp_path / f"{name}.parquet")
        (found,) = find_shards([str(tmp_path / f"{name}.parquet")])
        names[name] = identify_shard(found, True)
    assert names["a"] != names["b"]


def test_long_list_of_json_is_read_in_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(jsonl, "BLOCK", 7)
    rows = [{"caption": f"caf\u00e9 {number} \u65e5\u672c"} for number in range(50)]
    (tmp_path / "a.json").write_text(json.dumps(rows, indent=2, ensure_ascii=False), encoding="utf-8")
    samples, _ = read(tmp_path / "a.json")
    assert [sample["caption"] for sample in samples] == [row["caption"] for row in rows]


@pytest.mark.parametrize("end", ["", ",", ', {"caption"', "}"])
def test_list_of_json_that_breaks_off_is_refused(tmp_path, end):
    (tmp_path / "a.json").write_text('[{"caption": "a"}' + end)
    with pytest.raises(SourceError, match="is no whole JSON list"):
        read(tmp_path / "a.json")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", '{"words": "a", "n": 1}', r"the JSON has the keys words, n, and none is known to hold captions"),
        ("a.jsonl", "", r"the JSON has the keys \(none\)"),
        ("a.parquet", "PAR1", "is no readable Parquet file"),
        (
            "a.json",
            '{"images": [{"id": 1, "file_name": "1.jpg"}], "annotations": [{"image_id": 1, "bbox": []}]}',
            "--image-hits",
        ),
        ("a.csv.gz", "plain", "is not packed, whatever its name says"),
    ],
)
def test_file_without_captions_is_refused_with_what_it_has(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(SourceError, match=message):
        read(tmp_path / name)


def test_parquet_without_a_caption_names_its_columns(tmp_path):
    pq.write_table(pa.table({"words": ["a"], "n": [1]}), tmp_path / "a.parquet")
    with pytest.raises(SourceError, match="has the columns words, n, and none is known to hold captions"):
        read(tmp_path / "a.parquet")
