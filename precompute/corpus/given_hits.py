"""Image hits that were made elsewhere: a table (.csv, .tsv, .parquet) of image, label and score, or COCO instances (.json)."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from backend.errors import SourceError
from precompute.corpus.coco import load_coco
from precompute.corpus.sample import clean_text
from precompute.corpus.tables import read_rows

GIVEN_SCHEMA = pa.schema([("image", pa.string()), ("label", pa.string()), ("score", pa.float32())])

_Row = tuple[str, object, object, object]  # where it stands, for people; image, label and score as they are given


def read_given_hits(path: Path) -> pa.Table:
    """The hits of a file made elsewhere: image (file name) · label · score float32, sorted, each image and label once.

    A .csv or .parquet with columns image, label and perhaps score (1 without it; the highest where a pair repeats), or COCO
    instances (.json), whose boxes make hits of score 1. Raises SourceError for any other content, naming the row.
    """
    if not path.is_file():
        raise SourceError(f"No file of image hits at {path}.")
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise SourceError(f"{path} is no file of image hits: expected .csv, .tsv, .parquet or COCO instances (.json).")
    best: dict[tuple[str, str], float] = {}
    for row, image, label, score in reader(path):
        if not (isinstance(image, str) and isinstance(label, str) and image.strip() and label.strip()):
            raise SourceError(f"{path}, {row}: image or label is missing.")
        try:
            value = float(score)
        except (TypeError, ValueError):
            value = math.nan
        if not math.isfinite(value):
            raise SourceError(f"{path}, {row}: the score {score!r} is no number.")
        key = (clean_text(image), clean_text(label))
        best[key] = max(value, best.get(key, value))
    ordered = sorted(best)
    columns = [[image for image, _ in ordered], [label for _, label in ordered], [best[key] for key in ordered]]
    return pa.table(columns, schema=GIVEN_SCHEMA)


def _read_table(path: Path) -> Iterator[_Row]:
    with path.open("rb") as stream:
        for row in read_rows(stream, path, ("image", "label", "score?")):
            if row.cells is None:
                raise SourceError(f"{path}, line {row.line}: it does not fit the header.")
            image, label, score = row.cells
            yield f"line {row.line}", image, label, 1.0 if score is None else score


def _read_parquet(path: Path) -> Iterator[_Row]:
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


def _read_coco(path: Path) -> Iterator[_Row]:
    content, names = load_coco(path)
    try:
        labels = {category["id"]: category["name"] for category in content["categories"]}
    except (KeyError, TypeError) as error:
        raise SourceError(f"{path} has no COCO categories with id and name; for hits, give COCO instances.") from error
    for number, annotation in enumerate(content["annotations"], start=1):
        yield f"annotation {number}", names.get(annotation.get("image_id")), labels.get(annotation.get("category_id")), 1.0


_READERS: dict[str, Callable[[Path], Iterator[_Row]]] = {
    ".csv": _read_table,
    ".tsv": _read_table,
    ".parquet": _read_parquet,
    ".json": _read_coco,
}
