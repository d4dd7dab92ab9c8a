"""The overview: the answer, the ladder, the headline plot or the causal pair, ways on, and where the data came from."""

from tests.pages.session import assert_whole, downloads, explained, figure, figure_files, links, open_page, said, table
from tests.tiny_study import animal_rows, model_row, score_rows, write_study


def test_answer_about_the_small_release(published):
    text = said(assert_whole(open_page()))
    # LAION-400M's 24 concepts by `lemmatized`: the 12th has 50 samples, the 13th 100
    assert "In LAION-400M, half of 24 concepts have fewer than **75** of its 414M samples; **2** have none." in text
    assert "shows ten times as often goes with **+0.0 to +10.0 points** of score (the slope of all tasks together" in text
    assert "over 2 models' fits; of 1 the 95% interval reaches zero" in text
    assert "rises by" not in text
    assert "**5 to 17%** of a corpus's pairs name one thing and show another." in text


def test_answer_is_about_the_chosen_corpus(published):
    assert "In CC-3M, half of 68 concepts" in said(assert_whole(open_page(corpus="CC-3M")))


def test_ladder_goes_from_common_to_rare_with_the_scores_of_the_chosen_model(published):
    rows = table(open_page(model="RN50/cc3m"), "percentile", "value")
    assert rows["count"].is_monotonic_decreasing
    assert len(rows) > 3
    assert rows["value"].between(0, 100).all()


def test_invented_world_leads_with_the_causal_finding(world):
    app = assert_whole(open_page())
    lead = app.markdown[0].value
    assert lead.startswith("The same concepts, trained on Balanced: **-1 points** per tenfold [-")
    assert "instead of **+24** [+" in lead
    traces = figure(app, "headline")["data"]
    assert [trace["name"] for trace in traces if trace["mode"] == "markers"] == ["trained on Zipf", "trained on Balanced"]
    (labels,) = [trace["text"] for trace in traces if trace["mode"] == "text"]
    assert [label.strip() for label in labels] == ["trained on Zipf", "trained on Balanced"]


def test_headline_of_the_paper_tells_mixed_slopes_and_which_are_not_sure(place_study, published_study):
    place_study(source=published_study)
    text = said(assert_whole(open_page()))
    assert "goes with **+1.2 to +6.2 points** of score (an average task's slope, over 12 models' fits; of 1 the 95%" in text


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
    assert downloads(app) >= figure_files("headline") | {"headline.csv", "headline.parquet", "ladder.csv"}
    assert "lemmatized" in explained(app)


def test_paper_is_named_where_the_study_is_not_its_own(world):
    (source,) = [box.value for box in open_page().main.caption if box.value.startswith("Source: ") and "Built" not in box.value]
    assert "*No “Zero-Shot” Without Exponential Data*" in source
    assert "(https://arxiv.org/abs/2404.04125)" in source


def test_pages_to_go_on_with_are_linked(published):
    assert links(open_page())[-4:] == ["Look up a concept", "Check your classes", "Try a photo", "Read the scaling plots"]


def test_study_with_counts_and_scores_alone_has_one_number(studies):
    write_study(
        studies / "tiny",
        animal_rows(),
        models=[model_row("net", "small")],
        performance=score_rows("net", {"ant": 10, "bee": 20, "cat": 30}),
    )
    text = said(assert_whole(open_page()))
    assert "half of 3 concepts have fewer than **5** of its 2,000 samples; **1** have none." in text
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
    assert "half of 3 concepts have fewer than **5**" in text
    assert "No model has scores in this study yet. Add some: python -m precompute evaluate" in text
