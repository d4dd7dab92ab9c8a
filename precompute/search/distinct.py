"""Hashes by which exact duplicates are found: of captions as the samples have them, letter by letter, and of image files.

64 bits: of a thousand million different captions, 0.03 pairs are expected to have one hash.
"""

import hashlib

import duckdb
import pyarrow as pa


def hash_content(content: bytes) -> int:
    """A hash of bytes, from -2^63 to 2^63 - 1."""
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little", signed=True)


def hash_captions(captions: pa.ChunkedArray) -> pa.ChunkedArray:
    """A hash of each caption, int64; equal captions have equal ones, as long as DuckDB's version is the same.

    >>> one, other, same = hash_captions(pa.chunked_array([["a rose", "A rose", "a rose"]])).to_pylist()
    >>> one == same, one == other
    (True, False)
    """
    with duckdb.connect() as connection:
        connection.register("samples", pa.table({"caption": captions}))
        hashes = connection.sql("SELECT hash(caption) AS hash FROM samples").to_arrow_table()["hash"]
    return pa.chunked_array([chunk.view(pa.int64()) for chunk in hashes.chunks], pa.int64())
