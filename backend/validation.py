"""What is wrong with a table or a study: schema, keys, allowed words, checksums, references."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from backend.schema import MANIFEST, SCHEMA_VERSION, TABLES, table_files, table_path
from backend.writing import file_sha256, folder_entry

CHECK_MEMORY = "1GB"  # of the connection that checks folder tables; DuckDB spills beyond it


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
        (("task", "label"), "queries", "concepts"),
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
