"""The labels of a batch of images: from a CSV, from folders or from file names; what has none stands in the books."""

import csv
import io
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import unquote

import pandas as pd

from backend.errors import SourceError
from backend.probe.candidates import Candidates
from backend.probe.unpack import TABLE, Part, check_amount, read_ending, unpack_file
from backend.testset import decode_upload
from backend.words import canonical

SOURCES = ("csv", "folder", "name")  # of labels; all are tried in this order
NO_LABEL = "no label that is a candidate"
AMBIGUOUS = "the table names several files so, and gives no path that tells them apart"
SECOND_TABLE = "a second table of labels"
NOT_ASKED = "labels were not to come from a table"
NO_FILE = "names no file of this batch"

_FILE_HEADINGS = ("file", "filename", "image", "path")
_LABEL_HEADINGS = ("label", "class", "concept", "name")
_LAST_NUMBER = re.compile(r"[\s_.(#-]*\d+\)?$")  # of a file's name: "rose_012", "rose (3)"
_FIRST_NUMBER = re.compile(r"^\d+[\s_.-]+")


@dataclass(frozen=True, eq=False)
class Item:
    """An image of a batch: its file's name and bytes, and the number of the candidate that its label names."""

    file: str
    content: bytes
    number: int


@dataclass(frozen=True, eq=False)
class Batch:
    """The labelled images of files; `refused` has file and reason of all others; `labels_from`: source -> images.

    read = len(items) + len(refused), and the table of labels where there was one. `unused_rows` has file and reason of the
    table's rows that label nothing.
    """

    items: tuple[Item, ...]
    refused: pd.DataFrame
    labels_from: dict[str, int]
    unused_rows: pd.DataFrame

    @property
    def read(self) -> int:
        """The files that were handed in, those in zips included, the table of labels left aside."""
        return len(self.items) + len(self.refused)


def read_batch(
    files: Iterable[tuple[str, bytes]], candidates: Candidates, *, labels: str | None = None, table: bytes | None = None
) -> Batch:
    """`label_parts` of files and zips (name, bytes). Raises SourceError where one cannot be read, too."""
    return label_parts([part for file in files for part in unpack_file(*file)], candidates, labels=labels, table=table)


def label_parts(
    parts: Sequence[Part], candidates: Candidates, *, labels: str | None = None, table: bytes | None = None
) -> Batch:
    """The labelled images of unpacked files.

    labels: "csv" (`table`, or a .csv among the files, with columns file and label), "folder" (the nearest folder that names
    a candidate), "name" (the file's name without numbers around it), or None for the first of these that names a candidate.
    Raises SourceError where the table cannot be read, or where there is too much.
    """
    check_amount(parts)
    refused: list[tuple[str, str]] = []
    found: dict[str, bytes] = {}
    for part in parts:
        if part.fault:
            refused.append((part.name, part.fault))
        elif read_ending(part.name) != TABLE:
            found[_make_unique(part.name, found)] = part.content
        elif labels not in (None, "csv"):
            refused.append((part.name, NOT_ASKED))
        elif table is not None:
            refused.append((part.name, SECOND_TABLE))
        else:
            table = part.content
    if labels == "csv" and table is None:
        raise SourceError("No CSV of labels. Hand one in, with the columns file and label.")
    known = {canonical(name): number for number, name in reversed(list(enumerate(candidates.names)))}
    in_table = _Labels(_read_rows(table) if table is not None and labels in (None, "csv") else [], list(found))
    items, labels_from = [], dict.fromkeys(SOURCES, 0)
    for name, content in found.items():
        named = _find_label(name, known, in_table, SOURCES if labels is None else (labels,))
        if isinstance(named, str):
            refused.append((name, named))
        else:
            source, number = named
            labels_from[source] += 1
            items.append(Item(name, content, number))
    unused = [(path, NO_FILE) for path in in_table.list_unused()]
    return Batch(tuple(items), _tabulate(refused), labels_from, _tabulate(unused))


def _tabulate(reasons: list[tuple[str, str]]) -> pd.DataFrame:
    return pd.DataFrame(reasons, columns=["file", "reason"])


