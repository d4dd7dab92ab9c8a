"""Points, lines and one concept: which count meets which score, and which fit is used."""

import math
import shutil

import pandas as pd
import pyarrow as pa
import pytest

from backend import fit_tables, fits, scaling
from backend.errors import EmptySelection, MissingTable
from backend.schema import SCHEMA_VERSION
from backend.study import Study
from backend.tables import write_table
from backend.writing import write_manifest
from tests.tiny_study import count_rows, model_row, score_rows, write_study

IMAGENET = {
    "model": "RN50/cc3m",
    "corpus": "cc3m",
    "method": "lemmatized",
    "setting": "ensemble",
    "kind": "classification",
    "tasks": ["imagenet"],
}

POOLED = IMAGENET | {"tasks": ["cifar10", "cub", "flowers102", "imagenet"]}


def test_line_of_the_small_release_is_the_one_worked_out_by_hand(small_study):
    points = scaling.join_points(small_study, **IMAGENET)
    line = fits.fit_points(points, "classification")
    # Sxx = 12 * 1.25, Sxy = 10 Sxx, Syy = 100 Sxx + 8 * 3²
    assert (line.n, line.slope, line.intercept) == (12, pytest.approx(10), pytest.approx(10))
    assert line.pearson_r == pytest.approx(150 / math.sqrt(15 * 1572))


def test_pooled_tasks_share_one_line_and_imagenet_r_stays_apart(small_study):
    assert scaling.pooled_tasks(small_study, "classification") == ["cifar10", "cub", "flowers102", "imagenet"]
    line = fits.fit_points(scaling.join_points(small_study, **POOLED), "classification")
    # 10 labels of base 40; 12 each of bases 5, 20 and 10
    assert (line.n, line.slope, line.intercept) == (46, pytest.approx(10), pytest.approx(820 / 46))
    assert line.within_task_slope == pytest.approx(10)


def test_stored_fit_equals_the_fit_made_now(small_study):
    points = scaling.join_points(small_study, **POOLED)
    stored = scaling.find_fit(points, small_study, **POOLED)
    assert vars(stored) == pytest.approx(
        vars(fits.fit_points(points, "classification")) | {"paper_r": stored.paper_r}, nan_ok=True
    )


def test_part_of_the_tasks_is_fitted_now(small_study):
    points = scaling.join_points(small_study, **IMAGENET)
    assert scaling.find_fit(points, small_study, **IMAGENET).intercept == pytest.approx(10)


def joined(study: Study, task: str, **selection) -> dict[str, int]:
    points = scaling.join_points(study, **IMAGENET | {"tasks": [task]} | selection)
    return dict(zip(points["label"], points["count"], strict=True))


def test_plane_meets_the_counts_of_airplane(small_study):
    counts = joined(small_study, "cifar10")
    assert (len(counts), counts["plane"], counts["car"]) == (10, 1, 10)


def test_underscores_meet_the_counts_with_spaces(small_study):
    counts = joined(small_study, "imagenet-r")
    assert (len(counts), counts["African_chameleon"], counts["ice_cream"]) == (12, 10, 10)


def test_concept_has_its_own_count_under_each_task(small_study):
    assert (joined(small_study, "imagenet")["crane"], joined(small_study, "cub")["crane"]) == (1000, 10)


@pytest.mark.parametrize(("method", "count"), [("lemmatized", 0), ("rampp@0.7", 3)])
def test_bird_is_found_under_either_spelling(small_study, method, count):
    selection = {"model": "craiyon_dalle-mini", "corpus": "laion_aesthetics", "method": method}
    counts = joined(small_study, "t2i", **selection, setting="human_align", kind="generation")
    assert (len(counts), counts["acadian flycatcher"]) == (12, count)


def test_label_without_a_count_makes_no_point(small_study):
    counts = joined(small_study, "flowers102", model="ViT-B-32/laion400m", corpus="laion400m", method="lowercased")
    assert counts == {"colt's foot": 1, "iris": 40, "magnolia": 9, "petunia": 2, "rose": 257_038}


