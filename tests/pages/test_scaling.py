"""The scaling page: one model, several, every one, and the controls; what does not join is a sentence."""

import base64
import json

import numpy as np
import pytest

from tests.pages.session import (
    assert_whole,
    choose,
    downloads,
    explained,
    figure,
    figure_files,
    find,
    links,
    open_page,
    said,
    table,
    told,
)
from tests.tiny_study import animal_rows, model_row, score_rows, two_corpora, write_study


def test_line_of_the_small_release_is_told_in_words(published):
    app = assert_whole(open_page("scaling", model="RN50/cc3m"))
    text = said(app)
    # by construction: ten points per tenfold, in each task and over all
    assert "A concept that CC-3M shows ten times as often scores **+10.0 points** [+" in text
    assert "in RN50/cc3m (the pooled slope: there are too few tasks for that of an average one; within one task +10.0)" in text
    assert "Frequency goes with **41%** of the variance of single concepts' scores." in text
    rows = table(app, "statistic").set_index("statistic")
    assert rows.loc["Raw r", "estimate"] == pytest.approx(0.64, abs=0.005)
    assert rows.loc["Raw r", "interval"].startswith("0.")
    assert "46 points, 0 of them at a count of zero" in text
    assert find(app, "selectbox", "model").value == "RN50/cc3m"
    assert find(app, "selectbox", "against").value == "own"
    assert {"scaling.html", "scaling.csv", "scaling.parquet", "above.csv", "below.csv"} <= downloads(app)
    assert "Binned r" in explained(app)
    assert "drawn from counts that the release no longer holds" in explained(app)


def test_statistics_stand_below_the_plot_with_what_each_answers(published):
    app = open_page("scaling", model="RN50/cc3m")
    rows = table(app, "statistic").set_index("statistic")
    assert list(rows.index) == [
        "Slope within tasks",
        "Slope, pooled",
        "Raw r",
        "Spearman",
        "Binned r, all bins",
        "Paper's ρ",
        "Curvature p",
    ]
    assert rows.loc[["Slope within tasks", "Slope, pooled"], "estimate"].tolist() == pytest.approx([10, 10])
    assert rows.loc["Slope, pooled", "interval"].startswith("+")
    assert "95% intervals resample 45 concepts" in said(app)


def test_slopes_of_the_paper_lead_with_that_of_an_average_task(place_study, published_study):
    place_study(source=published_study)
    app = assert_whole(open_page("scaling", model="ViT-B-16/cc12m", method="lemmatized+rampp@0.7"))
    assert "A concept that CC-12M shows ten times as often scores **+7.4 points** [+5.3, +9.5] in ViT-B-16/cc12m" in said(app)
    assert "(the slope of an average task; within one task +" in said(app)
    assert "goes with **27%** of the variance" in said(app)
    rows = table(app, "statistic").set_index("statistic")
    assert rows.loc["Slope, mixed", "interval"] == "+5.3 to +9.5"
    assert rows.loc["Paper's ρ", "estimate"] == pytest.approx(0.92, abs=0.005)
    assert "95% intervals resample 18 tasks" in said(app)


def test_slope_whose_interval_reaches_zero_is_not_said_to_rise(place_study, published_study):
    place_study(source=published_study)
    text = said(assert_whole(open_page("scaling", model="ViT-L-14/laion400m", method="rampp@0.7")))
    assert "The interval reaches zero: these points do not tell whether scores rise with frequency." in text


def list_clouds(app) -> list[dict]:
    """The points of the figure, a trace a task."""
    return [trace for trace in figure(app, "scaling")["data"] if trace.get("legendgroup") == "concepts"]


def test_every_label_is_a_point(published):
    clouds = list_clouds(open_page("scaling", model="RN50/cc3m"))
    assert sum(len(cloud["customdata"]) for cloud in clouds) == 46
    assert {cloud["name"] for cloud in clouds} == {"a concept of a task (46)"}


def test_concepts_far_from_the_line_are_listed_and_linked(published):
    app = open_page("scaling", model="RN50/cc3m")
    above, below = [frame.value for frame in app.dataframe if "residual" in frame.value]
    assert "The extremes of 46 comparisons with the line: " in said(app)
    assert above["stands_out"].dtype == bool
    assert above["residual"].is_monotonic_decreasing
    assert below["residual"].is_monotonic_increasing
    # cifar10 lies highest, cub lowest; both on the line and 25.2 above, 15.8 below
    assert above["task"].iloc[0] == "cifar10"
    assert below["task"].iloc[0] == "cub"
    assert above["residual"].iloc[0] == pytest.approx(40 + 3 - 820 / 46)
    assert above["concept"].iloc[0] in links(app)


