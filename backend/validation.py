"""What is wrong with a table or a study: schema, keys, allowed words, checksums, references."""

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from backend.errors import InvalidTable
from backend.manifest import FileEntry, Manifest, PartEntry, TableEntry
from backend.schema import MANIFEST, SCHEMA_VERSION, TABLES, corpus_files, part_name, parts_path, table_files, table_path
from backend.terms import checksum_terms, terms_path
from backend.writing import file_sha256, join_sha256

_OF_SAMPLES = ("hits", "misaligned", "disagreements", "sample_truth")  # tables whose rows point to samples
CHECK_MEMORY = "1GB"  # of the connection that checks folder tables; DuckDB spills beyond it


def content_faults(name: str, table: pa.Table, corpus: str | None = None) -> list[str]:
    """What is wrong with the rows of a table that has the right columns; one sentence a fault, none where all is well.

    `corpus`: the one that all rows of a folder table's file belong to.
    """
    with _open_scan() as connection:
        connection.register("given", table)
        return _find_faults(connection, "given", name, corpus)


def study_faults(folder: Path) -> list[str]:
    """Every fault of a study, one line each: manifest, schema, keys, row counts, checksums and references."""
    path = folder / MANIFEST
    if not path.is_file():
        return [f"{MANIFEST}: missing in {folder}, so no step has finished here"]
    try:
        manifest = Manifest.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, RecursionError, InvalidTable) as error:
        return [f"{MANIFEST}: cannot be read ({error})"]
    listed = manifest.tables
    if not all(_is_whole(name, entry) for name, entry in listed.items()):
        return [f"{MANIFEST}: cannot be read (its tables lack rows or sha256)"]
    faults = []
    if manifest.schema_version != SCHEMA_VERSION:
        faults.append(f"{MANIFEST}: schema version {manifest.schema_version}, this program reads {SCHEMA_VERSION}")
    for name in sorted(set(listed) - set(TABLES)):
        faults.append(f"{name}: listed in the manifest, but no such table is known")
    with _open_scan() as connection:
        for name in TABLES:
            faults += _table_faults(folder, name, listed.get(name), connection)
    present = set(listed)
    return faults or (
        _reference_faults(folder, present)
        + _sample_reference_faults(folder, present)
        + _drop_faults(folder, present, manifest)
        + _distinct_faults(folder, present)
        + _evaluation_faults(folder, present, manifest)
        + _term_faults(folder, manifest)
    )


def _table_faults(folder: Path, name: str, listed: TableEntry | None, connection: duckdb.DuckDBPyConnection) -> list[str]:
    """What is wrong with the files of a table, those that lie there and those that the manifest lists."""
    faults = []
    for label, path, corpus, entry in _list_files(folder, name, listed):
        if entry is None:
            faults.append(f"{label}: {path.name} lies here, but the manifest does not list it")
        elif not path.is_file():
            faults.append(f"{label}: listed in the manifest, but {path.name} is missing")
        else:
            faults += [f"{label}: {fault}" for fault in _file_faults(path, name, corpus, entry, connection)]
    if TABLES[name].per_corpus and listed:
        rows = sum(file.rows for file in listed.files.values())
        if rows != listed.rows:
            faults.append(f"{name}: its files have {rows} rows by the manifest, which says {listed.rows} in all")
        if not faults:
            for corpus, file in listed.files.items():
                faults += [f"{name}/{corpus}: {fault}" for fault in _parts_faults(folder, name, corpus, file, connection)]
    return faults


def _parts_faults(
    folder: Path, name: str, corpus: str, listed: FileEntry, connection: duckdb.DuckDBPyConnection
) -> Iterator[str]:
    """What is wrong between the several files of a corpus, each of which is well by itself."""
    if not listed.parts:
        return
    if sum(part.rows for part in listed.parts) != listed.rows:
        yield f"its files have {sum(part.rows for part in listed.parts)} rows by the manifest, which says {listed.rows} in all"
    if join_sha256([part.sha256 for part in listed.parts]) != listed.sha256:
        yield "the manifest's sha256 of it is not that of its files"
    paths = [str(path) for path in corpus_files(folder, name, corpus)]
    if alike := _count_alike(connection, "read_parquet($paths, hive_partitioning = false)", name, paths=paths):
        yield f"{alike} rows repeat the key ({', '.join(TABLES[name].key)})"


