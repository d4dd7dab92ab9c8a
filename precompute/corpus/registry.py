"""Which reader reads which file: by its ending, and where that says too little by what stands in it.

A new kind of input is a new module with a `READER`, and a line here.
"""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path, PurePosixPath

import pyarrow as pa
import pyarrow.compute as pc

from backend.errors import SourceError
from precompute.corpus import coco, folder, jsonl, parquet, tables, tar, text
from precompute.corpus import shard as shards
from precompute.corpus.copies import copy_file, fetch_file, needs_copy, place_remote, read_head, strip_packing
from precompute.corpus.encodings import LATIN, is_text, name_encoding
from precompute.corpus.folders import list_corpus_files
from precompute.corpus.patterns import list_files
from precompute.corpus.photos import BESIDE
from precompute.corpus.remote import is_remote, measure_remote
from precompute.corpus.sample import Sample, SampleBatch, batch_samples
from precompute.corpus.shard import AS_FOUND, Layout, Reader, Reading, ReadOptions, Shard

READERS: tuple[Reader, ...] = (
    tar.READER,
    tables.READER,
    text.READER,
    jsonl.READER,
    coco.READER,
    parquet.READER,
    parquet.CELLS,
    folder.READER,
)

_BY_KIND = {reader.kind: reader for reader in READERS}
_ENDINGS = frozenset(ending for reader in READERS for ending in reader.endings)


@dataclass(frozen=True)
class Found:
    """The shards of a corpus, and how many files of its folders play no part, by reason."""

    shards: list[Shard]
    unused: dict[str, int]


@dataclass
class _Files:
    """The files of a corpus as they are found: each one's place on this machine, its reader's kind, what it is a copy of."""

    options: ReadOptions
    fetch_all: bool
    known: dict[Path, tuple[str, Path | None, str]] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)  # of remote files by their endings
    unused: Counter = field(default_factory=Counter)

    def take(self, pattern: str, name: str, alike: bool) -> None:
        """Adds a file, a folder's files, or a URL. `alike`: all files of the pattern have one ending, which may be any of a
        text's; among others a text may be a note that somebody left."""
        if is_remote(name):
            self._take_remote(pattern, name)
            return
        path = Path(name.removeprefix("file://")).absolute()
        if path.is_dir() and path.suffix.lower() not in _ENDINGS:
            files, unused = list_corpus_files(path)
            if not files:
                others = f" ({sum(unused.values()):,} other files)" if unused else ""
                raise SourceError(f"The folder {path} holds no corpus{others}. Tailscope reads {_describe_readers()}.")
            self.unused.update(unused)
            for file in files:
                self._take_local(pattern, file, False)
        else:
            self._take_local(pattern, path, alike)

    def _take_local(self, pattern: str, path: Path, alike: bool) -> None:
        if path.is_dir() and path.suffix.lower() not in _ENDINGS:
            self.known.setdefault(path, (folder.READER.kind, path, ""))
            return
        if not path.is_file() or not (_find_ending(path.name) in _ENDINGS or (alike and is_text(read_head(path)))):
            which = f"{path} is" if pattern == str(path) else f"'{pattern}' matches {path}, which is"
            raise SourceError(f"{which} no shard. Tailscope reads {_describe_readers()}.")
        if needs_copy(path):
            copy = copy_file(path)
            with _named_by(copy, str(path)):
                self.known.setdefault(copy, (_find_kind(copy, self.options), path.parent, str(path)))
        else:
            self.known.setdefault(path, (_find_kind(path, self.options), None, ""))

    def _take_remote(self, pattern: str, url: str) -> None:
        name = url.partition("?")[0].rpartition("/")[2]
        ending = _find_ending(name)
        if ending not in _ENDINGS:
            raise SourceError(f"'{pattern}' matches {url}, which is no shard. Tailscope reads {_describe_readers()}.")
        kind = tar.READER.kind if ending == ".tar" else None if self.fetch_all else self.kinds.get(ending)
        path = place_remote(url) if kind else fetch_file(url)
        self.kinds[ending] = kind = kind or _find_kind(path, self.options)
        self.known.setdefault(path, (kind, None, url))


