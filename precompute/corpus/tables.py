"""Tables (.csv, .tsv, .txt): with a header that names the columns, or without one, as CC3M's and CC12M's come.

A pair is one caption with one image: a photo with five captions makes five samples. No URL is followed.
Cost: some 10,000 rows a second on one core; most of it is Pillow reading the photos' headers.
"""

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, NamedTuple

from backend.errors import SourceError
from precompute.corpus import shard as shards
from precompute.corpus.columns import find_columns, guess_columns, note_choice, place_columns
from precompute.corpus.encodings import note_encoding
from precompute.corpus.lines import LONGEST_LINE, Lines
from precompute.corpus.lists import list_reader
from precompute.corpus.photos import Listed
from precompute.corpus.sample import MAX_CAPTION, clean_text
from precompute.corpus.shard import Column, Layout, Piece, Reading, ReadOptions, Shard, checksum_content, cut_at, measure_size

WHOLE_BYTES = 1 << 24  # a table up to this size is one piece; a larger one is read once more, to find where to cut
BAD_ROW = "unreadable row"

_SEPARATORS = {"\t": "tabs", ",": "commas", ";": "semicolons", "|": "bars"}
_UNQUOTED = "\t|"  # separators of tables in which quotes mean nothing
_FIRST_ROWS = 50  # by which the columns of a table without a header are told
_NUMBERED = re.compile(r"(?P<name>.+\.\w+)#\d+")  # a photo's name with the number of its caption, as Flickr8k has them


class Row(NamedTuple):
    """A row of a table: the line that it ends on, its cells as they were asked for (None where it is no row), and the byte
    that it ends before."""

    line: int
    cells: list[str | None] | None
    end: int


@dataclass(frozen=True)
class TableForm:
    """How a table is written: what separates its cells, its header (None: it has none), and how many columns it has."""

    separator: str
    header: tuple[str, ...] | None
    width: int
    columns: tuple[Column, ...] = ()

    @property
    def places(self) -> dict[str, int]:
        """The place of each role's column."""
        return place_columns(self.columns, self.header or [str(number + 1) for number in range(self.width)])

    @property
    def dialect(self) -> dict:
        """The same for `csv.reader`."""
        quoting = {"quoting": csv.QUOTE_NONE} if self.separator in _UNQUOTED else {"strict": True}
        return {"delimiter": self.separator, **quoting}


def find_form(path: Path, options: ReadOptions) -> TableForm:
    """How a table of captions is written, by its first lines. Raises SourceError where they tell no column of captions."""
    title, lines = _read_first_lines(path)
    separators = ["\t"] if "\t" in title else [mark for mark in ",;|" if mark in title] or [","]
    asked = {name.lower() for name in (options.caption, options.image, options.url) if name}
    for separator in separators:
        names = split_title(title, separator)
        if asked & {name.lower() for name in names} or find_columns(names, ReadOptions(), path):  # it is a header
            columns = find_columns(names, options, path)
            if any(column.role == "caption" for column in columns) and _are_single(names, columns):
                return TableForm(separator, names, len(names), columns)
            raise SourceError(_describe_lack(path, title))
    for separator in separators:
        rows = _parse(lines, TableForm(separator, None, 0))
        width = Counter(map(len, rows)).most_common(1)[0][0] if rows else 0
        if width > 1:
            columns = guess_columns([row for row in rows if len(row) == width], options, path)
            if len(columns) > 1 and columns[0].role == "caption":
                return TableForm(separator, None, width, columns)
    raise SourceError(_describe_lack(path, title))


def is_table(path: Path, options: ReadOptions) -> bool:
    """Whether a text file is a table of captions, not one caption a line: it has several columns, and they are known."""
    try:
        form = find_form(path, options)
    except SourceError:
        return False
    if form.header is None:
        return form.separator == "\t"
    return form.width > 1 or [name.lower() for name in form.header] == ["caption"]


def split_title(title: str, separator: str) -> tuple[str, ...]:
    """The names in a header.

    >>> split_title('"Image"; Caption\\n', ";")
    ('Image', 'Caption')
    """
    return tuple(name.strip() for name in title.strip().replace('"', "").split(separator))


def read_rows(
    stream: IO[bytes], form: TableForm, wanted: Sequence[int | None], first: int = 0, end: int | None = None
) -> Iterator[Row]:
    """The cells at the wanted places of every row that begins from byte `first` on and before `end`; a row without cells for
    each line that makes none.

    Commas and semicolons separate, and quotes may stand around a cell; between tabs and bars quotes mean nothing. A caption
    in the last column may hold separators. Bytes that are no UTF-8 become U+FFFD; where None is wanted, the cell is None.
    """
    lines = Lines(stream)
    if first or form.header is None:
        lines.start_at(first)
    else:
        lines.read_title(MAX_CAPTION)
    picks = _Picks(form, wanted)
    reader = csv.reader(lines, **form.dialect)
    begins = 2 if form.header and not first else 1
    while end is None or lines.end < end:
        before = reader.line_num
        try:
            row = _read_row(reader)
        except StopIteration:
            return
        except csv.Error:  # a quote that never closes; the lines that it took are lost
            yield from (Row(line + begins, None, lines.end) for line in range(before, reader.line_num))
            continue
        if row:
            yield Row(reader.line_num + begins - 1, picks.pick(row), lines.end)