def _is_whole(name: str, entry: TableEntry) -> bool:
    """Whether a table's entry in the manifest has all that its kind of table needs."""
    in_files = TABLES[name].per_corpus if name in TABLES else entry.sha256 is None
    if in_files:
        return entry.sha256 is None and (bool(entry.files) or not entry.rows)
    return entry.sha256 is not None


def _list_files(
    folder: Path, name: str, entry: TableEntry | None
) -> Iterator[tuple[str, Path, str | None, FileEntry | PartEntry | TableEntry | None]]:
    """Name in print, path, corpus and manifest entry of every file of a table that lies there or is listed."""
    lying = table_files(folder, name)
    if not TABLES[name].per_corpus:
        if lying or entry:
            yield name, table_path(folder, name), None, entry
        return
    listed = entry.files if entry else {}
    for corpus in sorted({*lying, *listed}):
        whole, place = table_path(folder, name, corpus), parts_path(folder, name, corpus)
        wanted: dict[Path, FileEntry | PartEntry] = {whole: listed[corpus]} if corpus in listed else {}
        if corpus in listed and (several := listed[corpus].parts):
            wanted = {place / part_name(number): part for number, part in enumerate(several)}
        for path in sorted({*lying.get(corpus, []), *place.glob("[!.]*.parquet"), *wanted}):
            label = f"{name}/{corpus}" if path == whole else f"{name}/{corpus}/{path.stem}"
            yield label, path, corpus, wanted.get(path)


def _file_faults(
    path: Path, name: str, corpus: str | None, entry: FileEntry | PartEntry | TableEntry, connection: duckdb.DuckDBPyConnection
) -> list[str]:
    if file_sha256(path) != entry.sha256:
        return [f"{path.name} is not the file that the manifest describes (sha256 differs)"]
    try:
        found, rows = pq.read_schema(path), pq.read_metadata(path).num_rows
        schema = TABLES[name].schema
        # What DuckDB writes has the columns and types, but not Arrow's notes on which may be null: the rows tell.
        fits = found.equals(schema) if corpus is None else (found.names, found.types) == (schema.names, schema.types)
        if not fits:
            columns = (", ".join(f"{field.name} {field.type}" for field in fields) for fields in (found, schema))
            return ["columns are ({}), not ({})".format(*columns)]
        faults = _find_faults(connection, "read_parquet($path, hive_partitioning = false)", name, corpus, path=str(path))
    except (pa.ArrowInvalid, OSError, duckdb.Error) as error:
        return [f"{path.name} is not a readable Parquet file: {str(error).splitlines()[0]}"]
    if rows != entry.rows:
        faults.append(f"{rows} rows, the manifest says {entry.rows}")
    return faults


@contextmanager
def _open_scan() -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB connection for rows that may not fit in memory."""
    with tempfile.TemporaryDirectory(prefix="tailscope-check-") as folder:
        connection = duckdb.connect(config={"memory_limit": CHECK_MEMORY, "temp_directory": folder})
        try:
            yield connection
        finally:
            connection.close()


def _list_checks(name: str, corpus: str | None) -> list[tuple[str, str]]:
    """What must be true of a table's rows: SQL that gives 0 or null where it is, and the sentence about what it gives else."""
    spec = TABLES[name]
    checks = [] if corpus is None else [("count_if(corpus <> $corpus)", "{} rows are of another corpus")]
    for field in spec.schema:
        if not field.nullable:
            checks.append((f'count_if("{field.name}" IS NULL)', f"column {field.name} has {{}} nulls"))
        if pa.types.is_floating(field.type):
            checks.append((f'count_if(NOT isfinite("{field.name}"))', f"column {field.name} has values that are not finite"))
    for column, allowed in (spec.choices or {}).items():
        words = ", ".join(f"'{word}'" for word in allowed)
        strange = f"column {column} has {{!r}}; allowed are {', '.join(allowed)}"
        checks.append((f'min("{column}") FILTER ("{column}" NOT IN ({words}))', strange))
    for column in spec.not_negative:
        checks.append((f'min("{column}") FILTER ("{column}" < 0)', f"column {column} has the negative value {{}}"))
    return checks


