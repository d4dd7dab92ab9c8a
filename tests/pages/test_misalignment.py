"""The misalignment page: degrees by corpus, and the concepts that text and images disagree on."""

import pytest

from tests.pages.session import assert_whole, choose, downloads, explained, figure, find, links, open_page, said, table, told
from tests.tiny_study import animal_rows, count_rows, write_study

DEGREES = [{"corpus": "small", "method": "m", "misaligned": 5, "degree": 0.005, "degree_extracted": 0.01}]


def test_degrees_of_the_small_release(published):
    app = assert_whole(open_page("misalignment"))
    assert "Of all pairs, **5.3%** (LAION-400M) to **16.8%** (CC-3M) are misaligned." in said(app)
    rows = table(app, "misaligned", "degree").set_index("title")
    assert rows["misaligned"].to_dict() == {"CC-3M": 557_683, "LAION-400M": 21_996_097}
    assert rows["pairs"].to_dict() == {"CC-3M": 3_318_333, "LAION-400M": 414_080_000}
    assert {"misalignment.html", "misalignment.csv", "degrees.csv", "joint.html", "text-heavy.csv"} <= downloads(app)


def test_degrees_of_the_paper(place_study, published_study):
    place_study(source=published_study)
    app = assert_whole(open_page("misalignment"))
    assert "**5.3%** (LAION-400M) to **36.5%** (YFCC-15M)" in said(app)
    assert table(app, "misaligned", "degree")["misaligned"].tolist() == [5_409_248, 2_143_784, 557_683, 23_104_076, 21_996_097]


def test_concepts_that_are_said_and_hardly_seen_are_listed_both_ways(published):
    app = assert_whole(open_page("misalignment"))
    text_heavy, image_heavy = [frame.value for frame in app.dataframe if "joint" in frame.value]
    assert text_heavy["concept"].iloc[0] == "espresso"  # 1,000 captions, no image
    assert image_heavy[["concept", "text", "image"]].iloc[0].tolist() == ["tabby cat", 10, 7_000]
    assert (text_heavy["text"] > text_heavy["image"]).all()
    assert (image_heavy["text"] < image_heavy["image"]).all()
    assert {"espresso", "tabby cat"} <= set(links(app))
    assert "at least 100 hits" in explained(app)


@pytest.mark.parametrize("against", ["text", "image"])
def test_every_concept_is_a_point_zeros_too(published, against):
    app = assert_whole(choose(open_page("misalignment"), "selectbox", "beside", against))
    assert len(figure(app, "joint")["data"][1]["customdata"]) == 12
    assert "12 concepts" in said(app)
    assert figure(app, "joint")["layout"]["xaxis"]["title"]["text"] == f"samples by {against}"


def test_only_corpora_with_joint_counts_can_be_chosen(published):
    assert find(open_page("misalignment"), "selectbox", "corpus").options == ["CC-3M"]


def test_study_without_joint_counts_keeps_its_degrees(studies):
    write_study(studies / "tiny", animal_rows(), alignment=DEGREES)
    app = assert_whole(open_page("misalignment"))
    assert "**0.5%** (SMALL)" in said(app)
    assert told(app) == ["This study has no corpus with joint counts beside text and image counts."]


def test_study_without_a_degree_is_a_sentence(studies):
    write_study(studies / "tiny", animal_rows(), alignment=[])
    assert told(assert_whole(open_page("misalignment"))) == ["No misalignment degree in study 'tiny'."]


def test_joint_counts_that_are_all_zero_break_nothing(studies):
    zeros = {"ant": 0, "bee": 0}
    methods = ("lemmatized", "rampp@0.7", "lemmatized+rampp@0.7")
    rows = [row for method in methods for row in count_rows("small", method, zeros)]
    write_study(studies / "tiny", rows, alignment=DEGREES)
    assert "2 concepts" in said(assert_whole(open_page("misalignment")))
