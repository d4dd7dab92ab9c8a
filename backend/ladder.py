"""Concepts that people know from common to rare, with what their frequency goes with in one model: a ladder to scan.

Nobody picks the names: the concepts of a corpus are cut into equal parts by frequency, and of each part comes the one that most
tasks name, of those the one of fewest words, of those the first by name. Counts that are known to be wrong are passed over.
"""

import numpy as np
import pandas as pd

from backend.beginnings import LONGEST
from backend.flags import list_zeros
from backend.frequency import count_concepts
from backend.provenance import list_lost_words
from backend.study import Study
from backend.words import split_words

STEPS = 10
KIND = "classification"


def climb_down(study: Study, corpus: str, method: str, *, model: str | None, setting: str, steps: int = STEPS) -> pd.DataFrame:
    """concept, count, percentile (% that are rarer), tasks (that name it), value: one row a step, the commonest first.

    value: the model's mean accuracy (%) over the classification tasks that name the concept, under a setting; only concepts
    that it was scored on are taken, and all, with null values, where no model is named. A part without any has no row.
    """
    counted = count_concepts(study, method)
    counted = counted[counted["corpus"] == corpus]
    tasks = study.query("SELECT concept, count(DISTINCT task) AS tasks FROM concepts GROUP BY concept")
    known = counted.merge(tasks, on="concept")
    if model is None:
        known = known.assign(value=np.nan)
    else:
        known = known.merge(_list_scores(study, model, setting), on="concept")
    wrong = {*list_zeros(study)["concept"], *list_lost_words(study)["concept"]}
    known = known[(known["concept"].str.len() <= LONGEST) & ~known["concept"].isin(wrong)]
    part = (known["percentile"] * steps / 100).astype(int).clip(upper=steps - 1)
    known = known.assign(part=part, words=[len(split_words(concept)) for concept in known["concept"]])
    order = ["part", "tasks", "words", "concept"]
    chosen = known.sort_values(order, ascending=[False, False, True, True]).drop_duplicates("part")
    return chosen[["concept", "count", "percentile", "tasks", "value"]].reset_index(drop=True)


def _list_scores(study: Study, model: str, setting: str) -> pd.DataFrame:
    """concept, value: the model's mean score (%) over the classification tasks that name a concept."""
    return study.query(
        """SELECT concept, avg(value) AS value FROM performance
           WHERE model = $model AND kind = $kind AND setting = $setting GROUP BY concept""",
        model=model,
        kind=KIND,
        setting=setting,
    )
