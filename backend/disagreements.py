"""Samples whose caption and image disagree: how many, at every threshold, and which; in all or about one concept.

`disagreements` has the samples about one concept side by side. Where a study was made before there was such a table, the rows
of `misaligned` are read instead, all of them.
"""

import numpy as np
import pandas as pd

from backend.errors import EmptySelection
from backend.samples import PAGE, as_stored, count_met, describe_search, read_samples
from backend.schema import EVERY_CONCEPT
from backend.study import Study

DISAGREEMENTS = ("conflicting", "text-only", "image-only")
STEP = 0.01  # of the thresholds that a profile tells apart, beside those that were counted

_BY_CONCEPT = f"""SELECT sample_id, said, named, score, best, agreed FROM {{}}
    WHERE concept = coalesce($concept, '{EVERY_CONCEPT}')"""
_BY_SAMPLE = """SELECT sample_id, coalesce(list_contains(text_concepts, $concept), TRUE) AS said,
    len(text_concepts) > 0 AS named, image_scores[list_position(image_concepts, $concept)] AS score, best, agreed
    FROM {} WHERE coalesce(list_contains(text_concepts || image_concepts, $concept), TRUE)"""


def count_misaligned(study: Study, corpus: str, threshold: float, concept: str | None = None) -> pd.DataFrame:
    """kind, samples: how many samples disagree in each way at an image threshold, in all or about one concept.

    conflicting: caption and image have concepts, and none in common (DESIGN's "misaligned"); text-only: the image has
    none; image-only: the caption has none. An image has the concepts that score at least `threshold`. A sample is about
    `concept` where its caption or its image has it. Raises EmptySelection where the threshold is not between the lowest
    and the highest that were counted.
    """
    _check_threshold(study, corpus, threshold)
    return count_profile(_read_profile(study, corpus, concept, [threshold]), threshold)


def profile_misaligned(study: Study, corpus: str, concept: str | None = None) -> pd.DataFrame:
    """said, named, score, best, agreed, samples: how many samples have the same of these, each score cut to the highest
    threshold that it meets (null: none), of the counted ones and of those in steps of `STEP` between them.

    What `count_profile` tells of each of these thresholds is what `count_misaligned` tells, without reading anything again.
    """
    counted = describe_search(study, corpus, "misaligned").counted
    return _read_profile(study, corpus, concept, list_steps(counted))


def list_steps(counted: list[float]) -> list[float]:
    """The thresholds that a profile tells of, rising: the counted ones, which are given rising, and steps between them.

    >>> list_steps([0.5, 0.525])
    [0.5, 0.51, 0.52, 0.525]
    """
    steps = np.arange(counted[0], counted[-1], STEP).round(6)
    return sorted({*counted, *steps.tolist()})


