"""Ranks, tails, inequality and agreement of countings, against answers worked out by hand."""

import math

import numpy as np
import pandas as pd
import pytest

from backend import frequency
from backend.errors import EmptySelection, MissingTable
from backend.study import Study
from tests.tiny_study import animal_rows, count_rows, write_study


@pytest.fixture(scope="module")
def animals(tmp_path_factory) -> Study:
    """Five concepts in `small` (0, 1, 10, 100, 100), three of them in `large` (5, 0, 300)."""
    return write_study(tmp_path_factory.mktemp("animals"), animal_rows())


@pytest.fixture(scope="module")
def two_tasks(tmp_path_factory) -> Study:
    """`cat` counts 10 as an animal and 40 as a pet; `eel` is an animal only, `hamster` a pet only."""
    rows = count_rows("c", "lemmatized", {"cat": 10, "dog": 7, "eel": 0})
    rows += count_rows("c", "lemmatized", {"Cat": 40, "dog": 7, "hamster": 2}, task="pets")
    return write_study(tmp_path_factory.mktemp("two_tasks"), rows)


@pytest.fixture(scope="module")
def empty(tmp_path_factory) -> Study:
    """A study whose tables hold no row."""
    return write_study(tmp_path_factory.mktemp("empty"))


def columns(frame: pd.DataFrame, *names: str) -> list[tuple]:
    """The rows of some columns as plain tuples."""
    return list(frame[list(names)].itertuples(index=False, name=None))


def ranked_counts(**corpora: list[int]) -> pd.DataFrame:
    """What `count_concepts` gives, as far as a curve needs it: counts in falling order."""
    frames = [
        pd.DataFrame({"corpus": corpus, "concept": [f"{i}" for i in range(len(counts))], "count": sorted(counts)[::-1]})
        for corpus, counts in corpora.items()
    ]
    frame = pd.concat(frames, ignore_index=True)
    return frame.assign(rank=frame.groupby("corpus")["count"].rank(method="min", ascending=False).astype(int))


# What is there


def test_widest_used_method_comes_first(tmp_path):
    rows = count_rows("a", "rampp@0.7", {"ant": 1}) + count_rows("a", "lemmatized", {"ant": 1, "bee": 1})
    rows += count_rows("b", "lemmatized", {"ant": 1}) + count_rows("a", "lowercased", {"ant": 1, "bee": 1})
    assert columns(frequency.list_methods(write_study(tmp_path, rows)), "modality", "method", "corpora", "counts") == [
        ("text", "lemmatized", 2, 3),
        ("text", "lowercased", 1, 2),
        ("image", "rampp@0.7", 1, 1),
    ]


def test_corpora_come_smallest_first_and_those_of_unknown_size_last(tmp_path):
    rows = [row for corpus in ("z", "big", "mid", "a") for row in count_rows(corpus, "phrase", {"ant": 1})]
    study = write_study(tmp_path, rows, pairs={"big": 2_000_000_000, "mid": 5})
    assert list(frequency.list_corpora(study)["corpus"]) == ["mid", "big", "a", "z"]


def test_corpus_without_counts_is_not_listed(tmp_path):
    corpus = {"corpus": "uncounted", "title": "U", "pairs": 9, "indexed": None, "source": "s"}
    study = write_study(tmp_path, animal_rows(), corpora=[corpus, corpus | {"corpus": "small"}])
    assert list(frequency.list_corpora(study)["corpus"]) == ["small"]


def test_corpora_say_how_many_concepts_they_count(animals, two_tasks):
    assert columns(frequency.list_corpora(animals), "corpus", "concepts") == [("small", 5), ("large", 3)]
    assert columns(frequency.list_corpora(two_tasks), "corpus", "concepts") == [("c", 4)]


def test_empty_study_lists_nothing(empty):
    assert frequency.list_methods(empty).empty
    assert frequency.list_corpora(empty).empty


