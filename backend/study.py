"""Where studies live, and one study's manifest and read-only DuckDB connection over its tables."""

import json
import os
import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from backend.errors import EmptySelection, InvalidTable, MissingTable, StudyNotFound
from backend.manifest import Manifest
from backend.schema import MANIFEST, SCHEMA_VERSION, SEARCHED, TABLES, table_files

ROOT = Path(__file__).resolve().parent.parent
STUDIES = Path(os.environ.get("TAILSCOPE_DATA", ROOT / "data"))  # the folder of studies
MEMORY_LIMIT = "1GB"  # of one study's connection; DuckDB spills or fails clearly beyond it

# A footer is read once, that of a changed file again; and of a column no more than the pages that are asked for.
_LOOK_UPS = ("parquet_metadata_cache = true", "disable_parquet_prefetching = true", "enable_external_file_cache = false")

EMBEDDED = "python -m precompute synthetic"  # needs nothing but this program, and makes every table of its study
PUBLISHED = "python -m precompute published"
_SEARCHED = (*SEARCHED, "distinct_hits", "drops", "contents")
# What the paper's release has no part of:
NOT_RELEASED = {*_SEARCHED, "synonyms", "name_counts", "predictions", "search_quality", "truth", "sample_truth"}
_INDEX = "python -m precompute index --study {study} --corpus NAME --shards GLOB"
_EVALUATE = "python -m precompute evaluate --study {study} --model ARCH:WEIGHTS --task NAME=FOLDER"
_BUILD = {  # the step that adds a table to a study of one's own
    "concepts": "python -m precompute concepts --study {study} --task NAME=CLASSNAMES.txt",
    **dict.fromkeys(("corpora", "frequency", "alignment", *_SEARCHED), _INDEX),
    **dict.fromkeys(("models", "performance", "overall", "scaling"), _EVALUATE),
    "predictions": f"{_EVALUATE} --per-image",
    "tail": "python -m precompute tail --study {study}",
    "synonyms": "python -m precompute concepts --study {study} --synonyms FILE",
    "name_counts": _INDEX,
    "queries": PUBLISHED,  # only the release was counted by a search that is not ours
    **dict.fromkeys(("search_quality", "truth", "sample_truth"), EMBEDDED),  # only in an invented world is the truth known
}