def test_selection_that_joins_nothing_says_so(small_study):
    with pytest.raises(EmptySelection) as error:
        joined(small_study, "cub", corpus="laion400m")
    assert str(error.value) == (
        "Nothing joins: no task has both scores of RN50/cc3m (ensemble) and counts of laion400m by lemmatized."
    )


@pytest.fixture
def spelled_study(tmp_path) -> Study:
    """A task that counts `ice cream` under two spellings, and scores it under one of them or under a third."""
    counts = [("ice cream", 10), ("ice_cream", 200)]
    scores = [("one", "ice_cream"), ("two", "Ice cream")]
    names = {"task": "t", "concept": "ice cream"}
    frequency = [
        names | {"corpus": "c", "label": label, "modality": "text", "method": "phrase", "count": count}
        for label, count in counts
    ]
    performance = [
        names | {"kind": "classification", "model": model, "setting": "s", "label": label, "value": 50.0, "n": None}
        for model, label in scores
    ]
    labels = [label for label, _ in counts] + ["Ice cream"]
    concepts = [names | {"kind": "classification", "label": label, "words": ["ice", "cream"]} for label in labels]
    write_table(tmp_path, "concepts", pa.Table.from_pylist(concepts))
    write_table(tmp_path, "frequency", pa.Table.from_pylist(frequency))
    write_table(tmp_path, "performance", pa.Table.from_pylist(performance))
    write_manifest(tmp_path, {"schema_version": SCHEMA_VERSION, "title": "Spellings", "tables": {}, "created": ""})
    return Study(tmp_path)


@pytest.mark.parametrize(("model", "counts"), [("one", [200]), ("two", [10, 200])])
def test_score_meets_its_own_spelling_else_every_spelling(spelled_study, model, counts):
    selection = {"model": model, "corpus": "c", "method": "phrase", "setting": "s", "kind": "classification"}
    points = scaling.join_points(spelled_study, **selection, tasks=["t"])
    assert points["count"].tolist() == counts


@pytest.mark.parametrize("table", ["concepts", "frequency", "performance"])
def test_join_names_the_table_that_is_missing(spelled_study, table):
    (spelled_study.folder / f"{table}.parquet").unlink()
    with pytest.raises(MissingTable, match=f"no table '{table}'"):
        scaling.join_points(Study(spelled_study.folder), **IMAGENET)


def test_default_setting_of_a_kind_comes_first(small_study):
    settings = scaling.list_settings(small_study)
    assert list(settings.itertuples(index=False, name=None)) == [
        ("classification", "ensemble"),
        ("classification", "class"),
        ("generation", "human_align"),
        ("retrieval", "i2t@1"),
        ("retrieval", "t2i@10"),
    ]


def test_main_model_comes_first_then_those_with_a_corpus_with_their_mean_score(small_study):
    models = scaling.list_models(small_study, "classification", "class")
    assert models["model"].tolist() == ["ViT-B-32/laion400m", "RN50/cc3m", "ViT-B-32/datacomp"]
    assert models["corpus"].fillna("").tolist() == ["laion400m", "cc3m", ""]
    assert models["score"].tolist() == [60, 19, 70]
    assert models["tasks"].tolist() == [1, 1, 1]


def test_model_with_one_easy_task_is_not_the_best_of_its_corpus():
    rows = [("own", "web", 1, 95.0), ("small", "web", 18, 40.0), ("large", "web", 18, 60.0), ("other", "photos", 2, 30.0)]
    models = pd.DataFrame([*rows, ("elsewhere", None, 18, 99.0)], columns=["model", "corpus", "tasks", "score"])
    assert scaling.pick_best(models) == ["large", "other"]


def test_models_of_a_study_without_overall_scores_have_none(small_study, tmp_path):
    folder = shutil.copytree(small_study.folder, tmp_path / "study")
    (folder / "overall.parquet").unlink()
    models = scaling.list_models(Study(folder), "classification", "class")
    assert (len(models), models["score"].isna().all()) == (3, True)


