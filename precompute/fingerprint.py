"""Which files of the project make a step's tables, found by following its imports; and one checksum of them.

A step that is asked to build what is there already goes by this checksum: other code, other tables.
"""

import ast
import hashlib
from functools import lru_cache
from pathlib import Path

from backend.study import ROOT

PACKAGES = ("backend", "precompute")  # of the project; what is installed has a version


def code_sha256(module: str) -> str:
    """One checksum of the source of a module and of all of the project's that it imports, at any depth: 64 hex digits."""
    checksum = hashlib.sha256()
    for path in list_sources(module):
        checksum.update(f"{path}\0".encode() + (ROOT / path).read_bytes())
    return checksum.hexdigest()


def list_sources(module: str) -> tuple[str, ...]:
    """The files of a module and of the project's modules that it imports, at any depth and inside functions too.

    Paths are relative to the project's folder, sorted.

    >>> "backend/words.py" in list_sources("precompute.vocabulary")
    True
    """
    found: set[Path] = set()
    waiting = [_find_file(ROOT, module)]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += _list_imported(ROOT, path)
    return tuple(sorted(path.as_posix() for path in found))


@lru_cache(maxsize=512)
def _list_imported(root: Path, path: Path) -> tuple[Path, ...]:
    """The files that one file imports; `from package import name` may mean a module of that name."""
    names = []
    for node in ast.walk(ast.parse((root / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    files = (_find_file(root, name) for name in names if name.split(".")[0] in PACKAGES)
    return tuple(file for file in files if file)


def _find_file(root: Path, module: str) -> Path | None:
    """A module's file below `root`; None where the name is no module (but something inside one)."""
    place = Path(*module.split("."))
    files = (place.with_suffix(".py"), place / "__init__.py")
    return next((file for file in files if (root / file).is_file()), None)
