"""What a study knows of candidates: counts, percentile, tail mark, a model's scores and what frequency lets one expect."""

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from backend.errors import EmptySelection
from backend.expected import find_peers
from backend.frequency import count_concepts, pick_counts
from backend.models.encode import Model
from backend.probe.advice import find_named
from backend.probe.candidates import KIND, Candidates
from backend.samples import describe_search, find_hits, list_sampled_corpora
from backend.study import Study
from backend.tail import average_percentiles, list_tail
from backend.testset import expect_scores

SURE_AMONG = 24  # of the likeliest samples
MOST_HITS = 5_000_000  # of a corpus in which is looked for what else a caption names: hits are sorted by concept, not by sample
EXPECTED = ["expected", "low", "high", "extrapolates"]


@dataclass(frozen=True, eq=False)
class Facts:
    """What a study knows of candidates: `rows`, one each in their order, with name, concept, percentile, tail, measured,
    expected, low, high (% of the model's own scores), extrapolates; `counts`: corpus, concept, count. Null: not known.

    titles: of the corpora · model, own_corpus: whose scores these are, and the corpus that they are expected from.
    """

    rows: pd.DataFrame
    counts: pd.DataFrame
    titles: Mapping[str, str]
    model: str | None
    own_corpus: str | None
    method: str
    setting: str

    @cached_property
    def corpora(self) -> tuple[str, ...]:
        """The corpora that count concepts, in alphabetical order."""
        return tuple(sorted(set(self.counts["corpus"])))

    @cached_property
    def _by_concept(self) -> dict[str, dict[str, int]]:
        """concept -> corpus -> count."""
        held: dict[str, dict[str, int]] = {}
        for corpus, concept, count in zip(self.counts["corpus"], self.counts["concept"], self.counts["count"], strict=True):
            held.setdefault(concept, {})[corpus] = int(count)
        return held

    def list_counts(self, corpus: str) -> pd.Series:
        """The candidates' counts in a corpus, Int64, in their order; null where it does not count one."""
        return pick_counts(self.counts, corpus, self.rows["concept"])

    def find_counts(self, number: int) -> dict[str, int]:
        """corpus -> count of one candidate, in the corpora that count it."""
        return self._by_concept.get(self.rows.at[number, "concept"], {})


def find_study_model(study: Study, model: Model) -> str | None:
    """What the study calls a loaded model: one evaluated with the same weights, else by open_clip's tag; None: not in it."""
    for name, made in study.manifest.arguments.get("evaluate", {}).items():
        if made.get("weights_sha256") == model.weights_sha256:
            return name
    if model.tag is None or not study.has("models"):
        return None
    return find_named(model.name, set(study.query("SELECT model FROM models")["model"]))


def describe_candidates(
    study: Study, candidates: Candidates, *, method: str, setting: str, study_model: str | None = None
) -> Facts:
    """Counts, percentile and tail mark of every candidate, and the scores of a model of the study on it.

    percentile: the mean over the corpora of the share of concepts that are rarer (%) · measured: the model's accuracy in
    `setting` (mean over the tasks that name the concept; only the candidates' own task where they are one's labels) ·
    expected, low, high: what the model scores on the concepts that are about as frequent in its own corpus.
    """
    rows = pd.DataFrame({"name": candidates.names, "concept": pd.Series(candidates.concepts, dtype=object)})
    ranked = pd.DataFrame({"corpus": [], "concept": [], "count": [], "percentile": []})
    if study.has("frequency"):
        ranked = count_concepts(study, method)
    rows["percentile"] = rows["concept"].map(average_percentiles(ranked)).astype(float)
    rows["tail"] = rows["concept"].isin(list_tail(study, method))
    own = _find_own_corpus(study, study_model, set(ranked["corpus"]))
    rows["measured"] = rows["concept"].map(_read_scores(study, study_model, setting, candidates.task)).astype(float)
    counts = ranked[["corpus", "concept", "count"]]
    own_counts = pick_counts(counts, own, rows["concept"])
    rows = rows.join(_expect_scores(study, own_counts, study_model, own, method, setting))
    return Facts(rows, counts, study.corpus_titles, study_model, own, method, setting)


def find_examples(study: Study, concept: str | None, count: int = 2) -> tuple[str | None, pd.DataFrame]:
    """The first corpus, the smallest first, that has samples of a concept, and a few of them as `find_hits` has them.

    (None, an empty frame) where there are none, or the study holds no samples.
    """
    if concept is None or not study.has("corpora", "samples", "hits"):
        return None, pd.DataFrame()
    for corpus in list_sampled_corpora(study)["corpus"]:
        search = describe_search(study, corpus, "samples", "hits")
        text, image = search.chosen.text, search.chosen.image
        for modality in ("joint", "image", "text") if image else ("text",):
            rows = find_hits(study, concept, corpus, modality, text_method=text, image_method=image, limit=count)
            if len(rows):
                return corpus, rows
    return None, pd.DataFrame()


def find_sure_examples(study: Study, concept: str, count: int = 2) -> tuple[str | None, pd.DataFrame]:
    """`find_examples` that show the concept and nothing else that is searched for: caption and image both say so, and the
    caption names no other.

    In the embedded study, where the truth is known, all of them are right (`tests/precompute/synthetic`); the image search
    alone errs in a quarter. (None, an empty frame) where there are none.
    """
    if not study.has("corpora", "samples", "hits"):
        return None, pd.DataFrame()
    for corpus in list_sampled_corpora(study)["corpus"]:
        search = describe_search(study, corpus, "samples", "hits")
        text, image = search.chosen.text, search.chosen.image
        if not image or study.manifest.tables["hits"].files[corpus].rows > MOST_HITS:
            continue
        rows = find_hits(study, concept, corpus, "joint", text_method=text, image_method=image, limit=SURE_AMONG)
        named = study.query(
            """SELECT sample_id, count(DISTINCT concept) AS concepts FROM hits
               WHERE corpus = $corpus AND method = $text AND sample_id IN (SELECT unnest($sample_ids)) GROUP BY sample_id""",
            corpus=corpus,
            text=text,
            sample_ids=rows["sample_id"].tolist(),
        )
        alone = set(named.loc[named["concepts"] == 1, "sample_id"])
        rows = rows[rows["sample_id"].isin(alone)].head(count).reset_index(drop=True)
        if len(rows):
            return corpus, rows
    return None, pd.DataFrame()


def _find_own_corpus(study: Study, model: str | None, corpora: Collection[str]) -> str | None:
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
    study: Study, counts: pd.Series, model: str | None, corpus: str | None, method: str, setting: str
) -> pd.DataFrame:
    """expected, low, high, extrapolates of each count, by a model's scores on the concepts that are about as frequent in its
    own corpus; null where there are none."""
    if model is not None and corpus is not None and study.has("performance"):
        with suppress(EmptySelection):
            peers = find_peers(study, model=model, corpus=corpus, method=method, setting=setting, kind=KIND)
            return expect_scores(pd.DataFrame(index=counts.index), counts, peers)[EXPECTED]
    return pd.DataFrame(np.nan, index=counts.index, columns=EXPECTED[:3]).assign(extrapolates=None)[EXPECTED]
