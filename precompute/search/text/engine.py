"""The compiled text search: one for a vocabulary, which remembers every word that it has met; threads may share it.

A word is asked for in `backend.words` once, when it is met first. Threads read the table of words without a lock: what they miss
there is looked for again, and added, by one of them at a time, and nothing that was written is written again.
"""

import threading
from dataclasses import dataclass

import numba
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba.core.errors import NumbaError

from backend.words import TEXT_METHODS, split_words
from precompute.search.text import kernels
from precompute.search.text.reference import search_plainly
from precompute.search.text.vocabulary import METHODS, Vocabulary, compile_vocabulary

KNOWN_WORDS = 1 << 20  # and BYTES of them: then the table begins anew, so that its memory is bounded
KNOWN_BYTES = 1 << 26
ENOUGH_CAPTIONS = 1 << 12  # that tell which words are rare


@dataclass(frozen=True, eq=False)
class Utf8:
    """Captions as Arrow holds them: caption `row` is `bytes[offsets[row]:offsets[row + 1]]`, uint8 and int64."""

    bytes: np.ndarray
    offsets: np.ndarray


def view_utf8(captions: pa.Array) -> Utf8:
    """The bytes of an array of strings of any kind, without a copy where it is plain; a null is an empty caption."""
    if not (pa.types.is_string(captions.type) or pa.types.is_large_string(captions.type)):
        captions = captions.cast(pa.large_string())
    if captions.null_count:
        captions = pc.fill_null(captions, "")
    _, offsets, data = captions.buffers()
    kind = np.int64 if pa.types.is_large_string(captions.type) else np.int32
    if not len(captions):
        return Utf8(np.empty(0, np.uint8), np.zeros(1, np.int64))
    ends = np.frombuffer(offsets, kind)[captions.offset : captions.offset + len(captions) + 1]
    return Utf8(np.frombuffer(data or b"", np.uint8), ends.astype(np.int64))


