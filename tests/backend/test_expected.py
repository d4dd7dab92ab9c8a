"""One concept's scores beside what its frequency lets one expect of each model."""

import numpy as np
import pytest

from backend import bands, expected, scaling
from backend.errors import EmptySelection, MissingTable
from backend.study import Study
from tests.tiny_study import animal_rows, count_rows, model_row, score_rows, write_study

CHOICE = {"kind": "classification", "setting": "ensemble", "method": "lemmatized"}
OWN = CHOICE | {"model": "RN50/cc3m", "corpus": "cc3m"}


def score(study: Study, concept: str, **choice):
    """What the page of a concept shows, a row a model."""
    choice = CHOICE | choice
    rows = expected.list_scores(study, concept, **choice)
    return expected.expect_each(rows, expected.read_peers(study, **choice), choice["kind"]).set_index("model")


def test_concepts_score_stands_beside_what_its_frequency_lets_one_expect(small_study):
    rows = score(small_study, "jeans")
    trained = rows.loc["RN50/cc3m"]
    points = scaling.join_points(small_study, **OWN, tasks=["cifar10", "cub", "flowers102", "imagenet"])
    assert (trained["count"], trained["value"], trained["tasks"]) == (100, 33, "pooled")
    # 46 concepts are all each other's peers
    band = trained[["low", "expected", "high"]].to_numpy(float)
    np.testing.assert_allclose(band, np.quantile(points["value"], (0.1, 0.5, 0.9)))
    assert trained["factor_low"] <= 10 <= trained["factor_high"]  # ten points are one tenfold
    assert rows.loc["ViT-B-32/laion400m", "count"] == 0
    assert rows.loc["ViT-B-32/laion400m", ["factor_low", "factor_high"]].isna().all()
    assert rows.loc["ViT-B-32/datacomp", ["count", "expected", "factor_low"]].isna().all()


def test_task_that_stays_apart_has_peers_of_its_own(small_study):
    peers = expected.read_peers(small_study, **CHOICE)
    assert {group: len(part) for group, part in peers.items()} == {
        ("RN50/cc3m", "imagenet-r"): 12,
        ("RN50/cc3m", "pooled"): 46,
        ("ViT-B-32/laion400m", "pooled"): 24,
    }
    assert score(small_study, "ice cream").loc["RN50/cc3m", "tasks"] == "imagenet-r"


def test_peers_of_one_model_are_those_among_all(small_study):
    one = expected.find_peers(small_study, **OWN)
    among = expected.read_peers(small_study, **CHOICE)["RN50/cc3m", "pooled"]
    assert np.sort(one.values).tolist() == np.sort(among.values).tolist()
    assert one.x.tolist() == among.x.tolist()


def test_model_is_weighed_over_the_tasks_that_are_named(small_study):
    gain = expected.weigh_model(small_study, **OWN, tasks=["imagenet"])
    peers = expected.find_peers(small_study, **OWN, tasks=["imagenet"])
    assert gain == bands.weigh_frequency(peers)
    assert len(peers) == 12


def measured_study(folder, images: dict[str, int]) -> Study:
    """Five animals, each scored on so many images; the large corpus lacks two of them."""
    scores = score_rows("net", {"ant": 10, "bee": 20, "cat": 30, "dog": 60, "elk": 50})
    scores = [row | {"n": images.get(row["label"])} for row in scores]
    return write_study(folder, animal_rows(), models=[model_row("net", "small")], performance=scores, scaling=[])


def test_band_is_that_of_a_score_over_as_many_images_as_the_concept_has(tmp_path):
    study = measured_study(tmp_path / "study", {"ant": 10, "bee": 10, "cat": 10, "dog": 2, "elk": 10})
    choice = {"setting": "plain"}
    peers = expected.read_peers(study, **CHOICE | choice)["net", "pooled"]
    by_hand = bands.find_band(peers, np.array([100.0, 100.0]), np.array([2.0, 10.0]))[[1, 0, 2]]
    for concept, figures in zip(("dog", "elk"), by_hand.T, strict=True):
        row = score(study, concept, **choice).loc["net"]
        assert row[["expected", "low", "high"]].tolist() == figures.tolist()
    assert set(by_hand[:, 0]) <= {0, 50, 100}  # of two images


def test_study_that_does_not_know_the_images_has_no_law_of_them(tmp_path):
    peers = expected.read_peers(measured_study(tmp_path / "study", {"ant": 10}), **CHOICE | {"setting": "plain"})
    assert peers["net", "pooled"].images is None


def test_two_concepts_make_no_band(tmp_path):
    counts = count_rows("small", "lemmatized", {"ant": 1, "bee": 2})
    scores = score_rows("net", {"ant": 10, "bee": 20})
    study = write_study(tmp_path / "study", counts, models=[model_row("net", "small")], performance=scores, scaling=[])
    assert expected.read_peers(study, **CHOICE | {"setting": "plain"}) == {}
    assert score(study, "ant", setting="plain")["expected"].isna().all()
    with pytest.raises(EmptySelection, match="A band needs 3 points; this selection has 2"):
        expected.find_peers(study, **CHOICE | {"setting": "plain", "model": "net", "corpus": "small"})


def test_concept_without_a_score_says_so(small_study):
    with pytest.raises(EmptySelection, match="No model has a score on 'unicorn'"):
        expected.list_scores(small_study, "unicorn", **CHOICE)


def test_study_without_scores_names_the_table(tmp_path):
    study = write_study(tmp_path / "study", animal_rows())
    for ask in (lambda: expected.read_peers(study, **CHOICE), lambda: expected.list_scores(study, "ant", **CHOICE)):
        with pytest.raises(MissingTable, match="no table 'performance'"):
            ask()
