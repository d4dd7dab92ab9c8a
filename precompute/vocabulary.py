"""Begins a study with the concepts to search for, or adds some to it: a task's class names, and other names of concepts.

Reads: class-name files in any form that circulates. Writes: the rows of `concepts` and `synonyms`. Cost: below a second for a
thousand labels. The command: python -m precompute concepts --study DIR --task NAME=CLASSNAMES.txt
"""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from backend.class_lists import ClassList, read_class_list
from backend.errors import SourceError, TailscopeError
from backend.schema import KINDS, MANIFEST, TABLES, table_path
from backend.study import Study
from backend.tables import to_arrow, write_table
from backend.words import canonical, list_searched
from backend.writing import file_sha256
from precompute.study_writer import built_with, extend_study

NAMELESS, REPEATED = "names nothing", "repeated"  # why an entry of a class list is no label
LISTED = "class list"  # where synonyms come from that stand beside a name in a class list

_SHOWN = 5


@dataclass(frozen=True)
class NewTask:
    """A task to add to a study: its labels in the order of its source, and further names of some.

    `form`: how the source was read · `skipped`: what in it is no label, by reason · `repeated`: the labels that came twice ·
    `arguments`: what the manifest says of it.
    """

    labels: tuple[str, ...]
    form: str
    kind: str = "classification"
    others: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    skipped: Mapping[str, int] = field(default_factory=dict)
    repeated: tuple[str, ...] = ()
    arguments: Mapping[str, Any] = field(default_factory=dict)


def read_task(path: Path) -> NewTask:
    """The task of a class-name file: its labels, without white space around them, and how they were read.

    What names nothing ("_") and names that come again are counted as skipped; names that Unicode composes in two ways are
    one. Raises SourceError for a file without labels or that is no UTF-8 text.
    """
    listed = read_class_list(read_text(path))
    names = [unicodedata.normalize("NFC", name.strip()) for name in listed.lines or listed.names]
    counts = Counter(name for name in names if canonical(name))
    if not counts:
        raise SourceError(f"{path} is empty. Expected: one label a line.")
    reasons = dict(listed.skipped) | {NAMELESS: len(names) - counts.total(), REPEATED: counts.total() - len(counts)}
    return NewTask(
        tuple(counts),
        listed.form,
        others=_gather_others(names, listed),
        skipped={reason: count for reason, count in reasons.items() if count},
        repeated=tuple(name for name, count in counts.items() if count > 1),
        arguments={"file": path.name, "sha256": file_sha256(path)},
    )


def _gather_others(names: Sequence[str], listed: ClassList) -> dict[str, tuple[str, ...]]:
    others: dict[str, list[str]] = {}
    for name, further in zip(names, listed.others, strict=False):
        others.setdefault(name, []).extend(further)
    return {name: tuple(dict.fromkeys(further)) for name, further in others.items() if further}


def describe_task(name: str, task: NewTask) -> list[str]:
    """What was read of a task's source, in lines for people: how many labels, how, the first of them, and what was skipped."""
    first = ", ".join(f"“{label}”" for label in task.labels[:_SHOWN])
    more = ", ..." if len(task.labels) > _SHOWN else ""
    lines = [f"{name}: {len(task.labels):,} names, read as {task.form}: {first}{more}"]
    if task.others:
        label, others = next(iter(task.others.items()))
        lines.append(f"  {len(task.others):,} of them with synonyms: “{label}” is also “{'”, “'.join(others[:_SHOWN])}”")
    if task.skipped:
        lines.append("  skipped: " + ", ".join(f"{count:,} {reason}" for reason, count in task.skipped.items()))
    if task.repeated:
        lines.append(f"  named more than once, taken once: {_list_some(task.repeated)}")
    if lost := [label for label in task.labels if not list_searched(canonical(label))]:
        lines.append(
            f"  {len(lost):,} can be in no caption, having neither letter nor digit, and will count 0: {_list_some(lost)}"
        )
    return lines


def _list_some(labels: Sequence[str]) -> str:
    more = f" and {len(labels) - _SHOWN:,} more" if len(labels) > _SHOWN else ""
    return ", ".join(f"“{label}”" for label in labels[:_SHOWN]) + more


def read_class_positions(path: Path) -> list[str]:
    """The name of each class of a list whose places number the classes, as CLIP benchmark's: names may repeat or be empty.

    Raises SourceError for a file without any name or that is no UTF-8 text.
    """
    text = read_text(path)
    listed = read_class_list(text)
    entries = text.rstrip().split("\n") if listed.lines else listed.names
    names = [unicodedata.normalize("NFC", name.strip()) for name in entries]
    if not any(names):
        raise SourceError(f"{path} is empty. Expected: one label a line.")
    return names


