"""The overview: three numbers, the headline plot, a search, and where the data came from."""

from tests.pages.session import assert_whole, choose, downloads, explained, figure, figure_files, links, open_page, said
from tests.tiny_study import animal_rows, model_row, score_rows, write_study


def test_three_numbers_of_the_small_release(published):
    text = said(assert_whole(open_page()))
    # LAION-400M's 24 concepts by `lemmatized`: the 12th has 50 samples, the 13th 100
    assert "## 75 samples" in text
    assert "show the median of 24 concepts in LAION-400M, of 414M pairs" in text
    assert "## +0.0 to +10.0 points" in text
    assert "go with a tenfold of samples, over 2 models' fits; of 1 the 95% interval reaches zero" in text
    assert "shows ten times as often goes with +0.0 to +10.0 points of score (the slope of all tasks together" in text
    assert "rises by" not in text
    assert "## 5 to 17%" in text


def test_headline_of_the_paper_tells_mixed_slopes_and_which_are_not_sure(place_study, published_study):
    place_study(source=published_study)
    text = said(assert_whole(open_page()))
    assert "goes with +1.2 to +6.2 points of score (an average task's slope, over 12 models' fits; of 1 the 95%" in text


def test_contents_and_origin_are_said(published):
    text = said(open_page())
    assert "86 concepts" in text
    assert "8 tasks (102 labels)" in text
    assert "3 corpora** with 171 counts" in text
    assert "7 models** with 270 scores" in text
    assert "files: 28 read, 28 written; dropped: nothing" in text
    assert "values: 520 read, 518 written; dropped: empty label: 2" in text
    assert "Absent from the source: misalignment of cc12m: no file" in text


def test_paper_is_named_and_linked(published):
    (source,) = [box.value for box in open_page().main.caption if box.value.startswith("Source: ") and "Built" not in box.value]
    assert "No “Zero\\-Shot” Without Exponential Data" in source
    assert "[arXiv 2404\\.04125](https://arxiv.org/abs/2404.04125)" in source


def test_headline_plot_has_the_best_model_of_each_corpus(published):
    app = open_page()
    traces = [trace for trace in figure(app, "headline")["data"] if trace["mode"] == "markers"]
    assert [trace["marker"]["color"] for trace in traces] == ["#0072B2", "#009E73"]  # the first and the third corpus
    assert downloads(app) == figure_files("headline") | {"headline.csv", "headline.parquet"}
    assert "lemmatized" in explained(app)


def test_search_opens_the_concept(published):
    app = assert_whole(choose(open_page(), "text_input", "find", "colt's foot"))
    assert said(app).startswith("How well is “colt's foot” covered?")


def test_search_for_nothing_known_offers_what_there_is(published):
    app = assert_whole(choose(open_page(), "text_input", "find", "zzzz"))
    assert said(app).startswith("Which concept?")
    assert "No concept of this study is named “zzzz”." in said(app)


def test_pages_to_go_on_with_are_linked(published):
    assert links(open_page()) == ["Read the scaling plots", "See how long the tail is", "Check your own test set"]


def test_study_with_counts_and_scores_alone_has_one_number(studies):
    write_study(
        studies / "tiny",
        animal_rows(),
        models=[model_row("net", "small")],
        performance=score_rows("net", {"ant": 10, "bee": 20, "cat": 30}),
    )
    text = said(assert_whole(open_page()))
    assert "## 5 samples" in text
    assert "points**" not in text
    assert "misaligned" not in text


def test_study_whose_models_have_no_corpus_says_so(studies):
    scores = score_rows("net", {"ant": 10, "bee": 20, "cat": 30})
    write_study(studies / "tiny", animal_rows(), models=[model_row("net", None)], performance=scores)
    app = assert_whole(open_page())
    assert "No model has both scores (classification, plain) and a corpus counted by 'lemmatized'." in said(app)


def test_study_without_scores_has_its_counts_and_the_command_that_adds_scores(studies):
    write_study(studies / "tiny", animal_rows())
    text = said(assert_whole(open_page()))
    assert "## 5 samples" in text
    assert "No model has scores in this study yet. Add some: python -m precompute evaluate" in text
