"""The tail page: every model's loss on the rarest concepts, and the classes that none knows."""

import json

import pytest

from backend.writing import write_manifest
from tests.pages.session import assert_whole, choose, downloads, explained, figure, links, open_page, said, table, told


def test_models_of_the_small_release_all_lose(published):
    app = assert_whole(open_page("let_it_wag"))
    text = said(app)
    assert "4 models on **Let it Wag!**" in text
    # imagenet 25, 60, 63.32, 83.44 against 4, 40, 30, 66: gaps 21, 20, 33.32, 17.44
    assert "Every model loses: from 17.4 to 33.3 points." in text
    # above 50%: (60, 40), (63.32, 30), (83.44, 66); below it one model, which makes no line
    assert (
        "Above 50% on imagenet, one more point there goes with **1.347** [-5.96, 8.66] points on the tail (3 models)." in text
    )
    assert "Below 50%" not in text
    assert "Student's 95% interval" in text
    assert table(app, "gap")["gap"].round(2).tolist() == [17.44, 33.32, 20.0, 21.0]
    assert {"tail-models.html", "tail-models.csv", "models.csv", "classes.csv", "classes.parquet"} <= downloads(app)
    assert "largest count" in explained(app)


def test_every_model_is_a_point(published):
    traces = figure(open_page("let_it_wag"), "tail-models")["data"]
    assert [len(trace["text"]) for trace in traces if trace["mode"] == "markers"] == [1, 3]


def test_six_models_of_the_paper_are_named_at_their_points_the_best_and_those_that_lose_most_and_least(
    place_study, published_study
):
    place_study(source=published_study)
    (names,) = [trace["text"] for trace in figure(open_page("let_it_wag"), "tail-models")["data"] if trace["mode"] == "text"]
    assert len(names) == 6
    assert {"ViT-H-14/dfn", "ViT-B-16/commonpool"} <= {name.strip() for name in names}


def test_answer_names_the_best_model_and_both_of_its_scores(place_study, published_study):
    place_study(source=published_study)
    assert (
        "40 models on **Let it Wag!**, 290 classes picked for being least frequent, the best (ViT-H-14/dfn) is right on "
        "**72%**; on imagenet it is on **83%**. Every model loses: from 11.5 to 36.8 points."
    ) in said(open_page("let_it_wag"))


def test_invented_world_says_what_equal_training_made_of_the_same_classes(world):
    app = assert_whole(open_page("let_it_wag"))
    # captions that name the ten last species: 120 / (k + 1) for k = 30 ... 35, and none of the last four, a median of 3; in
    # `balanced` 12 less two that name another or none, and one of the species before
    assert "vit/balanced, whose data shows the median one of these classes 11 times" in said(app)
    assert "vit/zipf, whose data shows it 3 times" in said(app)


def test_columns_of_the_table_of_models_are_words(published):
    (shown,) = [frame.proto for frame in open_page("let_it_wag").dataframe if "gap" in frame.value]
    columns = json.loads(shown.columns)
    assert columns["tail"]["label"] == "On Let it Wag! (%)"
    assert columns["source"]["label"] == "Where the score on imagenet comes from"


def test_slopes_of_the_paper(place_study, published_study):
    place_study(source=published_study)
    app = assert_whole(open_page("let_it_wag"))
    assert "40 models on **Let it Wag!**" in said(app)
    assert "Below 50% on imagenet, one more point there goes with **0.603** [0.30, 0.91] points" in said(app)
    assert "Above 50% on imagenet, one more point there goes with **1.578** [1.40, 1.75] points" in said(app)


def test_limit_chooses_the_classes_that_no_model_knows(published):
    app = assert_whole(open_page("let_it_wag"))
    assert told(app) == ["No class is that hard for every model. Raise the limit above."]
    app = assert_whole(choose(app, "slider", "limit", 65))
    assert "On **6 of 12** classes no model scores above 65%." in said(app)
    assert table(app, "best").shape[0] == 6
    assert "bank swallow" in links(app)
    app = assert_whole(choose(app, "slider", "limit", 100))
    assert "On **12 of 12**" in said(app)
    assert len(links(app)) == 12  # all of them: they fit into rows of names


def test_counts_stand_beside_the_classes(published):
    rows = table(open_page("let_it_wag"), "best").set_index("concept")
    assert rows.loc["bank swallow", ["mean", "best", "cc3m samples", "laion_aesthetics samples"]].tolist() == [
        34,
        65,
        1_000,
        20,
    ]


def test_method_that_counts_no_class_leaves_the_scores(published):
    app = assert_whole(open_page("let_it_wag", method="lowercased"))
    assert table(app, "best").shape[0] == 12
    assert "laion400m" not in table(app, "best")


def test_manifest_that_does_not_describe_the_tail_is_a_sentence(place_study):
    study = place_study()
    manifest = {name: entry for name, entry in study.manifest.raw.items() if name != "tail"}
    write_manifest(study.folder, manifest)
    (message,) = told(assert_whole(open_page("let_it_wag")))
    assert "does not say what its tail is compared with" in message
    assert "python -m precompute published --force" in message


def test_models_without_a_score_to_compare_with_are_a_sentence(place_study):
    place_study(
        tail={"title": "The tail", "task": "let_it_wag", "compared_with": "sketches", "setting": "ensemble", "split": 50}
    )
    (message,) = told(assert_whole(open_page("let_it_wag")))
    assert message == "No model has both a tail score and a score on the task that it is compared with."


@pytest.mark.parametrize("limit", ["9999", "-5", "x", "30.5"])
def test_limit_out_of_reach_in_the_address_is_put_right(published, limit):
    assert "Every model loses" in said(assert_whole(open_page("let_it_wag", limit=limit)))
