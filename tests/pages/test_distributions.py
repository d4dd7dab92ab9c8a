"""The distributions page: six views, each with its figure, its table and its words, or a sentence."""

import pytest

from tests.pages.session import (
    assert_whole,
    choose,
    downloads,
    explained,
    figure,
    figure_files,
    find,
    open_page,
    said,
    table,
    told,
)
from tests.tiny_study import animal_rows, count_rows, write_study


def open_view(view: str, **address):
    return assert_whole(open_page("distributions", curve=view, **address))


def names_of(app, name: str) -> list[str]:
    return [trace["name"] for trace in figure(app, name)["data"] if "name" in trace]


def test_rank_curves_tell_the_zeros_that_they_cannot_show(published):
    app = open_view("Rank curves")
    assert names_of(app, "rank-curves") == ["CC-3M", "LAION-Aesthetics ⚠", "LAION-400M"]
    assert "CC-3M 0; LAION-Aesthetics ⚠ 1; LAION-400M 2." in said(app)
    assert figure_files("rank-curves") | {"rank-curves.csv", "rank-curves.parquet"} == downloads(app)
    assert "lower-cased" in explained(app)


def test_corpus_left_out_leaves_the_others_in_their_colours(published):
    app = open_view("Rank curves")
    before = {trace["name"]: trace["line"]["color"] for trace in figure(app, "rank-curves")["data"]}
    app = assert_whole(choose(app, "multiselect", "corpora", ["laion400m"]))
    after = {trace["name"]: trace["line"]["color"] for trace in figure(app, "rank-curves")["data"]}
    assert after == {"LAION-400M": before["LAION-400M"]}


@pytest.mark.parametrize("view", ["Rank curves", "Tail shares", "Inequality"])
def test_no_corpus_chosen_is_a_sentence(published, view):
    app = assert_whole(choose(open_view(view), "multiselect", "corpora", []))
    assert told(app) == ["No corpus is chosen. Choose at least one above."]


def test_marked_concept_has_its_place_on_the_curves(published):
    app = open_view("Rank curves", concept="Colt's_foot")
    rows = table(app, "percentile")
    assert rows[["corpus", "concept", "count"]].values.tolist() == [
        ["CC-3M", "colt's foot", 10],
        ["LAION-400M", "colt's foot", 383_805],
    ]
    assert rows["rank"].iloc[1] == 1


def test_unknown_concept_to_mark_is_a_sentence_and_the_curves_stay(published):
    app = open_view("Rank curves", concept="flam")
    assert told(app) == ["No concept is spelled like “flam”. Try: flamingo."]
    assert len(names_of(app, "rank-curves")) == 3
    app = open_view("Rank curves", concept="zzzz")
    assert told(app) == ["No concept is spelled like “zzzz”. Try: another word."]


def test_method_changes_the_curves(published):
    app = open_view("Rank curves")
    assert find(app, "selectbox", "method").value == "lemmatized"
    app = assert_whole(choose(app, "selectbox", "method", "lowercased"))
    assert names_of(app, "rank-curves") == ["LAION-400M"]


def test_tail_shares_have_their_denominator(published):
    app = open_view("Tail shares")
    rows = table(app, "share").set_index(["corpus", "limit"])
    # 24 concepts of LAION-400M by `lemmatized`: two zeros, nine more of at most ten
    assert rows.loc[("LAION-400M", 0), ["concepts", "share"]].tolist() == pytest.approx([2, 100 * 2 / 24])
    assert rows.loc[("LAION-400M", 10), ["concepts", "share"]].tolist() == pytest.approx([11, 100 * 11 / 24])
    assert "Denominator" in explained(app)
    assert "tail-shares.csv" in downloads(app)


def test_inequality_has_a_gini_a_corpus(published):
    app = open_view("Inequality")
    assert table(app, "gini")["corpus"].tolist() == ["CC-3M", "LAION-400M", "LAION-Aesthetics ⚠"]
    assert table(app, "gini")["gini"].between(0, 1).all()
    assert "Gini coefficient" in explained(app)
    assert "all equal" in names_of(app, "lorenz")


def test_text_against_image_has_a_point_a_concept(published):
    app = open_view("Text or image", corpus="CC-3M")
    points = figure(app, "text-image")["data"][1]
    assert len(points["customdata"]) == 24  # imagenet and coco
    assert "24 concepts" in said(app)
    assert {"text-image.csv", "text-image.html"} <= downloads(app)


def test_only_methods_that_the_corpus_was_counted_by_are_offered(published):
    app = open_view("Text or image", corpus="CC-3M", text="text: lowercased")
    assert told(app) == []
    assert find(app, "selectbox", "text").options == ["said in the caption, by lemma"]


def test_tagger_of_one_threshold_is_a_sentence(published):
    assert told(open_view("Threshold")) == ["No corpus was counted by 'rampp' at more than one threshold."]


def test_thresholds_are_drawn_down_to_zero_without_any_score(studies):
    rows = animal_rows() + count_rows("small", "rampp@0.5", {"ant": 40, "bee": 30, "cat": 20})
    rows += count_rows("small", "rampp@0.7", {"ant": 0, "bee": 2, "cat": 0})
    write_study(studies / "tiny", rows)
    app = open_view("Threshold")
    assert table(app, "threshold", "zero_share")["median"].tolist() == [30, 0]
    assert {"threshold-median.html", "threshold-zero.html", "thresholds.csv"} <= downloads(app)
    assert "rampp@0.5" in explained(app)
    (message,) = told(app)
    assert message.startswith("Study 'tiny' has no table 'performance'. Build it: python -m precompute evaluate --study ")


def test_corpora_correlate_and_stand_beside_the_papers_figures(published):
    app = open_view("Between corpora")
    assert figure(app, "correlation")["data"][0]["x"] == ["CC-3M", "LAION-Aesthetics", "LAION-400M"]
    rows = table(app, "one", "other", "paper")
    assert rows["paper"].tolist() == [0.79, 0.96, 0.63, 0.97, 0.74, 0.76]
    assert rows.loc[rows["other"] == "LAION-400M", "pairs"].tolist()[0] == 24  # flowers102 and imagenet
    assert "The paper's table mixes modalities" in said(app)
    app = assert_whole(choose(app, "selectbox", "measure", "pearson"))
    assert figure(app, "correlation")


def test_study_of_one_corpus_says_that_two_are_needed(studies):
    write_study(studies / "tiny", count_rows("small", "lemmatized", {"ant": 1, "bee": 2}))
    assert told(open_view("Between corpora")) == ["Study 'tiny' has no two corpora that are counted by the same method."]


def test_study_of_text_counts_alone_says_that_images_are_missing(studies):
    write_study(studies / "tiny", animal_rows())
    assert told(open_view("Text or image")) == ["LARGE has no counts of both text and images."]
    assert told(open_view("Threshold")) == ["Study 'tiny' has no counts by an image tagger's threshold."]


def test_corpus_of_zeros_breaks_no_view(studies):
    write_study(studies / "tiny", count_rows("small", "lemmatized", {"ant": 0, "bee": 0}))
    for view in ("Rank curves", "Tail shares", "Inequality"):
        assert told(open_view(view)) == []
    assert "SMALL 2." in said(open_view("Rank curves"))
