"""The concepts as captions are searched for them: which tokens each text method needs, and how they have to stand."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backend.words import TEXT_METHODS, Lexicon

METHODS = tuple(TEXT_METHODS)


def has_method(sets: np.ndarray, method: str) -> np.ndarray:
    """Which sets of methods, uint8, have one of `METHODS`, bool: bit n of a set stands for the n-th.

    >>> has_method(np.array([5, 2, 7], np.uint8), "lemmatized").tolist()
    [True, False, True]
    """
    return sets & np.uint8(1 << METHODS.index(method)) != 0


def count_hits(concepts: np.ndarray, sets: np.ndarray, size: int, methods: Sequence[str]) -> dict[str, np.ndarray]:
    """By method the hits of each of so many concepts, int64 (concepts,), out of the concept and the set of methods of each hit.

    >>> {name: counts.tolist() for name, counts in count_hits(np.array([2, 0]), np.array([7, 1]), 3, METHODS[:2]).items()}
    {'lemmatized': [1, 0, 1], 'lowercased': [0, 0, 1]}
    """
    every = np.arange(1 << len(METHODS), dtype=np.uint8)
    by_set = np.bincount(concepts * np.int64(len(every)) + sets, minlength=size * len(every)).reshape(size, len(every))
    return {name: by_set[:, has_method(every, name)].sum(axis=1) for name in methods}


@dataclass(frozen=True)
class Need:
    """What a method needs to find a concept: the concept's number, and the tokens that a caption must have."""

    concept: int
    tokens: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The concepts to search for, by number, and what each method needs to find in a caption.

    `words` and `nouns` number what any concept needs, as it is spelled and as lemmas: the tokens of a method are of one of
    them (`TEXT_METHODS` says which, and whether they stand in a row). `unsearchable` counts the concepts without a word
    ("!!!"): they never hit.
    """

    concepts: tuple[str, ...]
    unsearchable: int
    words: Lexicon
    nouns: Lexicon
    needs: dict[str, tuple[Need, ...]]


def compile_vocabulary(concepts: Sequence[str], methods: Sequence[str] = METHODS) -> Vocabulary:
    """A vocabulary of these concepts, numbered from 0 in the order given, to be found by these methods."""
    words, nouns = Lexicon(concepts, lemmatised=False), Lexicon(concepts, lemmatised=True)
    needs = {}
    for name in methods:
        method = TEXT_METHODS[name]
        rows = (nouns if method.lemmatised else words).needs
        needs[name] = tuple(
            Need(concept, row if method.adjacent else tuple(sorted(set(row)))) for concept, row in enumerate(rows) if row
        )
    return Vocabulary(tuple(concepts), sum(not row for row in words.needs), words, nouns, needs)
