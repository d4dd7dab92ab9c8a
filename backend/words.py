"""Turns labels, captions and queries into concepts and words, and says by which words a caption names a concept.

DESIGN: label -> `canonical` -> concept -> `lemmas` -> words. A text is cleaned and cut in one way for all of them. Which word
of a caption counts as which word of a concept, `Lexicon.find` alone says: the search that counts captions and `explain`, which
shows why one counts, both ask it.
"""

import html
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import regex

from backend.errors import TailscopeError
from backend.nouns import is_noun, lemma, list_plurals, list_singulars

__all__ = [
    "TEXT_METHODS",
    "Explanation",
    "Lexicon",
    "Needed",
    "canonical",
    "clean",
    "drop_hint",
    "explain",
    "is_run",
    "lemma",
    "lemmas",
    "list_keys",
    "list_needed",
    "list_searched",
    "match_words",
    "split_words",
]


@dataclass(frozen=True)
class TextMethod:
    """How a text method compares: lemmas or words as spelled; anywhere in a caption, or next to each other and in order."""

    lemmatised: bool
    adjacent: bool


TEXT_METHODS = {
    "lemmatized": TextMethod(lemmatised=True, adjacent=False),
    "lowercased": TextMethod(lemmatised=False, adjacent=False),
    "phrase": TextMethod(lemmatised=True, adjacent=True),
}

_SPACES = re.compile(r"[_\s]+")
_INVISIBLE = regex.compile(r"[\p{Cf}\p{Default_Ignorable_Code_Point}]+")
_ENTITY = re.compile(r"&(?:amp;)*((?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});)")
# Apostrophes that people type are one; dashes, quotes and signs that NFKC would spell out in letters ("Rose™") are spaces.
_TYPED = str.maketrans({**dict.fromkeys("’‘ʼ´`′＇", "'"), **dict.fromkeys("“”„–—•™℠©®", " ")})
_ACCENTS = regex.compile(r"(?<=[\p{Latin}\p{Greek}])[\u0300-\u036f]+|(?<=е)\u0308")  # й is no и, but ё is written е
_LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "ħ": "h", "ı": "i", "ŧ": "t", "æ": "ae", "œ": "oe", "þ": "th"}
)
_POSSESSIVE = re.compile(r"'s(?![^\W_])")

# Marks are part of a word where its letters alone would be another one: "at&t", ".net", "c++", "c#".
_MARKED = "|".join(
    (
        r"{letter}{{1,2}}(?:&{letter}{{1,2}})+s?(?!{more})",
        r"(?<![.])\.{letter}+(?!{more})",
        r"{more}*{letter}\+{{1,2}}(?![+]|{more})",
        r"{letter}{{1,2}}\#(?!{more})",
    )
)
_PLAIN_WORD = re.compile("[a-z0-9]+")
_DOT_WORD = re.compile(r"(?<![a-z0-9.])\.[a-z]")
_MARKED_WORD = re.compile(r"(?<![a-z0-9])(?:" + _MARKED.format(letter="[a-z]", more="[a-z0-9]") + ")|[a-z0-9]+")
# Scripts that put no space between words: their runs are words. A letter keeps the marks that Unicode cannot merge into it.
_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}ー\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_LETTER, _FIRST, _MORE = (rf"[[{kinds}]--[{_UNSPACED}]]" for kinds in (r"\p{L}", r"\p{L}\p{N}", r"\p{L}\p{N}\p{Mn}\p{Mc}"))
_RUN = rf"[[{_UNSPACED}]&&[\p{{L}}\p{{N}}]][[{_UNSPACED}]&&[\p{{L}}\p{{N}}\p{{Mn}}\p{{Mc}}]]*"
_ANY_WORD = regex.compile(rf"(?V1)(?<!{_MORE})(?:{_MARKED.format(letter=_LETTER, more=_MORE)})|{_FIRST}{_MORE}*|{_RUN}")
_IS_UNSPACED = regex.compile(rf"[{_UNSPACED}]")
_BOUND_MARKS = re.compile(r"&|^.(?:\+|\#)|(?:\+\+|\#)$")
_PIECE = regex.compile(_ENTITY.pattern + r"|\X")
AS_SPELLED = "="  # before a word as it is spelled, among the keys of an index; no word begins with it
_JOINERS = frozenset(("and", "at", "by", "de", "di", "du", "for", "from", "in", "of", "on", "or", "the", "to", "with"))
_BREAK = re.compile(r"[/(),;|:]")
_HINT = re.compile(r"(?<=\S)\s+\([^()]*\)\s*$")


