"""Reads a corpus shard by shard: webdataset tar files, caption tables beside photos, COCO captions; and given image hits.

A pair is one caption with one image: a photo with five captions makes five samples. A shard's samples depend on that shard
alone, so shards may be read in any order, or anywhere. Nothing is unpacked, no URL is followed, and a name inside a tar is
never used as a path.
Cost: some 5,000 samples a second on one core; most of it is Pillow reading the images' headers.
"""

import csv
import io
import json
import math
import os
import stat
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from glob import glob
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import ContainerIO, Image

from backend.errors import SourceError
from backend.images import FAULTS, IMAGE_ENDINGS, list_formats
from backend.schema import TABLES
from precompute.ledger import Ledger

SAMPLES_PER_SHARD = 10_000_000  # sample_id = shard number * this + position in the shard
MAX_CAPTION = 1 << 16  # bytes; the longest captions of web corpora have a few thousand
MAX_HEADER = 1 << 20  # bytes that a tar header may ask for: long names have a few hundred
HEADER_BYTES = 1 << 16  # of an image, in which its size nearly always stands
KINDS = {".tar": "tar", ".csv": "table", ".tsv": "table", ".txt": "table", ".json": "coco"}
SCHEMA = pa.schema([field for field in TABLES["samples"].schema if field.name != "corpus"])
HITS_SCHEMA = pa.schema([("image", pa.string()), ("label", pa.string()), ("score", pa.float32())])

NO_CAPTION = "no caption"
LONG_CAPTION = f"caption above {MAX_CAPTION >> 10} KiB"
NO_IMAGE = "no image"
OUTSIDE = "image outside the folder"
BAD_ROW = "unreadable row"
SECOND_CAPTION = "second caption of a sample"
SECOND_IMAGE = "second image of a sample"
TRUNCATED = "truncated shard"
DAMAGED = "damaged shard"

_KNOWN = "webdataset shards (.tar), caption tables (.csv, .tsv, .txt) and COCO captions (.json)"
_BAD_HEADER = (tarfile.TarError, ValueError, IndexError)  # what tarfile raises where a tar is damaged


@dataclass(frozen=True)
class Shard:
    """One file of a corpus: its number among the shards, its path, its kind (tar, table or coco)."""

    number: int
    path: Path
    kind: str


class _Sample(NamedTuple):
    """One sample as it goes into the table, in the order of its columns."""

    sample_id: int
    caption: str
    image: str
    offset: int | None
    length: int | None
    width: int | None
    height: int | None


def find_shards(patterns: Sequence[str]) -> list[Shard]:
    """The files that the patterns match, sorted within a pattern and numbered from 0; each file once.

    Raises SourceError for a pattern that matches nothing, or something that is no shard.
    """
    paths: dict[Path, str] = {}
    for pattern in patterns:
        matched = [pattern] if os.path.lexists(pattern) else sorted(glob(pattern, recursive=True))  # noqa: PTH207
        if not matched:  # pathlib's own glob takes no absolute pattern
            raise SourceError(f"'{pattern}' matches no file. Tailscope reads {_KNOWN}.")
        for path in map(Path, matched):
            kind = KINDS.get(path.suffix.lower())
            if kind is None or not path.is_file():
                raise SourceError(f"'{pattern}' matches {path}, which is no shard. Tailscope reads {_KNOWN}.")
            paths.setdefault(path.absolute(), kind)
    return [Shard(number, path, kind) for number, (path, kind) in enumerate(paths.items())]


