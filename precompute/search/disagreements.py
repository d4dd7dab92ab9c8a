"""Spreads misaligned samples over the concepts that they are about, so that a page finds those of one side by side.

Each sample is a row of every concept that its caption or its image has, and a row of no concept, which stands for all of them.
Cost: 12 ms of one core for 100,000 misaligned samples with 300,000 concepts, and 0.2 s to sort them.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from backend.schema import EVERY_CONCEPT, TABLES
from precompute.search.corpus_files import CorpusFile
from precompute.search.match import as_nullable
from precompute.search.match_kernels import choose_loop, merge_keys, sort_hits
from precompute.search.sorting import ROWS_AT_ONCE
from precompute.search.spilling import connect_spilling

SCHEMA = pa.schema(
    [pa.field("concept", pa.int32()), *(field for field in TABLES["disagreements"].schema if field.type != "string")]
)
NO_CONCEPT = -1  # the number of the row that stands for all of a sample's concepts


def spread_samples(disagreeing: pa.Table, concepts: Sequence[str]) -> pa.Table:
    """The rows of `SCHEMA` for rows of `misaligned`, by rising concept; the concepts in their lists are dictionaries."""
    rows = np.arange(disagreeing.num_rows)
    named_rows, named = _flatten(disagreeing["text_concepts"], concepts)
    said, _ = _sort_keys(named, named_rows, np.empty(0, np.float32), len(concepts), len(rows))
    shown_rows, shown = _flatten(disagreeing["image_concepts"], concepts)
    scores = pc.list_flatten(disagreeing["image_scores"]).to_numpy()
    seen, scores = _sort_keys(shown, shown_rows, np.require(scores, np.float32, "W"), len(concepts), len(rows))
    most = len(said) + len(seen)
    keys, is_said, score = np.empty(most, np.int64), np.zeros(most, bool), np.full(most, np.nan, np.float32)
    found = choose_loop(merge_keys, most)(said, seen, scores, (keys, is_said, score))
    concept, row = np.divmod(keys[:found], max(len(rows), 1))
    has_text = np.zeros(len(rows), bool)
    has_text[named_rows] = True
    whole = np.concatenate([rows, row])
    best, agreed = (disagreeing[name].to_numpy().astype(np.float32) for name in ("best", "agreed"))
    columns = {
        "concept": np.concatenate([np.full(len(rows), NO_CONCEPT), concept]).astype(np.int32),
        "sample_id": disagreeing["sample_id"].to_numpy()[whole],
        "said": np.concatenate([np.ones(len(rows), bool), is_said[:found]]),
        "named": has_text[whole],
        "score": as_nullable(np.concatenate([best, score[:found]])),
        "best": as_nullable(best[whole]),
        "agreed": as_nullable(agreed[whole]),
    }
    return pa.table(columns).select(SCHEMA.names).cast(SCHEMA)


def count_spread(rows: pa.Table, concepts: int) -> np.ndarray:
    """How many rows of `SCHEMA` there are of no concept, and of each concept: int64 (1 + concepts,)."""
    return np.bincount(rows["concept"].to_numpy() - NO_CONCEPT, minlength=concepts + 1)


def sort_disagreements(
    found: Sequence[Path], concepts: Sequence[str], corpus: str, bounds: tuple[int, int], path: Path
) -> None:
    """Writes the rows of a range of concepts, from a place in what `count_spread` gives to before another, as a file of the
    corpus in the order of the table. `found`: files of `SCHEMA`, of which no other row group is read."""
    spilled = path.with_suffix(".spilled")
    shutil.rmtree(spilled, ignore_errors=True)
    names = pa.array([EVERY_CONCEPT, *concepts], pa.string())
    with connect_spilling(spilled) as connection, CorpusFile(path, "disagreements", corpus) as file:
        if not found:  # a corpus without a sample
            return
        rows = connection.sql(
            """SELECT * FROM read_parquet($found, hive_partitioning = false) WHERE concept >= $first AND concept < $end
               ORDER BY concept, best DESC NULLS LAST, sample_id""",
            params={"found": list(map(str, found)), "first": bounds[0] + NO_CONCEPT, "end": bounds[1] + NO_CONCEPT},
        )
        for batch in rows.to_arrow_reader(ROWS_AT_ONCE):
            concept = names.take(pc.subtract(batch["concept"], NO_CONCEPT))
            file.write(pa.table(batch).set_column(0, "concept", concept))
    shutil.rmtree(spilled, ignore_errors=True)


def _flatten(lists: pa.ChunkedArray, concepts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The row, and the number of the concept, of every name in lists of names."""
    lists = lists.combine_chunks()
    names = pc.list_flatten(lists)
    numbers = pc.index_in(names.dictionary, value_set=pa.array(concepts, pa.string())).to_numpy()
    return pc.list_parent_indices(lists).to_numpy().astype(np.int64), numbers[names.indices.to_numpy()].astype(np.int64)


def _sort_keys(
    concepts: np.ndarray, rows: np.ndarray, scores: np.ndarray, size: int, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """The keys concept * `count` + row of all names in lists, rising, and the scores, if there are any, in their order."""
    keys, sorted_scores = np.empty(len(rows), np.int64), np.empty(len(scores), np.float32)
    found = (np.zeros(size + 2, np.int64), keys, sorted_scores)
    are_there = choose_loop(sort_hits, len(rows))(concepts, rows, scores, np.ones(len(rows), bool), count, found)
    assert are_there, "every name is one of the concepts"
    return keys, sorted_scores