def canonical(label: str) -> str:
    """The concept of a label: underscores and white space to one space, trimmed, lower case; one spelling of Unicode's several.

    >>> canonical("Acadian_Flycatcher")
    'acadian flycatcher'
    """
    if not label.isascii():
        label = unicodedata.normalize("NFC", _INVISIBLE.sub("", label)).replace("İ", "I")
    return _SPACES.sub(" ", label).strip().lower()


def drop_hint(name: str) -> str:
    """A name without the bracket at its end, which says which thing of that name is meant and is not searched for.

    >>> drop_hint("crane (bird)"), drop_hint("(500) days"), drop_hint("& (sign)")
    ('crane', '(500) days', '& (sign)')
    """
    kept = _HINT.sub("", name)
    return kept if kept != name and split_words(kept) else name


def clean(text: str) -> str:
    """A text as words are cut from it: entities resolved, invisible code points dropped, NFKC, case and accents folded.

    >>> clean("Cr&egrave;me br\u00fbl\u00e9e &amp; straw\u00adberry")
    'creme brulee & strawberry'
    """
    if "&" in text:
        text = _ENTITY.sub(_resolve, text)
    if not text.isascii():
        text = text.translate(_TYPED)
    if text.isascii():
        return text.lower()
    text = unicodedata.normalize("NFKD", _INVISIBLE.sub("", text)).casefold()
    return unicodedata.normalize("NFKC", _ACCENTS.sub("", unicodedata.normalize("NFKD", text)).translate(_LETTERS))


def _resolve(entity: re.Match) -> str:
    """What an entity stands for, also where it was escaped more than once ("&amp;eacute;")."""
    return html.unescape(f"&{entity[1]}")


def split_words(text: str) -> list[str]:
    """The words of a text in order: cleaned, runs of letters and digits, without a possessive 's.

    >>> split_words("The Colt's-foot, 2 pcs."), split_words("AT&T and C++")
    (['the', 'colt', 'foot', '2', 'pcs'], ['at&t', 'and', 'c++'])
    """
    cleaned = _blank_possessives(clean(text))
    return _choose_pattern(cleaned).findall(cleaned)


def _blank_possessives(cleaned: str) -> str:
    """Every other letter keeps its place, so that words can be found again in what was cleaned."""
    return _POSSESSIVE.sub("  ", cleaned) if "'" in cleaned else cleaned


def _choose_pattern(cleaned: str) -> re.Pattern | regex.Pattern:
    """The quickest pattern that cuts this text; where two could, they cut alike."""
    if not cleaned.isascii():
        return _ANY_WORD
    marked = "&" in cleaned or "+" in cleaned or "#" in cleaned or ("." in cleaned and _DOT_WORD.search(cleaned))
    return _MARKED_WORD if marked else _PLAIN_WORD


def lemmas(text: str) -> list[str]:
    """The lemmatised words of a text, in order."""
    return [lemma(word) for word in split_words(text)]


def list_searched(concept: str) -> list[str]:
    """The lemmatised words that a search looks for in a concept's place, in order; none where it can never be found ("&").

    >>> list_searched("Crane (bird)"), list_searched("colt's feet"), list_searched("&")
    (['crane'], ['colt', 'foot'], [])
    """
    return [needed.word for needed in list_needed(concept, lemmatised=True)]


