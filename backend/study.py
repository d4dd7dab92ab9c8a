"""Where studies live, and one study's manifest and read-only DuckDB connection over its tables."""

import json
import os
import shlex
from functools import cached_property
from pathlib import Path

import duckdb
import pandas as pd

from backend.errors import EmptySelection, MissingTable, StudyNotFound
from backend.schema import MANIFEST, SCHEMA_VERSION, TABLES, table_files

ROOT = Path(__file__).resolve().parent.parent
STUDIES = Path(os.environ.get("TAILSCOPE_DATA", ROOT / "data"))  # the folder of studies
MEMORY_LIMIT = "1GB"  # of one study's connection; DuckDB spills or fails clearly beyond it

EMBEDDED = "python -m precompute synthetic"  # needs nothing but this program, and makes every table of its study
PUBLISHED = "python -m precompute published"
NOT_RELEASED = {"samples", "hits", "misaligned", "search_quality", "truth"}  # what the paper's release has no part of
_INDEX = "python -m precompute index --study {study} --corpus NAME --shards GLOB"
_EVALUATE = "python -m precompute evaluate --study {study} --model ARCH:WEIGHTS --task NAME=FOLDER"
_BUILD = {  # the step that adds a table to a study of one's own
    "concepts": "python -m precompute concepts --study {study} --task NAME=CLASSNAMES.txt",
    **dict.fromkeys(("corpora", "frequency", "alignment", "samples", "hits", "misaligned"), _INDEX),
    **dict.fromkeys(("models", "performance", "overall", "scaling"), _EVALUATE),
    "tail": "python -m precompute tail --study {study}",
    "queries": PUBLISHED,  # only the release was counted by a search that is not ours
    **dict.fromkeys(("search_quality", "truth"), EMBEDDED),  # only in an invented world is the truth known
}


class Study:
    """One folder of tables that belong together, opened for reading.

    Raises StudyNotFound where the folder holds no complete study of this schema version.
    """

    def __init__(self, folder: Path, manifest: dict | None = None):
        """`manifest` is given by a step that still writes the study; otherwise the folder's own is read."""
        self.folder = Path(folder)
        self.name = self.folder.name
        self.manifest = _read_manifest(self.folder) if manifest is None else manifest

    @property
    def title(self) -> str:
        """The study's title for people."""
        return self.manifest["title"]

    @cached_property
    def tables(self) -> frozenset[str]:
        """The names of the tables that lie in the folder."""
        return frozenset(name for name in TABLES if table_files(self.folder, name))

    def list_corpora(self, table: str) -> list[str]:
        """The corpora that a folder table has a file of, sorted."""
        return list(table_files(self.folder, table))

    @cached_property
    def _connection(self) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect(
            config={
                "memory_limit": MEMORY_LIMIT,
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
            }
        )
        for name in sorted(self.tables):
            paths = [str(path).replace("'", "''") for path in table_files(self.folder, name).values()]
            files = ", ".join(f"'{path}'" for path in paths)
            connection.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet([{files}], hive_partitioning = false)")
        return connection

    @property
    def token(self) -> str:
        """Changes whenever the study is built anew: what a cache of its answers goes by."""
        return f"{self.folder}@{self.manifest['created']}"

    def has(self, *names: str) -> bool:
        """Whether all these tables lie in the study."""
        return set(names) <= self.tables

    def require(self, *names: str) -> None:
        """Raises MissingTable, with the command that builds it, for the first table that the study lacks."""
        for name in names:
            if name not in self.tables:
                command = find_build_command(name, self.folder, self.manifest)
                raise MissingTable(f"Study '{self.name}' has no table '{name}'. Build it: {command}")

    def query(self, sql: str, **parameters) -> pd.DataFrame:
        """The rows of a parametrised query (`$name`) as a frame.

        Each call works on its own cursor, so that sessions may ask at the same time.
        """
        cursor = self._connection.cursor()
        try:
            return cursor.execute(sql, parameters or None).df()
        finally:
            cursor.close()

    def ask(self, table: str, sql: str, nothing: str, **parameters) -> pd.DataFrame:
        """`query` behind two guards: MissingTable without the table, EmptySelection(`nothing`) without rows."""
        self.require(table)
        rows = self.query(sql, **parameters)
        if rows.empty:
            raise EmptySelection(nothing)
        return rows


def find_build_command(table: str, folder: Path, manifest: dict) -> str:
    """The command that builds a table which a study lacks: the step that makes the study whole, else the table's own."""
    steps = manifest.get("arguments") or {}
    if "synthetic" in steps:
        return EMBEDDED
    if "published" in steps and table not in NOT_RELEASED:
        return PUBLISHED
    return _BUILD[table].format(study=quote_folder(folder))


def quote_folder(folder: Path) -> str:
    """A folder as a command names it that is run where the program lies."""
    folder = folder.resolve()
    return shlex.quote(str(folder.relative_to(ROOT) if folder.is_relative_to(ROOT) else folder))


def _read_manifest(folder: Path) -> dict:
    path = folder / MANIFEST
    if not path.is_file():
        raise StudyNotFound(f"No complete study in {folder}: it has no {MANIFEST}. Build the embedded one: {EMBEDDED}")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        version = manifest["schema_version"]
    except (ValueError, KeyError, TypeError) as error:
        raise StudyNotFound(f"{path} cannot be read. See what is wrong: python -m precompute check --study {folder}") from error
    if version != SCHEMA_VERSION:
        command = find_build_command("concepts", folder, manifest)  # where a study begins
        raise StudyNotFound(
            f"Study '{folder.name}' has schema version {version}, this program reads {SCHEMA_VERSION}. "
            f"Build it again: {command}{' --force' if command in (EMBEDDED, PUBLISHED) else ''}"
        )
    return manifest


def list_studies(root: Path = STUDIES) -> list[str]:
    """The names of the complete studies under a folder, sorted; empty where there is none."""
    try:
        folders = list(Path(root).iterdir())
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return []
    named = (folder for folder in folders if not folder.name.startswith("."))  # a step's unfinished folder has a dot
    return sorted(folder.name for folder in named if (folder / MANIFEST).exists())
