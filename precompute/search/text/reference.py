"""The text search in plain Python and numpy: what the compiled one has to equal, and what stands in where numba cannot run.

Cost: 70,000 to 160,000 captions a second on one core of a server, with 4,000 concepts; most of it is `split_words`.
"""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from backend.words import TEXT_METHODS, split_words
from precompute.search.ranges import expand_ranges
from precompute.search.text.vocabulary import Need, Vocabulary

_BATCH_CAPTIONS = 1 << 13
_BATCH_BYTES = 1 << 20  # so that a batch of long captions takes no more memory than one of short ones
_KEPT_WORDS = 1 << 20

Captions = pa.Array | pa.ChunkedArray  # of strings of any kind; a null is a caption without a word

_Pairs = tuple[np.ndarray, np.ndarray]  # caption rows, concept numbers: int32 (hits,) each


@dataclass(frozen=True, eq=False)
class _Needs:
    """Needs of equally many tokens: the concepts' numbers (needs,) and the tokens of each (needs, tokens)."""

    concepts: np.ndarray
    tokens: np.ndarray


@dataclass(frozen=True, eq=False)
class _Places:
    """Where needed tokens stand: the place of a word, and its token, (found,) each; a word counts as one, several or none."""

    places: np.ndarray
    tokens: np.ndarray


def search_plainly(captions: Captions, vocabulary: Vocabulary) -> dict[str, _Pairs]:
    """For each method the hits: caption rows and concept numbers, both int32, sorted by both, each pair once."""
    found: dict[str, list[_Pairs]] = {method: [] for method in vocabulary.needs}
    needed = {method: _group_needs(needs) for method, needs in vocabulary.needs.items()}
    captions = captions.cast(pa.large_binary())
    known_words = _Words(vocabulary)
    for start, stop in _split_batches(captions):
        texts = [text.decode(errors="replace") for text in pc.fill_null(captions.slice(start, stop - start), b"").to_pylist()]
        rows, words, nouns = known_words.read(texts)
        for name in vocabulary.needs:
            method = TEXT_METHODS[name]
            places = nouns if method.lemmatised else words
            if method.adjacent:
                hit_rows, concepts = _find_phrases(rows, places, needed[name])
            else:
                hit_rows, concepts = _find_all(rows, places, stop - start, needed[name])
            found[name].append(_sort_pairs(hit_rows + start, concepts, max(len(vocabulary.concepts), 1)))
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
    """The rows where batches of bounded number and bytes begin and end."""
    ends = pc.fill_null(pc.binary_length(captions), 0).to_numpy(zero_copy_only=False).cumsum(dtype=np.int64)
    start = characters = 0
    while start < len(ends):
        full = int(np.searchsorted(ends, characters + _BATCH_BYTES)) + 1
        stop = min(full, start + _BATCH_CAPTIONS, len(ends))
        yield start, stop
        start, characters = stop, ends[stop - 1]


def _group_needs(needs: Sequence[Need]) -> tuple[_Needs, ...]:
    """The needs by the number of their tokens."""
    groups: dict[int, list[Need]] = {}
    for need in needs:
        groups.setdefault(len(need.tokens), []).append(need)
    return tuple(
        _Needs(np.array([need.concept for need in group], np.int32), np.array([need.tokens for need in group], np.int32))
        for _, group in sorted(groups.items())
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
