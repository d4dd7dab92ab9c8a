"""Reads lists of class names in the forms that circulate: plain lines, numbered or bulleted ones, tables, JSON, Python, YAML.

What was read comes with a word on how, and with what was no name, so that it can be shown before it is used.
"""

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from backend.class_literals import SYNSET, parse_literal
from backend.errors import TailscopeError

# What a heading calls the column of names; of several the first.
HEADINGS = (
    *("name", "names", "classname", "classnames", "class name", "class names", "class_name", "label name", "label_name"),
    *("class", "classes", "label", "labels", "concept", "concepts", "category", "categories", "words", "synset words"),
)
EMPTY, HEADING, COMMENT = "empty", "heading", "comment"  # why a line is no name
# Marks at the beginning of a line that are no part of a name, where every line has one; numbers only where they count up.
_QUOTED = re.compile(r"^'(.*)',?$")
_WRAPPED = re.compile(r"""^(["'`])(.*)\1,?$""")
_RULE = re.compile(r"^[-=:|+\s]*[-=]{3}[-=:|+\s]*$")  # under a heading: "-----", "|---|---|"
_COMMENT = re.compile(r"^(?:#|//)\s+")
_BULLET = re.compile(r"^[-*•·]\s+")
_SYNSET_MARKS = (re.compile(r"^n\d{8}[\s,;:|-]+\d+\s+(?=\D)"), re.compile(r"^n\d{8}[\s,;:|-]+"))
_COUNTED = (
    re.compile(r"^[(\[]?(?P<number>\d+)\s*[.):\]]+\s*(?=\D)"),  # "1. tench", "(1) tench", "001.Black_footed_Albatross"
    re.compile(r"^(?P<number>\d+)\s+"),  # "0 tench"
    re.compile(r"\s*[:=|\s]\s*(?P<number>\d+)$"),  # "tench 0", "tench | 0"
)


LONGEST_LINE = 1 << 17  # characters, whatever limit other readers have set for the process
_FIRSTS_DISTINCT = 0.9  # of the names before the commas of a list: "crane, sandhill", "crane, whooping" are no synonyms


@dataclass(frozen=True)
class ClassList:
    """The class names of a text in its order, and in words how it was read.

    `others`: further names of each, where the list has any · `lines`: the names with what follows a comma, where nothing told
    but that there is a name a line · `skipped`: the lines that are no name, by reason.
    """

    names: tuple[str, ...]
    form: str
    others: tuple[tuple[str, ...], ...] = field(default=(), repr=False)
    lines: tuple[str, ...] = field(default=(), repr=False)
    skipped: Mapping[str, int] = field(default_factory=dict, repr=False)


def read_class_list(text: str) -> ClassList:
    """The class names of a text. Empty ones are left out; repeated ones stay. Raises TailscopeError for a line beyond reading.

    >>> read_class_list("0,tench")
    ClassList(names=('tench',), form='column 2 of a table')
    >>> read_class_list("n01440764 tench, Tinca tinca").others
    (('Tinca tinca',),)
    """
    text = text.replace("\0", "").removeprefix("\ufeff")
    if (found := parse_literal(text, HEADINGS)) is not None:
        entries = [[entry] if isinstance(entry, str) else entry for entry in found.entries]
        if found.keyed or _name_several([first for first, *rest in entries if not rest]):
            entries = [[*_split_names(first), *rest] for first, *rest in entries]
        return _list_entries(entries, found.form)
    return _read_lines([line.strip() for line in text.splitlines()])


def _list_entries(
    entries: Iterable[Sequence[str]], form: str, *, lines: Sequence[str] = (), skipped: Mapping[str, int] | None = None
) -> ClassList:
    """The list of entries that each are a name and further ones; those whose name is empty are counted as skipped."""
    kept = [[part.strip() for part in entry] for entry in entries]
    empty = sum(not entry[0] for entry in kept)
    kept = [entry for entry in kept if entry[0]]
    others = tuple(tuple(dict.fromkeys(part for part in entry[1:] if part and part != entry[0])) for entry in kept)
    reasons = {**(skipped or {}), EMPTY: (skipped or {}).get(EMPTY, 0) + empty}
    return ClassList(
        tuple(entry[0] for entry in kept),
        form,
        others if any(others) else (),
        tuple(lines),
        {reason: count for reason, count in reasons.items() if count},
    )


def _split_names(text: str) -> list[str]:
    """A name and its synonyms: what commas separate outside of brackets.

    >>> _split_names("crane (bird, tall), Grus")
    ['crane (bird, tall)', 'Grus']
    """
    return re.split(r",\s*(?![^()]*\))", text)


def _name_several(texts: Sequence[str]) -> bool:
    """Whether most of these names bring synonyms after a comma ("tench, Tinca tinca"): the first names hardly ever repeat."""
    firsts = [text.split(",")[0] for text in texts]
    several = sum(", " in text for text in texts) * 2 > len(texts)
    return several and len(set(firsts)) >= _FIRSTS_DISTINCT * len(firsts)


@dataclass(frozen=True)
class _Column:
    """Where the names of a table stand; `known`: a heading or a column of numbers beside it tells that it is a table."""

    number: int
    has_heading: bool
    known: bool


