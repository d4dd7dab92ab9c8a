"""The report of a corpus: what it holds, what never occurs, and what it is set beside."""

import numpy as np
import pandas as pd
import pytest

from backend.corpus_report import (
    compare_with,
    find_dispersion,
    find_facts,
    list_dropped,
    list_missing,
    list_references,
    rank_concepts,
    rank_rates,
    read_contents,
    read_corpus,
    select_values,
    step_of,
)
from backend.errors import EmptySelection
from tests.tiny_study import animal_rows, count_rows, write_study

CONTENTS = [
    ("words", "2", 3),
    ("words", "7", 4),
    ("characters", "10", 7),
    ("language", "en", 6),
    ("language", "und", 2),
    ("copies", "1", 5),
    ("copies", "2", 1),
    ("repeated", "a dog", 2),
    ("dispersion", "lemmatized", 250),
]
BOOKS = {"samples": {"read": 9, "written": 7, "dropped": {"no caption": 2}}}


def contents_rows(corpus: str) -> list[dict]:
    return [{"corpus": corpus, "what": what, "value": value, "count": count} for what, value, count in CONTENTS]


@pytest.fixture
def study(tmp_path):
    return write_study(tmp_path / "mine", animal_rows(), contents=contents_rows("small"))


@pytest.fixture
def own(study):
    return read_corpus(study, "small", "lemmatized")


def test_corpus_has_its_counts_its_pairs_and_what_it_never_shows(own):
    assert own.counts.to_dict() == {"ant": 0, "bee": 1, "cat": 10, "dog": 100, "elk": 100}
    assert (own.title, own.pairs, own.missing) == ("SMALL", 1000, ["ant"])
    assert list_missing(own).to_dict("records") == [{"concept": "ant", "task": "animals"}]
    top = rank_concepts(own)
    assert top["concept"].tolist()[:2] == ["dog", "elk"]
    assert top["share"].tolist()[:2] == [10, 10]
    assert "distinct" not in top


def test_size_that_is_not_known_gives_no_share_and_no_rate(tmp_path):
    study = write_study(tmp_path / "unknown", animal_rows(), pairs={"large": 2000})
    own = read_corpus(study, "small", "lemmatized")
    assert own.pairs is None
    assert "share" not in rank_concepts(own)
    with pytest.raises(EmptySelection, match="How many samples SMALL has is not known"):
        compare_with(own, study, "large")
    assert list_references(read_corpus(study, "large", "lemmatized"), study).empty  # no reference without a size


def test_method_that_was_not_counted_is_refused(study):
    with pytest.raises(EmptySelection, match="has no counts of small by 'phrase'"):
        read_corpus(study, "small", "phrase")


def test_references_share_concepts_and_are_not_the_corpus_itself(own, study, tmp_path):
    (row,) = list_references(own, study).to_dict("records")
    assert row == {"corpus": "large", "title": "LARGE", "pairs": 2000, "shared": 3}
    other = write_study(tmp_path / "other", count_rows("small", "lemmatized", {"cat": 5, "yak": 3}))
    (row,) = list_references(own, other).to_dict("records")  # a corpus of the same name in another study is another one
    assert (row["corpus"], row["shared"]) == ("small", 1)
    strange = write_study(tmp_path / "strange", count_rows("web", "phrase", {"cat": 5}))
    assert list_references(own, strange).empty


def test_corpora_of_two_studies_are_compared_over_shared_concepts(own, tmp_path):
    other = write_study(tmp_path / "other", count_rows("web", "lemmatized", {"dog": 5, "cat": 300, "yak": 3}))
    compared = compare_with(own, other, "web").set_index("concept")
    assert compared.index.tolist() == ["cat", "dog"]
    assert compared["fewer"].to_dict() == {"cat": 290, "dog": -95}
    assert compared["hardly"].to_dict() == {"cat": True, "dog": False}


def test_corpora_without_a_shared_concept_are_refused(own, tmp_path):
    other = write_study(tmp_path / "other", count_rows("web", "lemmatized", {"yak": 3}))
    with pytest.raises(EmptySelection, match="count no concept in common"):
        compare_with(own, other, "web")


