"""Makes a tail benchmark: models on a task's least frequent concepts, among themselves, against the whole task.

Reads: frequency, overall, a task's folder of images, the models that were evaluated on it. Writes: tail, its rows of overall
and concepts, and the manifest's entry `tail`.
Cost: encoding the tail's images, once for each model.
The command: python -m precompute tail --study DIR --task NAME=FOLDER --corpus CORPUS --classes 290
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from backend.errors import TailscopeError
from backend.models.encode import Model
from backend.models.loading import load_model
from backend.progress import StageProgress
from backend.scaling import COUNTED_LABELS
from backend.schema import table_path
from backend.study import Study, find_build_command
from backend.tables import replace_rows, to_arrow, write_table
from precompute.evaluate.classification import ClassScores, find_task_templates, score_prompts
from precompute.evaluate.features import stream_features
from precompute.evaluate.kept_features import find_kept
from precompute.evaluate.scores import LIBRARIES
from precompute.evaluate.task_labels import STEP as EVALUATE
from precompute.evaluate.task_labels import name_concepts
from precompute.evaluate.tasks import Task, read_task
from precompute.ledger import Ledger
from precompute.study_writer import extend_study

STEP = "tail"
ENDING = "_tail"  # of the benchmark's own task, after the name of the whole one
SPLIT = 50  # percent on the whole task: the paper fits one line to the models below it and one to those above
NOT_COUNTED = "class that the corpus was not searched for"
FREQUENT = "class that is more frequent"
NO_IMAGES = "class without an image"
OTHER_CLASS = "image of a class that is not in the tail"


@dataclass
class TailReport:
    """What came of a tail: its classes (label, count; the rarest first), every model's rows and percent, facts and books."""

    classes: pd.DataFrame
    facts: dict
    arguments: dict
    scores: pd.DataFrame = field(default_factory=pd.DataFrame)
    overall: dict[str, float] = field(default_factory=dict)
    ledgers: dict[str, Ledger] = field(default_factory=dict)


@dataclass(frozen=True)
class TailPlan:
    """Which tail to make: the `size` least frequent classes of a task whose images lie in a folder, by a corpus's counts.

    method: of the counts · setting: the prompts · split: percent on the whole task where the models' line breaks.
    """

    task: str
    images: Path
    corpus: str
    size: int
    method: str = "lemmatized"
    setting: str = "ensemble"
    title: str | None = None
    split: float = SPLIT


def build_tail(folder: Path, plan: TailPlan, say: StageProgress) -> TailReport:
    """Makes the tail, scores on it every model that was evaluated on its task, and adds that to the study.

    Replaces a tail that this step made before. Raises TailscopeError where the corpus was not counted by this method, where
    no model was evaluated on the task in this setting, or where the study has a tail from elsewhere.
    """
    folder = folder.resolve()
    report = score_tail(folder, plan, say)
    with extend_study(folder) as (part, manifest):
        add_tail(part, manifest, report)
    return report


def score_tail(folder: Path, plan: TailPlan, say: StageProgress = lambda stage, done: None) -> TailReport:
    """`build_tail` without adding anything to the study; features are kept beside it."""
    study = Study(folder)
    _check_tail(study.manifest.raw)
    counts = count_classes(study, plan.task, plan.corpus, plan.method)
    models = _list_evaluated(study, plan.task, plan.setting)
    read, chosen = Ledger(), Ledger()
    whole = read_task(plan.images, read)
    classes = choose_tail(whole, counts, plan.size, chosen)
    tail = cut_task(whole, list(classes["label"]), read)
    facts = {"title": plan.title or f"The tail of {plan.task}", "task": plan.task + ENDING, "compared_with": plan.task}
    arguments = {"task": plan.task, "corpus": plan.corpus, "method": plan.method, "classes": plan.size, "weights_sha256": {}}
    arguments |= {library: version(library) for library in LIBRARIES}
    report = TailReport(classes, facts | {"setting": plan.setting, "split": plan.split}, arguments, ledgers={"classes": chosen})
    frames = []
    for name, made in models.items():
        model = _load_same(name, made)
        ledger = report.ledgers[f"{name}: images"] = Ledger(read.read, read.written, read.dropped.copy())
        scores = _score_classes(model, tail, plan.setting, ledger, find_kept(folder), partial(say, name))
        frame = pd.DataFrame({"label": tail.labels, "value": scores.values, "n": scores.n.astype("int32")})
        frames.append(frame.query("n > 0").assign(model=name))
        report.overall[name] = scores.overall
        arguments["weights_sha256"][name] = model.weights_sha256
    report.scores = pd.concat(frames)
    return report


def add_tail(part: Path, manifest: dict, report: TailReport) -> None:
    """Adds a tail to the study whose tables lie in `part`, in the place of one that this step made before."""
    _check_tail(manifest)
    _drop_former(part, manifest)
    _write_tail(part, manifest, report)
    manifest["tail"] = report.facts
    manifest["arguments"][STEP] = report.arguments
    manifest["counts"][STEP] = {unit: ledger.entry() for unit, ledger in report.ledgers.items()}


