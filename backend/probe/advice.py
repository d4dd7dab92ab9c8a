"""Which models a study recommends to look with: those whose own corpus it counts, so that every guess has its count."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import pandas as pd

from backend.frequency import count_concepts
from backend.models.catalogue import WEIGHT_BYTES, ModelChoice
from backend.models.loading import find_patch, split_spec
from backend.models.sketch import count_weights, estimate_seconds
from backend.study import Study

EPOCHS = re.compile(r"_e(\d+)$")  # ends open_clip's tags of one training at several times: laion400m_e31, laion400m_e32


@dataclass(frozen=True)
class Advice:
    """A model that a study recommends: how to load it, what the study calls it, the title of its corpus; `measured`, whether
    the study holds its accuracy on single concepts; `size`, the bytes of its weights, and `seconds`, what an image takes here,
    computed: None where they are not known."""

    choice: ModelChoice
    model: str
    corpus: str
    measured: bool
    size: int | None
    seconds: float | None


def find_named(name: str, known: Collection[str]) -> str | None:
    """What a study calls open_clip's "ARCHITECTURE/TAG"; None where it has no such model.

    >>> find_named("ViT-B-32/laion400m_e32", {"ViT-B-32/laion400m"})
    'ViT-B-32/laion400m'
    """
    return next((one for one in (name, EPOCHS.sub("", name)) if one in known), None)


def advise_models(study: Study, offered: Sequence[ModelChoice], method: str) -> list[Advice]:
    """The models of open_clip that a study recommends: those here first, then by the size of their corpus, then the
    smaller and the quicker ones.

    Of one training at several times the last. Empty where the study counts no model's corpus by this method.
    """
    if not study.has("models", "frequency", "corpora"):
        return []
    counted = set(count_concepts(study, method)["corpus"])
    corpora = study.query("SELECT model, models.corpus, title, pairs FROM models JOIN corpora USING (corpus)")
    corpora = corpora[corpora["corpus"].isin(counted)].set_index("model")
    scored: set[str] = set()
    if study.has("performance"):
        scored = set(study.query("SELECT DISTINCT model FROM performance")["model"])
    found: dict[str, ModelChoice] = {}
    for choice in sorted(offered, key=lambda choice: choice.title):
        if name := find_named(choice.title, corpora.index):
            found[name] = choice
    advised = []
    for name, choice in found.items():
        architecture = split_spec(choice.spec)[0]
        weights = count_weights(architecture)
        size = None if weights is None else weights * WEIGHT_BYTES
        seconds = estimate_seconds(architecture)
        advised.append(Advice(choice, name, corpora.at[name, "title"], name in scored, size, seconds))
    pairs = corpora["pairs"].fillna(0)
    return sorted(advised, key=lambda one: (not one.choice.here, -pairs[one.model], _round_size(one), -_find_patch(one)))


def _find_patch(advice: Advice) -> int:
    """Pixels of a patch: of equally large models that with the larger patches is the quicker."""
    return find_patch(split_spec(advice.choice.spec)[0])


def _round_size(advice: Advice) -> float:
    """Hundreds of megabytes: models that differ by less are equally large."""
    return float("inf") if advice.size is None else round(advice.size / 1e8)


def tabulate_advice(advised: Sequence[Advice]) -> pd.DataFrame:
    """model, trained_on, megabytes (of its weights: to fetch, and in memory), seconds (an image), fetched, fills: what it fills
    beside a guess.
    """
    rows = [
        (one.choice.title, one.corpus, one.size and one.size / 1e6, one.seconds, one.choice.here, _tell_filled(one.measured))
        for one in advised
    ]
    return pd.DataFrame(rows, columns=["model", "trained_on", "megabytes", "seconds", "fetched", "fills"])


def _tell_filled(measured: bool) -> str:
    return "counts, measured and expected accuracy" if measured else "counts"