def count_profile(profile: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """`count_misaligned` at one of a profile's thresholds."""
    least = as_stored(threshold)
    rows = profile[profile["said"] | (profile["score"] >= least)]
    shown, aligned, named = rows["best"] >= least, rows["agreed"] >= least, rows["named"]
    kinds = (named & shown & ~aligned, named & ~shown, ~named & shown)
    counts = [int(rows.loc[chosen, "samples"].sum()) for chosen in kinds]
    return pd.DataFrame({"kind": DISAGREEMENTS, "samples": counts})


def sweep_misaligned(study: Study, corpus: str, concept: str | None = None) -> pd.DataFrame:
    """threshold, kind, samples: `count_misaligned` at every counted threshold, the lowest first."""
    return sweep_profile(profile_misaligned(study, corpus, concept), describe_search(study, corpus, "misaligned").counted)


def sweep_profile(profile: pd.DataFrame, thresholds: list[float]) -> pd.DataFrame:
    """threshold, kind, samples: `count_profile` at some of a profile's thresholds."""
    frames = [count_profile(profile, threshold).assign(threshold=threshold) for threshold in thresholds]
    return pd.concat(frames, ignore_index=True)[["threshold", "kind", "samples"]]


def find_misaligned(
    study: Study,
    corpus: str,
    threshold: float,
    kind: str,
    *,
    concept: str | None = None,
    near_boundary: bool = False,
    offset: int = 0,
    limit: int = PAGE,
) -> pd.DataFrame:
    """One page of the samples whose caption and image disagree in one way (see `count_misaligned`).

    sample_id, caption, image, offset, length, width, height, url, text_concepts, image_concepts and image_scores (those of at
    least `threshold`, best first), best (the image's highest score of any concept), agreed (of its caption's concepts).
    The highest `best` comes first, text-only samples go by sample_id; `near_boundary` puts first the samples that the
    smallest change of the threshold would move: those with `best` or `agreed` nearest to it. Empty where no sample is on
    that page.
    """
    _check_threshold(study, corpus, threshold)
    study.require("samples")
    about = "TRUE" if concept is None else f"(said OR coalesce(score >= {_LEAST}, FALSE))"
    page = study.query(
        f"""SELECT sample_id FROM ({_source(study, corpus, concept)}) WHERE {about} AND {_KINDS[kind]}
            ORDER BY {_NEAREST_FIRST if near_boundary else _BEST_FIRST[kind]} LIMIT $limit OFFSET $skipped""",
        concept=concept,
        threshold=threshold,
        limit=limit,
        skipped=offset,
    )
    told = study.query(
        f"""SELECT sample_id, text_concepts, image_concepts[:seen] AS image_concepts, image_scores[:seen] AS image_scores, best,
                   agreed
            FROM (SELECT *, len(list_filter(image_scores, lambda score: score >= CAST($threshold AS FLOAT))) AS seen
                  FROM {study.locate("misaligned", corpus)}
                  WHERE sample_id IN (SELECT unnest(CAST($sample_ids AS BIGINT[]))))""",
        threshold=threshold,
        sample_ids=page["sample_id"].tolist(),
    )
    lists = {name: [list(values) for values in told[name]] for name in ("text_concepts", "image_concepts", "image_scores")}
    return read_samples(study, corpus, page.merge(told.assign(**lists), on="sample_id"))


_LEAST = "CAST($threshold AS FLOAT)"
_KINDS = {  # said so that whole groups of rows, which are sorted by `best`, are passed over
    "conflicting": f"named AND best >= {_LEAST} AND NOT coalesce(agreed >= {_LEAST}, FALSE)",
    "text-only": f"named AND (best < {_LEAST} OR best IS NULL)",
    "image-only": f"NOT named AND best >= {_LEAST}",
}
_BEST_FIRST = dict.fromkeys(DISAGREEMENTS, "best DESC, sample_id") | {"text-only": "sample_id"}
_NEAREST_FIRST = f"least(abs(best - {_LEAST}), abs(agreed - {_LEAST})) NULLS LAST, sample_id"


def _source(study: Study, corpus: str, concept: str | None) -> str:
    """The SQL of the samples that disagree at any threshold, about `$concept`, the concept, or, where it is None, about any."""
    if corpus in study.list_corpora("disagreements"):
        return _BY_CONCEPT.format(study.locate("disagreements", corpus, concept=concept or EVERY_CONCEPT))
    return _BY_SAMPLE.format(study.locate("misaligned", corpus))


def _read_profile(study: Study, corpus: str, concept: str | None, thresholds: list[float]) -> pd.DataFrame:
    study.require("misaligned")
    score = "NULL" if concept is None else "score"  # every sample is about some concept
    numbers = [count_met(one, thresholds) for one in (score, "best", "agreed")]
    rows = study.query(
        f"""SELECT said, named, {numbers[0]} AS score, {numbers[1]} AS best, {numbers[2]} AS agreed, count(*) AS samples
            FROM ({_source(study, corpus, concept)}) GROUP BY ALL""",
        concept=concept,
    )
    highest = np.array([np.nan, *map(as_stored, thresholds)])
    scores = {name: highest[rows[name].to_numpy(int)] for name in ("score", "best", "agreed")}
    return rows.assign(**scores)


def _check_threshold(study: Study, corpus: str, threshold: float) -> None:
    """Raises EmptySelection where a corpus was not compared at a threshold."""
    counted = describe_search(study, corpus, "misaligned").counted
    if not np.float32(counted[0]) <= np.float32(threshold) <= np.float32(counted[-1]):
        raise EmptySelection(
            f"The samples of '{corpus}' were compared at thresholds from {counted[0]:g} to {counted[-1]:g}, not {threshold:g}."
        )