@pytest.mark.parametrize(
    ("ask", "table"),
    [
        (frequency.list_methods, "frequency"),
        (frequency.list_corpora, "corpora"),
        (lambda study: frequency.count_concepts(study, "lemmatized"), "frequency"),
        (lambda study: frequency.compare_methods(study, "small", "lemmatized", "rampp@0.7"), "frequency"),
        (lambda study: frequency.sweep_thresholds(study, "rampp"), "frequency"),
        (lambda study: frequency.correlate_corpora(study, "lemmatized"), "frequency"),
        (lambda study: frequency.list_counts(study, "ant"), "frequency"),
        (lambda study: frequency.find_neighbours(study, "ant", "small", "lemmatized"), "frequency"),
    ],
)
def test_missing_table_is_named_with_the_command(tmp_path, ask, table):
    study = write_study(tmp_path, animal_rows())
    (tmp_path / f"{table}.parquet").unlink()
    with pytest.raises(MissingTable, match=rf"no table '{table}'. Build it: python -m precompute"):
        ask(study)


# Ranks


def test_ties_share_a_rank_and_percentile_is_the_share_of_rarer_concepts(animals):
    ranked = frequency.count_concepts(animals, "lemmatized")
    small = ranked[ranked["corpus"] == "small"]
    assert columns(small, "concept", "count", "rank", "percentile", "concepts") == [
        ("dog", 100, 1, 60.0, 5),
        ("elk", 100, 1, 60.0, 5),
        ("cat", 10, 3, 40.0, 5),
        ("bee", 1, 4, 20.0, 5),
        ("ant", 0, 5, 0.0, 5),
    ]
    large = ranked[ranked["corpus"] == "large"]
    assert columns(large, "concept", "count", "rank", "concepts") == [("dog", 300, 1, 3), ("ant", 5, 2, 3), ("bee", 0, 3, 3)]


def test_largest_count_of_a_concept_stands_for_it(two_tasks):
    ranked = frequency.count_concepts(two_tasks, "lemmatized")
    assert columns(ranked, "concept", "count") == [("cat", 40), ("dog", 7), ("hamster", 2), ("eel", 0)]


def test_order_of_rows_does_not_change_ranks(tmp_path, animals):
    turned = write_study(tmp_path, reversed(animal_rows()), pairs={"small": 1000, "large": 2000})
    for ask in (
        lambda study: frequency.count_concepts(study, "lemmatized"),
        lambda study: frequency.list_counts(study, "dog"),
        lambda study: frequency.list_corpora(study),
        lambda study: frequency.correlate_corpora(study, "lemmatized")[0],
    ):
        pd.testing.assert_frame_equal(ask(turned), ask(animals))


@pytest.mark.parametrize("method", ["rampp@0.7", "", "lemmatized' OR '1'='1"])
def test_nothing_counted_is_said(animals, method):
    with pytest.raises(EmptySelection) as error:
        frequency.count_concepts(animals, method)
    assert str(error.value) == f"No counts by method '{method}'."


# Curves


def test_short_curve_keeps_every_concept_but_the_zeros():
    curve = frequency.thin_curves(ranked_counts(c=[100, 100, 10, 1, 0]))
    assert columns(curve, "corpus", "concept", "count", "rank") == [
        ("c", "0", 100, 1),
        ("c", "1", 100, 2),
        ("c", "2", 10, 3),
        ("c", "3", 1, 4),
    ]


def test_long_curve_keeps_its_ends_and_at_most_200_points():
    curve = frequency.thin_curves(ranked_counts(c=list(range(1, 5_001)), d=[0, 7]))
    assert curve.groupby("corpus").size()["c"] <= 200
    assert (curve["rank"].iloc[0], curve["count"].iloc[0]) == (1, 5_000)
    c = curve[curve["corpus"] == "c"]
    assert (c["rank"].iloc[-1], c["count"].iloc[-1]) == (5_000, 1)
    assert (c["count"] == 5_001 - c["rank"]).all()
    assert columns(curve[curve["corpus"] == "d"], "count", "rank") == [(7, 1)]


