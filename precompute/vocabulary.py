"""Reads the concepts to search for: a task's class names, one label a line, into rows of `concepts`."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from backend.errors import SourceError, TailscopeError
from backend.schema import KINDS, TABLES
from backend.words import canonical, lemmas


def read_class_names(path: Path) -> list[str]:
    """The labels of a class-name file, in its order and spelling, without white space around them.

    Raises SourceError, naming the line, for a blank line, a label that comes twice, or one that names nothing ("_");
    and for a file without labels or that is no UTF-8 text. Blank lines at the end are no fault.
    """
    try:
        with path.open(encoding="utf-8-sig") as stream:
            lines = stream.read().rstrip().split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path} is no file of class names ({error}). Expected: UTF-8 text, one label a line.") from error
    if lines == [""]:
        raise SourceError(f"{path} is empty. Expected: one label a line.")
    seen: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        label = line.strip()
        if not canonical(label):
            raise SourceError(f"{path}, line {number}: {label!r} names no concept. Expected: one label a line.")
        if label in seen:
            raise SourceError(f"{path}, line {number}: '{label}' stands in line {seen[label]} already.")
        seen[label] = number
    return list(seen)


def make_concepts(task: str, kind: str, labels: Sequence[str]) -> pa.Table:
    """The rows of `concepts` for one task, sorted by label. Raises TailscopeError for a kind that does not exist."""
    if kind not in KINDS:
        raise TailscopeError(f"No kind '{kind}' of task. There are {', '.join(KINDS)}.")
    concepts = {label: canonical(label) for label in sorted(labels)}
    rows = [
        {"task": task, "kind": kind, "label": label, "concept": concept, "words": lemmas(concept)}
        for label, concept in concepts.items()
    ]
    return pa.Table.from_pylist(rows, schema=TABLES["concepts"].schema)
