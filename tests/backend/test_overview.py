"""The headline of a study, and how much it holds."""

import math

import pytest

from backend import overview
from backend.errors import MissingTable
from backend.study import Study
from tests.tiny_study import animal_rows, count_rows, score_rows, write_study

FIT = {
    "modality": "text",
    "method": "lemmatized",
    "setting": "plain",
    "kind": "classification",
    "tasks": "pooled",
    "n": 5,
    "n_zero": 1,
    "clusters": "concept",
    "n_clusters": 5,
    "log_count_min": 0.0,
    "log_count_max": 2.0,
}


def fit_row(model: str, slope: float | None, **changes) -> dict:
    return FIT | {"model": model, "corpus": "small", "slope": slope} | changes


def degree_row(corpus: str, degree: float) -> dict:
    return {"corpus": corpus, "method": "m", "misaligned": 1, "degree": degree, "degree_extracted": degree}


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Study:
    fits = [fit_row("a", 2.0), fit_row("b", 7.5), fit_row("c", None), fit_row("d", 99.0, tasks="other")]
    fits += [fit_row("h", 99.0, log_count_max=0.9)]  # its counts do not span a tenfold
    fits += [fit_row("e", 99.0, setting="other"), fit_row("f", 99.0, method="phrase"), fit_row("g", 99.0, kind="retrieval")]
    return write_study(
        tmp_path_factory.mktemp("headline"),
        animal_rows(),
        scaling=fits,
        alignment=[degree_row("small", 0.05), degree_row("large", 0.5)],
        performance=score_rows("a", {"ant": 1, "bee": 2}),
    )


def test_headline_of_the_largest_corpus(study):
    headline = overview.summarise(study, "classification", "plain")
    assert (headline.corpus_title, headline.pairs, headline.method) == ("LARGE", 2_000, "lemmatized")
    assert headline.median_count == 5  # of 0, 5 and 300
    assert headline.zeros == 1


def test_headline_is_of_the_corpus_that_is_named(study):
    headline = overview.summarise(study, "classification", "plain", "small")
    assert (headline.corpus_title, headline.concepts, headline.median_count, headline.zeros) == ("SMALL", 5, 10, 1)


def test_corpus_without_counts_by_the_widest_used_method_has_a_headline_by_its_own(tmp_path):
    rows = [*animal_rows(), *count_rows("drawn", "rampp@0.7", {"ant": 3, "bee": 5})]
    headline = overview.summarise(write_study(tmp_path, rows), "classification", "plain", "drawn")
    assert (headline.method, headline.median_count) == ("rampp@0.7", 4)


def test_headline_slopes_are_those_of_the_pooled_fits_that_are_determined_over_a_tenfold(study):
    headline = overview.summarise(study, "classification", "plain")
    assert (headline.slope, len(headline.slopes), headline.unsure) == ((2.0, 7.5), 2, 2)  # without an interval no sign is sure
    assert (headline.degree, headline.resampled) == ((0.05, 0.5), "5 concepts")


def test_headline_tells_mixed_slopes_where_there_are_and_which_intervals_reach_zero(tmp_path):
    mixed = {"mixed_slope": 4.0, "mixed_low": -1.0, "mixed_high": 9.0, "clusters": "task", "n_clusters": 6}
    rows = [fit_row("a", 9.0, **mixed), fit_row("b", 3.0, slope_low=2.0, slope_high=4.0)]
    headline = overview.summarise(write_study(tmp_path, animal_rows(), scaling=rows), "classification", "plain")
    assert [(slope.name, slope.value) for slope in headline.slopes] == [("mixed", 4), ("pooled", 3)]
    assert (headline.unsure, headline.resampled) == (1, "6 tasks or 5 concepts")


def test_headline_without_fits_under_a_setting_has_no_slope(study):
    headline = overview.summarise(study, "classification", "unheard of")
    assert (headline.slope, headline.slopes, headline.unsure) == (None, [], 0)


def test_headline_without_fits_and_degrees_keeps_the_median(tmp_path):
    headline = overview.summarise(write_study(tmp_path, animal_rows()), "classification", "plain")
    assert (headline.slope, headline.slopes, headline.degree) == (None, [], None)
    assert headline.median_count == 5


