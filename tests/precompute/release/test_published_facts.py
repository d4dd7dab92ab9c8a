"""The real release, digit for digit: what the paper prints and what its repository holds, imported."""

import tarfile
from collections import Counter

import numpy as np
import pytest

from backend.study import Study
from backend.validation import study_faults
from precompute.release.paper import TAIL

pytestmark = pytest.mark.shared


def rows(study: Study, sql: str, **parameters) -> list[tuple]:
    return list(study.query(sql, **parameters).itertuples(index=False, name=None))


def test_study_has_no_faults(published_study):
    assert study_faults(published_study.folder) == []


def test_every_file_of_the_release_is_read(published_study, shared_data):
    with tarfile.open(shared_data / "frequency_determines_performance-main.tar.gz") as archive:
        held = Counter(info.name.split("/", 1)[1].rsplit("/", 1)[0] for info in archive if info.isfile())
    assert (
        published_study.manifest.raw["files"]
        == dict(held)
        == {
            "search_counts": 783,
            "zero_shot_evaluations": 57,
            "retrieval_evaluations": 12,
            "t2i_evaluations": 6,
            "misalignment_metrics": 5,
            "let_it_wag_datasets": 1,
            "let_it_wag_datasets/evaluations": 1,
        }
    )


def test_books_of_the_release_balance(published_study):
    books = published_study.manifest.raw["counts"]["published"]
    assert books["files"] == {"read": 865, "written": 865, "dropped": {}}
    assert books["values"] == {"read": 663_475, "written": 663_344, "dropped": {"empty label": 131}}
    assert len(published_study.manifest.raw["faults"]) == 11


@pytest.mark.parametrize(
    ("corpus", "misaligned", "percent"),
    [
        ("cc3m", 557_683, 16.81),
        ("cc12m", 2_143_784, 17.26),
        ("yfcc15m", 5_409_248, 36.49),
        ("laion_aesthetics", 23_104_076, 14.34),
        ("laion400m", 21_996_097, 5.31),
    ],
)
def test_misalignment_is_the_papers(published_study, corpus, misaligned, percent):
    sql = """SELECT misaligned, degree, misaligned / pairs AS recomputed
             FROM alignment JOIN corpora USING (corpus) WHERE corpus = $corpus"""
    ((count, degree, recomputed),) = rows(published_study, sql, corpus=corpus)
    assert count == misaligned
    assert round(100 * degree, 2) == round(100 * recomputed, 2) == percent


def test_corpora_have_the_papers_sizes(published_study):
    sizes = rows(published_study, "SELECT corpus, pairs FROM corpora WHERE pairs IS NOT NULL ORDER BY pairs")
    assert sizes == [
        ("cc3m", 3_318_333),
        ("cc12m", 12_423_374),
        ("yfcc15m", 14_825_236),
        ("laion_aesthetics", 161_100_000),
        ("laion400m", 414_080_000),
    ]
    unknown = rows(published_study, "SELECT corpus FROM corpora WHERE pairs IS NULL ORDER BY corpus")
    assert unknown == [("laion200m_train_test_sim_normalized",), ("synthci30m",)]


def test_pairs_of_the_eighteen_classification_tasks(published_study):
    sql = """SELECT count(DISTINCT task), count(*) FROM (
                SELECT DISTINCT task, label FROM performance WHERE kind = 'classification' AND task <> 'imagenet-r')"""
    assert rows(published_study, sql) == [(18, 4469)]


def test_every_pair_meets_a_count_in_every_corpus_that_has_all_files(published_study):
    sql = """SELECT corpus, min(n), max(n) FROM scaling
             WHERE kind = 'classification' AND tasks = 'pooled' AND method = 'rampp@0.7' GROUP BY corpus ORDER BY corpus"""
    assert rows(published_study, sql) == [
        ("cc12m", 4469, 4469),
        ("cc3m", 4469, 4469),
        ("laion200m_train_test_sim_normalized", 4469, 4469),
        ("laion400m", 4469, 4469),
        ("synthci30m", 4469, 4469),
        ("yfcc15m", 4469, 4469),
    ]


def test_every_score_of_imagenet_r_meets_a_count(published_study):
    assert rows(published_study, "SELECT DISTINCT n FROM scaling WHERE tasks = 'imagenet-r'") == [(200,)]


@pytest.mark.parametrize(
    ("concept", "method", "counts"),
    [
        ("rose", "lemmatized", {0}),
        ("rose", "lowercased", {257_038}),
        ("jeans", "lemmatized", {0}),
        ("jeans", "lowercased", {33_776}),
        ("colt's foot", "lemmatized", {383_805}),
        ("colt's foot", "rampp@0.7", {582}),
    ],
)
def test_known_faults_of_the_text_counts_are_kept(published_study, concept, method, counts):
    sql = "SELECT count FROM frequency WHERE corpus = 'laion400m' AND concept = $concept AND method = $method"
    assert {count for (count,) in rows(published_study, sql, concept=concept, method=method)} == counts


