"""Which files are shards of a corpus, how they are numbered, and where their images lie as a study has it."""

import pytest

from backend.errors import SourceError
from precompute.corpus.registry import find_shards
from precompute.corpus.shard import Shard


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
        ("*.gz", r"\*\.gz' matches .*a\.pdf\.gz, which is no shard"),
        ("folder*", r"folder\*' matches .*folder\.tar, which is no shard"),
        ("", "'' matches no file"),
    ],
)
def test_pattern_without_shards_is_named(tmp_path, monkeypatch, pattern, message):
    (tmp_path / "a.pdf.gz").touch()
    (tmp_path / "folder.tar").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceError, match=message):
        find_shards([pattern])
