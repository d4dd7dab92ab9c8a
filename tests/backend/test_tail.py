"""A tail benchmark against a well-known task: gaps, the line on each side of the split, and the classes."""

import math

import numpy as np
import pandas as pd
import pytest

from backend import tail
from backend.errors import EmptySelection, MissingTable
from backend.frequency import count_concepts, spread_counts
from backend.manifest import TailEntry
from backend.study import Study
from tests.tiny_study import count_rows, model_row, overall_row, score_rows, write_study

CLASS_COLUMNS = ["concept", "mean", "best", "best_model", "models"]
FACTS = {"title": "The tail", "task": "rare", "compared_with": "common", "setting": "plain", "split": 50}
# model: score on the common task, score on the rare one. Below 50 the line is 2 + 0.5 x, above it -45 + x.
SCORES = {"a": (10, 7), "b": (20, 12), "c": (40, 22), "d": (50, 5), "e": (60, 15), "f": (90, 45)}
CLASSES = {"a": {"auk": 1, "boa": 3, "Coypu": 9}, "b": {"auk": 2, "boa": 1, "Coypu": 30}}


def tail_rows() -> list[dict]:
    rows = [row for model, values in CLASSES.items() for row in score_rows(model, values, task="rare")]
    return [{name: value for name, value in row.items() if name != "kind"} for row in rows]


def build(folder, scores=SCORES, manifest=None, **tables) -> Study:
    overall = [
        overall_row(model, task, value)
        for model, pair in scores.items()
        for task, value in zip(("common", "rare"), pair, strict=True)
    ]
    counts = count_rows("x", "phrase", {"auk": 4, "coypu": 0}) + count_rows("x", "phrase", {"auk": 6}, task="zoo")
    counts += count_rows("y", "phrase", {"auk": 9, "dodo": 1}) + count_rows("x", "rampp@0.7", {"boa": 5})
    tables = {"overall": overall, "tail": tail_rows(), "models": [model_row(name, None) for name in SCORES]} | tables
    return write_study(folder, counts, manifest={"tail": FACTS} if manifest is None else manifest, **tables)


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Study:
    return build(tmp_path_factory.mktemp("tail"))


def test_manifest_says_what_the_tail_is_compared_with(study):
    assert tail.describe_tail(study) == TailEntry(**FACTS)


def test_study_without_a_tail_says_what_to_run(tmp_path):
    study = build(tmp_path)
    (tmp_path / "tail.parquet").unlink()
    for ask in (tail.describe_tail, tail.compare_models, tail.list_classes):
        with pytest.raises(MissingTable, match=r"no table 'tail'. Build it: python -m precompute tail --study"):
            ask(study)
    assert tail.score_class(study, "auk").empty


def test_manifest_without_a_tail_says_what_to_run(tmp_path):
    with pytest.raises(
        MissingTable, match=r"does not say what its tail is compared with. Build it again: python -m precompute"
    ):
        tail.describe_tail(build(tmp_path, manifest={}))


def test_models_come_best_first_with_gap_and_side(study):
    models = tail.compare_models(study)
    assert models[["model", "reference", "tail", "gap", "side"]].values.tolist() == [
        ["f", 90, 45, 45, "above"],
        ["e", 60, 15, 45, "above"],
        ["d", 50, 5, 45, "above"],  # at the split is above it
        ["c", 40, 22, 18, "below"],
        ["b", 20, 12, 8, "below"],
        ["a", 10, 7, 3, "below"],
    ]


def test_model_without_one_of_the_scores_is_left_out(tmp_path):
    overall = [overall_row("a", "common", 10), overall_row("b", "rare", 5), overall_row("c", "common", 9, setting="other")]
    overall += [overall_row("c", "rare", 4), overall_row("d", "common", 30), overall_row("d", "rare", 20)]
    assert list(tail.compare_models(build(tmp_path, overall=overall))["model"]) == ["d"]


def test_no_model_with_both_scores_is_said(tmp_path):
    with pytest.raises(EmptySelection, match=r"^No model has both a tail score and a score on the task"):
        tail.compare_models(build(tmp_path, overall=[overall_row("a", "common", 10)]))


def test_missing_scores_are_named_with_the_command(tmp_path):
    study = build(tmp_path)
    (tmp_path / "overall.parquet").unlink()
    with pytest.raises(MissingTable, match="no table 'overall'. Build it"):
        tail.compare_models(study)


def test_each_side_of_the_split_has_its_line(study):
    lines = tail.regress_sides(tail.compare_models(study)).set_index("side")
    assert lines.loc["below", ["models", "slope", "intercept", "r", "low", "high"]].tolist() == pytest.approx(
        [3, 0.5, 2, 1, 10, 40]
    )
    assert lines.loc["above", ["models", "slope", "intercept", "r", "low", "high"]].tolist() == pytest.approx(
        [3, 1, -45, 1, 50, 90]
    )