def test_some_tasks_make_another_line(published):
    app = assert_whole(choose(open_page("scaling", model="RN50/cc3m"), "multiselect", "tasks", ["imagenet", "cub"]))
    assert "24 points" in said(app)
    assert "**+10.0 points** [" in said(app)


def test_another_corpus_stands_in_and_says_so(published):
    app = assert_whole(choose(open_page("scaling", model="RN50/cc3m"), "selectbox", "against", "laion400m"))
    assert "RN50/cc3m was not trained on LAION-400M" in said(app)
    assert "24 points, 2 of them at a count of zero" in said(app)
    assert sum(len(cloud["customdata"]) for cloud in list_clouds(app)) == 24


def test_model_without_a_corpus_is_set_against_the_chosen_one(published):
    app = assert_whole(open_page("scaling", model="ViT-B-32/datacomp", corpus="CC-3M"))
    assert find(app, "selectbox", "corpus").value == "cc3m"
    assert "ViT-B-32/datacomp was not trained on CC-3M" in said(app)


def test_scores_that_are_all_alike_have_nothing_to_correlate(published):
    app = assert_whole(open_page("scaling", model="ViT-B-32/laion400m"))
    assert "nothing to correlate" in said(app)
    assert "24 points, 2 of them at a count of zero" in said(app)


def test_only_methods_that_the_corpus_was_counted_by_are_offered(published):
    app = assert_whole(open_page("scaling", model="RN50/cc3m", method="text: lowercased"))
    assert find(app, "selectbox", "method").value == "lemmatized"
    assert "said in the caption, letter by letter" not in find(app, "selectbox", "method").options


def test_scores_that_meet_no_count_are_a_sentence(published):
    app = assert_whole(open_page("scaling", kind="generation", against="CC-3M"))
    assert told(app)[0].startswith("Nothing joins: no task has both scores of ")


def test_two_points_are_too_few_for_a_line(studies):
    write_study(
        studies / "tiny",
        animal_rows(),
        models=[model_row("net", "small")],
        performance=score_rows("net", {"ant": 10, "bee": 20}),
    )
    assert told(assert_whole(open_page("scaling"))) == ["A fit needs 3 points; this selection has 2."]


def test_counts_that_are_all_alike_make_no_line_and_break_nothing(studies):
    scores = score_rows("net", {"dog": 10, "elk": 20}) + score_rows("net", {"dog": 30}, task="pets")
    counts = [row | {"task": task} for row in animal_rows() for task in ("animals", "pets")]
    write_study(studies / "tiny", counts, models=[model_row("net", "small")], performance=scores)
    for view in ("One model", "Several models", "Every model"):
        assert_whole(open_page("scaling", view=view))


@pytest.mark.parametrize("kind", ["retrieval", "generation"])
def test_other_kinds_of_task_have_their_own_settings_and_unit(published, kind):
    app = assert_whole(choose(open_page("scaling", model="RN50/cc3m"), "selectbox", "kind", kind))
    unit = {"retrieval": "recall, i2t@1 (%)", "generation": "human align"}[kind]
    assert figure(app, "scaling")["layout"]["yaxis"]["title"]["text"] == unit
    assert "12 points" in said(app)


def test_recall_of_the_small_release_rises_by_an_eighth_a_tenfold(published):
    assert "**+12.5 points**" in said(open_page("scaling", model="RN50/cc3m", kind="retrieval"))


@pytest.mark.parametrize("view", ["Several models", "Every model"])
def test_models_stand_side_by_side_over_their_own_corpora(published, view):
    app = assert_whole(open_page("scaling", view=view))
    fits = table(app, "slope", "pearson_r")
    assert fits[["model", "corpus", "n"]].values.tolist() == [
        ["RN50/cc3m", "CC-3M", 46],
        ["ViT-B-32/laion400m", "LAION-400M", 24],
    ]
    assert fits["slope"].tolist() == pytest.approx([10, 0])
    assert figure_files("models") | {"models.csv", "models.parquet", "fits.csv", "fits.parquet"} == downloads(app)
    assert "nan" not in json.dumps(figure(app, "models")["layout"])
    assert fits["interval"].iloc[1] == ""
    assert fits["stands_out"].tolist() == [True, False]
    assert "2 slopes are held against zero here" in said(app)
    assert "1 stand out (Benjamini and Hochberg, 5%)" in said(app)


def test_models_can_be_chosen(published):
    app = open_page("scaling", view="Several models")
    app = assert_whole(choose(app, "multiselect", "models", ["ViT-B-32/laion400m"]))
    assert table(app, "slope")["model"].tolist() == ["ViT-B-32/laion400m"]


