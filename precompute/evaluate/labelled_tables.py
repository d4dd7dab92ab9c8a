"""Reads labelled images out of tables: Parquet as Hugging Face writes it, and CSV of path and label."""

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from backend.errors import SourceError
from backend.image_cells import find_image_column
from backend.image_ref import ImageRef
from precompute.corpus.sample import NO_IMAGE
from precompute.evaluate.labelled_shards import MULTI_LABEL, NO_LABEL
from precompute.evaluate.prepared import Place
from precompute.ledger import Ledger

LABEL_COLUMNS = ("label", "labels", "fine_label", "class", "class_name", "classname", "category", "target", "y")
PATH_COLUMNS = ("path", "image", "filepath", "file", "file_name", "filename", "image_path", "img")
MAX_FIELD = 1 << 20  # characters of a cell of a CSV

Labelled = list[tuple[Place, str]]


def read_labelled_parquet(files: Sequence[Path], ledger: Ledger) -> tuple[list[str], Labelled]:
    """The class names that the schema lists (none where it lists none), and each image's place with its label's text.

    Raises SourceError for a file without a column of images, or of labels, and for several labels an image.
    """
    names: list[str] = []
    found: Labelled = []
    for path in files:
        try:
            with pq.ParquetFile(path) as file:
                image, label, listed = _find_columns(path, file.schema_arrow)
                names = names or listed
                for group in range(file.num_row_groups):
                    rows = file.read_row_group(group, columns=[image, label])
                    place = ImageRef(str(path.absolute()), row_group=group, column=file.schema_arrow.get_field_index(image))
                    found += _read_rows(place, rows.column(image), rows.column(label), listed, ledger)
        except (OSError, pa.ArrowException) as error:
            raise SourceError(f"{path} is no Parquet file that can be read ({error}).") from error
    return names, found


def read_labelled_csv(path: Path, ledger: Ledger) -> Labelled:
    """Each image's place with its label's text, out of a table with a column of paths and one of labels.

    Paths are relative to the table's folder. Raises SourceError where the columns cannot be told by the heading.
    """
    before = csv.field_size_limit(MAX_FIELD)
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = csv.DictReader(stream, delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
            columns = [name or "" for name in rows.fieldnames or ()]
            image = _choose(path, columns, PATH_COLUMNS, "paths of images")
            label = _choose(path, columns, LABEL_COLUMNS, "labels")
            return list(_place_rows(path, ((row[image], row[label]) for row in rows), ledger))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f"{path} is no table that can be read ({error}). Save it as UTF-8, a row an image.") from error
    finally:
        csv.field_size_limit(before)  # of the whole process


def _place_rows(path: Path, rows: Iterator[tuple[str | None, str | None]], ledger: Ledger) -> Iterator[tuple[Place, str]]:
    for image, label in rows:
        file = path.parent / (image or "").strip()
        if not (image or "").strip() or not file.is_file():
            ledger.take(dropped=1, reason=NO_IMAGE)
        elif not (label or "").strip():
            ledger.take(dropped=1, reason=NO_LABEL)
        else:
            yield (str(file.absolute()), None, None), label.strip()


def _choose(path: Path, columns: Sequence[str], names: Sequence[str], what: str) -> str:
    by_name = {column.strip().lower(): column for column in columns}
    for name in names:
        if name in by_name:
            return by_name[name]
    raise SourceError(
        f"{path} has {'the columns ' + ', '.join(columns) if columns else 'no heading'}: no column of {what}. Call it "
        f"{' or '.join(names[:3])}."
    )


def _find_columns(path: Path, schema: pa.Schema) -> tuple[str, str, list[str]]:
    """The columns of images and labels, and the class names that Hugging Face's metadata lists for the latter."""
    image = find_image_column(schema)
    if image is None:
        raise SourceError(f"{path} has no column of images: bytes, or a struct with bytes. It has: {', '.join(schema.names)}.")
    listed = _list_class_names(schema)
    label = (
        next(iter(listed))
        if len(listed) == 1
        else _choose(path, [n for n in schema.names if n != image], LABEL_COLUMNS, "labels")
    )
    if pa.types.is_list(schema.field(label).type) or pa.types.is_large_list(schema.field(label).type):
        raise SourceError(MULTI_LABEL.format(path=path))
    return image, label, listed.get(label, [])


def _list_class_names(schema: pa.Schema) -> dict[str, list[str]]:
    """column -> class names, of the columns that are a `ClassLabel` by the metadata that Hugging Face writes."""
    try:
        features = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
        kept = {
            name: one["names"] for name, one in features.items() if isinstance(one, dict) and one.get("_type") == "ClassLabel"
        }
    except (ValueError, KeyError, TypeError):
        return {}
    return {name: [str(label) for label in labels] for name, labels in kept.items() if name in schema.names}


def _read_rows(
    group: ImageRef, images: pa.ChunkedArray, labels: pa.ChunkedArray, names: Sequence[str], ledger: Ledger
) -> Labelled:
    """The images of one row group, whose place is given but for the row."""
    found = []
    cells = images.combine_chunks()
    content = pc.struct_field(cells, "bytes") if pa.types.is_struct(cells.type) else cells  # null where the struct is
    whole = pc.greater(pc.fill_null(pc.binary_length(content), 0), 0)
    for row, (is_there, label) in enumerate(zip(whole.to_pylist(), labels.to_pylist(), strict=True)):
        if not is_there:
            ledger.take(dropped=1, reason=NO_IMAGE)
        elif label is None or (names and label == -1):  # -1: Hugging Face's word for "not known"
            ledger.take(dropped=1, reason=NO_LABEL)
        else:
            found.append((replace(group, row=row).columns(), str(label)))
    return found
