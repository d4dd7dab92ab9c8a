"""One concept's page: found by any spelling, counted everywhere, flagged where countings disagree."""

import json
import math

import pandas as pd
import pytest

from backend.errors import ImageError
from backend.settings import SHOW_URLS
from pages.ui.concept_search import list_names
from pages.ui.forecasts import tell_need
from tests.invented_world import HOSTILE_CAPTIONS, NEVER
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
    written,
)
from tests.tiny_study import animal_rows, count_rows, model_row, score_rows, two_corpora, write_study


def open_concept(name: str, **address):
    return assert_whole(open_page("concept", concept=name, **address))


@pytest.mark.parametrize(
    ("query", "concept"),
    [
        ("Acadian_Flycatcher", "acadian flycatcher"),
        ("  acadian   flycatcher", "acadian flycatcher"),
        ("colt's foot", "colt's foot"),
        ("plane", "airplane"),
        ("CRANE", "crane"),
    ],
)
def test_link_with_any_spelling_opens_the_concept(published, query, concept):
    assert said(open_concept(query)).startswith(f"How well is “{concept}” covered?")


def test_near_spelling_is_offered_and_not_opened(published):
    app = open_concept("flamigo")
    assert said(app).startswith("Which concept?")
    assert "No concept of this study is named “flamigo”." in said(app)
    assert "Did you mean" in said(app)
    assert len(links(app)) == 1
    assert not app.dataframe


def test_unknown_name_is_a_sentence_with_names_to_begin_with(published):
    app = open_concept("zzzz")
    assert said(app).startswith("Which concept?")
    assert "No concept of this study is named “zzzz”." in said(app)
    assert links(app) == ["acadian flycatcher", "rose"]
    assert not app.dataframe


def test_no_name_offers_rows_of_what_is_known_rare_and_odd(place_study, published_study):
    place_study(source=published_study)
    app = open_concept("")
    text = said(app)
    assert text.startswith("Which concept?")
    assert "No concept of this study is named" not in text
    for title in ("Well known and often shown", "Well known, yet hardly shown", "Counted wrongly"):
        assert title in text
    assert {"dog", "goldfinch", "rose"} <= set(links(app))
    assert len(links(app)) == 21


def test_prefix_offers_what_begins_with_it(published):
    assert links(open_concept("acad")) == ["acadian flycatcher"]


def test_names_of_the_search_box_come_with_their_counts_from_common_to_rare(small_study):
    held = json.loads(list_names(small_study, "laion400m"))
    counts = dict(zip(held["concepts"], held["counts"], strict=True))
    assert counts["rose"] == "3.35M"  # images
    assert counts["acorn"] == "1,000"  # captions, where its images were not counted
    assert counts["affenpinscher"] == ""  # not counted
    assert held["concepts"][0] == "rose"
    assert held["concepts"].index("acorn") < held["concepts"].index("affenpinscher")
    other = json.loads(list_names(small_study, "cc3m"))
    assert dict(zip(other["concepts"], other["counts"], strict=True))["rose"] == "1"
    assert sorted(other["concepts"]) == sorted(held["concepts"])


def test_names_of_a_study_that_counts_nothing_have_no_counts(tmp_path):
    study = write_study(tmp_path / "tiny", performance=score_rows("net", {"ant": 1, "bee": 2}))
    assert json.loads(list_names(study, None)) == {"concepts": ["ant", "bee"], "counts": ["", ""]}


def test_task_of_one_concept_is_not_carried_to_another(published):
    app = open_concept("crane", task="cub")
    assert find(app, "button_group", "task").value == "cub"
    assert not [link for link in app.get("page_link") if "task=" in link.proto.query_string and link.proto.page != "concept"]
    assert not [link for link in app.main.get("page_link") if "task=" in link.proto.query_string]
    app = assert_whole(choose(app, "button_group", "task", "imagenet"))
    assert set(table(app, "expected")["task"]) == {"imagenet"}


def test_concept_is_kept_while_other_pages_are_read(published):
    app = open_concept("rose")
    app = assert_whole(app.switch_page("pages/let_it_wag.py").run())
    app = assert_whole(app.switch_page("pages/concept.py").run())
    assert said(app).startswith("How well is “rose” covered?")
    assert app.query_params["concept"] == "rose"


