"""Concepts that are hit together: worked out by hand, the same as a plain count, and the same however the shards are cut."""

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from precompute.search import match_kernels
from precompute.search.cooccurrence import (
    count_pairs,
    count_together,
    load_together,
    pile_together,
    save_together,
    sum_piles,
    tabulate_together,
)

NAMES = ["bee", "cat", "dog", "zib"]
# samples 0: bee, cat; 1: cat, dog, bee; 3: dog; 7: cat, bee
ROWS = np.array([0, 0, 1, 1, 1, 3, 7, 7])
CONCEPTS = np.array([0, 1, 1, 2, 0, 2, 1, 0])


def list_rows(found) -> list[tuple]:
    return [tuple(row.values()) for table in tabulate_together(found, NAMES) for row in table.to_pylist()]


def test_pairs_of_a_few_samples_by_hand():
    found = count_together(ROWS, CONCEPTS, 4)
    assert found.toarray().tolist() == [[0, 3, 1, 0], [0, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert list_rows({"lemmatized": found}) == [
        ("bee", "cat", "text", "lemmatized", 3),
        ("bee", "dog", "text", "lemmatized", 1),
        ("cat", "bee", "text", "lemmatized", 3),
        ("cat", "dog", "text", "lemmatized", 1),
        ("dog", "bee", "text", "lemmatized", 1),
        ("dog", "cat", "text", "lemmatized", 1),
    ]


def test_no_hit_makes_no_pair():
    nothing = np.empty(0, np.int64)
    assert list_rows({"lemmatized": count_together(nothing, nothing, 4)}) == []
    assert list_rows({}) == []


@pytest.mark.parametrize("cut", [1, 7, 100])
def test_shards_sum_to_the_whole_and_to_a_plain_count(cut, tmp_path):
    dice = np.random.default_rng(0)
    keys = np.unique(dice.integers(0, 100 * 30, 900))
    rows, concepts = keys // 30, keys % 30
    plain = Counter(pair for row in range(100) for pair in combinations(sorted(concepts[rows == row].tolist()), 2))
    total = {}
    for number, start in enumerate(range(0, 100, cut)):
        these = (rows >= start) & (rows < start + cut)
        (folder := tmp_path / str(number)).mkdir()
        save_together(folder, {"lemmatized": count_together(rows[these], concepts[these], 30)})
        pile_together(total, load_together(folder))
    matrix = sum_piles(total)["lemmatized"].tocoo()
    assert dict(zip(zip(matrix.row.tolist(), matrix.col.tolist(), strict=True), matrix.data.tolist(), strict=True)) == plain


def test_methods_stand_beside_each_other():
    found = {
        "openclip@0.25": count_together(ROWS[:2], CONCEPTS[:2], 4),
        "lemmatized": count_together(ROWS[2:4], CONCEPTS[2:4], 4),
    }
    assert list_rows(found)[1:3] == [("cat", "dog", "text", "lemmatized", 1), ("cat", "bee", "image", "openclip@0.25", 1)]


KEYS = st.sets(st.integers(0, 40 * 6 - 1)).map(lambda keys: np.array(sorted(keys), np.int64))


@pytest.mark.parametrize("few", [0, 1 << 40])
@settings(max_examples=60, deadline=None)
@given(KEYS)
def test_pairs_are_those_of_the_product_of_sparse_matrices(few, keys):
    rows, concepts = np.divmod(keys, 6)
    hits = sparse.csr_array((np.ones(len(keys), np.int64), (rows, concepts)), shape=(40, 6))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(match_kernels, "FEW_HITS", few)  # compiled, and as Python runs them
        assert count_pairs(keys, 6).toarray().tolist() == np.triu((hits.T @ hits).toarray(), k=1).tolist()


def test_very_many_concepts_have_their_pairs():
    keys = np.array([0, 99_999, 100_000 + 7, 100_000 + 99_998, 200_000, 299_999], np.int64)
    found = count_pairs(keys, 100_000).tocoo()
    pairs = list(zip(found.row.tolist(), found.col.tolist(), found.data.tolist(), strict=True))
    assert sorted(pairs) == [(0, 99_999, 2), (7, 99_998, 1)]
