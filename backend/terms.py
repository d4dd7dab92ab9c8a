"""Counts any word or phrase in the captions of a corpus, where `index --terms all` has made an index of all of them.

What counts is what the text methods count: an index has each word of a caption under the keys of `backend.words.list_keys`,
several at one place where it has several, and a name asks for the keys of the words that it needs. Queries are made of these
keys, never parsed. A run of a script without spaces is there character by character, in a field of its own.
"""

import hashlib
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import tantivy
from tantivy import Occur, Query

from backend.bands import find_band, lie_outside
from backend.cooccurrence import measure_company
from backend.errors import EmptySelection, InvalidTable, MissingTable
from backend.expected import POOLED, read_peers
from backend.remember import remember
from backend.samples import PAGE, read_samples
from backend.study import Study, quote_folder
from backend.words import TEXT_METHODS, Needed, canonical, is_run, list_needed

METHODS = tuple(name for name, method in TEXT_METHODS.items() if method.lemmatised)
WORDS, RUNS, SAMPLE = "words", "runs", "sample_id"  # the index's fields
MOST_WORDS = 24  # of a name
MOST_READINGS = 256  # of a phrase, with each further form of its words in turn
_SPACED = "spaced"  # the tokenizer that cuts at spaces and does no more


@dataclass(frozen=True)
class Counted:
    """How many captions of a corpus say a name by a method, out of how many."""

    count: int
    captions: int

    @property
    def share(self) -> float:
        """Of the captions, in percent."""
        return 100.0 * self.count / self.captions if self.captions else 0.0


@dataclass(frozen=True)
class Place:
    """Where a count would stand among the concepts that were compiled: how many of them are commoner, as common and rarer."""

    commoner: int
    alike: int
    rarer: int

    @property
    def concepts(self) -> int:
        """All of them."""
        return self.commoner + self.alike + self.rarer

    @property
    def rank(self) -> int:
        """The rank of the count, the most frequent concept having the first."""
        return self.commoner + 1


@dataclass(frozen=True)
class Together:
    """How many captions say two names, and how many the second.

    `expected`, `pmi`, `nested` and `stands_out`: as `cooccurrence.list_company` has them, of this pair alone.
    """

    together: int
    second: int
    expected: float
    pmi: float
    nested: bool
    stands_out: bool


def terms_path(folder: Path, corpus: str) -> Path:
    """Where the index of a corpus's captions lies in a study's folder."""
    return folder / "terms" / corpus


def make_index(folder: Path) -> tantivy.Index:
    """A new index in an empty folder, to be written."""
    fields = tantivy.SchemaBuilder()
    for name in (WORDS, RUNS):
        fields.add_text_field(name, tokenizer_name=_SPACED, index_option="position")
    fields.add_unsigned_field(SAMPLE, fast=True)
    index = tantivy.Index(fields.build(), str(folder))
    index.register_tokenizer(_SPACED, tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build())
    return index


def checksum_terms(folder: Path) -> str:
    """One SHA-256 of the files of an index, but for the locks and notes that whoever opens it may leave."""
    checksum = hashlib.sha256()
    for path in sorted(folder.glob("[!.]*")):
        with path.open("rb") as stream:
            checksum.update(f"{path.name} {hashlib.file_digest(stream, 'sha256').hexdigest()}\n".encode())
    return checksum.hexdigest()


def list_termed_corpora(study: Study) -> list[str]:
    """The corpora of a study whose captions are indexed as they are now, sorted."""
    entries, samples = study.manifest.terms, study.manifest.tables.get("samples")
    held = samples.files if samples else {}
    return sorted(corpus for corpus, entry in entries.items() if corpus in held and entry.samples_sha256 == held[corpus].sha256)


def count_term(study: Study, corpus: str, name: str, method: str) -> Counted:
    """How many captions of a corpus say a name by one of `METHODS`; what no caption says has 0.

    Raises MissingTable where the corpus's captions are not indexed, EmptySelection for a name without a word or too long.
    """
    terms = _open_terms(study, corpus)
    return Counted(terms.count(_read_name(name), method), terms.captions)


