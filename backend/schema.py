"""The Arrow schema and key of every table of a study, and how a table is written and checked.

A table is one file, `NAME.parquet`, or, where it grows with a corpus, a folder of one file a corpus, `NAME/CORPUS.parquet`.
"""

import hashlib
import json
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from backend.errors import InvalidTable

SCHEMA_VERSION = 2
MANIFEST = "manifest.json"
KINDS = ("classification", "retrieval", "generation")
MODALITIES = ("text", "image", "joint")
CLUSTERS = ("task", "concept")  # what an interval resamples
ROW_GROUP = 32_768  # a page reads one model's rows of `performance`: small groups let DuckDB skip the others
SAMPLE_ROW_GROUP = 8_192  # a page reads one concept's hits and two dozen samples of what may be millions
CHECK_MEMORY = "1GB"  # of the connection that checks folder tables; DuckDB spills beyond it

_CORPUS_FILE = re.compile(r"[^./\\\0][^/\\\0]*")  # a corpus names its files: no path, nothing hidden

_STRING = pa.string()


def _field(name: str, kind: pa.DataType = _STRING, *, null: bool = False) -> pa.Field:
    return pa.field(name, kind, nullable=null)


@dataclass(frozen=True)
class TableSpec:
    """What one table holds: its columns, the columns that name a row, and the allowed words and ranges.

    `per_corpus`: a folder table, one file a corpus. `order`: the rows' order as SQL has it, where readers count on it to
    be fast; a file in another order is slow, not wrong.
    """

    schema: pa.Schema
    key: tuple[str, ...]
    choices: dict[str, tuple[str, ...]] | None = None
    not_negative: tuple[str, ...] = ()
    per_corpus: bool = False
    row_group: int = ROW_GROUP
    order: str | None = None


_F64, _F32, _I64, _I32 = pa.float64(), pa.float32(), pa.int64(), pa.int32()
_STRINGS = pa.list_(pa.string())
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
                _field("words", _STRINGS),
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
            + [_field("n", _I32), _field("n_zero", _I32), _field("clusters"), _field("n_clusters", _I32)]
            + [
                _field(name, _F64, null=True)
                for name in (
                    "slope",
                    "slope_low",
                    "slope_high",
                    "intercept",
                    "pearson_r",
                    "pearson_low",
                    "pearson_high",
                    "pearson_p",
                    "spearman_r",
                    "binned_r",
                    "binned_p",
                    "paper_r",
                    "within_task_slope",
                    "within_low",
                    "within_high",
                    "mixed_slope",
                    "mixed_low",
                    "mixed_high",
                    "curvature_p",
                    "residual_low",
                    "residual_high",
                    "log_count_min",
                    "log_count_max",
                )
            ]
        ),
        ("model", "corpus", "method", "setting", "kind", "tasks"),
        _KIND | _MODALITY | {"clusters": CLUSTERS},
        not_negative=("n", "n_zero", "n_clusters"),
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
    "search_quality": TableSpec(
        pa.schema(
            [_field(name) for name in ("corpus", "split", "modality", "method")]
            + [_field("threshold", _F64, null=True)]
            + [_field(name, _I64) for name in ("found", "relevant", "correct")]
            + [_field(name, _F64, null=True) for name in ("precision", "recall", "frequency_error")]
        ),
        ("corpus", "split", "method"),
        _MODALITY,
        not_negative=("found", "relevant", "correct", "precision", "recall", "frequency_error"),
    ),
    "truth": TableSpec(
        pa.schema([_field(name) for name in ("corpus", "concept", "modality")] + [_field("count", _I64)]),
        ("corpus", "concept", "modality"),
        _MODALITY,
        not_negative=("count",),
    ),
    "samples": TableSpec(
        pa.schema(
            [_field("corpus"), _field("sample_id", _I64), _field("caption"), _field("image", null=True)]
            + [_field(name, _I64, null=True) for name in ("offset", "length")]
            + [_field(name, _I32, null=True) for name in ("width", "height")]
        ),
        ("sample_id",),
        not_negative=("sample_id", "offset", "length", "width", "height"),
        per_corpus=True,
        row_group=SAMPLE_ROW_GROUP,
        order="sample_id",
    ),
    "hits": TableSpec(
        pa.schema(
            [_field(name) for name in ("corpus", "concept", "modality", "method")]
            + [_field("sample_id", _I64), _field("score", _F32, null=True)]
        ),
        ("concept", "modality", "method", "sample_id"),
        {"modality": ("text", "image")},  # joint hits follow from the two
        per_corpus=True,
        row_group=SAMPLE_ROW_GROUP,
        order="concept, modality, method, score DESC NULLS LAST, sample_id",
    ),
    "misaligned": TableSpec(
        pa.schema(
            [_field("corpus"), _field("sample_id", _I64)]
            + [_field("text_concepts", _STRINGS), _field("image_concepts", _STRINGS), _field("image_scores", pa.list_(_F32))]
            + [_field("best", _F32, null=True), _field("agreed", _F32, null=True)]
        ),
        ("sample_id",),
        per_corpus=True,
        row_group=SAMPLE_ROW_GROUP,
        order="sample_id",
    ),
}