def _read_row(reader: Iterator[list[str]]) -> list[str]:
    """The next row of a `csv.reader`, whose cells may be of any length, as columns that nobody reads are."""
    before = csv.field_size_limit(LONGEST_LINE)
    try:
        return next(reader)
    finally:
        csv.field_size_limit(before)  # of the whole process


class _Picks:
    """Picks the cells that are wanted out of a row."""

    def __init__(self, form: TableForm, wanted: Sequence[int | None]):
        self.wanted = wanted
        self.last = form.width - 1
        self.separator = form.separator
        self.may_overflow = form.places.get("caption") == self.last

    def pick(self, row: list[str]) -> list[str | None] | None:
        """The wanted cells; None where the row has more of them than the header, and its last column is no caption."""
        if len(row) != self.last + 1:
            if len(row) > self.last + 1 and not self.may_overflow:
                return None
            row = [*row[: self.last], self.separator.join(row[self.last :])] + [""] * (self.last - len(row))
        return [None if place is None else row[place] for place in self.wanted]


def _read_captions(shard: Shard, reading: Reading) -> Iterator[Listed]:
    form = find_form(shard.path, shard.options)
    wanted = [form.places.get(role) for role in ("image", "caption", "url")]
    with shard.open() as stream:
        length = max((shard.end or measure_size(stream)) - shard.first, 1)
        for row in read_rows(stream, form, wanted, shard.first, shard.end):
            reading.done = min((row.end - shard.first) / length, 1.0)
            if row.cells is None:
                reading.samples.take(dropped=1, reason=BAD_ROW)
                continue
            name, caption, url = (clean_text(cell or "") for cell in row.cells)
            numbered = _NUMBERED.fullmatch(name)
            yield Listed(numbered["name"] if numbered else name, caption, url)


def _cut(path: Path, options: ReadOptions) -> list[Piece]:
    """The pieces of a table; a large one is cut between rows, as the very reader of it sees them."""
    if path.stat().st_size <= WHOLE_BYTES:
        return [Piece()]
    places, position, end = [], 0, 0
    form = find_form(path, options)
    with path.open("rb") as stream:
        for row in read_rows(stream, form, ()):
            if row.cells is not None:
                if position and position % shards.PIECE_SAMPLES == 0:
                    places.append((position, end))
                position += 1
            end = row.end
    return cut_at(places)


def _describe(shard: Shard) -> Layout:
    form = find_form(shard.path, shard.options)
    header = "a header" if form.header else "no header"
    names = form.header or ()
    words = f"table separated by {_SEPARATORS[form.separator]}, with {header}"
    return Layout(words, form.columns, (*note_choice(names, form.columns), *note_encoding(shard.path)))


def _read_first_lines(path: Path) -> tuple[str, list[str]]:
    """The first line, and the first lines with it."""
    with path.open("rb") as stream:
        lines = Lines(stream)
        title = lines.read_title(MAX_CAPTION)
        lines.start_at(0)
        return title, list(islice(lines, _FIRST_ROWS))


def _parse(lines: list[str], form: TableForm) -> list[list[str]]:
    """The rows that lines make, as far as they can be told."""
    rows: list[list[str]] = []
    reader = csv.reader(lines, **form.dialect)
    while True:
        try:
            rows.append(_read_row(reader))
        except StopIteration:
            return [row for row in rows if row]
        except csv.Error:
            continue


def _are_single(names: Sequence[str], columns: Sequence[Column]) -> bool:
    """Whether no other column bears the name of a chosen one."""
    lowered = [name.lower() for name in names]
    return all(lowered.count(column.name.lower()) == 1 for column in columns)


def _describe_lack(path: Path, title: str) -> str:
    return (
        f"{path} has no header with the columns image and caption; its first line is {title.strip()[:80]!r}. Name the column "
        "that holds the captions, or its number where there is no header: --caption COLUMN"
    )


def _checksum(shard: Shard) -> str:
    """A checksum of a piece's rows, and of what says which cells of them are taken."""
    return f"{find_form(shard.path, shard.options)}\0{checksum_content(shard)}"


READER = list_reader(
    "table", (".csv", ".tsv", ".txt"), "caption tables (.csv, .tsv, .txt)", _read_captions, _cut, _describe, _checksum
)
