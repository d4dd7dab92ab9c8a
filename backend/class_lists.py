"""Reads lists of class names in the forms that circulate: plain lines, numbered or bulleted ones, tables, JSON, Python, YAML.

What was read comes with a word on how, so that a page can show it before it is used.
"""

import ast
import csv
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

import yaml

from backend.errors import TailscopeError

# What a heading calls the column of names; of several the first.
HEADINGS = (
    *("name", "names", "classname", "classnames", "class name", "class_name", "label name", "label_name", "class", "classes"),
    *("label", "labels", "concept", "concepts", "category", "categories"),
)
_LISTS = ("names", "classes", "class_names", "classnames", "labels", "categories", "concepts")  # keys of a JSON or YAML file
_ASSIGNED = re.compile(r"^\s*[\w.]+\s*=\s*(?=[\[({])")
_YAML = re.compile(rf"^({'|'.join(_LISTS)})\s*:", re.MULTILINE)
_SYNSET = re.compile(r"^n\d{8}$")
_SYNSET_LINE = re.compile(r"^\W*(?:\d+\W+)?(n\d{8})\W+(?:\d+\s+)?(\w.*)$", re.MULTILINE)
# Marks at the beginning of a line that are no part of a name, where every line has one; numbers only where they count up.
_QUOTED = re.compile(r"^'(.*)',?$")
_BULLET = re.compile(r"^[-*•·]\s+")
_SYNSET_MARK = re.compile(r"^n\d{8}[\s,;:|-]+")
_COUNTED = (
    re.compile(r"^(?P<number>\d+)\s*[.):]\s*(?=\D)"),  # "1. tench", "0: tench", "001.Black_footed_Albatross"
    re.compile(r"^(?P<number>\d+)\s+"),  # "0 tench"
    re.compile(r"\s*[:=\s]\s*(?P<number>\d+)$"),  # "tench 0"
)


@dataclass(frozen=True)
class ClassList:
    """The class names of a text in its order, and in words how it was read.

    `whole_lines`: nothing told but that there is a name a line, which ends at a comma, if there is one.
    """

    names: tuple[str, ...]
    form: str
    whole_lines: bool = False


def read_class_list(text: str) -> ClassList:
    """The class names of a text. Empty ones are left out; repeated ones stay. Raises TailscopeError for a line beyond reading.

    >>> read_class_list("0,tench")
    ClassList(names=('tench',), form='column 2 of a table', whole_lines=False)
    """
    text = text.replace("\0", "").removeprefix("\ufeff")
    for read in (_read_literal, _read_yaml):
        if (found := read(text)) is not None:
            return found
    return _read_lines([line.strip() for line in text.splitlines() if line.strip()])


def _read_literal(text: str) -> ClassList | None:
    """The names of JSON or of a Python list, tuple or dictionary, assigned to a name or not; None where it is neither."""
    body = _ASSIGNED.sub("", text).strip()
    if body[:1] not in ("[", "{", "("):
        return None
    for form, parse in (("JSON", json.loads), ("Python", ast.literal_eval)):
        try:
            names = _find_names(parse(body))
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if names is not None:
            return ClassList(tuple(names), f"a {form} list" if body[0] != "{" else f"a {form} dictionary")
    return None


def _read_yaml(text: str) -> ClassList | None:
    if not _YAML.search(text):
        return None
    try:
        names = _find_names(yaml.load(text, Loader=yaml.BaseLoader))
    except (yaml.YAMLError, RecursionError, ValueError):
        return None
    return None if names is None else ClassList(tuple(names), "a YAML list")


def _find_names(value: object) -> list[str] | None:
    """The names in what was parsed: a list of names or records, a dictionary from or to numbers, one that holds either."""
    if isinstance(value, dict):
        held = next((value[key] for key in _LISTS if isinstance(value.get(key), (list, dict))), None)
        if held is not None:
            return _find_names(held)
        if value and all(isinstance(number, int) for number in value.values()):  # class_to_idx
            return _trim(sorted(value, key=value.get))
        if not all(str(key).lstrip("-").isdigit() or _SYNSET.match(str(key)) for key in value):
            return None
        names = [_find_name(entry) for entry in value.values()]
        return None if None in names else _trim(name.split(",")[0] for name in names)
    if isinstance(value, (list, tuple)):
        names = [_find_name(entry) for entry in value]
        if None in names:
            return None
        several = sum("," in name for name in names) * 2 > len(names)  # synonyms: "tench, Tinca tinca"
        return _trim(name.split(",")[0] if several else name for name in names)
    return None


def _find_name(entry: object) -> str | None:
    """The name in an entry: itself, the value under a heading, or the last part of ("n01440764", "tench")."""
    if isinstance(entry, dict):
        entry = next((entry[key] for key in HEADINGS if key in entry), None)
    if isinstance(entry, (list, tuple)) and entry and all(isinstance(part, (str, int)) for part in entry):
        entry = next((part for part in entry if isinstance(part, str) and not _SYNSET.match(part)), None)
    return str(entry) if isinstance(entry, (str, int)) and not isinstance(entry, bool) else None


def _trim(names) -> list[str]:
    return [trimmed for name in names if (trimmed := str(name).strip())]


