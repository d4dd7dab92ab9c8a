"""Texts of other endings and encodings are read where it is certain what they are, and say so."""

import gzip

import pytest

from backend.errors import SourceError
from precompute.corpus.encodings import name_encoding
from precompute.corpus.preview import preview
from precompute.corpus.registry import find_shards
from tests.precompute.corpus.shard_files import captions, picture

WESTERN = "café table, crème brûlée “so” – naïve\nun garçon à côté d’une fenêtre\nein Mädchen über der Straße\nEl Niño\n"


@pytest.mark.parametrize("name", ["a.csv", "a.txt", "a.txt.gz", "a.jsonl"])
def test_windows_letters_are_read_where_they_are_certain_and_the_preview_says_so(tmp_path, name):
    lines = WESTERN.splitlines()
    text = "".join(f'{{"caption": "{line}"}}\n' for line in lines) if name == "a.jsonl" else WESTERN
    content = (("caption\n" if name == "a.csv" else "") + text.replace(", ", " ")).encode("cp1252")
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    assert captions(tmp_path / name) == [line.replace(", ", " ") for line in lines]
    (kind,) = preview(find_shards([str(tmp_path / name)])).kinds
    assert "is read as Windows-1252 (Latin-1)" in kind.layout.notes[-1]


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("деревянный стол и собака", "cp1251"),
        ("ξύλινο τραπέζι", "cp1253"),
        ("żółty pies na łące", "cp1250"),
        ("žlutý pes leží v trávě", "cp1250"),
        ("sarı köpek ve ağaç", "cp1254"),
        ("木の机と犬", "shift_jis"),
        ("木桌和狗", "gbk"),
        ("나무 책상", "euc_kr"),
        ("café table", "mac_roman"),
        ("café \0table", "cp1252"),
        ("a dog and a café", "utf-8"),
    ],
)
def test_encoding_that_might_be_another_is_not_guessed(tmp_path, text, encoding):
    assert name_encoding(text.encode(encoding)) == ""
    (tmp_path / "a.txt").write_bytes(f"{text}\na dog\n".encode(encoding))
    notes = preview(find_shards([str(tmp_path / "a.txt")])).kinds[0].layout.notes
    assert any("no UTF-8: save the file as UTF-8" in note for note in notes) == (encoding != "utf-8")


def test_letter_that_the_beginning_cuts_is_no_other_encoding():
    assert name_encoding("a café".encode()[:-1]) == ""


@pytest.mark.parametrize("name", ["train.1.en", "train.1.en.gz", "captions", "part-00000"])
def test_text_of_an_unknown_ending_is_read_by_its_content_and_the_preview_says_so(tmp_path, name):
    content = b"a dog\na man on a horse\n"
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    assert captions(tmp_path / name) == ["a dog", "a man on a horse"]
    (kind,) = preview(find_shards([str(tmp_path / name)])).kinds
    assert "is no ending that is known: it is a text by its content" in kind.layout.notes[0]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'{"caption": "a dog"}\n{"caption": "a cat"}\n', ["a dog", "a cat"]),
        (b'[{"caption": "a dog"}, {"caption": "a cat"}]', ["a dog", "a cat"]),
        (b"url\tcaption\nhttp://x/1\ta dog\nhttp://x/2\ta cat\n", ["a dog", "a cat"]),
        ("a dog\na café\n".encode("utf-16"), ["a dog", "a café"]),
    ],
)
def test_table_or_json_of_an_unknown_ending_is_what_it_is(tmp_path, content, expected):
    (tmp_path / "export.dat").write_bytes(content)
    assert captions(tmp_path / "export.dat") == expected


@pytest.mark.parametrize(
    "content", [b"", b" \n", bytes(range(256)) * 20, b"PK\x03\x04" + bytes(300), b"<!DOCTYPE html>\n<p>a dog\n", b"%PDF-1.7\n"]
)
def test_file_of_an_unknown_ending_that_is_no_text_is_refused(tmp_path, content):
    (tmp_path / "a.thing").write_bytes(content)
    with pytest.raises(SourceError, match=r"a\.thing is no shard\. Tailscope reads"):
        find_shards([str(tmp_path / "a.thing")])


def test_image_and_note_among_shards_are_no_captions(tmp_path):
    (tmp_path / "a.jpg").write_bytes(picture())
    with pytest.raises(SourceError, match=r"a\.jpg is no shard"):
        find_shards([str(tmp_path / "a.jpg")])
    (tmp_path / "a.jpg").unlink()
    (tmp_path / "b.txt").write_text("a dog\n")
    (tmp_path / "LICENSE").write_text("All rights\n")
    with pytest.raises(SourceError, match=r"matches .*LICENSE, which is no shard"):
        find_shards([f"{tmp_path}/*"])
