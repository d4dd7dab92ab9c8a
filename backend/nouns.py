"""English nouns: the lemma of a word, and the regular plurals of a noun.

spaCy's tables (spacy-lookups-data) decide; what stands here mends the kinds that they get wrong, and the few words that no rule
can tell. The tables are read at the first word, never at import.
"""

import gzip
import json
import re
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files


def _list_words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Words that end like plurals of nouns and never are: "does" is no herd of does.
_PARTICLES = _list_words(
    """always as besides does has hers his its ours ourselves perhaps sometimes theirs themselves this thus towards us was yes
    yours yourselves"""
)
# Nouns that the tables hold for the plural of another one, unrelated or all but dead ("cola": "colon", "physics": "physic").
_NO_PLURALS = _PARTICLES | _list_words(
    """aids auspices barracks brethren cineraria cola corps crying dive faroese gallows genus guilder gurnard hypochondria isis
    kansas lei luba mars miri olea omen pekingese physics pilea pleura ramen roma samen shambles signore somen species stamina
    trivia vela wales"""
)
# Plurals that the tables lack, have for nouns of their own, or have for the less likely of two nouns.
_PLURALS = {
    "algae": "alga",
    "annexes": "annex",
    "bacteria": "bacterium",
    "battleaxes": "battleaxe",
    "blintzes": "blintz",
    "bunches": "bunch",
    "caddies": "caddy",
    "castanets": "castanet",
    "crosses": "cross",
    "doggies": "doggy",
    "grannies": "granny",
    "hankies": "hanky",
    "lenses": "lens",
    "marches": "march",
    "marquises": "marquis",
    "mollies": "molly",
    "panties": "panty",
    "passersby": "passerby",
    "pinches": "pinch",
}
# Irregular plurals that are right although a regular noun fits, too ("oases" is no plural of the known word "oas").
_IRREGULAR = _list_words("anus busses chillies cicatrices ellipses hypnoses leaves oases pelves")
# Nouns that keep their irregular plural in compounds that no table has ("steakknives").
_TAILS = {
    "children": "child",
    "calves": "calf",
    "feet": "foot",
    "geese": "goose",
    "halves": "half",
    "knives": "knife",
    "leaves": "leaf",
    "loaves": "loaf",
    "mice": "mouse",
    "shelves": "shelf",
    "teeth": "tooth",
    "thieves": "thief",
    "wives": "wife",
    "wolves": "wolf",
    "women": "woman",
}
_MORE_RULES = (("oes", "o"), ("zzes", "z"))
_SIBILANT = re.compile(r"(?:s|x|z|ch|sh)$")
_HISSED = re.compile(r"(?:ss|x|zz|ch|sh)es$")
_SPELLED = re.compile(r"(?:x|zz|ch|sh|i|o)es$|men$")  # endings that change a noun's spelling; "improves" has no "prof" in it
_SHORTEST_MEN = 5  # letters of a word in -men that has no man in it: "omen", "ramen"; the tables know "women"
_SHORTEST_TAIL = 4  # letters of a known noun that ends a compound: "waterthrush" ends in "thrush"


@dataclass(frozen=True)
class _Tables:
    exceptions: dict[str, str]
    nouns: frozenset[str]
    rules: tuple[tuple[str, str], ...]
    endings: tuple[str, ...]  # all that a rule takes away ends in one of these letters

    def undo_rules(self, word: str) -> list[str]:
        """What the word may be the regular plural of, known or not."""
        if not word.endswith(self.endings):
            return []
        fitting = [(old, new) for old, new in self.rules if word.endswith(old)]
        forms = [word[: -len(old)] + new for old, new in fitting if old != "men" or len(word) > _SHORTEST_MEN]
        return [form for form in forms if len(form) > 2]


@lru_cache(maxsize=1)
def _read_tables() -> _Tables:
    """spaCy's tables for English nouns: exceptions, known nouns, suffix rules.

    Read as files: spaCy itself would import torch first, and takes seconds where this takes a tenth of one. An exception
    gives way where the word is the regular plural of a known noun: "syringes" are no "syrinx", "comics" no "comic_strip".
    """
    folder = files("spacy_lookups_data") / "data"
    exceptions, nouns, rules = (
        json.loads(gzip.decompress((folder / f"en_lemma_{name}.json.gz").read_bytes()))["noun"]
        for name in ("exc", "index", "rules")
    )
    rules = (*map(tuple, rules), *_MORE_RULES)
    tables = _Tables({}, frozenset(nouns), rules, tuple({old[-1] for old, _ in rules}))
    for word, (noun, *_) in exceptions.items():
        regular = [form for form in tables.undo_rules(word) if form in tables.nouns]
        if not regular or noun in regular or word in _IRREGULAR:
            tables.exceptions[word] = noun
    return tables


