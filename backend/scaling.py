"""Frequency joined with performance: the points and lines of models, and what they say of one concept.

A point is a (task, label) pair of one model, corpus, method and setting; `backend.fits` draws the line through them.
"""

from dataclasses import dataclass

import pandas as pd

from backend.clusters import bootstrap_lines, find_clusters
from backend.errors import EmptySelection
from backend.fits import FEWEST_POINTS, Fit, bin_points, fit_columns, fit_points, log_count
from backend.manifest import PairEntry
from backend.methods import list_thresholds
from backend.study import Study

PERCENT_KINDS = ("classification", "retrieval")

# Each label's count in each corpus: the count of the same task and label or, where the task's count file spells the
# label otherwise, of the same concept; every one of them, where that is ambiguous.
COUNTED_LABELS = """counted AS (
    SELECT DISTINCT concepts.task, concepts.label, concepts.concept, frequency.corpus, frequency.count
    FROM concepts JOIN frequency USING (task, concept)
    WHERE frequency.method = $method AND ($concept IS NULL OR concepts.concept = $concept)
      AND ($tasks IS NULL OR list_contains($tasks, concepts.task))
    QUALIFY concepts.label = frequency.label OR NOT bool_or(concepts.label = frequency.label)
            OVER (PARTITION BY frequency.corpus, concepts.task, concepts.label)
)"""
_POINTS = f"""WITH {COUNTED_LABELS}
SELECT task, label, counted.concept, counted.count, value, n
FROM performance JOIN counted USING (task, label)
WHERE kind = $kind AND model = $model AND setting = $setting AND counted.corpus = $corpus
ORDER BY task, label, counted.count
"""
_OWN_POINTS = f"""WITH {COUNTED_LABELS}
SELECT models.corpus, models.model, hash(performance.task) AS task, hash(counted.concept) AS concept, counted.count,
       performance.value
FROM performance JOIN models USING (model)
JOIN counted ON counted.corpus = models.corpus AND counted.task = performance.task AND counted.label = performance.label
WHERE performance.kind = $kind AND performance.setting = $setting
  AND ($models IS NULL OR list_contains($models, models.model))
"""
_STORED_FITS = """
SELECT * FROM scaling WHERE kind = $kind AND setting = $setting AND method = $method AND tasks = 'pooled'
"""


def bounds_of(kind: str) -> tuple[float, float] | None:
    """The range that a kind's scores cannot leave, where there is one."""
    return (0, 100) if kind in PERCENT_KINDS else None


def pooled_tasks(study: Study, kind: str) -> list[str]:
    """The tasks of a kind whose points share one fit: those with scores, less the manifest's `unpooled_tasks`."""
    apart = study.manifest.unpooled_tasks
    return [task for task in scored_tasks(study, kind) if task not in apart]


def scored_tasks(study: Study, kind: str) -> list[str]:
    """All tasks of a kind that have scores, those that stay out of the shared fit too."""
    return list(study.query("SELECT DISTINCT task FROM performance WHERE kind = $kind ORDER BY task", kind=kind)["task"])


def list_settings(study: Study) -> pd.DataFrame:
    """kind, setting: every setting that has scores; within a kind the study's own default first."""
    study.require("performance")
    rows = study.query("SELECT DISTINCT kind, setting FROM performance ORDER BY ALL")
    defaults = set(study.manifest.default_settings.items())
    chosen = [(kind, setting) in defaults for kind, setting in zip(rows["kind"], rows["setting"], strict=True)]
    return rows.assign(other=[not default for default in chosen]).sort_values(
        ["kind", "other"], kind="stable", ignore_index=True
    )[["kind", "setting"]]


