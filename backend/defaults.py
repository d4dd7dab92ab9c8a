"""With which corpus and model a study begins: those that its manifest names, else the largest corpus and its best model."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from backend.frequency import list_corpora
from backend.scaling import list_settings
from backend.study import Study


@dataclass(frozen=True)
class Start:
    """The corpus and the model that pages begin with; None where the study counts no corpus, or scores no model."""

    corpus: str | None
    model: str | None


def find_start(study: Study) -> Start:
    """What the manifest's `main` names, as far as the study has it; else the corpus of most pairs, and its best model."""
    main = study.manifest.main
    corpora = list_corpora(study) if study.has("corpora", "frequency") else pd.DataFrame({"corpus": [], "pairs": []})
    corpus = main.corpus if main.corpus in set(corpora["corpus"]) else _find_largest(corpora)
    models = list_scored_models(study)
    trained = models.loc[models["corpus"] == corpus, "model"]
    best = next(iter(trained if len(trained) else models["model"]), None)
    return Start(corpus, main.model if main.model in set(models["model"]) else best)


def list_scored_models(study: Study) -> pd.DataFrame:
    """model, corpus (null where its data is not in the study), score: every model with scores, the best first.

    score: the mean over its tasks under the first setting that scores it, in that setting's unit; null where there is none.
    Models of the first kind of task (classification before retrieval before generation) come before those of the others.
    """
    if not study.has("models", "performance"):
        return pd.DataFrame(columns=["model", "corpus", "score"])
    settings = list_settings(study).reset_index(names="place")
    overall = "overall" if study.has("overall") else "(SELECT model, kind, setting, value FROM performance LIMIT 0)"
    return study.query(
        f"""WITH scored AS (SELECT DISTINCT model, kind, setting FROM performance),
                placed AS (SELECT model, min_by(kind, place) AS kind, min_by(setting, place) AS setting, min(place) AS place
                           FROM scored JOIN (SELECT unnest($places) AS place, unnest($kinds) AS kind,
                                                    unnest($settings) AS setting) USING (kind, setting) GROUP BY model),
                means AS (SELECT model, kind, setting, avg(value) AS score FROM {overall} GROUP BY ALL)
            SELECT model, corpus, score FROM models JOIN placed USING (model) LEFT JOIN means USING (model, kind, setting)
            ORDER BY place, score DESC NULLS LAST, model""",
        places=settings["place"].tolist(),
        kinds=settings["kind"].tolist(),
        settings=settings["setting"].tolist(),
    )


def pick_corpus(study: Study, corpora: Sequence[str]) -> str:
    """Of some counted corpora, the one to begin with where it is among them, else the one of most pairs."""
    start = find_start(study).corpus
    counted = list_corpora(study)
    return start if start in corpora else _find_largest(counted[counted["corpus"].isin(corpora)])


def _find_largest(corpora: pd.DataFrame) -> str | None:
    """The corpus of most pairs, of those that `list_corpora` gives; the last where the size of none is known."""
    known = corpora[corpora["pairs"].notna()]
    return next(iter((known if len(known) else corpora)["corpus"].iloc[::-1]), None)
