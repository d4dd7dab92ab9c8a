"""Finds concepts: by exact name, a label's own spelling, a prefix, or a near spelling; and what a concept stands for."""

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import pandas as pd
from rapidfuzz import fuzz, process

from backend.study import Study
from backend.words import canonical

# Ratio of RapidFuzz, 0 to 100. 85 lets one wrong letter in seven pass ("flamigo", "dalmation") and keeps
# "cat" from "car" (67).
SURE_RATIO = 85
POSSIBLE_RATIO = 65


@dataclass(frozen=True)
class Match:
    """What a query found: `how` is exact, label, fuzzy or none; `concept` where one is certain; `others` to offer."""

    query: str
    concept: str | None
    how: str
    score: float
    others: tuple[str, ...]


_NAMES: WeakKeyDictionary[Study, tuple] = WeakKeyDictionary()


def _names(study: Study) -> tuple[tuple[str, ...], frozenset[str], dict[str, str]]:
    """All concepts in order, the same as a set, and the concept of every label whose own canonical form is no concept."""
    if study not in _NAMES:
        _NAMES[study] = _read_names(study)
    return _NAMES[study]


def _read_names(study: Study) -> tuple[tuple[str, ...], frozenset[str], dict[str, str]]:
    rows = study.query("SELECT DISTINCT concept, label FROM concepts ORDER BY concept, label")
    concepts = tuple(dict.fromkeys(rows["concept"]))
    known = frozenset(concepts)
    labels = {canonical(label): concept for concept, label in zip(rows["concept"], rows["label"], strict=True)}
    return concepts, known, {label: concept for label, concept in labels.items() if label not in known}


def list_concepts(study: Study) -> tuple[str, ...]:
    """Every concept of a study, in alphabetical order."""
    study.require("concepts")
    return _names(study)[0]


def pick_examples(study: Study, count: int = 3) -> tuple[str, ...]:
    """A few concepts to show what a name looks like: spread over the alphabet, always the same, the shorter ones."""
    names = [name for name in list_concepts(study) if name.isascii() and len(name) <= 16] or list(list_concepts(study))
    return tuple(names[(2 * i + 1) * len(names) // (2 * count)] for i in range(min(count, len(names))))


def find_concept(study: Study, query: str, *, limit: int = 12) -> Match:
    """The concept that a query names, with others to offer: those that begin with it, then those spelled like it.

    A query is compared after `canonical`, so that `Acadian_Flycatcher` and ` acadian  flycatcher` are the same.
    """
    study.require("concepts")
    concepts, known, labels = _names(study)
    key = canonical(query)
    if not key:
        return Match(query, None, "none", 0.0, ())
    near = process.extract(key, concepts, scorer=fuzz.ratio, score_cutoff=POSSIBLE_RATIO, limit=limit)
    prefixed = [name for name in concepts if name.startswith(key) or f" {key}" in name]
    others = tuple(dict.fromkeys([*prefixed, *(name for name, _, _ in near)]))
    for how, found in (("exact", key if key in known else None), ("label", labels.get(key))):
        if found:
            return Match(query, found, how, 100.0, tuple(name for name in others if name != found)[:limit])
    best = near[0] if near else None
    if best and best[1] >= SURE_RATIO:
        return Match(query, best[0], "fuzzy", best[1], tuple(name for name in others if name != best[0])[:limit])
    return Match(query, None, "none", 0.0, others[:limit])


def describe_concept(study: Study, concept: str) -> pd.DataFrame:
    """The labels behind a concept: task, kind, label, words; one row each."""
    return study.ask(
        "concepts",
        "SELECT task, kind, label, words FROM concepts WHERE concept = $concept ORDER BY kind, task, label",
        f"No concept '{concept}' in study '{study.name}'.",
        concept=concept,
    )