def read_shard(shard: Shard, base: Path, ledger: Ledger, images: Path | None = None) -> pa.Table:
    """The samples of one shard: `samples` without the column `corpus`, sorted by sample_id.

    An image's path is relative to `base`, the folder where the study will lie; `offset` and `length` (bytes) say where in a
    tar it stands, and are null for a file of its own. `width` and `height` (pixels) come from the image's header, and are
    null where it has none that Pillow knows. A caption has no white space around it; U+FFFD stands for bytes that are no UTF-8.

    Photos of a table lie in `images`; without it in the folder `images` beside the table, or beside the table itself.
    The ledger counts samples; whatever does not become one is dropped there under a reason.
    Raises SourceError where the file is not of its kind, or holds more than ten million samples.
    """
    if images is not None and not images.is_dir():
        raise SourceError(f"No folder of images at {images}.")
    if shard.kind == "tar":
        samples = _read_tar(shard, _relative(shard.path.parent, base) / shard.path.name, ledger)
    else:
        folders = [images] if images else [shard.path.parent / "images", shard.path.parent]
        captions = _read_captions(shard.path, ledger) if shard.kind == "table" else _read_coco(shard.path, ledger)
        samples = _join_photos(shard, captions, _Photos(folders, base), ledger)
    rows = list(samples)
    ledger.take(written=len(rows))
    columns = zip(*rows, strict=True) if rows else [()] * len(SCHEMA)
    return pa.table([pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)], schema=SCHEMA)


def read_given_hits(path: Path) -> pa.Table:
    """The hits of a file made elsewhere: image (file name) · label · score float32, sorted, each image and label once.

    A .csv or .parquet with columns image, label and perhaps score (1 without it; the highest where a pair repeats), or COCO
    instances (.json), whose boxes make hits of score 1. Raises SourceError for any other content, naming the row.
    """
    suffix = path.suffix.lower()
    if not path.is_file():
        raise SourceError(f"No file of image hits at {path}.")
    if suffix in (".csv", ".tsv"):
        rows = _read_csv_hits(path)
    elif suffix == ".parquet":
        rows = _read_parquet_hits(path)
    elif suffix == ".json":
        rows = _read_coco_hits(path)
    else:
        raise SourceError(f"{path} is no file of image hits: expected .csv, .tsv, .parquet or COCO instances (.json).")
    best: dict[tuple[str, str], float] = {}
    for row, image, label, score in rows:
        if not (isinstance(image, str) and isinstance(label, str) and image.strip() and label.strip()):
            raise SourceError(f"{path}, {row}: image or label is missing.")
        try:
            value = float(score)
        except (TypeError, ValueError):
            value = math.nan
        if not math.isfinite(value):
            raise SourceError(f"{path}, {row}: the score {score!r} is no number.")
        key = (_clean(image), _clean(label))
        best[key] = max(value, best.get(key, value))
    ordered = sorted(best)
    columns = [[image for image, _ in ordered], [label for _, label in ordered], [best[key] for key in ordered]]
    return pa.table(columns, schema=HITS_SCHEMA)


def _relative(folder: Path, base: Path) -> PurePosixPath:
    """A folder as seen from `base`. Links are resolved first: `..` leaves a linked folder by another door than it came in."""
    return PurePosixPath(os.path.relpath(folder.resolve(), base.resolve()))


def _clean(text: str) -> str:
    """A text that Parquet can hold: no lone surrogates (JSON allows them), no NUL, no white space around it."""
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace").replace("\0", "").strip()


def _caption_fault(caption: str) -> str:
    """Why a caption makes no sample; nothing where it does."""
    if not caption:
        return NO_CAPTION
    return LONG_CAPTION if len(caption) > MAX_CAPTION or len(caption.encode()) > MAX_CAPTION else ""


def _sample_id(shard: Shard, position: int) -> int:
    if position >= SAMPLES_PER_SHARD:
        raise SourceError(f"{shard.path} holds more than {SAMPLES_PER_SHARD:,} samples. Split it into several shards.")
    return shard.number * SAMPLES_PER_SHARD + position


def _read_size(image: Path | IO[bytes]) -> tuple[int | None, int | None]:
    """Width and height out of an image's header, without decoding it; nulls where Pillow knows no such header."""
    try:
        with Image.open(image, formats=list_formats()) as opened:
            return opened.size
    except FAULTS:
        return None, None