class Engine:
    """Searches captions for a vocabulary.

    A hit has a key: the concept's number times the number of methods, and the method's: keys sort hits by concept and method.
    """

    def __init__(self, vocabulary: Vocabulary):
        self.vocabulary = vocabulary
        self.key_count = max(len(vocabulary.concepts), 1) * len(METHODS)
        self._lock = threading.Lock()
        self._table = _Table(vocabulary)
        self._token_count = len(vocabulary.words.words) + len(vocabulary.nouns.words)
        self._rules = _order_rules(vocabulary, self._token_count, None)
        self._is_guess = True

    def find_in_order(self, captions: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        """The hits: rows and keys, int32 (hits,) each, sorted by both."""
        rows, keys = self.find(captions)
        kernels.sort_rows(rows, keys)
        return rows, keys

    def find_by_key(self, captions: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        """Of each key the number of its hits (keys,), and the rows of all, by key and row; int32."""
        return kernels.sort_hits(*self.find(captions), self.key_count)

    def find(self, captions: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        """The hits: rows by rising row, keys in any order within one; int32 (hits,) each."""
        table = self._table
        read, entries = table.read(view_utf8(captions), self._lock)
        rows, keys, counts = kernels.match_words(read, entries, self._rules, self.key_count)
        with self._lock:
            if self._is_guess and len(captions) >= ENOUGH_CAPTIONS:
                self._rules = _order_rules(self.vocabulary, self._token_count, counts)
                self._is_guess = False
            if self._table is table and table.is_full:
                self._table = _Table(self.vocabulary)
        return rows, keys


class _Table:
    """The words and chunks met so far, by number, and the tokens of each."""

    def __init__(self, vocabulary: Vocabulary):
        self.vocabulary = vocabulary
        self.count, self.used = 0, 0
        # What threads look at: slots by key, in each the entry's number; of each entry where its bytes begin, how many; the bytes.
        # One tuple, so that they never see arrays that do not belong together.
        self._slots = (
            np.zeros(1 << 12, np.uint64),
            np.zeros(1 << 12, np.int32),
            np.zeros(1 << 10, np.int64),
            np.zeros(1 << 10, np.int64),
            np.zeros(1 << 14, np.uint8),
        )
        self._token_starts, self._widths = np.zeros((1 << 10) + 1, np.int64), np.zeros(1 << 10, np.int32)
        self._tokens, self._places = np.zeros(1 << 12, np.int32), np.zeros(1 << 12, np.int32)

    @property
    def is_full(self) -> bool:
        """Whether it takes as much memory as it may."""
        return self.count > KNOWN_WORDS or self.used > KNOWN_BYTES

    def read(self, captions: Utf8, lock: threading.Lock) -> tuple[tuple, tuple]:
        """What `kernels.match_words` takes: the words of captions, all of them known now, and the entries of the table."""
        rows = len(captions.offsets) - 1
        length = int(captions.offsets[-1] - captions.offsets[0])
        most = (length + rows) // 2 + 1  # words, as there is a sign between two
        found, skipped, ends = np.empty(most, np.int32), np.empty(most, np.int32), np.empty(rows, np.int64)
        missing = (np.empty(most, np.uint64), np.empty(most, np.int64), np.empty(most, np.int64))
        missed = kernels.read_words(captions.bytes, captions.offsets, self._slots, found, skipped, ends, missing)
        words = found[: ends[-1] if rows else 0]
        with lock:  # also where nothing is missing: another thread may be about to write the tokens of what was found
            if missed:
                numbers = self._add(captions.bytes, missing, missed)
                unknown = words < 0
                words[unknown] = numbers[-1 - words[unknown]]
            entries = (self._token_starts, self._tokens, self._places, self._widths)
        return (found, skipped, ends), entries

    def _add(self, data: np.ndarray, missing: tuple, missed: int) -> np.ndarray:
        """The entries of missing words; those that are not there yet are added."""
        numbers, done, first = np.empty(missed, np.int32), 0, self.count
        while done < missed:
            self._make_room(int(abs(missing[2][done])))
            size = (self.count, self.used)
            done, self.count, self.used = kernels.add_words(data, missing, done, missed, self._slots, size, numbers)
        tokens, places, counts = [], [], []
        for entry in range(first, self.count):
            held = len(tokens)
            self._widths[entry] = self._look_up(entry, tokens, places)
            counts.append(len(tokens) - held)
        start = int(self._token_starts[first])
        self._tokens = _grow(self._tokens, start + len(tokens))
        self._places = _grow(self._places, start + len(tokens))
        self._tokens[start : start + len(tokens)], self._places[start : start + len(tokens)] = tokens, places
        self._token_starts[first + 1 : self.count + 1] = start + np.cumsum(counts, dtype=np.int64)
        if self.count > first:
            counts = np.array(counts, np.int32)
            counts[self._widths[first : self.count] != 1] = 1
            kernels.settle_words(self._slots, first, counts)
        return numbers

    def _look_up(self, entry: int, tokens: list[int], places: list[int]) -> int:
        """Appends the tokens of an entry, and which of its words they are; the number of its words."""
        _, _, starts, lengths, data = self._slots
        text = data[starts[entry] : starts[entry] + lengths[entry]].tobytes().decode(errors="replace")
        words = [text] if text.isascii() and text.isalnum() else split_words(text)
        spelled, nouns = self.vocabulary.words, self.vocabulary.nouns
        for place, word in enumerate(words):
            found = [*spelled.find(word), *(len(spelled.words) + number for number in nouns.find(word))]
            tokens.extend(found)
            places.extend([place] * len(found))
        return len(words)

    def _make_room(self, length: int) -> None:
        """Grows what is nearly full; what other threads look at stays as it is."""
        keys, values, starts, lengths, data = self._slots
        if 2 * self.count >= len(keys):
            more = np.zeros(4 * len(keys), np.uint64), np.zeros(4 * len(keys), np.int32)
            kernels.move_slots(keys, values, *more)
            keys, values = more
        starts, lengths = _grow(starts, self.count + 1), _grow(lengths, self.count + 1)
        self._slots = (keys, values, starts, lengths, _grow(data, self.used + length))
        self._widths = _grow(self._widths, len(starts))
        self._token_starts = _grow(self._token_starts, len(starts) + 1)


def _grow(array: np.ndarray, size: int) -> np.ndarray:
    """The array, or a longer one that begins with it."""
    if size <= len(array):
        return array
    longer = np.zeros(max(size, 2 * len(array)), array.dtype)
    longer[: len(array)] = array
    return longer


def _order_rules(vocabulary: Vocabulary, token_count: int, counts: np.ndarray | None) -> tuple[np.ndarray, ...]:
    """What `kernels.match_words` takes: each need as a rule of its rarest token.

    `counts` of captions by token; without, a token that many concepts need is taken for a frequent one.
    """
    listed = []
    for number, name in enumerate(METHODS):
        method = TEXT_METHODS[name]
        shift = len(vocabulary.words.words) if method.lemmatised else 0
        for need in vocabulary.needs[name]:
            key = need.concept * len(METHODS) + number
            listed.append((key, method.adjacent, tuple(token + shift for token in need.tokens)))
    if counts is None:
        counts = np.bincount([token for *_, tokens in listed for token in tokens], minlength=token_count)
    anchors = [min(range(len(tokens)), key=lambda slot: (counts[tokens[slot]], slot)) for *_, tokens in listed]
    order = sorted(range(len(listed)), key=lambda rule: listed[rule][2][anchors[rule]])
    lengths = np.array([len(listed[rule][2]) for rule in order], np.int64)
    starts = np.concatenate([[0], lengths.cumsum()]).astype(np.int64)
    rarest = np.array([listed[rule][2][anchors[rule]] for rule in order], np.int64)
    return (
        np.searchsorted(rarest, np.arange(token_count + 1)),
        np.array([listed[rule][0] for rule in order], np.int32),
        starts,
        starts[:-1] + np.array([anchors[rule] for rule in order], np.int64),
        np.array([listed[rule][1] for rule in order], bool),
        np.array([token for rule in order for token in listed[rule][2]], np.int32),
    )


def try_engine() -> str | None:
    """Compiles the search and tries it on a few captions: why it cannot run here, None where it can."""
    if numba.config.DISABLE_JIT:
        return "numba is switched off by NUMBA_DISABLE_JIT. Unset it."
    vocabulary = compile_vocabulary(["great white shark", "colt's foot", "café", "rose"])
    captions = pa.array(["Great white SHARKS", "the colt's-foot, in a cafe", None, "cafe\u0301 &amp; roses", "rose`s é"])
    try:
        rows, keys = Engine(vocabulary).find_in_order(captions)
        Engine(vocabulary).find_by_key(captions)
    except (NumbaError, RuntimeError, OSError) as error:
        return f"numba cannot compile the search ({type(error).__name__}: {error})."
    found = set(zip(rows.tolist(), keys.tolist(), strict=True))
    expected = {
        (row, concept * len(METHODS) + METHODS.index(method))
        for method, pairs in search_plainly(captions, vocabulary).items()
        for row, concept in zip(*(side.tolist() for side in pairs), strict=True)
    }
    return None if found == expected else "what numba compiled finds other captions than it should."