def test_curve_of_zeros_alone_is_empty_and_has_its_columns():
    ranked = ranked_counts(c=[0, 0])
    curve = frequency.thin_curves(ranked)
    assert curve.empty
    assert list(curve.columns) == list(ranked.columns)


def test_thinning_changes_nothing_that_it_was_given(animals):
    ranked = frequency.count_concepts(animals, "lemmatized")
    before = ranked.copy()
    frequency.thin_curves(ranked), frequency.compute_lorenz(ranked), frequency.share_tails(ranked)
    pd.testing.assert_frame_equal(ranked, before)


# Tails


def test_tail_share_counts_concepts_with_at_most_so_many_samples():
    shares = frequency.share_tails(ranked_counts(c=[0, 0, 10, 11, 100, 1_000, 1_001, 10_000, 10_001, 10**9]))
    assert columns(shares, "corpus", "limit", "concepts", "share") == [
        ("c", 0, 2, 20.0),
        ("c", 10, 3, 30.0),
        ("c", 100, 5, 50.0),
        ("c", 1_000, 6, 60.0),
        ("c", 10_000, 8, 80.0),
    ]


def test_tail_share_of_zeros_is_everything():
    assert set(frequency.share_tails(ranked_counts(c=[0, 0, 0]))["share"]) == {100.0}


def test_tail_share_of_nothing_is_an_empty_table():
    shares = frequency.share_tails(ranked_counts(c=[1]).head(0))
    assert shares.empty
    assert list(shares.columns) == ["corpus", "limit", "concepts", "share"]


def test_tail_share_is_the_same_in_any_order_and_for_twice_the_concepts():
    counts = [0, 3, 10, 99, 100, 5_000, 20_000]
    once = frequency.share_tails(ranked_counts(c=counts))["share"]
    assert frequency.share_tails(ranked_counts(c=counts).sample(frac=1, random_state=1))["share"].tolist() == once.tolist()
    assert frequency.share_tails(ranked_counts(c=counts * 2))["share"].tolist() == pytest.approx(once.tolist())


# Inequality


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([1, 1, 1, 1], 0),
        ([0, 0, 0, 4], 0.75),  # one of n has all: 1 - 1/n
        ([1, 2, 3, 4], 0.25),  # (-3*1 - 1*2 + 1*3 + 3*4) / (4 * 10)
        ([0, 1], 0.5),
        ([7], 0),
    ],
)
def test_gini_of_a_few_counts(counts, expected):
    assert frequency.gini(np.array(counts)) == pytest.approx(expected)


@pytest.mark.parametrize("counts", [[], [0], [0, 0, 0]])
def test_gini_without_a_hit_is_not_a_number(counts):
    assert math.isnan(frequency.gini(np.array(counts)))


def test_gini_is_half_the_mean_difference_over_the_mean():
    counts = np.random.default_rng(0).integers(0, 10_000, 60)
    differences = np.abs(counts[:, None] - counts[None, :]).mean()
    assert frequency.gini(counts) == pytest.approx(differences / (2 * counts.mean()))


@pytest.mark.parametrize("factor", [2, 1_000, 10**9])
def test_gini_does_not_change_when_all_counts_are_scaled(factor):
    counts = np.array([0, 1, 5, 20, 300])
    assert frequency.gini(counts * factor) == pytest.approx(frequency.gini(counts))


def test_gini_does_not_change_with_order_or_when_every_concept_is_doubled():
    counts = np.array([300, 0, 20, 1, 5])
    assert frequency.gini(np.sort(counts)) == frequency.gini(counts)
    assert frequency.gini(np.repeat(counts, 2)) == pytest.approx(frequency.gini(counts))


def test_gini_leaves_its_input_in_order():
    counts = np.array([3, 1, 2])
    frequency.gini(counts)
    assert counts.tolist() == [3, 1, 2]


