"""Two models on the same concepts: where they differ, whether that goes with frequency, and what they take for what.

Where a study holds results image by image (`predictions`), both models saw the same images, and every interval is a paired
one; else it rests on the number of images alone, as if they were others.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep

from backend.clusters import bootstrap_means, describe_clusters, find_clusters
from backend.errors import EmptySelection
from backend.fits import FEWEST_POINTS, Fit, fit_points, keep_discoveries
from backend.scaling import COUNTED_LABELS, pooled_tasks
from backend.score_settings import split_ranked
from backend.study import Study

Z = float(stats.norm.ppf(0.975))

# One count for each label of a corpus: the largest, where a label has several.
_OWN = f"""{COUNTED_LABELS}, own AS (
    SELECT task, label, any_value(concept) AS concept, max(count) AS count FROM counted WHERE corpus = $corpus GROUP BY ALL
)"""
# Scores on the same label of a task; where the other model's task spells the label otherwise, on the same concept.
_POINTS = f"""WITH {_OWN}, one AS (SELECT * FROM performance WHERE kind = $kind AND setting = $setting AND model = $first),
other AS (SELECT * FROM performance WHERE kind = $kind AND setting = $setting AND model = $second),
pairs AS (
    SELECT one.task, one.label, one.value AS first, other.value AS second, least(one.n, other.n) AS n
    FROM one JOIN other USING (task, concept)
    QUALIFY one.label = other.label
            OR NOT (bool_or(one.label = other.label) OVER (PARTITION BY one.task, one.label)
                    OR bool_or(one.label = other.label) OVER (PARTITION BY one.task, other.label))
)
SELECT task, label, own.concept, own.count, first, second, n FROM pairs JOIN own USING (task, label)
ORDER BY task, label, second
"""
# Of the images that both models were shown, how many the one alone, and the other alone, told right.
_DISCORDANT = """
WITH pair AS (
    SELECT one.task, one.label, one.place <= $within AS first, other.place <= $within AS second
    FROM predictions one JOIN predictions other USING (task, setting, item)
    WHERE one.model = $first AND other.model = $second AND setting = $strategy AND one.label = other.label
)
SELECT task, label, count(*) AS images, count_if(first AND NOT second) AS first_alone,
       count_if(second AND NOT first) AS second_alone
FROM pair GROUP BY ALL
"""
_MISTAKES = f"""WITH {_OWN}, wrong AS (
    SELECT task, label, best[1] AS guess, count(*) AS images FROM predictions
    WHERE model = $model AND setting = $strategy AND place > 1 GROUP BY ALL
)
SELECT task, label, own.concept, guess, guessed.concept AS guessed, images, own.count AS count, guessed.count AS guess_count
FROM wrong JOIN own USING (task, label) JOIN own guessed ON guessed.task = wrong.task AND guessed.label = wrong.guess
ORDER BY images DESC, task, label, guess
"""
_CELL = """
SELECT item, label, place, best[1] AS guess, image, "offset", length FROM predictions
WHERE model = $model AND setting = $strategy AND task = $task AND label = $label AND place > 1 AND best[1] = $guess
ORDER BY item
"""
_IMAGES = """
SELECT item, label, one.place AS first_place, one.best[1] AS first_guess, other.place AS second_place,
       other.best[1] AS second_guess, one.image, one."offset", one.length
