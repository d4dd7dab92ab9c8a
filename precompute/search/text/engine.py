"""The compiled text search: one for a vocabulary, which remembers every word that it has met; threads may share it.

A word is asked for in `backend.words` once, when it is met first. Threads read the table of words without a lock: what they
miss there is looked for again, and added, by one of them at a time, and nothing that was written is written again.
"""

import threading
from dataclasses import dataclass

import numba
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba.core.errors import NumbaError

from backend.words import TEXT_METHODS, split_words
from precompute.search.text import kernels, matching
from precompute.search.text.reference import search_plainly
from precompute.search.text.vocabulary import METHODS, Vocabulary, compile_vocabulary

KNOWN_WORDS = 1 << 20  # and BYTES of them: then the table begins anew, so that its memory is bounded
KNOWN_BYTES = 1 << 26
ENOUGH_CAPTIONS = 1 << 12  # that tell which words are rare
USUAL_HITS = 24  # of a caption, that there is room for at once


@dataclass(frozen=True, eq=False)
class Utf8:
    """Captions as Arrow holds them: caption `row` is `bytes[offsets[row]:offsets[row + 1]]`, uint8 and int64.

    `quads`: the same bytes by eight, uint64, without the last that are fewer.
    """

    bytes: np.ndarray
    quads: np.ndarray
    offsets: np.ndarray