@dataclass(frozen=True)
class _Column:
    """Where the names of a table stand; `known`: a heading or a column of numbers beside it tells that it is a table."""

    number: int
    has_heading: bool
    known: bool


def _read_lines(lines: Sequence[str]) -> ClassList:
    lines = lines[bool(lines) and lines[0].lower() in HEADINGS :]
    quoted = bool(lines) and all(_QUOTED.match(line) or line.startswith('"') for line in lines)
    if quoted:
        lines = [_QUOTED.sub(r"\1", line) for line in lines]
    marked, form = _strip_marks(lines)
    if form:
        return ClassList(tuple(_trim(_split(line, ",")[0] for line in marked)), form)
    rows = [_split(line, "\t" if "\t" in line else ",") for line in lines]
    for delimiter in (";", "|"):
        cut = [_split(line, delimiter) for line in lines]
        if min(map(len, cut), default=0) > 1 and _choose_column(cut).known:
            rows = cut
    column = _choose_column(rows)
    names = tuple(_trim(row[column.number] for row in rows[column.has_heading :] if len(row) > column.number))
    if not column.known:
        return ClassList(names, "one name a line", whole_lines=not quoted)
    place = f"column “{rows[0][column.number]}”" if column.has_heading else f"column {column.number + 1}"
    return ClassList(names, f"{place} of a table")


def _strip_marks(lines: Sequence[str]) -> tuple[Sequence[str], str]:
    """The lines without bullets, WordNet ids or numbers, and what was taken; nothing where a line has none."""
    taken = []
    if lines and all(_BULLET.match(line) for line in lines):
        lines = [_BULLET.sub("", line) for line in lines]
        taken.append("bulleted")
    while (counted := next((mark for mark in _COUNTED if _counts_up(lines, mark)), None)) is not None:
        lines = [counted.sub("", line, count=1) for line in lines]
        taken.append("numbered")
    if lines and all(_SYNSET_MARK.match(line) for line in lines):
        lines = [_SYNSET_MARK.sub("", line) for line in lines]
        taken.append("WordNet")
    return lines, f"{' '.join(dict.fromkeys(taken))} lines" if taken else ""


def _counts_up(lines: Sequence[str], mark: re.Pattern) -> bool:
    """Whether every line has the mark with one number more than the line before, from 0 or 1; a single line, "1." or "0:"."""
    found = [mark.search(line) for line in lines]
    if not found or not all(found) or any(match[0] == line for match, line in zip(found, lines, strict=True)):
        return False
    numbers = [int(match["number"]) for match in found]
    ordered = numbers[0] in (0, 1) and numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    distinct = len({mark.sub("", line) for line in lines}) == len(lines)  # "Boeing 0", "Boeing 1" are two names
    return ordered and distinct and (len(lines) > 1 or mark is _COUNTED[0])


def _split(line: str, delimiter: str) -> list[str]:
    """The cells of a line. Each line is read by itself, so that a quote which is never closed costs no other line."""
    try:
        row = next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
    except csv.Error as error:
        raise TailscopeError(f"The line that begins with “{line[:40]}” cannot be read: {error}.") from error
    return [cell.strip() for cell in row] or [""]


def _choose_column(rows: Sequence[Sequence[str]]) -> _Column:
    """The column of names: the one that a heading names, else the first that has not only numbers or WordNet ids."""
    rows = [row for row in rows if any(row)] or [[""]]
    headings = [cell.lower() for cell in rows[0]]
    numeric = {column for column in range(len(rows[0])) if all(_is_number(cell) for cell in _read_column(rows[1:], column))}
    numeric -= {column for column in numeric if len(rows) > 1 and not any(_read_column(rows[1:], column))}
    named = [headings.index(heading) for heading in HEADINGS if heading in headings]
    if len(headings) > 1 and named:
        return _Column(next((column for column in named if len(rows) == 1 or column not in numeric), named[0]), True, True)
    over = {column for column in numeric if len(rows) > 1 and headings[column] and not _is_number(rows[0][column])}
    has_heading = len(headings) > 1 and any(all(_read_column(rows, column)) for column in over)
    if not has_heading:
        numeric = {column for column in numeric if _is_number(rows[0][column])}
    return _Column(
        next((c for c in range(len(headings)) if c not in numeric), 0), has_heading, len(headings) > 1 and bool(numeric)
    )


def _read_column(rows: Sequence[Sequence[str]], column: int) -> list[str]:
    return [row[column] if len(row) > column else "" for row in rows]


def _is_number(cell: str) -> bool:
    return not cell or bool(re.fullmatch(r"-?\d+(?:\.\d+)?", cell) or _SYNSET.match(cell))


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
        pairs = [(key, value) if _SYNSET.match(key) else value for key, value in held.items()]
        pairs = [pair for pair in pairs if isinstance(pair, (list, tuple)) and len(pair) == 2 and all(map(_is_text, pair))]
    else:
        pairs = _SYNSET_LINE.findall(text)
    return {synset: name.split(",")[0].strip().strip("\"'") for synset, name in pairs if _SYNSET.match(synset)}


def _is_text(value: object) -> bool:
    return isinstance(value, str)