def test_answer_stands_first_for_the_largest_corpus_and_for_another(published):
    app = open_concept("rose")
    assert find(app, "selectbox", "corpus").value == "laion400m"
    assert app.header[0].value.replace("\\", "") == "rose: 3.35 million images in LAION-400M"
    assert "text 257,038" in said(app)
    app = assert_whole(choose(app, "selectbox", "corpus", "cc3m"))
    assert app.header[0].value.replace("\\", "") == "rose: 1 caption in CC-3M"
    assert "**the CLIP trained on it scores 23%" in said(app)
    first = figure(app, "concept-counts")["layout"]["yaxis"]["categoryarray"][0]
    assert first == "CC-3M"


def test_counts_stand_in_every_corpus_with_rank_and_percentile(published):
    app = open_concept("rose")
    rows = table(app, "fewest", "count", "rank").set_index(["corpus", "method"])
    assert rows["count"].to_dict() == {
        ("CC-3M", "lemmatized"): 1,
        ("LAION-400M", "lemmatized"): 0,
        ("LAION-400M", "lowercased"): 257_038,
        ("LAION-400M", "rampp@0.7"): 3_347_335,
    }
    assert rows.loc[("LAION-400M", "lowercased"), ["rank", "concepts"]].tolist() == [1, 5]
    assert rows.loc[("LAION-400M", "lemmatized"), "percentile"] == 0
    assert {"concept-counts.html", "counts.csv", "counts.parquet", "scores.csv", "neighbours.csv", "labels.csv"} <= downloads(
        app
    )
    assert "257,038" in explained(app)


def test_zero_count_is_a_mark_of_the_figure(published):
    traces = figure(open_concept("rose"), "concept-counts")["data"]
    assert sum(len(trace["customdata"]) for trace in traces) == 3  # text in two corpora, image in one
    assert traces[0]["customdata"][0][:2] == [0, 0]  # the corpus at hand comes first
    assert traces[0]["text"] == ["0", "1"]


def test_disagreement_of_countings_is_flagged(studies):
    alike = {f"c{i}": 100 for i in range(400)}
    rows = count_rows("laion", "lemmatized", alike | {"rose": 0}) + count_rows("laion", "lowercased", alike | {"rose": 257_038})
    write_study(studies / "tiny", rows)
    app = open_concept("rose")
    assert len(app.warning) == 1
    assert "LAION: the text count is 0, and yet 257,038 captions say it" in said(app)
    assert "257,038" in said(app)
    assert not open_concept("c1").warning


def test_rose_and_jeans_of_the_paper_are_flagged(place_study, published_study):
    place_study(source=published_study)
    app = open_concept("rose")
    assert any("257,038" in box.value for box in app.warning)
    assert table(app, "fewest", "rank").set_index(["corpus", "method"]).loc[("LAION-400M", "lowercased"), "count"] == 257_038
    assert "290" not in app.title[0].value
    assert open_concept("jeans").warning
    assert not open_concept("dog").warning


def test_concept_with_several_counts_says_which_is_used(published):
    text = said(open_concept("crane"))
    assert "CC-3M (lemmatized: 10 to 1,000)" in text
    assert "The largest gives rank and percentile." in text


def test_scores_stand_beside_the_band_that_the_count_predicts(published):
    app = open_concept("rose", corpus="cc3m")
    rows = table(app, "expected", "low", "high").set_index("model")
    assert rows.loc["RN50/cc3m", ["count", "value"]].tolist() == [1, 23]
    assert rows.loc["RN50/cc3m", "expected"] == 32.5  # the median of all 46, which are each other's peers
    assert rows.loc["RN50/cc3m", "factor_low"] <= 10 <= rows.loc["RN50/cc3m", "factor_high"]  # ten points are one tenfold
    assert rows.loc["ViT-B-32/datacomp", ["count", "expected"]].isna().all()
    assert "2 of 2 scores lie in the band" in said(app)
    assert "**Data needed for +10 points** on this concept: RN50/cc3m scores 23.0 at 1 sample;" in said(app)
    assert "No architecture of this study was trained on two counted corpora" in said(app)
    assert "A score of RN50/cc3m lies **" in said(app)


def test_concept_of_two_tasks_shows_one_at_a_time(published):
    app = open_concept("crane")
    choice = find(app, "button_group", "task")
    assert sorted(choice.options) == ["cub", "imagenet"]
    app = assert_whole(choose(app, "button_group", "task", "cub"))
    assert set(table(app, "expected")["task"]) == {"cub"}


