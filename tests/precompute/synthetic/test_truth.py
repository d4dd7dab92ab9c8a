"""What was found against what is true, with numbers worked out by hand."""

import math

import pyarrow as pa
import pytest

from backend.tables import write_table
from precompute.corpus.shard import SAMPLES_PER_SHARD
from precompute.synthetic.corpora import Plan
from precompute.synthetic.truth import count_truth, list_sample_truth, score_search, score_thresholds

NAMES = ["bolu", "rati", "zeko"]
PLANS = [
    Plan(0, (0,), (0,), "a bolu", "true"),
    Plan(1, (1,), (0,), "a bolu", "wrong"),
    Plan(2, (0, 1), (0, 1), "a bolu and a rati", "true"),
    Plan(3, (), (), "untitled", "empty"),
]
HITS = [  # of the caption of 1 a zeko is found in error; the tagger misses the rati of 2, and sees a zeko in 3
    *(("bolu", "text", "lemmatized", sample, None) for sample in (0, 1, 2)),
    ("rati", "text", "lemmatized", 2, None),
    ("zeko", "text", "lemmatized", 1, None),
    ("bolu", "image", "openclip@0.50", 0, 0.9),
    ("bolu", "image", "openclip@0.50", 2, 0.6),
    ("rati", "image", "openclip@0.50", 1, 0.5),
    ("zeko", "image", "openclip@0.50", 3, 0.55),
]


@pytest.fixture
def study(tmp_path):
    names = ["concept", "modality", "method", "sample_id", "score"]
    columns = {name: list(column) for name, column in zip(names, zip(*HITS, strict=True), strict=True)}
    table = pa.table({"corpus": ["c"] * len(HITS)} | columns)
    write_table(tmp_path, "hits", table, "c")
    return tmp_path


def test_truth_of_a_sample_is_what_its_plan_shows_and_names():
    later = Plan(2_001, (2,), (), "untitled", "silent")
    rows = list_sample_truth("c", [*PLANS[1:], later], NAMES)
    assert rows.values.tolist() == [
        ["c", 1, ["rati"], ["bolu"]],
        ["c", 2, ["bolu", "rati"], ["bolu", "rati"]],
        ["c", 3, [], []],
        ["c", 2 * SAMPLES_PER_SHARD + 1, ["zeko"], []],  # the second sample of the third shard
    ]


def test_truth_counts_names_pictures_and_both():
    truth = count_truth("c", PLANS, NAMES).set_index(["modality", "concept"])["count"]
    assert truth["text"].to_dict() == {"bolu": 3, "rati": 1, "zeko": 0}
    assert truth["image"].to_dict() == {"bolu": 2, "rati": 2, "zeko": 0}
    assert truth["joint"].to_dict() == {"bolu": 2, "rati": 1, "zeko": 0}


def test_each_search_has_its_precision_recall_and_error(study):
    methods = {
        "text": ["lemmatized"],
        "image": ["openclip@0.50", "openclip@0.60"],
        "chosen": {"text": "lemmatized", "image": "openclip@0.50"},
    }
    scores = score_search(study, "c", methods, PLANS, NAMES).set_index("method")
    counted = scores[["found", "relevant", "correct"]].apply(tuple, axis=1).to_dict()
    assert counted == {
        "lemmatized": (5, 4, 4),
        "openclip@0.50": (4, 4, 3),
        "openclip@0.60": (2, 4, 2),
        "lemmatized+openclip@0.50": (2, 3, 2),
        "lemmatized+openclip@0.60": (2, 3, 2),
    }
    assert scores.loc["lemmatized", ["precision", "recall"]].tolist() == [0.8, 1.0]
    assert scores.loc["openclip@0.60", "frequency_error"] == pytest.approx(math.log10(3) / 3)
    assert set(scores["split"]) == {"all"}


def test_the_threshold_is_the_one_whose_counts_are_nearest_to_the_truth(study):
    swept, chosen = score_thresholds(study, "c", "openclip", [0.5, 0.6], PLANS, NAMES)
    assert swept["method"].tolist() == ["openclip@0.50", "openclip@0.60"]
    assert swept["frequency_error"].tolist() == pytest.approx([math.log10(3) / 3] * 2)
    assert chosen == 0.5  # of equal errors the one with the higher F1: 6/8 against 4/6
