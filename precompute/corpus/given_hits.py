"""Image hits that were made elsewhere: a table (.csv, .tsv, .parquet, .jsonl) of image, label and score, COCO or LVIS instances
(.json), or shards (.tar) whose JSON lists classes, as DataConcept's do."""

import hashlib
import json
import math
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from backend.errors import SourceError
from backend.writing import file_sha256
from precompute.corpus.coco import id_of, load_coco
from precompute.corpus.copies import copy_file, needs_copy
from precompute.corpus.lines import Lines
from precompute.corpus.parquet import open_parquet
from precompute.corpus.patterns import list_files
from precompute.corpus.sample import MAX_CAPTION, clean_text
from precompute.corpus.tables import TableForm, read_rows, split_title
from precompute.corpus.tar_layout import MAX_JSON, split_name
from precompute.corpus.tar_members import is_plain, read_members

GIVEN_SCHEMA = pa.schema([("image", pa.string()), ("label", pa.string()), ("score", pa.float32())])

_Row = tuple[str, object, object, object]  # where it stands, for people; image, label and score as they are given

_NAMES = {  # of the columns, in small letters, the likeliest first
    "image": ("image", "file_name", "filename", "filepath", "image_path", "path", "key"),
    "label": ("label", "labels", "class", "classes", "category"),
    "score": ("score", "scores", "class_scores", "confidence", "confidences", "probability", "conf"),
}


def read_given_hits(path: Path) -> pa.Table:
    """The hits of a file made elsewhere: image (file name) · label · score float32, sorted, each image and label once.

    A .csv, .tsv, .jsonl or .parquet with columns image, label and perhaps score (1 without it; the highest where a pair
    repeats; a label may be a list), or COCO or LVIS instances (.json), whose boxes make hits of score 1, or a tar, a folder or
    a pattern of tars with `classes` in their JSON, whose images are called SHARD.tar/KEY. Raises SourceError for any other
    content, naming the row.
    """
    best: dict[tuple[str, str], float] = {}
    for file in _list_sources(path):
        reader = _READERS[file.suffix.lower()]
        for row, image, label, score in reader(file):
            for one, value in _spread(label, score):
                if not (isinstance(image, str) and isinstance(one, str) and image.strip() and one.strip()):
                    raise SourceError(f"{path}, {row}: image or label is missing.")
                key = (clean_text(image), clean_text(one))
                best[key] = max(_read_score(value, path, row), best.get(key, -math.inf))
    ordered = sorted(best)
    columns = [[image for image, _ in ordered], [label for _, label in ordered], [best[key] for key in ordered]]
    return pa.table(columns, schema=GIVEN_SCHEMA)


def checksum_hits(path: Path) -> str:
    """The SHA-256 of the files that a path of hits names: of one that file's own."""
    checksums = [file_sha256(file) for file in _list_sources(path)]
    return checksums[0] if len(checksums) == 1 else hashlib.sha256("".join(checksums).encode()).hexdigest()


def _list_sources(path: Path) -> list[Path]:
    """The files of hits that a path, a folder or a pattern names, unpacked."""
    if path.is_dir():
        named = sorted(path.glob("*.tar")) or sorted(path.glob("*.tar.gz"))
    else:
        named = [Path(name) for name in list_files(str(path))]
    if not named:
        raise SourceError(f"No file of image hits at {path}.")
    files = [copy_file(file) if file.is_file() and needs_copy(file) else file for file in named]
    for file in files:
        if file.suffix.lower() not in _READERS or not file.is_file():
            raise SourceError(
                f"{file} is no file of image hits: expected .csv, .tsv, .parquet or COCO instances (.json), .jsonl, or shards "
                "(.tar) with classes in their JSON."
            )
    return files


def _spread(label: object, score: object) -> list[tuple[object, object]]:
    """The labels of a row with their scores; a list of labels has a list of scores, or one score for all."""
    if not isinstance(label, (list, tuple)):
        return [(label, score)]
    scores = list(score) if isinstance(score, (list, tuple)) else [score] * len(label)
    return list(zip(label, [*scores, *[None] * (len(label) - len(scores))], strict=False))


