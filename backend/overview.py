"""What a study says in ten seconds."""

from dataclasses import dataclass

import pandas as pd

from backend.alignment import list_degrees
from backend.fits import TENFOLD, Fit, Slope
from backend.frequency import count_concepts, list_corpora, list_methods
from backend.study import Study


@dataclass(frozen=True)
class Headline:
    """Three findings of a study, each None where the study lacks the table it comes from.

    median_count: half of the `concepts` counted in the corpus have fewer samples than this; zeros: how many have none;
    class_median: the same over the labels of classification tasks alone, where other tasks name concepts too · slopes: of
    each model whose counts span a tenfold, the one that leads · resampled: what their intervals resample, in words · degree:
    (least, greatest) misaligned fraction over the corpora.
    """

    corpus_title: str
    pairs: int | None
    method: str
    concepts: int
    median_count: float
    class_median: float | None
    zeros: int
    slopes: list[Slope]
    resampled: str
    degree: tuple[float, float] | None

    @property
    def slope(self) -> tuple[float, float] | None:
        """The least and the greatest slope."""
        values = [slope.value for slope in self.slopes]
        return (min(values), max(values)) if values else None

    @property
    def unsure(self) -> int:
        """How many of the slopes have an interval that reaches zero."""
        return sum(slope.reaches_zero for slope in self.slopes)


def summarise(study: Study, kind: str, setting: str, corpus: str | None = None) -> Headline:
    """The headline of a study over a corpus, the one of most pairs unless another is named, for the scores of a kind under a
    setting."""
    study.require("concepts")
    corpora = list_corpora(study).sort_values("pairs", ascending=False)
    largest = corpora[corpora["corpus"] == (corpus or corpora["corpus"].iloc[0])].iloc[0]
    method = _find_method(study, largest["corpus"])
    ranked = count_concepts(study, method)
    counted = ranked[ranked["corpus"] == largest["corpus"]]
    counts = counted["count"]
    classes = study.query("SELECT DISTINCT concept FROM concepts WHERE kind = 'classification'")["concept"]
    of_classes = counted.loc[counted["concept"].isin(classes), "count"]
    fits, degrees = [], pd.Series(dtype=float)
    if study.has("scaling"):
        rows = study.query(
            """SELECT * FROM scaling WHERE kind = $kind AND setting = $setting AND method = $method
               AND tasks = 'pooled' AND slope IS NOT NULL AND log_count_max - log_count_min >= $tenfold
               ORDER BY corpus, model""",
            kind=kind,
            setting=setting,
            method=method,
            tenfold=TENFOLD,
        )
        fits = [Fit.from_row(row) for row in rows.to_dict("records")]
    if study.has("alignment") and len(study.query("SELECT 1 FROM alignment LIMIT 1")):
        degrees = list_degrees(study)["degree"]
    return Headline(
        corpus_title=largest["title"],
        pairs=None if pd.isna(largest["pairs"]) else int(largest["pairs"]),
        method=method,
        concepts=len(counts),
        median_count=float(counts.median()),
        class_median=float(of_classes.median()) if 0 < len(of_classes) < len(counts) else None,
        zeros=int((counts == 0).sum()),
        slopes=[fit.lead for fit in fits],
        resampled=" or ".join(dict.fromkeys(fit.resampled for fit in fits)),
        degree=(float(degrees.min()), float(degrees.max())) if len(degrees) else None,
    )


def _find_method(study: Study, corpus: str) -> str:
    """The widest-used method, or the corpus's own widest-used where that did not count it."""
    own = list(list_methods(study, corpus)["method"])
    widest = list_methods(study)["method"].iloc[0]
    return widest if widest in own else own[0]


def count_contents(study: Study) -> dict[str, int]:
    """How much a study holds: concepts, labels, tasks, corpora, models, counts, scores."""
    row = study.query(
        "SELECT count(DISTINCT concept) AS concepts, count(*) AS labels, count(DISTINCT task) AS tasks FROM concepts"
    ).iloc[0]
    contents = {name: int(row[name]) for name in row.index}
    for name, table in (
        ("corpora", "corpora"),
        ("models", "models"),
        ("counts", "frequency"),
        ("scores", "performance"),
    ):
        contents[name] = study.manifest.tables[table].rows if table in study.manifest.tables else 0
    return contents


def list_ledgers(study: Study) -> list[tuple[str, int, int, dict[str, int]]]:
    """What each step of a study read, wrote and dropped: (what, read, written, dropped by reason)."""
    return _find_ledgers(study.manifest.counts, ())


def _find_ledgers(entry: dict, path: tuple[str, ...]) -> list[tuple[str, int, int, dict[str, int]]]:
    """The ledgers below an entry of the manifest's `counts`: step, then perhaps a corpus or a model, then the unit."""
    if {"read", "written", "dropped"} <= set(entry):
        return [(" ".join(path[1:]) or path[0], entry["read"], entry["written"], entry["dropped"])]
    return [ledger for name, part in entry.items() if isinstance(part, dict) for ledger in _find_ledgers(part, (*path, name))]
