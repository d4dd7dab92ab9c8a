"""The search quality page: counts against the truth, searches, thresholds; without a truth, why not and where there is one."""

import pytest

from backend.methods import Method
from backend.writing import write_manifest
from tests.invented_world import THRESHOLDS
from tests.pages.session import assert_whole, choose, downloads, explained, figure, links, open_page, said, table, told
from tests.tiny_study import animal_rows, write_rows, write_study


def test_counts_stand_against_the_truth(world):
    app = assert_whole(open_page("search_quality"))
    rows = table(app, "truth", "error").set_index(["concept", "modality"])
    assert rows.loc[("striped daxu", "image"), ["count", "truth"]].tolist() == [86, 120]
    assert rows.loc[("striped daxu", "text"), ["count", "truth"]].tolist() == [92, 92]
    assert rows["error"].abs().is_monotonic_decreasing
    assert (
        "In Zipf, these are within a factor of two of the truth: **100%** of concepts by text, **100%** of concepts by image"
        in said(app)
    )
    assert {"truth.html", "truth.csv", "furthest-off.csv", "searches.csv", "quality.html"} <= downloads(app)
    assert "Frequency error" in explained(app)


def test_concepts_furthest_off_are_linked(world):
    app = open_page("search_quality")
    furthest = table(app, "truth", "error")["concept"].iloc[0]
    assert furthest in links(app)


def test_every_concept_and_modality_is_a_point(world):
    _, *points = figure(open_page("search_quality"), "truth")["data"]
    assert [trace["name"] for trace in points] == ["text", "image", "joint"]
    assert [len(trace["customdata"]) for trace in points] == [40, 40, 40]


def test_another_corpus_has_its_own_truth(world):
    app = assert_whole(choose(open_page("search_quality"), "selectbox", "corpus", "balanced"))
    rows = table(app, "truth", "error")
    assert set(rows.loc[rows["modality"] == "image", "truth"]) == {12}


def test_every_search_of_the_corpus_stands_in_the_table_in_words(world):
    rows = table(open_page("search_quality"), "precision", "recall", "found")
    assert rows["modality"].tolist() == ["text", "image", "joint"]
    assert rows["search"].iloc[1] == Method("openclip@0.26").title
    assert rows[["precision", "recall", "frequency_error"]].drop_duplicates().values.tolist() == [[95.0, 95.0, 0.04]]


def test_corpus_chosen_filters_both_tables(place_study, invented_study):
    """`balanced` alone has a fourth search here."""
    study = place_study("synthetic", source=invented_study, without=("search_quality",))
    rows = invented_study.query("SELECT * FROM search_quality").astype(object)
    rows = rows.where(rows.notna(), None).to_dict("records")
    extra = next(row for row in rows if row["corpus"] == "balanced" and row["modality"] == "text")
    entry = write_rows(study.folder, "search_quality", [*rows, extra | {"method": "lowercased", "found": 7}])
    write_manifest(study.folder, study.manifest.raw | {"tables": study.manifest.raw["tables"] | {"search_quality": entry}})
    app = open_page("search_quality", corpus="balanced")
    assert table(app, "precision", "found")["found"].tolist() == [400, 7, 400, 400]
    app = assert_whole(choose(app, "selectbox", "corpus", "zipf"))
    assert table(app, "precision", "found")["found"].tolist() == [400, 400, 400]
    assert set(table(app, "truth", "error")["count"]) != {12}


def test_chosen_threshold_is_marked_and_told(world):
    app = open_page("search_quality")
    # 0.26 is the seventh: found 1100 - 480, correct 700 - 240 of 750
    assert "From **0.26** on, the threshold chosen, 74% of the image hits are right, and 61% of the true ones" in said(app)
    quality = figure(app, "quality")
    assert [trace["name"] for trace in quality["data"] if trace["mode"] != "text"] == ["precision", "recall"]
    assert quality["layout"]["shapes"][0]["x0"] == 0.26
    assert quality["layout"]["annotations"][0]["text"] == "chosen: 0.26"
    assert len(THRESHOLDS) == 11


def test_study_without_truth_says_why_and_links_the_one_that_has_it(place_study, invented_study):
    place_study()
    place_study("synthetic", source=invented_study)
    app = assert_whole(open_page("search_quality"))
    (message,) = told(app)
    assert "nobody knows which samples of a real corpus truly show a concept" in message
    (link,) = app.main.get("page_link")
    assert (link.proto.page, link.proto.query_string) == ("search_quality", "study=An+invented+world")


def test_study_without_truth_and_without_another_names_the_command(published):
    app = assert_whole(open_page("search_quality"))
    assert [code.value for code in app.code] == ["python -m precompute synthetic"]


@pytest.mark.parametrize("missing", ["search_quality", "truth"])
def test_half_a_truth_is_none(place_study, invented_study, missing):
    place_study("synthetic", source=invented_study, without=(missing,))
    assert len(told(assert_whole(open_page("search_quality")))) == 1


def test_search_without_validation_has_no_threshold_section(studies):
    row = {"corpus": "small", "split": "all", "modality": "text", "method": "lemmatized", "threshold": None}
    row |= {"found": 0, "relevant": 4, "correct": 0, "precision": None, "recall": 0.0, "frequency_error": 0.5}
    search = {"text": ["lemmatized"], "image": [], "chosen": {"text": "lemmatized"}, "tagger": ""}
    write_study(
        studies / "tiny",
        animal_rows(),
        manifest={"search": {"small": search}},
        search_quality=[row],
        truth=[{"corpus": "small", "concept": "cat", "modality": "text", "count": 10}],
    )
    app = assert_whole(open_page("search_quality"))
    assert "Why this image threshold?" not in said(app)
    assert table(app, "truth", "error")[["concept", "count", "truth", "error"]].values.tolist() == [["cat", 10, 10, 0.0]]
    assert "LARGE is not known in truth: this is SMALL." in said(app)
