"""What a corpus is, told before it is read."""

from precompute.corpus import preview as previews
from precompute.corpus.preview import preview
from precompute.corpus.registry import find_shards
from tests.precompute.corpus.shard_files import picture, write_tar


def test_preview_shows_layout_examples_and_how_many_samples_each_kind_has(tmp_path):
    members = [(f"{key}.{ending}", content) for key in "0123" for ending, content in (("jpg", picture()), ("txt", b"a rose"))]
    tar = write_tar(tmp_path / "a.tar", [*members, ("4.jpg", picture())])
    (tmp_path / "b.csv").write_text("caption\na fern\na zib\n")
    seen = preview(find_shards([str(tar), str(tmp_path / "b.csv")]))
    assert [(kind.kind, kind.files, kind.samples, kind.is_exact) for kind in seen.kinds] == [
        ("tar", 1, 4, True),
        ("table", 1, 2, True),
    ]
    assert (seen.samples, seen.bytes) == (6, tar.stat().st_size + 21)
    assert [sample.caption for sample in seen.kinds[1].examples] == ["a fern", "a zib"]
    assert seen.kinds[0].dropped == {"no caption": 1}


def test_samples_of_large_files_are_foretold_from_their_beginning(tmp_path, monkeypatch):
    monkeypatch.setattr(previews, "READ_AT_MOST", 50)
    for name, rows in (("a.csv", 1000), ("b.csv", 400)):
        (tmp_path / name).write_text("caption\n" + "".join(f"a rose {row:05}\n" for row in range(rows)))
    (kind,) = preview(find_shards([f"{tmp_path}/*.csv"])).kinds
    assert (kind.files, kind.is_exact, len(kind.examples)) == (2, False, 3)
    assert 1300 < kind.samples < 1500
