"""Holds what the search found against what is true: only the invented world knows it.

The truth of a corpus is the plan that it was drawn by. Searches never see it; it is read here, after they are done.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from backend.methods import Method, join_methods, name_tagged
from backend.schema import MODALITIES, corpus_files
from precompute.corpus.shard import SAMPLES_PER_SHARD
from precompute.search.calibrate import choose_threshold
from precompute.synthetic.corpora import SHARD, Plan

VALIDATION = "validation"  # the name of the split that the tagger's threshold is chosen on
WHOLE = "all"


def count_truth(corpus: str, plans: Sequence[Plan], names: Sequence[str]) -> pd.DataFrame:
    """The rows of `truth`: how many samples of a corpus name, show, or show and name each species."""
    frames = []
    for modality in MODALITIES:
        counts = np.bincount(_list_true(plans, modality, len(names)) % len(names), minlength=len(names))
        frames.append(pd.DataFrame({"corpus": corpus, "concept": names, "modality": modality, "count": counts}))
    return pd.concat(frames, ignore_index=True)


def list_sample_truth(corpus: str, plans: Sequence[Plan], names: Sequence[str]) -> pd.DataFrame:
    """The rows of `sample_truth`: the species that each sample of a corpus shows and names."""
    rows = [
        (corpus, plan.number // SHARD * SAMPLES_PER_SHARD + plan.number % SHARD)
        + tuple([names[one] for one in species] for species in (plan.shown, plan.named))
        for plan in plans
    ]
    return pd.DataFrame(rows, columns=["corpus", "sample_id", "shown", "named"])


def score_search(study: Path, corpus: str, methods: dict, plans: Sequence[Plan], names: Sequence[str]) -> pd.DataFrame:
    """The rows of `search_quality` for a corpus: each of its methods (its entry in the manifest's `search`)."""
    hits = _read_hits(study, corpus, names)
    text = {method: hits.loc[hits["method"] == method, "pair"].to_numpy() for method in methods["text"]}
    images = hits[hits["modality"] == "image"]
    image = {
        method: images.loc[images["score"] >= np.float32(Method(method).least_score), "pair"].to_numpy()
        for method in methods["image"]
    }
    chosen = methods["chosen"]["text"]
    joint = {join_methods(chosen, method): np.intersect1d(text[chosen], found) for method, found in image.items()}
    rows = []
    for modality, searches in zip(MODALITIES, (text, image, joint), strict=True):
        true = _list_true(plans, modality, len(names))
        for method, found in searches.items():
            threshold = None if modality == "text" else Method(method).least_score
            rows.append((corpus, WHOLE, modality, method, threshold, *_compare(found, true, len(names))))
    columns = ["corpus", "split", "modality", "method", "threshold"]
    return pd.DataFrame(rows, columns=[*columns, "found", "relevant", "correct", "precision", "recall", "frequency_error"])


def score_thresholds(
    study: Path, split: str, tagger: str, thresholds: Sequence[float], plans: Sequence[Plan], names: Sequence[str]
) -> tuple[pd.DataFrame, float]:
    """The rows of `search_quality` for the images of a validation split, one a threshold, and the threshold to choose."""
    hits = _read_hits(study, split, names)
    hits = hits[hits["modality"] == "image"]
    scores = np.full(len(plans) * len(names), -1, np.float32)
    scores[hits["pair"]] = hits["score"]
    truth = np.zeros(len(scores), bool)
    truth[_list_true(plans, "image", len(names))] = True
    shape = (len(plans), len(names))
    swept, chosen = choose_threshold(scores.reshape(shape), truth.reshape(shape), thresholds)
    methods = [name_tagged(tagger, threshold) for threshold in thresholds]
    return swept.assign(corpus=split, split=VALIDATION, modality="image", method=methods), chosen


def _list_true(plans: Sequence[Plan], modality: str, species: int) -> np.ndarray:
    """The true (sample, species) pairs, each as one number: the sample's number times the species, plus the species'."""
    lists = {
        "text": lambda plan: plan.named,
        "image": lambda plan: plan.shown,
        "joint": lambda plan: [one for one in plan.shown if one in plan.named],
    }
    return np.array([plan.number * species + one for plan in plans for one in lists[modality](plan)], np.int64)


def _read_hits(study: Path, corpus: str, names: Sequence[str]) -> pd.DataFrame:
    """modality, method, score and pair, numbered as the true ones are, of every hit of a corpus."""
    columns = ["concept", "modality", "method", "sample_id", "score"]
    hits = pq.read_table(corpus_files(study, "hits", corpus), columns=columns).to_pandas()
    shard, position = hits["sample_id"] // SAMPLES_PER_SHARD, hits["sample_id"] % SAMPLES_PER_SHARD
    numbers = hits["concept"].map({name: number for number, name in enumerate(names)})
    return hits.assign(pair=(shard * SHARD + position) * len(names) + numbers)


def _compare(found: np.ndarray, true: np.ndarray, species: int) -> tuple:
    """found, relevant, correct, precision, recall, and the mean error of a species' log10 count (`choose_threshold`)."""
    correct = len(np.intersect1d(found, true))
    counted, real = (np.bincount(pairs % species, minlength=species) for pairs in (found, true))
    error = float(np.abs(np.log10((counted + 1) / (real + 1))).mean())
    precision, recall = (correct / len(pairs) if len(pairs) else None for pairs in (found, true))
    return len(found), len(true), correct, precision, recall, error
