"""Degrees of misalignment, and joint counts beside the text and image counts that they join."""

import math

import pandas as pd
import pytest

from backend import alignment
from backend.errors import EmptySelection, MissingTable
from backend.study import Study
from tests.tiny_study import count_rows, write_study

JOINT = "lemmatized+rampp@0.7"
TEXT = {"ant": 1_000, "bee": 10, "cat": 0, "dog": 99, "elk": 0}
IMAGE = {"ant": 100, "bee": 1_000, "cat": 50, "dog": 99, "elk": 0}
BOTH = {"ant": 50, "bee": 10, "cat": 0, "dog": 33, "elk": 0}


def degree_row(corpus: str, misaligned: int, degree: float) -> dict:
    return {"corpus": corpus, "method": JOINT, "misaligned": misaligned, "degree": degree, "degree_extracted": 2 * degree}


def test_chosen_method_stands_for_a_corpus_that_was_compared_by_several(tmp_path):
    rows = [
        degree_row("c", misaligned, misaligned / 100) | {"method": method}
        for method, misaligned in (("a+b@0.2", 9), ("a+b@0.3", 4))
    ]
    search = {"c": {"text": ["a"], "image": ["b@0.2", "b@0.3"], "chosen": {"text": "a", "joint": "a+b@0.3"}, "tagger": None}}
    study = write_study(tmp_path / "tiny", joint_rows(), alignment=rows, manifest={"search": search})
    assert alignment.list_degrees(study)[["method", "misaligned"]].values.tolist() == [["a+b@0.3", 4]]


def joint_rows(corpus: str = "c") -> list[dict]:
    """Text, image and joint counts of five concepts, and a sixth that has no joint count."""
    rows = count_rows(corpus, "lemmatized", TEXT | {"fox": 7}) + count_rows(corpus, "rampp@0.7", IMAGE | {"fox": 7})
    return rows + count_rows(corpus, JOINT, BOTH)


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Study:
    """Two corpora with degrees, of which one has joint counts too."""
    degrees = [degree_row("c", 10, 0.01), degree_row("d", 300, 0.3)]
    rows = joint_rows() + count_rows("d", "lemmatized", {"ant": 1})
    return write_study(tmp_path_factory.mktemp("aligned"), rows, alignment=degrees)


def test_degrees_come_with_the_worst_corpus_first(study):
    degrees = alignment.list_degrees(study)
    assert degrees.drop(columns="method").to_dict("records") == [
        {"corpus": "d", "title": "D", "pairs": 2_000, "misaligned": 300, "degree": 0.3, "degree_extracted": 0.6},
        {"corpus": "c", "title": "C", "pairs": 1_000, "misaligned": 10, "degree": 0.01, "degree_extracted": 0.02},
    ]


def test_study_without_a_degree_says_so(tmp_path):
    with pytest.raises(EmptySelection) as error:
        alignment.list_degrees(write_study(tmp_path / "none", joint_rows(), alignment=[]))
    assert str(error.value) == "No misalignment degree in study 'none'."


def test_missing_tables_are_named_with_the_command(tmp_path):
    study = write_study(tmp_path)
    with pytest.raises(MissingTable, match=r"no table 'alignment'. Build it: python -m precompute"):
        alignment.list_degrees(study)
    (tmp_path / "frequency.parquet").unlink()
    study = Study(tmp_path)
    for ask in (alignment.list_joint_methods, lambda study: alignment.compare_modalities(study, "c", JOINT)):
        with pytest.raises(MissingTable, match="no table 'frequency'"):
            ask(study)


def test_joint_method_is_listed_where_both_its_parts_are_counted(tmp_path):
    rows = joint_rows("whole") + count_rows("joint only", JOINT, {"ant": 1})
    rows += count_rows("no image", JOINT, {"ant": 1}) + count_rows("no image", "lemmatized", {"ant": 1})
    rows += count_rows("other threshold", JOINT, {"ant": 1}) + count_rows("other threshold", "lemmatized", {"ant": 1})
    rows += count_rows("other threshold", "rampp@0.5", {"ant": 1})
    assert alignment.list_joint_methods(write_study(tmp_path, rows)).to_dict("records") == [
        {"corpus": "whole", "method": JOINT, "text": "lemmatized", "image": "rampp@0.7"}
    ]


def test_strictest_joint_method_comes_first(tmp_path):
    rows = joint_rows() + count_rows("c", "rampp@0.5", {"ant": 1}) + count_rows("c", "lemmatized+rampp@0.5", {"ant": 1})
    listed = alignment.list_joint_methods(write_study(tmp_path, rows))
    assert list(listed["method"]) == [JOINT, "lemmatized+rampp@0.5"]


def test_study_without_joint_counts_lists_no_joint_method(tmp_path):
    assert alignment.list_joint_methods(write_study(tmp_path)).empty


