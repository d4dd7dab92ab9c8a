"""Finds the concepts that captions name, by the three text methods.

`lowercased`: the caption has all words of the concept. `lemmatized`: all its lemmas. `phrase`: its lemmas, adjacent and in
order. What a word is, and which word of a caption counts as which of a concept, `backend.words` says, which explains the hits,
too. A word that no caption has makes its concept zero; it never drops out of the search.
Cost: 70,000 to 100,000 captions a second on one core of a server, with 4,000 concepts; most of it is `split_words`.
"""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from backend.words import TEXT_METHODS, Lexicon, split_words
from precompute.search.ranges import expand_ranges

METHODS = tuple(TEXT_METHODS)
_BATCH_CAPTIONS = 1 << 13
_BATCH_CHARACTERS = 1 << 20  # so that a batch of long captions takes no more memory than one of short ones
_KEPT_WORDS = 1 << 20

Captions = pa.Array | pa.ChunkedArray  # of strings; a null is a caption without a word

_Pairs = tuple[np.ndarray, np.ndarray]  # caption rows, concept numbers: int32 (hits,) each


@dataclass(frozen=True, eq=False)
class _Needs:
    """Concepts that need equally many tokens: their numbers (concepts,) and the tokens of each (concepts, tokens)."""

    concepts: np.ndarray
    tokens: np.ndarray


@dataclass(frozen=True, eq=False)
class _Places:
    """Where needed tokens stand: the place of a word, and its token, (found,) each; a word counts as one, several or none."""

    places: np.ndarray
    tokens: np.ndarray


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The concepts to search for, by number, and what each method needs to find in a caption.

    `words` and `nouns` number what any concept needs, as it is spelled and as lemmas; `needed` holds, for each method, the
    concepts by how many of those they need. `unsearchable` counts the concepts without a word ("!!!"): they never hit.
    """

    concepts: tuple[str, ...]
    unsearchable: int
    words: Lexicon
    nouns: Lexicon
    needed: dict[str, tuple[_Needs, ...]]


def compile_vocabulary(concepts: Sequence[str]) -> Vocabulary:
    """A vocabulary of these concepts, numbered from 0 in the order given."""
    words, nouns = Lexicon(concepts, lemmatised=False), Lexicon(concepts, lemmatised=True)
    return Vocabulary(
        concepts=tuple(concepts),
        unsearchable=sum(not row for row in words.needs),
        words=words,
        nouns=nouns,
        needed={
            "lemmatized": _group_needs([sorted(set(row)) for row in nouns.needs]),
            "lowercased": _group_needs([sorted(set(row)) for row in words.needs]),
            "phrase": _group_needs(nouns.needs),
        },
    )


def search_captions(captions: Captions, vocabulary: Vocabulary) -> dict[str, _Pairs]:
    """For each method the hits: caption rows and concept numbers, both int32, sorted by both, each pair once."""
    found: dict[str, list[_Pairs]] = {method: [] for method in METHODS}
    known_words = _Words(vocabulary)
    for start, stop in _split_batches(captions):
        rows, words, nouns = known_words.read(pc.fill_null(captions.slice(start, stop - start), "").to_pylist())
        pairs = {
            "lemmatized": _find_all(rows, nouns, stop - start, vocabulary.needed["lemmatized"]),
            "lowercased": _find_all(rows, words, stop - start, vocabulary.needed["lowercased"]),
            "phrase": _find_phrases(rows, nouns, vocabulary.needed["phrase"]),
        }
        for method, (hit_rows, concepts) in pairs.items():
            found[method].append(_sort_pairs(hit_rows + start, concepts, max(len(vocabulary.concepts), 1)))
        if len(known_words) > _KEPT_WORDS:
            known_words = _Words(vocabulary)
    return {method: _join(pairs) for method, pairs in found.items()}


class _Words(dict):
    """Numbers the words of captions as they come: each is looked up in the vocabulary once."""

    def __init__(self, vocabulary: Vocabulary):
        super().__init__()
        self.lexica = (vocabulary.words, vocabulary.nouns)
        self.tokens = (array("i"), array("i"))  # of one word after the other, in each lexicon
        self.ends = (array("i"), array("i"))  # where each word's tokens end

    def __missing__(self, word: str) -> int:
        for lexicon, tokens, ends in zip(self.lexica, self.tokens, self.ends, strict=True):
            tokens.extend(lexicon.find(word))
            ends.append(len(tokens))
        number = self[word] = len(self)
        return number

    def read(self, captions: Sequence[str]) -> tuple[np.ndarray, _Places, _Places]:
        """The caption's row of every word, in order (words,); and where tokens of words and of nouns are among them."""
        number = self.__getitem__
        numbers, ends = array("i"), array("i")
        for caption in captions:
            numbers.extend(map(number, split_words(caption)))
            ends.append(len(numbers))
        rows = np.repeat(np.arange(len(captions), dtype=np.int32), np.diff(ends, prepend=0))
        words, nouns = (_place_tokens(np.array(numbers), *pair) for pair in zip(self.tokens, self.ends, strict=True))
        return rows, words, nouns