def test_slopes_have_students_interval_over_the_models():
    # x less its mean: -2, -1, 0, 1, 2; residuals of the line 3 x: 1, -1, 0, -1, 1, so that s² = 4 / 3, Sxx = 10
    models = pd.DataFrame({"side": "below", "reference": [10.0, 11, 12, 13, 14], "tail": [-5.0, -4, 0, 2, 7]})
    line = tail.regress_sides(models).iloc[0]
    reach = 3.182446 * np.sqrt(4 / 3 / 10)  # t of three degrees of freedom
    assert line[["slope", "slope_low", "slope_high"]].tolist() == pytest.approx([3, 3 - reach, 3 + reach], rel=1e-6)


def test_models_that_share_a_reference_score_make_no_line():
    assert tail.regress_sides(pd.DataFrame({"side": "above", "reference": [60.0] * 3, "tail": [1.0, 2, 3]})).empty


def test_lines_are_the_same_in_any_order_of_models(study):
    models = tail.compare_models(study)
    turned = tail.regress_sides(models.iloc[::-1])
    pd.testing.assert_frame_equal(turned, tail.regress_sides(models))


def test_doubling_the_tail_scores_doubles_the_slopes(study):
    models = tail.compare_models(study)
    once, twice = tail.regress_sides(models), tail.regress_sides(models.assign(tail=2 * models["tail"]))
    assert twice["slope"].tolist() == pytest.approx((2 * once["slope"]).tolist())
    assert twice["r"].tolist() == pytest.approx(once["r"].tolist())


def test_two_models_make_no_line(tmp_path):
    scores = {name: SCORES[name] for name in ("a", "b", "d", "e", "f")}
    lines = tail.regress_sides(tail.compare_models(build(tmp_path, scores)))
    assert list(lines["side"]) == ["above"]


def test_no_models_make_no_line(study):
    lines = tail.regress_sides(tail.compare_models(study).head(0))
    assert lines.empty
    assert "slope" in lines


def test_classes_come_hardest_first_with_their_counts(study):
    classes = tail.list_classes(study)
    assert classes[["concept", "mean", "best", "best_model", "models"]].values.tolist() == [
        ["auk", 1.5, 2, "b", 2],
        ["boa", 2, 3, "a", 2],
        ["coypu", 19.5, 30, "b", 2],
    ]
    # the larger count of `auk`; a zero is not the same as no count
    wide = spread_counts(classes, count_concepts(study, "phrase"), ["x", "y"])
    assert wide[["x samples", "y samples"]].astype("float").fillna(-1).values.tolist() == [[6, 9], [-1, -1], [0, -1]]


def test_classes_that_no_corpus_counts_have_no_count_columns(study):
    classes = tail.list_classes(study)
    assert len(classes) == 3
    assert list(spread_counts(classes, count_concepts(study, "phrase"), ["unheard of"]).columns) == [
        "concept",
        "mean",
        "best",
        "best_model",
        "models",
    ]


def test_scores_of_one_class_come_best_first(study):
    assert tail.score_class(study, "coypu").values.tolist() == [["b", 30], ["a", 9]]


@pytest.mark.parametrize("concept", ["dodo", "", "auk' OR '1'='1"])
def test_concept_outside_the_tail_has_no_scores(study, concept):
    assert tail.score_class(study, concept).empty


def test_mean_of_a_class_is_the_mean_of_its_scores(small_study):
    classes = tail.list_classes(small_study).set_index("concept")
    assert len(classes) == 12
    # full + 1 for the first six classes, full - 1 for the others; full: 4, 40, 30, 66
    assert classes.loc["acadian flycatcher", ["mean", "best", "best_model"]].tolist() == [36, 67, "ViT-H-14/dfn"]
    assert classes.loc["bank swallow", ["mean", "best"]].tolist() == [34, 65]
    for concept in classes.index:
        assert tail.score_class(small_study, concept)["value"].mean() == pytest.approx(classes.loc[concept, "mean"])


def test_bank_swallow_of_the_small_release_has_the_count_of_another_task(small_study):
    counts = count_concepts(small_study, "lemmatized")
    classes = spread_counts(tail.list_classes(small_study), counts, ["cc3m", "laion_aesthetics"]).set_index("concept")
    assert classes.loc["bank swallow", ["cc3m samples", "laion_aesthetics samples"]].tolist() == [
        1_000,
        20,
    ]  # under cub and t2i


def test_paper_has_forty_models_and_its_two_slopes(published_study):
    models = tail.compare_models(published_study)
    assert len(models) == 40
    assert (models["gap"] > 0).all()
    lines = tail.regress_sides(models).set_index("side")
    assert lines["models"].to_dict() == {"above": 31, "below": 9}
    assert np.round(lines.loc[["below", "above"], "slope"], 3).tolist() == [0.603, 1.578]
    intervals = lines.loc[["below", "above"], ["slope_low", "slope_high"]]
    assert np.round(intervals, 2).values.tolist() == [[0.30, 0.91], [1.40, 1.75]]


