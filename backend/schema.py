"""The Arrow schema and key of every table of a study, and how a table is written and checked."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from backend.errors import InvalidTable

SCHEMA_VERSION = 1
MANIFEST = "manifest.json"
KINDS = ("classification", "retrieval", "generation")
MODALITIES = ("text", "image", "joint")
ROW_GROUP = 32_768  # a page reads one model's rows of `performance`: small groups let DuckDB skip the others


_STRING = pa.string()


def _field(name: str, kind: pa.DataType = _STRING, *, null: bool = False) -> pa.Field:
    return pa.field(name, kind, nullable=null)


@dataclass(frozen=True)
class TableSpec:
    """What one table holds: its columns, the columns that name a row, and the allowed words and ranges."""

    schema: pa.Schema
    key: tuple[str, ...]
    choices: dict[str, tuple[str, ...]] | None = None
    not_negative: tuple[str, ...] = ()


_F64, _I64, _I32 = pa.float64(), pa.int64(), pa.int32()
_KIND = {"kind": KINDS}
_MODALITY = {"modality": MODALITIES}

TABLES: dict[str, TableSpec] = {
    "concepts": TableSpec(
        pa.schema(
            [
                _field("task"),
                _field("kind"),
                _field("label"),
                _field("concept"),
                _field("words", pa.list_(pa.string())),
            ]
        ),
        ("task", "label"),
        _KIND,
    ),
    "corpora": TableSpec(
        pa.schema(
            [
                _field("corpus"),
                _field("title"),
                _field("pairs", _I64, null=True),
                _field("indexed", _I64, null=True),
                _field("source"),
            ]
        ),
        ("corpus",),
        not_negative=("pairs", "indexed"),
    ),
    "frequency": TableSpec(
        pa.schema(
            [_field(name) for name in ("corpus", "task", "label", "concept", "modality", "method")] + [_field("count", _I64)]
        ),
        ("corpus", "task", "label", "method"),
        _MODALITY,
        not_negative=("count",),
    ),
    "models": TableSpec(
        pa.schema(
            [
                _field("model"),
                _field("architecture"),
                _field("pretraining", null=True),
                _field("corpus", null=True),
                _field("checkpoint", null=True),
            ]
        ),
        ("model",),
    ),
    "performance": TableSpec(
        pa.schema(
            [_field(name) for name in ("task", "kind", "model", "setting", "label", "concept")]
            + [_field("value", _F64), _field("n", _I32, null=True)]
        ),
        ("task", "model", "setting", "label"),
        _KIND,
    ),
    "overall": TableSpec(
        pa.schema([_field(name) for name in ("task", "kind", "model", "setting")] + [_field("value", _F64), _field("source")]),
        ("task", "model", "setting"),
        _KIND,
    ),
    "scaling": TableSpec(
        pa.schema(
            [_field(name) for name in ("model", "corpus", "modality", "method", "setting", "kind", "tasks")]
            + [_field("n", _I32), _field("n_zero", _I32)]
            + [
                _field(name, _F64, null=True)
                for name in (
                    "slope",
                    "intercept",
                    "pearson_r",
                    "pearson_low",
                    "pearson_high",
                    "pearson_p",
                    "spearman_r",
                    "binned_r",
                    "binned_p",
                    "within_task_slope",
                    "curvature_p",
                    "residual_low",
                    "residual_high",
                    "log_count_min",
                    "log_count_max",
                )
            ]
        ),
        ("model", "corpus", "method", "setting", "kind", "tasks"),
        _KIND | _MODALITY,
        not_negative=("n", "n_zero"),
    ),
    "alignment": TableSpec(
        pa.schema(
            [
                _field("corpus"),
                _field("method"),
                _field("misaligned", _I64),
                _field("degree", _F64),
                _field("degree_extracted", _F64),
            ]
        ),
        ("corpus", "method"),
        not_negative=("misaligned", "degree", "degree_extracted"),
    ),
    "tail": TableSpec(
        pa.schema(
            [_field(name) for name in ("task", "model", "setting", "label", "concept")]
            + [_field("value", _F64), _field("n", _I32, null=True)]
        ),
        ("task", "model", "setting", "label"),
    ),
}


def write_table(folder: Path, name: str, table: pa.Table) -> dict:
    """Writes `NAME.parquet` (zstd) through a temporary name and returns its manifest entry: rows and sha256.

    Raises InvalidTable where the rows do not fit the table's schema, key or allowed words; then nothing is written.
    """
    spec = TABLES[name]
    try:
        table = table.select(spec.schema.names).cast(spec.schema)
    except (KeyError, ValueError, pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InvalidTable(f"{name}: the columns do not fit the schema: {error}") from error
    faults = content_faults(name, table)
    if faults:
        raise InvalidTable(f"{name}: {'; '.join(faults)}")
    path = folder / f"{name}.parquet"
    part = path.with_suffix(".parquet.part")
    pq.write_table(table, part, compression="zstd", row_group_size=ROW_GROUP)
    part.replace(path)
    return {"rows": table.num_rows, "sha256": file_sha256(path)}


def write_manifest(folder: Path, manifest: dict) -> None:
    """Writes `manifest.json` last: it is what makes the folder a complete study."""
    part = folder / (MANIFEST + ".part")
    part.write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    part.replace(folder / MANIFEST)


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file, as 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def content_faults(name: str, table: pa.Table) -> list[str]:
    """What is wrong with the rows of a table that has the right columns; one sentence a fault, none where all is well."""
    spec = TABLES[name]
    faults = []
    for field in spec.schema:
        missing = table[field.name].null_count
        if missing and not field.nullable:
            faults.append(f"column {field.name} has {missing} nulls")
        if field.type == _F64 and pc.all(pc.is_finite(table[field.name])).as_py() is False:
            faults.append(f"column {field.name} has values that are not finite")
    duplicates = table.num_rows - table.group_by(list(spec.key)).aggregate([]).num_rows
    if duplicates:
        faults.append(f"{duplicates} rows repeat the key ({', '.join(spec.key)})")
    for column, allowed in (spec.choices or {}).items():
        strange = sorted(set(pc.unique(table[column]).to_pylist()) - set(allowed), key=str)
        if strange:
            faults.append(f"column {column} has {strange[0]!r}; allowed are {', '.join(allowed)}")
    for column in spec.not_negative:
        lowest = pc.min(table[column]).as_py()
        if lowest is not None and lowest < 0:
            faults.append(f"column {column} has the negative value {lowest}")
    return faults


def study_faults(folder: Path) -> list[str]:
    """Every fault of a study, one line each: manifest, schema, keys, row counts, checksums and references."""
    path = folder / MANIFEST
    if not path.is_file():
        return [f"{MANIFEST}: missing in {folder}, so no step has finished here"]
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        listed = manifest["tables"]
        version = manifest["schema_version"]
        entries_are_whole = all({"rows", "sha256"} <= set(entry) for entry in dict(listed).values())
    except (ValueError, KeyError, TypeError) as error:
        return [f"{MANIFEST}: cannot be read ({error!r})"]
    if not isinstance(listed, dict) or not entries_are_whole:
        return [f"{MANIFEST}: cannot be read (its tables lack rows or sha256)"]
    faults = []
    if version != SCHEMA_VERSION:
        faults.append(f"{MANIFEST}: schema version {version}, this program reads {SCHEMA_VERSION}")
    for name in sorted(set(listed) - set(TABLES)):
        faults.append(f"{name}: listed in the manifest, but no such table is known")
    for name in TABLES:
        present = (folder / f"{name}.parquet").is_file()
        if name in listed and not present:
            faults.append(f"{name}: listed in the manifest, but {name}.parquet is missing")
        elif present and name not in listed:
            faults.append(f"{name}: {name}.parquet lies here, but the manifest does not list it")
        elif present:
            faults += [f"{name}: {fault}" for fault in _table_faults(folder / f"{name}.parquet", name, listed[name])]
    return faults or _reference_faults(folder, set(listed))


def _table_faults(path: Path, name: str, entry: dict) -> list[str]:
    if file_sha256(path) != entry.get("sha256"):
        return [f"{path.name} is not the file that the manifest describes (sha256 differs)"]
    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        return [f"{path.name} is not a readable Parquet file: {str(error).splitlines()[0]}"]
    schema = TABLES[name].schema
    if not table.schema.equals(schema):
        found = ", ".join(f"{field.name} {field.type}" for field in table.schema)
        return [f"columns are ({found}), not ({', '.join(f'{field.name} {field.type}' for field in schema)})"]
    faults = content_faults(name, table)
    if table.num_rows != entry.get("rows"):
        faults.append(f"{table.num_rows} rows, the manifest says {entry.get('rows')}")
    return faults


def _reference_faults(folder: Path, present: set[str]) -> list[str]:
    """Rows that point to a corpus, a model or a (task, label) that the study does not hold."""
    references = [
        (("corpus",), "frequency", "corpora"),
        (("corpus",), "models", "corpora"),
        (("corpus",), "alignment", "corpora"),
        (("model",), "performance", "models"),
        (("model",), "overall", "models"),
        (("model",), "tail", "models"),
        (("task", "label"), "frequency", "concepts"),
        (("task", "label"), "performance", "concepts"),
        (("task", "label"), "tail", "concepts"),
    ]
    faults = []
    for columns, child, parent in references:
        if child not in present or parent not in present:
            continue
        keys = [_distinct_rows(folder / f"{name}.parquet", columns) for name in (child, parent)]
        orphans = sorted(keys[0] - keys[1])
        if orphans:
            shown = " / ".join(orphans[0])
            faults.append(f"{child}: {len(orphans)} {'/'.join(columns)} not in {parent}, such as {shown}")
    return faults


def _distinct_rows(path: Path, columns: tuple[str, ...]) -> set[tuple[str, ...]]:
    table = pq.read_table(path, columns=list(columns)).group_by(list(columns)).aggregate([])
    rows = zip(*(table[column].to_pylist() for column in columns), strict=True)
    return {row for row in rows if None not in row}