class Study:
    """One folder of tables that belong together, opened for reading.

    Raises StudyNotFound where the folder holds no complete study of this schema version.
    """

    def __init__(self, folder: Path, manifest: Mapping[str, Any] | None = None):
        """`manifest`: its JSON, given by a step that still writes the study; otherwise the folder's own is read."""
        self.folder = Path(folder)
        self.name = self.folder.name
        self.manifest = _read_manifest(self.folder) if manifest is None else Manifest.from_json(manifest)
        self._ranges: dict[tuple[str, str, str], dict[Path, tuple[str, str] | None]] = {}

    @property
    def title(self) -> str:
        """The study's title for people."""
        return self.manifest.title

    @cached_property
    def _lying(self) -> dict[str, dict[str | None, list[Path]]]:
        """The files of every table by corpus, as they lay there when the study was first asked."""
        found = {name: table_files(self.folder, name) for name in sorted(TABLES)}
        return {name: files for name, files in found.items() if files}

    @cached_property
    def _files(self) -> dict[str, list[Path]]:
        """The files of every table."""
        return {name: list(chain.from_iterable(files.values())) for name, files in self._lying.items()}

    @cached_property
    def tables(self) -> frozenset[str]:
        """The names of the tables that lie in the folder."""
        return frozenset(self._files)

    @cached_property
    def corpus_titles(self) -> dict[str, str]:
        """corpus -> title of every corpus of the study; empty where it has no table of them."""
        if not self.has("corpora"):
            return {}
        rows = self.query("SELECT corpus, title FROM corpora ORDER BY corpus")
        return dict(zip(rows["corpus"], rows["title"], strict=True))

    def list_corpora(self, table: str) -> list[str]:
        """The corpora that a folder table has a file of, sorted."""
        return list(self._lying.get(table, ()))

    def locate(self, table: str, corpus: str, **held: str) -> str:
        """A corpus's rows of a folder table as SQL has them behind FROM, out of fewer files than its view has.

        held: column=value, of strings: files whose footers say that they hold no row with this value are left out. So DuckDB
        weighs the row groups of one file, not those of all: 5 µs each, and 100M hits have 1,600. Raises EmptySelection where
        the table holds nothing of the corpus.
        """
        files = lying = self._lying.get(table, {}).get(corpus, [])
        if not lying:
            raise EmptySelection(f"Study '{self.name}' holds no {table} of '{corpus}'.")
        for column, value in held.items():
            ranges = self._read_ranges(table, corpus, column)
            files = [path for path in files if ranges[path] is None or ranges[path][0] <= value <= ranges[path][1]]
        return _read_files(files or lying[:1])  # the rows of one file show that there is none

    def _read_ranges(self, table: str, corpus: str, column: str) -> dict[Path, tuple[str, str] | None]:
        """The least and the greatest value of a column in each file of a corpus, read once; None where a footer lacks them."""
        key = table, corpus, column
        if key not in self._ranges:
            self._ranges[key] = {path: _read_range(path, column) for path in self._lying[table][corpus]}
        return self._ranges[key]

    @cached_property
    def _connection(self) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect(
            config={
                "memory_limit": MEMORY_LIMIT,
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
            }
        )
        try:
            for setting in _LOOK_UPS:
                connection.execute(f"SET GLOBAL {setting}")
            for name, paths in self._files.items():
                connection.execute(f"CREATE VIEW {name} AS SELECT * FROM {_read_files(paths)}")
        except duckdb.Error:
            connection.close()
            raise
        return connection

    @property
    def token(self) -> str:
        """Changes whenever the study becomes another one, for it goes by the checksums of its tables: what a cache of its
        answers goes by."""
        return f"{self.folder} {self.manifest.digest}"

    def has(self, *names: str) -> bool:
        """Whether all these tables lie in the study."""
        return set(names) <= self.tables

    def require(self, *names: str) -> None:
        """Raises MissingTable, with the command that builds it, for the first table that the study lacks."""
        for name in names:
            if name not in self.tables:
                command = find_build_command(name, self.folder, self.manifest.arguments)
                raise MissingTable(f"Study '{self.name}' has no table '{name}'. Build it: {command}")

    def query(self, sql: str, **parameters) -> pd.DataFrame:
        """The rows of a parametrised query (`$name`) as a frame.

        Each call works on its own cursor, so that sessions may ask at the same time. Raises InvalidTable, with the commands
        that mend it, where the query fails for a file that is broken, not this program's, or gone.
        """
        try:
            cursor = self._connection.cursor()
            try:
                return cursor.execute(sql, parameters or None).df()
            finally:
                cursor.close()
        except duckdb.Error as error:
            if fault := self._find_fault(sql, error):
                raise InvalidTable(fault) from error
            raise

    def _find_fault(self, sql: str, error: duckdb.Error) -> str | None:
        """What file of the study made DuckDB fail, in a sentence; None where it was none of them."""
        for name, paths in self._files.items():
            for path in paths:
                if what := _tell_fault(path, TABLES[name].schema, str(error)):
                    return self._tell_mending(name, f"{path.name} {what}")
        asked = [name for name in self._files if re.search(rf"\b{name}\b", sql)]
        # What DuckDB raises inside a file whose end is whole says neither which file it is, nor where.
        if asked and type(error) in (duckdb.Error, duckdb.IOException, duckdb.InternalException, duckdb.FatalException):
            files = " or ".join(path.name for name in asked for path in self._files[name])
            return self._tell_mending(asked[0], f"{files} is broken or cut short")
        return None

    def _tell_mending(self, table: str, what: str) -> str:
        command = find_build_command(table, self.folder, self.manifest.arguments, anew=True)
        return (
            f"Table '{table}' of study '{self.name}' cannot be read: {what}. See all that is wrong: "
            f"python -m precompute check --study {quote_folder(self.folder)}; build it again: {command}"
        )

    def ask(self, table: str, sql: str, nothing: str, **parameters) -> pd.DataFrame:
        """`query` behind two guards: MissingTable without the table, EmptySelection(`nothing`) without rows."""
        self.require(table)
        rows = self.query(sql, **parameters)
        if rows.empty:
            raise EmptySelection(nothing)
        return rows