def _read_member_size(contents: IO[bytes], offset: int, length: int) -> tuple[int | None, int | None]:
    """`_read_size` of an image inside a tar; most headers stand in the first bytes, which are read in one piece."""
    contents.seek(offset)
    size = _read_size(io.BytesIO(contents.read(min(length, HEADER_BYTES))))
    if size == (None, None) and length > HEADER_BYTES:
        return _read_size(ContainerIO.ContainerIO(contents, offset, length))
    return size


@dataclass
class _Group:
    """The members of a tar that share a key, as far as they are read: what makes one sample."""

    image: tuple[int, int] | None = None  # offset, bytes
    caption: str | None = None
    caption_fault: str = NO_CAPTION

    @property
    def is_complete(self) -> bool:
        """Whether image and caption are both there, good or bad."""
        return self.image is not None and self.caption is not None

    @property
    def fault(self) -> str:
        """Why the members make no sample; nothing where they do."""
        return self.caption_fault or ("" if self.image else NO_IMAGE)


class _Headers:
    """A tar as `tarfile` sees it: forwards only, and no header above 1 MiB.

    Without this, a negative size sends Python 3.11's tarfile back to the same header for ever.
    """

    def __init__(self, stream: IO[bytes], size: int):
        self.stream = stream
        self.size = size

    def tell(self) -> int:
        return self.stream.tell()

    def read(self, size: int) -> bytes:
        if not 0 <= size <= MAX_HEADER:
            raise tarfile.ReadError("a header above the size limit")
        return self.stream.read(size)

    def seek(self, offset: int) -> None:
        if offset < self.stream.tell():
            raise tarfile.ReadError("a member of negative size")
        self.stream.seek(min(offset, self.size))


def _read_members(stream: IO[bytes], path: Path) -> Iterator[tuple[tarfile.TarInfo | None, str]]:
    """Every member of a tar; where it is not whole, last the member that is cut off (None: not even its header) and the fault.

    A tar ends in an empty block. `tarfile` takes any end for a good one; here one that stops without is cut off.
    """
    size = os.fstat(stream.fileno()).st_size
    if size < tarfile.BLOCKSIZE:
        yield None, TRUNCATED
        return
    try:
        archive = tarfile.TarFile(fileobj=_Headers(stream, size))
    except _BAD_HEADER as error:
        if stream.tell() < size:
            raise SourceError(f"{path} is no tar archive ({error}). Delete it, or fetch it again.") from error
        yield None, TRUNCATED
        return
    try:
        while info := archive.next():
            fault = ""
            if _is_plain(info) and not 0 <= info.size <= size - info.offset_data:
                fault = DAMAGED if info.size < 0 else TRUNCATED
            yield info, fault
            if fault:
                return
            archive.members.clear()  # tarfile keeps every header that it has read
    except _BAD_HEADER:
        yield None, TRUNCATED if stream.tell() >= size else DAMAGED
        return
    if fault := _end_fault(stream, archive.offset):
        yield None, fault


def _is_plain(info: tarfile.TarInfo) -> bool:
    """Whether a member is a file whose bytes stand in the tar in one piece."""
    return info.isreg() and not info.issparse()


def _end_fault(stream: IO[bytes], offset: int) -> str:
    """What is wrong where a tar's members end: nothing where only empty blocks follow."""
    stream.seek(offset)
    block = stream.read(tarfile.BLOCKSIZE)
    if len(block) < tarfile.BLOCKSIZE:
        return TRUNCATED
    while block:
        if any(block):
            return DAMAGED
        block = stream.read(MAX_HEADER)
    return ""


def _read_tar(shard: Shard, image: PurePosixPath, ledger: Ledger) -> Iterator[_Sample]:
    """The samples of a tar, in the order of their first members.

    Members of one key make a sample even where others stand between them. Only a key that comes again after others, with
    an image or a caption that its sample has already, begins another sample.
    """
    with shard.path.open("rb") as headers, shard.path.open("rb") as contents:
        groups, fault, broken = _group_members(_read_members(headers, shard.path), contents, ledger)
        if fault:
            ledger.take(dropped=1, reason=fault)  # the sample that is cut off, if nothing more
        for position, group in enumerate(groups):
            if not group.fault:
                size = _read_member_size(contents, *group.image)
                yield _Sample(_sample_id(shard, position), group.caption, str(image), *group.image, *size)
            elif position != broken or group.is_complete:
                ledger.take(dropped=1, reason=group.fault)