def view_utf8(captions: pa.Array) -> Utf8:
    """The bytes of an array of strings, short or long; a null is an empty caption."""
    if captions.null_count:
        captions = pc.fill_null(captions, "")
    _, offsets, data = captions.buffers()
    kind = np.int64 if pa.types.is_large_string(captions.type) else np.int32
    if not len(captions):
        return Utf8(np.empty(0, np.uint8), np.empty(0, np.uint64), np.zeros(1, np.int64))
    ends = np.frombuffer(offsets, kind)[captions.offset : captions.offset + len(captions) + 1]
    held = np.frombuffer(data or b"", np.uint8)
    return Utf8(held, np.require(held[: len(held) // 8 * 8].view(np.uint64), requirements="A"), ends.astype(np.int64))


class Engine:
    """Searches captions for a vocabulary.

    A hit has a key: the concept's number times the number of methods, and the method's: keys sort hits by concept and method.
    """

    def __init__(self, vocabulary: Vocabulary):
        self.methods = tuple(vocabulary.needs)
        self._lock = threading.Lock()
        self._needs = _Needs(vocabulary)
        self.key_count = self._needs.key_count
        self._table = _Table(self._needs)
        self._rules = self._needs.order_rules(self._needs.counts)
        self._is_guess = True

    @property
    def known_words(self) -> int:
        """How many distinct words, and what stands for words, it remembers now."""
        return self._table.count

    def find_in_order(self, captions: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        """The hits: rows and keys, int32 (hits,) each, sorted by both."""
        rows, keys = self.find(captions)
        matching.sort_rows(rows, keys)
        return rows, keys

    def find_by_key(self, captions: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        """Of each key the number of its hits (keys,), and the rows of all, by key and row; int32."""
        return matching.sort_hits(*self.find(captions), self.key_count)

    def find(self, captions: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        """The hits: rows by rising row, keys in any order within one; int32 (hits,) each."""
        table = self._table
        if self._is_guess and len(captions) >= ENOUGH_CAPTIONS:
            self._learn(captions[:ENOUGH_CAPTIONS])
        read, entries = table.read(view_utf8(captions), self._lock)
        hits = self._match(read, entries)
        with self._lock:
            if self._table is table and table.is_full:
                self._table = _Table(self._needs)
        return hits

    def _match(self, read: tuple, entries: tuple) -> tuple[np.ndarray, np.ndarray]:
        """The hits of words that are known."""
        row, captions, pieces = 0, len(read[2]), [(np.empty(0, np.int32), np.empty(0, np.int32))]
        while row < captions:
            room = USUAL_HITS * (captions - row) + self.key_count + 1
            rows, keys = np.empty(room, np.int32), np.empty(room, np.int32)
            sizes = (self._needs.token_count, self.key_count)
            row, count = matching.match_words(read, entries, self._rules, *sizes, row, rows, keys)
            pieces.append((rows[:count], keys[:count]))
        if len(pieces) == 2:
            return pieces[1]
        return np.concatenate([rows for rows, _ in pieces]), np.concatenate([keys for _, keys in pieces])

    def _learn(self, captions: pa.Array) -> None:
        """Which words are rare; and most of the words that come, so that few of many captions are missing."""
        (found, _, ends), _ = self._table.read(view_utf8(captions), self._lock)
        self._rules = self._needs.order_rules(self._table.count_tokens(found[: ends[-1]]))
        self._is_guess = False


class _Needs:
    """What a vocabulary needs, as the kernels ask for it. Tokens are numbered: those of `words`, then those of `nouns`.

    `keys`: by token, those that it names alone · `rules`: the key, the tokens and whether they have to stand in a row, of what
    needs several · `counts`: in how many rules each token is; a guess at which are frequent.
    """

    def __init__(self, vocabulary: Vocabulary):
        self.lexica = ((vocabulary.words, 0), (vocabulary.nouns, len(vocabulary.words.words)))
        self.token_count = len(vocabulary.words.words) + len(vocabulary.nouns.words)
        self.key_count = max(len(vocabulary.concepts), 1) * max(len(vocabulary.needs), 1)
        self.keys: dict[int, list[int]] = {}
        self.rules: list[tuple[int, tuple[int, ...], bool]] = []
        for number, name in enumerate(vocabulary.needs):
            method = TEXT_METHODS[name]
            shift = self.lexica[method.lemmatised][1]
            for need in vocabulary.needs[name]:
                key, tokens = need.concept * len(vocabulary.needs) + number, tuple(token + shift for token in need.tokens)
                if len(tokens) == 1:
                    self.keys.setdefault(tokens[0], []).append(key)
                else:
                    self.rules.append((key, tokens, method.adjacent))
        self.counts = np.bincount([token for _, tokens, _ in self.rules for token in tokens], minlength=self.token_count)

    def order_rules(self, counts: np.ndarray) -> tuple[np.ndarray, ...]:
        """The rules as `matching.match_words` takes them, each at the rarest of its tokens by these counts."""
        anchors = [min(range(len(tokens)), key=lambda slot: (counts[tokens[slot]], slot)) for _, tokens, _ in self.rules]
        rarest = np.array([tokens[slot] for (_, tokens, _), slot in zip(self.rules, anchors, strict=True)], np.int64)
        order = rarest.argsort(kind="stable")
        rules = [self.rules[rule] for rule in order]
        return (
            np.searchsorted(rarest[order], np.arange(self.token_count + 2)).astype(np.int32),
            np.array([key for key, _, _ in rules], np.int32),
            np.cumsum([0, *(len(tokens) for _, tokens, _ in rules)], dtype=np.int64),
            np.array([anchors[rule] for rule in order], np.int64),
            np.array([adjacent for _, _, adjacent in rules], bool),
            np.array([token for _, tokens, _ in rules for token in tokens], np.int32),
        )

    def look_up(self, text: str) -> tuple[int, list[int], list[int], list[int]]:
        """What a word or chunk means: how many words it has, the keys that one of them names, the other tokens that rules
        ask for, and at which of the words each is."""
        words = [text] if text.isascii() and text.isalnum() else split_words(text)
        keys, tokens, places = [], [], []
        for place, word in enumerate(words):
            found = [number + shift for lexicon, shift in self.lexica for number in lexicon.find(word)]
            keys += [key for token in found for key in self.keys.get(token, ())]
            asked = [token for token in found if self.counts[token]]
            tokens += asked
            places += [place] * len(asked)
        return len(words), keys, tokens, places


class _Table:
    """The words and chunks met so far, by number, and what each means."""

    def __init__(self, needs: _Needs):
        self.needs = needs
        self.count, self.used, self._filled = 0, 0, 0
        # What threads look at: slots, in each a key and the entry's number; of each entry where its bytes begin, how many; the
        # bytes. One tuple, so that they never see arrays that do not belong together.
        self._slots = (
            np.zeros((1 << 12, 2), np.uint64),
            np.zeros(1 << 10, np.int64),
            np.zeros(1 << 10, np.int64),
            np.zeros(1 << 14, np.uint8),
        )
        # Of each entry where its keys and its tokens begin, where they end, how many words it has, its first key and its first
        # token; keys and tokens; the words that they stand at.
        self._entries = (np.zeros((1 << 10, 6), np.int32), np.zeros(1 << 12, np.int32), np.zeros(1 << 12, np.int32))

    @property
    def is_full(self) -> bool:
        """Whether it takes as much memory as it may."""
        return self.count > KNOWN_WORDS or self.used > KNOWN_BYTES

    def read(self, captions: Utf8, lock: threading.Lock) -> tuple[tuple, tuple]:
        """What `matching.match_words` takes: the words of captions, all of them known now, and the entries of the table."""
        rows = len(captions.offsets) - 1
        length = int(captions.offsets[-1] - captions.offsets[0])
        most = (length + rows) // 2 + 1  # words, as there is a sign between two
        found, skipped, ends = np.empty(most, np.int32), np.empty(most, np.int32), np.empty(rows, np.int64)
        missing = (np.empty(most, np.uint64), np.empty(most, np.int64), np.empty(most, np.int64))
        missed = kernels.read_words(
            captions.bytes, captions.quads, captions.offsets, self._slots, found, skipped, ends, missing
        )
        words = found[: ends[-1] if rows else 0]
        with lock:  # also where nothing is missing: another thread may be about to write the tokens of what was found
            if missed:
                numbers = self._add(captions.bytes, missing, missed)
                unknown = words < 0
                words[unknown] = numbers[-1 - words[unknown]]
            entries = self._entries
        return (found, skipped, ends), entries

    def count_tokens(self, found: np.ndarray) -> np.ndarray:
        """How often each token is among the entries `found`."""
        times = np.bincount(found, minlength=self.count)
        bounds, held, _ = self._entries
        counts = np.zeros(self.needs.token_count, np.int64)
        for entry in times.nonzero()[0]:
            counts[held[bounds[entry, 1] : bounds[entry, 2]]] += times[entry]
        return counts

    def _add(self, data: np.ndarray, missing: tuple, missed: int) -> np.ndarray:
        """The entries of missing words; those that are not there yet are added."""
        numbers, done, first = np.empty(missed, np.int32), 0, self.count
        while done < missed:
            self._make_room(int(abs(missing[2][done])))
            size = (self.count, self.used)
            done, self.count, self.used = kernels.add_words(data, missing, done, missed, self._slots, size, numbers)
        held, places, bounds = [], [], []
        for entry in range(first, self.count):
            width, keys, tokens, words = self.needs.look_up(self._read_entry(entry))
            start = self._filled + len(held)
            first_key, first_token = next(iter(keys), self.needs.key_count), next(iter(tokens), self.needs.token_count)
            bounds.append((start, start + len(keys), start + len(keys) + len(tokens), width, first_key, first_token))
            held += [*keys, *tokens]
            places += [*[0] * len(keys), *words]
        stop = self._filled + len(held)
        all_bounds, all_held, all_places = self._entries
        all_held, all_places = _grow(all_held, stop), _grow(all_places, stop)
        all_held[self._filled : stop], all_places[self._filled : stop] = held, places
        added = all_bounds[first : self.count]
        added[:] = np.array(bounds, np.int32).reshape(-1, 6)
        self._entries, self._filled = (all_bounds, all_held, all_places), stop
        kernels.settle_words(self._slots[0], first, (added[:, 0] == added[:, 2]) & (added[:, 3] == 1))
        return numbers

    def _read_entry(self, entry: int) -> str:
        _, starts, lengths, data = self._slots
        return data[starts[entry] : starts[entry] + lengths[entry]].tobytes().decode(errors="replace")

    def _make_room(self, length: int) -> None:
        """Grows what is nearly full; what other threads look at stays as it is."""
        words, starts, lengths, data = self._slots
        if 2 * self.count >= len(words):
            more = np.zeros((2 * len(words), 2), np.uint64)
            kernels.move_slots(words, more)
            words = more
        starts, lengths = _grow(starts, self.count + 1), _grow(lengths, self.count + 1)
        self._slots = (words, starts, lengths, _grow(data, self.used + length))
        bounds, held, places = self._entries
        self._entries = (_grow(bounds, len(starts)), held, places)


def _grow(array: np.ndarray, size: int) -> np.ndarray:
    """The array, or a longer one that begins with it."""
    if size <= len(array):
        return array
    longer = np.zeros((max(size, 2 * len(array)), *array.shape[1:]), array.dtype)
    longer[: len(array)] = array
    return longer


def try_engine() -> str | None:
    """Compiles the search and tries it on a few captions: why it cannot run here, None where it can."""
    if numba.config.DISABLE_JIT:
        return "numba is switched off by NUMBA_DISABLE_JIT. Unset it."
    vocabulary = compile_vocabulary(["great white shark", "colt's foot", "café", "rose"])
    captions = pa.array(["Great white SHARKS", "the colt's-foot, in a cafe", None, "cafe\u0301 &amp; roses", "rose`s é"])
    try:
        rows, keys = Engine(vocabulary).find_in_order(captions)
        counts, found = Engine(vocabulary).find_by_key(captions)
        matching.place_rows(np.empty(len(found), np.int64), counts.cumsum() - counts, counts, found, 0)
    except (NumbaError, RuntimeError, OSError) as error:
        return f"numba cannot compile the search ({type(error).__name__}: {error})."
    found = set(zip(rows.tolist(), keys.tolist(), strict=True))
    expected = {
        (row, concept * len(METHODS) + METHODS.index(method))
        for method, pairs in search_plainly(captions, vocabulary).items()
        for row, concept in zip(*(side.tolist() for side in pairs), strict=True)
    }
    return None if found == expected else "what numba compiled finds other captions than it should."
