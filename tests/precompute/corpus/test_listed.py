"""Captions that are read as columns are the samples that reading them row by row gives."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.study import ROOT
from precompute.corpus import parquet, registry
from precompute.corpus.registry import find_shards, read_batches, read_samples
from precompute.corpus.sample import MAX_CAPTION, batch_samples
from precompute.corpus.shard import Reading

REAL = ROOT.parent / "shared" / "data" / "text" / "web_alt_text_10000.parquet"
TEXTS = st.one_of(
    st.none(),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    st.sampled_from(
        [
            "",
            " ",
            "\0",
            "\x1c a\x85",
            "\u3000rose\u2028",
            "https://a.b/c.jpg",
            "x" * (MAX_CAPTION + 1),
            "é" * (MAX_CAPTION // 2),
        ]
    ),
)


def read_both(path: Path) -> tuple[list, list]:
    """Rows and books by each way, of all pieces of a file."""
    answers = []
    for read in (read_batches, lambda *given: batch_samples(read_samples(*given))):
        rows, books = [], []
        for shard in find_shards([str(path)]):
            reading = Reading()
            rows += [row for batch in read(shard, reading) for row in batch.table.to_pylist()]
            books.append((reading.samples.entry(), reading.members.entry(), reading.done))
        answers.append((rows, books))
    return tuple(answers)


@pytest.fixture
def columns_alone(monkeypatch):
    """Nothing is read row by row but the first names."""
    monkeypatch.setattr(registry, "read_samples", lambda *given: pytest.fail("read row by row"))


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.tuples(TEXTS, TEXTS, TEXTS), max_size=12), size=st.integers(1, 5))
def test_columns_are_the_rows(tmp_path_factory, rows, size):
    path = tmp_path_factory.mktemp("list") / "list.parquet"
    captions, urls, names = zip(*rows, strict=True) if rows else ((), (), ())
    table = pa.table(
        {
            "TEXT": pa.array(captions, pa.string()),
            "URL": pa.array(urls, pa.large_string()),
            "image": pa.array(names, pa.string()),
        }
    )
    pq.write_table(table, path, row_group_size=size)
    columns, row_by_row = read_both(path)
    assert columns == row_by_row


def test_columns_of_any_kind_of_string_are_read_as_columns(tmp_path, columns_alone):
    kinds = (pa.string(), pa.large_string(), pa.dictionary(pa.int8(), pa.string()))
    for number, kind in enumerate(kinds):
        table = pa.table({"caption": pa.array([" a rose", None, "a fern\0"], pa.string()).cast(kind)})
        pq.write_table(table, tmp_path / f"{number}.parquet")
    batches = [batch for shard in find_shards([f"{tmp_path}/*.parquet"]) for batch in read_batches(shard, Reading())]
    assert [batch.table["caption"].to_pylist() for batch in batches] == [["a rose", "a fern"]] * 3
    assert [batch.table["sample_id"].to_pylist() for batch in batches] == [
        [0, 2],
        [10_000_000, 10_000_002],
        [20_000_000, 20_000_002],
    ]


def test_bytes_that_are_no_utf8_are_replaced(tmp_path):
    broken = pa.array([b"caf\xe9 ", b"a rose"]).view(pa.string())
    pq.write_table(pa.table({"caption": broken}), tmp_path / "a.parquet")
    columns, row_by_row = read_both(tmp_path / "a.parquet")
    assert columns == row_by_row
    assert [row["caption"] for row in columns[0]] == ["caf\ufffd", "a rose"]


@pytest.mark.parametrize("captions", [[["a rose", "a fern"], []], [{"text": "a rose"}, None], [b"a rose", b"a fern"]])
def test_cells_that_may_hold_more_than_a_text_are_read_row_by_row(tmp_path, captions):
    pq.write_table(pa.table({"caption": captions}), tmp_path / "a.parquet")
    (shard,) = find_shards([str(tmp_path / "a.parquet")])
    assert parquet.READER.read_columns(shard, Reading(), False) is None
    assert [batch.table["caption"][0].as_py() for batch in read_batches(shard, Reading())] == ["a rose"]


def test_where_photos_are_here_rows_are_joined_with_them(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"no image")
    pq.write_table(pa.table({"caption": ["a rose", "a fern"], "image": ["a.jpg", "b.jpg"]}), tmp_path / "a.parquet")
    reading = Reading()
    (batch,) = read_batches(*find_shards([str(tmp_path / "a.parquet")]), reading)
    assert batch.table["image"].to_pylist() == ["a.jpg"]
    assert reading.samples.entry()["dropped"] == {"no image": 1}


@pytest.mark.skipif(not REAL.is_file(), reason="no real captions beside the checkout")
def test_columns_of_raw_web_text_are_its_rows():
    columns, row_by_row = read_both(REAL)
    assert len(columns[0]) > 9_000
    assert columns == row_by_row