def _group_members(
    members: Iterator[tuple[tarfile.TarInfo | None, str]], contents: IO[bytes], ledger: Ledger
) -> tuple[list[_Group], str, int | None]:
    """The samples' members, the tar's fault, and the number of the group that it breaks off in."""
    groups: list[_Group] = []
    latest: dict[str, int] = {}  # the number of a key's latest group
    key, fault, current = "", "", -1
    for info, fault in members:
        key, role = _read_name(info) if info else (key, "")
        if fault:
            break
        if not role:
            continue
        number = latest.get(key)
        if number is None or (number != current and getattr(groups[number], role) is not None):
            number = latest[key] = len(groups)
            groups.append(_Group())
        current = number
        group = groups[number]
        if getattr(group, role) is not None:
            ledger.take(dropped=1, reason=SECOND_IMAGE if role == "image" else SECOND_CAPTION)
        elif role == "image":
            group.image = (info.offset_data, info.size)
        else:
            contents.seek(info.offset_data)
            group.caption = _clean(contents.read(min(info.size, MAX_CAPTION)).decode("utf-8", "replace"))
            group.caption_fault = LONG_CAPTION if info.size > MAX_CAPTION else _caption_fault(group.caption)
    return groups, fault, latest.get(key) if fault else None


def _read_name(info: tarfile.TarInfo) -> tuple[str, str]:
    """A member's key (its path up to the first dot of the file name) and role: image, caption or none."""
    folder, _, name = info.name.rpartition("/")
    stem, _, ending = name.partition(".")
    key = f"{folder}/{stem}"
    if not _is_plain(info):
        return key, ""
    ending = ending.lower()
    return key, "image" if ending in IMAGE_ENDINGS else "caption" if ending == "txt" else ""


class _Photos:
    """Finds the photos that a table names, and reads the size of each once."""

    def __init__(self, folders: Sequence[Path], base: Path):
        self.folders = [(folder, _relative(folder, base)) for folder in folders if folder.is_dir()]
        self.found: dict[str, tuple[str, int | None, int | None] | str] = {}

    def find(self, name: str) -> tuple[str, int | None, int | None] | str:
        """A photo's path as the study says it, its width and height; or the reason why there is none."""
        if name not in self.found:
            self.found[name] = self._look_for(PurePosixPath(name))
        return self.found[name]

    def _look_for(self, path: PurePosixPath) -> tuple[str, int | None, int | None] | str:
        if path.is_absolute() or ".." in path.parts:
            return OUTSIDE
        for folder, shown in self.folders:
            if _is_file(folder / path):
                return str(shown / path), *_read_size(folder / path)
        return NO_IMAGE


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (OSError, ValueError):  # a name that is too long is no file either
        return False


def _join_photos(shard: Shard, captions: Iterator[tuple[str, str]], photos: _Photos, ledger: Ledger) -> Iterator[_Sample]:
    for position, (name, caption) in enumerate(captions):
        sample_id = _sample_id(shard, position)
        photo = photos.find(name)
        if fault := _caption_fault(caption) or (photo if isinstance(photo, str) else ""):
            ledger.take(dropped=1, reason=fault)
            continue
        path, width, height = photo
        yield _Sample(sample_id, caption, path, None, None, width, height)


def _read_captions(path: Path, ledger: Ledger) -> Iterator[tuple[str, str]]:
    for _, cells in _read_rows(path, ("image", "caption")):
        if cells is None:
            ledger.take(dropped=1, reason=BAD_ROW)
        else:
            yield _clean(cells["image"]), _clean(cells["caption"])


