"""The compiled text search: one for a vocabulary, which remembers every word that it has met; threads may share it.

A word is asked for in `backend.words` once, when it is met first. Threads read the table of words without a lock: what they
miss there is looked for again, and added, by one of them at a time, and nothing that was written is written again.
"""

import threading
from collections.abc import Mapping
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

    A hit is a caption that names a concept, by a set of methods: bit n of the set stands for the n-th of `methods`.
    """

    def __init__(self, vocabulary: Vocabulary):
        self.methods = tuple(vocabulary.needs)
        self._lock = threading.Lock()
        self._needs = _Needs(vocabulary)
        self.concept_count = self._needs.concept_count
        self._table = _Table(self._needs)
        self._rules = self._needs.order_rules(self._needs.counts)
        self._is_guess = True

    @property
    def known_words(self) -> int:
        """How many distinct words, and what stands for words, it remembers now."""
        return self._table.count

    def find_in_order(self, captions: pa.Array) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The hits: rows, concepts and sets of methods, int32 (hits,) each, sorted by row and concept."""
        concepts, found = self.find(captions)
        shift = len(self.methods)
        rows, sets = found >> shift, found & ((1 << shift) - 1)
        order = np.argsort(rows * np.int64(self.concept_count) + concepts)
        return rows[order], concepts[order], sets[order]

    def find_by_concept(self, captions: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        """Of each concept the number of its hits (concepts,), and all hits by concept and row, as `find` has them; int32."""
        return matching.sort_hits(*self.find(captions), self.concept_count)

    def find(self, captions: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        """The hits by rising row: concepts, in any order within one, and `row << len(methods) | set`; int32 (hits,) each."""
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
        sizes = (self._needs.token_count, self.concept_count, len(self.methods))
        while row < captions:
            room = USUAL_HITS * (captions - row) + self.concept_count + 1
            concepts, found = np.empty(room, np.int32), np.empty(room, np.int32)
            row, count = matching.match_words(read, entries, self._rules, *sizes, row, concepts, found)
            pieces.append((concepts[:count], found[:count]))
        if len(pieces) == 2:
            return pieces[1]
        return np.concatenate([concepts for concepts, _ in pieces]), np.concatenate([found for _, found in pieces])

    def _learn(self, captions: pa.Array) -> None:
        """Which words are rare; and most of the words that come, so that few of many captions are missing."""
        (found, _, ends), _ = self._table.read(view_utf8(captions), self._lock)
        self._rules = self._needs.order_rules(self._table.count_tokens(found[: ends[-1]]))
        self._is_guess = False


@dataclass
class _Rule:
    """The tokens that a caption must have for a concept: its name by the methods that ask for no more, by those that ask for a
    phrase, whose order `phrase` has, and by those that ask for `spelled` too, words as they are spelled, which no caption has
    without the tokens. A name of no method stands for none."""

    tokens: frozenset[int]
    name: int
    phrase_name: int
    spelled_name: int
    phrase: tuple[int, ...] = ()
    spelled: tuple[int, ...] = ()


class _Needs:
    """What a vocabulary needs, as the kernels ask for it. Tokens are numbered: those of `words`, then those of `nouns`.

    A name is `concept << methods | set`, where bit n of the set stands for the n-th method. `names`: by token, those that need
    nothing else · `rules`: what needs several · `counts`: in how many rules each token is; a guess at which are frequent ·
    `spelled`: the tokens that are looked for where the others of their rule are there.
    """

    def __init__(self, vocabulary: Vocabulary):
        self.lexica = ((vocabulary.words, 0), (vocabulary.nouns, len(vocabulary.words.words)))
        self.token_count = len(vocabulary.words.words) + len(vocabulary.nouns.words)
        self.concept_count = max(len(vocabulary.concepts), 1)
        self.shift = len(vocabulary.needs)
        self.names: dict[int, list[int]] = {}
        rules: dict[tuple[int, frozenset[int]], _Rule] = {}
        for number, method_name in enumerate(vocabulary.needs):
            method = TEXT_METHODS[method_name]
            shift = self.lexica[method.lemmatised][1]
            for need in vocabulary.needs[method_name]:
                name, tokens = need.concept << self.shift | 1 << number, tuple(token + shift for token in need.tokens)
                if len(tokens) == 1:
                    self.names.setdefault(tokens[0], []).append(name)
                    continue
                bare = need.concept << self.shift
                rule = rules.setdefault((need.concept, frozenset(tokens)), _Rule(frozenset(tokens), *[bare] * 3))
                if method.adjacent:
                    rule.phrase, rule.phrase_name = tokens, rule.phrase_name | name
                else:
                    rule.name |= name
        self.rules = _nest_rules(rules, vocabulary)
        self.spelled = {token for rule in self.rules for token in rule.spelled}
        self.counts = np.bincount([token for rule in self.rules for token in rule.tokens], minlength=self.token_count)

    def order_rules(self, counts: np.ndarray) -> matching.Rules:
        """The rules, each at the rarest of its tokens by these counts."""
        ordered = [sorted(rule.tokens, key=lambda token: (counts[token], token)) for rule in self.rules]
        rarest = np.array([tokens[0] for tokens in ordered], np.int64)
        order = rarest.argsort(kind="stable")
        rules = [(self.rules[rule], ordered[rule]) for rule in order]
        of_rule = [rule for rule, _ in rules]
        others = [tokens[1:] for _, tokens in rules]
        phrases, spelled = ([getattr(rule, name) for rule in of_rule] for name in ("phrase", "spelled"))
        anchors = [phrase.index(tokens[0]) if phrase else 0 for phrase, (_, tokens) in zip(phrases, rules, strict=True)]
        return matching.Rules(
            np.searchsorted(rarest[order], np.arange(self.token_count + 2)).astype(np.int32),
            *(
                np.array([getattr(rule, name) for rule in of_rule], np.int32)
                for name in ("name", "phrase_name", "spelled_name")
            ),
            *(np.cumsum([0, *map(len, each)], dtype=np.int64) for each in (others, phrases, spelled)),
            np.array(anchors, np.int64),
            *(np.array([token for tokens in each for token in tokens], np.int32) for each in (others, phrases, spelled)),
        )

    def look_up(self, text: str) -> tuple[int, list[int], list[int], list[int], list[int]]:
        """What a word or chunk means: how many words it has, the names that one of them is, the other tokens that rules ask
        for, at which of the words each is, and those of `spelled`."""
        words = [text] if text.isascii() and text.isalnum() else split_words(text)
        sets: dict[int, int] = {}
        tokens, places, spelled = [], [], []
        for place, word in enumerate(words):
            found = [number + shift for lexicon, shift in self.lexica for number in lexicon.find(word)]
            for name in (name for token in found for name in self.names.get(token, ())):
                concept = name >> self.shift
                sets[concept] = sets.get(concept, 0) | name
            asked = [token for token in found if self.counts[token]]
            tokens += asked
            places += [place] * len(asked)
            spelled += [token for token in found if token in self.spelled]
        return len(words), list(sets.values()), tokens, places, spelled


def _nest_rules(rules: Mapping[tuple[int, frozenset[int]], _Rule], vocabulary: Vocabulary) -> list[_Rule]:
    """The rules, without those for words as they are spelled where another rule of the concept holds wherever these do: each
    of its tokens is what one of the words counts as. Most do, and are then asked for in few captions."""
    words, shift = vocabulary.words.words, len(vocabulary.words.words)
    of_nouns = {concept: rule for (concept, tokens), rule in rules.items() if min(tokens) >= shift}
    kept = []
    for (concept, tokens), rule in rules.items():
        wider = of_nouns.get(concept)
        if wider and wider is not rule:
            implied = {shift + noun for token in tokens for noun in vocabulary.nouns.find(words[token])}
            if wider.tokens <= implied:
                wider.spelled, wider.spelled_name = tuple(sorted(tokens)), rule.name
                continue
        kept.append(rule)
    return kept


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
        # Of each entry where its names and its tokens begin, where they end, how many words it has, its first name and first
        # token, and where its spelled ones end; names, tokens, spelled ones; the words that they stand at.
        self._entries = (np.zeros((1 << 10, 7), np.int32), np.zeros(1 << 12, np.int32), np.zeros(1 << 12, np.int32))

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
            width, names, tokens, words, spelled = self.needs.look_up(self._read_entry(entry))
            start = self._filled + len(held)
            first_name = next(iter(names), self.needs.concept_count << self.needs.shift)
            first_token = next(iter(tokens), self.needs.token_count)
            middle, end = start + len(names), start + len(names) + len(tokens)
            bounds.append((start, middle, end, width, first_name, first_token, end + len(spelled)))
            held += [*names, *tokens, *spelled]
            places += [*[0] * len(names), *words, *[0] * len(spelled)]
        stop = self._filled + len(held)
        all_bounds, all_held, all_places = self._entries
        all_held, all_places = _grow(all_held, stop), _grow(all_places, stop)
        all_held[self._filled : stop], all_places[self._filled : stop] = held, places
        added = all_bounds[first : self.count]
        added[:] = np.array(bounds, np.int32).reshape(-1, 7)
        self._entries, self._filled = (all_bounds, all_held, all_places), stop
        kernels.settle_words(self._slots[0], first, (added[:, 0] == added[:, 6]) & (added[:, 3] == 1))
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
        rows, concepts, sets = Engine(vocabulary).find_in_order(captions)
        counts, hits = Engine(vocabulary).find_by_concept(captions)
        merged = (np.empty(len(hits), np.int64), np.empty(len(hits), np.uint8))
        matching.place_hits(*merged, counts.cumsum() - counts, counts, hits, len(METHODS), 0)
    except (NumbaError, RuntimeError, OSError) as error:
        return f"numba cannot compile the search ({type(error).__name__}: {error})."
    found = set(zip(rows.tolist(), concepts.tolist(), sets.tolist(), strict=True))
    expected: dict[tuple[int, int], int] = {}
    for number, pairs in enumerate(search_plainly(captions, vocabulary).values()):
        for pair in zip(*(side.tolist() for side in pairs), strict=True):
            expected[pair] = expected.get(pair, 0) | 1 << number
    is_right = found == {(*pair, methods) for pair, methods in expected.items()}
    return None if is_right else "what numba compiled finds other captions than it should."