def test_paper_has_290_tail_classes(published_study):
    classes = tail.list_classes(published_study)
    assert len(classes) == 290
    assert set(classes["models"]) == {40}
    assert (classes["mean"] <= classes["best"]).all()
    assert classes["mean"].is_monotonic_increasing
    scores = tail.score_class(published_study, "acadian flycatcher")
    assert len(scores) == 40
    assert scores["value"].mean() == pytest.approx(classes.set_index("concept").loc["acadian flycatcher", "mean"])


def twenty(folder, **tables) -> Study:
    return write_study(folder, count_rows("web", "lemmatized", {f"kind {n:02d}": n for n in range(20)}), **tables)


def test_tail_without_a_benchmark_is_the_rarest_tenth(tmp_path):
    assert tail.list_tail(twenty(tmp_path), "lemmatized") == ("kind 00", "kind 01")


def test_benchmark_is_the_tail_whatever_the_counts(study):
    assert tail.list_tail(study, "phrase") == tail.list_tail(study, "unheard of") == ("auk", "boa", "coypu")


def test_study_without_counts_and_benchmark_has_no_tail(tmp_path):
    study = twenty(tmp_path)
    (tmp_path / "frequency.parquet").unlink()
    assert tail.list_tail(Study(study.folder), "lemmatized") == ()


@pytest.mark.parametrize(
    ("percentiles", "share", "tail_size", "left_out"),
    [
        ([0, 10, 20, 30, 40, 50, 60, 70, 80, 90], 30, 3, 0),
        ([5, 80], 10, 1, 0),  # there is always one
        ([0, 0, 0, 75], 10, 1, 2),
        ([0, math.nan], 50, 1, 0),
        ([0] * 13 + [50] * 87, 5, 5, 8),  # thirteen of a hundred are never shown; five are the rarest 5%
        ([0, 40, 40, 40], 50, 2, 2),
    ],
)
def test_tail_has_exactly_its_share_and_says_who_is_as_rare(percentiles, share, tail_size, left_out):
    names = [f"kind {n:03d}" for n in range(len(percentiles))]
    found = tail.find_tail(pd.Series(percentiles, index=names, dtype=float), share)
    assert found == tail.Tail(tuple(names[:tail_size]), sum(not math.isnan(one) for one in percentiles), left_out)


def test_tail_is_the_same_in_any_order_of_concepts():
    percentiles = pd.Series({"dog": 0.0, "ant": 0.0, "cat": 0.0, "bee": 50.0})
    assert tail.find_tail(percentiles, 50).concepts == tail.find_tail(percentiles.iloc[::-1], 50).concepts == ("ant", "cat")


def test_rarest_five_percent_of_the_papers_concepts_are_five_percent(published_study):
    for method in ("lemmatized", "rampp@0.7"):
        percentiles = tail.average_percentiles(count_concepts(published_study, method))
        found = tail.find_tail(percentiles, 5)
        assert len(found.concepts) == round(0.05 * len(percentiles)) == 198
        assert found.left_out == (percentiles == percentiles[found.concepts[-1]]).sum() - sum(
            percentiles[name] == percentiles[found.concepts[-1]] for name in found.concepts
        )
        assert percentiles[list(found.concepts)].max() <= percentiles.drop(list(found.concepts)).min()


def test_where_nothing_is_counted_there_is_no_tail():
    assert tail.find_tail(pd.Series(dtype=float), 10) == tail.Tail((), 0, 0)


def named_models(**scores: tuple[float, float]) -> pd.DataFrame:
    rows = pd.DataFrame([(name, *pair) for name, pair in scores.items()], columns=["model", "reference", "tail"])
    return rows.assign(gap=rows["reference"] - rows["tail"])


def test_models_named_are_the_best_those_that_lose_most_and_least_and_the_farthest_off():
    models = named_models(best=(90, 80), even=(40, 38), lossy=(60, 10), inner=(60, 40), other=(61, 41), worst=(5, 1))
    assert tail.pick_named(models, 3) == {"best": "above", "lossy": "below", "even": "above"}
    # `inner` has `even` above it and `lossy` below; of the rest, the worst is farther off than `other` would be
    assert list(tail.pick_named(models, 4)) == ["best", "lossy", "even", "worst"]
    assert set(tail.pick_named(models, 6)) == set(models["model"])


def test_no_model_is_named_where_there_is_none():
    assert tail.pick_named(named_models()) == {}


def test_equal_models_are_named_once_each():
    assert set(tail.pick_named(named_models(a=(50, 20), b=(50, 20)), 6)) == {"a", "b"}


def test_pairs_trained_on_other_data_stand_beside_each_other_with_what_their_data_shows(invented_study):
    models = tail.compare_models(invented_study)
    (row,) = tail.list_retrained(invented_study, models, "lemmatized").itertuples(index=False)
    assert (row.model, row.rival) == ("vit/balanced", "vit/zipf")
    assert row.seen > row.rival_seen
    assert row.tail == models.set_index("model").loc["vit/balanced", "tail"]


def test_study_without_a_causal_pair_has_no_retrained_models(small_study):
    assert tail.list_retrained(small_study, tail.compare_models(small_study), "rampp@0.7").empty