def test_agreement_is_the_joint_share_of_the_smaller_count(study):
    compared = alignment.compare_modalities(study, "c", JOINT)
    assert list(compared["concept"]) == ["ant", "bee", "cat", "dog", "elk"]  # `fox` has no joint count
    assert compared["agreement"].iloc[[0, 1, 3]].tolist() == pytest.approx([50, 100, 100 / 3])
    assert compared["agreement"].iloc[[2, 4]].isna().all()  # nothing that could agree
    assert compared["log_ratio"].tolist() == pytest.approx(
        [math.log10(1001 / 101), math.log10(11 / 1001), -math.log10(51), 0, 0]
    )


def test_published_joint_counts_are_never_above_those_that_they_join(published_study):
    joint = alignment.list_joint_methods(published_study)
    assert len(joint) == 12
    for row in joint.itertuples():
        compared = alignment.compare_modalities(published_study, row.corpus, row.method)
        assert (compared["joint"] <= compared[["text", "image"]].min(axis=1)).all()
        assert compared["agreement"].dropna().between(0, 100).all()


def test_largest_count_stands_for_a_concept(tmp_path):
    rows = joint_rows() + [row | {"task": "pets", "count": 2 * row["count"]} for row in joint_rows()]
    compared = alignment.compare_modalities(write_study(tmp_path, rows), "c", JOINT)
    assert compared[["text", "image", "joint"]].iloc[0].tolist() == [2_000, 200, 100]


def test_order_of_rows_does_not_change_the_comparison(tmp_path, study):
    turned = write_study(tmp_path, reversed(joint_rows()))
    pd.testing.assert_frame_equal(
        alignment.compare_modalities(turned, "c", JOINT), alignment.compare_modalities(study, "c", JOINT)
    )


@pytest.mark.parametrize(("corpus", "method"), [("d", JOINT), ("nowhere", JOINT), ("c", "a+b")])
def test_nothing_to_compare_is_said(study, corpus, method):
    with pytest.raises(EmptySelection) as error:
        alignment.compare_modalities(study, corpus, method)
    assert str(error.value) == f"{corpus} has no concept with text, image and joint counts by '{method}'."


def test_widest_disagreement_comes_first_and_rare_concepts_stay_out(study):
    ranked = alignment.rank_disagreements(alignment.compare_modalities(study, "c", JOINT))
    # `cat` (50), `dog` (99) and `elk` (0) have fewer than 100 hits; |log ratio| is 1.96 for `bee`, 1.00 for `ant`
    assert list(ranked["concept"]) == ["bee", "ant"]
    assert list(ranked.index) == [0, 1]


def test_exactly_a_hundred_hits_are_enough():
    compared = pd.DataFrame({"concept": ["a", "b"], "text": [99, 100], "image": [0, 0], "log_ratio": [2.0, 2.004]})
    assert list(alignment.rank_disagreements(compared)["concept"]) == ["b"]


def test_nothing_to_rank_ranks_nothing():
    compared = pd.DataFrame({"concept": [], "text": [], "image": [], "log_ratio": []})
    assert alignment.rank_disagreements(compared).empty


def test_equal_disagreements_keep_their_order():
    compared = pd.DataFrame({"concept": list("abc"), "text": [1_000] * 3, "image": [9] * 3, "log_ratio": [2.0, -2.0, 2.0]})
    assert list(alignment.rank_disagreements(compared)["concept"]) == ["a", "b", "c"]


def test_published_degrees_are_those_of_table_3(published_study):
    degrees = alignment.list_degrees(published_study)
    shown = [
        (row.title, row.pairs, row.misaligned, round(100 * row.degree, 2), round(100 * row.degree_extracted, 2))
        for row in degrees.itertuples()
    ]
    assert shown == [
        ("YFCC-15M", 14_825_236, 5_409_248, 36.49, 39.34),
        ("CC-12M", 12_423_374, 2_143_784, 17.26, 21.23),
        ("CC-3M", 3_318_333, 557_683, 16.81, 17.87),
        ("LAION-Aesthetics", 161_100_000, 23_104_076, 14.34, 18.62),
        ("LAION-400M", 414_080_000, 21_996_097, 5.31, 7.04),
    ]


def test_published_degree_is_misaligned_over_pairs(published_study):
    degrees = alignment.list_degrees(published_study)
    assert (degrees["misaligned"] / degrees["pairs"]).tolist() == pytest.approx(degrees["degree"].tolist(), rel=1e-3)
    assert (degrees["degree"] < degrees["degree_extracted"]).all()


def test_corpora_whose_captions_alone_were_searched_are_named_with_what_would_search_their_images(tmp_path):
    search = {"c": {"text": ["lemmatized"], "image": [], "chosen": {"text": "lemmatized"}}}
    study = write_study(tmp_path / "captions", count_rows("c", "lemmatized", TEXT), manifest={"search": search})
    message = "Only the captions of c were searched, so they cannot be compared with images. .* --tagger ARCH:WEIGHTS --force"
    with pytest.raises(MissingTable, match=message):
        alignment.list_degrees(study)
