"""Makes `scaling.parquet`: one fit for every model whose corpus is in the study, every method, setting and kind.

Reads: performance, frequency, models, and which bins printed figures show (the manifest's `printed_figures`). Writes: the rows
of scaling.
Cost: 10 s of one core per 1,000 fits over up to 4,469 points, half of it the mixed slopes.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd

from backend.fits import FEWEST_POINTS, fit_columns_table
from backend.scaling import COUNTED_LABELS, pooled_tasks
from backend.study import Study
from precompute.evaluate.printed import correlate_printed, find_printed

_COUNTED_SCORES = f"""WITH {COUNTED_LABELS}
SELECT task, label, counted.concept, counted.count, model, setting, value, n
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
    apart = study.manifest.unpooled_tasks
    pooled = {kind: pooled_tasks(study, kind) for kind in combinations["kind"].unique()}
    frames = []
    for done, row in enumerate(combinations.itertuples(index=False), start=1):
        scores = study.query(_COUNTED_SCORES, kind=row.kind, corpus=row.corpus, method=row.method, tasks=None, concept=None)
        for tasks, name in [(pooled[row.kind], "pooled"), *(([task], task) for task in apart)]:
            fits = _fit_scores(scores[scores["task"].isin(tasks)], row, name)
            printed = find_printed(study.manifest.printed_figures, row.kind, row.corpus, row.method)
            if printed and name == "pooled":
                correlated = correlate_printed(scores[scores["task"].isin(tasks)], row.kind, printed)
                fits = [table.drop(columns="paper_r").merge(correlated, on=["model", "setting"], how="left") for table in fits]
            frames += fits
        tick(done / len(combinations))
    if not frames:
        return pd.DataFrame()
    return pd.concat(frames, ignore_index=True)


def _fit_scores(scores: pd.DataFrame, row, tasks: str) -> list[pd.DataFrame]:
    """Fits of all models and settings over the same points; columns that lack some points are fitted by themselves."""
    if scores.empty:
        return []
    wide = scores.pivot(index=["task", "label", "concept", "count"], columns=["model", "setting"], values="value")
    present = wide.notna().to_numpy()
    frames = []
    for pattern in np.unique(present, axis=1).T:
        if pattern.sum() < FEWEST_POINTS:
            continue
        columns = (present == pattern[:, None]).all(axis=0)
        part = wide.loc[pattern, columns]
        table = fit_columns_table(part.index.to_frame(index=False), part.to_numpy(), row.kind)
        keys = part.columns.to_frame(index=False).assign(
            corpus=row.corpus, modality=row.modality, method=row.method, kind=row.kind, tasks=tasks
        )
        frames.append(pd.concat([keys, table], axis=1))
    return frames
