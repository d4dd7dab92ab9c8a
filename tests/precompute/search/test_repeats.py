"""The first sample of each content is told from those that repeat it, whatever share of the hashes is compared at a time."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from precompute.search.repeats import count_different, count_shares, find_repeats, mark_repeats, mark_unknown
from tests.precompute.search.test_merge import CONCEPTS, IMAGE, METHODS, TEXT, make_part


@pytest.mark.parametrize("shares", [1, 2, 7])
def test_repeats_are_the_later_samples_of_a_content(tmp_path, shares):
    files = []
    for number, hashes in enumerate([[5, -3, 5, None], [-3, None, 8, 5]]):
        path = tmp_path / f"{number}.parquet"
        pq.write_table(pa.table({"sample_id": [0, 1, 2, 4], "hash": pa.array(hashes, pa.int64())}), path)
        files.append((path, 100 * number))
    for share in range(shares):
        find_repeats(files, "hash", share, shares, tmp_path / f"repeats-{share}.npy")
    found = sorted(tmp_path.glob("repeats-*.npy"))
    assert mark_repeats(found, np.array([0, 1, 2, 3, 4])).tolist() == [False, False, True, False, False]
    assert mark_repeats(found, np.array([100, 101, 102, 104])).tolist() == [True, False, False, True]
    assert mark_repeats(found, np.array([], np.int64)).tolist() == []


def test_a_sample_without_a_known_content_is_told(tmp_path):
    contents = pa.table({"sample_id": [0, 2, 3], "content": pa.array([7, None, 9], pa.int64())})
    assert mark_unknown(np.array([0, 1, 2, 3]), contents).tolist() == [False, True, True, False]


def test_shares_follow_from_the_rows():
    assert [count_shares(rows) for rows in (0, 1 << 24, (1 << 24) + 1, 400_000_000)] == [1, 1, 2, 24]


def test_different_contents_are_counted_by_method():
    part = make_part(TEXT, IMAGE)
    again = np.zeros(part.samples.num_rows, bool)
    every = count_different(part, again, again, len(CONCEPTS), METHODS)
    assert {name: counts.tolist() for name, counts in every.items()} == {
        "lemmatized": [1, 5, 0],
        "phrase": [1, 4, 0],
        "openclip@0.20": [1, 3, 3],
        "openclip@0.30": [0, 2, 2],
    }
    again[:] = True
    assert {name: counts.tolist() for name, counts in count_different(part, again, None, len(CONCEPTS), METHODS).items()} == {
        "lemmatized": [0, 0, 0],
        "phrase": [0, 0, 0],
    }