class _Labels:
    """What a table says of files: by the path that it gives, else by as much of it as both know, where that names one file."""

    def __init__(self, rows: list[tuple[str, str]], files: Iterable[str]):
        self._rows = rows
        self._used: set[int] = set()
        self._by_path: dict[tuple[str, ...], list[int]] = defaultdict(list)
        self._by_end: dict[tuple[str, ...], list[int]] = defaultdict(list)
        for number, (path, _) in enumerate(rows):
            for parts in dict.fromkeys((_split(path), _split(unquote(path)))):
                self._by_path[parts].append(number)
                for end in _list_ends(parts):
                    self._by_end[end].append(number)
        self._files = {_split(file) for file in files}
        self._files_by_end = Counter(end for parts in self._files for end in _list_ends(parts))

    def find(self, file: str) -> str | None:
        """The label of a file; None where the table does not name it. Raises LookupError where it cannot be told which."""
        wanted = _split(file)
        numbers = self._by_path.get(wanted) or self._find_shorter(wanted) or self._find_longer(wanted)
        self._used.update(numbers)
        texts = {self._rows[number][1] for number in numbers}
        if len(texts) > 1:
            raise LookupError(file)
        return texts.pop() if texts else None

    def list_unused(self) -> list[str]:
        """The paths of the rows that name no file."""
        return [path or "(empty)" for number, (path, _) in enumerate(self._rows) if number not in self._used]

    def _find_shorter(self, wanted: tuple[str, ...]) -> list[int]:
        """The rows that give the end of a file's path, the longest end of those that are given."""
        for end in _list_ends(wanted):
            if end in self._by_path:
                self._used.update(self._by_path[end])
                if self._files_by_end[end] > 1:
                    raise LookupError(end)
                return self._by_path[end]
        return []

    def _find_longer(self, wanted: tuple[str, ...]) -> list[int]:
        """The rows whose path ends in a file's whole path, but for those that name another file more exactly."""
        rows = [(number, _split(self._rows[number][0])) for number in self._by_end.get(wanted, [])]
        return [
            number
            for number, parts in rows
            if not any(end in self._files for end in (parts, *_list_ends(parts)) if len(end) > len(wanted))
        ]


def _split(path: str) -> tuple[str, ...]:
    """A path's parts as they are compared, whatever system and whatever Unicode form wrote them.

    >>> _split(".\\\\Photos/A.JPG")
    ('photos', 'a.jpg')
    """
    return tuple(
        part for part in unicodedata.normalize("NFC", path).casefold().replace("\\", "/").split("/") if part not in ("", ".")
    )


def _list_ends(parts: tuple[str, ...]) -> list[tuple[str, ...]]:
    """The shorter ends of a path, the longest first."""
    return [parts[start:] for start in range(1, len(parts))]


def _read_rows(table: bytes) -> list[tuple[str, str]]:
    """(file, label) of every row of a CSV with these two columns under their headings."""
    try:
        rows = list(csv.DictReader(io.StringIO(decode_upload(table)), skipinitialspace=True))
    except csv.Error as error:
        raise SourceError(f"The CSV of labels cannot be read: {error}") from error
    headings = [name for name in (rows[0] if rows else {}) if name]
    named = {heading.strip().lower(): heading for heading in headings}
    file = next((named[one] for one in _FILE_HEADINGS if one in named), None)
    label = next((named[one] for one in _LABEL_HEADINGS if one in named), None)
    if file is None or label is None:
        raise SourceError(f"The CSV of labels needs the columns file and label. It has: {', '.join(headings) or 'no rows'}.")
    return [((row[file] or "").strip(), (row[label] or "").strip()) for row in rows]


def _find_label(file: str, known: dict[str, int], in_table: _Labels, sources: Sequence[str]) -> tuple[str, int] | str:
    """Where the label of a file was found, and the number of the candidate that it names; or why there is none.

    What the table says of a file decides: where that is no candidate, its folder and name are not asked.
    """
    try:
        text = in_table.find(file)
    except LookupError:
        return AMBIGUOUS
    path = PurePosixPath(file)
    texts = {
        "csv": [] if text is None else [text],
        "folder": list(reversed(path.parent.parts)),
        "name": _vary_stem(path.stem),
    }
    for source in ("csv",) if texts["csv"] else sources:
        for text in texts[source]:
            if (number := known.get(canonical(text))) is not None:
                return source, number
    return NO_LABEL


def _vary_stem(stem: str) -> list[str]:
    """What a file's name may mean to say, the whole of it first: "01_sea-rose_2" may be "sea-rose" or "sea rose"."""
    shorter = [stem, _LAST_NUMBER.sub("", stem), _FIRST_NUMBER.sub("", stem)]
    shorter.append(_FIRST_NUMBER.sub("", shorter[1]))
    return [*shorter, *(text.replace("-", " ") for text in shorter)]


def _make_unique(name: str, taken: dict[str, bytes]) -> str:
    """A name that is not taken yet: two folders' files may be called the same when they are handed in one by one."""
    path, number = PurePosixPath(name), 2
    while name in taken:
        name = str(path.with_name(f"{path.stem} ({number}){path.suffix}"))
        number += 1
    return name
