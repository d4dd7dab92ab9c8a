"""A tail benchmark: models on the least frequent concepts, against their score on a well-known task.

Which task is the tail, which it is compared with, and where the line breaks stand in the manifest under `tail`.
"""

import pandas as pd
from scipy import stats

from backend.errors import MissingTable
from backend.manifest import TailEntry
from backend.study import Study


def describe_tail(study: Study) -> TailEntry:
    """The manifest's `tail` entry. Raises MissingTable where the study has no tail, or does not say what it is."""
    study.require("tail")
    if study.manifest.tail is None:
        raise MissingTable(
            f"The manifest of study '{study.name}' does not say what its tail is compared with. "
            "Build it again: python -m precompute published --force"
        )
    return study.manifest.tail


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
        task=tail.task,
        compared_with=tail.compared_with,
        setting=tail.setting,
        split=tail.split,
    )


def regress_sides(models: pd.DataFrame) -> pd.DataFrame:
    """side, models, slope, intercept, r, low, high: the least-squares line of tail on reference on each side of the split.

    low and high are the range of the reference scores. A side with fewer than three models has no line.
    """
    rows = []
    for side, group in models.groupby("side"):
        if len(group) >= 3:
            line = stats.linregress(group["reference"], group["tail"])
            span = (group["reference"].min(), group["reference"].max())
            rows.append((side, len(group), line.slope, line.intercept, line.rvalue, *span))
    return pd.DataFrame(rows, columns=["side", "models", "slope", "intercept", "r", "low", "high"])


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
