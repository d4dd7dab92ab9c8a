"""The misalignment page: degrees by corpus, and the concepts that text and images disagree on."""

import pytest

from tests.backend.test_samples import build
from tests.pages.session import (
    assert_whole,
    captions,
    choose,
    downloads,
    explained,
    figure,
    find,
    links,
    open_page,
    reasons,
    said,
    table,
    told,
)
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


def test_chosen_corpus_without_joint_counts_gives_way_to_one_that_has_some(published):
    text = "LAION-400M has no joint counts beside those of text and image: this is CC-3M."
    assert text in said(open_page("misalignment"))
    assert text not in said(open_page("misalignment", corpus="cc3m"))


def test_study_without_joint_counts_keeps_its_degrees(studies):
    write_study(studies / "tiny", animal_rows(), alignment=DEGREES)
    app = assert_whole(open_page("misalignment"))
    assert "**0.5%** (SMALL)" in said(app)
    assert told(app) == ["This study has no corpus with joint counts beside text and image counts."]


def test_study_without_a_degree_is_a_sentence(studies):
    write_study(studies / "tiny", animal_rows(), alignment=[])
    assert told(assert_whole(open_page("misalignment")))[0] == "No misalignment degree in study 'tiny'."


def test_joint_counts_that_are_all_zero_break_nothing(studies):
    zeros = {"ant": 0, "bee": 0}
    methods = ("lemmatized", "rampp@0.7", "lemmatized+rampp@0.7")
    rows = [row for method in methods for row in count_rows("small", method, zeros)]
    write_study(studies / "tiny", rows, alignment=DEGREES)
    assert "2 concepts" in said(assert_whole(open_page("misalignment")))


# The samples that disagree. `few`: six samples whose numbers stand in tests/backend/test_samples.py, MISALIGNED.


@pytest.fixture
def few(studies):
    build(studies / "few")


@pytest.mark.parametrize(
    ("threshold", "conflicting", "text_only", "image_only"),
    # 0.20: samples 1 and 2 agree at 0.26 and 0.21, 3 has no text concept, 4 no image concept, the last conflicts at 0.24
    [(0.2, 1, 1, 1), (0.22, 2, 1, 1), (0.26, 1, 2, 1), (0.29, 1, 3, 0), (0.3, 1, 3, 0)],
)
def test_samples_that_disagree_are_counted_at_every_threshold(few, threshold, conflicting, text_only, image_only):
    text = said(assert_whole(open_page("misalignment", threshold=str(threshold))))
    assert f"At an image score of {threshold:.2f} or more, **{conflicting}** samples of MINE conflict" in text
    assert f"**{text_only}** have a concept in the text only, **{image_only}** in the image only." in text


def test_conflicting_sample_shows_what_was_found_in_both(few):
    app = open_page("misalignment")
    assert captions(app) == ["a lily"]
    assert reasons(app) == [":material/notes: **lily** 0.210 | :material/image: **rose** 0.330"]
    assert {"lily", "rose"} <= set(links(app))
    assert {"misaligned.csv", "misaligned.parquet"} <= downloads(app)


def test_text_only_sample_has_no_image_concept(few):
    app = open_page("misalignment", disagreement="text-only")
    assert captions(app) == ["roses", "a rose"]
    assert reasons(app) == [
        ":material/notes: **rose** | :material/image: no concept",
        ":material/notes: **rose** | :material/image: no concept, best 0.240",
    ]


def test_image_only_sample_has_no_text_concept(few):
    app = open_page("misalignment", disagreement="image-only")
    assert reasons(app) == [":material/notes: no concept | :material/image: **rose** 0.280"]


def test_boundary_cases_come_by_their_distance_to_the_threshold(few):
    # at 0.25, sample 1 agrees by 0.01 and is no case; of the text-only, the last lies 0.01 away, sample 4 has no score
    app = open_page("misalignment", disagreement="text-only", order="boundary cases first", threshold="0.25")
    assert captions(app) == ["a rose", "roses"]


def test_concept_chooses_the_samples_about_it(few):
    text = said(assert_whole(open_page("misalignment", about="lily", threshold="0.2")))
    assert "**1** samples of MINE about “lily” conflict" in text  # the last: its image has lily at 0.24
    assert "**0** have a concept in the text only, **0** in the image only" in text


def test_unknown_concept_is_said_and_all_samples_are_shown(few):
    app = assert_whole(open_page("misalignment", about="zzzz"))
    assert "No concept of this study is named “zzzz”. These are the samples of all concepts." in told(app)
    assert captions(app) == ["a lily"]


def test_kind_without_a_sample_is_a_sentence(few):
    app = assert_whole(open_page("misalignment", disagreement="image-only", threshold="0.3"))
    assert "No sample disagrees in this way at 0.30." in told(app)
    assert not captions(app)


def test_study_without_samples_has_no_gallery(published):
    app = open_page("misalignment")
    assert "Which samples disagree?" not in said(app)
    assert not captions(app)


def test_gallery_of_disagreeing_samples_has_pages_and_the_next_filter_begins_at_the_first(world):
    app = assert_whole(open_page("misalignment", disagreement="text-only", samples_page="5"))
    assert "97 to 105 of 105" in said(app)
    assert len(captions(app)) == 9
    app = assert_whole(choose(app, "button_group", "disagreement", "image-only"))
    assert "1 to 24 of 39" in said(app)
    app = assert_whole(choose(app, "pagination", "samples_page", 2))
    assert "25 to 39 of 39" in said(app)


def test_every_threshold_is_a_point_of_the_sweep(world):
    lines = figure(open_page("misalignment"), "disagreements")["data"]
    assert [line["name"] for line in lines if line["mode"] != "text"] == ["conflicting", "text-only", "image-only"]
    assert "**5.0%** (Zipf)" in said(open_page("misalignment"))  # 25 of 501


def test_corpus_of_the_address_is_the_one_shown(world):
    app = assert_whole(open_page("misalignment", corpus="balanced"))
    assert find(app, "selectbox", "corpus").value == "balanced"
    assert "Balanced's 480 samples" in said(app)


def test_invented_world_says_which_side_errs_with_pictures_of_both(world):
    """Of the 25 conflicting samples of `zipf`, each says the species after the one it shows, which the tagger sees."""
    app = assert_whole(open_page("misalignment", corpus="zipf"))
    assert "Whoever made these pictures knows what they show: the caption errs in **25** (100%)" in said(app)
    first = reasons(app)[0].split(" | ")
    assert first[2] == ":material/gavel: **the caption errs**; in truth **striped daxu**"
    images = [element.proto for element in app.get("image")]
    assert [[picture.caption for picture in image.imgs] for image in images[:2]] == [[""], ["said", "seen"]]


def test_study_without_the_truth_of_samples_accuses_nobody(few):
    text = said(open_page("misalignment"))
    assert captions(open_page("misalignment"))
    assert "errs" not in text


def test_gallery_comes_before_the_degrees(world):
    headers = [header.value for header in open_page("misalignment").header]
    assert headers[:2] == ["Which samples disagree?", "How many samples disagree, by corpus?"]
