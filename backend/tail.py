"""A tail benchmark: models on the least frequent concepts, against their score on a well-known task.

Which task is the tail, which it is compared with, and where the line breaks stand in the manifest under `tail`.
"""

import numpy as np
import pandas as pd
from scipy import stats

from backend.errors import MissingTable
from backend.study import Study


def describe_tail(study: Study) -> dict:
    """The manifest's `tail` entry: title, task, compared_with, setting, split (percent on the task compared with)."""
    study.require("tail")
    if "tail" not in study.manifest:
        raise MissingTable(
            f"The manifest of study '{study.name}' does not say what its tail is compared with. "
            "Build it again: python -m precompute published --force"
        )
    return study.manifest["tail"]


def compare_models(study: Study) -> pd.DataFrame:
    """model, reference (% on the task compared with), tail (%), gap, side ('below'/'above' the split), source."""
    tail = describe_tail(study)
    return study.ask(
        "overall",
        """SELECT tail.model, reference.value AS reference, tail.value AS tail, reference.value - tail.value AS gap,
                  CASE WHEN reference.value < $split THEN 'below' ELSE 'above' END AS side, reference.source
           FROM overall tail JOIN overall reference USING (model, setting)
           WHERE tail.task = $task AND reference.task = $compared_with AND setting = $setting
           ORDER BY reference.value DESC, tail.model""",
        "No model has both a tail score and a score on the task that it is compared with.",
        task=tail["task"],
        compared_with=tail["compared_with"],
        setting=tail["setting"],
        split=tail["split"],
    )


def regress_sides(models: pd.DataFrame) -> pd.DataFrame:
    """side, models, slope, slope_low, slope_high, intercept, r, low, high: the line of tail on reference on each side.

    Least squares. slope_low and slope_high are Student's 95% interval with each model as one point: that some share an
    architecture or their data is not in it. low and high are the range of the reference scores. A side with fewer than
    three models, or with one reference score, has no line.
    """
    rows = []
    for side, group in models.groupby("side"):
        if len(group) < 3 or not np.ptp(group["reference"]):
            continue
        line = stats.linregress(group["reference"], group["tail"])
        reach = stats.t.ppf(0.975, len(group) - 2) * line.stderr
        rows.append(
            {
                "side": side,
                "models": len(group),
                "slope": line.slope,
                "slope_low": line.slope - reach,
                "slope_high": line.slope + reach,
                "intercept": line.intercept,
                "r": line.rvalue,
                "low": group["reference"].min(),
                "high": group["reference"].max(),
            }
        )
    columns = ["side", "models", "slope", "slope_low", "slope_high", "intercept", "r", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def list_classes(study: Study, method: str) -> pd.DataFrame:
    """concept, mean, best, best_model, models, then one column a corpus with its count by `method` (null: not counted).

    mean and best are percentages over all models. The largest count of a concept stands for it.
    """
    describe_tail(study)
    classes = study.query(
        """SELECT concept, avg(value) AS mean, max(value) AS best, arg_max(model, value) AS best_model,
                  count(DISTINCT model) AS models FROM tail GROUP BY concept ORDER BY mean, concept"""
    )
    counts = study.query(
        """SELECT concept, corpus, max(count) AS count FROM frequency
           WHERE method = $method AND concept IN (SELECT concept FROM tail) GROUP BY ALL""",
        method=method,
    )
    wide = counts.pivot(index="concept", columns="corpus", values="count").astype("Int64")
    return classes.merge(wide, left_on="concept", right_index=True, how="left")


def score_class(study: Study, concept: str) -> pd.DataFrame:
    """model, value (%): every model on one tail class, the best first; empty where the concept is no tail class."""
    if not study.has("tail"):
        return pd.DataFrame({"model": [], "value": []})
    return study.query("SELECT model, value FROM tail WHERE concept = $concept ORDER BY value DESC, model", concept=concept)