def _read_rows(path: Path, needed: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str] | None]]:
    """Every row of a table with a header: its line and its cells by column; None for each line that makes no row.

    Commas separate, and quotes may stand around a cell; where the header has a tab, tabs separate and quotes mean nothing.
    A caption in the last column may hold separators. Raises SourceError where a needed column is missing.
    """
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
        first = stream.readline(MAX_CAPTION)
        form = {"delimiter": "\t", "quoting": csv.QUOTE_NONE} if "\t" in first else {"delimiter": ",", "strict": True}
        header = [name.strip().lower() for name in first.strip().replace('"', "").split(form["delimiter"])]
        if any(header.count(name) != 1 for name in needed):
            raise SourceError(
                f"{path} has no header with the columns {' and '.join(needed)}; its first line is {first.strip()[:80]!r}."
            )
        reader = csv.reader((line.replace("\0", "") for line in stream), **form)
        while True:
            before = reader.line_num
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error:  # a quote that never closes; the lines that it took are lost
                yield from ((line + 2, None) for line in range(before, reader.line_num))
                continue
            if row:
                yield reader.line_num + 1, _name_cells(header, row, form["delimiter"])


def _name_cells(header: list[str], row: list[str], delimiter: str) -> dict[str, str] | None:
    last = len(header) - 1
    if len(row) > len(header) and header[last] != "caption":
        return None
    cells = [*row[:last], delimiter.join(row[last:])] + [""] * (last - len(row))
    return dict(zip(header, cells, strict=True))


def _read_coco(path: Path, ledger: Ledger) -> Iterator[tuple[str, str]]:
    """The pairs of a COCO captions file, in its order; an image of which it says nothing is dropped."""
    content, names = _load_coco(path)
    silent = set(names)
    for annotation in content["annotations"]:
        number, caption = annotation.get("image_id"), annotation.get("caption")
        silent.discard(number)
        yield names.get(number, ""), _clean(caption) if isinstance(caption, str) else ""
    ledger.take(dropped=len(silent), reason=NO_CAPTION)


def _load_coco(path: Path) -> tuple[dict, dict[object, str]]:
    """What a COCO file says, and its images' file names by id. Raises SourceError where it is no such file."""
    try:
        content = json.loads(path.read_bytes())
        names = {image["id"]: _clean(image["file_name"]) for image in content["images"]}
        keys = [(annotation.get("image_id"), annotation.get("category_id")) for annotation in content["annotations"]]
        set(keys)  # an id may be a number or a text, not a list
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise SourceError(
            f"{path} is no COCO file ({type(error).__name__}: {error}). Expected: images with id and file_name, "
            "annotations with image_id and caption."
        ) from error
    return content, names


def _read_csv_hits(path: Path) -> Iterator[tuple[str, object, object, object]]:
    for line, cells in _read_rows(path, ("image", "label")):
        if cells is None:
            raise SourceError(f"{path}, line {line}: it does not fit the header.")
        yield f"line {line}", cells["image"], cells["label"], cells.get("score", 1.0)


def _read_parquet_hits(path: Path) -> Iterator[tuple[str, object, object, object]]:
    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            if not {"image", "label"} <= set(names):
                raise SourceError(f"{path} has no columns image and label; its columns are {', '.join(names)}.")
            number = 0
            for batch in file.iter_batches(columns=[name for name in ("image", "label", "score") if name in names]):
                for cells in batch.to_pylist():
                    number += 1
                    yield f"row {number}", cells["image"], cells["label"], cells.get("score", 1.0)
    except (pa.ArrowInvalid, OSError) as error:
        raise SourceError(f"{path} is no readable Parquet file: {str(error).splitlines()[0]}") from error


def _read_coco_hits(path: Path) -> Iterator[tuple[str, object, object, object]]:
    content, names = _load_coco(path)
    try:
        labels = {category["id"]: category["name"] for category in content["categories"]}
    except (KeyError, TypeError) as error:
        raise SourceError(f"{path} has no COCO categories with id and name; for hits, give COCO instances.") from error
    for number, annotation in enumerate(content["annotations"], start=1):
        yield f"annotation {number}", names.get(annotation.get("image_id")), labels.get(annotation.get("category_id")), 1.0
