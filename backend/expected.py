"""Every model's score on a concept beside what the concept's frequency in the model's own corpus lets one expect."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from backend.bands import Gain, Peers, find_band, gather_peers, lie_outside, weigh_frequency
from backend.errors import EmptySelection
from backend.fits import FEWEST_POINTS, Fit
from backend.remember import remember
from backend.scaling import COUNTED_LABELS, bounds_of, join_points, pooled_tasks
from backend.study import Study
from backend.transfer import foresee_need

GAIN = 10.0  # points, for which "data needed" is told
POOLED = "pooled"  # the name, in `scaling.parquet` too, of a kind's tasks that share one fit
_OWN_POINTS = f"""WITH {COUNTED_LABELS}
SELECT models.model, performance.task, performance.concept, counted.count, performance.value, performance.n,
       CASE WHEN list_contains($apart, performance.task) THEN performance.task ELSE '{POOLED}' END AS tasks
FROM performance JOIN models USING (model)
JOIN counted ON counted.corpus = models.corpus AND counted.task = performance.task AND counted.label = performance.label
WHERE performance.kind = $kind AND performance.setting = $setting
"""
_CONCEPT_SCORES = f"""WITH {COUNTED_LABELS}
SELECT performance.model, performance.task, performance.label, performance.value, performance.n AS images,
       models.corpus AS corpus, counted.count, scaling.* EXCLUDE (model, corpus, tasks),
       CASE WHEN list_contains($apart, performance.task) THEN performance.task ELSE '{POOLED}' END AS tasks
FROM performance JOIN models USING (model)
LEFT JOIN counted ON counted.corpus = models.corpus AND counted.task = performance.task
                 AND counted.label = performance.label
LEFT JOIN scaling ON scaling.model = models.model AND scaling.corpus = models.corpus AND scaling.method = $method
                 AND scaling.kind = $kind AND scaling.setting = $setting AND scaling.tasks =
                     CASE WHEN list_contains($apart, performance.task) THEN performance.task ELSE '{POOLED}' END
WHERE performance.concept = $concept AND performance.kind = $kind AND performance.setting = $setting
ORDER BY models.corpus IS NULL, models.corpus, performance.model, performance.task, performance.label, counted.count
"""


def find_peers(
    study: Study, *, model: str, corpus: str, method: str, setting: str, kind: str, tasks: list[str] | None = None
) -> Peers:
    """The concepts that a model was scored on and a corpus counts, over some tasks or all that share one fit.

    Raises EmptySelection below three of them.
    """
    tasks = tasks or pooled_tasks(study, kind)
    points = join_points(study, model=model, corpus=corpus, method=method, setting=setting, kind=kind, tasks=tasks)
    if len(points) < FEWEST_POINTS:
        raise EmptySelection(f"A band needs {FEWEST_POINTS} points; this selection has {len(points)}.")
    return gather_peers(points, bounds_of(kind))


def weigh_model(study: Study, **selection) -> Gain | None:
    """What frequency adds to what is expected of a model: `weigh_frequency` of `find_peers(study, **selection)`."""
    return weigh_frequency(find_peers(study, **selection))


@remember(8)
def read_peers(study: Study, *, kind: str, setting: str, method: str) -> dict[tuple[str, str], Peers]:
    """(model, tasks) -> the concepts that a model was scored on and its own corpus counts, for every model.

    `tasks` is "pooled", or a task that stays out of the shared fit. Fewer than three concepts are left out.
    """
    study.require("performance", "models", "frequency", "concepts")
    points = study.query(
        _OWN_POINTS,
        kind=kind,
        setting=setting,
        method=method,
        tasks=None,
        concept=None,
        apart=list(study.manifest.unpooled_tasks),
    )
    groups = points.groupby(["model", "tasks"], sort=True)
    return {group: gather_peers(part, bounds_of(kind)) for group, part in groups if len(part) >= FEWEST_POINTS}


def list_scores(study: Study, concept: str, *, kind: str, setting: str, method: str) -> pd.DataFrame:
    """Every model's scores on a concept, one row a task and label, with the count in its own corpus and its stored fit.

    model, task, label, value, images (test images; null if unknown), corpus, count, tasks, and the columns of `scaling`.
    Null from `count` on for a model whose corpus or count is not in the study. Raises EmptySelection without a row.
    """
    study.require("performance", "models", "frequency", "concepts")
    return study.ask(
        "scaling",
        _CONCEPT_SCORES,
        f"No model has a score on '{concept}' ({kind}, {setting}).",
        concept=concept,
        kind=kind,
        setting=setting,
        method=method,
        tasks=None,
        apart=list(study.manifest.unpooled_tasks),
    )


def expect_each(rows: pd.DataFrame, peers: Mapping[tuple[str, str], Peers], kind: str) -> pd.DataFrame:
    """The rows of `list_scores` with what the peers of each model's own corpus (`read_peers`) lead one to expect.

    model, task, label, corpus, count, value, value_low and value_high (`limit_scores`), images, tasks, expected, low, high (of
    four concepts in five), extrapolates, factor_low and factor_high (of more samples for 10 more points; null where
    `foresee_need` is silent).
    """
    bounds = bounds_of(kind)
    figures = []
    for row in rows.to_dict("records"):
        group = peers.get((row["model"], row["tasks"]))
        if pd.isna(row["count"]) or group is None:
            figures.append((np.nan, np.nan, np.nan, None, np.nan, np.nan))
            continue
        counts, images = np.array([row["count"]], float), None if pd.isna(row["images"]) else np.array([row["images"]], float)
        low, middle, high = find_band(group, counts, images)[:, 0]
        need = None
        if bounds and pd.notna(row["slope"]):
            need = foresee_need(Fit.from_row(row), row["count"], row["value"], gain=GAIN, ceiling=bounds[1])
        figures.append((middle, low, high, bool(lie_outside(group, counts)[0]), *(need or (np.nan, np.nan))))
    columns = ["expected", "low", "high", "extrapolates", "factor_low", "factor_high"]
    shown = rows[["model", "task", "label", "corpus", "count", "value", "images", "tasks"]]
    low, high = limit_scores(rows["value"], rows["images"]) if bounds else (np.nan, np.nan)
    shown = shown.assign(value_low=low, value_high=high)
    return shown.join(pd.DataFrame(figures, columns=columns, index=rows.index))


def limit_scores(values: pd.Series, images: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """The 95% limits (Jeffreys) of scores in percent that are shares of so many test images; nan where that is not known.

    >>> low, high = limit_scores(pd.Series([50.0, 50.0]), pd.Series([10, None]))
    >>> low.round().tolist(), high.round().tolist()
    ([22.0, nan], [78.0, nan])
    """
    n = pd.to_numeric(images).to_numpy(float, na_value=np.nan)
    known = n > 0
    low, high = np.full(len(n), np.nan), np.full(len(n), np.nan)
    hits = values.to_numpy(float)[known] * n[known] / 100
    low[known], high[known] = (100 * limit for limit in proportion_confint(hits, n[known], method="jeffreys"))
    return low, high