def find_corpus(patterns: Sequence[str], options: ReadOptions = AS_FOUND, *, fetch_all: bool = True) -> Found:
    """The shards of all files that the patterns name: files sorted within a pattern and numbered from 0, each file once.

    A pattern is a file, a folder, a glob, a brace pattern, or a URL. A large file is several shards; what is packed or lies
    elsewhere is copied to this machine (`copies`): tars when they are read, other files at once, or, where `fetch_all` is
    off, only the first of each ending. The photos that lists name lie in the folder `options.images`; without it in the
    folder `images` beside the list, or beside the list itself. Raises SourceError for a pattern that matches nothing, or
    something that no reader reads.
    """
    options = replace(options, images=options.images and options.images.absolute())
    files = _Files(options, fetch_all)
    for pattern in patterns:
        matched = list_files(pattern)
        if not matched:
            raise SourceError(f"'{pattern}' matches no file. Tailscope reads {_describe_readers()}.")
        alike = len(set(map(_find_ending, matched))) == 1
        for name in matched:
            files.take(pattern, name, alike)
    found: list[Shard] = []
    number = 0
    for path, (kind, beside, source) in files.known.items():
        reader = _BY_KIND[kind]
        given = replace(options, images=None) if reader.holds_images or kind == folder.READER.kind else options
        with _named_by(path, source):
            pieces = reader.cut(path, options) if path.exists() else shards.keep_whole(path)
        first = Shard(number, path, kind, options=given, beside=None if reader.holds_images else beside, source=source)
        found += [replace(first, start=piece.start, first=piece.first, end=piece.end) for piece in pieces]
        longest = max([shards.PIECE_SAMPLES, *(after.start - one.start for one, after in pairwise(pieces))])
        last = pieces[-1].start + (longest - 1 if len(pieces) > 1 else 0)
        number += last // shards.SAMPLES_PER_SHARD + 1
    return Found(found, dict(sorted(files.unused.items())))


def find_shards(patterns: Sequence[str], options: ReadOptions = AS_FOUND, *, fetch_all: bool = True) -> list[Shard]:
    """The shards of `find_corpus` alone."""
    return find_corpus(patterns, options, fetch_all=fetch_all).shards


def read_samples(shard: Shard, reading: Reading, with_images: bool = False) -> Iterator[Sample]:
    """The samples of a shard as they pass, each photo's bytes with the first sample that has it where they are asked for.

    A caption has no white space around it; U+FFFD stands for bytes that are no UTF-8. What does not become a sample is
    booked under a reason. Raises SourceError where the file is not of its kind.
    """
    shard = _bring(shard)
    with _named_by(shard.path, shard.source):
        yield from _BY_KIND[shard.kind].read(shard, reading, with_images)


def read_batches(shard: Shard, reading: Reading, with_images: bool = False) -> Iterator[SampleBatch]:
    """`read_samples` in batches of bounded memory; their ids rise but where a tar's members stand apart."""
    shard = _bring(shard)
    with _named_by(shard.path, shard.source):
        batches = _BY_KIND[shard.kind].read_columns(shard, reading, with_images)
        yield from batch_samples(read_samples(shard, reading, with_images)) if batches is None else batches


def identify_shard(shard: Shard, with_images: bool = False) -> str:
    """A checksum of all that a shard's samples depend on: other content has another one, another place or time has not."""
    return _BY_KIND[shard.kind].identify(_bring(shard), with_images)


def describe_layout(shard: Shard) -> Layout:
    """What a shard's file seems to be, and which columns are taken of it. Raises SourceError where it is not of its kind."""
    shard = _bring(shard)
    with _named_by(shard.path, shard.source):
        layout = _BY_KIND[shard.kind].describe(shard)
    return replace(layout, notes=(*layout.notes, *_note_reading(shard)))