def list_models(study: Study, kind: str, setting: str) -> pd.DataFrame:
    """model, corpus (null where its data is not in the study), tasks, score: models with scores, those with a corpus first.

    The study's manifest may name its `main` model, to come before all others. tasks: on how many it has scores · score: the
    mean over the tasks of their overall value, null where the study has none.
    """
    study.require("models", "performance")
    scores = "overall" if study.has("overall") else "(SELECT model, kind, setting, value FROM performance LIMIT 0)"
    return study.query(
        f"""WITH scored AS (SELECT model, count(DISTINCT task) AS tasks FROM performance
                            WHERE kind = $kind AND setting = $setting GROUP BY model),
                means AS (SELECT model, avg(value) AS score FROM {scores} WHERE kind = $kind AND setting = $setting
                          GROUP BY model)
           SELECT model, corpus, tasks, score FROM models JOIN scored USING (model) LEFT JOIN means USING (model)
           ORDER BY model <> $first, corpus IS NULL, corpus, model""",
        kind=kind,
        setting=setting,
        first=study.manifest.main.model,
    )


def pick_best(models: pd.DataFrame) -> list[str]:
    """Of `list_models`, the best model of each corpus, in their order; models whose corpus the study lacks are left out.

    Means over a few tasks are not those over many: it is the best of the models with scores on the most tasks.
    """
    known = models[models["corpus"].notna()].sort_values(["tasks", "score"], ascending=False, kind="stable")
    return list(known.drop_duplicates("corpus").sort_index()["model"])


def join_points(
    study: Study, *, model: str, corpus: str, method: str, setting: str, kind: str, tasks: list[str]
) -> pd.DataFrame:
    """One row a (task, label) pair: task, label, concept, count, value, n.

    A score meets the count of the same task and the same label; where the task spells the label otherwise, of the same
    concept. Raises EmptySelection where no score has a count.
    """
    study.require("performance", "frequency", "concepts")
    points = study.query(
        _POINTS,
        kind=kind,
        model=model,
        setting=setting,
        corpus=corpus,
        method=method,
        tasks=list(tasks),
        concept=None,
    )
    if points.empty:
        raise EmptySelection(
            f"Nothing joins: no task has both scores of {model} ({setting}) and counts of {corpus} by {method}."
        )
    return points


def find_fit(points: pd.DataFrame, study: Study, **selection) -> Fit:
    """The fit through `join_points(study, **selection)`: the stored one where the selection is a model's own corpus and
    a kind's pooled tasks, else fitted now. Both give the same numbers, but that only a stored one knows `paper_r`."""
    kind, setting, method = (selection[name] for name in ("kind", "setting", "method"))
    stored = _stored_fits(study, kind, setting, method, selection["tasks"])
    return _pick_fit(stored, points, selection["model"], selection["corpus"], kind)


def _stored_fits(study: Study, kind: str, setting: str, method: str, tasks: list[str]) -> dict[tuple, Fit]:
    """The stored fits of (model, corpus), where the tasks are those that they pool."""
    if not study.has("scaling") or set(tasks) != set(pooled_tasks(study, kind)):
        return {}
    rows = study.query(_STORED_FITS, kind=kind, setting=setting, method=method)
    return {(row["model"], row["corpus"]): Fit.from_row(row) for row in rows.to_dict("records")}


def _pick_fit(stored: dict[tuple, Fit], points: pd.DataFrame, model: str, corpus: str, kind: str) -> Fit:
    fit = stored.get((model, corpus))
    return fit if fit and fit.n == len(points) else fit_points(points, kind)


@dataclass(frozen=True)
class ModelLine:
    """One model over its own corpus, as plots of several models draw it.

    bins: as `fits.bin_points` gives them · scores: the least and the greatest of its points, between which its line is drawn.
    """

    model: str
    corpus: str
    fit: Fit
    bins: pd.DataFrame
    scores: tuple[float, float]


def fit_models(
    study: Study, *, kind: str, setting: str, method: str, models: list[str] | None = None, tasks: list[str] | None = None
) -> list[ModelLine]:
    """The line of each model whose corpus is counted by the method, or of those named.

    A model with fewer than three points is left out.
    Raises EmptySelection where that leaves none.
    """
    study.require("models", "performance", "frequency", "concepts")
    tasks = tasks or pooled_tasks(study, kind)
    points = study.query(_OWN_POINTS, kind=kind, setting=setting, method=method, models=models, tasks=tasks, concept=None)
    stored = _stored_fits(study, kind, setting, method, tasks)
    lines = []
    for (corpus, model), part in points.groupby(["corpus", "model"], sort=True):
        if len(part) >= FEWEST_POINTS:
            fit = _pick_fit(stored, part, model, corpus, kind)
            bins = bin_points(part["count"].to_numpy(), part["value"].to_numpy(), kind)
            lines.append(ModelLine(model, corpus, fit, bins, (part["value"].min(), part["value"].max())))
    if not lines:
        raise EmptySelection(f"No model has both scores ({kind}, {setting}) and a corpus counted by '{method}'.")
    return lines


