"""Chooses the score from which an image's hit counts, where it is known what images show."""

from collections.abc import Sequence

import numpy as np
import pandas as pd


def choose_threshold(scores: np.ndarray, truth: np.ndarray, thresholds: Sequence[float]) -> tuple[pd.DataFrame, float]:
    """How well each threshold finds what is shown, and the one to choose; `scores` and `truth`: (images, concepts).

    threshold, found, relevant, correct ((image, concept) pairs in all), precision and recall (null where nothing was found,
    or nothing is there to find), frequency_error (mean over concepts of |log10((found + 1) / (true + 1))|). Chosen is the
    lowest frequency_error, of equals the highest F1, then the lowest threshold: the scores serve to count how often
    concepts are shown, and log counts are what performance is plotted over; a pair missed for a pair found in error costs
    a count nothing. (The paper chose 0.7 by eye, for precision.)
    """
    truth = np.asarray(truth, bool)
    true = truth.sum(axis=0)
    rows = []
    for threshold in thresholds:
        shown = scores >= np.float32(threshold)
        found, relevant, correct = int(shown.sum()), int(true.sum()), int((shown & truth).sum())
        error = float(np.abs(np.log10((shown.sum(axis=0) + 1) / (true + 1))).mean())
        precision, recall = (correct / total if total else None for total in (found, relevant))
        rows.append(
            (float(threshold), found, relevant, correct, precision, recall, error, 2 * correct / max(found + relevant, 1))
        )
    names = ["threshold", "found", "relevant", "correct", "precision", "recall", "frequency_error"]
    best = min(rows, key=lambda row: (round(row[6], 9), -row[7], row[0]))
    return pd.DataFrame([row[:-1] for row in rows], columns=names), best[0]
