"""A concept's names: its own, and its synonyms, as a file tells them or a study holds them; what each name needs of a caption.

By the text method `synonyms` a caption counts for a concept when it has any of its names as a phrase. A search numbers the
names (`Names`) and looks for each by itself, so that every name keeps its count; `explain_names` says which are there.
"""

import csv
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import yaml

from backend.errors import TailscopeError
from backend.study import Study
from backend.words import Explanation, Lexicon, canonical, explain, list_searched

METHOD = "synonyms"

_SEPARATORS = re.compile(r"\s*[,;|]\s*")


@dataclass(frozen=True)
class Names:
    """The names of concepts, numbered: those of the concepts first, in their order, then the further ones.

    `owners`: for each name, the numbers of the concepts that it is a name of; a name may be that of several.
    """

    names: tuple[str, ...]
    owners: tuple[tuple[int, ...], ...]

    @cached_property
    def sequences(self) -> list[tuple[int, ...]]:
        """The tokens of each name in order, numbered as a `Lexicon` of the names numbers them."""
        return Lexicon(self.names, lemmatised=True).needs


def gather_names(concepts: Sequence[str], synonyms: Mapping[str, Iterable[str]]) -> Names:
    """The names of these concepts. Synonyms of what is none of them are left out.

    >>> gather_names(["tench", "crane"], {"tench": ["tinca tinca"], "dog": ["hound"]})
    Names(names=('tench', 'crane', 'tinca tinca'), owners=((0,), (1,), (0,)))
    """
    owners: dict[str, list[int]] = {concept: [number] for number, concept in enumerate(concepts)}
    for number, concept in enumerate(concepts):
        for name in synonyms.get(concept, ()):
            held = owners.setdefault(canonical(name), [])
            held += [number] if number not in held else []
    return Names(tuple(owners), tuple(map(tuple, owners.values())))


def list_synonyms(study: Study) -> dict[str, tuple[str, ...]]:
    """concept -> its further names, sorted, for every concept of a study that has some."""
    if not study.has("synonyms"):
        return {}
    rows = study.query("SELECT concept, list(name ORDER BY name) AS names FROM synonyms GROUP BY concept ORDER BY concept")
    return {concept: tuple(names) for concept, names in zip(rows["concept"], rows["names"], strict=True)}


def explain_names(caption: str, names: Iterable[str]) -> dict[str, Explanation]:
    """name -> why a caption has it as a phrase, for those that it has: the method `synonyms` counts where there is any.

    >>> {name: found.words for name, found in explain_names("two Hot Dogs", ["hotdog", "hot dog"]).items()}
    {'hot dog': ('Hot', 'Dogs')}
    """
    found = {name: explain(caption, name, "phrase") for name in names}
    return {name: why for name, why in found.items() if why.words}


def parse_synonyms(text: str) -> dict[str, tuple[str, ...]]:
    """name -> its other names, both canonical, of JSON, YAML or CSV.

    JSON and YAML: {name: [others]} or {name: "other, another"}, or lists of names that are one thing. CSV: a name and its
    others in the cells of a row, with or without a heading. Raises TailscopeError where nothing of that is found.
    """
    text = text.removeprefix("\ufeff")
    rows = _read_structure(text)
    if rows is None:
        rows = [[cell for cell in row if cell.strip()] for row in csv.reader(text.splitlines(), skipinitialspace=True)]
        headed = rows and canonical(rows[0][0]) in ("name", "concept", "label", "class") if rows and rows[0] else False
        rows = [[name, *_split(others)] for name, *others in filter(None, rows[1:] if headed else rows)]
    found: dict[str, dict[str, None]] = {}
    for name, *others in (tuple(map(canonical, row)) for row in rows if row):
        found.setdefault(name, {}).update(dict.fromkeys(other for other in others if other and other != name))
    kept = {name: tuple(others) for name, others in found.items() if name and others}
    if not kept:
        raise TailscopeError(
            "No synonyms in the file. Expected: JSON or YAML as {name: [other, another]}, or CSV rows: name,other,another"
        )
    return kept


def _read_structure(text: str) -> list[list[str]] | None:
    """The rows of JSON or YAML, each a name and its others, none where it holds no names; None where the text is neither."""
    try:
        value = json.loads(text) if text.lstrip()[:1] in ("{", "[") else yaml.load(text, Loader=yaml.BaseLoader)
    except (ValueError, yaml.YAMLError, RecursionError):
        return None
    if isinstance(value, dict):
        held = [[name, *_split(others if isinstance(others, list) else [others])] for name, others in value.items()]
    elif isinstance(value, list):
        held = value
    else:
        return None
    told = all(isinstance(row, list) and all(isinstance(name, str) for name in row) for row in held)
    return held if told else []


def _split(names: Iterable[object]) -> list[str]:
    """Names that stand in one text separated ("tinca tinca, doctor fish"), each by itself."""
    return [part for name in names for part in _SEPARATORS.split(str(name or "")) if part]


def find_unsearchable(names: Iterable[str]) -> list[str]:
    """Those of some names that no caption can have, for nothing in them is a word ("&")."""
    return [name for name in names if not list_searched(name)]