@lru_cache(maxsize=1 << 20)
def lemma(word: str) -> str:
    """The noun lemma of one word in small letters.

    An exception wins ("mice": "mouse"), then a rule that ends at a known noun ("flies": "fly"), then the word itself where it
    is a known noun ("class" stays, which plain suffix rules would cut to "clas"), then what ends in a known noun
    ("waterthrush"), then the first rule that fits.

    >>> [lemma(word) for word in ("roses", "leaves", "buses", "bus", "class", "does")]
    ['rose', 'leaf', 'bus', 'bus', 'class', 'does']
    """
    tables = _read_tables()
    if word in _NO_PLURALS or word.endswith("ss"):  # "boss" would become "bos", a known noun
        return word
    if noun := _PLURALS.get(word) or tables.exceptions.get(word):
        return noun
    forms = tables.undo_rules(word)
    known = [form for form in forms if form in tables.nouns]
    if known:
        return known[0]
    if word in tables.nouns or word.endswith("ous"):  # an adjective ("famous"); "bayous" has ended at a noun above
        return word
    if word.endswith(tuple(_TAILS)):
        plural = next(plural for plural in _TAILS if word.endswith(plural))
        return word.removesuffix(plural) + _TAILS[plural]
    if _SPELLED.search(word):
        forms = [form for form in forms if _ends_in_noun(form, tables.nouns)] or forms
    if not forms:
        return word
    return word[:-2] if _HISSED.search(word) and forms[0] == word[:-1] else forms[0]


def is_noun(word: str) -> bool:
    """Whether the tables know a word as an English noun."""
    return word in _read_tables().nouns


def _ends_in_noun(word: str, nouns: frozenset[str]) -> bool:
    return any(word[start:] in nouns for start in range(1, len(word) - _SHORTEST_TAIL + 1))


@lru_cache(maxsize=1)
def _list_irregular() -> dict[str, tuple[str, ...]]:
    forms: dict[str, tuple[str, ...]] = {}
    for word, noun in (_read_tables().exceptions | _PLURALS).items():
        forms[noun] = (*forms.get(noun, ()), word)
    return forms


def list_forms(noun: str) -> tuple[str, ...]:
    """A noun and its plurals, regular and irregular: what counts as it in a caption, but for words of no table.

    >>> list_forms("mouse"), list_forms("rose")
    (('mouse', 'mice', 'mouses'), ('rose', 'roses'))
    """
    plurals = (*_list_irregular().get(noun, ()), *list_plurals(noun))
    return tuple(dict.fromkeys([noun, *(form for form in plurals if lemma(form) == noun)]))


def list_plurals(noun: str) -> tuple[str, ...]:
    """The plurals that a noun forms by rule, regular, Greek, Latin and French; both spellings where English has two.

    >>> list_plurals("waterthrush"), list_plurals("tornado"), list_plurals("hibiscus")
    (('waterthrushes',), ('tornados', 'tornadoes'), ('hibiscuses', 'hibisci'))
    """
    if noun.endswith("ch"):  # "churches", "stomachs"
        plurals = (f"{noun}es", f"{noun}s")
    elif _SIBILANT.search(noun):
        plurals = (f"{noun}es",)
    elif re.search(r"(?:[^aeiou]|qu)y$", noun):
        plurals = (f"{noun[:-1]}ies",)
    elif noun.endswith("o"):
        plurals = (f"{noun}s", f"{noun}es")
    else:
        plurals = (f"{noun}s",)
    borrowed = [noun[: -len(old)] + new for old, new in (("us", "i"), ("is", "es"), ("eau", "eaux")) if noun.endswith(old)]
    borrowed = [plural for plural in borrowed if lemma(plural) == noun or not is_noun(plural)]  # "minus" has no "mini"
    return tuple(plural for plural in (*plurals, *borrowed) if plural not in _PARTICLES)


def list_singulars(plural: str) -> tuple[str, ...]:
    """Every word, known or not, that has this one among its `list_plurals`.

    >>> list_singulars("horses"), list_singulars("rose")
    (('horse', 'hors', 'horsis'), ())
    """
    endings = (("s", ""), ("es", ""), ("ies", "y"), ("es", "is"), ("i", "us"), ("eaux", "eau"))
    words = (plural.removesuffix(old) + new for old, new in endings if plural.endswith(old) and plural != old)
    return tuple(word for word in dict.fromkeys(words) if plural in list_plurals(word))