def table_path(folder: Path, name: str, corpus: str | None = None) -> Path:
    """Where a table lies in a study's folder; a folder table has a file for each corpus.

    Raises InvalidTable where the corpus cannot name a file.
    """
    assert TABLES[name].per_corpus == (corpus is not None), f"{name} is {'' if corpus is None else 'not '}a folder table"
    if corpus is None:
        return folder / f"{name}.parquet"
    if not _CORPUS_FILE.fullmatch(corpus):
        raise InvalidTable(f"{name}: {corpus!r} cannot name a file. Name the corpus without / and \\, and no dot in front.")
    return folder / name / f"{corpus}.parquet"


def table_files(folder: Path, name: str) -> dict[str | None, Path]:
    """The files of a table that lie in a study's folder: corpus -> path, sorted; None -> path for a table of one file."""
    if TABLES[name].per_corpus:
        return {path.stem: path for path in sorted((folder / name).glob("[!.]*.parquet")) if path.is_file()}
    path = table_path(folder, name)
    return {None: path} if path.is_file() else {}


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
    part = path.with_name(f"{path.name}.part")
    pq.write_table(table, part, compression="zstd", row_group_size=spec.row_group)
    part.replace(path)
    return {"rows": table.num_rows, "sha256": file_sha256(path)}


def file_entry(path: Path) -> dict:
    """The manifest entry, rows and sha256, of a Parquet file that was written elsewhere."""
    return {"rows": pq.read_metadata(path).num_rows, "sha256": file_sha256(path)}


def folder_entry(files: dict[str, dict]) -> dict:
    """The manifest entry of a folder table, from the entries of its files by corpus.

    >>> folder_entry({"mine": {"rows": 2, "sha256": "ab"}, "cc3m": {"rows": 3, "sha256": "cd"}})["rows"]
    5
    """
    return {"rows": sum(entry["rows"] for entry in files.values()), "files": dict(sorted(files.items()))}