def count_together(study: Study, corpus: str, name: str, other: str, method: str) -> Together:
    """How many captions say both of two names, and what chance would have. Raises what `count_term` raises."""
    terms = _open_terms(study, corpus)
    first, second = _read_name(name), _read_name(other)
    both = _all_of([terms.make_query(first, method), terms.make_query(second, method)])
    words, others = {one.word for one in first}, {one.word for one in second}
    pair = {
        "other": other,
        "together": terms.count_query(both),
        "own_count": terms.count(first, method),
        "other_count": terms.count(second, method),
        "nested": words <= others or others <= words,
    }
    row = measure_company(pd.DataFrame([pair]), terms.captions).iloc[0]
    return Together(
        int(row["together"]),
        int(row["other_count"]),
        float(row["expected"]),
        float(row["pmi"]),
        bool(row["nested"]),
        bool(row["stands_out"]),
    )


def find_captions(
    study: Study, corpus: str, name: str, method: str, *, other: str = "", offset: int = 0, limit: int = PAGE
) -> pd.DataFrame:
    """One page of the samples whose captions say a name, and `other` where it is given; by rising sample_id.

    sample_id, caption, image, offset, length, width, height, url, as `samples.find_hits` has them. Raises what `count_term`
    raises.
    """
    terms = _open_terms(study, corpus)
    query = _all_of([terms.make_query(_read_name(one), method) for one in (name, other) if one])
    return read_samples(study, corpus, pd.DataFrame({"sample_id": terms.list_samples(query, offset, limit)}, dtype="int64"))


def place_count(study: Study, corpus: str, method: str, count: int) -> Place:
    """Where a count would stand among a corpus's compiled concepts by a method; the largest count of each stands for it."""
    rows = study.ask(
        "frequency",
        """SELECT count_if(most > $count) AS commoner, count_if(most = $count) AS alike, count_if(most < $count) AS rarer
           FROM (SELECT max(count) AS most FROM frequency WHERE corpus = $corpus AND method = $method GROUP BY concept)
           HAVING count(*) > 0""",
        f"{corpus} counts no concept by '{method}'.",
        corpus=corpus,
        method=method,
        count=count,
    )
    return Place(*(int(number) for number in rows.iloc[0]))


def expect_scores(study: Study, corpus: str, method: str, count: int, *, kind: str, setting: str) -> pd.DataFrame:
    """What each model that was trained on a corpus is expected to score on a name of this count there, the best first.

    model, low, expected, high (of four concepts in five), extrapolates. Without a row where no such model has scores enough.
    """
    models = study.query("SELECT model FROM models WHERE corpus = $corpus ORDER BY model", corpus=corpus)["model"]
    peers = read_peers(study, kind=kind, setting=setting, method=method)
    counts, rows = np.array([count], float), []
    for model in models:
        if group := peers.get((model, POOLED)):
            low, middle, high = find_band(group, counts)[:, 0]
            rows.append((model, low, middle, high, bool(lie_outside(group, counts)[0])))
    table = pd.DataFrame(rows, columns=["model", "low", "expected", "high", "extrapolates"])
    return table.sort_values("expected", ascending=False, kind="stable", ignore_index=True)


