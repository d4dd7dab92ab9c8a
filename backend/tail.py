"""What the tail is, and a tail benchmark: models on the least frequent concepts, against their score on a well-known task.

Which task is the tail, which it is compared with, and where the line breaks stand in the manifest under `tail`.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from backend.errors import MissingTable
from backend.frequency import count_concepts
from backend.manifest import TailEntry
from backend.study import Study

NAMED, ROOM = 6, 0.8  # models in a figure; the share of its axis left of which a name fits in right of its point
TAIL_SHARE = 10  # percent of the counted concepts, where the study names no benchmark


def average_percentiles(counts: pd.DataFrame) -> pd.Series:
    """concept -> the share of concepts that are rarer (%), on average over the corpora, of what `count_concepts` gives."""
    return counts.groupby("concept")["percentile"].mean()


@dataclass(frozen=True)
class Tail:
    """The rarest concepts of a study, exactly so many as a share of all asks for.

    concepts: the rarest first, of equally rare ones the first by name. counted: how many concepts there are in all. left_out:
    those that are as rare as the last in the tail, and are not in it because their names come later.
    """

    concepts: tuple[str, ...]
    counted: int
    left_out: int


def find_tail(percentiles: pd.Series, share: float) -> Tail:
    """The rarest `share` percent of the concepts that have a percentile, rounded to a whole number and at least one.

    >>> find_tail(pd.Series({"dog": 60.0, "bee": 0.0, "ant": 0.0, "cat": 20.0}), 25)
    Tail(concepts=('ant',), counted=4, left_out=1)
    """
    ordered = percentiles.dropna().sort_index(kind="stable").sort_values(kind="stable")
    if ordered.empty:
        return Tail((), 0, 0)
    size = max(round(share * len(ordered) / 100), 1)
    return Tail(tuple(ordered.index[:size]), len(ordered), int((ordered.iloc[size:] == ordered.iloc[size - 1]).sum()))


def list_tail(study: Study, method: str) -> tuple[str, ...]:
    """The concepts in the tail, in alphabetical order: the benchmark's, or the rarest tenth by the counts of `method`."""
    if study.has("tail"):
        return tuple(study.query("SELECT DISTINCT concept FROM tail ORDER BY concept")["concept"])
    if not study.has("frequency"):
        return ()
    percentiles = average_percentiles(count_concepts(study, method))
    return tuple(sorted(find_tail(percentiles, TAIL_SHARE).concepts))


def name_tail(study: Study) -> str:
    """What the tail is called."""
    if study.has("tail"):
        tail = study.manifest.tail
        return f"The tail: {tail.title if tail else 'the study’s benchmark'}"
    return "The least frequent concepts"


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


def pick_named(models: pd.DataFrame, count: int = NAMED) -> dict[str, str]:
    """The models of `compare_models` to name in a figure, each with the side of the others that it stands on: above or below.

    Above stands a model where none that is no better at the reference is as good on the tail; below, where none that is no
    worse there is as bad, and there is room for its name to the right. Of these come the best on the tail, those that lose
    most and least, then those farthest from all that are named, so that names have room. A model that stands on neither side
    is named where there are no more than `count`.
    """
    points = models.sort_values(["reference", "tail"], kind="stable").set_index("model")[["reference", "tail"]].astype(float)
    upper = points["tail"] > points["tail"].cummax().shift(fill_value=-np.inf)
    lower = points["tail"] < points["tail"][::-1].cummin()[::-1].shift(-1, fill_value=np.inf)
    lower &= points["reference"] < ROOM * points["reference"].max()
    outer = points[upper | lower] if len(points) > count else points
    gaps = outer["reference"] - outer["tail"]
    named = list(dict.fromkeys([outer["tail"].idxmax(), gaps.idxmax(), gaps.idxmin()]))[:count] if len(outer) else []
    while len(named) < min(count, len(outer)):
        rest = outer.drop(named)
        distances = [np.hypot(*(rest - outer.loc[name]).to_numpy().T) for name in named]
        named.append(rest.index[np.min(distances, axis=0).argmax()])
    return {name: "above" if upper[name] else "below" for name in named}


def list_retrained(study: Study, models: pd.DataFrame, method: str) -> pd.DataFrame:
    """The causal pairs of the manifest of which both models are among those of `compare_models`, a row each.

    model, tail, reference (%) and seen of the one that saw the tail more often, rival, rival_tail, rival_reference and
    rival_seen of the other. seen: how often the model's own corpus shows the median class of the tail, by `method`.
    """
    scores = models.set_index("model")
    pairs = [pair.models for pair in study.manifest.causal.pairs if set(pair.models) <= set(scores.index)]
    columns = ["model", "tail", "reference", "seen"]
    columns += [f"rival_{name}" if name != "model" else "rival" for name in columns]
    if not pairs:
        return pd.DataFrame(columns=columns)
    owners = study.query("SELECT model, corpus FROM models").set_index("model")["corpus"]
    counts = count_concepts(study, method)
    of_tail = counts[counts["concept"].isin(list_tail(study, method))].groupby("corpus")["count"].median()
    rows = []
    for pair in pairs:
        sides = [(name, *scores.loc[name, ["tail", "reference"]], of_tail.get(owners.get(name), np.nan)) for name in pair]
        rows.append([value for side in sorted(sides, key=lambda side: -side[3]) for value in side])
    return pd.DataFrame(rows, columns=columns)


def list_classes(study: Study) -> pd.DataFrame:
    """concept, mean, best, best_model, models of every class; mean and best are percentages over all models."""
    describe_tail(study)
    return study.query(
        """SELECT concept, avg(value) AS mean, max(value) AS best, arg_max(model, value) AS best_model,
                  count(DISTINCT model) AS models FROM tail GROUP BY concept ORDER BY mean, concept"""
    )


def score_class(study: Study, concept: str) -> pd.DataFrame:
    """model, value (%): every model on one tail class, the best first; empty where the concept is no tail class."""
    if not study.has("tail"):
        return pd.DataFrame({"model": [], "value": []})
    return study.query("SELECT model, value FROM tail WHERE concept = $concept ORDER BY value DESC, model", concept=concept)