@dataclass(frozen=True)
class Side:
    """One model of a causal comparison: what it was trained on, its line (with the slope's 95% interval) and its bins."""

    model: str
    trained_on: str | None
    fit: Fit
    bins: pd.DataFrame


@dataclass(frozen=True)
class Comparison:
    """Two models over the counts of one corpus, the first trained on it, the second on another.

    `points`: task, label, concept, count, and each model's value in `first` and `second`. `gap`: pooled slope of the first
    less that of the second, with its 95% interval over the clusters of the points, which both slopes' intervals draw too.
    """

    corpus: str
    first: Side
    second: Side
    points: pd.DataFrame
    gap: tuple[float, float, float]


def list_comparisons(study: Study) -> tuple[PairEntry, ...]:
    """The causal comparisons that the manifest brings."""
    return study.manifest.causal.pairs


def compare_training(study: Study, corpus: str, models: tuple[str, str], *, method: str, setting: str, kind: str) -> Comparison:
    """Two models on the same concepts, set against one corpus's counts: does a slope come from what a model was shown?

    Only labels that both were scored on count. Raises EmptySelection where there are fewer than three.
    """
    tasks = pooled_tasks(study, kind)
    joined = [
        join_points(study, model=model, corpus=corpus, method=method, setting=setting, kind=kind, tasks=tasks)
        for model in models
    ]
    keys = ["task", "label", "concept", "count"]
    points = joined[0][[*keys, "value"]].merge(joined[1][[*keys, "value"]], on=keys, suffixes=("_first", "_second"))
    points = points.rename(columns={"value_first": "first", "value_second": "second"})
    if len(points) < FEWEST_POINTS:
        raise EmptySelection(f"A comparison needs {FEWEST_POINTS} points; {models[0]} and {models[1]} share {len(points)}.")
    counts = points["count"].to_numpy()
    values = points[["first", "second"]].to_numpy(float)
    fits = fit_columns(points, values, kind)
    tasks = points["task"].to_numpy()
    clusters = find_clusters(tasks, points["concept"].to_numpy())
    low, high = bootstrap_lines(log_count(counts), values[:, :1] - values[:, 1:], tasks, clusters).slope[:, 0]
    owners = study.query("SELECT model, corpus FROM models").set_index("model")["corpus"]
    sides = [
        Side(
            model=model,
            trained_on=owners[model] if isinstance(owners.get(model), str) else None,
            fit=fits[i],
            bins=bin_points(counts, values[:, i], kind),
        )
        for i, model in enumerate(models)
    ]
    gap = (fits[0].slope - fits[1].slope, float(low), float(high))
    return Comparison(corpus, *sides, points, gap)


def sweep_fits(study: Study, tagger: str, kind: str, setting: str) -> pd.DataFrame:
    """model, corpus, threshold, slope, pearson_r, binned_r: the stored fits of a tagger at each of its thresholds."""
    study.require("scaling")
    thresholds = list_thresholds(study.query("SELECT DISTINCT method FROM scaling")["method"], tagger)
    return study.ask(
        "scaling",
        """WITH tagged AS (
               SELECT unnest(CAST($methods AS VARCHAR[])) AS method, unnest(CAST($thresholds AS DOUBLE[])) AS threshold
           )
           SELECT model, corpus, threshold, slope, pearson_r, binned_r FROM scaling JOIN tagged USING (method)
           WHERE kind = $kind AND setting = $setting AND tasks = 'pooled' ORDER BY model, threshold""",
        f"No stored fit over counts by '{tagger}' ({kind}, {setting}).",
        methods=list(thresholds),
        thresholds=list(thresholds.values()),
        kind=kind,
        setting=setting,
    )
