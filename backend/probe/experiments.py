"""Small experiments on one image: several models, several prompts, other names for the same thing."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from backend.errors import TailscopeError
from backend.models.classifiers import ClassifierCache
from backend.models.encode import Model
from backend.probe.answer import Answer, probe_features, rank_candidate
from backend.probe.candidates import Candidates
from backend.progress import Progress

MAX_SYNONYMS = 20


def compare_models(answers: dict[str, Answer], candidates: Candidates, top: int = 5) -> pd.DataFrame:
    """What several models answer on one image: every candidate that one of them has among its `top`, one row each a model.

    model, number, name, concept, rank, probability (%), similarity; the candidates in the order of their best rank. The
    probabilities of two models can be compared, their similarities cannot: each model has its own scale.
    """
    chosen = {int(number) for answer in answers.values() for number in answer.order[:top]}
    best = {number: min(rank_candidate(answer, number) for answer in answers.values()) for number in chosen}
    rows = [
        {"model": model, "number": number, "name": candidates.names[number], "concept": candidates.concepts[number]}
        | _describe_place(answer, number)
        for number in sorted(chosen, key=lambda number: (best[number], number))
        for model, answer in answers.items()
    ]
    return pd.DataFrame(rows)


def compare_prompts(
    cache: ClassifierCache,
    model: Model,
    candidates: Candidates,
    features: np.ndarray,
    prompts: dict[str, str | Sequence[str]],
    number: int,
    say: Progress | None = None,
) -> pd.DataFrame:
    """How one candidate fares under several ways of naming all of them to the model: one row each.

    prompts: title -> strategy or templates · features: the image's, float32 (width,). Columns: prompts, rank, probability (%)
    and similarity of candidate `number`; first and first_probability (%), which candidate comes first.
    """
    rows = []
    for done, (title, strategy) in enumerate(prompts.items()):
        part = say and (lambda fraction, done=done: say((done + fraction) / len(prompts)))
        classifier = cache.get(model, candidates.names, strategy, part)
        (answer,) = probe_features(model, classifier, features[None])
        first = int(answer.order[0])
        row = {"prompts": title, **_describe_place(answer, number)}
        row |= {"first": candidates.names[first], "first_probability": 100.0 * answer.probabilities[first]}
        rows.append(row)
    return pd.DataFrame(rows)


def compare_synonyms(
    cache: ClassifierCache,
    model: Model,
    candidates: Candidates,
    features: np.ndarray,
    prompts: str | Sequence[str],
    number: int,
    synonyms: Sequence[str],
) -> pd.DataFrame:
    """How one concept fares under other names: each takes the place of candidate `number`, all others stay as they are.

    name, rank, probability (%), similarity; the candidate's own name first. Raises TailscopeError without a synonym, or for
    more than `MAX_SYNONYMS`.
    """
    own = candidates.names[number]
    names = list(dict.fromkeys([own, *(text.strip() for text in synonyms if text.strip())]))
    if not 2 <= len(names) <= MAX_SYNONYMS + 1:
        raise TailscopeError(f"{len(names) - 1} other names for “{own}”: name from 1 to {MAX_SYNONYMS}.")
    classifier = cache.get(model, candidates.names, prompts).features
    renamed = cache.get(model, names, prompts).features
    rows = []
    for name, embedding in zip(names, renamed, strict=True):
        swapped = classifier.copy()
        swapped[number] = embedding
        (answer,) = probe_features(model, swapped, features[None])
        rows.append({"name": name, **_describe_place(answer, number)})
    return pd.DataFrame(rows)


def _describe_place(answer: Answer, number: int) -> dict:
    return {
        "rank": rank_candidate(answer, number),
        "probability": 100.0 * float(answer.probabilities[number]),
        "similarity": float(answer.similarities[number]),
    }