def write_manifest(folder: Path, manifest: dict) -> None:
    """Writes `manifest.json` last: it is what makes the folder a complete study."""
    part = folder / (MANIFEST + ".part")
    part.write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    part.replace(folder / MANIFEST)


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file, as 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def content_faults(name: str, table: pa.Table, corpus: str | None = None) -> list[str]:
    """What is wrong with the rows of a table that has the right columns; one sentence a fault, none where all is well.

    `corpus`: the one that all rows of a folder table's file belong to.
    """
    spec = TABLES[name]
    faults = []
    if corpus is not None:
        others = table.num_rows - (pc.sum(pc.equal(table["corpus"], corpus)).as_py() or 0)
        if others:
            faults.append(f"{others} rows are of another corpus")
    for field in spec.schema:
        missing = table[field.name].null_count
        if missing and not field.nullable:
            faults.append(f"column {field.name} has {missing} nulls")
        if pa.types.is_floating(field.type) and pc.all(pc.is_finite(table[field.name])).as_py() is False:
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
        entries_are_whole = all(_is_whole(name, entry) for name, entry in dict(listed).items())
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
        for corpus, path, entry in _list_files(folder, name, listed.get(name)):
            label = name if corpus is None else f"{name}/{corpus}"
            if entry is None:
                faults.append(f"{label}: {path.name} lies here, but the manifest does not list it")
            elif not path.is_file():
                faults.append(f"{label}: listed in the manifest, but {path.name} is missing")
            else:
                faults += [f"{label}: {fault}" for fault in _file_faults(path, name, corpus, entry)]
        if TABLES[name].per_corpus and name in listed:
            rows = folder_entry(listed[name]["files"])["rows"]
            if rows != listed[name]["rows"]:
                faults.append(f"{name}: its files have {rows} rows by the manifest, which says {listed[name]['rows']} in all")
    return faults or _reference_faults(folder, set(listed)) + _sample_reference_faults(folder, set(listed))


def _is_whole(name: str, entry: dict) -> bool:
    """Whether a table's entry in the manifest has all that its kind of table needs."""
    in_files = TABLES[name].per_corpus if name in TABLES else "files" in entry
    if not in_files:
        return {"rows", "sha256"} <= set(entry)
    if not {"rows", "files"} <= set(entry) or not isinstance(entry["files"], dict):
        return False
    return all({"rows", "sha256"} <= set(file) and isinstance(file["rows"], int) for file in entry["files"].values())


def _list_files(folder: Path, name: str, entry: dict | None) -> Iterator[tuple[str | None, Path, dict | None]]:
    """corpus, path and manifest entry of every file of a table that lies there or is listed."""
    lying = table_files(folder, name)
    if TABLES[name].per_corpus:
        listed = entry["files"] if entry else {}
        for corpus in sorted({*lying, *listed}):
            yield corpus, folder / name / f"{corpus}.parquet", listed.get(corpus)
    elif lying or entry:
        yield None, table_path(folder, name), entry


def _file_faults(path: Path, name: str, corpus: str | None, entry: dict) -> list[str]:
    if file_sha256(path) != entry["sha256"]:
        return [f"{path.name} is not the file that the manifest describes (sha256 differs)"]
    try:
        found, rows = pq.read_schema(path), pq.read_metadata(path).num_rows
        schema = TABLES[name].schema
        # What DuckDB writes has the columns and types, but not Arrow's notes on which may be null: the rows tell.
        fits = found.equals(schema) if corpus is None else (found.names, found.types) == (schema.names, schema.types)
        if not fits:
            columns = (", ".join(f"{field.name} {field.type}" for field in fields) for fields in (found, schema))
            return ["columns are ({}), not ({})".format(*columns)]
        faults = content_faults(name, pq.read_table(path)) if corpus is None else _scan_faults(path, name, corpus)
    except (pa.ArrowInvalid, OSError, duckdb.Error) as error:
        return [f"{path.name} is not a readable Parquet file: {str(error).splitlines()[0]}"]
    if rows != entry["rows"]:
        faults.append(f"{rows} rows, the manifest says {entry['rows']}")
    return faults