def test_lorenz_curve_runs_from_nothing_to_everything():
    curve = frequency.compute_lorenz(ranked_counts(c=[1, 2, 3, 4]))
    assert columns(curve, "concepts_share", "hits_share") == [(0, 0), (25, 10), (50, 30), (75, 60), (100, 100)]
    assert curve["gini"].tolist() == pytest.approx([0.25] * 5)


def test_lorenz_curve_of_zeros_lies_on_the_floor():
    curve = frequency.compute_lorenz(ranked_counts(c=[0, 0]))
    assert curve["hits_share"].tolist() == [0, 0, 0]
    assert curve["gini"].isna().all()


def test_long_lorenz_curve_is_thinned_and_its_area_is_the_gini():
    curve = frequency.compute_lorenz(ranked_counts(c=list(range(1, 3_001))))
    assert len(curve) <= 200
    area = np.trapezoid(curve["hits_share"], curve["concepts_share"]) / 10_000
    assert 1 - 2 * area == pytest.approx(curve["gini"].iloc[0], abs=1e-3)


# Methods and thresholds against each other


@pytest.fixture(scope="module")
def tagged(tmp_path_factory) -> Study:
    """Text and image counts, the image ones at three thresholds in one corpus and at one in another."""
    rows = count_rows("c", "lemmatized", {"ant": 9, "bee": 0, "cat": 99, "eel": 5})
    rows += count_rows("c", "rampp@0.5", {"ant": 40, "bee": 30, "cat": 20, "dog": 10})
    rows += count_rows("c", "rampp@0.6", {"ant": 4, "bee": 3, "cat": 0, "dog": 10})
    rows += count_rows("c", "rampp@0.7", {"ant": 0, "bee": 2, "cat": 0})
    rows += count_rows("one", "rampp@0.7", {"ant": 1}) + count_rows("one", "openclip@0.25", {"ant": 1})
    rows += count_rows("c", "lemmatized+rampp@0.5", {"ant": 1})
    return write_study(tmp_path_factory.mktemp("tagged"), rows)


def test_two_methods_are_compared_over_concepts_that_both_counted(tagged):
    compared = frequency.compare_methods(tagged, "c", "lemmatized", "rampp@0.7")
    assert columns(compared, "concept", "first", "second") == [("ant", 9, 0), ("bee", 0, 2), ("cat", 99, 0)]
    assert compared["log_ratio"].tolist() == pytest.approx([1, -math.log10(3), 2])


def test_comparing_the_other_way_round_turns_the_sign(tagged):
    there = frequency.compare_methods(tagged, "c", "lemmatized", "rampp@0.5")
    back = frequency.compare_methods(tagged, "c", "rampp@0.5", "lemmatized")
    assert back["log_ratio"].tolist() == pytest.approx((-there["log_ratio"]).tolist())


def test_method_compared_with_itself_is_the_same(tagged):
    compared = frequency.compare_methods(tagged, "c", "lemmatized", "lemmatized")
    assert compared["first"].tolist() == compared["second"].tolist() == [9, 0, 99, 5]
    assert set(compared["log_ratio"]) == {0}


def test_largest_count_stands_for_a_concept_when_methods_are_compared(tmp_path):
    rows = count_rows("c", "phrase", {"cat": 4}) + count_rows("c", "phrase", {"cat": 9}, task="pets")
    study = write_study(tmp_path, rows + count_rows("c", "rampp@0.7", {"cat": 0}))
    assert columns(frequency.compare_methods(study, "c", "phrase", "rampp@0.7"), "first", "second", "log_ratio") == [
        (9, 0, 1.0)
    ]


@pytest.mark.parametrize(("corpus", "second"), [("one", "rampp@0.7"), ("c", "openclip@0.25"), ("nowhere", "rampp@0.7")])
def test_methods_without_a_common_concept_are_said(tagged, corpus, second):
    with pytest.raises(EmptySelection) as error:
        frequency.compare_methods(tagged, corpus, "lemmatized", second)
    assert str(error.value) == f"{corpus} has no concepts counted both by 'lemmatized' and by '{second}'."


