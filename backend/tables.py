"""Tables of a study are written: checked against their schema, whole or not at all; rows that are replaced give way."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from backend.errors import InvalidTable
from backend.schema import TABLES, table_path
from backend.validation import content_faults
from backend.writing import file_sha256, write_file


def write_table(folder: Path, name: str, table: pa.Table, corpus: str | None = None) -> dict:
    """Writes one file of a table (zstd) through a temporary name and returns its manifest entry: rows and sha256.

    `corpus` is given for folder tables; `folder_entry` makes their files' entries one. Raises InvalidTable where the rows
    do not fit the table's schema, key or allowed words; then nothing is written.
    """
    spec = TABLES[name]
    path = table_path(folder, name, corpus)
    try:
        table = table.select(spec.schema.names).cast(spec.schema)
    except (KeyError, ValueError, pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InvalidTable(f"{name}: the columns do not fit the schema: {error}") from error
    faults = content_faults(name, table, corpus)
    if faults:
        raise InvalidTable(f"{name}: {'; '.join(faults)}")
    path.parent.mkdir(exist_ok=True)
    with write_file(path) as part:
        pq.write_table(table, part, row_group_size=spec.row_group, **spec.writing)
    return {"rows": table.num_rows, "sha256": file_sha256(path)}


def to_arrow(name: str, frame: pd.DataFrame) -> pa.Table:
    """A frame as rows of a table, in its schema's columns and types."""
    schema = TABLES[name].schema
    return pa.Table.from_pandas(frame[schema.names], schema=schema, preserve_index=False)


def replace_rows(part: Path, manifest: dict, name: str, rows: pd.DataFrame, replaced: Sequence[str]) -> None:
    """Writes a table with these rows instead of those that have the same values in the columns `replaced`.

    Rows are sorted by kind and key; the manifest's entry follows.
    """
    path = table_path(part, name)
    columns = TABLES[name].schema.names
    if path.is_file():
        old = pq.read_table(path).to_pandas()
        gone = pd.MultiIndex.from_frame(old[list(replaced)]).isin(pd.MultiIndex.from_frame(rows[list(replaced)]))
        rows = pd.concat([frame for frame in (old[~gone], rows[columns]) if len(frame)])
    order = [column for column in ("kind", *TABLES[name].key) if column in columns]
    manifest["tables"][name] = write_table(part, name, to_arrow(name, rows.sort_values(order)))