def test_kind_and_setting_follow_the_concept(published):
    app = open_concept("umbrella")
    assert find(app, "selectbox", "setting").value == "i2t@1"
    assert table(app, "expected").set_index("model").loc["RN50/cc3m", "value"] == 25
    app = assert_whole(choose(app, "selectbox", "setting", "t2i@10"))
    assert table(app, "expected").set_index("model").loc["RN50/cc3m", "value"] == 75


def test_method_without_counts_of_a_models_corpus_is_a_sentence(published):
    app = open_concept("rose", method="joint: lemmatized+rampp@0.7")
    (message,) = told(app)
    assert message.startswith("No model has its own corpus counted in ")
    assert table(app, "expected")["expected"].isna().all()


def test_concept_that_nothing_scores_and_nothing_counts_is_shown_with_sentences(published):
    app = open_concept("Affenpinscher")  # a tail class that no task counts
    unknown = "No corpus of study 'published' counts 'affenpinscher'."
    assert told(app) == [unknown, "No model has a score on 'affenpinscher' (classification, ensemble)."]
    assert "one of the Let it Wag! classes" in said(app)
    assert "the best (ViT-H-14/dfn) 67.0%" in said(app)
    assert "See all tail classes" in links(app)


def test_concept_outside_the_tail_says_nothing_of_it(published):
    assert "Let it Wag" not in said(open_concept("rose"))


def test_neighbours_are_as_frequent(published):
    app = open_concept("rose")
    app = assert_whole(choose(app, "selectbox", "near_method", "lowercased"))
    (near,) = [frame.value for frame in app.dataframe if list(frame.value.columns) == ["concept", "count", "rank"]]
    assert near.values.tolist() == [
        ["rose", 257_038, 1],
        ["iris", 40, 2],
        ["magnolia", 9, 3],
        ["petunia", 2, 4],
        ["colt's foot", 1, 5],
    ]


def test_words_that_were_searched_are_said(published):
    assert "Text search looks for the words `jean`." in said(open_concept("jeans"))
    rows = table(open_concept("crane"), "kind", "label")
    assert rows["task"].tolist() == ["cub", "imagenet"]


# Its samples: of the 120 that show "striped daxu" in `zipf`, taken from 0, the image scores 0.34 less 0.02 for the remainder
# by 7, and every eighth's caption names the next concept (remainder 6) or none (7); numbers 0, 7, ... 35 bear hostile captions
# and broken images, and always name it.


def open_samples(**address):
    return open_concept("striped daxu", **address)


def test_counts_only_study_says_that_it_has_no_examples_and_what_brings_some(published):
    app = open_concept("rose")
    assert "This study holds counts only" in said(app)
    assert [code.value for code in app.code] == ["python -m precompute index --study data/mine --corpus NAME --shards GLOB"]
    assert not captions(app)


def test_counts_only_study_links_another_that_has_examples(place_study, invented_study):
    place_study()
    place_study("synthetic", source=invented_study)
    (link,) = [link for link in open_concept("rose").get("page_link") if "An invented world" in link.value]
    assert link.proto.query_string == "study=An+invented+world"


def test_hits_are_told_by_modality(world):
    # text: 120 less 15 and 15, plus those of 7, 14, 21, 28, 35 that would have had another caption: 14 and 7 have
    assert "In Zipf, **92** captions name it, **86** images show it, and **67** samples do both." in said(open_samples())


@pytest.mark.parametrize(("modality", "hits"), [("joint", 67), ("text", 92), ("image", 86)])
def test_gallery_has_a_page_of_24_and_says_which(world, modality, hits):
    app = open_samples(shown_by=modality)
    assert len(captions(app)) == len(reasons(app)) == 24
    assert f"1 to 24 of {hits}" in said(app)
    assert {"samples.csv", "samples.parquet"} <= downloads(app)


def test_gallery_goes_on_to_its_last_page(world):
    app = assert_whole(choose(open_samples(), "pagination", "hits_page", 3))
    assert "49 to 67 of 67" in said(app)
    assert len(captions(app)) == 19


def test_page_of_the_address_is_shown_and_another_search_begins_at_the_first(world):
    app = open_samples(hits_page="3")
    assert "49 to 67 of 67" in said(app)
    app = assert_whole(choose(app, "button_group", "shown_by", "text"))
    assert "1 to 24 of 92" in said(app)
    assert find(app, "pagination", "hits_page").value == 1