def test_thresholds_are_swept_over_concepts_that_every_one_counted(tagged):
    swept = frequency.sweep_thresholds(tagged, "rampp")
    assert columns(swept, "corpus", "threshold", "concepts", "median") == [
        ("c", 0.5, 3, 30.0),
        ("c", 0.6, 3, 3.0),
        ("c", 0.7, 3, 0.0),
    ]
    assert swept["zero_share"].tolist() == pytest.approx([0, 100 / 3, 200 / 3])


def test_higher_threshold_never_finds_more(published_study):
    for _, rows in frequency.sweep_thresholds(published_study, "rampp").groupby("corpus"):
        assert rows["threshold"].is_monotonic_increasing
        assert rows["median"].is_monotonic_decreasing
        assert rows["zero_share"].is_monotonic_increasing
        assert rows["concepts"].nunique() == 1


@pytest.mark.parametrize("tagger", ["openclip", "unheard of", "", "%", "ramp_"])
def test_tagger_without_two_thresholds_is_said(tagged, tagger):
    with pytest.raises(EmptySelection) as error:
        frequency.sweep_thresholds(tagged, tagger)
    assert str(error.value) == f"No corpus was counted by '{tagger}' at more than one threshold."


# Corpora against each other


@pytest.fixture(scope="module")
def three_corpora(tmp_path_factory) -> Study:
    """`b` is ten times `a`, `c` turns its order round and lacks a concept; each concept by task and name."""
    rows = count_rows("a", "phrase", {"ant": 1, "bee": 10, "cat": 100, "dog": 1_000})
    rows += count_rows("b", "phrase", {"ant": 10, "bee": 100, "cat": 1_000, "dog": 10_000})
    rows += count_rows("c", "phrase", {"ant": 1_000, "bee": 100, "cat": 10})
    return write_study(tmp_path_factory.mktemp("three"), rows)


@pytest.mark.parametrize("measure", ["spearman", "pearson"])
def test_corpora_correlate_by_rank_and_by_logarithm(three_corpora, measure):
    r, n = frequency.correlate_corpora(three_corpora, "phrase", measure)
    assert r.loc["a", "b"] == pytest.approx(1)
    assert r.loc["a", "c"] == pytest.approx(-1)
    assert n.to_dict() == {"a": {"a": 4, "b": 4, "c": 3}, "b": {"a": 4, "b": 4, "c": 3}, "c": {"a": 3, "b": 3, "c": 3}}


def test_spearman_is_not_pearson_where_the_line_bends(tmp_path):
    rows = count_rows("a", "phrase", {"ant": 1, "bee": 10, "cat": 100})
    study = write_study(tmp_path, rows + count_rows("b", "phrase", {"ant": 1, "bee": 1_000, "cat": 10_000}))
    assert frequency.correlate_corpora(study, "phrase")[0].loc["a", "b"] == pytest.approx(1)
    # x = 0, 1, 2 and y = 0, 3, 4: sxy = 4, sxx = 2, syy = 26/3
    r = frequency.correlate_corpora(study, "phrase", "pearson")[0].loc["a", "b"]
    assert r == pytest.approx(4 / math.sqrt(2 * 26 / 3))


def test_zero_counts_as_one_on_the_logarithmic_scale(tmp_path):
    rows = count_rows("a", "phrase", {"ant": 0, "bee": 1, "cat": 10}) + count_rows(
        "b", "phrase", {"ant": 1, "bee": 0, "cat": 10}
    )
    r = frequency.correlate_corpora(write_study(tmp_path, rows), "phrase", "pearson")[0]
    assert r.loc["a", "b"] == pytest.approx(1)