def find_build_command(table: str, folder: Path, made_by: Collection[str] | None = (), *, anew: bool = False) -> str:
    """The command that builds a table which a study lacks: the step that makes the study whole, else the table's own.

    made_by: the steps that made the study, a manifest's `arguments` · anew: as the command must be where the table is there.
    """
    steps = made_by or ()
    if "synthetic" in steps:
        command = EMBEDDED
    elif "published" in steps and table not in NOT_RELEASED:
        command = PUBLISHED
    else:
        command = _BUILD[table].format(study=quote_folder(folder))
    return f"{command} --force" if anew and (command in (EMBEDDED, PUBLISHED) or _BUILD[table] == _INDEX) else command


def quote_folder(folder: Path) -> str:
    """A folder as a command names it that is run where the program lies."""
    folder = folder.resolve()
    return shlex.quote(str(folder.relative_to(ROOT) if folder.is_relative_to(ROOT) else folder))


def _read_files(paths: Sequence[Path]) -> str:
    """Parquet files as SQL has them behind FROM."""
    quoted = [str(path).replace("'", "''") for path in paths]
    files = ", ".join(f"'{path}'" for path in quoted)
    return f"read_parquet([{files}], hive_partitioning = false)"


def _read_range(path: Path, column: str) -> tuple[str, str] | None:
    """The least and the greatest value of a column, by a file's footer; None where that cannot say."""
    try:
        footer = pq.read_metadata(path)
    except (pa.ArrowInvalid, OSError):
        return None  # the query will tell what is wrong with it
    if not footer.num_rows or column not in footer.schema.names:
        return None
    place = footer.schema.names.index(column)
    told = [footer.row_group(group).column(place).statistics for group in range(footer.num_row_groups)]
    if not all(one is not None and one.has_min_max for one in told):
        return None
    return min(one.min for one in told), max(one.max for one in told)


def _tell_fault(path: Path, schema: pa.Schema, message: str) -> str | None:
    """What is wrong with a table's file, where DuckDB failed with this message; None where the file is not the cause."""
    if not path.is_file():
        return "is missing"
    if f"{path}" in message:
        return "is broken or cut short"
    try:
        found = pq.read_schema(path)
    except (pa.ArrowInvalid, OSError):
        return "is broken or cut short"
    return None if (found.names, found.types) == (schema.names, schema.types) else "has other columns than this program reads"


def _read_manifest(folder: Path) -> Manifest:
    path = folder / MANIFEST
    if not path.is_file():
        raise StudyNotFound(f"No complete study in {folder}: it has no {MANIFEST}. Build the embedded one: {EMBEDDED}")
    check = f"See what is wrong: python -m precompute check --study {quote_folder(folder)}"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        version = content["schema_version"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise StudyNotFound(f"{path} cannot be read. {check}") from error
    if version != SCHEMA_VERSION:
        steps = content.get("arguments")
        begin = find_build_command("concepts", folder, steps if isinstance(steps, dict) else (), anew=True)
        raise StudyNotFound(
            f"Study '{folder.name}' has schema version {version}, this program reads {SCHEMA_VERSION}. Build it again: {begin}"
        )
    try:
        return Manifest.from_json(content)
    except InvalidTable as error:
        raise StudyNotFound(f"{path} cannot be read ({error}). {check}") from error


def list_studies(root: Path = STUDIES) -> list[str]:
    """The names of the complete studies under a folder, sorted; empty where there is none."""
    try:
        folders = list(Path(root).iterdir())
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return []
    named = (folder for folder in folders if not folder.name.startswith("."))  # a step's unfinished folder has a dot
    return sorted(folder.name for folder in named if (folder / MANIFEST).exists())