def test_corpus_of_unknown_size_is_never_the_largest(tmp_path):
    study = write_study(tmp_path, animal_rows(), pairs={"small": 1})
    headline = overview.summarise(study, "classification", "plain")
    assert (headline.corpus_title, headline.pairs, headline.median_count) == ("SMALL", 1, 10)


def test_study_of_unknown_sizes_has_a_headline_without_a_size(tmp_path):
    study = write_study(tmp_path, count_rows("c", "phrase", {"ant": 0, "bee": 0}), pairs={"other": 1})
    headline = overview.summarise(study, "classification", "plain")
    assert (headline.corpus_title, headline.pairs) == ("C", None)
    assert (headline.median_count, headline.zeros) == (0, 2)


def test_order_of_rows_does_not_change_the_headline(tmp_path, study):
    turned = write_study(
        tmp_path,
        reversed(animal_rows()),
        pairs={"small": 1_000, "large": 2_000},
        scaling=[fit_row("b", 7.5), fit_row("a", 2.0)],
        alignment=[degree_row("large", 0.5), degree_row("small", 0.05)],
    )
    first, second = (overview.summarise(each, "classification", "plain") for each in (turned, study))
    assert str(first) == str(second)  # a slope without an interval equals no other


def test_missing_counts_are_named_with_the_command(tmp_path):
    study = write_study(tmp_path)
    (tmp_path / "frequency.parquet").unlink()
    with pytest.raises(MissingTable, match="no table 'frequency'. Build it: python -m precompute"):
        overview.summarise(study, "classification", "plain")


def test_contents_are_counted(study):
    assert overview.count_contents(study) == {
        "concepts": 5,
        "labels": 5,
        "tasks": 1,
        "corpora": 2,
        "models": 0,
        "counts": 8,
        "scores": 2,
    }


def test_empty_study_holds_nothing(tmp_path):
    contents = overview.count_contents(write_study(tmp_path))
    assert set(contents.values()) == {0}


def test_contents_of_the_small_release(small_study):
    contents = overview.count_contents(small_study)
    assert contents == {"concepts": 86, "labels": 102, "tasks": 8, "corpora": 3, "models": 7, "counts": 171, "scores": 270}


def test_headline_of_the_paper(published_study):
    headline = overview.summarise(published_study, "classification", "ensemble")
    assert (headline.corpus_title, headline.pairs, headline.method) == ("LAION-400M", 414_080_000, "rampp@0.7")
    assert (headline.concepts, headline.median_count) == (3_738, 24_083.5)
    assert headline.class_median == pytest.approx(10_475)  # of 3,135 concepts
    assert headline.zeros == 377
    assert len(headline.slopes) == 12
    assert {slope.name for slope in headline.slopes} == {"mixed"}
    assert [round(slope, 2) for slope in headline.slope] == [1.18, 6.18]
    assert (headline.unsure, headline.resampled) == (1, "18 tasks")  # ViT-L-14 on LAION-400M
    assert [round(100 * degree, 2) for degree in headline.degree] == [5.31, 36.49]
    assert not math.isnan(headline.median_count)


def test_contents_of_the_paper(published_study):
    contents = overview.count_contents(published_study)
    assert (contents["tasks"], contents["corpora"], contents["concepts"], contents["labels"]) == (26, 7, 3_955, 6_844)


def test_ledgers_of_every_step_are_found_however_deep(tmp_path):
    ledger = {"read": 3, "written": 2, "dropped": {"no caption": 1}}
    counts = {"index": {"mine": {"samples": ledger}}, "evaluate": ledger}
    study = write_study(tmp_path / "tiny", animal_rows(), manifest={"counts": counts})
    expected = [("mine samples", 3, 2, {"no caption": 1}), ("evaluate", 3, 2, {"no caption": 1})]
    assert overview.list_ledgers(study) == expected


def test_alignment_without_a_row_has_no_degree(tmp_path):
    study = write_study(tmp_path / "tiny", animal_rows(), alignment=[])
    assert overview.summarise(study, "classification", "plain").degree is None