def test_each_model_is_drawn_over_its_own_corpus(small_study):
    lines = scaling.fit_models(small_study, kind="classification", setting="ensemble", method="lemmatized")
    assert [(line.model, line.corpus, line.fit.n) for line in lines] == [
        ("RN50/cc3m", "cc3m", 46),
        ("ViT-B-32/laion400m", "laion400m", 24),
    ]
    table = fit_tables.tabulate_fits(lines)
    assert table["slope"].tolist() == pytest.approx([10, 0], abs=1e-9)
    assert table["interval"].iloc[1] == ""  # one score for all has no correlation


# Causal comparisons: counts 1, 10, 100, 1000 of `c`; `own` was trained on it, `other` was not.

COUNTS = {"ant": 1, "bee": 10, "cat": 100, "dog": 1_000, "elk": 0}
OWN = {"ant": 10, "bee": 20, "cat": 30, "dog": 40}
OTHER = {"ant": 30, "bee": 20, "cat": 20, "dog": 30, "elk": 99}


@pytest.fixture(scope="module")
def causal_study(tmp_path_factory) -> Study:
    return write_study(
        tmp_path_factory.mktemp("causal") / "tiny",
        count_rows("c", "lemmatized", COUNTS) + count_rows("flat", "lemmatized", dict.fromkeys(COUNTS, 7)),
        models=[model_row("own", "c"), model_row("other", "flat"), model_row("lost", None)],
        performance=score_rows("own", OWN) + score_rows("other", OTHER) + score_rows("lost", {"ant": 1, "bee": 2}),
        manifest={"causal": {"pairs": [{"title": "t", "corpus": "c", "models": ["own", "other"]}]}},
    )


def compare(study: Study, *models: str, corpus: str = "c") -> scaling.Comparison:
    return scaling.compare_training(study, corpus, models, method="lemmatized", setting="plain", kind="classification")


def test_two_models_meet_on_the_labels_that_both_were_scored_on(causal_study):
    found = compare(causal_study, "own", "other")
    assert found.points[["label", "count", "first", "second"]].values.tolist() == [
        ["ant", 1, 10, 30],
        ["bee", 10, 20, 20],
        ["cat", 100, 30, 20],
        ["dog", 1_000, 40, 30],
    ]
    assert (found.first.fit.slope, found.second.fit.slope) == pytest.approx((10, 0))
    assert (found.first.trained_on, found.second.trained_on) == ("c", "flat")
    assert (found.first.fit.slope_low, found.first.fit.slope_high) == pytest.approx((10, 10))
    assert found.second.fit.slope_low < 0 < found.second.fit.slope_high
    assert found.gap[0] == pytest.approx(10)
    assert found.gap[1] < 10 < found.gap[2]


def test_model_set_against_a_corpus_that_is_not_its_own_has_the_fit_of_those_points(causal_study):
    selection = {"model": "other", "corpus": "c", "method": "lemmatized", "setting": "plain", "kind": "classification"}
    points = scaling.join_points(causal_study, **selection, tasks=["animals"])
    assert scaling.find_fit(points, causal_study, **selection, tasks=["animals"]).n == 5


def test_counts_that_are_all_alike_give_no_slope(causal_study):
    found = compare(causal_study, "other", "own", corpus="flat")
    assert math.isnan(found.first.fit.slope)
    assert math.isnan(found.gap[0])


def test_two_shared_points_are_too_few_to_compare(causal_study):
    with pytest.raises(EmptySelection, match="A comparison needs 3 points; own and lost share 2"):
        compare(causal_study, "own", "lost")


def test_causal_comparisons_are_those_of_the_manifest(causal_study, small_study):
    assert [entry.title for entry in scaling.list_comparisons(causal_study)] == ["t"]
    assert scaling.list_comparisons(small_study) == ()