FROM predictions one JOIN predictions other USING (task, setting, item, label)
WHERE one.model = $first AND other.model = $second AND setting = $strategy AND task = $task AND label = $label
ORDER BY (one.place = 1) = (other.place = 1), item
"""


@dataclass(frozen=True)
class Versus:
    """Two models over the counts of one corpus.

    points: task, label, concept, count, first, second, difference (first less second, points), n, low and high (95% of the
    difference; nan where n is not known), paired (whether both saw the same images), stands_out (survives Benjamini and
    Hochberg's procedure among all) · mean: of the differences, (estimate, low, high) · fit: the line of the difference over
    log10 count · clusters: what the intervals of mean and line draw. Where only one model's n is known, the other's score is
    taken to rest on as many images.
    """

    points: pd.DataFrame
    mean: tuple[float, float, float]
    fit: Fit
    clusters: str


@dataclass(frozen=True)
class Pull:
    """Which way a model's mistakes go: of its wrong guesses the share, in percent, whose guess is the more frequent concept,
    with its 95% interval, and the share that mistakes without regard to frequency would have."""

    mistakes: int
    share: tuple[float, float, float]
    by_chance: float
    clusters: str


def list_rivals(study: Study, model: str, *, kind: str, setting: str) -> list[str]:
    """The models that share scores with a model in this setting; those with results on the same images come first."""
    study.require("performance", "models")
    rows = study.query(
        """SELECT DISTINCT other.model FROM performance one JOIN performance other USING (task, concept, kind, setting)
           WHERE one.model = $model AND other.model <> $model AND kind = $kind AND setting = $setting ORDER BY ALL""",
        model=model,
        kind=kind,
        setting=setting,
    )
    by_image = set(list_by_image(study, setting))
    return sorted(rows["model"], key=lambda other: (other not in by_image, other))


def list_by_image(study: Study, setting: str) -> list[str]:
    """The models whose results the study holds image by image in this setting."""
    if not study.has("predictions"):
        return []
    rows = study.query(
        "SELECT DISTINCT model FROM predictions WHERE setting = $setting ORDER BY 1", setting=split_ranked(setting)[0]
    )
    return list(rows["model"])


def compare_models(
    study: Study, first: str, second: str, *, kind: str, setting: str, corpus: str, method: str, tasks: list[str] | None = None
) -> Versus:
    """Two models on all concepts that both have a score on and the corpus a count. Raises EmptySelection below three."""
    study.require("performance", "frequency", "concepts")
    points = study.query(
        _POINTS,
        kind=kind,
        setting=setting,
        first=first,
        second=second,
        corpus=corpus,
        method=method,
        tasks=tasks or pooled_tasks(study, kind),
        concept=None,
    )
    if len(points) < FEWEST_POINTS:
        raise EmptySelection(
            f"{first} and {second} share {len(points)} concepts with a score ({setting}) and a count; it takes {FEWEST_POINTS}."
        )
    points["difference"] = points["first"] - points["second"]
    points = _add_intervals(points, _count_discordant(study, first, second, setting))
    clusters = find_clusters(points["task"].to_numpy(), points["concept"].to_numpy())
    low, high = bootstrap_means(points["difference"].to_numpy(), clusters)
    fit = fit_points(points.assign(value=points["difference"]), kind)
    mean = (float(points["difference"].mean()), low, high)
    return Versus(points, mean, fit, describe_clusters(clusters.unit, clusters.number))


def list_mistakes(study: Study, model: str, *, setting: str, corpus: str, method: str) -> pd.DataFrame:
    """A row each pair of a concept and what it was taken for, the most images first.

    task, label, concept, guess (a label), guessed (its concept), images, count and guess_count (in the corpus).
    """
    study.require("predictions", "frequency", "concepts")
    return study.query(
        _MISTAKES, model=model, strategy=split_ranked(setting)[0], corpus=corpus, method=method, tasks=None, concept=None
    )


def measure_pull(mistakes: pd.DataFrame, counts: pd.DataFrame) -> Pull:
    """Whether `list_mistakes` go towards frequent concepts.

    counts: task, count of every class that could have been guessed. By chance, a mistake falls on any other class of the
    task alike. Ties count half. Raises EmptySelection where there is no mistake.
    """
    if mistakes.empty:
        raise EmptySelection("No image was taken for something else whose frequency is known.")
    more = (mistakes["guess_count"] > mistakes["count"]) + 0.5 * (mistakes["guess_count"] == mistakes["count"])
    images = mistakes["images"].to_numpy(float)
    expected = pd.concat([_share_more_frequent(part, counts) for _, part in mistakes.groupby("task")]).loc[mistakes.index]
    clusters = find_clusters(mistakes["task"].to_numpy(), mistakes["concept"].to_numpy())
    low, high = bootstrap_means(100 * more.to_numpy(float), clusters, images)
    return Pull(
        int(images.sum()),
        (float(np.average(100 * more, weights=images)), low, high),
        float(np.average(100 * expected, weights=images)),
        describe_clusters(clusters.unit, clusters.number),
    )


def list_classes(study: Study, tasks: list[str], *, corpus: str, method: str) -> pd.DataFrame:
    """task, label, count: the classes of tasks with their counts in a corpus."""
    return study.query(
        f"WITH {_OWN} SELECT task, label, count FROM own",
        tasks=tasks,
        corpus=corpus,
        method=method,
        concept=None,
    )


def list_images(study: Study, first: str, second: str, *, setting: str, task: str, label: str) -> pd.DataFrame:
    """The test images of a label with what both models make of them, those on which they disagree first.

    item, label, first_place, first_guess, second_place, second_guess, image, offset, length; a place of 1 is right.
    """
    study.require("predictions")
    return study.query(_IMAGES, first=first, second=second, strategy=split_ranked(setting)[0], task=task, label=label)


def list_cell(study: Study, model: str, *, setting: str, task: str, label: str, guess: str) -> pd.DataFrame:
    """The test images of a label that a model took for another: item, label, place, guess, image, offset, length."""
    study.require("predictions")
    return study.query(_CELL, model=model, strategy=split_ranked(setting)[0], task=task, label=label, guess=guess)


def find_paired_interval(
    images: np.ndarray, first_alone: np.ndarray, second_alone: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The 95% limits, in points, of the difference of two shares of the same images.

    Wald's with one half more of a pair in each cell (Bonett and Price 2012), which keeps its coverage down to a few images.
    `first_alone`, `second_alone`: images that only the one got right.
    """
    p, q = (first_alone + 1) / (images + 2), (second_alone + 1) / (images + 2)
    error = np.sqrt(np.maximum(p + q - (p - q) ** 2, 0) / (images + 2))
    return 100 * np.maximum(p - q - Z * error, -1), 100 * np.minimum(p - q + Z * error, 1)


def _count_discordant(study: Study, first: str, second: str, setting: str) -> pd.DataFrame:
    columns = ["task", "label", "images", "first_alone", "second_alone"]
    if not study.has("predictions"):
        return pd.DataFrame(columns=columns)
    strategy, within = split_ranked(setting)
    return study.query(_DISCORDANT, first=first, second=second, strategy=strategy, within=within)


def _add_intervals(points: pd.DataFrame, discordant: pd.DataFrame) -> pd.DataFrame:
    """The points with low, high, paired and stands_out."""
    table = points.merge(discordant, on=["task", "label"], how="left")
    paired = table["images"].notna().to_numpy()
    low, high, p = (np.full(len(table), np.nan) for _ in range(3))
    images, one, other = (table.loc[paired, name].to_numpy(float) for name in ("images", "first_alone", "second_alone"))
    low[paired], high[paired] = find_paired_interval(images, one, other)
    p[paired] = _mcnemar(one, other)
    for row in np.flatnonzero(~paired & (table["n"].fillna(0) > 0).to_numpy()):
        n = int(table["n"].iloc[row])
        hits = [table[name].iloc[row] * n / 100 for name in ("first", "second")]  # no whole number where n is the other's
        low[row], high[row] = (100 * end for end in confint_proportions_2indep(hits[0], n, hits[1], n, method="newcomb"))
        p[row] = stats.fisher_exact([[round(hit), n - round(hit)] for hit in hits]).pvalue
    return points.assign(low=low, high=high, paired=paired, stands_out=keep_discoveries(p))


def _mcnemar(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """McNemar's two-sided mid-p of as many images for either model, of those that only one of them got right.

    The exact p is too large by far for ten images, of which it never falls below 0.002; the mid-p keeps its level
    (Fagerland, Lydersen and Laake 2013).
    """
    fewer, images = np.minimum(one, other), one + other
    here = stats.binom.pmf(fewer, images, 0.5)
    return np.where(one == other, 1 - here / 2, 2 * stats.binom.cdf(fewer, images, 0.5) - here)


def _share_more_frequent(mistakes: pd.DataFrame, counts: pd.DataFrame) -> pd.Series:
    """Of the other classes of a task, the share that is more frequent than each mistake's own; ties count half."""
    ordered = np.sort(counts.loc[counts["task"] == mistakes["task"].iloc[0], "count"].to_numpy())
    own = mistakes["count"].to_numpy()
    above = len(ordered) - np.searchsorted(ordered, own, "right")
    tied = np.searchsorted(ordered, own, "right") - np.searchsorted(ordered, own, "left") - 1
    return pd.Series((above + 0.5 * tied) / max(len(ordered) - 1, 1), mistakes.index)