def _find_faults(connection: duckdb.DuckDBPyConnection, source: str, name: str, corpus: str | None, **parameters) -> list[str]:
    """The faults in the rows of a table, which lie in what SQL calls `source`."""
    checks = _list_checks(name, corpus)

    def ask(*expressions: str, **more: str) -> tuple:
        sql = f"WITH rows AS (FROM {source}) SELECT {', '.join(expressions)} FROM rows"
        return connection.execute(sql, (parameters | more) or None).fetchone()

    named = {} if corpus is None else {"corpus": corpus}
    answers = ask("count(*)", *(expression for expression, _ in checks), **named)[1:]
    faults = [sentence.format(answer) for (_, sentence), answer in zip(checks, answers, strict=True) if answer not in (None, 0)]
    if alike := _count_alike(connection, source, name, **parameters):
        faults += [f"{alike} rows repeat the key ({', '.join(TABLES[name].key)})"]
    return faults


def _count_alike(connection: duckdb.DuckDBPyConnection, source: str, name: str, **parameters: str | list[str]) -> int:
    """How many rows of a table have the key of another one."""
    key = ", ".join(f'"{column}"' for column in TABLES[name].key)
    # Distinct hashes are distinct keys, found in half the time; only else the keys themselves are compared.
    hashed = f"SELECT count(*) - count(DISTINCT hash({key})) FROM {source}"
    exact = f"SELECT (SELECT count(*) FROM {source}) - (SELECT count(*) FROM (SELECT DISTINCT {key} FROM {source}))"
    for sql in (hashed, exact):
        (alike,) = connection.execute(sql, parameters or None).fetchone()
        if not alike:
            return 0
    return alike