def count_classes(study: Study, task: str, corpus: str, method: str) -> dict[str, int]:
    """label -> count of a task's labels in a corpus. Raises TailscopeError where the study has no such counts."""
    study.require("concepts", "frequency")
    rows = study.query(
        f"WITH {COUNTED_LABELS} SELECT label, max(count) AS count FROM counted WHERE corpus = $corpus GROUP BY label",
        tasks=[task],
        corpus=corpus,
        method=method,
        concept=None,
    )
    if rows.empty:
        known = study.query("SELECT DISTINCT corpus, method FROM frequency WHERE task = $task ORDER BY ALL", task=task)
        held = ", ".join(f"{row.corpus} by {row.method}" for row in known.itertuples(index=False)) or "none of that task"
        raise TailscopeError(f"Study '{study.name}' has no counts of '{task}' in '{corpus}' by '{method}'. It has: {held}.")
    return dict(zip(rows["label"], rows["count"].astype(int), strict=True))


def choose_tail(task: Task, counts: dict[str, int], size: int, ledger: Ledger) -> pd.DataFrame:
    """label, count: the `size` least frequent classes that have images; of equally frequent ones the first by name.

    Raises TailscopeError where there are not more than `size` of them: then nothing is a tail of anything.
    """
    n = np.bincount(task.classes, minlength=len(task.labels))
    shown = list(dict.fromkeys(label for label, images in zip(task.labels, n, strict=True) if images))
    counted = [label for label in shown if label in counts]
    if not 2 <= size < len(counted):
        raise TailscopeError(
            f"A tail has from 2 to {max(len(counted) - 1, 0)} of the {len(counted)} counted classes, not {size}."
        )
    ledger.take(dropped=len(set(task.labels)) - len(shown), reason=NO_IMAGES)
    ledger.take(dropped=len(shown) - len(counted), reason=NOT_COUNTED)
    ledger.take(written=size, dropped=len(counted) - size, reason=FREQUENT)
    chosen = sorted(counted, key=lambda label: (counts[label], label))[:size]
    return pd.DataFrame({"label": chosen, "count": [counts[label] for label in chosen]})


def cut_task(task: Task, labels: Sequence[str], ledger: Ledger) -> Task:
    """The same images with only some of the labels to choose from; the ledger books the images of the other classes."""
    ordered = sorted(labels)
    numbers = {label: number for number, label in enumerate(ordered)}
    renumbered = np.array([numbers.get(label, -1) for label in task.labels], np.int64)
    classes = renumbered[task.classes]
    ledger.take(dropped=int((classes < 0).sum()), reason=OTHER_CLASS)
    places = [place for place, number in zip(task.places, classes, strict=True) if number >= 0]
    return Task(tuple(ordered), places, classes[classes >= 0], task.templates, task.templates_from)


def _check_tail(manifest: dict) -> None:
    if "tail" in manifest and STEP not in manifest.get("arguments", {}):
        raise TailscopeError(f"The study has a tail from elsewhere already: {manifest['tail']['title']}. Use another study.")


def _list_evaluated(study: Study, task: str, setting: str) -> dict[str, dict]:
    """The models that were evaluated here on the whole task in this setting, and how each was loaded."""
    made = study.manifest.arguments.get(EVALUATE, {})
    scored = set()
    if study.has("overall"):
        rows = study.query("SELECT model FROM overall WHERE task = $task AND setting = $setting", task=task, setting=setting)
        scored = set(rows["model"])
    if not scored & made.keys():
        raise TailscopeError(
            f"No model was evaluated on '{task}' with the prompts '{setting}', which the tail is compared with. Do that first: "
            f"{find_build_command('performance', study.folder)}"
        )
    return {name: made[name] for name in sorted(scored & made.keys())}


def _load_same(name: str, made: dict) -> Model:
    model = load_model(made["model"])
    if model.weights_sha256 != made["weights_sha256"]:
        raise TailscopeError(f"{made['model']} holds other weights than when '{name}' was evaluated. Evaluate it again.")
    return model


def _score_classes(model: Model, tail: Task, setting: str, ledger: Ledger, kept: Path, say) -> ClassScores:
    encoded = stream_features(model, tail.places, ledger, kept, say)
    chunks = ((features, tail.classes[numbers]) for features, numbers in encoded)
    scores = score_prompts(model, chunks, tail.labels, find_task_templates(tail, [setting]))[0][setting]
    if not scores.n.any():
        raise TailscopeError(f"None of the {len(tail.places):,} images of the tail can be decoded.")
    return scores


def _drop_former(part: Path, manifest: dict) -> None:
    """Takes the rows of an earlier tail out of the tables that it shares with other tasks."""
    former = manifest.get("tail", {}).get("task")
    for name in ("concepts", "overall"):
        path = table_path(part, name)
        if former and path.is_file():
            rows = pq.read_table(path).to_pandas()
            manifest["tables"][name] = write_table(part, name, to_arrow(name, rows[rows["task"] != former]))


def _write_tail(part: Path, manifest: dict, report: TailReport) -> None:
    facts, labels = report.facts, sorted(report.classes["label"])
    task = facts["task"]
    concepts = name_concepts(part, manifest, {task: ("classification", labels)})
    rows = report.scores.assign(task=task, setting=facts["setting"]).merge(concepts, on=["task", "label"])
    manifest["tables"]["tail"] = write_table(part, "tail", to_arrow("tail", rows.sort_values(["model", "label"])))
    overall = pd.DataFrame({"model": report.overall.keys(), "value": report.overall.values()})
    overall = overall.assign(task=task, kind="classification", setting=facts["setting"])
    source = f"evaluated on the {len(labels)} classes of the tail, among themselves"
    replace_rows(part, manifest, "overall", overall.assign(source=source), ["task"])
