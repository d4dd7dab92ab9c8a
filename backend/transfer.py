"""Does the line across concepts foretell what more data does? What it asks for, and how such forecasts fared.

A line is drawn across concepts of one corpus; "ten times as many samples of this concept" is another matter. Where one
architecture was trained on two corpora, both can be set side by side: what the smaller corpus's line foretold for the
larger, and whether the concepts that gained samples are those that gained points.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from backend.clusters import bootstrap_lines, describe_clusters, find_clusters
from backend.errors import EmptySelection
from backend.fits import FEWEST_POINTS, Fit, log_count
from backend.scaling import COUNTED_LABELS, pooled_tasks
from backend.study import Study

# Each score of a model with the count in its own corpus; the largest, where a label has several.
_OWN_SCORES = f"""{COUNTED_LABELS}, owned AS (
    SELECT models.architecture, models.model, models.corpus, corpora.pairs, performance.task, performance.label,
           any_value(counted.concept) AS concept, max(counted.count) AS count, any_value(performance.value) AS value
    FROM performance JOIN models USING (model) JOIN corpora USING (corpus)
    JOIN counted ON counted.corpus = models.corpus AND counted.task = performance.task AND counted.label = performance.label
    WHERE performance.kind = $kind AND performance.setting = $setting GROUP BY ALL
)"""
# The smaller corpus comes first; where the size of one is unknown, the one that shows these concepts less often.
_PAIRS = f"""WITH {_OWN_SCORES}
SELECT smaller.architecture, smaller.model AS first, larger.model AS second, smaller.corpus AS corpus, larger.corpus AS larger,
       coalesce(larger.pairs > smaller.pairs, true) AS grows, count(*) AS concepts,
       avg(log10(greatest(larger.count, 1)) - log10(greatest(smaller.count, 1))) AS tenfolds,
       avg(larger.value - smaller.value) AS seen
FROM owned smaller JOIN owned larger USING (architecture, task, label)
WHERE smaller.corpus <> larger.corpus
GROUP BY smaller.architecture, first, second, smaller.corpus, larger.corpus, smaller.pairs, larger.pairs
HAVING CASE WHEN smaller.pairs = larger.pairs THEN smaller.corpus < larger.corpus
            ELSE coalesce(smaller.pairs < larger.pairs, tenfolds > 0) END
ORDER BY smaller.architecture, smaller.pairs NULLS LAST, larger.pairs NULLS LAST, first, second
"""
_CHANGES = f"""WITH {_OWN_SCORES}
SELECT task, label, one.concept, one.count AS count_before, other.count AS count_after,
       one.value AS value_before, other.value AS value_after