def _read_score(score: object, path: Path, row: str) -> float:
    try:
        value = float(score)
    except (TypeError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        raise SourceError(f"{path}, {row}: the score {score!r} is no number.")
    return value


def _find_name(names: Sequence[str], role: str) -> str | None:
    """The column of a role; which letters are capitals does not matter."""
    lowered = {name.strip().lower(): name for name in reversed(names)}
    return next((lowered[name] for name in _NAMES[role] if name in lowered), None)


def _find_names(names: Sequence[str], path: Path, lack: str) -> tuple[str, str, str | None]:
    image, label, score = (_find_name(names, role) for role in ("image", "label", "score"))
    if image is None or label is None:
        raise SourceError(f"{path} has no {lack}.")
    return image, label, score


def _read_table(path: Path) -> Iterator[_Row]:
    with path.open("rb") as stream:
        title = Lines(stream).read_title(MAX_CAPTION)
        separator = next((mark for mark in "\t,;|" if mark in title), ",")
        names = split_title(title, separator)
        lack = f"header with the columns image and label; its first line is {title.strip()[:80]!r}"
        places = [name and names.index(name) for name in _find_names(names, path, lack)]
        for row in read_rows(stream, TableForm(separator, names, len(names)), places):
            if row.cells is None:
                raise SourceError(f"{path}, line {row.line}: it does not fit the header.")
            image, label, score = row.cells
            yield f"line {row.line}", image, label, 1.0 if score is None else score


def _read_parquet(path: Path) -> Iterator[_Row]:
    with open_parquet(path) as file:
        schema = file.schema_arrow
        lack = f"columns image and label; its columns are {', '.join(schema.names)}"
        image, label, score = _find_names(schema.names, path, lack)
        classes = _list_classes(schema, label, path)
        number = 0
        for batch in file.iter_batches(columns=[name for name in (image, label, score) if name]):
            for cells in batch.to_pylist():
                number += 1
                named = _name_labels(cells[label], classes)
                yield f"row {number}", _name_image(cells[image], path, number), named, cells[score] if score else 1.0


def _list_classes(schema: pa.Schema, label: str, path: Path) -> list[str] | None:
    """The names of classes that a column of numbers stands for, as Hugging Face notes them; None for a column of texts."""
    kind = schema.field(label).type
    inner = kind.value_type if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_dictionary(kind) else kind
    if not (
        pa.types.is_integer(inner) or pa.types.is_floating(inner) or pa.types.is_boolean(inner) or pa.types.is_decimal(inner)
    ):
        return None
    try:
        feature = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"][label]
        return (feature if "names" in feature else feature["feature"])["names"]
    except (KeyError, ValueError, TypeError) as error:
        raise SourceError(
            f"{path}: the column {label} is of type {kind}, and nothing says which class a number is. Give the classes' names."
        ) from error


def _name_labels(value: object, classes: list[str] | None) -> object:
    """A label, or a list of them, as text; a number by its class."""
    if isinstance(value, (list, tuple)):
        return [_name_labels(one, classes) for one in value]
    if isinstance(value, Mapping):
        return _name_labels(next((value[key] for key in ("label", "name", "class") if key in value), None), classes)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if classes is not None and isinstance(value, int):
        return classes[value] if 0 <= value < len(classes) else None
    return value


def _name_image(value: object, path: Path, number: int) -> object:
    """An image's name: of a struct of bytes and path the path."""
    if isinstance(value, Mapping):
        value = value.get("path") or value.get("file_name")
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError as error:
            raise SourceError(
                f"{path}, row {number}: the column of images holds their bytes; hits are joined by the images' names."
            ) from error
    return value


def _read_lines(path: Path) -> Iterator[_Row]:
    with path.open("rb") as stream:
        lines = Lines(stream)
        lines.start_at(0)
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                image, label, score = _find_names(list(row), path, f"keys image and label in line {number}")
            except (ValueError, TypeError, RecursionError) as error:
                raise SourceError(f"{path}, line {number}: it is no JSON object.") from error
            yield (
                f"line {number}",
                _name_image(row[image], path, number),
                _name_labels(row[label], None),
                _get_score(row, score),
            )


def _get_score(row: Mapping, name: str | None) -> object:
    return 1.0 if name is None else row[name]


def _read_coco(path: Path) -> Iterator[_Row]:
    content, names = load_coco(path)
    try:
        labels = {id_of(category["id"]): category["name"] for category in content["categories"]}
    except (KeyError, TypeError) as error:
        raise SourceError(f"{path} has no COCO categories with id and name; for hits, give COCO instances.") from error
    for number, annotation in enumerate(content["annotations"], start=1):
        label = labels.get(id_of(annotation.get("category_id")))
        yield f"annotation {number}", names.get(id_of(annotation.get("image_id"))), label, annotation.get("score", 1.0)


def _read_tar(path: Path) -> Iterator[_Row]:
    """The classes in the JSON of a shard's samples. Raises SourceError where the first ones list none."""
    with path.open("rb") as stream:
        members = (info for info, fault in read_members(stream, path) if info and not fault and _is_json(info))
        seen = listed = 0
        for info in members:
            folder, _, name = info.name.rpartition("/")
            stream.seek(info.offset_data)
            row = _parse(stream.read(min(info.size, MAX_JSON)))
            label = _find_name(list(row), "label")
            seen += 1
            if label is not None:
                listed += 1
                key = f"{folder}/{split_name(name, False)[0]}".strip("/")
                classes = _name_labels(row[label], None)
                yield f"{path.name}/{key}", f"{path.name}/{key}", classes or [], _get_score(row, _find_name(list(row), "score"))
        if seen and not listed:
            raise SourceError(f"{path}: none of the {seen:,} JSON members lists classes.")
        if not seen:
            raise SourceError(f"{path} has no JSON beside its images, where classes could be listed.")


def _is_json(info: tarfile.TarInfo) -> bool:
    return is_plain(info) and info.name.lower().endswith(".json")


def _parse(content: bytes) -> Mapping:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, Mapping) else {}


_READERS: dict[str, Callable[[Path], Iterator[_Row]]] = {
    ".csv": _read_table,
    ".tsv": _read_table,
    ".parquet": _read_parquet,
    ".jsonl": _read_lines,
    ".ndjson": _read_lines,
    ".json": _read_coco,
    ".tar": _read_tar,
}
