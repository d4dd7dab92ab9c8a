"""Finds concepts by exact name or a label's own spelling, offers those spelled like it; and what a concept stands for."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import pandas as pd
from rapidfuzz import fuzz, process

from backend.remember import remember
from backend.study import Study
from backend.words import canonical, split_words

# Ratio of RapidFuzz, 0 to 100. From 85, one wrong letter in seven ("flamigo", "dalmation"), a near spelling is offered before
# names that begin alike; below 65 it is not offered.
LIKELY_RATIO = 85
POSSIBLE_RATIO = 65
NAMES_AT_ONCE = 256  # of a list: their ratios to 4,000 concepts take 4 MB


@dataclass(frozen=True)
class Match:
    """What a query found: `how` is exact, label or none; the concept, where it names one; `others` to offer.

    score: 100 where a concept is found, else 0: a near spelling is an offer, however near.
    """

    query: str
    concept: str | None
    how: str
    score: float
    others: tuple[str, ...]


@dataclass(frozen=True)
class _Names:
    """A study's concepts in order, what labels stand for, and what offers need.

    labels: the concept of every label whose own canonical form is no concept. spelled: each concept's words, as `split_words`
    cuts them. beginnings: those words from the first, from the second, ... with the concept's number, sorted.
    """

    concepts: tuple[str, ...]
    known: frozenset[str]
    labels: dict[str, str]
    spelled: list[str]
    beginnings: list[tuple[str, int]]


@remember(1)
def _names(study: Study) -> _Names:
    study.require("concepts")
    rows = study.query("SELECT DISTINCT concept, label FROM concepts ORDER BY concept, label")
    concepts = tuple(dict.fromkeys(rows["concept"]))
    known = frozenset(concepts)
    labels = {canonical(label): concept for concept, label in zip(rows["concept"], rows["label"], strict=True)}
    labels = {label: concept for label, concept in labels.items() if label not in known}
    words = [split_words(concept) for concept in concepts]
    beginnings = sorted((" ".join(own[start:]), number) for number, own in enumerate(words) for start in range(len(own)))
    return _Names(concepts, known, labels, [" ".join(own) for own in words], beginnings)


def list_concepts(study: Study) -> tuple[str, ...]:
    """Every concept of a study, in alphabetical order."""
    return _names(study).concepts


def pick_examples(study: Study, count: int = 3) -> tuple[str, ...]:
    """A few concepts to show what a name looks like: spread over the alphabet, always the same, the shorter ones."""
    names = [name for name in list_concepts(study) if name.isascii() and len(name) <= 16] or list(list_concepts(study))
    return tuple(names[(2 * i + 1) * len(names) // (2 * count)] for i in range(min(count, len(names))))


def find_concept(study: Study, query: str, *, limit: int = 12) -> Match:
    """The concept that a query names, and others to offer: those that begin with it, then those spelled like it.

    A query is compared after `canonical`, so that `Acadian_Flycatcher` and ` acadian  flycatcher` are the same. A near spelling
    is only offered: "boeing 747" is no "boeing 717".
    """
    return find_concepts(study, [query], limit=limit)[0]


def find_concepts(study: Study, queries: Sequence[str], *, limit: int = 12) -> list[Match]:
    """`find_concept` of many queries at once: 5,000 names against 4,000 concepts take a second."""
    names = _names(study)
    matches = []
    for start in range(0, len(queries), NAMES_AT_ONCE):
        part = queries[start : start + NAMES_AT_ONCE]
        spelled = [" ".join(split_words(query)) for query in part]
        ratios = process.cdist(spelled, names.spelled, scorer=fuzz.ratio, score_cutoff=POSSIBLE_RATIO, dtype=np.float32)
        matches += [_match(names, *one, limit) for one in zip(part, spelled, ratios, strict=True)]
    return matches


def _match(names: _Names, query: str, spelled: str, ratios: np.ndarray, limit: int) -> Match:
    key = canonical(query)
    found, how = (key, "exact") if key in names.known else (names.labels.get(key), "label")
    others = (names.concepts[number] for number in _offer(names, spelled, ratios, limit + 1) if names.concepts[number] != found)
    offered = tuple(islice(others, limit))
    return Match(query, found, how, 100.0, offered) if found else Match(query, None, "none", 0.0, offered)


def _offer(names: _Names, spelled: str, ratios: np.ndarray, limit: int) -> list[int]:
    """The numbers of concepts to offer: what is very likely meant, what begins alike, what is spelled like it."""
    if not spelled:
        return []
    near = [int(number) for number in np.argsort(-ratios, kind="stable")[:limit] if ratios[number]]
    likely = [number for number in near if ratios[number] >= LIKELY_RATIO]
    alike = set()
    for beginning, number in islice(names.beginnings, bisect_left(names.beginnings, (spelled,)), None):
        if not beginning.startswith(spelled):
            break
        alike.add(number)
    return list(dict.fromkeys([*likely, *sorted(alike), *near]))[:limit]


def describe_concept(study: Study, concept: str) -> pd.DataFrame:
    """The labels behind a concept: task, kind, label, words; one row each."""
    return study.ask(
        "concepts",
        "SELECT task, kind, label, words FROM concepts WHERE concept = $concept ORDER BY kind, task, label",
        f"No concept '{concept}' in study '{study.name}'.",
        concept=concept,
    )
