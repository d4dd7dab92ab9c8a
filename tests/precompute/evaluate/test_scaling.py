"""`scaling.parquet` has one fit for every model over its own corpus, method, setting and kind."""

import pytest

from backend.fits import fit_points
from backend.scaling import join_points
from backend.schema import SCHEMA_VERSION
from backend.study import Study
from backend.writing import write_manifest
from precompute.evaluate.scaling import build_scaling

KEYS = ["model", "corpus", "method", "setting", "kind", "tasks"]


def stored(study: Study, **keys: str) -> dict:
    condition = " AND ".join(f"{name} = ${name}" for name in keys)
    rows = study.query(f"SELECT * FROM scaling WHERE {condition}", **keys)
    assert len(rows) == 1
    return rows.iloc[0].to_dict()


def test_models_are_fitted_over_their_own_corpus_only(small_study):
    rows = small_study.query("SELECT DISTINCT model, corpus FROM scaling ORDER BY model")
    assert list(rows.itertuples(index=False, name=None)) == [
        ("DeepFloyd_IF-I-L-v1.0", "laion_aesthetics"),
        ("RN50/cc3m", "cc3m"),
        ("ViT-B-32/laion400m", "laion400m"),
        ("craiyon_dalle-mini", "laion_aesthetics"),
    ]


def test_number_of_fits_is_that_of_the_combinations_that_join(small_study):
    rows = small_study.query("SELECT kind, tasks, count(*) AS n FROM scaling GROUP BY ALL ORDER BY ALL")
    assert list(rows.itertuples(index=False, name=None)) == [
        ("classification", "imagenet-r", 1),
        ("classification", "pooled", 10),  # RN50: 3 methods x 2 settings; ViT: lemmatized x 2, lowercased, rampp@0.7
        ("generation", "pooled", 4),
        ("retrieval", "pooled", 4),
    ]


@pytest.mark.parametrize(
    ("keys", "n", "n_zero", "slope"),
    [
        ({"method": "lemmatized", "setting": "ensemble", "tasks": "pooled"}, 46, 0, 10),
        ({"method": "lemmatized", "setting": "class", "tasks": "pooled"}, 12, 0, 10),
        ({"method": "lemmatized", "setting": "ensemble", "tasks": "imagenet-r"}, 12, 0, 10),
        ({"method": "lemmatized", "setting": "i2t@1", "tasks": "pooled"}, 12, 0, 12.5),
        ({"method": "lemmatized", "setting": "t2i@10", "tasks": "pooled"}, 12, 0, 0),
    ],
)
def test_stored_slope_is_the_one_worked_out_by_hand(small_study, keys, n, n_zero, slope):
    row = stored(small_study, model="RN50/cc3m", **keys)
    assert (row["n"], row["n_zero"], row["slope"]) == (n, n_zero, pytest.approx(slope, abs=1e-9))


def test_zero_counts_are_part_of_the_fit(small_study):
    row = stored(small_study, model="RN50/cc3m", method="rampp@0.7", setting="class")
    assert (row["n"], row["n_zero"], row["log_count_min"]) == (12, 4, 0)


def test_every_stored_fit_is_that_of_its_points(small_study):
    apart = small_study.manifest.raw["unpooled_tasks"]
    for row in small_study.query("SELECT * FROM scaling").to_dict("records"):
        tasks = small_study.query("SELECT DISTINCT task FROM performance")["task"].tolist()
        tasks = [row["tasks"]] if row["tasks"] != "pooled" else [task for task in tasks if task not in apart]
        points = join_points(small_study, **{name: row[name] for name in KEYS[:-1]}, tasks=tasks)
        fit = vars(fit_points(points, row["kind"])) | {"paper_r": row["paper_r"]}
        assert fit.pop("clusters") == row["clusters"]
        assert {name: row[name] for name in fit} == pytest.approx(fit, nan_ok=True, rel=1e-6, abs=1e-9)


def test_statistic_that_is_not_determined_is_null(small_study):
    row = small_study.query("SELECT * FROM scaling WHERE setting = 't2i@10' AND method = 'lemmatized'").iloc[0]
    assert row[["pearson_r", "pearson_low", "spearman_r", "binned_r"]].isna().all()


def test_slopes_of_the_paper_and_what_their_intervals_resample(published_study):
    row = stored(published_study, model="ViT-B-16/cc12m", method="lemmatized+rampp@0.7", setting="ensemble", tasks="pooled")
    assert (row["clusters"], row["n_clusters"]) == ("task", 18)
    assert [row["slope"], row["slope_low"], row["slope_high"]] == pytest.approx([11.1, 8.1, 15.2], abs=0.2)
    assert [row["within_task_slope"], row["within_low"], row["within_high"]] == pytest.approx([8.0, 6.4, 9.4], abs=0.1)
    assert [row["mixed_slope"], row["mixed_low"], row["mixed_high"]] == pytest.approx([7.4, 5.3, 9.5], abs=0.05)


def test_two_tasks_of_retrieval_have_no_mixed_slope_and_resample_concepts(published_study):
    rows = published_study.query("SELECT DISTINCT clusters, n_clusters, count(mixed_slope) AS mixed FROM scaling "
                                 "WHERE kind = 'retrieval' GROUP BY ALL")  # fmt: skip
    assert rows.values.tolist() == [["concept", 737, 0]]


def test_study_without_scores_has_no_fits(tmp_path):
    write_manifest(tmp_path, {"schema_version": SCHEMA_VERSION, "title": "Counts only", "tables": {}})
    assert build_scaling(Study(tmp_path)).empty


def test_progress_ends_at_the_whole(small_study):
    ticks = []
    build_scaling(small_study, ticks.append)
    assert ticks == sorted(ticks)
    assert ticks[-1] == 1
