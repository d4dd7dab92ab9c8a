"""The folder beside a study that keeps what was found in each shard, so that a corpus can grow; it may be deleted at any time.

`.STUDY.index/CODE/` holds the layers of concepts and the parts of the shards, `classifiers/` the taggers' concepts, and
`CORPUS.parts.json` which parts a corpus is made of. Of a sample it has some 100 bytes, of an image that a tagger looked at 2 KB
(512 numbers), of a hit some 5 bytes.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from backend.writing import write_file
from precompute.search.shards import name_folder


def name_cache(study: Path) -> Path:
    """The folder of a study's kept searches."""
    return study.with_name(f".{study.name}.index")


def measure_cache(study: Path) -> int:
    """The bytes that a study's kept searches take."""
    return measure_bytes(name_cache(study))


def measure_bytes(path: Path) -> int:
    """The bytes of a file, or of all files in a folder; 0 where neither is there."""
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def store_parts(cache: Path, corpus: str, parts: Mapping[str, Sequence[str]]) -> None:
    """Notes which parts each file of a corpus has."""
    with write_file(_name_note(cache, corpus)) as part:
        part.write_text(json.dumps(parts), encoding="utf-8")


def load_parts(cache: Path, corpus: str) -> dict[str, list[str]]:
    """What `store_parts` noted; empty where nothing was."""
    path = _name_note(cache, corpus)
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def sweep(cache: Path, *, keep: bool) -> None:
    """Deletes what another version of the program has left, which this one cannot use; or all, unless it is to be kept."""
    if not keep:
        shutil.rmtree(cache, ignore_errors=True)
        return
    of_now = name_folder(cache)
    for folder in cache.iterdir():
        if folder.is_dir() and (folder / "parts").is_dir() and folder != of_now:
            shutil.rmtree(folder, ignore_errors=True)


def _name_note(cache: Path, corpus: str) -> Path:
    return cache / f"{corpus}.parts.json"