def _note_reading(shard: Shard) -> Iterator[str]:
    """What was concluded from a text's content where its name and its encoding say too little."""
    if not shard.path.is_file():
        return
    ending = _find_ending(shard.path.name)
    if ending not in _ENDINGS:
        yield f"“{ending or shard.path.name}” is no ending that is known: it is a text by its content"
    if shard.source and not is_remote(shard.source) and name_encoding(read_head(Path(shard.source))) == LATIN:
        yield "it is no UTF-8, and is read as Windows-1252 (Latin-1): save it as UTF-8 where letters look wrong"


def measure_file(shard: Shard) -> int:
    """The bytes of a shard's whole file, or of all files of a folder."""
    if shard.path.is_dir():
        return sum((shard.path / name).stat().st_size for name in folder.list_files(shard.path))
    return shard.path.stat().st_size if shard.path.exists() else measure_remote(shard.source)


def place_images(samples: pa.Table, shard: Shard, base: Path) -> pa.Table:
    """A shard's samples with `image` as a study in the folder `base` names it; it comes relative to the shard's root.

    Links are resolved first: `..` leaves a linked folder by another door than it came in. A URL, and no image, stay so.
    """
    root = PurePosixPath(os.path.relpath(shard.root.resolve(), base.resolve()))
    images = samples["image"]
    if _BY_KIND[shard.kind].holds_images:  # the file may have had another name when its samples were read
        placed = pa.repeat(pa.scalar(str(root / shard.path.name), pa.string()), samples.num_rows)
        if shard.kind == parquet.CELLS.kind:
            cells = pc.struct_field(pc.extract_regex(images.combine_chunks(), r"(?P<cell>#[\d,]+)$"), "cell")
            placed = pc.binary_join_element_wise(placed, cells, "")
        images = pc.if_else(pc.is_valid(images), placed, pa.scalar(None, pa.string()))
    else:
        start = "" if root == PurePosixPath() else f"{root}/"
        placed = pc.binary_join_element_wise(pa.scalar(start), images, "")
        images = pc.if_else(pc.match_substring(images, "://"), images, placed)
    return samples.set_column(samples.schema.get_field_index("image"), samples.schema.field("image"), images)


def list_image_folders(shards: Sequence[Shard]) -> set[Path]:
    """The folders that the shards' images really lie in, with all links followed."""
    folders: set[Path] = set()
    for shard in shards:
        own = _BY_KIND[shard.kind].holds_images
        folders |= {shard.path.resolve().parent} if own else {shard.root.resolve(), (shard.root / BESIDE).resolve()}
    return {folder for folder in folders if folder.is_dir()}


@contextmanager
def _named_by(copy: Path, source: str) -> Iterator[None]:
    """Has errors about a copy speak of what it is a copy of, which a user knows."""
    try:
        yield
    except SourceError as error:
        if not source:
            raise
        raise SourceError(str(error).replace(str(copy), source)) from error


def _bring(shard: Shard) -> Shard:
    """The shard, once its file is on this machine."""
    if shard.source and not shard.path.exists():
        copy = fetch_file(shard.source) if is_remote(shard.source) else copy_file(Path(shard.source))
        return replace(shard, path=copy)
    return shard


def _find_ending(name: str) -> str:
    return PurePosixPath(strip_packing(name)).suffix.lower()


def _find_kind(path: Path, options: ReadOptions) -> str:
    """The kind of a file of the disk, which is not packed."""
    ending = path.suffix.lower()
    if ending not in _ENDINGS and read_head(path).lstrip()[:1] in (b"{", b"["):
        ending = ".json"
    if ending == ".txt" or ending not in _ENDINGS:
        return tables.READER.kind if not path.stat().st_size or tables.is_table(path, options) else text.READER.kind
    if ending == ".json":
        return jsonl.READER.kind if jsonl.starts_list(path) else coco.READER.kind
    if ending == ".parquet":
        return parquet.CELLS.kind if parquet.holds_images(path, options) else parquet.READER.kind
    return next(reader.kind for reader in READERS if ending in reader.endings)


def _describe_readers() -> str:
    *titles, last = (reader.title for reader in READERS if reader.endings or reader is folder.READER)
    return f"{', '.join(titles)} and {last}, packed (.gz, .zst) or not, and URLs of these"