def test_concepts_are_joined_within_their_task_and_not_by_their_place(tmp_path):
    rows = count_rows("a", "phrase", {"ant": 1, "bee": 10, "cat": 100}) + count_rows("a", "phrase", {"ant": 7}, task="other")
    rows += count_rows("b", "phrase", {"cat": 100, "bee": 10, "ant": 1}) + count_rows("b", "phrase", {"bee": 9}, task="other")
    r, n = frequency.correlate_corpora(write_study(tmp_path, rows), "phrase")
    assert (r.loc["a", "b"], n.loc["a", "b"]) == (pytest.approx(1), 3)


def test_two_common_concepts_are_too_few_for_a_correlation(tmp_path):
    rows = count_rows("a", "phrase", {"ant": 1, "bee": 2, "x": 1}) + count_rows("b", "phrase", {"ant": 1, "bee": 2, "y": 1})
    r, n = frequency.correlate_corpora(write_study(tmp_path, rows), "phrase")
    assert math.isnan(r.loc["a", "b"])
    assert n.loc["a", "b"] == 2


def test_one_corpus_alone_cannot_be_correlated(tmp_path):
    study = write_study(tmp_path, count_rows("a", "phrase", {"ant": 1}))
    with pytest.raises(EmptySelection, match=r"^Only a is counted by 'phrase': a correlation needs two corpora\.$"):
        frequency.correlate_corpora(study, "phrase")
    with pytest.raises(EmptySelection, match=r"^No counts by method 'lemmatized'\.$"):
        frequency.correlate_corpora(study, "lemmatized")


def test_correlation_matrix_is_symmetric_with_ones_on_its_diagonal(small_study):
    r, n = frequency.correlate_corpora(small_study, "lemmatized")
    np.testing.assert_array_equal(r.to_numpy(), r.to_numpy().T)
    np.testing.assert_array_equal(n.to_numpy(), n.to_numpy().T)
    assert np.diag(r).tolist() == pytest.approx([1, 1, 1])


# One concept


def test_counts_of_a_concept_in_every_corpus(animals):
    rows = frequency.list_counts(animals, "dog")
    assert columns(rows, "corpus", "modality", "method", "low", "high", "variants", "rank", "concepts") == [
        ("large", "text", "lemmatized", 300, 300, 1, 1, 3),
        ("small", "text", "lemmatized", 100, 100, 1, 1, 5),
    ]
    assert rows["percentile"].tolist() == pytest.approx([200 / 3, 60])


def test_different_counts_of_one_concept_are_kept_apart(two_tasks):
    assert columns(frequency.list_counts(two_tasks, "cat"), "low", "high", "variants", "rank") == [(10, 40, 2, 1)]
    assert columns(frequency.list_counts(two_tasks, "dog"), "low", "high", "variants", "rank") == [(7, 7, 1, 2)]
    assert columns(frequency.list_counts(two_tasks, "eel"), "low", "high", "rank", "percentile") == [(0, 0, 4, 0.0)]


def test_rank_and_percentile_of_a_concept_are_those_of_the_ranked_list(small_study):
    methods = frequency.list_methods(small_study)["method"]
    ranked = pd.concat([frequency.count_concepts(small_study, method).assign(method=method) for method in methods])
    for concept in ("crane", "rose", "dog", "colt's foot", "acadian flycatcher"):
        for row in frequency.list_counts(small_study, concept).itertuples():
            same = (ranked["concept"] == concept) & (ranked["corpus"] == row.corpus) & (ranked["method"] == row.method)
            (expected,) = ranked[same].itertuples()
            assert (row.high, row.rank, row.concepts) == (expected.count, expected.rank, expected.concepts)
            assert row.percentile == pytest.approx(expected.percentile)


@pytest.mark.parametrize("concept", ["unicorn", "", "dog' OR '1'='1"])
def test_concept_that_no_corpus_counts_is_said(animals, concept):
    with pytest.raises(EmptySelection) as error:
        frequency.list_counts(animals, concept)
    assert str(error.value) == f"No corpus of study '{animals.name}' counts '{concept}'."


