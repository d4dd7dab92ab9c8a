"""Why a concept has the count that it has: what a caption must have, which of its words a caption lacks, which word is rare.

What counts is decided by `backend.words`, as in every search. How often a word stands in captions by itself is known where the
word is a concept of its own; else some of the study's captions are looked at, and how many.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from backend.nouns import lemma, list_forms
from backend.remember import remember
from backend.study import Study
from backend.synonyms import METHOD as SYNONYMS
from backend.synonyms import explain_names
from backend.words import TEXT_METHODS, Lexicon, canonical, drop_hint, explain, list_searched, split_words

LOOKED_AT = 20_000  # captions of a corpus in which words and near misses are looked for: 5 ms a word, once they are read
LACKING = 500  # of them, captions that have all words but one, among which the near misses are
NEAR_MISSES = 3
WORD_METHOD = "lemmatized"  # whose counts of single words say which word is rare


@dataclass(frozen=True)
class Verdict:
    """What a text method says of a caption: the caption's words that count, or the concept's that it lacks.

    `apart`: a phrase whose words are all there, but not side by side in this order.
    """

    method: str
    hits: bool
    words: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    apart: bool = False


@dataclass(frozen=True)
class Reading:
    """A caption beside a label: both cut into words, as written and as lemmas, and what each text method says.

    `hint`: the bracket of the label that is not searched for · `note`: where folded accents made two words one.
    """

    searched: tuple[str, ...]
    spelled: tuple[str, ...]
    hint: str
    words: tuple[str, ...]
    lemmas: tuple[str, ...]
    verdicts: tuple[Verdict, ...]
    note: str = ""


def explain_caption(label: str, caption: str, names: Iterable[str] = ()) -> Reading:
    """Why a caption counts for a label or not, by every text method; by its synonyms too where it has further names.

    >>> found = explain_caption("Hot dog (food)", "a dog in hot weather")
    >>> found.searched, found.hint, [(one.method, one.hits, one.apart) for one in found.verdicts]
    (('hot', 'dog'), '(food)', [('lemmatized', True, False), ('lowercased', True, False), ('phrase', False, True)])
    """
    concept = canonical(label)
    names = tuple(names)
    kept = drop_hint(concept)
    words = split_words(caption)
    verdicts = [_judge(caption, concept, method) for method in TEXT_METHODS]
    if names:
        found = explain_names(caption, [concept, *names])
        verdicts.append(Verdict(SYNONYMS, bool(found), tuple(found)))
    notes = [
        explain(caption, concept, verdict.method).note
        for verdict in verdicts
        if verdict.hits and verdict.method in TEXT_METHODS
    ]
    return Reading(
        tuple(list_searched(concept)),
        tuple(split_words(kept)),
        concept.removeprefix(kept).strip(),
        tuple(words),
        tuple(map(lemma, words)),
        tuple(verdicts),
        next(filter(None, notes), ""),
    )


def _judge(caption: str, concept: str, method: str) -> Verdict:
    words = explain(caption, concept, method).words
    if words:
        return Verdict(method, True, words)
    missing = list_missing(caption, concept, method)
    return Verdict(method, False, missing=missing, apart=not missing and bool(list_searched(concept)))


def list_missing(caption: str, concept: str, method: str) -> tuple[str, ...]:
    """The words that a concept needs by a text method and no word of a caption counts as, in the concept's order."""
    lexicon = _read_concept(concept, TEXT_METHODS[method].lemmatised)
    there = {number for word in split_words(caption) for number in lexicon.find(word)}
    return tuple(dict.fromkeys(lexicon.words[number] for number in lexicon.needs[0] if number not in there))


@lru_cache(maxsize=256)
def _read_concept(concept: str, lemmatised: bool) -> Lexicon:
    return Lexicon([concept], lemmatised=lemmatised)


