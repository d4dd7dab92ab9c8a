"""Makes `scaling.parquet`: one fit for every model whose corpus is in the study, every method, setting and kind.

Reads: performance, frequency, models. Writes: the rows of scaling.
Cost: 1.8 s per 1,000 fits with 1,000-fold bootstrap intervals over up to 4,469 points (2 cores).
"""

from collections.abc import Callable

import numpy as np
import pandas as pd

from backend.fits import FEWEST_POINTS, fit_columns_table
from backend.scaling import COUNTED_LABELS, pooled_tasks
from backend.study import Study

_COUNTED_SCORES = f"""WITH {COUNTED_LABELS}
SELECT task, label, counted.count, model, setting, value
FROM performance JOIN models USING (model) JOIN counted USING (corpus, task, label)
WHERE performance.kind = $kind AND models.corpus = $corpus
"""


def build_scaling(study: Study, tick: Callable[[float], None] = lambda done: None) -> pd.DataFrame:
    """Every fit of a study: over a kind's pooled tasks (`tasks` = 'pooled') and over each task that stays apart."""
    if not study.has("performance", "frequency", "models"):
        return pd.DataFrame()
    combinations = study.query(
        """WITH scored AS (SELECT DISTINCT model, kind FROM performance),
                counted AS (SELECT DISTINCT corpus, modality, method FROM frequency)
           SELECT DISTINCT kind, corpus, modality, method
           FROM scored JOIN models USING (model) JOIN counted USING (corpus) ORDER BY ALL"""
    )
    apart = study.manifest.get("unpooled_tasks", [])
    pooled = {kind: pooled_tasks(study, kind) for kind in combinations["kind"].unique()}
    frames = []
    for done, row in enumerate(combinations.itertuples(index=False), start=1):
        scores = study.query(_COUNTED_SCORES, kind=row.kind, corpus=row.corpus, method=row.method, tasks=None, concept=None)
        for tasks, name in [(pooled[row.kind], "pooled"), *(([task], task) for task in apart)]:
            frames += _fit_scores(scores[scores["task"].isin(tasks)], row, name)
        tick(done / len(combinations))
    if not frames:
        return pd.DataFrame()
    return pd.concat(frames, ignore_index=True)


def _fit_scores(scores: pd.DataFrame, row, tasks: str) -> list[pd.DataFrame]:
    """Fits of all models and settings over the same points; columns that lack some points are fitted by themselves."""
    if scores.empty:
        return []
    wide = scores.pivot(index=["task", "label", "count"], columns=["model", "setting"], values="value")
    present = wide.notna().to_numpy()
    frames = []
    for pattern in np.unique(present, axis=1).T:
        if pattern.sum() < FEWEST_POINTS:
            continue
        columns = (present == pattern[:, None]).all(axis=0)
        part = wide.loc[pattern, columns]
        index = part.index
        table = fit_columns_table(
            index.get_level_values("count").to_numpy(),
            part.to_numpy(),
            index.get_level_values("task").to_numpy(),
            row.kind,
        )
        keys = part.columns.to_frame(index=False).assign(
            corpus=row.corpus, modality=row.modality, method=row.method, kind=row.kind, tasks=tasks
        )
        frames.append(pd.concat([keys, table], axis=1))
    return frames
