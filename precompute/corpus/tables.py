"""Caption tables (.csv, .tsv, .txt): a header with the columns image and caption, and the photos in a folder.

A pair is one caption with one image: a photo with five captions makes five samples. No URL is followed.
Cost: some 10,000 rows a second on one core; most of it is Pillow reading the photos' headers.
"""

import csv
import hashlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import IO, NamedTuple

from backend.errors import SourceError
from precompute.corpus import shard as shards
from precompute.corpus.photos import FIRST_NAMES, Listed, checksum_photos, join_photos
from precompute.corpus.sample import MAX_CAPTION, Sample, clean_text
from precompute.corpus.shard import Column, Layout, Piece, Reader, Reading, Shard, cut_at, measure_size

WHOLE_BYTES = 1 << 24  # a table up to this size is one piece; a larger one is read once more, to find where to cut
COLUMNS = ("image?", "caption")
BAD_ROW = "unreadable row"

_BLOCK = 1 << 20
_LONGEST_LINE = 1 << 24  # bytes; what is longer makes no row anyway


class Row(NamedTuple):
    """A row of a table: the line that it ends on, its cells as they were asked for (None where it is no row), and the byte
    that it ends before."""

    line: int
    cells: list[str | None] | None
    end: int


def read_table(shard: Shard, reading: Reading, with_images: bool) -> Iterator[Sample]:
    """The samples of a piece of a caption table, in its order."""
    yield from join_photos(shard, _read_captions(shard, reading), reading, with_images, _first_names(shard))


def describe_table(shard: Shard) -> Layout:
    """What its file seems to be."""
    return Layout("caption table", tuple(Column(role.strip("?"), role.strip("?"), "by its name") for role in COLUMNS))


def cut_table(path: Path) -> list[Piece]:
    """The pieces of a table; a large one is cut between rows, as the very reader of it sees them."""
    if path.stat().st_size <= WHOLE_BYTES:
        return [Piece()]
    places, position, end = [], 0, 0
    with path.open("rb") as stream:
        for row in read_rows(stream, path, COLUMNS):
            if row.cells is not None:
                if position and position % shards.PIECE_SAMPLES == 0:
                    places.append((position, end))
                position += 1
            end = row.end
    return cut_at(places)


def identify_table(shard: Shard, with_images: bool) -> str:
    """A checksum of the header, of a piece's rows and the photos that they name."""
    with shard.open() as stream:
        title = _Lines(stream).read_title()
        rows = checksum_photos(shard, _read_captions(shard, Reading()), with_images, _first_names(shard))
    return hashlib.sha256(f"{title}\0{rows}".encode("utf-8", "surrogatepass")).hexdigest()


def read_rows(stream: IO[bytes], path: Path, needed: tuple[str, ...], first: int = 0, end: int | None = None) -> Iterator[Row]:
    """The cells of the needed columns of every row that begins from byte `first` on and before `end`; a row without cells
    for each line that makes none. A table has a header.

    A needed column that ends in ? may be missing; its cells are then None. Commas separate, and quotes may stand around a
    cell; where the header has a tab, tabs separate and quotes mean nothing. A caption in the last column may hold separators.
    Bytes that are no UTF-8 become U+FFFD. Raises SourceError where another needed column is missing.
    """
    lines = _Lines(stream)
    title = lines.read_title()
    form = {"delimiter": "\t", "quoting": csv.QUOTE_NONE} if "\t" in title else {"delimiter": ",", "strict": True}
    header = [name.strip().lower() for name in title.strip().replace('"', "").split(form["delimiter"])]
    required = [name for name in needed if not name.endswith("?")]
    if any(header.count(name) != 1 for name in required):
        raise SourceError(
            f"{path} has no header with the columns {' and '.join(required)}; its first line is {title.strip()[:80]!r}."
        )
    columns = _Columns(header, needed, form["delimiter"])
    if first:
        lines.start_at(first)
    reader = csv.reader(lines, **form)
    while end is None or lines.end < end:
        before = reader.line_num
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:  # a quote that never closes; the lines that it took are lost
            yield from (Row(line + 2, None, lines.end) for line in range(before, reader.line_num))
            continue
        if row:
            yield Row(reader.line_num + 1, columns.pick(row), lines.end)


class _Columns:
    """Picks the cells that are needed out of a row."""

    def __init__(self, header: list[str], needed: tuple[str, ...], delimiter: str):
        names = [name.removesuffix("?") for name in needed]
        self.places = [header.index(name) if name in header else None for name in names]
        self.last = len(header) - 1
        self.delimiter = delimiter
        self.may_overflow = header[-1] == "caption"

    def pick(self, row: list[str]) -> list[str | None] | None:
        """The needed cells; None where the row has more of them than the header, and its last column is no caption."""
        if len(row) != self.last + 1:
            if len(row) > self.last + 1 and not self.may_overflow:
                return None
            row = [*row[: self.last], self.delimiter.join(row[self.last :])] + [""] * (self.last - len(row))
        return [None if place is None else row[place] for place in self.places]


class _Lines:
    """The lines of a file as text, with their ends; `end` is the byte behind the one given last."""

    def __init__(self, stream: IO[bytes]):
        self.stream = stream
        self.end = 0
        self._rest = b""

    def __iter__(self) -> Iterator[str]:
        while lines := self._split():
            for line in lines:
                self.end += len(line)
                yield line.decode("utf-8", "replace").replace("\0", "")

    def read_title(self) -> str:
        """The first line, up to the length of the longest caption, without the mark that some begin a file with."""
        self.stream.seek(0)
        line = self.stream.readline(MAX_CAPTION)
        line = line.splitlines(keepends=True)[0] if line else b""
        self.start_at(len(line))
        return line.decode("utf-8-sig", "replace")

    def start_at(self, byte: int) -> None:
        """Goes on from a byte where a line begins."""
        self.stream.seek(byte)
        self.end = byte
        self._rest = b""

    def _split(self) -> list[bytes]:
        """The next lines that are whole; none at the end."""
        while block := self.stream.read(_BLOCK):
            lines = (self._rest + block).splitlines(keepends=True)
            self._rest = lines.pop()  # it may go on; what ends in \r may end in \r\n
            if len(self._rest) > _LONGEST_LINE:
                lines, self._rest = [*lines, self._rest], b""
            if lines:
                return lines
        rest, self._rest = self._rest, b""
        return rest.splitlines(keepends=True)


def _first_names(shard: Shard) -> list[str]:
    """The first photos that the whole table names."""
    with shard.open() as stream:
        rows = islice(read_rows(stream, shard.path, COLUMNS), FIRST_NAMES)
        return [clean_text(row.cells[0] or "") for row in rows if row.cells]


def _read_captions(shard: Shard, reading: Reading) -> Iterator[Listed]:
    with shard.open() as stream:
        length = max((shard.end or measure_size(stream)) - shard.first, 1)
        for row in read_rows(stream, shard.path, COLUMNS, shard.first, shard.end):
            reading.done = min((row.end - shard.first) / length, 1.0)
            if row.cells is None:
                reading.samples.take(dropped=1, reason=BAD_ROW)
            else:
                yield Listed(clean_text(row.cells[0] or ""), clean_text(row.cells[1]))


READER = Reader(
    "table",
    (".csv", ".tsv", ".txt"),
    "caption tables (.csv, .tsv, .txt)",
    read_table,
    cut_table,
    identify_table,
    describe_table,
)