def test_neighbours_stand_around_the_concept(animals):
    near = frequency.find_neighbours(animals, "cat", "small", "lemmatized", each_side=1)
    assert columns(near, "concept", "count", "rank") == [("elk", 100, 1), ("cat", 10, 3), ("bee", 1, 4)]


@pytest.mark.parametrize(("concept", "expected"), [("dog", ["dog", "elk", "cat"]), ("ant", ["cat", "bee", "ant"])])
def test_first_and_last_concept_have_neighbours_on_one_side(animals, concept, expected):
    assert list(frequency.find_neighbours(animals, concept, "small", "lemmatized", each_side=2)["concept"]) == expected


def test_concept_without_a_count_has_no_neighbours(animals):
    with pytest.raises(EmptySelection, match=r"^large has no count of 'cat' by 'lemmatized'\.$"):
        frequency.find_neighbours(animals, "cat", "large", "lemmatized")


# The paper's study


@pytest.mark.parametrize(
    ("measure", "one", "other", "r", "n"),
    [
        # worked out from the count files alone, joined by task and concept
        ("spearman", "cc3m", "cc12m", 0.8268, 4414),
        ("pearson", "cc3m", "cc12m", 0.8189, 4414),
        ("spearman", "cc3m", "laion400m", 0.6436, 4414),
        ("spearman", "cc12m", "yfcc15m", 0.9087, 4414),
        ("spearman", "yfcc15m", "laion400m", 0.8023, 5614),
    ],
)
def test_corpora_of_the_paper_correlate_by_task_and_concept(published_study, measure, one, other, r, n):
    found, pairs = frequency.correlate_corpora(published_study, "lemmatized", measure)
    assert found.loc[one, other] == pytest.approx(r, abs=5e-5)
    assert pairs.loc[one, other] == n


def test_corpus_counted_for_a_part_of_the_concepts_is_found(tmp_path, published_study):
    rows = count_rows("wide", "lemmatized", {f"c{i}": i for i in range(9)})
    rows += count_rows("few", "lemmatized", {"c1": 1, "c2": 1})
    rows += count_rows("third", "lemmatized", {"c1": 1, "c2": 1, "c3": 1})
    assert frequency.find_narrow(frequency.count_concepts(write_study(tmp_path, rows), "lemmatized")) == {"few": 2}
    narrow = frequency.find_narrow(frequency.count_concepts(published_study, "lemmatized"))
    assert narrow == {"laion_aesthetics": 595}


def test_aesthetics_shares_no_counted_task_with_the_others(published_study):
    r, n = frequency.correlate_corpora(published_study, "lemmatized")
    assert math.isnan(r.loc["laion_aesthetics", "cc3m"])
    assert n.loc["laion_aesthetics", "cc3m"] == 0


def test_a_third_of_the_papers_concepts_are_unseen_in_cc3m(published_study):
    shares = frequency.share_tails(frequency.count_concepts(published_study, "lemmatized")).set_index(["corpus", "limit"])
    assert shares.loc[("cc3m", 0), "concepts"] == 1_237
    assert shares.loc[("cc3m", 0), "share"] == pytest.approx(100 * 1_237 / 3_725)
    assert shares.loc[("laion400m", 0), "share"] == pytest.approx(100 * 794 / 3_738)


def test_methods_that_a_search_chose_come_first_among_those_used_as_widely(tmp_path):
    rows = [row for method in ("a", "tag@0.20", "tag@0.30") for row in count_rows("c", method, {"ant": 1, "bee": 2})]
    search = {"c": {"text": ["a"], "image": [], "chosen": {"text": "a", "image": "tag@0.30", "joint": None}, "tagger": None}}
    study = write_study(tmp_path / "tiny", rows, manifest={"search": search})
    assert frequency.list_methods(study)["method"].tolist() == ["a", "tag@0.30", "tag@0.20"]
