"""What a corpus is, told before it is read."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from precompute.corpus import jsonl, tables, text
from precompute.corpus import preview as previews
from precompute.corpus import shard as shards
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


@pytest.mark.parametrize("form", ["a.csv", "a.txt", "a.jsonl", "list.json", "a.parquet"])
def test_samples_are_foretold_right_where_the_last_piece_is_short_and_where_a_block_holds_many(tmp_path, monkeypatch, form):
    """A file is cut after so many samples: what is left over is not another piece of that size."""
    monkeypatch.setattr(previews, "READ_AT_MOST", 20)
    monkeypatch.setattr(shards, "PIECE_SAMPLES", 1000)
    for reader in (tables, text, jsonl):
        monkeypatch.setattr(reader, "WHOLE_BYTES", 1000)
    rows = [{"caption": f"a rose {row:05}, “red”"} for row in range(1100)]
    path = tmp_path / form
    if form == "a.parquet":
        pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=100)
    elif form == "list.json":
        path.write_text(json.dumps(rows))
    elif form == "a.jsonl":
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    else:
        lines = [row["caption"].replace(",", "") for row in rows]
        path.write_text("".join(f"{line}\n" for line in (["caption", *lines] if form == "a.csv" else lines)))
    shards_found = find_shards([str(path)])
    assert len(shards_found) == (1 if form == "list.json" else 2)
    (kind,) = preview(shards_found).kinds
    assert not kind.is_exact
    assert 1000 < kind.samples < 1200