def test_best_image_score_comes_first_with_the_reason_that_it_counts(world):
    app = open_samples()
    assert reasons(app)[0] == ":material/check: text: **striped, daxu** | :material/check: image: **0.340** ≥ 0.26"
    app = open_samples(hits_page="3")
    assert reasons(app)[-1] == ":material/check: text: **striped, daxu** | :material/check: image: **0.260** ≥ 0.26"


def test_text_hit_says_that_its_image_scores_too_little(world):
    assert ":material/close: image: 0.220 < 0.26" in reasons(open_samples(shown_by="text", hits_page="4"))[-1]


def test_image_hit_says_that_its_caption_names_something_else(world):
    found = reasons(open_samples(shown_by="image"))
    assert sum(reason.startswith(":material/close: text | ") for reason in found) > 0
    assert all(":material/check: image" in reason for reason in found)


def test_higher_threshold_shows_fewer(world):
    app = open_samples(image_method="openclip@0.30")
    assert "**52** images show it" in said(app)  # remainders 0, 1, 2 of 120: 18 + 17 + 17, and 0.30 itself counts
    assert all("≥ 0.30" in reason for reason in reasons(app))


def test_another_corpus_has_its_own_samples(world):
    app = assert_whole(choose(open_samples(), "selectbox", "corpus", "balanced"))
    assert "In Balanced, " in said(app)
    assert len(captions(app)) < 12
    assert not app.get("pagination")


def test_concept_that_no_sample_shows_is_a_sentence(world):
    app = open_concept(NEVER[1])
    assert told(app) == ["No sample of Zipf shows it: no caption names it, and no image scores it at 0.26 or more."]
    assert not captions(app)
    assert "In Balanced, " in said(choose(app, "selectbox", "corpus", "balanced"))


def test_concept_that_only_a_lower_threshold_finds_says_so(world):
    (message,) = told(open_concept(NEVER[0]))  # the sample of the concept before it has 0.21 for it
    assert message.endswith("Other searches find up to 1; choose one above.")


def test_hostile_captions_are_plain_text_and_long_ones_are_cut(world):
    app = open_samples()
    first, second, third = captions(app)[:3]
    assert first == HOSTILE_CAPTIONS[0]
    assert second == HOSTILE_CAPTIONS[1]
    assert third.startswith("# striped daxu - list <script>alert(1)</script> &lt;b&gt; long")
    assert len(third) == 160
    assert third.endswith("…")
    assert not [text for text in written(app) if "evil" in text or "script" in text]


def test_images_that_cannot_be_shown_say_why(world):
    app = open_samples()
    assert len(app.get("image")) == 21
    broken = [text.value for text in app.caption if text.value.startswith(":material/broken_image:")]
    assert [text.split(":", 2)[2].strip()[:23] for text in broken] == [
        "This sample has no imag",
        "The image file is missi",
        "The image is broken or ",
    ]


def test_thumbnails_are_shared_between_sessions(world, monkeypatch):
    open_samples()
    made = []

    def fail(content, side):
        made.append(content)
        raise ImageError("Broken.")

    monkeypatch.setattr("backend.images.make_thumbnail", fail)
    open_samples()
    assert len(made) == 1  # the image cut short, which is tried anew each time; no other


def test_true_numbers_stand_beside_the_counts(world):
    app = open_samples()
    rows = table(app, "fewest", "count", "truth").set_index(["corpus", "method"])
    assert rows.loc[("Zipf", "openclip@0.26"), ["count", "truth"]].tolist() == [86, 120]
    assert rows.loc[("Zipf", "lemmatized"), ["count", "truth"]].tolist() == [92, 92]
    strokes = [
        trace for trace in figure(app, "concept-counts")["data"] if trace.get("marker", {}).get("symbol") == "line-ns-open"
    ]
    assert len(strokes) == 3
    assert "true numbers" in said(app)


def test_samples_that_disagree_are_linked(world):
    (link,) = [link for link in open_samples().main.get("page_link") if link.proto.page == "misalignment"]
    assert link.proto.query_string == "about=striped+daxu"


def test_concept_counted_by_a_rare_method_alone_has_its_marks(studies):
    rows = animal_rows() + count_rows("large", "phrase", {"yak": 7})
    write_study(studies / "tiny", rows)
    app = open_concept("yak")
    assert sum(len(trace["customdata"]) for trace in figure(app, "concept-counts")["data"] if "customdata" in trace) == 1
    assert "yak" in said(app)