def read_text(path: Path) -> str:
    """The text of a file of names. Raises SourceError where it is none, or not UTF-8."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path} is no file of class names ({error}). Expected: UTF-8 text, one label a line.") from error


def make_concepts(task: str, kind: str, labels: Sequence[str]) -> pa.Table:
    """The rows of `concepts` for one task, sorted by label. Raises TailscopeError for a kind that does not exist."""
    if kind not in KINDS:
        raise TailscopeError(f"No kind '{kind}' of task. There are {', '.join(KINDS)}.")
    concepts = {label: canonical(label) for label in sorted(labels)}
    rows = [
        {"task": task, "kind": kind, "label": label, "concept": concept, "words": list_searched(concept)}
        for label, concept in concepts.items()
    ]
    return pa.Table.from_pylist(rows, schema=TABLES["concepts"].schema)


def add_tasks(study: Path, tasks: Mapping[str, Path | NewTask], title: str | None = None) -> dict[str, int]:
    """Adds tasks, each with its class-name file or as read, to a study, or begins one; the number of labels of each new one.

    A task that is there with these very labels is left as it is. Raises SourceError for a file that cannot be used, and
    TailscopeError for a task that is there with other labels, or for a title where the study has its own.
    """
    if empty := [task for task in tasks if not task.strip()]:
        raise TailscopeError(f"A task without a name: {tasks[empty[0]]}. Expected: NAME=CLASSNAMES.txt")
    read = {name: read_task(task) if isinstance(task, Path) else task for name, task in tasks.items()}
    held = _list_labels(study)
    for name in sorted(set(held) & set(read)):
        if held[name] != set(read[name].labels):
            place = tasks[name] if isinstance(tasks[name], Path) else read[name].arguments.get("file", "what was read")
            raise TailscopeError(
                f"Study '{study.name}' has a task '{name}' with other labels ({len(held[name])}; {place} has "
                f"{len(read[name].labels)}). Choose another name."
            )
    if held and title:
        raise TailscopeError(f"Study '{study.name}' has a title already: '{Study(study).title}'. Leave --title out.")
    added = {name: task for name, task in read.items() if name not in held}
    if not added:
        return {}
    new = {
        "title": title or study.resolve().name,
        "description": "Corpora indexed on this machine.",
        "source": "python -m precompute concepts",
        "built_with": built_with(__name__),
    }
    with extend_study(study, new) as (part, manifest):
        tables = [make_concepts(name, task.kind, task.labels) for name, task in added.items()]
        if table_path(part, "concepts").is_file():
            tables.insert(0, pq.read_table(table_path(part, "concepts")))
        rows = pa.concat_tables(tables).sort_by([("task", "ascending"), ("label", "ascending")])
        manifest["tables"]["concepts"] = write_table(part, "concepts", rows)
        others = [(label, others) for task in added.values() for label, others in task.others.items()]
        _write_synonyms(part, manifest, set(), others, LISTED)
        arguments = {name: dict(task.arguments) for name, task in added.items()}
        manifest["arguments"]["concepts"] = manifest["arguments"].get("concepts", {}) | arguments
    return {name: len(task.labels) for name, task in added.items()}


def add_synonyms(study: Path, synonyms: Mapping[str, Sequence[str]], source: str) -> tuple[int, list[str]]:
    """Gives concepts of a study further names instead of those that the same source gave before.

    Returns how many names the study has from that source now, and the names in `synonyms` that are no concept of it. Raises
    TailscopeError where none is.
    """
    known = set(list_concepts(study))
    given = {canonical(name): others for name, others in synonyms.items()}
    strange = sorted(set(given) - known)
    if given and len(strange) == len(given):
        raise TailscopeError(
            f"None of the {len(given):,} names with synonyms is a concept of study '{study.name}', such as "
            f"“{strange[0]}”. Add them first: --task NAME=CLASSNAMES.txt"
        )
    with extend_study(study) as (part, manifest):
        count = _write_synonyms(part, manifest, {source}, [pair for pair in given.items() if pair[0] in known], source)
    return count, strange


def _write_synonyms(
    part: Path, manifest: dict, replaced: set[str], others: Iterable[tuple[str, Sequence[str]]], source: str
) -> int:
    """Writes further names of labels or concepts into a study, without those of the sources replaced; how many are new.

    A name that a concept has already keeps where it came from.
    """
    path = table_path(part, "synonyms")
    columns = TABLES["synonyms"].schema.names
    held = pq.read_table(path).to_pandas() if path.is_file() else pd.DataFrame(columns=columns, dtype=str)
    held = held[~held["source"].isin(replaced)]
    named = ((canonical(label), canonical(name)) for label, names in others for name in names)
    pairs = dict.fromkeys(pair for pair in named if list_searched(pair[1]))
    have = set(zip(held["concept"], held["name"], strict=True))
    rows = [(concept, name, source) for concept, name in pairs if concept != name and (concept, name) not in have]
    every = pd.concat([held, pd.DataFrame(rows, columns=columns, dtype=str)]).sort_values(["concept", "name"])
    if len(every) or path.is_file():
        manifest["tables"]["synonyms"] = write_table(part, "synonyms", to_arrow("synonyms", every))
    return len(rows)


def list_concepts(study: Path) -> list[str]:
    """The concepts of a study that lies on the disk, sorted."""
    Study(study).require("concepts")
    return sorted(set(pq.read_table(table_path(study, "concepts"), columns=["concept"])["concept"].to_pylist()))


def _list_labels(study: Path) -> dict[str, set[str]]:
    """The labels of each task of a study; none where there is no study yet."""
    if not (study / MANIFEST).is_file():
        return {}
    Study(study).require("concepts")
    rows = pq.read_table(table_path(study, "concepts"), columns=["task", "label"])
    tasks = pc.unique(rows["task"]).to_pylist()
    return {task: set(rows.filter(pc.equal(rows["task"], task))["label"].to_pylist()) for task in tasks}
