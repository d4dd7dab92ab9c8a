"""Reads captions and prompts, each with what it belongs to, out of the files that hold them; no image is looked for.

Tables with a header (.csv, .tsv, .txt, .parquet; packed by gzip or zstd), Flickr's numbered lines, COCO captions and Karpathy
splits, JSON lists and lines of records, and plain text with one caption a line, which then is an image of its own.
"""

import csv
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from backend.errors import SourceError
from precompute.corpus.sample import NO_CAPTION, clean_text
from precompute.corpus.tables import BAD_ROW
from precompute.ledger import Ledger

CAPTIONS = ("caption", "captions", "text", "prompt", "title", "sentence", "sentences", "raw", "alt", "alt_text")
IMAGES = ("image", "image_id", "image_name", "img", "filename", "file_name", "filepath", "file", "cocoid", "id", "url", "key")

_TABLES = {".csv": ",", ".tsv": "\t"}
_NUMBERED = re.compile(r"([^\t]+)#\d+\t(.*)")  # "1000268201_693b08cb0e.jpg#0	A child in a dress", as Flickr has them
_PACKED = (".gz", ".zst", ".bz2", ".xz")


def read_captions(path: Path, ledger: Ledger) -> Iterator[tuple[str, str]]:
    """The image, or whatever has captions, and a caption of it, for every caption of a file; empty ones are booked as dropped.

    Raises SourceError where the file cannot be read, or has no captions by a name that is known.
    """
    try:
        for image, caption in _read_pairs(path, ledger):
            if caption := clean_text(str(caption or "")):
                ledger.take(written=1)
                yield str(image), caption
            else:
                ledger.take(dropped=1, reason=NO_CAPTION)
    except (OSError, ValueError, KeyError, TypeError, RecursionError, pa.ArrowInvalid) as error:
        raise SourceError(f"{path} holds no captions that can be read ({type(error).__name__}: {error}).") from error


def _read_pairs(path: Path, ledger: Ledger) -> Iterable[tuple[Any, Any]]:
    endings = [ending.lower() for ending in path.suffixes if ending.lower() not in _PACKED]
    kind = endings[-1] if endings else ""
    if kind in _TABLES:
        return _read_table(path, _TABLES[kind], ledger)
    if kind == ".parquet":
        caption, image = _find_columns(path, pq.read_schema(path).names)
        table = pq.read_table(path, columns=list(filter(None, (caption, image))))
        return zip(table[image].to_pylist() if image else range(table.num_rows), table[caption].to_pylist(), strict=True)
    if kind == ".jsonl":
        return _take_entries([json.loads(line) for line in _read_lines(path) if line.strip()])
    if kind == ".json":
        return _take_json(json.loads(path.read_bytes()))
    lines = [line for line in _read_lines(path) if line.strip()]
    first = lines[0] if lines else ""
    delimiter = "\t" if "\t" in first else ","
    cells = {cell.strip().lower() for cell in first.split(delimiter)}
    if cells & set(CAPTIONS) and cells & set(IMAGES):
        return _read_table(path, delimiter, ledger)
    numbered = [_NUMBERED.match(line) for line in lines]
    return [match.groups() for match in numbered] if lines and all(numbered) else enumerate(lines)


def _read_lines(path: Path) -> list[str]:
    with pd.io.common.get_handle(path, "r", compression="infer", encoding="utf-8-sig") as held:
        return held.handle.read().split("\n")


def _read_table(path: Path, delimiter: str, ledger: Ledger) -> Iterator[tuple[Any, Any]]:
    """The rows of a table with a header. A caption in the last column may hold separators; other rows too long are booked."""
    header, *rows = csv.reader(_read_lines(path), delimiter=delimiter)
    caption, image = _find_columns(path, [name.strip() for name in header])
    header = [name.strip() for name in header]
    place, beside = header.index(caption), header.index(image) if image else None
    for number, row in enumerate(filter(None, rows)):
        if place == len(header) - 1:
            row = [*row[:place], delimiter.join(row[place:])]
        if len(row) == len(header):
            yield number if beside is None else row[beside], row[place]
        else:
            ledger.take(dropped=1, reason=BAD_ROW)


def _find_columns(path: Path, names: Sequence[str]) -> tuple[str, str | None]:
    """The column of captions, and that of images where there is one."""
    caption = _find(names, CAPTIONS)
    if caption is None:
        raise SourceError(f"{path} has the columns {', '.join(names)}, and none of captions ({', '.join(CAPTIONS)}).")
    return caption, _find(names, IMAGES)


def _take_json(content: Any) -> Iterable[tuple[Any, Any]]:
    """COCO captions, a Karpathy split, or a list."""
    if isinstance(content, dict) and isinstance(content.get("annotations"), list):
        return [(one["image_id"], one["caption"]) for one in content["annotations"]]
    if isinstance(content, dict) and isinstance(content.get("images"), list):
        return _take_entries(content["images"])
    if isinstance(content, list):
        return _take_entries(content)
    raise SourceError("Expected COCO captions (annotations), a Karpathy split (images) or a list of captions or records")


def _take_entries(entries: list) -> Iterator[tuple[Any, Any]]:
    """The captions of a list of texts, or of records that have one or several under a name that is known."""
    for number, entry in enumerate(entries):
        if isinstance(entry, str):
            yield number, entry
            continue
        caption, image = _find(entry, CAPTIONS), _find(entry, IMAGES)
        if caption is None:
            raise SourceError(f"record {number + 1} has the keys {', '.join(entry)}, none of {', '.join(CAPTIONS)}")
        held = entry[caption] if isinstance(entry[caption], list) else [entry[caption]]
        for one in held:
            yield entry[image] if image else number, one.get("raw", "") if isinstance(one, dict) else one


def _find(names: Iterable[str], known: Sequence[str]) -> str | None:
    """The name that is known, the first of the known ones; None where none is."""
    by_name = {str(name).lower(): name for name in names}
    return next((by_name[name] for name in known if name in by_name), None)