def test_counts_that_lost_words_are_compared_with_nothing(tmp_path):
    """Two breeds with the very count of "dog" were counted as dogs: to lack them is no finding."""
    mine = write_study(
        tmp_path / "mine", count_rows("small", "lemmatized", {"dog": 90, "brittany dog": 0}), manifest={"search": {}}
    )
    released = write_study(tmp_path / "released", count_rows("web", "lemmatized", {"dog": 90, "brittany dog": 90}))
    own = read_corpus(mine, "small", "lemmatized")
    assert read_corpus(released, "web", "lemmatized").lost == {"brittany dog"}
    assert compare_with(own, released, "web")["concept"].tolist() == ["dog"]
    assert set(rank_rates(own, released, "web")["concept"]) == {"dog"}


def test_curves_stand_over_the_same_concepts_and_leave_zeros_out(own, study):
    curves = rank_rates(own, study, "large")
    assert curves["corpus"].unique().tolist() == ["SMALL", "LARGE"]
    small = curves[curves["corpus"] == "SMALL"]
    assert small[["concept", "rank", "per_million"]].values.tolist() == [["dog", 1, 100_000.0], ["bee", 2, 1_000.0]]
    assert curves.loc[curves["corpus"] == "LARGE", "concept"].tolist() == ["dog", "ant"]


def test_corpora_of_one_title_keep_their_own_curves(tmp_path):
    mine = write_study(tmp_path / "mine", count_rows("web", "lemmatized", {"dog": 9}))
    other = write_study(tmp_path / "other", count_rows("web", "lemmatized", {"dog": 3}))
    own = read_corpus(mine, "web", "lemmatized")
    assert rank_rates(own, other, "web")["corpus"].tolist() == ["WEB", "WEB, A tiny study"]


def test_facts_are_medians_shares_and_distinct_captions(study):
    contents = read_contents(study, "small")
    facts = find_facts(contents)
    assert (facts.captions, facts.distinct, facts.median_words, facts.median_characters) == (7, 6, 7, 10)
    assert (dict(facts.languages), facts.sampled) == ({"en": 75.0, "und": 25.0}, 8)
    assert select_values(contents, "words")["value"].tolist() == [2, 7]
    assert find_dispersion(contents, "lemmatized") == 2.5
    assert find_dispersion(contents, "phrase") is None


def test_corpus_that_is_not_described_has_no_facts(study, tmp_path):
    assert find_facts(read_contents(study, "large")) is None
    assert find_facts(read_contents(write_study(tmp_path / "bare", animal_rows()), "small")) is None


def test_steps_of_rounded_lengths():
    assert step_of(np.array([0, 1, 99, 100, 990, 1000])).tolist() == [1, 1, 1, 10, 10, 100]


def test_dropped_samples_are_told_by_shard_and_reason_where_the_study_says_so(tmp_path):
    manifest = {"counts": {"index": {"small": BOOKS}}}
    drops = [("0.csv", 1), ("1.csv", 1)]
    rows = [
        {"corpus": "small", "unit": "samples", "shard": shard, "reason": "no caption", "count": count, "read": 5}
        for shard, count in drops
    ]
    study = write_study(tmp_path / "mine", animal_rows(), manifest=manifest, drops=rows)
    (samples,) = list_dropped(study, "small")
    assert (samples.unit, samples.read, samples.written, samples.dropped) == ("samples", 9, 7, 2)
    assert samples.rows.to_dict("records") == [{"shard": s, "reason": "no caption", "count": c} for s, c in drops]


def test_dropped_samples_of_an_older_study_are_told_by_reason_alone(tmp_path):
    study = write_study(tmp_path / "mine", animal_rows(), manifest={"counts": {"index": {"small": BOOKS}}})
    (samples,) = list_dropped(study, "small")
    assert samples.rows[["reason", "count"]].to_dict("records") == [{"reason": "no caption", "count": 2}]
    assert list_dropped(study, "large") == []


def test_different_captions_stand_beside_all(tmp_path):
    rows = [{"corpus": "small", "concept": "dog", "modality": "text", "method": "lemmatized", "count": 3}]
    study = write_study(tmp_path / "mine", animal_rows(), distinct_hits=rows)
    top = rank_concepts(read_corpus(study, "small", "lemmatized")).set_index("concept")
    assert top.loc["dog", ["count", "distinct"]].tolist() == [100, 3]
    assert pd.isna(top.loc["elk", "distinct"])