def weigh_words(study: Study, concept: str, corpus: str) -> pd.DataFrame:
    """word, count, captions: for each word that a concept needs, in how many of how many captions of a corpus it stands.

    captions: null where the count is that of a concept of its own, over the whole corpus; else how many were looked at, the
    first 20,000. Words of which neither is known are left out; the rarest comes first, those of one kind compared.
    """
    words = list(dict.fromkeys(list_searched(concept)))
    counted = _count_words(study, words, corpus)
    rows = [(word, counted.get(word), None) for word in words]
    if None in counted.values() or len(counted) < len(words):
        looked = _look_for_words(study, words, corpus)
        rows = [(word, *looked[word]) for word in words] if looked else [row for row in rows if row[1] is not None]
    frame = pd.DataFrame(rows, columns=["word", "count", "captions"]).astype({"count": "Int64", "captions": "Int64"})
    return frame.sort_values("count", kind="stable", ignore_index=True)


def _count_words(study: Study, words: Sequence[str], corpus: str) -> dict[str, int]:
    """word -> its own count, of those that are concepts which the corpus counts by lemma."""
    if not study.has("frequency"):
        return {}
    rows = study.query(
        """SELECT concept, max(count) AS count FROM frequency WHERE corpus = $corpus AND method = $method
           AND list_contains(CAST($words AS VARCHAR[]), concept) GROUP BY concept""",
        corpus=corpus,
        method=WORD_METHOD,
        words=list(words),
    )
    return dict(zip(rows["concept"], map(int, rows["count"]), strict=True))


def _look_for_words(study: Study, words: Sequence[str], corpus: str) -> dict[str, tuple[int, int]]:
    """word -> captions that have it, and those looked at; nothing where the study holds no samples of the corpus."""
    if corpus not in study.list_corpora("samples"):
        return {}
    found = _match_words(study, corpus, tuple(words))
    return {word: (int(row.sum()), len(row)) for word, row in zip(words, found, strict=True)}


def find_near_misses(study: Study, concept: str, corpus: str) -> pd.DataFrame:
    """sample_id, caption, missing: captions of a corpus that have all words of a concept but one, some for each such word.

    Of the first 20,000 captions; empty for a concept of a single word, and where the study holds no samples.
    """
    words = list(dict.fromkeys(list_searched(concept)))
    columns = ["sample_id", "caption", "missing"]
    if len(words) < 2 or corpus not in study.list_corpora("samples"):
        return pd.DataFrame(columns=columns)
    lacks_one = _match_words(study, corpus, tuple(words)).sum(axis=0) == len(words) - 1
    rows = _read_texts(study, corpus)[lacks_one].sort_values("sample_id").head(LACKING)
    missing = [list_missing(caption, concept, WORD_METHOD) for caption in rows["caption"]]
    rows = rows.assign(missing=[words[0] if len(words) == 1 else None for words in missing]).dropna(subset="missing")
    return rows.groupby("missing", sort=False).head(NEAR_MISSES).reset_index(drop=True)[columns]


@remember(4)
def _match_words(study: Study, corpus: str, words: tuple[str, ...]) -> np.ndarray:
    """Whether a word (row) stands in a caption of `_read_texts` (column) in any form that counts as it."""
    texts = pa.array(_read_texts(study, corpus)["text"], pa.string())
    return np.stack([pc.match_substring_regex(texts, _write_pattern(word)).to_numpy(zero_copy_only=False) for word in words])


@remember(2)
def _read_texts(study: Study, corpus: str) -> pd.DataFrame:
    """sample_id, caption, text (without capitals and accents) of the captions of a corpus that are looked at.

    They are the first of its files, which are sorted: no other row of what may be millions is read.
    """
    return study.query(
        """SELECT sample_id, caption, strip_accents(lower(caption)) AS text
           FROM (SELECT sample_id, caption FROM samples WHERE corpus = $corpus LIMIT $most)""",
        corpus=corpus,
        most=LOOKED_AT,
    )


def _write_pattern(word: str) -> str:
    """A pattern for the captions that have a word in any form that counts as it; one of a script without spaces, anywhere."""
    forms = "|".join(sorted(map(re.escape, list_forms(word)), key=len, reverse=True))
    if not word.isascii():
        return f"(?:{forms})"
    return rf"(?:^|[^\p{{L}}\p{{N}}])(?:{forms})(?:[^\p{{L}}\p{{N}}]|$)"