def test_same_concept_has_different_counts_under_two_tasks(published_study):
    sql = """SELECT count(*) FROM (SELECT corpus, method, concept FROM frequency
             GROUP BY ALL HAVING count(DISTINCT count) > 1)"""
    assert rows(published_study, sql)[0][0] > 0


def test_coco_has_no_empty_label_left(published_study):
    assert rows(published_study, "SELECT count(*) FROM concepts WHERE trim(label) = '' OR concept = ''") == [(0,)]
    assert rows(published_study, "SELECT count(*) FROM concepts WHERE task = 'coco'") == [(712,)]


def test_spellings_of_one_class_are_one_concept(published_study):
    sql = "SELECT count(DISTINCT label), count(DISTINCT concept) FROM concepts WHERE task = $task"
    assert rows(published_study, sql, task="cifar10") == [(11, 10)]
    assert rows(published_study, sql, task="imagenet-r") == [(267, 200)]
    assert rows(published_study, sql, task="t2i") == [(613, 570)]


def test_numbers_of_models(published_study):
    sql = "SELECT kind, count(DISTINCT model) FROM performance GROUP BY kind ORDER BY kind"
    assert rows(published_study, sql) == [("classification", 21), ("generation", 24), ("retrieval", 21)]
    assert rows(published_study, "SELECT count(DISTINCT model) FROM tail") == [(40,)]
    assert rows(published_study, "SELECT count(*) FROM models") == [(65,)]


def test_text_to_image_models_are_joined_with_laion_aesthetics(published_study):
    sql = """SELECT DISTINCT corpus FROM models JOIN performance USING (model) WHERE kind = 'generation'"""
    assert rows(published_study, sql) == [("laion_aesthetics",)]


def test_tail_has_290_classes_under_every_model(published_study):
    sql = "SELECT min(n), max(n) FROM (SELECT count(*) AS n FROM tail GROUP BY model)"
    assert rows(published_study, sql) == [(290, 290)]


def test_every_tail_model_has_an_imagenet_accuracy(published_study):
    sql = """SELECT count(*) FROM overall AS tail JOIN overall AS whole USING (model, setting)
             WHERE tail.task = 'let_it_wag' AND whole.task = 'imagenet'"""
    assert rows(published_study, sql) == [(40,)]
    by_hand = "SELECT count(*) FROM overall WHERE task = 'imagenet' AND source LIKE 'OpenCLIP%'"
    assert rows(published_study, by_hand) == [(20,)]


@pytest.mark.parametrize(("below", "slope"), [(True, 0.603), (False, 1.578)])
def test_slopes_of_let_it_wag_are_the_releases(published_study, below, slope):
    sql = """SELECT whole.value AS imagenet, tail.value AS wag
             FROM overall AS tail JOIN overall AS whole USING (model, setting)
             WHERE tail.task = 'let_it_wag' AND whole.task = 'imagenet' AND setting = 'ensemble'"""
    scores = published_study.query(sql)
    part = scores[(scores["imagenet"] < TAIL["split"]) == below]
    assert round(np.polyfit(part["imagenet"], part["wag"], 1)[0], 3) == slope


def test_overall_tail_score_is_the_mean_of_its_classes(published_study):
    sql = """SELECT max(abs(mean - value)) FROM overall
             JOIN (SELECT model, avg(value) AS mean FROM tail GROUP BY model) USING (model)
             WHERE task = 'let_it_wag'"""
    assert rows(published_study, sql)[0][0] < 0.5


def test_absent_metrics_are_named(published_study):
    absent = published_study.manifest.raw["absent"]
    assert (
        "text-to-image metrics that the release's notebook reads: no file for exp_aesthetics, exp_clip, "
        "max_aesthetics, max_clip"
    ) in absent
    assert "counts of yfcc15m by lowercased for birdsnap: 360 of 500 concepts" in absent
    assert "misalignment of synthci30m: no file" in absent
    assert len(absent) == 19


def test_every_correlation_and_its_interval_is_one(published_study):
    sql = """SELECT count(*) FROM scaling WHERE NOT (pearson_low <= pearson_r AND pearson_r <= pearson_high)
             OR abs(pearson_r) > 1 OR abs(binned_r) > 1 OR abs(spearman_r) > 1 OR pearson_high > 1 OR pearson_low < -1"""
    assert rows(published_study, sql) == [(0,)]
    assert rows(published_study, "SELECT count(*) FROM scaling") == [(1140,)]


def test_mean_accuracy_follows_text_frequency_though_single_concepts_scatter(published_study):
    sql = """SELECT round(min(slope), 2), round(min(pearson_r), 3), round(max(pearson_r), 3), round(min(binned_r), 3)
             FROM scaling WHERE kind = 'classification' AND tasks = 'pooled' AND setting = 'ensemble'
                            AND method = 'lemmatized'"""
    assert rows(published_study, sql) == [(2.84, 0.173, 0.485, 0.926)]