def _place_tokens(numbers: np.ndarray, tokens: array, ends: array) -> _Places:
    stops = np.array(ends)
    counts = np.diff(stops, prepend=0)
    lengths = counts[numbers]
    found = np.array(tokens)[expand_ranges((stops - counts)[numbers], lengths)]
    return _Places(np.repeat(np.arange(len(numbers)), lengths), found)


def _split_batches(captions: Captions) -> Iterator[tuple[int, int]]:
    """The rows where batches of bounded number and characters begin and end."""
    ends = pc.fill_null(pc.utf8_length(captions), 0).to_numpy(zero_copy_only=False).cumsum(dtype=np.int64)
    start = characters = 0
    while start < len(ends):
        full = int(np.searchsorted(ends, characters + _BATCH_CHARACTERS)) + 1
        stop = min(full, start + _BATCH_CAPTIONS, len(ends))
        yield start, stop
        start, characters = stop, ends[stop - 1]


def _group_needs(rows: Sequence[Sequence[int]]) -> tuple[_Needs, ...]:
    """The concepts by the number of their tokens; those without any are in no group."""
    groups: dict[int, list[int]] = {}
    for concept, row in enumerate(rows):
        if row:
            groups.setdefault(len(row), []).append(concept)
    return tuple(
        _Needs(np.array(concepts, np.int32), np.array([rows[concept] for concept in concepts], np.int32))
        for _, concepts in sorted(groups.items())
    )


def _find_all(rows: np.ndarray, found: _Places, size: int, needs: tuple[_Needs, ...]) -> _Pairs:
    """The (row, concept) pairs where the row, out of `size`, has all tokens of the concept in any order.

    Only rows that have the concept's rarest token are looked at.
    """
    keys = _sort_distinct(found.tokens * np.int64(size) + rows[found.places])  # by token, then row
    present = keys // size
    pairs = []
    for group in needs:
        counts = _count(present, group.tokens)
        by_rarity = np.take_along_axis(group.tokens, counts.argsort(axis=1, kind="stable"), axis=1)
        lengths = counts.min(axis=1)
        which = np.repeat(np.arange(len(lengths)), lengths)
        candidates = keys[expand_ranges(np.searchsorted(keys, by_rarity[:, 0].astype(np.int64) * size), lengths)] % size
        for column in range(1, by_rarity.shape[1]):
            if not len(which):
                break
            wanted = by_rarity[which, column].astype(np.int64) * size + candidates
            there = _contains(keys, wanted)
            which, candidates = which[there], candidates[there]
        pairs.append((candidates, group.concepts[which]))
    return _join(pairs)


def _find_phrases(rows: np.ndarray, found: _Places, needs: tuple[_Needs, ...]) -> _Pairs:
    """The (row, concept) pairs where the row has the tokens of the concept next to each other and in order.

    Only the places of the concept's rarest token are looked at. A pair may come more than once.
    """
    size = max(len(rows), 1)
    keys = np.sort(found.tokens * np.int64(size) + found.places)  # by token, then place
    present = keys // size
    pairs = []
    for group in needs:
        width = group.tokens.shape[1]
        counts = _count(present, group.tokens)
        slots = counts.argmin(axis=1)
        lengths = counts.min(axis=1)
        rarest = np.take_along_axis(group.tokens, slots[:, None], axis=1)[:, 0]
        which = np.repeat(np.arange(len(lengths)), lengths)
        begins = keys[expand_ranges(np.searchsorted(keys, rarest.astype(np.int64) * size), lengths)] % size - slots[which]
        inside = (begins >= 0) & (begins + width <= len(rows))
        which, begins = which[inside], begins[inside]
        same_row = rows[begins] == rows[begins + width - 1]
        which, begins = which[same_row], begins[same_row]
        for column in range(width if width > 1 else 0):  # the rarest of one token is there already
            there = _contains(keys, group.tokens[which, column].astype(np.int64) * size + begins + column)
            which, begins = which[there], begins[there]
        pairs.append((rows[begins], group.concepts[which]))
    return _join(pairs)


def _contains(keys: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Which of these keys are among ordered ones, of which there is at least one where any is wanted."""
    return keys[np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)] == wanted


def _count(ordered: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    """How often each of these tokens stands in an ordered array."""
    return np.searchsorted(ordered, tokens, "right") - np.searchsorted(ordered, tokens)


def _sort_distinct(keys: np.ndarray) -> np.ndarray:
    ordered = np.sort(keys)
    return ordered[np.diff(ordered, prepend=-1) > 0]


def _join(found: list[_Pairs]) -> _Pairs:
    nothing = np.empty(0, np.int32)
    rows, concepts = (np.concatenate([nothing, *(pair[side] for pair in found)]) for side in (0, 1))
    return rows, concepts


def _sort_pairs(rows: np.ndarray, concepts: np.ndarray, count: int) -> _Pairs:
    """The distinct pairs in order, int32; `count` is more than the highest concept number."""
    rows, concepts = np.divmod(_sort_distinct(rows * np.int64(count) + concepts), count)
    return rows.astype(np.int32), concepts.astype(np.int32)
