"""What a study knows of candidates: counts, percentile, tail mark, a model's scores and what frequency lets one expect."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import pandas as pd

from backend.errors import EmptySelection
from backend.expected import find_peers
from backend.frequency import count_concepts
from backend.models.encode import Model
from backend.probe.candidates import KIND, TAIL_SHARE, Candidates, name_tail
from backend.samples import describe_search, find_hits, list_sampled_corpora
from backend.study import Study
from backend.testset import expect_scores

EXPECTED = ["expected", "low", "high", "extrapolates"]


@dataclass(frozen=True, eq=False)
class Facts:
    """What a study knows of candidates: `rows`, one each in their order, with name, concept, percentile, tail, a count column
    for each of `corpora`, measured, expected, low, high (% of the model's own scores), extrapolates. Null: not known.

    model, own_corpus: whose scores these are, and the corpus that they are expected from · tail_rule: what `tail` means.
    """

    rows: pd.DataFrame
    corpora: tuple[str, ...]
    model: str | None
    own_corpus: str | None
    method: str
    setting: str
    tail_rule: str

    def list_counts(self, corpus: str) -> pd.Series:
        """The candidates' counts in a corpus, in their order; null where it does not count one."""
        return self.rows[corpus] if corpus in self.corpora else pd.Series(pd.NA, index=self.rows.index, dtype="Int64")


def find_study_model(study: Study, model: Model) -> str | None:
    """What the study calls a loaded model: the one evaluated with the same weights, else open_clip's tag; None: not in it."""
    for name, made in study.manifest.get("arguments", {}).get("evaluate", {}).items():
        if made.get("weights_sha256") == model.weights_sha256:
            return name
    if model.tag is None or not study.has("models"):
        return None
    known = set(study.query("SELECT model FROM models")["model"])
    return model.name if model.name in known else None


def describe_candidates(
    study: Study, candidates: Candidates, *, method: str, setting: str, study_model: str | None = None
) -> Facts:
    """Counts, percentile and tail mark of every candidate, and the scores of a model of the study on it.

    percentile: the mean over the corpora of the share of concepts that are rarer (%) · measured: the model's accuracy in
    `setting` (mean over the tasks that name the concept; only the candidates' own task where they are one's labels) ·
    expected, low, high: what the model scores on the concepts that are about as frequent in its own corpus.
    """
    rows = pd.DataFrame({"name": candidates.names, "concept": pd.Series(candidates.concepts, dtype=object)})
    corpora: tuple[str, ...] = ()
    rows["percentile"] = np.nan
    if study.has("frequency"):
        ranked = count_concepts(study, method)
        counts = ranked.pivot(index="concept", columns="corpus", values="count").astype("Int64")
        corpora = tuple(counts.columns)
        rows["percentile"] = rows["concept"].map(ranked.groupby("concept")["percentile"].mean()).astype(float)
        rows = rows.merge(counts, left_on="concept", right_index=True, how="left")
    rows["tail"], rule = _mark_tail(study, rows)
    own = _find_own_corpus(study, study_model, corpora)
    rows["measured"] = rows["concept"].map(_read_scores(study, study_model, setting, candidates.task)).astype(float)
    rows = rows.join(_expect_scores(study, rows, study_model, own, method, setting))
    return Facts(rows.reset_index(drop=True), corpora, study_model, own, method, setting, rule)


def find_examples(study: Study, concept: str | None, count: int = 2) -> tuple[str | None, pd.DataFrame]:
    """The first corpus, the smallest first, that has samples of a concept, and a few of them as `find_hits` has them.

    (None, an empty frame) where there are none, or the study holds no samples.
    """
    if concept is None or not study.has("corpora", "samples", "hits"):
        return None, pd.DataFrame()
    for corpus in list_sampled_corpora(study)["corpus"]:
        search = describe_search(study, corpus, "samples", "hits")
        text, image = search.chosen["text"], search.chosen.get("image")
        for modality in ("joint", "image", "text") if image else ("text",):
            rows = find_hits(study, concept, corpus, modality, text_method=text, image_method=image, limit=count)
            if len(rows):
                return corpus, rows
    return None, pd.DataFrame()


def _mark_tail(study: Study, rows: pd.DataFrame) -> tuple[pd.Series, str]:
    """Whether each candidate lies in the tail, and the rule of that in words."""
    if study.has("tail"):
        tail = set(study.query("SELECT DISTINCT concept FROM tail")["concept"])
        return rows["concept"].isin(tail), f"one of the {len(tail):,} concepts of {name_tail(study).partition(': ')[2]}"
    limit = 100 * TAIL_SHARE
    return rows["percentile"] < limit, f"rarer than {100 - limit:.0f}% of the concepts, on average over the corpora"


def _find_own_corpus(study: Study, model: str | None, corpora: Sequence[str]) -> str | None:
    """The corpus that a model of the study was trained on, where its concepts are counted."""
    if model is None or not study.has("models"):
        return None
    rows = study.query("SELECT corpus FROM models WHERE model = $model", model=model)
    corpus = rows["corpus"].iloc[0] if len(rows) else None
    return corpus if corpus in corpora else None


def _read_scores(study: Study, model: str | None, setting: str, task: str | None) -> dict[str, float]:
    """concept -> a model's accuracy on it, in percent."""
    if model is None or not study.has("performance"):
        return {}
    rows = study.query(
        """SELECT concept, avg(value) AS value FROM performance
           WHERE model = $model AND kind = $kind AND setting = $setting AND ($task IS NULL OR task = $task) GROUP BY concept""",
        model=model,
        kind=KIND,
        setting=setting,
        task=task,
    )
    return dict(zip(rows["concept"], rows["value"], strict=True))


def _expect_scores(
    study: Study, rows: pd.DataFrame, model: str | None, corpus: str | None, method: str, setting: str
) -> pd.DataFrame:
    """expected, low, high, extrapolates of each row, by a model's scores on the concepts that are about as frequent in its
    own corpus; null where there are none."""
    if model is not None and corpus is not None and study.has("performance"):
        with suppress(EmptySelection):
            peers = find_peers(study, model=model, corpus=corpus, method=method, setting=setting, kind=KIND)
            return expect_scores(rows, corpus, peers)[EXPECTED]
    return pd.DataFrame(np.nan, index=rows.index, columns=EXPECTED[:3]).assign(extrapolates=None)[EXPECTED]