def _reference_faults(folder: Path, present: set[str]) -> list[str]:
    """Rows that point to a corpus, a model or a (task, label) that the study does not hold."""
    references = [
        (("corpus",), "frequency", "corpora"),
        (("corpus",), "models", "corpora"),
        (("corpus",), "alignment", "corpora"),
        (("corpus",), "truth", "corpora"),
        (("corpus",), "contents", "corpora"),
        (("corpus",), "distinct_hits", "corpora"),
        (("corpus",), "drops", "corpora"),
        (("model",), "performance", "models"),
        (("model",), "overall", "models"),
        (("model",), "tail", "models"),
        (("task", "label"), "frequency", "concepts"),
        (("task", "label"), "performance", "concepts"),
        (("task", "label"), "tail", "concepts"),
        (("task", "label"), "queries", "concepts"),
        (("concept",), "truth", "concepts"),
        (("concept",), "distinct_hits", "concepts"),
        (("concept",), "synonyms", "concepts"),
        (("corpus",), "name_counts", "corpora"),
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


def _evaluation_faults(folder: Path, present: set[str], manifest: Manifest) -> list[str]:
    """Models whose corpus was lost, and tasks that models were evaluated on of whose classes no corpus counts a single one."""
    faults = []
    made = {model: entry.get("corpus") for model, entry in manifest.arguments.get("evaluate", {}).items()}
    if "models" in present:
        rows = pq.read_table(table_path(folder, "models"), columns=["model", "corpus"]).to_pylist()
        lost = [row["model"] for row in rows if row["corpus"] is None and made.get(row["model"])]
        faults += [
            f"models: {model} was evaluated as trained on {made[model]}, and has no corpus now. Evaluate it again with "
            f"--corpus {made[model]}"
            for model in lost
        ]
    if {"performance", "frequency"} <= present and made:
        scored = _distinct_rows(table_path(folder, "performance"), ("task", "label"))
        counted = _distinct_rows(table_path(folder, "frequency"), ("task", "label"))
        for task in sorted({task for task, _ in scored} - {task for task, _ in counted}):
            classes = sum(one == task for one, _ in scored)
            faults.append(
                f"performance: 0 of {classes:,} classes of {task} are counted in any corpus, so no score stands beside a "
                "count. Index a corpus again with --force, or evaluate the task on the right folder"
            )
    return faults


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
                if them := _orphans(connection, "concept", hits, [concepts]):
                    faults.append(f"hits/{corpus}: {them[0]} concept not in concepts, such as {them[1]}")
        if "samples" in present:
            pointing = [(name, corpus) for name in _OF_SAMPLES for corpus in files[name]]
            for name, corpus in pointing:
                if corpus not in files["samples"]:
                    faults.append(f"{name}/{corpus}: the study holds no samples of this corpus")
                elif them := _orphans(connection, "sample_id", files[name][corpus], files["samples"][corpus]):
                    faults.append(f"{name}/{corpus}: {them[0]} sample_id not in samples, such as {them[1]}")
    return faults


def _orphans(connection: duckdb.DuckDBPyConnection, column: str, child: Sequence[Path], parent: Sequence[Path]) -> tuple | None:
    """How many values of a column of some files are not in others', and the first of them; None where all are."""
    count, first = connection.execute(
        f"""SELECT count(DISTINCT child.{column}), min(child.{column})
            FROM read_parquet($child, hive_partitioning = false) AS child
            ANTI JOIN read_parquet($parent, hive_partitioning = false) AS parent ON child.{column} = parent.{column}""",
        {"child": list(map(str, child)), "parent": list(map(str, parent))},
    ).fetchone()
    return (count, first) if count else None


def _drop_faults(folder: Path, present: set[str], manifest: Manifest) -> list[str]:
    """Where what the shards dropped is more than they held, or adds up to something else than the books of the corpus say."""
    if "drops" not in present:
        return []
    faults = []
    with _open_scan() as connection:
        source = {"path": str(table_path(folder, "drops"))}
        rows = "FROM read_parquet($path, hive_partitioning = false)"
        over = connection.execute(
            f"""SELECT corpus, unit, shard {rows} GROUP BY ALL HAVING sum(count) > min("read") OR min("read") <> max("read")
                ORDER BY ALL LIMIT 1""",
            source,
        ).fetchone()
        if over:
            faults.append(f"drops: {' / '.join(over)} dropped more than it held")
        summed = connection.execute(f"SELECT corpus, unit, reason, CAST(sum(count) AS BIGINT) {rows} GROUP BY ALL", source)
        found = {tuple(row[:3]): row[3] for row in summed.fetchall()}
    said = {
        (corpus, unit, reason): count
        for corpus, units in manifest.counts.get("index", {}).items()
        for unit, entry in units.items()
        for reason, count in entry["dropped"].items()
    }
    known = set(manifest.counts.get("index", {})) & {corpus for corpus, _, _ in found}
    differing = sorted(key for key in {*found, *said} if key[0] in known and found.get(key, 0) != said.get(key, 0))
    faults += [
        f"drops: {' / '.join(key)} adds up to {found.get(key, 0)}, the manifest says {said.get(key, 0)}"
        for key in differing[:1]
    ]
    return faults


def _distinct_faults(folder: Path, present: set[str]) -> list[str]:
    """Where a concept has more different hits than hits."""
    if not {"distinct_hits", "frequency"} <= present:
        return []
    with _open_scan() as connection:
        over = connection.execute(
            """SELECT count(*), min(concept) FROM read_parquet($different) AS different
               JOIN (SELECT corpus, concept, method, max(count) AS hits FROM read_parquet($counted) GROUP BY ALL) AS counted
               USING (corpus, concept, method) WHERE different.count > hits""",
            {"different": str(table_path(folder, "distinct_hits")), "counted": str(table_path(folder, "frequency"))},
        ).fetchone()
    return [f"distinct_hits: {over[0]} counts above the hits, such as of {over[1]}"] if over[0] else []


def _term_faults(folder: Path, manifest: Manifest) -> list[str]:
    """Indexes of all words that are missing, not listed, damaged, or of other captions than the study's."""
    faults = []
    lying = {path.name for path in (folder / "terms").glob("[!.]*")}
    samples = manifest.tables["samples"].files if "samples" in manifest.tables else {}
    for corpus in sorted({*lying, *manifest.terms}):
        entry = manifest.terms.get(corpus)
        if entry is None:
            faults.append(f"terms/{corpus}: lies here, but the manifest does not list it")
        elif corpus not in lying:
            faults.append(f"terms/{corpus}: listed in the manifest, but missing")
        elif corpus not in samples or entry.samples_sha256 != samples[corpus].sha256:
            faults.append(f"terms/{corpus}: is an index of other samples than the study's. Index them again with --terms all")
        elif checksum_terms(terms_path(folder, corpus)) != entry.sha256:
            faults.append(f"terms/{corpus}: is not the index that the manifest describes (sha256 differs)")
    return faults
