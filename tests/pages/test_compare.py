"""The page of two models: who is ahead and where, what they take for what, and the images behind it."""

import pytest

from tests.compared_study import write_compared
from tests.pages.session import (
    assert_whole,
    captions,
    choose,
    downloads,
    figure,
    figure_files,
    links,
    open_page,
    said,
    told,
)


@pytest.fixture
def compared(place_study, tmp_path):
    return place_study("mine", source=write_compared(tmp_path / "compared"))


def test_difference_is_told_with_its_intervals(compared):
    app = assert_whole(open_page("compare", model="one"))
    text = said(app)
    # (200/3 - 100/3 + 0 + 50) / 4
    assert "**one** is **20.8 points better** than other on the average of 4 concepts" in text
    assert "The interval holds zero: which of them is better is not sure." in text
    assert "Of single concepts 0 differ beyond chance." in text
    assert figure_files("versus") | {"versus.csv", "ahead.csv", "behind.csv", "mistakes-0.csv"} <= downloads(app)


def test_model_of_the_sidebar_comes_first(compared):
    assert "**other** is **20.8 points worse** than one" in said(assert_whole(open_page("compare", model="other")))


def test_points_are_concepts_over_their_counts(compared):
    traces = figure(open_page("compare", model="one"), "versus")["data"]
    assert sum(len(trace["customdata"]) for trace in traces if trace.get("mode") == "markers") == 4


def test_mistakes_say_which_way_they_go(compared):
    text = said(assert_whole(open_page("compare", model="one")))
    assert "Of **other**'s 5 mistakes **80%**" in text
    assert "not surely other than the 73% of mistakes without regard to it." in text


def test_images_of_a_class_are_shown_with_both_answers(compared):
    app = assert_whole(open_page("compare", model="one"))
    assert captions(app) == ["ant", "ant", "ant"]  # 67 points: the largest difference
    answers = [text.value.split("  \n") for text in app.caption if text.value.startswith("one: ")]
    assert answers[0] == ["one: :material/check: right", "other: :material/close: cat; right at place 2"]
    assert answers[2] == ["one: :material/close: cat; right at place 2", "other: :material/close: cat; right at place 2"]


def test_images_of_one_mistake_are_shown_when_it_is_chosen(compared):
    app = open_page("compare", model="one")
    assert captions(app) == ["ant"] * 3
    app = assert_whole(choose(app, "selectbox", "mistake", "bee taken for dog by one · animals · 2"))
    assert captions(app) == ["bee", "bee", "ant", "ant", "ant"]
    assert ":material/close: dog; right at place 3" in said(app)


def test_mistakes_of_one_model_are_shown_where_the_other_has_no_results_by_image(place_study, tmp_path):
    values = {"ant": 5, "bee": 6, "cat": 7, "dog": 8}
    study = write_compared(tmp_path / "compared", third=values)
    place_study("mine", source=study)
    app = assert_whole(choose(open_page("compare", model="one"), "selectbox", "rival", "third"))
    text = said(app)
    assert "Of **one**'s 3 mistakes" in text and "Of **third**" not in text
    assert "Confusions and images need results image by image, which this study lacks of third." in text
    app = assert_whole(choose(app, "selectbox", "mistake", "bee taken for dog by one · animals · 2"))
    assert captions(app) == ["bee", "bee"]


def test_scores_without_results_by_image_say_what_brings_them(published):
    app = assert_whole(open_page("compare"))
    assert "--per-image" in said(app)
    assert "On how many images each score rests is not known here" in said(app)


def test_model_without_a_rival_is_said(place_study, tmp_path):
    place_study("mine", source=write_compared(tmp_path / "compared"))
    app = assert_whole(choose(open_page("compare", model="one"), "selectbox", "rival", "third"))
    assert told(app) == ["one and third share 1 concepts with a score (plain) and a count; it takes 3."]
    assert links(app) == []