class _Terms:
    """The opened index of one corpus."""

    def __init__(self, folder: Path, captions: int):
        self._folder = None
        if not os.access(folder, os.W_OK):  # a lock is laid beside the files by whoever opens them
            self._folder = tempfile.TemporaryDirectory(prefix="tailscope-terms-")
            for path in folder.glob("[!.]*"):
                Path(self._folder.name, path.name).symlink_to(path.resolve())
        index = tantivy.Index.open(self._folder.name if self._folder else str(folder))
        index.config_reader("manual")
        index.reload()
        self.captions = captions
        self._schema = index.schema
        self._searcher = index.searcher()

    def count(self, needed: Sequence[Needed], method: str) -> int:
        """The captions that say a name of these words."""
        keys = self._list_keys(needed[0]) if len(needed) == 1 and not is_run(needed[0].word) else ()
        if len(keys) == 1:  # of one key it is written down
            return self._searcher.doc_freq(WORDS, keys[0])
        return self.count_query(self.make_query(needed, method))

    def count_query(self, query: Query) -> int:
        """The captions that fit a query."""
        return int(self._searcher.aggregate(query, {"captions": {"value_count": {"field": SAMPLE}}})["captions"]["value"])

    def list_samples(self, query: Query, offset: int, limit: int) -> list[int]:
        """The sample_id of those that fit, rising, a page of them."""
        found = self._searcher.search(query, limit, count=False, order_by_field=SAMPLE, offset=offset, order=tantivy.Order.Asc)
        return [sample_id for sample_id, _ in found.hits]

    def make_query(self, needed: Sequence[Needed], method: str) -> Query:
        """What captions have to have for a name of these words to count by a method."""
        if len(needed) > 1 and TEXT_METHODS[method].adjacent:
            return self._make_phrase(needed)
        return _all_of([self._make_word(one) for one in dict.fromkeys(needed)])

    def _make_word(self, needed: Needed) -> Query:
        if is_run(needed.word):
            return self._make_row(RUNS, tuple(needed.word))
        return _any_of([self._make_row(WORDS, (key,)) for key in self._list_keys(needed)])

    def _make_phrase(self, needed: Sequence[Needed]) -> Query:
        if any(is_run(one.word) for one in needed):
            raise EmptySelection(
                "Words of a script without spaces are found inside longer runs, and not in order beside other words. Count the "
                "captions that have all the words."
            )
        keys = [self._list_keys(one) for one in needed]
        if np.prod([len(of_one) for of_one in keys], dtype=float) > MOST_READINGS:
            raise EmptySelection(f"Its words have more than {MOST_READINGS} forms together. Ask for fewer of them.")
        return _any_of([self._make_row(WORDS, row) for row in product(*keys)])

    def _make_row(self, field: str, keys: tuple[str, ...]) -> Query:
        """These keys, one after the other."""
        if len(keys) == 1:
            return Query.term_query(self._schema, field, keys[0])
        return Query.phrase_query(self._schema, field, list(keys))

    def _list_keys(self, needed: Needed) -> tuple[str, ...]:
        """The keys of a word that captions have; the first, where none has any."""
        return tuple(key for key in needed.keys if self._searcher.doc_freq(WORDS, key)) or needed.keys[:1]


def _any_of(queries: Sequence[Query]) -> Query:
    return queries[0] if len(queries) == 1 else Query.boolean_query([(Occur.Should, query) for query in queries])


def _all_of(queries: Sequence[Query]) -> Query:
    return queries[0] if len(queries) == 1 else Query.boolean_query([(Occur.Must, query) for query in queries])


def _read_name(name: str) -> list[Needed]:
    """The words that a name needs. Raises EmptySelection where it has none, or more than anybody asks for."""
    needed = list_needed(canonical(name), lemmatised=True)
    if not needed:
        raise EmptySelection("There is no word in it, and captions are searched for words.")
    if len(needed) > MOST_WORDS:
        raise EmptySelection(f"It has {len(needed):,} words. Ask for at most {MOST_WORDS}.")
    return needed


@remember(16)
def _open_terms(study: Study, corpus: str) -> _Terms:
    """The index of a corpus, opened once for each study. Raises MissingTable without one that belongs to its captions."""
    again = f"python -m precompute index --study {quote_folder(study.folder)} --corpus {corpus} --shards GLOB --terms all"
    if corpus not in list_termed_corpora(study):
        raise MissingTable(f"The captions of '{corpus}' are not indexed for any word, or were before they changed: {again}")
    try:
        return _Terms(terms_path(study.folder, corpus), study.manifest.terms[corpus].captions)
    except (ValueError, OSError) as error:
        raise InvalidTable(
            f"The index of all words of '{corpus}' cannot be opened ({error}). Make it again: {again}"
        ) from error
