"""Which side errs where caption and image disagree, in a study that knows what its samples show and name: an invented world.

A side errs where it tells of nothing that is there: a caption that names none of what the picture shows, a tagger that finds
none of it, or either of them telling of something where nothing is. Where two are shown and each side tells of one, none errs.
"""

from collections.abc import Collection

import pandas as pd

from backend.disagreements import find_misaligned
from backend.samples import INTEGERS
from backend.study import Study

TABLE = "sample_truth"
SIDES = ("the caption", "the tagger", "both", "neither")  # who errs
_EVERY = 2**31  # samples: all that there are


def knows_samples(study: Study, corpus: str) -> bool:
    """Whether the study knows what each sample of a corpus shows and names."""
    return study.has(TABLE) and corpus in study.list_corpora(TABLE)


def judge_samples(study: Study, corpus: str, found: pd.DataFrame) -> pd.DataFrame:
    """The rows of `find_misaligned` with `shown`, what each sample's picture shows in truth (list), and `erring` (of SIDES)."""
    truth = study.query(
        """SELECT sample_id, shown, named FROM sample_truth
           WHERE corpus = $corpus AND sample_id IN (SELECT unnest(CAST($samples AS BIGINT[])))""",
        corpus=corpus,
        samples=found["sample_id"].tolist(),
    ).set_index("sample_id")
    shown, named = ([list(names) for names in truth[column].loc[found["sample_id"]]] for column in ("shown", "named"))
    erring = [
        _find_erring(_errs(said, seen), _errs(tagged, seen))
        for said, tagged, seen in zip(named, found["image_concepts"], shown, strict=True)
    ]
    return found.assign(shown=shown, erring=erring)


def _errs(told: Collection[str], shown: Collection[str]) -> bool:
    return set(told).isdisjoint(shown) if shown else bool(len(told))


def _find_erring(caption: bool, tagger: bool) -> str:
    return SIDES[2 if caption and tagger else 0 if caption else 1 if tagger else 3]


def count_verdicts(study: Study, corpus: str, threshold: float, kind: str, concept: str | None = None) -> dict[str, int]:
    """Who errs, of SIDES -> in how many of the samples that disagree in one way (`disagreements.count_misaligned`)."""
    found = find_misaligned(study, corpus, threshold, kind, concept=concept, limit=_EVERY)
    counted = judge_samples(study, corpus, found)["erring"].value_counts()
    return {side: int(counted.get(side, 0)) for side in SIDES}


def find_portraits(study: Study, corpus: str, concepts: Collection[str]) -> pd.DataFrame:
    """concept, corpus and a sample that shows it alone: sample_id, caption, image, offset, length, width, height.

    Of the corpus itself where it has one, else of another; of several the first. A concept that no sample shows alone has
    no row.
    """
    found = study.query(
        """WITH alone AS (
               SELECT corpus, sample_id, shown[1] AS concept FROM sample_truth
               WHERE len(shown) = 1 AND list_contains(CAST($concepts AS VARCHAR[]), shown[1])
               QUALIFY row_number() OVER (PARTITION BY shown[1] ORDER BY corpus <> $corpus, corpus, sample_id) = 1
           )
           SELECT concept, corpus, sample_id, caption, image, "offset", length, width, height
           FROM alone JOIN samples USING (corpus, sample_id) WHERE image IS NOT NULL ORDER BY concept""",
        corpus=corpus,
        concepts=list(concepts),
    )
    return found.astype(INTEGERS)