def _read_lines(written: Sequence[str]) -> ClassList:
    """The names of a text that is read line by line; the lines have no white space around them."""
    lines, skipped = _drop_headings([line for line in written if line])
    skipped[EMPTY] = len("\n".join(written).strip().split("\n")) - len([line for line in written if line])
    quoted = bool(lines) and all(_QUOTED.match(line) or line.startswith('"') for line in lines)
    if quoted:
        lines = [_QUOTED.sub(r"\1", line) for line in lines]
    marked, form = _strip_marks(lines)
    if form:
        entries = [_split_names(_WRAPPED.sub(r"\2", line)) for line in marked]
        return _list_entries(
            [[first, *(one for one in rest if not _is_number(one))] for first, *rest in entries], form, skipped=skipped
        )
    if len(lines) == 1 and lines[0].count(", ") > 1 and not quoted:
        return _list_entries([[name] for name in _split_names(lines[0])], "names in one line", skipped=skipped)
    rows = _split_rows(lines)
    column = _choose_column(rows)
    names = [row[column.number] for row in rows[column.has_heading :] if len(row) > column.number]
    if not column.known:
        if len(lines) > 1 and not quoted and _name_several(lines):
            return _list_entries(map(_split_names, lines), "one name a line, then its synonyms", skipped=skipped)
        return _list_entries([[name] for name in names], "one name a line", lines=() if quoted else lines, skipped=skipped)
    place = f"column “{rows[0][column.number]}”" if column.has_heading else f"column {column.number + 1}"
    skipped[HEADING] = skipped.get(HEADING, 0) + column.has_heading
    several = len(names) > 1 and _name_several(names)
    entries = [_split_names(name) if several else [name] for name in names]
    return _list_entries(entries, f"{place} of a table", skipped=skipped)


def _drop_headings(lines: list[str]) -> tuple[list[str], dict[str, int]]:
    """The lines without comments, rules and a heading over one column; how many there were."""
    comments = [line for line in lines if _COMMENT.match(line)]
    if 2 * len(comments) < len(lines):
        lines = [line for line in lines if not _COMMENT.match(line)]
    else:
        comments = []
    rules = [number for number, line in enumerate(lines) if _RULE.match(line)]
    title = bool(lines) and (lines[0].lower() in HEADINGS or (rules[:1] == [1] and "|" not in lines[0]))
    kept = [line for line in lines[title:] if not _RULE.match(line)]
    return kept, {COMMENT: len(comments), HEADING: len(rules) + title}


def _split_rows(lines: Sequence[str]) -> list[list[str]]:
    """The cells of each line, cut at the mark that makes it a table; at commas where none does."""
    for delimiter in (";", "|"):
        cut = [_split(line.strip("|") if delimiter == "|" else line, delimiter) for line in lines]
        if min(map(len, cut), default=0) > 1 and _choose_column(cut).known:
            return cut
    return [_split(line, "\t" if "\t" in line else ",") for line in lines]


def _strip_marks(lines: Sequence[str]) -> tuple[Sequence[str], str]:
    """The lines without bullets, WordNet ids or numbers, and what was taken; nothing where a line has none."""
    taken = []
    if lines and all(_BULLET.match(line) for line in lines):
        lines = [_BULLET.sub("", line) for line in lines]
        taken.append("bulleted")
    while (counted := next((mark for mark in _COUNTED if _counts_up(lines, mark)), None)) is not None:
        lines = [counted.sub("", line, count=1) for line in lines]
        taken.append("numbered")
    synset = next((mark for mark in _SYNSET_MARKS if lines and all(mark.match(line) for line in lines)), None)
    if synset is not None:
        lines = [synset.sub("", line) for line in lines]
        taken.append("WordNet")
    return lines, f"{' '.join(dict.fromkeys(taken))} lines" if taken else ""


def _counts_up(lines: Sequence[str], mark: re.Pattern) -> bool:
    """Whether every line has the mark with one number more than the line before, from 0 or 1, or just a higher one where a
    dot or the like follows ("1.", "2.", "4."); a single line, "1." or "0:"."""
    found = [mark.search(line) for line in lines]
    if not found or not all(found) or any(match[0] == line for match, line in zip(found, lines, strict=True)):
        return False
    numbers = [int(match["number"]) for match in found]
    ordered = numbers[0] in (0, 1) and numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    if mark is _COUNTED[0] and len(numbers) > 1:
        ordered = all(before < after for before, after in zip(numbers, numbers[1:], strict=False))
    distinct = len({mark.sub("", line) for line in lines}) == len(lines)  # "Boeing 0", "Boeing 1" are two names
    return ordered and distinct and (len(lines) > 1 or mark is _COUNTED[0])


def _split(line: str, delimiter: str) -> list[str]:
    """The cells of a line. Each line is read by itself, so that a quote which is never closed costs no other line."""
    if len(line) > LONGEST_LINE:
        raise TailscopeError(f"The line that begins with “{line[:40]}” cannot be read: it has {len(line):,} characters.")
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
    return not cell or bool(re.fullmatch(r"-?\d+(?:\.\d+)?", cell) or SYNSET.match(cell))