@contextmanager
def _open_scan() -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB connection for files that may not fit in memory."""
    with tempfile.TemporaryDirectory(prefix="tailscope-check-") as folder:
        connection = duckdb.connect(config={"memory_limit": CHECK_MEMORY, "temp_directory": folder})
        try:
            yield connection
        finally:
            connection.close()


def _scan_faults(path: Path, name: str, corpus: str) -> list[str]:
    """`content_faults` of a folder table's file, found by DuckDB without holding its rows in memory."""
    spec = TABLES[name]
    checks = [("count_if(corpus <> $corpus)", "{} rows are of another corpus")]
    for field in spec.schema:
        if not field.nullable:
            checks.append((f'count_if("{field.name}" IS NULL)', f"column {field.name} has {{}} nulls"))
        if pa.types.is_floating(field.type):
            checks.append((f"count_if(NOT isfinite({field.name}))", f"column {field.name} has values that are not finite"))
    key = ", ".join(spec.key)
    checks.append((f"count(*) - (SELECT count(*) FROM (SELECT DISTINCT {key} FROM rows))", f"{{}} rows repeat the key ({key})"))
    for column, allowed in (spec.choices or {}).items():
        words = ", ".join(f"'{word}'" for word in allowed)
        strange = f"column {column} has {{!r}}; allowed are {', '.join(allowed)}"
        checks.append((f"min({column}) FILTER ({column} NOT IN ({words}))", strange))
    for column in spec.not_negative:
        checks.append((f'min("{column}") FILTER ("{column}" < 0)', f"column {column} has the negative value {{}}"))
    expressions = ", ".join(expression for expression, _ in checks)
    with _open_scan() as connection:
        sql = f"WITH rows AS (FROM read_parquet($path, hive_partitioning = false)) SELECT {expressions} FROM rows"
        answers = connection.execute(sql, {"path": str(path), "corpus": corpus}).fetchone()
    return [sentence.format(answer) for (_, sentence), answer in zip(checks, answers, strict=True) if answer not in (None, 0)]


def _reference_faults(folder: Path, present: set[str]) -> list[str]:
    """Rows that point to a corpus, a model or a (task, label) that the study does not hold."""
    references = [
        (("corpus",), "frequency", "corpora"),
        (("corpus",), "models", "corpora"),
        (("corpus",), "alignment", "corpora"),
        (("corpus",), "truth", "corpora"),
        (("model",), "performance", "models"),
        (("model",), "overall", "models"),
        (("model",), "tail", "models"),
        (("task", "label"), "frequency", "concepts"),
        (("task", "label"), "performance", "concepts"),
        (("task", "label"), "tail", "concepts"),
        (("concept",), "truth", "concepts"),
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


def _sample_reference_faults(folder: Path, present: set[str]) -> list[str]:
    """Rows of folder tables that point to a corpus, a concept or a sample that the study does not hold."""
    faults = []
    files = {name: table_files(folder, name) for name, spec in TABLES.items() if spec.per_corpus}
    if "corpora" in present:
        corpora = {corpus for (corpus,) in _distinct_rows(table_path(folder, "corpora"), ("corpus",))}
        orphans = {name: sorted(set(held) - corpora) for name, held in files.items()}
        faults += [f"{name}: {len(them)} corpus not in corpora, such as {them[0]}" for name, them in orphans.items() if them]
    with _open_scan() as connection:
        if "concepts" in present:
            concepts = table_path(folder, "concepts")
            for corpus, hits in files["hits"].items():
                if them := _orphans(connection, "concept", hits, concepts):
                    faults.append(f"hits/{corpus}: {them[0]} concept not in concepts, such as {them[1]}")
        if "samples" in present:
            pointing = [(name, corpus) for name in ("hits", "misaligned") for corpus in files[name]]
            for name, corpus in pointing:
                if corpus not in files["samples"]:
                    faults.append(f"{name}/{corpus}: the study holds no samples of this corpus")
                elif them := _orphans(connection, "sample_id", files[name][corpus], files["samples"][corpus]):
                    faults.append(f"{name}/{corpus}: {them[0]} sample_id not in samples, such as {them[1]}")
    return faults


def _orphans(connection: duckdb.DuckDBPyConnection, column: str, child: Path, parent: Path) -> tuple | None:
    """How many values of a column of one file are not in another's, and the first of them; None where all are."""
    count, first = connection.execute(
        f"""SELECT count(DISTINCT child.{column}), min(child.{column})
            FROM read_parquet($child, hive_partitioning = false) AS child
            ANTI JOIN read_parquet($parent, hive_partitioning = false) AS parent ON child.{column} = parent.{column}""",
        {"child": str(child), "parent": str(parent)},
    ).fetchone()
    return (count, first) if count else None
