"""How a step writes a study: alone, beside the old one, and moved into its place when it is whole."""

import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from filelock import FileLock, Timeout

from backend.errors import TailscopeError
from backend.schema import MANIFEST, SCHEMA_VERSION
from backend.study import ROOT, Study
from backend.writing import write_manifest
from precompute.fingerprint import code_sha256

LIBRARIES = ("duckdb", "numpy", "pandas", "pyarrow", "scipy", "spacy", "spacy-lookups-data")


def tell_time() -> str:
    """Now, as the manifest's `created` says it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def built_with(module: str) -> dict:
    """What makes a step's tables: git revision (null without a history), checksum of the code of a module and all that it
    imports, versions of the libraries."""
    try:
        git = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, timeout=10, check=True)
        revision = git.stdout.strip()
    except (OSError, subprocess.SubprocessError):
        revision = None  # a copy of the project without its history
    versions = {name: version(name) for name in LIBRARIES}
    return {"revision": revision, "code": code_sha256(module), "python": platform.python_version(), **versions}


@contextmanager
def hold_alone(out: Path) -> Iterator[None]:
    """Holds a study's place, so that no two steps ever write it at once; raises TailscopeError where another one does.

    Whoever holds it first mends what a killed step may have left: the old study set aside, the new one not yet moved in.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    path = out.with_name(f".{out.name}.lock")
    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise TailscopeError(f"Another step writes {out}. Wait for its end and run again.") from error
    try:
        old = out.with_name(f".{out.name}.old")
        if old.exists() and not out.exists():
            old.replace(out)
        yield
    finally:
        with suppress(OSError):  # while it is held: whoever opened it meanwhile sees that it is gone; Windows lets it lie
            path.unlink()
        lock.release()


def start_part(out: Path) -> Path:
    """An empty folder beside a study, to build it anew in."""
    part = out.with_name(f".{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    return part


def copy_study(folder: Path, part: Path) -> None:
    """A study's files under another folder, as hard links where the disk has them: quick, and no second copy of the samples.

    A linked file must never be changed in place; every table is written under a temporary name and renamed.
    """
    shutil.copytree(folder, part, symlinks=True, copy_function=_link_or_copy, dirs_exist_ok=True)


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:  # another disk, or one without hard links
        shutil.copy2(source, target, follow_symlinks=False)


def move_into_place(part: Path, out: Path) -> None:
    """Puts a whole study where it belongs; one that lay there before is deleted last."""
    old = out.with_name(f".{out.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if out.exists():
        out.replace(old)
    part.replace(out)
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def extend_study(out: Path, new: dict | None = None) -> Iterator[tuple[Path, dict]]:
    """A copy of a study to write into, and its manifest; both take the study's place where the block ends without an error.

    `new` is the manifest of a study to begin with where none lies at `out`: title, description, source, built_with. Raises
    StudyNotFound without it, TailscopeError where something else lies there. The old study stays whole until the end.
    """
    out = out.resolve()
    with hold_alone(out):
        begins = new is not None and (not out.exists() or (out.is_dir() and not any(out.iterdir())))
        if begins:
            manifest = {"schema_version": SCHEMA_VERSION, "study": out.name, **new, "arguments": {}, "counts": {}, "tables": {}}
        elif new is not None and not (out / MANIFEST).is_file():
            raise TailscopeError(
                f"{out} is {'not empty' if out.is_dir() else 'a file'} and holds no study. Name another folder."
            )
        else:
            manifest = Study(out).manifest.to_json()
        part = start_part(out)
        try:
            if not begins:
                copy_study(out, part)
            yield part, manifest
            manifest["created"] = tell_time()
            write_manifest(part, manifest)
            move_into_place(part, out)
        finally:
            shutil.rmtree(part, ignore_errors=True)
