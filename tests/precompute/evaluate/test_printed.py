"""ρ over the bins that the paper's figures print: worked out by hand, and beside the printed values."""

import math

import pandas as pd
import pytest

from backend.manifest import Manifest
from precompute.evaluate.printed import PrintedBins, correlate_printed, find_printed
from precompute.release.figures import FIGURES

PRINTED = Manifest.from_json({"schema_version": 1, "title": "", "tables": {}, "printed_figures": FIGURES}).printed_figures
# Seven edges from ln 1 to ln 64 are 1, 2, 4, ..., 64: bins 0, 2, 3 and 6 hold points, with means 10, 20, 40 and 70.
COUNTS, VALUES = [0, 3, 5, 7, 33, 64], [10.0, 20, 30, 50, 60, 80]


def scores(counts=COUNTS, values=VALUES, **columns) -> pd.DataFrame:
    frame = pd.DataFrame({"task": "t", "model": "m", "setting": "s", "count": counts, "value": values, "n": pd.NA})
    return frame.astype({"n": "Int32"}).assign(**columns)


def correlate(frame: pd.DataFrame, printed: PrintedBins) -> float:
    (r,) = correlate_printed(frame, "retrieval", printed)["paper_r"]
    return r


def test_last_four_bins_are_correlated_alone_an_empty_one_at_zero():
    # edges 3, 4, 5, 6 (in ln 2) with means 40, 0, 0, 70: Sxy 45, Sxx 5, Syy 3475
    assert correlate(scores(), PrintedBins(slice(-4, None))) == pytest.approx(45 / math.sqrt(5 * 3475))


def test_all_bins_but_the_first_and_the_last():
    # edges 1 to 5 with means 0, 20, 40, 0, 0: x less its mean -2 to 2, y less its mean -12, 8, 28, -12, -12
    assert correlate(scores(), PrintedBins(slice(1, -1))) == pytest.approx((24 - 8 - 12 - 24) / math.sqrt(10 * 1280))


def test_points_of_tasks_left_out_and_with_too_few_scores_make_no_bin():
    extra = scores([2, 2], [99.0, 99.0], task="sketch")
    few = scores([4], [99.0], n=pd.array([5], "Int32"))
    frame = pd.concat([scores(), extra, few])
    expected = correlate(scores(), PrintedBins(slice(0, None)))
    assert correlate(frame, PrintedBins(slice(0, None), without=("sketch",), fewest_scores=6)) == pytest.approx(expected)
    assert correlate(frame, PrintedBins(slice(0, None))) != pytest.approx(expected)


def test_every_model_and_setting_has_its_own_and_settings_without_a_figure_none():
    frame = pd.concat([scores(), scores(model="other"), scores(setting="not drawn")])
    table = correlate_printed(frame, "retrieval", PrintedBins(slice(-4, None), settings=("s",)))
    assert table[["model", "setting"]].values.tolist() == [["m", "s"], ["other", "s"]]
    assert table["paper_r"].nunique() == 1


@pytest.mark.parametrize(
    ("kind", "corpus", "method", "printed"),
    [
        ("classification", "cc3m", "rampp@0.7", PrintedBins(slice(1, -1))),
        ("classification", "laion400m", "rampp@0.7", PrintedBins(slice(2, -1))),
        ("classification", "laion400m", "lowercased", PrintedBins(slice(2, -1), without=("imagenet-sketch",))),
        ("classification", "synthci30m", "lemmatized", PrintedBins(slice(0, -4), without=("imagenet-sketch",))),
        ("classification", "yfcc15m", "lowercased", None),
        ("classification", "laion200m_train_test_sim_normalized", "rampp@0.7", None),
        ("retrieval", "cc12m", "lemmatized", PrintedBins(slice(-4, None))),
        ("retrieval", "cc12m", "lowercased", None),
        (
            "generation",
            "laion_aesthetics",
            "rampp@0.7",
            PrintedBins(slice(-4, None), settings=("human_aesthetics", "human_align"), fewest_scores=6),
        ),
    ],
)
def test_figures_are_found_by_kind_corpus_and_method(kind, corpus, method, printed):
    assert find_printed(PRINTED, kind, corpus, method) == printed
    assert find_printed((), kind, corpus, method) is None


@pytest.mark.parametrize(
    ("model", "printed", "over_all"), [("ViT-L-14/laion400m", 0.85, 0.31), ("ViT-B-16/synthci30m", 0.82, -0.13)]
)
def test_printed_values_are_those_over_the_printed_bins_and_not_over_all(published_study, model, printed, over_all):
    (row,) = published_study.query(
        """SELECT paper_r, binned_r FROM scaling WHERE model = $model AND method = 'lemmatized+rampp@0.7' AND setting = 'class'
           AND tasks = 'pooled'""",
        model=model,
    ).to_dict("records")
    assert (round(row["paper_r"], 2), round(row["binned_r"], 2)) == (printed, over_all)


def test_manifest_says_where_figures_were_drawn_from_other_inputs(published_study):
    notes = " ".join(published_study.manifest.printed_notes)
    assert "counts that the release no longer holds" in notes
    drawn = published_study.query("SELECT kind, count(paper_r) AS drawn FROM scaling GROUP BY kind ORDER BY kind")
    assert drawn.values.tolist() == [["classification", 264], ["generation", 144], ["retrieval", 198]]
