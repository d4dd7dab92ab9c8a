"""The labels of evaluated tasks: which the study knows, which an evaluation brings in, which go with the next, their counts."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from backend.schema import table_path
from backend.study import Study
from backend.tables import replace_rows, to_arrow, write_table
from backend.words import canonical
from precompute.vocabulary import make_concepts

STEP = "evaluate"
ADDED = "labels_added"  # in a model's arguments: labels that its evaluation brought to a task, and no search


def count_known(part: Path, manifest: dict, task: str, labels: Sequence[str]) -> int:
    """How many of a task's labels name a concept that the study was given or counts; not one that evaluations brought in."""
    study = Study(part, manifest)
    if not study.has("concepts"):
        return 0
    rows = study.query("SELECT task, label, concept FROM concepts")
    evaluated = manifest.get("arguments", {}).get(STEP, {}).values()
    added = {(name, label) for made in evaluated for name, labels in made.get(ADDED, {}).items() for label in labels}
    given = rows[[pair not in added for pair in zip(rows["task"], rows["label"], strict=True)]]
    known = set(given["concept"])
    if study.has("frequency"):
        known |= set(study.query("SELECT DISTINCT concept FROM frequency")["concept"])
    own = dict(zip(rows.loc[rows["task"] == task, "label"], rows.loc[rows["task"] == task, "concept"], strict=True))
    return sum(own.get(label, canonical(label)) in known for label in labels)


def list_uncounted(part: Path, manifest: dict, labels: dict[str, Sequence[str]]) -> dict[str, list[str]]:
    """By task, the labels without a count under it in any corpus, of tasks of which other labels have one.

    Their scores stand in no plot over frequency, which would not be seen where only a few are missing.
    """
    study = Study(part, manifest)
    if not study.has("frequency"):
        return {}
    rows = study.query("SELECT task, label FROM concepts SEMI JOIN frequency USING (task, concept)")
    counted = set(zip(rows["task"], rows["label"], strict=True))
    missing = {task: [label for label in names if (task, label) not in counted] for task, names in labels.items()}
    return {task: names for task, names in missing.items() if 0 < len(names) < len(labels[task])}


def add_labels(part: Path, before: dict[str, list[str]], labels: dict[str, Sequence[str]]) -> dict[str, list[str]]:
    """By task, the labels that no one but this model's evaluations brought to the study: those of before, and the new ones."""
    path = table_path(part, "concepts")
    known = (
        pq.read_table(path, columns=["task", "label"]).to_pandas()
        if path.is_file()
        else pd.DataFrame({"task": [], "label": []})
    )
    have = set(zip(known["task"], known["label"], strict=True))
    new = {task: [label for label in names if (task, label) not in have] for task, names in labels.items()}
    added = {task: sorted({*before.get(task, ()), *new.get(task, ())}) for task in before | new}
    return {task: names for task, names in added.items() if names}


def drop_former_labels(part: Path, manifest: dict, labels: dict[str, Sequence[str]]) -> None:
    """Takes out of evaluated tasks the labels that evaluations alone brought in, such as those of a wrong folder.

    A label stays that is among the new ones, or that a model has a score on.
    """
    scored = pq.read_table(table_path(part, "performance"), columns=["task", "label"]).to_pandas()
    kept = set(zip(scored["task"], scored["label"], strict=True)) | {(task, label) for task in labels for label in labels[task]}
    entries = manifest["arguments"][STEP].values()
    added = {(task, label) for made in entries for task in labels for label in made.get(ADDED, {}).get(task, ())}
    former = added - kept
    for name in ("concepts", "frequency") if former else ():
        path = table_path(part, name)
        if path.is_file():
            rows = pq.read_table(path).to_pandas()
            gone = pd.MultiIndex.from_frame(rows[["task", "label"]]).isin(former)
            manifest["tables"][name] = write_table(part, name, to_arrow(name, rows[~gone]))
    for made in entries:
        for task in made.get(ADDED, {}):
            made[ADDED][task] = [label for label in made[ADDED][task] if (task, label) not in former]


def name_concepts(part: Path, manifest: dict, labels: dict[str, tuple[str, Sequence[str]]]) -> pd.DataFrame:
    """task, label, concept: the concepts of tasks' labels (task -> kind, labels).

    A label that the study knows keeps its concept there; what it lacks is added to its table.
    """
    path = table_path(part, "concepts")
    known = pq.read_table(path).to_pandas() if path.is_file() else pd.DataFrame({"task": [], "label": [], "concept": []})
    have = set(zip(known["task"], known["label"], strict=True))
    new = {task: [label for label in names if (task, label) not in have] for task, (_, names) in labels.items()}
    rows = [make_concepts(task, labels[task][0], names).to_pandas() for task, names in new.items() if names]
    if rows:
        replace_rows(part, manifest, "concepts", pd.concat(rows), ["task", "label"])
    everything = pd.concat([known[["task", "label", "concept"]], *(frame[["task", "label", "concept"]] for frame in rows)])
    return everything[everything["task"].isin(labels)]


def copy_counts(part: Path, manifest: dict, concepts: pd.DataFrame) -> None:
    """Gives tasks the counts that the study has of their concepts under other tasks, in the corpora that were searched here.

    A search counts a concept once, for all tasks. The release's counts differ from task to task: they are left alone.
    """
    study = Study(part, manifest)
    if not study.has("frequency"):
        return
    counted = study.query(
        """SELECT DISTINCT ON (corpus, concept, method) corpus, concept, modality, method, count FROM frequency
           WHERE list_contains(CAST($searched AS VARCHAR[]), corpus) ORDER BY corpus, concept, method, task, label""",
        searched=sorted(manifest.get("search", {})),
    )
    rows = concepts.merge(counted, on="concept")
    known = study.query("SELECT DISTINCT corpus, task, label, method FROM frequency")
    keys = ["corpus", "task", "label", "method"]
    rows = rows[~pd.MultiIndex.from_frame(rows[keys]).isin(pd.MultiIndex.from_frame(known))]
    if len(rows):
        replace_rows(part, manifest, "frequency", rows, keys)