@dataclass(frozen=True)
class Needed:
    """A word that a concept needs, and further forms that count as it whatever their lemma."""

    word: str
    forms: tuple[str, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """Under which keys (`list_keys`) an index has the words of captions that count as it, unless it `is_run`."""
        return (self.word, *(AS_SPELLED + form for form in self.forms))


class Lexicon:
    """The words that concepts need, numbered, and which words of captions count as each.

    `words` has them by number; `needs` has each concept's, in its order. What counts as a concept's word hangs on that concept
    alone, never on the others that are searched with it.
    """

    def __init__(self, concepts: Sequence[str], *, lemmatised: bool):
        numbers: dict[Needed, int] = {}
        self.lemmatised = lemmatised
        self.needs = [
            tuple(numbers.setdefault(needed, len(numbers)) for needed in list_needed(concept, lemmatised=lemmatised))
            for concept in concepts
        ]
        self.words = [needed.word for needed in numbers]
        self._numbers: dict[str, tuple[int, ...]] = {}
        self._forms: dict[str, tuple[int, ...]] = {}
        for needed, number in numbers.items():
            self._numbers[needed.word] = (*self._numbers.get(needed.word, ()), number)
            for form in needed.forms:
                self._forms[form] = (*self._forms.get(form, ()), number)
        self._widths = sorted({len(word) for word in self.words if _IS_UNSPACED.match(word)})

    def find(self, word: str) -> tuple[int, ...]:
        """The numbers of the needed words that a word of a caption, one of `split_words`, counts as."""
        if word.isascii() and word.isalnum():
            return self._read(word)
        if _IS_UNSPACED.match(word):
            parts = (word[start : start + width] for width in self._widths for start in range(len(word) - width + 1))
            return tuple(dict.fromkeys(number for part in parts for number in self._numbers.get(part, ())))
        return tuple(dict.fromkeys(number for spelled in _list_readings(word) for number in self._read(spelled)))

    def _read(self, word: str) -> tuple[int, ...]:
        if not self.lemmatised:
            return self._numbers.get(word, ())
        numbers = self._numbers.get(lemma(word), ())
        return numbers + self._forms[word] if word in self._forms else numbers


def _list_readings(word: str) -> tuple[str, ...]:
    """A word of a caption, and its letters alone where its marks may be no part of it (".net", "disney+")."""
    letters = word.strip(".+")
    return (word,) if letters == word or _BOUND_MARKS.search(word) else (word, letters)


def is_run(word: str) -> bool:
    """Whether a word is of a script without spaces: then it is found inside the runs of captions, and has no key."""
    return _IS_UNSPACED.match(word) is not None


@lru_cache(maxsize=1 << 20)
def list_keys(word: str) -> tuple[str, ...]:
    """The keys that an index has a word of a caption under, one of `split_words` that is no run.

    A word counts as a needed one by `Lexicon.find` where the two have a key in common: its lemma, or, where it may be a further
    form of another noun, the word as it is spelled.

    >>> list_keys("rose"), list_keys("horses"), list_needed("hors", lemmatised=True)[0].keys
    (('rose',), ('horse', '=horses'), ('hor', '=horses'))
    """
    keys = []
    for spelled in _list_readings(word):
        noun = lemma(spelled)
        nouns = [{one, lemma(one)} if one.endswith("s") else {one} for one in list_singulars(spelled)]
        keys += [noun, AS_SPELLED + spelled] if any(of_one != {noun} for of_one in nouns) else [noun]
    return tuple(dict.fromkeys(keys))


def list_needed(concept: str, *, lemmatised: bool) -> list[Needed]:
    """The words that a concept needs, in order. The plural of the noun that it is about counts, whatever the tables say."""
    cleaned = _blank_possessives(clean(drop_hint(concept)))
    found = list(_choose_pattern(cleaned).finditer(cleaned))
    if not lemmatised:
        return [Needed(match[0]) for match in found]
    needed = []
    for number, match in enumerate(found):
        after = found[number + 1] if number + 1 < len(found) else None
        is_head = after is None or after[0] in _JOINERS or _BREAK.search(cleaned[match.end() : after.start()])
        noun = lemma(match[0])
        nouns = {noun, match[0]} if match[0].endswith("s") else {noun}  # of "foie gras" the tables make "gra"
        forms = (form for one in sorted(nouns) for form in list_plurals(one)) if is_head else ()
        needed.append(Needed(noun, tuple(form for form in forms if lemma(form) != noun)))
    return needed


@dataclass(frozen=True)
class Explanation:
    """Why a caption counts for a concept: the words that name it, as the caption writes them.

    `note`: a sentence where folded accents made two English words one, else empty.
    """

    words: tuple[str, ...]
    note: str = ""


def match_words(caption: str, concept: str, method: str) -> list[str]:
    """The words of a caption, as it writes them, by which a text method finds a concept in it; none where it does not.

    >>> match_words("Roses, and a rose.", "rose", "lemmatized"), match_words("Roses, and a rose.", "rose", "lowercased")
    (['Roses', 'rose'], ['rose'])
    """
    return list(explain(caption, concept, method).words)


def explain(caption: str, concept: str, method: str) -> Explanation:
    """Why a text method finds a concept in a caption; no words where it does not. Raises TailscopeError for no method."""
    if method not in TEXT_METHODS:
        raise TailscopeError(f"No text method '{method}'. There are {', '.join(TEXT_METHODS)}.")
    chosen = TEXT_METHODS[method]
    lexicon = _read_concept(concept, chosen.lemmatised)
    needs = lexicon.needs[0]
    cleaned = _blank_possessives(clean(caption))
    matches = list(_choose_pattern(cleaned).finditer(cleaned))
    found = [lexicon.find(match[0]) for match in matches]
    named: dict[int, tuple[int, ...]] = {}  # by the word's place in the caption, the concept's words that it counts as
    if chosen.adjacent:
        starts = range(len(found) - len(needs) + 1) if needs else ()
        for start in starts:
            if all(need in found[place] for place, need in enumerate(needs, start)):
                named |= {place: (need,) for place, need in enumerate(needs, start)}
    elif needs and set(needs) <= {*sum(found, ())}:
        named = {place: numbers for place, numbers in enumerate(found) if numbers}
    words = []
    for place, spelled in zip(named, _spell(caption, cleaned, [matches[place].span() for place in named]), strict=True):
        in_run = _IS_UNSPACED.match(matches[place][0])
        words += [lexicon.words[number] for number in named[place]] if in_run else [spelled]
    return Explanation(tuple(dict.fromkeys(words)), _note_accents(words, concept))


@lru_cache(maxsize=256)
def _read_concept(concept: str, lemmatised: bool) -> Lexicon:
    return Lexicon([concept], lemmatised=lemmatised)


def _spell(text: str, cleaned: str, spans: Sequence[tuple[int, int]]) -> list[str]:
    """What stands in a text where its cleaned form has these spans; the cleaned words where its pieces cannot be told apart."""
    if text.isascii() and len(text) == len(cleaned):
        return [text[start:stop] for start, stop in spans]
    places: list[int] = []  # for each letter of the cleaned text, where the piece that it comes from begins; and the end
    pieces = list(_PIECE.finditer(text))
    for piece in pieces:
        places += [piece.start()] * len(clean(piece[0]))
    if len(places) != len(cleaned):
        return [cleaned[start:stop] for start, stop in spans]
    ends = {piece.start(): piece.end() for piece in pieces}
    return [text[places[start] : ends[places[stop - 1]]] for start, stop in spans]


def _note_accents(words: Sequence[str], concept: str) -> str:
    """A sentence where one of a word and a concept's has accents and the other none, and both are an English noun without."""
    own = {lemma(name): _is_accented(part) for part in concept.split() for name in split_words(part)}
    for word in words:
        for noun in lemmas(word):
            if is_noun(noun) and own.get(noun, _is_accented(word)) != _is_accented(word):
                return f"“{word}” counts for “{concept}” since accents are folded; they may be two words."
    return ""


def _is_accented(word: str) -> bool:
    return clean(word) != unicodedata.normalize("NFKC", html.unescape(word)).casefold()
