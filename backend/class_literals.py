"""Class names in JSON, Python and YAML: entries of a list, a dictionary or what holds one; and the names of WordNet ids."""

import ast
import io
import json
import re
import tokenize
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

SYNSET = re.compile(r"^n\d{8}$")

_LISTS = ("names", "classes", "class_names", "classnames", "labels", "categories", "concepts")  # keys of a JSON or YAML file
_ASSIGNED = re.compile(r"^\s*[\w.]+\s*=\s*(?=[\[({])")
_YAML = re.compile(rf"^({'|'.join(_LISTS)})\s*:|\A\s*-\s+\w+\s*:\s", re.MULTILINE)
_PAIRS = re.compile(r"""\A\s*(["'])\w+\1\s*:""")  # the inside of a dictionary
_SYNSET_LINE = re.compile(r"^\W*(?:\d+\W+)?(n\d{8})\W+(?:\d+\s+)?(\w.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Literal:
    """Entries of what was parsed, each a name or a name with its synonyms; `keyed`: a dictionary from numbers or ids, in whose
    names a comma begins a synonym."""

    entries: list[str | list[str]]
    form: str
    keyed: bool = False


def parse_literal(text: str, headings: Sequence[str]) -> Literal | None:
    """The names of JSON, a Python list, tuple or dictionary, assigned to a name or not, or of YAML; None where it is neither.

    headings: what a record calls its name.
    """
    body = _ASSIGNED.sub("", text).strip()
    if _PAIRS.match(body):
        body = f"{{{body.rstrip(',')}}}"
    if body[:1] in ("[", "{", "("):
        for form, parse in (("JSON", json.loads), ("Python", _parse_python)):
            form = f"a {form} list" if body[0] != "{" else f"a {form} dictionary"
            if (found := _parse(parse, body, form, headings)) is not None:
                return found
    if not _YAML.search(text):
        return None
    return _parse(lambda text: yaml.load(text, Loader=yaml.BaseLoader), text, "a YAML list", headings)


def _parse(parse, text: str, form: str, headings: Sequence[str]) -> Literal | None:
    try:
        return _find_names(parse(text), form, headings)
    except (ValueError, SyntaxError, RecursionError, MemoryError, yaml.YAMLError, tokenize.TokenError):
        return None


def _parse_python(text: str) -> Any:
    """A Python literal; two texts beside each other are two, as where a comma is missing or numpy printed them."""
    tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    parts = [token for token in tokens if token.type not in (tokenize.NL, tokenize.NEWLINE, tokenize.COMMENT)]
    beside = [one for one, after in zip(parts, parts[1:], strict=False) if one.type == after.type == tokenize.STRING]
    lines = text.splitlines(keepends=True)
    for token in reversed(beside):
        row, column = token.end
        lines[row - 1] = f"{lines[row - 1][:column]},{lines[row - 1][column:]}"
    return ast.literal_eval("".join(lines))


def _find_names(value: object, form: str, headings: Sequence[str]) -> Literal | None:
    """The names in what was parsed: a list of names or records, a dictionary from or to numbers, one that holds either, or one
    from names to their synonyms."""
    if isinstance(value, dict):
        held = next((value[key] for key in _LISTS if isinstance(value.get(key), (list, dict))), None)
        if held is not None:
            return _find_names(held, form, headings)
        if value and all(isinstance(number, int) for number in value.values()):  # class_to_idx
            return Literal(list(map(str, sorted(value, key=value.get))), form)
        if not all(str(key).lstrip("-").isdigit() or SYNSET.match(str(key)) for key in value):
            return _find_synonyms(value, form)
        return _take_names(value.values(), form, headings, keyed=True)
    return _take_names(value, form, headings) if isinstance(value, (list, tuple)) else None


def _take_names(entries: Iterable[object], form: str, headings: Sequence[str], *, keyed: bool = False) -> Literal | None:
    names = [_find_name(entry, headings) for entry in entries]
    return None if None in names else Literal(names, form, keyed)


def _find_synonyms(value: dict, form: str) -> Literal | None:
    lists = all(isinstance(others, list) and all(map(_is_text, others)) for others in value.values())
    return Literal([[str(name), *others] for name, others in value.items()], form) if lists else None


def _find_name(entry: object, headings: Sequence[str]) -> str | None:
    """The name in an entry: itself, the value under a heading, or the last part of ("n01440764", "tench")."""
    if isinstance(entry, dict):
        entry = next((entry[key] for key in headings if key in entry), None)
    if isinstance(entry, (list, tuple)) and entry and all(isinstance(part, (str, int)) for part in entry):
        entry = next((part for part in entry if isinstance(part, str) and not SYNSET.match(part)), None)
    return str(entry) if isinstance(entry, (str, int)) and not isinstance(entry, bool) else None


def read_synsets(text: str) -> dict[str, str]:
    """WordNet id -> first name, out of lines ("n01440764 tench, Tinca tinca"), a table, or JSON of either direction.

    >>> read_synsets('{"0": ["n01440764", "tench"]}'), read_synsets("n02119789 1 kit_fox")
    ({'n01440764': 'tench'}, {'n02119789': 'kit_fox'})
    """
    try:
        held = json.loads(text)
    except (ValueError, RecursionError):
        held = None
    if isinstance(held, dict):
        pairs = [(key, value) if SYNSET.match(key) else value for key, value in held.items()]
        pairs = [pair for pair in pairs if isinstance(pair, (list, tuple)) and len(pair) == 2 and all(map(_is_text, pair))]
    else:
        pairs = _SYNSET_LINE.findall(text)
    return {synset: name.split(",")[0].strip().strip("\"'") for synset, name in pairs if SYNSET.match(synset)}


def _is_text(value: object) -> bool:
    return isinstance(value, str)