FROM owned one JOIN owned other USING (task, label) WHERE one.model = $first AND other.model = $second ORDER BY task, label
"""
_FITS = """
SELECT scaling.* FROM scaling JOIN models USING (model, corpus)
WHERE kind = $kind AND setting = $setting AND method = $method AND tasks = 'pooled'
"""


def foresee_need(fit: Fit, count: float, value: float, *, gain: float, ceiling: float) -> tuple[float, float] | None:
    """The range of factors of more samples that the slope's interval asks for, for `gain` points above `value`.

    None where it cannot be told: the concept was never counted, the target lies above `ceiling`, or the slope's interval
    reaches zero, so that no amount of data surely helps.
    """
    lead = fit.lead
    if not count > 0 or value + gain > ceiling or not lead.low > 0:
        return None
    least, most = (float(np.power(10.0, min(gain / slope, 300.0))) for slope in (lead.high, lead.low))
    return least, most


def list_pairs(study: Study, *, kind: str, setting: str, method: str) -> pd.DataFrame:
    """Each architecture that was trained on two counted corpora, a row a pair of them, the smaller corpus first.

    architecture, first and second (models), corpus and larger (what they saw), grows (false where both are as large),
    concepts (that both have a score and a count on), tenfolds (mean change of log10 count), seen (mean change of score).
    """
    if not study.has("performance", "models", "corpora", "frequency", "concepts"):
        return pd.DataFrame()
    tasks = pooled_tasks(study, kind)
    return study.query(_PAIRS, kind=kind, setting=setting, method=method, tasks=tasks, concept=None)


def check_forecasts(study: Study, *, kind: str, setting: str, method: str) -> pd.DataFrame:
    """What a smaller corpus's line foretold for the larger one, and what that gave: the pairs that grow.

    The columns of `list_pairs`, by_line (points: pooled slope of the first model times `tenfolds`), foretold, foretold_low
    and foretold_high (by the slope and interval that `foresee_need` uses). Empty where no architecture has two corpora.
    """
    pairs = list_pairs(study, kind=kind, setting=setting, method=method)
    if pairs.empty:
        return pairs
    rows = study.ask(
        "scaling", _FITS, f"No stored fit ({kind}, {setting}, {method}).", kind=kind, setting=setting, method=method
    )
    fits = {row["model"]: Fit.from_row(row) for row in rows.to_dict("records")}
    pairs = pairs[pairs["grows"] & pairs["first"].isin(fits)].reset_index(drop=True)
    firsts = [fits[model] for model in pairs["first"]]
    slopes = [(fit.slope, fit.lead.value, fit.lead.low, fit.lead.high) for fit in firsts]
    columns = ["by_line", "foretold", "foretold_low", "foretold_high"]
    table = pd.DataFrame(slopes, columns=columns, index=pairs.index, dtype=float).mul(pairs["tenfolds"], axis=0)
    low, high = table["foretold_low"], table["foretold_high"]  # which change places where the larger corpus shows less
    table["foretold_low"], table["foretold_high"] = np.minimum(low, high), np.maximum(low, high)
    return pairs.join(table)


@dataclass(frozen=True)
class Change:
    """Change of score against change of log10 count, concept by concept, between two trainings of one architecture.

    `points`: task, label, concept, count_before, count_after, value_before, value_after, tenfolds, gained · slope, within
    and pearson: (estimate, low, high) with 95% limits; points per tenfold over all concepts, the same after each task's own
    means are taken out, and r · intercept: what a concept gained whose count stayed · clusters: what the limits draw.
    Figures that the points do not determine are nan.
    """

    points: pd.DataFrame
    slope: tuple[float, float, float]
    within: tuple[float, float, float]
    pearson: tuple[float, float, float]
    intercept: float
    clusters: str


def compare_change(study: Study, first: str, second: str, *, kind: str, setting: str, method: str) -> Change:
    """The change from one model to another, each over its own corpus. Raises EmptySelection below three shared concepts."""
    study.require("performance", "models", "corpora", "frequency", "concepts")
    points = study.query(
        _CHANGES,
        kind=kind,
        setting=setting,
        method=method,
        first=first,
        second=second,
        tasks=pooled_tasks(study, kind),
        concept=None,
    )
    if len(points) < FEWEST_POINTS:
        raise EmptySelection(f"{first} and {second} share {len(points)} concepts; a line needs {FEWEST_POINTS}.")
    points["tenfolds"] = log_count(points["count_after"].to_numpy()) - log_count(points["count_before"].to_numpy())
    points["gained"] = points["value_after"] - points["value_before"]
    return fit_change(points)


def fit_change(points: pd.DataFrame) -> Change:
    """The line through task, concept, tenfolds, gained."""
    x, y = points["tenfolds"].to_numpy(float), points["gained"].to_numpy(float)
    tasks = points["task"].to_numpy()
    clusters = find_clusters(tasks, points["concept"].to_numpy())
    intervals = bootstrap_lines(x, y[:, None], tasks, clusters)
    centred = points[["tenfolds", "gained"]] - points.groupby("task")[["tenfolds", "gained"]].transform("mean")
    slope, within = _slope(x - x.mean(), y), _slope(*centred.to_numpy(float).T)
    r = float(np.corrcoef(x, y)[0, 1]) if np.ptp(x) and np.ptp(y) else float("nan")
    return Change(
        points=points,
        slope=(slope, *intervals.slope[:, 0].tolist()),
        within=(within, *intervals.within[:, 0].tolist()),
        pearson=(r, *intervals.pearson[:, 0].tolist()),
        intercept=float(y.mean() - slope * x.mean()),
        clusters=describe_clusters(clusters.unit, clusters.number),
    )


def _slope(centred: np.ndarray, y: np.ndarray) -> float:
    """The least-squares slope of y over an x whose mean is zero; nan without spread."""
    squares = centred @ centred
    return float(centred @ y / squares) if squares > 1e-12 else float("nan")
