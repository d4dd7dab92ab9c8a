"""JSON: an object a line (.jsonl, .ndjson), or a list of objects (.json), as LLaVA, BLIP and img2dataset's friends have them.

A list is read object by object, whatever its size.
"""

import codecs
import json
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import IO, NamedTuple

from backend.errors import SourceError
from precompute.corpus import shard as shards
from precompute.corpus.columns import find_columns, note_choice
from precompute.corpus.encodings import note_encoding
from precompute.corpus.lines import BLOCK, LONGEST_LINE, Lines
from precompute.corpus.lists import list_reader
from precompute.corpus.photos import Listed
from precompute.corpus.shard import Column, Layout, Piece, Reading, ReadOptions, Shard, cut_at, measure_size
from precompute.corpus.values import list_names, list_samples

WHOLE_BYTES = 1 << 24  # a file up to this size is one piece; a larger one is read once more, to find where to cut
BAD_ROW = "unreadable row"
_FIRST_ROWS = 50  # by which columns are told
_DECODER = json.JSONDecoder()
_GAPS = " \t\r\n,"


class _Object(NamedTuple):
    """A row: its value, None where it is no object, and the byte that it ends before (in a list, which is not cut, about)."""

    value: Mapping | None
    end: int = 0


def starts_list(path: Path) -> bool:
    """Whether a JSON file is a list of objects or captions, or has an object a line: not one object over many lines."""
    with path.open("rb") as stream:
        head = stream.read(LONGEST_LINE).lstrip(b"\xef\xbb\xbf \t\r\n")
    if head[:1] == b"[":
        return head[1:].lstrip()[:1] in (b"{", b'"')
    lines = [line for line in head.splitlines() if line.strip()]
    return len(lines) > 1 and _parse(lines[0].decode("utf-8", "replace")) is not None


def _read_objects(shard: Shard, reading: Reading) -> Iterator[_Object]:
    with shard.open() as stream:
        size = measure_size(stream)
        is_list = _is_list(stream)
        if is_list:
            for row in _read_list(stream, shard.path):
                reading.done = min(row.end / max(size, 1), 1.0)
                yield row
            return
        lines = Lines(stream)
        lines.start_at(shard.first)
        length = max((shard.end or size) - shard.first, 1)
        for line in lines:
            reading.done = (lines.end - shard.first) / length
            if line.strip():
                yield _Object(_parse(line), lines.end)
            if shard.end is not None and lines.end >= shard.end:
                return


def _read_captions(shard: Shard, reading: Reading) -> Iterator[Listed]:
    columns = _find_columns(shard)
    for value, _ in _read_objects(shard, reading):
        if value is None:
            reading.samples.take(dropped=1, reason=BAD_ROW)
        else:
            yield from list_samples(value, columns)


def _find_columns(shard: Shard) -> tuple[Column, ...]:
    """The columns of the whole file, by its first rows. Raises SourceError where none holds a caption."""
    names = _list_names(shard)
    columns = find_columns(names, shard.options, shard.path)
    if not any(column.role == "caption" for column in columns):
        raise SourceError(
            f"{shard.path}: the JSON has the keys {', '.join(names) or '(none)'}, and none is known to hold captions. Name "
            "it: --caption KEY"
        )
    return columns


def _list_names(shard: Shard) -> list[str]:
    with shard.open() as stream:
        if _is_list(stream):
            rows = [row.value for row in islice(_read_list(stream, shard.path), _FIRST_ROWS)]
        else:
            lines = Lines(stream)
            lines.start_at(0)
            rows = [_parse(line) for line in islice(lines, _FIRST_ROWS) if line.strip()]
    return list(dict.fromkeys(name for row in rows if row for name in list_names(row)))


def _is_list(stream: IO[bytes]) -> bool:
    stream.seek(0)
    head = stream.read(BLOCK).lstrip(b"\xef\xbb\xbf \t\r\n")
    stream.seek(0)
    return head[:1] == b"["


def _read_list(stream: IO[bytes], path: Path) -> Iterator[_Object]:
    """The objects of a list, one at a time. Raises SourceError where the list is broken or ends early."""
    blocks = _decode_blocks(stream)
    text, at, ended = next(blocks, "").lstrip("\ufeff" + _GAPS), 1, False  # behind the bracket
    while True:
        at = _skip_gaps(text, at)
        if text[at : at + 1] == "]":
            return
        try:
            value, end = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            end = len(text)
            if ended or end - at > LONGEST_LINE:
                raise SourceError(f"{path} is no whole JSON list: it breaks off at {text[at : at + 60]!r}.") from None
        if end == len(text) and not ended:  # it may go on in the next block
            more = next(blocks, "")
            text, at, ended = text[at:] + more, 0, not more
            continue
        yield _Object(_as_row(value), max(stream.tell() - (len(text) - end), 1))
        at = end


def _skip_gaps(text: str, at: int) -> int:
    while at < len(text) and text[at] in _GAPS:
        at += 1
    return at


def _decode_blocks(stream: IO[bytes]) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while block := stream.read(BLOCK):
        yield decoder.decode(block)


def _parse(line: str) -> Mapping | None:
    try:
        return _as_row(json.loads(line.lstrip("\ufeff")))
    except (ValueError, RecursionError):
        return None


def _as_row(value: object) -> Mapping | None:
    """A row as an object; a caption alone becomes one."""
    if isinstance(value, str):
        return {"caption": value}
    return value if isinstance(value, Mapping) else None


def _cut(path: Path, options: ReadOptions) -> list[Piece]:
    """The pieces of a file; a large one with an object a line is cut between lines."""
    shard = Shard(0, path, "jsonl", options=options)
    if path.stat().st_size <= WHOLE_BYTES:
        return [Piece()]
    with path.open("rb") as stream:
        if _is_list(stream):
            return [Piece()]
    columns, places, position, end, begun = _find_columns(shard), [], 0, 0, 0
    for value, after in _read_objects(shard, Reading()):
        if position - begun >= shards.PIECE_SAMPLES:
            places.append((position, end))
            begun = position
        position += 0 if value is None else len(list_samples(value, columns))
        end = after
    return cut_at(places)


def _describe(shard: Shard) -> Layout:
    columns = _find_columns(shard)
    with shard.open() as stream:
        words = "JSON, a list of objects" if _is_list(stream) else "JSON, an object a line"
    return Layout(words, columns, (*note_choice(_list_names(shard), columns), *note_encoding(shard.path)))


READER = list_reader(
    "jsonl", (".jsonl", ".ndjson", ".json"), "JSON lines and lists (.jsonl, .json)", _read_captions, _cut, _describe
)
