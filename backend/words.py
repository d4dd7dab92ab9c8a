"""Turns labels, captions and queries into concepts and words, the same way everywhere.

DESIGN: label -> `canonical` -> concept -> `lemmas` -> words. spaCy's tables are read at the first lemma, never at import.
"""

import gzip
import json
import re
import unicodedata
from functools import lru_cache
from importlib.resources import files

_MARKS = re.compile(r"[_\s]+")
_POSSESSIVE = re.compile(r"['\u2019]s\b")
_WORD = re.compile(r"[^\W_](?:[^\W_]|[\u0300-\u036f])*")  # a letter keeps the accents that Unicode cannot merge into it


def canonical(label: str) -> str:
    """The concept of a label: underscores and white space to one space, trimmed, lower case.

    >>> canonical("Acadian_Flycatcher")
    'acadian flycatcher'
    """
    return _MARKS.sub(" ", label).strip().lower()


def split_words(text: str) -> list[str]:
    """The words of a text in order: NFKC, case folded, runs of letters and digits, without a possessive 's.

    >>> split_words("The Colt's-foot, 2 pcs.")
    ['the', 'colt', 'foot', '2', 'pcs']
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    return _WORD.findall(_POSSESSIVE.sub("", folded))


@lru_cache(maxsize=1)
def _noun_tables() -> tuple[dict, frozenset, list]:
    """spaCy's tables for English nouns: exceptions, known nouns, suffix rules.

    Read as files: spaCy itself would import torch first, and takes seconds where this takes a tenth of one.
    """
    folder = files("spacy_lookups_data") / "data"
    exceptions, nouns, rules = (
        json.loads(gzip.decompress((folder / f"en_lemma_{name}.json.gz").read_bytes()))["noun"]
        for name in ("exc", "index", "rules")
    )
    return exceptions, frozenset(nouns), rules


@lru_cache(maxsize=1 << 20)
def lemma(word: str) -> str:
    """The noun lemma of one word of `split_words`, by the rules and tables of spacy-lookups-data.

    An exception wins ("mice": "mouse"), then a rule that ends at a known noun ("flies": "fly"), then the word itself
    where it is a known noun ("class" stays, which plain suffix rules would cut to "clas"), then the first rule that fits.

    >>> [lemma(word) for word in ("roses", "leaves", "buses", "bus", "class")]
    ['rose', 'leaf', 'bus', 'bus', 'class']
    """
    exceptions, nouns, rules = _noun_tables()
    if word in exceptions:
        return exceptions[word][0]
    if word.endswith("ss"):  # no English plural does, but "boss" would become "bos", a known noun
        return word
    forms = [word[: -len(old)] + new for old, new in rules if word.endswith(old)]
    forms = [form for form in forms if len(form) > 2]
    known = [form for form in forms if form in nouns]
    if known:
        return known[0]
    return word if word in nouns or not forms else forms[0]


def lemmas(text: str) -> list[str]:
    """The lemmatised words of a text, in order."""
    return [lemma(word) for word in split_words(text)]


def match_words(caption: str, concept: str, method: str) -> list[str]:
    """The words of a caption, as it writes them, by which a text method finds a concept in it; none where it does not.

    >>> match_words("Roses, and a rose.", "rose", "lemmatized"), match_words("Roses, and a rose.", "rose", "lowercased")
    (['Roses', 'rose'], ['rose'])
    """
    form = (lambda word: word) if method == "lowercased" else lemma
    wanted = [form(word) for word in split_words(concept)]
    written = [(match[0], form(word)) for match in _WORD.finditer(caption) for word in split_words(match[0])]
    forms = [word for _, word in written]
    if method == "phrase":
        starts = [i for i in range(len(forms)) if forms[i : i + len(wanted)] == wanted]
        found = [i for i in range(len(forms)) if any(start <= i < start + len(wanted) for start in starts)]
    else:
        found = [i for i, word in enumerate(forms) if word in wanted] if set(wanted) <= set(forms) else []
    return list(dict.fromkeys(written[i][0] for i in found))
