"""DuckDB for what does not fit in memory: it spills to disk."""

from pathlib import Path

import duckdb

MEMORY_LIMIT = 10**9  # bytes of one connection


def connect_spilling(spilled: Path, database: Path | str = ":memory:") -> duckdb.DuckDBPyConnection:
    """A connection of bounded memory that spills into a folder."""
    config = {"memory_limit": f"{MEMORY_LIMIT}B", "temp_directory": str(spilled)}
    connection = duckdb.connect(str(database), config=config)
    connection.execute("SET enable_progress_bar = false")  # which DuckDB draws where a process has no script of its own
    return connection