@pytest.mark.parametrize("view", ["Several models", "Every model"])
def test_method_that_no_corpus_of_a_model_has_is_a_sentence(published, view):
    app = assert_whole(open_page("scaling", view=view, kind="retrieval", method="text: lowercased"))
    assert told(app) == ["No model has both scores (retrieval, i2t@1) and a corpus counted by 'lowercased'."]


def test_control_compares_the_models_that_it_names(published):
    app = assert_whole(open_page("scaling", view="Controls"))
    assert "Does the line only show that test images leaked" in said(app)
    assert table(app, "slope")["model"].tolist() == ["ViT-B-32/laion400m"]
    second = find(app, "selectbox", "control").options[1]
    app = assert_whole(choose(app, "selectbox", "control", second))
    assert told(app) == ["No model has both scores (classification, ensemble) and a corpus counted by 'rampp@0.7'."]


def test_study_without_controls_says_so(place_study):
    place_study(comparisons=[])
    app = assert_whole(open_page("scaling", view="Controls"))
    assert told(app) == ["Study 'published' brings no ready-made comparison. “Several models” compares any of its models."]


def test_task_that_stays_out_of_the_shared_fit_can_be_shown_apart(published):
    app = assert_whole(open_page("scaling", model="RN50/cc3m", tasks="imagenet-r"))
    assert ["(imagenet-r)" in cloud["hovertemplate"] for cloud in list_clouds(app)] == [True]
    assert find(app, "multiselect", "tasks").placeholder.endswith("but imagenet-r")


# Change against change: `net` on two corpora; the cat gains two tenfolds and 30 points, the others one and 10.


def test_change_against_change_tells_slope_r_and_what_all_gained(studies):
    two_corpora(studies / "tiny", {"small": 100, "large": 1_000})
    app = assert_whole(open_page("scaling", view="Change against change"))
    assert find(app, "selectbox", "change").options == ["net: SMALL to LARGE"]
    text = said(app)
    assert "Each tenfold more samples than before goes with **+20.0 points** [" in text
    assert "r **1.00** [" in text
    assert "100% of the variance of the changes." in text
    assert "A concept whose count stayed changed by -10.0. 4 concepts; 95% intervals that draw 4 concepts." in text
    assert "One training run a corpus" in text
    cloud = figure(app, "change")["data"][0]
    assert cloud["customdata"][2][:4] == ["cat", "animals", 100, 10_000]
    assert table(app, "tenfolds", "gained")["concept"].iloc[0] == "cat"
    assert figure_files("change") | {"change.csv", "change.parquet", "changed.csv", "changed.parquet"} == downloads(app)


def test_change_that_is_the_same_for_all_has_nothing_to_compare(studies):
    two_corpora(studies / "tiny", {"small": 100, "large": 1_000}, after={"ant": 10, "bee": 100, "cat": 1_000, "dog": 10_000})
    text = said(assert_whole(open_page("scaling", view="Change against change")))
    assert "No count or no score changed differently from the others" in text


def test_study_of_one_corpus_an_architecture_has_no_change_to_show(published):
    (message,) = told(assert_whole(open_page("scaling", view="Change against change")))
    assert message.startswith(
        "Study 'published' has no architecture with scores (classification, ensemble) after training on two"
    )


def test_band_of_the_points_is_drawn_by_frequency(published):
    traces = figure(open_page("scaling"), "scaling")["data"]
    assert "4 of 5 concepts of that frequency, and their median" in [trace.get("name") for trace in traces]
    assert "a tenth of them, at least 50 and at most 400" in said(open_page("scaling"))


# The causal comparison: vit/zipf has 24 points a tenfold of `zipf`'s true counts, vit/balanced the same scores without them.


def test_causal_comparison_comes_first_where_the_study_brings_one(world):
    app = assert_whole(open_page("scaling"))
    assert find(app, "button_group", "view").options[0] == "Causal comparison"
    lead = next(text.value for text in app.markdown if text.value)
    assert lead.startswith("The same concepts, trained on Balanced: **-1 points** per tenfold [-")
    assert "instead of **+24** [+" in lead


def test_no_control_stands_above_the_figure_but_model_and_corpus(published):
    """They are in the sidebar; the others are folded below the answer."""
    app = open_page("scaling", model="RN50/cc3m")
    (folded,) = [box for box in app.expander if box.label.startswith("More")]
    within = {widget.key for kind in ("selectbox", "multiselect") for widget in folded.get(kind)}
    assert within == {"kind", "setting", "against", "method", "tasks"}
    assert {widget.key for widget in app.main.get("selectbox")} == within - {"tasks"}


