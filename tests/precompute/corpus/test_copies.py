"""Packed files and files in UTF-16 are read as copies, made once."""

import gzip
import os

import pyarrow as pa
import pytest

from backend.errors import SourceError
from precompute.corpus import copies, tables
from precompute.corpus.registry import find_shards
from precompute.corpus.shard import ReadOptions
from tests.precompute.corpus.shard_files import captions, read, write_photos


def pack(content: bytes, form: str) -> bytes:
    """The content packed, in two parts as several programs do."""
    half = len(content) // 2
    if form == "gz":
        return gzip.compress(content[:half]) + gzip.compress(content[half:])
    codec = pa.Codec("zstd")
    return b"".join(codec.compress(part, asbytes=True) for part in (content[:half], content[half:]))


@pytest.mark.parametrize("form", ["gz", "zst"])
def test_packed_table_is_copied_once_and_finds_the_photos_beside_it(tmp_path, own_copies, form):
    write_photos(tmp_path / "images", "1.jpg")
    path = tmp_path / f"a.csv.{form}"
    path.write_bytes(pack(b"image,caption\n1.jpg,a rose\n1.jpg,a fern\n", form))
    samples, dropped = read(path)
    assert [(sample["image"], sample["caption"]) for sample in samples] == [
        ("images/1.jpg", "a rose"),
        ("images/1.jpg", "a fern"),
    ]
    assert dropped == {}
    (copy,) = own_copies.rglob("a.csv")
    made = copy.stat().st_ino
    assert captions(path) == ["a rose", "a fern"]
    assert copy.stat().st_ino == made
    path.write_bytes(pack(b"image,caption\n1.jpg,another\n", form))
    assert captions(path) == ["another"]


def test_packed_table_is_cut_like_any_other(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "WHOLE_BYTES", 0)
    monkeypatch.setattr("precompute.corpus.shard.PIECE_SAMPLES", 2)
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"caption\n" + b"a rose\n" * 7))
    assert len(find_shards([str(tmp_path / "a.csv.gz")])) == 4
    assert [sample["sample_id"] for sample in read(tmp_path / "a.csv.gz")[0]] == list(range(7))


@pytest.mark.parametrize("form", ["gz", "zst"])
def test_packed_file_that_is_cut_off_is_refused_and_leaves_no_copy(tmp_path, own_copies, form):
    content = pack(os.urandom(4000).hex().encode(), form)
    (tmp_path / f"a.txt.{form}").write_bytes(content[: len(content) * 3 // 4])
    with pytest.raises(SourceError, match=rf"a\.txt\.{form} is cut off or damaged .* Fetch it again"):
        find_shards([str(tmp_path / f"a.txt.{form}")])
    assert [path for path in own_copies.rglob("*") if path.is_file()] == []


def test_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"caption\na rose\n"))
    (tmp_path / "file").touch()
    monkeypatch.setenv(copies.CACHE, str(tmp_path / "file"))
    with pytest.raises(SourceError, match="cannot be copied to .* TAILSCOPE_CACHE can name another folder"):
        find_shards([str(tmp_path / "a.csv.gz")])


def test_images_option_holds_for_packed_tables(tmp_path):
    write_photos(tmp_path / "elsewhere", "1.jpg")
    (tmp_path / "a.tsv.gz").write_bytes(gzip.compress(b"image\tcaption\n1.jpg\ta rose\n"))
    (shard,) = find_shards([str(tmp_path / "a.tsv.gz")], ReadOptions(images=tmp_path / "elsewhere"))
    assert shard.root == tmp_path / "elsewhere"
    assert read(tmp_path / "a.tsv.gz", images=tmp_path / "elsewhere")[0][0]["image"] == "elsewhere/1.jpg"


@pytest.mark.parametrize(
    ("name", "content"), [("a.csv.gz", b"x,y\n1,2\n"), ("a.json.gz", b"{"), ("a.parquet.gz", b"PAR1"), ("b.csv", None)]
)
def test_error_about_a_copy_names_the_file_that_was_given(tmp_path, own_copies, name, content):
    (tmp_path / name).write_bytes("x,y\n1,2\n".encode("utf-16") if content is None else pack(content, "gz"))
    with pytest.raises(SourceError) as raised:
        read(tmp_path / name)
    assert str(tmp_path / name) in str(raised.value)
    assert str(own_copies) not in str(raised.value)
