"""A shard: a bounded piece of one file of a corpus, which any process can read by itself; and what a reader of one is.

A sample's id is its file's number times ten million plus its position in the file, however the file is cut: the same corpus
has the same ids whether its files are read whole or in pieces. A file of more than ten million rows takes as many numbers as
it fills.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from backend.errors import SourceError
from precompute.corpus.sample import Sample, SampleBatch
from precompute.ledger import Ledger

SAMPLES_PER_SHARD = 10_000_000  # sample_id = file number * this + position in the file
PIECE_SAMPLES = 100_000  # a file that is large is cut after about as many
_BLOCK = 1 << 20


@dataclass(frozen=True)
class ReadOptions:
    """What a user says of a corpus where its files do not say it themselves.

    `caption`, `image`, `url`: the column (of a table, of Parquet, of JSON; without a header its number, from 1 on) that holds
    it, in the place of the one that would be found · `images`: the folder of the photos that a list names.
    """

    caption: str | None = None
    image: str | None = None
    url: str | None = None
    images: Path | None = None


AS_FOUND = ReadOptions()  # a user says nothing


@dataclass(frozen=True)
class Shard:
    """A piece of a file: the file's number in the corpus, its path, its kind (the registry's word for how to read it).

    `start`: the position in the file of the piece's first sample · `first`, `end`: the bytes of the file that the piece
    takes (of Parquet the row groups), `end` None for the rest of it. `beside`: the folder beside whose files it stands, where
    `path` is a copy that was unpacked or fetched. `source`: what that is a copy of, a file or a URL.
    """

    number: int
    path: Path
    kind: str
    start: int = 0
    first: int = 0
    end: int | None = None
    options: ReadOptions = AS_FOUND
    beside: Path | None = None
    source: str = ""

    @property
    def root(self) -> Path:
        """The folder that its samples' images are relative to."""
        return self.options.images or self.beside or self.path.parent

    def open(self) -> IO[bytes]:
        """The file, to be read forwards. Raises SourceError where it cannot be opened."""
        try:
            return self.path.open("rb")
        except OSError as error:
            raise SourceError(f"{self.path} cannot be read: {error.strerror or error}.") from error

    def sample_id(self, position: int) -> int:
        """The id of the sample at a position in the file. Raises SourceError where a file that is not cut has too many."""
        if self.start == 0 and self.end is None and position >= SAMPLES_PER_SHARD:
            raise SourceError(f"{self.path} holds more than {SAMPLES_PER_SHARD:,} samples. Split it into several shards.")
        return self.number * SAMPLES_PER_SHARD + position


@dataclass(frozen=True)
class Piece:
    """Where a file can be cut: the position of the piece's first sample, and its bytes as in `Shard`."""

    start: int = 0
    first: int = 0
    end: int | None = None


@dataclass(frozen=True)
class Column:
    """What is taken from where: a sample's role (caption, image, url), the column's name, and why that one."""

    role: str
    name: str
    why: str


@dataclass(frozen=True)
class Layout:
    """What a file seems to be, in words, with the columns that are taken, and what a user ought to know besides."""

    words: str
    columns: tuple[Column, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass
class Reading:
    """What a reader tells while it reads a shard: the books of its samples and members, and how far it is (a fraction).

    `samples` counts what is or might have been a sample; `members` the files inside a shard, and why some play no part.
    """

    samples: Ledger = field(default_factory=Ledger)
    members: Ledger = field(default_factory=Ledger)
    done: float = 0.0


@dataclass(frozen=True)
class Reader:
    """How files of one kind are read. Adding a kind of input is adding a module with one of these, and a line in the registry.

    `endings`: of the file names, with the dot · `title`: for people · `read(shard, reading, with_images)`: the samples of a
    piece; the images' bytes too where they are asked for · `cut(path, options)`: the pieces of a file, each of bounded size ·
    `identify(shard, with_images)`: a checksum of all that the samples depend on, and of the images where they count ·
    `describe(shard)`: what its file seems to be.
    `holds_images`: images stand in the shard's own file, so that all samples of a shard have one `image` path ·
    `read_columns(shard, reading, with_images)`: the same samples in batches; None where `read` is the only way.
    """

    kind: str
    endings: tuple[str, ...]
    title: str
    read: Callable[[Shard, Reading, bool], Iterator[Sample]]
    cut: Callable[[Path, ReadOptions], list[Piece]]
    identify: Callable[[Shard, bool], str]
    describe: Callable[[Shard], Layout]
    holds_images: bool = False
    read_columns: Callable[[Shard, Reading, bool], Iterator[SampleBatch] | None] = lambda shard, reading, with_images: None


def keep_whole(path: Path) -> list[Piece]:
    """The file as one piece."""
    return [Piece()]


def cut_at(places: list[tuple[int, int]]) -> list[Piece]:
    """The pieces of a file that is cut at these places, each a position and a byte.

    >>> cut_at([(10, 512)])
    [Piece(start=0, first=0, end=512), Piece(start=10, first=512, end=None)]
    """
    begins = [(0, 0), *places]
    ends = [byte for _, byte in places] + [None]
    return [Piece(start, first, end) for (start, first), end in zip(begins, ends, strict=True)]


def checksum_content(shard: Shard, with_images: bool = False) -> str:
    """The SHA-256 of the bytes that a piece takes of its file: the same wherever the file lies and whatever its time says."""
    checksum = hashlib.sha256()
    with shard.open() as stream:
        stream.seek(shard.first)
        left = shard.end - shard.first if shard.end is not None else None
        while block := stream.read(_BLOCK if left is None else min(_BLOCK, left)):
            checksum.update(block)
            left = None if left is None else left - len(block)
    return checksum.hexdigest()


def measure_size(stream: IO[bytes]) -> int:
    """The size of an open file in bytes; it stands at its beginning afterwards."""
    size = stream.seek(0, 2)
    stream.seek(0)
    return size
