"""Begins a study with the concepts to search for, or adds some to it: a task's class names, one label a line.

Reads: class-name files. Writes: the rows of `concepts`. Cost: below a second for a thousand labels.
The command: python -m precompute concepts --study DIR --task NAME=CLASSNAMES.txt
"""

import unicodedata
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from backend.class_lists import read_class_list
from backend.errors import SourceError, TailscopeError
from backend.schema import KINDS, MANIFEST, TABLES, table_path
from backend.study import Study
from backend.tables import write_table
from backend.words import canonical, lemmas
from backend.writing import file_sha256
from precompute.study_writer import built_with, extend_study


def read_class_names(path: Path) -> list[str]:
    """The labels of a class-name file, in its order and spelling, without white space around them.

    Raises SourceError, naming the line, for a blank line, a label that comes twice, or one that names nothing ("_");
    and for a file without labels or that is no UTF-8 text. Blank lines at the end are no fault.
    """
    lines = _read_entries(path)
    if lines == [""]:
        raise SourceError(f"{path} is empty. Expected: one label a line.")
    seen: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        label = unicodedata.normalize("NFC", line.strip())
        if not canonical(label):
            raise SourceError(f"{path}, line {number}: {label!r} names no concept. Expected: one label a line.")
        if label in seen:
            raise SourceError(f"{path}, line {number}: '{label}' stands in line {seen[label]} already.")
        seen[label] = number
    return list(seen)


def read_class_positions(path: Path) -> list[str]:
    """The name of each class of a list whose places number the classes, as CLIP benchmark's: names may repeat or be empty.

    Raises SourceError for a file without any name or that is no UTF-8 text.
    """
    names = [unicodedata.normalize("NFC", name.strip()) for name in _read_entries(path)]
    if not any(names):
        raise SourceError(f"{path} is empty. Expected: one label a line.")
    return names


def _read_entries(path: Path) -> list[str]:
    """The lines of a class-name file, without blank ones at its end; the names where it is a table, JSON or the like."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path} is no file of class names ({error}). Expected: UTF-8 text, one label a line.") from error
    listed = read_class_list(text)
    return text.rstrip().split("\n") if listed.whole_lines else list(listed.names)


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


def add_tasks(study: Path, files: dict[str, Path], title: str | None = None) -> dict[str, int]:
    """Adds tasks, each with its class-name file, to a study, or begins one; the number of labels of each that was new.

    A task that is there with these very labels is left as it is. Raises SourceError for a file that cannot be used, and
    TailscopeError for a task that is there with other labels, or for a title where the study has its own.
    """
    labels = {task: read_class_names(path) for task, path in files.items()}
    if empty := [task for task in files if not task.strip()]:
        raise TailscopeError(f"A task without a name: {files[empty[0]]}. Expected: NAME=CLASSNAMES.txt")
    held = _list_labels(study)
    for task in sorted(set(held) & set(labels)):
        if held[task] != set(labels[task]):
            raise TailscopeError(
                f"Study '{study.name}' has a task '{task}' with other labels ({len(held[task])}; {files[task]} has "
                f"{len(labels[task])}). Choose another name."
            )
    if held and title:
        raise TailscopeError(f"Study '{study.name}' has a title already: '{Study(study).title}'. Leave --title out.")
    added = {task: names for task, names in labels.items() if task not in held}
    if not added:
        return {}
    new = {
        "title": title or study.resolve().name,
        "description": "Corpora indexed on this machine.",
        "source": "python -m precompute concepts",
        "built_with": built_with(__name__),
    }
    with extend_study(study, new) as (part, manifest):
        tables = [make_concepts(task, "classification", names) for task, names in added.items()]
        if table_path(part, "concepts").is_file():
            tables.insert(0, pq.read_table(table_path(part, "concepts")))
        rows = pa.concat_tables(tables).sort_by([("task", "ascending"), ("label", "ascending")])
        manifest["tables"]["concepts"] = write_table(part, "concepts", rows)
        arguments = {task: {"file": files[task].name, "sha256": file_sha256(files[task])} for task in added}
        manifest["arguments"]["concepts"] = manifest["arguments"].get("concepts", {}) | arguments
    return {task: len(names) for task, names in added.items()}


def _list_labels(study: Path) -> dict[str, set[str]]:
    """The labels of each task of a study; none where there is no study yet."""
    if not (study / MANIFEST).is_file():
        return {}
    Study(study).require("concepts")
    rows = pq.read_table(table_path(study, "concepts"), columns=["task", "label"])
    tasks = pc.unique(rows["task"]).to_pylist()
    return {task: set(rows.filter(pc.equal(rows["task"], task))["label"].to_pylist()) for task in tasks}