def test_line_of_the_paper_ends_where_scores_end(place_study, published_study):
    place_study(source=published_study)
    for model in ("ViT-L-14/laion400m", "RN50/cc3m"):
        lines = figure(open_page("scaling", model=model, method="lemmatized+rampp@0.7"), "scaling")["data"]
        (line,) = [trace for trace in lines if trace.get("name") == "straight-line fit"]
        assert max(read_numbers(line["y"])) <= 100
        assert min(read_numbers(line["y"])) >= 0


def read_numbers(column) -> list[float]:
    """A column of a figure as numbers: a list, or as Plotly packs an array."""
    if isinstance(column, list):
        return column
    return np.frombuffer(base64.b64decode(column["bdata"]), column["dtype"]).tolist()


def test_several_models_are_told_in_a_sentence_and_named_at_their_lines(place_study, published_study):
    place_study(source=published_study)
    app = assert_whole(open_page("scaling", view="Several models"))
    traces = figure(app, "models")["data"]
    (labels,) = [trace["text"] for trace in traces if trace["mode"] == "text"]
    assert sorted(label.strip() for label in labels) == sorted(t["name"] for t in traces if t["mode"] == "markers")
    assert 5 <= len(labels) <= 7
    assert "a concept that the model's own corpus shows ten times as often scores **+" in said(app)
    assert table(app, "slope")["corpus"].is_unique


def test_model_of_the_sidebar_stands_beside_the_best_of_each_corpus(place_study, published_study):
    place_study(source=published_study)
    models = table(open_page("scaling", view="Several models"), "slope")["model"].tolist()
    beside = table(assert_whole(open_page("scaling", view="Several models", model="RN50/yfcc15m")), "slope")["model"].tolist()
    assert "RN50/yfcc15m" not in models
    assert sorted(beside) == sorted([*models, "RN50/yfcc15m"])


def test_every_model_is_told_in_a_sentence_too(published):
    assert "In one model, a concept that the model's own corpus shows ten times as often scores **+10.0 points**" in said(
        open_page("scaling", view="Every model", models="RN50/cc3m")
    )


def test_causal_comparison_is_not_offered_elsewhere(published):
    app = assert_whole(open_page("scaling", model="RN50/cc3m", view="Causal comparison"))
    assert "Causal comparison" not in find(app, "button_group", "view").options
    assert find(app, "selectbox", "model").value == "RN50/cc3m"


def test_causal_comparison_tells_both_slopes_and_what_follows(world):
    app = assert_whole(open_page("scaling", view="Causal comparison"))
    text = said(app)
    assert "On the counts of Zipf, the model trained on Zipf: **+24.2 points** per tenfold [" in text
    assert "the model trained on Balanced: **-0.7 points** per tenfold [-" in text
    assert "its scores are not seen to go with these counts (the interval holds zero)" in text
    assert "The difference is **+24.9** [" in text
    assert "There is one training run an arm" in text
    assert "it resamples 40 concepts" in text
    assert "First: vit/zipf; second: vit/balanced. 40 concepts, 4 of them never counted in Zipf" in text
    assert "Both were trained alike." in text
    assert {"comparison.html", "comparison.csv", "comparison.parquet"} <= downloads(app)


def test_causal_comparison_has_a_point_a_concept_and_model_zeros_too(world):
    first, second, *_ = figure(open_page("scaling", view="Causal comparison"), "comparison")["data"]
    assert len(first["customdata"]) == len(second["customdata"]) == 40
    assert sum(row[1] == 0 for row in first["customdata"]) == 4


def test_causal_comparison_over_counts_that_are_all_alike_has_no_slope(place_study, invented_study):
    pairs = [{"title": "The other way", "corpus": "balanced", "models": ["vit/balanced", "vit/zipf"]}]
    place_study("synthetic", source=invented_study, causal={"pairs": pairs})
    text = said(assert_whole(open_page("scaling", view="Causal comparison")))
    assert "there is no slope to compare" in text


def test_causal_comparison_with_a_model_that_is_not_there_is_a_sentence(place_study, invented_study):
    pairs = [{"title": "Gone", "corpus": "zipf", "models": ["vit/zipf", "vit/gone"]}]
    place_study("synthetic", source=invented_study, causal={"pairs": pairs})
    (message,) = told(assert_whole(open_page("scaling", view="Causal comparison")))
    assert message.startswith("Nothing joins: no task has both scores of vit/gone")


@pytest.mark.parametrize("view", ["One model", "Several models", "Every model", "Controls"])
def test_views_hold_for_corpora_of_one_frequency_and_of_many(world, view):
    assert_whole(open_page("scaling", view=view))