def test_concept_of_a_model_whose_line_falls_is_told_no_data_needed(studies):
    scores = score_rows("net", {"ant": 50, "bee": 40, "cat": 30, "dog": 10, "elk": 9})
    fit = {"modality": "text", "method": "lemmatized", "setting": "plain", "kind": "classification", "tasks": "pooled", "n": 5}
    fit |= {
        "model": "net",
        "corpus": "small",
        "n_zero": 1,
        "clusters": "concept",
        "n_clusters": 5,
        "slope": -20.0,
        "intercept": 50.0,
    }
    fit |= {"log_count_min": 0.0, "log_count_max": 2.0}
    write_study(studies / "tiny", animal_rows(), models=[model_row("net", "small")], performance=scores, scaling=[fit])
    text = said(open_concept("dog"))
    assert "What 10 more points would take is not told: the interval of its slope reaches zero, or there is none." in text
    assert "Data needed" not in text


def test_data_needed_is_about_the_chosen_model_and_stands_beside_its_back_test(studies):
    two_corpora(studies / "tiny", {"small": 100, "large": 1_000})
    app = open_concept("bee")
    assert find(app, "selectbox", "model").options == ["net/large", "other/large", "net/small"]
    app = assert_whole(choose(app, "selectbox", "model", "net/small"))
    # 10 ** (10 / 11) to 10 ** (10 / 6) times ten samples
    assert "net/small scores 20.0 at 10 samples; by its slope, 8.1 to 46.4 times as many (81 to 464; 95% interval)" in said(app)
    assert "In 0 of 1 pairs of corpora, what the larger one gave lies in the range" in said(app)
    (row,) = table(app, "foretold", "seen").to_dict("records")
    assert (row["corpus"], row["larger"], row["foretold"], row["seen"]) == ("SMALL", "LARGE", 10, 15)


def test_no_multiple_of_zero_samples_is_told(studies):
    two_corpora(studies / "tiny", {"small": 100, "large": 1_000}, after={"ant": 0, "bee": 100, "cat": 1_000, "dog": 1_000})
    text = said(open_concept("ant", model="net/large"))
    assert "net/large scores 20.0 at 0 samples. What 10 more points would take is not told: the count is zero" in text
    assert "Data needed" not in text


def test_target_above_a_hundred_is_not_told():
    row = pd.Series({"model": "net", "count": 5, "value": 90.5, "factor_low": math.nan, "factor_high": math.nan})
    assert tell_need(row).endswith("is not told: the score would pass 100.")


def test_factor_beyond_any_corpus_says_no_more_than_that():
    text = tell_need(pd.Series({"model": "net", "count": 1, "value": 10.0, "factor_low": 2.0, "factor_high": 1e300}))
    assert (
        "net scores 10.0 at 1 sample; by its slope, 2.0 to more than a million times as many (2 to beyond any corpus;" in text
    )


def place_captions(folder, urls: bool) -> None:
    """A study of a corpus of captions, of which the second has a URL."""
    places = [None, "https://a.example/1.jpg"] if urls else [None, None]
    blank = dict.fromkeys(("offset", "length", "width", "height"))
    search = {"text": ["lemmatized"], "image": [], "chosen": {"text": "lemmatized", "image": None, "joint": None}}
    hit = {"corpus": "mine", "concept": "rose", "modality": "text", "method": "lemmatized", "score": None}
    write_study(
        folder / "captions",
        count_rows("mine", "lemmatized", {"rose": 2, "fern": 0}),
        manifest={"search": {"mine": search}, "arguments": {"index": {"mine": {}}}},
        samples=[
            {"corpus": "mine", "sample_id": number, "caption": f"a rose {number}", "image": image} | blank
            for number, image in enumerate(places)
        ],
        hits=[hit | {"sample_id": number} for number in range(2)],
    )


@pytest.mark.parametrize("allowed", [False, True])
def test_captions_without_images_are_shown_as_captions(studies, monkeypatch, allowed):
    place_captions(studies, urls=True)
    monkeypatch.setenv(SHOW_URLS, str(int(allowed)))
    app = open_concept("rose")
    assert "In MINE, **2** captions name it. Its images were not searched." in said(app)
    assert "These samples are captions without an image." in said(app)
    assert captions(app) == ["a rose 0", "a rose 1"] + ["https://a.example/1.jpg"] * allowed
    assert [reason.split(" | ")[0] for reason in reasons(app)] == [":material/check: text: **rose**"] * 2
    assert "broken_image" not in said(app)
    assert not app.get("imgs")
