"""Which words of a caption are its nouns, by spaCy's tables alone: for where no tagger is installed.

The tables know what a word can be; where it stands in the caption decides among these. Of what stays open ("men stand", "fruit
stand") the caller learns that it may be a noun, and can go by what the word is elsewhere. Against the nouns that the paper took
from 5,000 other images of COCO by a tagger: of its 712 these find 660 in the captions of COCO's validation images.
"""

import gzip
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from itertools import groupby

from backend.nouns import lemma
from backend.words import split_words


def _list_words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_DETERMINERS = _list_words(
    """a an the this that these those some any each every no another other both several many few two three four five six seven
    eight nine ten his her its their my your our one all more most various different own such"""
)
_PREPOSITIONS = _list_words(
    """about above aboard across after against along alongside amid amidst among around as at atop before behind below beneath
    beside besides between beyond by despite down during except for from in inside into like near next of off on onto opposite
    out outside over past per through throughout to toward towards under underneath until up upon via with within without"""
)
_OTHERS = _list_words(
    """and or but nor so yet if because while when where who whom whose which what how why than then there here not it he she
    they we you him them me us himself herself itself themselves is are was were be been being am has have had having do does
    did done can could will would shall should may might must let very too also just only even still almost together away
    something someone somebody everyone everything nothing anything anyone else ever never always again already now get gets
    got getting go goes going gone went make makes made making take takes took taken taking full"""
)
_BEING = _list_words("is are was were be been being am looks look seems appears very")
_THINGS = _list_words(  # look like forms of verbs, and name things in captions
    "awning building ceiling clothing crossing evening flooring frosting icing lighting morning painting railing siding wedding"
)
_CLOSED = _DETERMINERS | _PREPOSITIONS | _OTHERS
_SHORTEST_UNKNOWN = 4  # letters of a word in no table that can be a noun: "skateboarder"


@dataclass(frozen=True)
class Nouns:
    """The nouns of a caption, by their lemmas: those that are, those that may be, and runs of two or three side by side."""

    sure: frozenset[str]
    possible: frozenset[str]
    phrases: frozenset[str]


@lru_cache(maxsize=1)
def _read_kinds() -> dict[str, frozenset[str]]:
    """noun, verb, adj, adv -> the words that spaCy's tables know as such; irregular forms of verbs among the verbs' forms."""
    folder = files("spacy_lookups_data") / "data"
    index, irregular = (
        json.loads(gzip.decompress((folder / f"en_lemma_{name}.json.gz").read_bytes())) for name in ("index", "exc")
    )
    return {kind: frozenset(words) for kind, words in index.items()} | {"irregular": frozenset(irregular["verb"])}


@lru_cache(maxsize=1 << 16)
def _list_kinds(word: str) -> frozenset[str]:
    """What a word can be: noun, verb, adj, adv; "form" for one in -ing or -ed of a verb, "third" for one in -s of a verb."""
    tables = _read_kinds()
    kinds = {kind for kind in ("verb", "adj", "adv") if word in tables[kind]}
    if lemma(word) in tables["noun"] and not word.isdigit():
        kinds.add("noun")
    if word in _THINGS:
        return frozenset(kinds)
    for ending in ("ing", "ed"):
        stem = word.removesuffix(ending)
        doubled = stem[:-1] if stem[-1:] == stem[-2:-1] else stem
        if len(stem) > 1 and stem != word and {stem, f"{stem}e", doubled} & tables["verb"]:
            kinds.add("form")
    if word in tables["irregular"] and (word.endswith("ing") or word not in tables["verb"] | tables["noun"]):
        kinds.add("form")
    if word.endswith("s") and {word[:-1], word[:-2], f"{word[:-3]}y"} & tables["verb"]:
        kinds.add("third")
    return frozenset(kinds)


def find_nouns(caption: str) -> Nouns:
    """The nouns of a caption.

    >>> found = find_nouns("A young man is riding a wave on a red surf board.")
    >>> sorted(found.sure), sorted(found.phrases)
    (['board', 'man', 'surf', 'wave'], ['surf board'])
    """
    words = split_words(caption)
    tags: list[str] = []
    for place in range(len(words)):
        tags.append(_tag(words, tags, place))
    nouns = {
        tag: frozenset(lemma(word) for word, one in zip(words, tags, strict=True) if one == tag) for tag in ("noun", "maybe")
    }
    runs = [list(run) for is_noun, run in groupby(range(len(words)), lambda place: tags[place] == "noun") if is_noun]
    return Nouns(nouns["noun"], nouns["maybe"] - nouns["noun"], join_runs([[words[place] for place in run] for run in runs]))


def join_runs(runs: Iterable[Sequence[str]]) -> frozenset[str]:
    """Every two or three nouns that stand side by side in a run of them, as lemmas.

    >>> sorted(join_runs([["fire", "hydrants"], ["dog"]]))
    ['fire hydrant']
    """
    parts = [[lemma(word) for word in run] for run in runs]
    return frozenset(
        " ".join(run[start : start + size]) for run in parts for size in (2, 3) for start in range(len(run) - size + 1)
    )


def _tag(words: Sequence[str], tags: Sequence[str], place: int) -> str:
    """What a word of a caption is: noun, maybe (a verb or adjective), modifier, closed, other. `tags`: of those before it."""
    word = words[place]
    if word in _CLOSED or len(word) < 2:
        return "closed"
    before = tags[place - 1] if place else "closed"
    kinds = _list_kinds(word)
    leads = _can_be_noun(words, place + 1)  # something follows that this word may stand before as an adjective
    if words[place + 1 : place + 2] in (["and"], ["or"]) and place + 2 < len(words):
        leads = "adj" in _list_kinds(words[place + 2])
    after_noun = before in ("noun", "maybe")
    led = place > 0 and (before == "modifier" or words[place - 1] in _DETERMINERS)
    if place and words[place - 1] == "to" and "verb" in kinds:
        return "maybe"
    if not kinds:
        is_name = word.isalpha() and len(word) >= _SHORTEST_UNKNOWN and not word.endswith("ly")
        return "noun" if is_name and not leads else "other"
    if "noun" not in kinds:
        return "modifier" if "adj" in kinds else "other"
    if "adj" in kinds and (leads or (place and words[place - 1] in _BEING)):
        return "modifier"
    if "form" in kinds:
        return "noun" if led else "other"
    if kinds & {"adj", "adv"} and not (led or before == "noun" or (place and words[place - 1] in _PREPOSITIONS)):
        return "maybe"
    if after_noun and _agrees(words[place - 1], word, kinds):
        return "maybe"
    return "noun"


def _agrees(noun: str, word: str, kinds: frozenset[str]) -> bool:
    """Whether a word may be the verb of the noun before it: "man stands", "men stand", but no "clock tower"."""
    is_plural = noun == "people" or lemma(noun) != noun
    past = "verb" in kinds and word in _read_kinds()["irregular"]
    return past or ("verb" in kinds if is_plural else "third" in kinds)


def _can_be_noun(words: Sequence[str], place: int) -> bool:
    """Whether a noun, or what may stand before one, is at a place of a caption."""
    if place >= len(words) or words[place] in _CLOSED:
        return False
    kinds = _list_kinds(words[place])
    if "form" in kinds:
        return _can_be_noun(words, place + 1)
    return not kinds or bool(kinds & {"noun", "adj"})
