"""Adds a model's scores to a study: its rows of models, performance and overall, and the scaling lines anew.

Reads: a model, tasks' folders of images, held-out pairs. Writes: models, performance, overall, concepts, scaling, the manifest.
Cost: see `features`; a study with 21 models and 18 tasks takes some seconds more for its scaling lines.
The command: python -m precompute evaluate --study DIR --model ARCH:WEIGHTS|FOLDER --task NAME=FOLDER
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from backend.errors import TailscopeError
from backend.models.encode import Model
from backend.models.loading import load_model
from backend.models.prompts import PROMPTS, find_templates
from backend.progress import Progress, StageProgress
from backend.roots import declare_roots
from backend.schema import TABLES, table_path
from backend.score_settings import name_ranked
from backend.study import Study, find_build_command
from backend.tables import replace_rows, to_arrow, write_table
from precompute.evaluate.classification import BEST, Guesses, describe_scores, find_task_templates, pool_labels, score_prompts
from precompute.evaluate.features import encode_places, stream_features
from precompute.evaluate.kept_features import find_kept
from precompute.evaluate.predictions import list_folders, name_item, tabulate_guesses
from precompute.evaluate.retrieval import Pairs, evaluate_retrieval, keep_encoded, read_pairs
from precompute.evaluate.scaling import build_scaling
from precompute.evaluate.task_labels import (
    ADDED,
    STEP,
    add_labels,
    copy_counts,
    count_known,
    drop_former_labels,
    list_uncounted,
    name_concepts,
)
from precompute.evaluate.tasks import Task, TaskPlace, read_task
from precompute.ledger import Ledger, describe_entry
from precompute.study_writer import extend_study

NO_IMAGES = "class without an image"
NO_QUERIES = "concept that no pair names"
LIBRARIES = ("open_clip_torch", "torch", "torchvision")


@dataclass(frozen=True, eq=False)
class TaskScores:
    """What a model scores on a task in one setting: percent of each label (nan: not known), its n items, and overall."""

    task: str
    kind: str
    setting: str
    labels: Sequence[str]
    values: np.ndarray
    n: np.ndarray
    overall: float
    source: str


@dataclass
class EvaluationReport:
    """What came of an evaluation: the model's name and how it was loaded, its scores, and the books by what they count.

    predictions: rows of the table of that name, where results image by image were asked for · known: by task how many of how
    many classes were concepts of the study before · uncounted: by task the classes without a count, where others have one.
    """

    model: str
    made: dict
    scores: list[TaskScores] = field(default_factory=list)
    predictions: list[pa.Table] = field(default_factory=list)
    ledgers: dict[str, Ledger] = field(default_factory=dict)
    known: dict[str, tuple[int, int]] = field(default_factory=dict)
    uncounted: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Evaluation:
    """What to evaluate: a model by its spec on tasks (name -> where its labelled images lie) and on retrieval (name -> shards).

    prompts: how classes are named · name: the model's in the study, its own without one · corpus: the study's that it was
    trained on · per_image: keep what the model makes of every image · top5: score too whether the class is among the five
    nearest, of tasks with more classes · images: by retrieval task the folder of its photos · decoders: processes that decode
    images, as `stream_features` takes them.
    """

    spec: str
    tasks: dict[str, TaskPlace | Path] = field(default_factory=dict)
    retrieval: dict[str, list[str]] = field(default_factory=dict)
    prompts: Sequence[str] = PROMPTS
    name: str | None = None
    corpus: str | None = None
    allow_download: bool = False
    per_image: bool = False
    top5: bool = True
    decoders: int | None = None
    images: dict[str, Path] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class _Encoder:
    """A model, and how it encodes the images of tasks: where features are kept, who is told, how many processes decode."""

    model: Model
    kept: Path
    say: StageProgress
    decoders: int | None

    def options(self, task: str) -> tuple[Path, Progress, int | None]:
        """What `stream_features` takes beside images and their books."""
        return self.kept, lambda done: self.say(f"{task}: images", done), self.decoders


def evaluate_model(folder: Path, asked: Evaluation, say: StageProgress) -> EvaluationReport:
    """Scores a model on its tasks and adds that to the study.

    Rows that the model had on these tasks are replaced. Everything is checked before the model is loaded: raises
    TailscopeError where the study, a task or a name does not fit. Features are kept in a folder
    beside the study: what was encoded once, by a killed run too, is not encoded again.
    """
    folder = folder.resolve()
    _check_corpus(Study(folder), asked.corpus)
    report = score_model(folder, asked, find_kept(folder), say)
    with extend_study(folder) as (part, manifest):
        add_scores(part, manifest, report, asked.corpus)
        fit_lines(part, manifest, say)
    declare_roots(folder, list_folders(report.predictions, folder))
    return report


def score_model(folder: Path, asked: Evaluation, kept: Path, say: StageProgress = lambda stage, done: None) -> EvaluationReport:
    """`evaluate_model` without adding anything to the study; features are kept in the folder `kept`."""
    study = Study(folder)
    _check_arguments(study, asked)
    ledgers = {task: Ledger() for task in [*asked.tasks, *asked.retrieval]}
    labelled = {task: _read_images(task, place, ledgers[task]) for task, place in asked.tasks.items()}
    paired = {task: read_pairs(found, ledgers[task], asked.images.get(task)) for task, found in asked.retrieval.items()}
    model = load_model(asked.spec, allow_download=asked.allow_download)
    made = {"model": asked.spec, "weights_sha256": model.weights_sha256, "device": model.device, "prompts": list(asked.prompts)}
    report = EvaluationReport(asked.name or model.name, made | {library: version(library) for library in LIBRARIES})
    _check_model(study.manifest.raw, _list_models(study), report)
    encoder = _Encoder(model, kept, say, asked.decoders)
    for task, read in labelled.items():
        scores, guessed = _score_classification(encoder, task, read, asked, ledgers[task])
        report.scores += scores
        if asked.per_image:
            report.predictions.append(tabulate_guesses(task, read, *guessed, model=report.model, study=folder))
        report.ledgers |= {f"{task}: images": ledgers[task], f"{task}: scores": _book_scores(report.scores, task, NO_IMAGES)}
    for task, pairs in paired.items():
        report.scores += _score_retrieval(encoder, task, pairs, study, ledgers[task])
        report.ledgers |= {f"{task}: pairs": ledgers[task], f"{task}: scores": _book_scores(report.scores, task, NO_QUERIES)}
    return report


def _read_images(name: str, place: TaskPlace | Path, ledger: Ledger) -> Task:
    """`read_task`. Raises TailscopeError for a task without any image, before a model is loaded for it."""
    task = read_task(place, ledger)
    if not task.places:
        path = place.path if isinstance(place, TaskPlace) else place
        found = f" ({describe_entry('found', ledger.entry())})" if ledger.dropped else ""
        raise TailscopeError(
            f"'{name}' has {len(task.labels):,} classes at {path} and not one image with a label{found}. Is it the right place?"
        )
    return task


def add_scores(part: Path, manifest: dict, report: EvaluationReport, corpus: str | None = None) -> None:
    """Adds a model's scores to the study whose tables lie in `part`: its rows of models, performance and overall.

    Raises TailscopeError where the study has scores of another model by that name.
    """
    _check_model(manifest, _list_models(Study(part, manifest)), report)
    evaluated = manifest.setdefault("arguments", {}).setdefault(STEP, {})
    labels = {one.task: one.labels for one in report.scores}
    report.known = {task: (count_known(part, manifest, task, names), len(names)) for task, names in labels.items()}
    added = add_labels(part, evaluated.get(report.model, {}).get(ADDED, {}), labels)
    corpus = corpus or _find_corpus(part, report.model)
    evaluated[report.model] = report.made | ({"corpus": corpus} if corpus else {}) | ({ADDED: added} if added else {})
    books = {unit: ledger.entry() for unit, ledger in report.ledgers.items()}
    manifest.setdefault("counts", {}).setdefault(STEP, {}).setdefault(report.model, {}).update(books)
    _write_scores(part, manifest, report, corpus)
    of_classes = {one.task: one.labels for one in report.scores if one.kind == "classification"}
    report.uncounted = list_uncounted(part, manifest, of_classes)


def fit_lines(part: Path, manifest: dict, say: StageProgress) -> None:
    """Writes the scaling lines of the study whose tables lie in `part` anew."""
    fits = build_scaling(Study(part, manifest), lambda done: say("fitting scaling lines", done))
    if not fits.empty:
        manifest["tables"]["scaling"] = write_table(part, "scaling", to_arrow("scaling", fits))


def _check_corpus(study: Study, corpus: str | None) -> None:
    if corpus is not None:
        known = list(study.query("SELECT corpus FROM corpora ORDER BY corpus")["corpus"]) if study.has("corpora") else []
        if corpus not in known:
            raise TailscopeError(f"Study '{study.name}' has no corpus '{corpus}'. It has: {', '.join(known) or 'none'}.")


def _check_arguments(study: Study, asked: Evaluation) -> None:
    tasks, retrieval = asked.tasks, asked.retrieval
    if not tasks and not retrieval:
        raise TailscopeError("Nothing to evaluate on. Name a folder of images with --task, or pairs with --retrieval.")
    if both := sorted(set(tasks) & set(retrieval)):
        raise TailscopeError(f"'{both[0]}' cannot be both a task of classification and one of retrieval. Rename one.")
    for strategy in asked.prompts:
        find_templates(strategy)
    kinds = _list_task_kinds(study)
    for task, kind in [*((task, "classification") for task in tasks), *((task, "retrieval") for task in retrieval)]:
        if kinds.get(task, kind) != kind:
            raise TailscopeError(f"'{task}' is a task of {kinds[task]} in study '{study.name}', not of {kind}.")
    if set(retrieval) - set(kinds) and not kinds:
        raise TailscopeError(
            f"Study '{study.name}' has no concepts to look for in the captions of a retrieval task. Add some: "
            f"{find_build_command('concepts', study.folder)}"
        )


def _list_task_kinds(study: Study) -> dict[str, str]:
    if not study.has("concepts"):
        return {}
    rows = study.query("SELECT DISTINCT task, kind FROM concepts")
    return dict(zip(rows["task"], rows["kind"], strict=True))


def _list_models(study: Study) -> list[str]:
    return list(study.query("SELECT model FROM models")["model"]) if study.has("models") else []


def _check_model(manifest: dict, models: Sequence[str], report: EvaluationReport) -> None:
    """Raises TailscopeError where the study has scores under this name that other weights, or another source, made."""
    held = manifest.get("arguments", {}).get(STEP, {}).get(report.model)
    if held is None and report.model not in models:
        return
    if held is None or held["weights_sha256"] != report.made["weights_sha256"]:
        made = "that were not evaluated here" if held is None else f"of other weights ({held['model']})"
        raise TailscopeError(
            f"The study has scores of a model '{report.model}' {made}. Give this one another name with --name."
        )


def _score_classification(
    encoder: _Encoder, name: str, task: Task, asked: Evaluation, ledger: Ledger
) -> tuple[list[TaskScores], tuple[np.ndarray, dict[str, Guesses]]]:
    """A model's scores on a task, and of which of its images (their numbers) it made which guesses in each setting."""
    numbers: list[np.ndarray] = []

    def draw() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for features, some in stream_features(encoder.model, task.places, ledger, *encoder.options(name)):
            numbers.append(some)
            yield features, task.classes[some]

    scored, guesses = score_prompts(encoder.model, draw(), task.labels, find_task_templates(task, asked.prompts))
    if not numbers:
        raise TailscopeError(
            f"None of the {len(task.places):,} images of '{name}' can be decoded. The first: {name_item(*task.places[0])}. "
            "Is it an image, and whole?"
        )
    found = []
    for strategy, scores in scored.items():
        source = describe_scores(task, strategy, scores)
        labels, pooled = pool_labels(task.labels, scores)
        found.append(TaskScores(name, "classification", strategy, labels, pooled.values, pooled.n, pooled.overall, source))
        if asked.top5 and len(task.labels) > BEST:
            setting = name_ranked(strategy, BEST)
            found.append(
                TaskScores(name, "classification", setting, labels, pooled.top5, pooled.n, pooled.overall_top5, source)
            )
    return found, (np.concatenate(numbers), guesses)


def _score_retrieval(encoder: _Encoder, name: str, pairs: Pairs, study: Study, ledger: Ledger) -> list[TaskScores]:
    features, numbers = encode_places(encoder.model, pairs.places, Ledger(), *encoder.options(name))
    pairs = keep_encoded(pairs, numbers, ledger)
    if not pairs.captions:
        raise TailscopeError(f"None of the pairs of '{name}' can be read.")
    rows = _list_concepts(study, name)
    source = f"evaluated on {len(pairs.places):,} images and {len(pairs.captions):,} captions"
    return [
        TaskScores(name, "retrieval", setting, list(rows["label"]), scores.values, scores.n, scores.overall, source)
        for setting, scores in evaluate_retrieval(encoder.model, features, pairs, list(rows["concept"])).items()
    ]


def _list_concepts(study: Study, task: str) -> pd.DataFrame:
    """label, concept of a retrieval task: those that the study has of it, or all concepts of the study where it has none."""
    rows = study.query("SELECT label, concept FROM concepts WHERE task = $task ORDER BY label", task=task)
    if rows.empty:
        return study.query("SELECT DISTINCT concept AS label, concept FROM concepts ORDER BY concept")
    return rows


def _book_scores(scores: Sequence[TaskScores], task: str, reason: str) -> Ledger:
    """The books of a task's scores: one for each label and setting; those that have no items are dropped."""
    ledger = Ledger()
    for one in scores:
        if one.task == task:
            known = int((one.n > 0).sum())
            ledger.take(written=known, dropped=len(one.n) - known, reason=reason)
    return ledger


def _find_corpus(part: Path, model: str) -> str | None:
    """The corpus that the study says a model was trained on: who evaluates it again need not name it again."""
    path = table_path(part, "models")
    if not path.is_file():
        return None
    rows = pq.read_table(path, columns=["model", "corpus"], filters=[("model", "=", model)])
    return rows["corpus"][0].as_py() if rows.num_rows else None


def _write_scores(part: Path, manifest: dict, report: EvaluationReport, corpus: str | None) -> None:
    study = Study(part, manifest)
    labels = {one.task: (one.kind, one.labels) for one in report.scores}
    concepts = name_concepts(part, manifest, labels)
    copy_counts(part, manifest, concepts)
    frames = [
        pd.DataFrame({"task": one.task, "kind": one.kind, "setting": one.setting, "label": one.labels})
        .assign(value=one.values, n=one.n.astype("int32"))
        .query("n > 0")
        for one in report.scores
    ]
    performance = pd.concat(frames, ignore_index=True).assign(model=report.model).merge(concepts, on=["task", "label"])
    overall = pd.DataFrame([(one.task, one.kind, one.setting, one.overall, one.source) for one in report.scores])
    overall = overall.set_axis(["task", "kind", "setting", "value", "source"], axis=1).assign(model=report.model)
    architecture, _, pretraining = report.model.partition("/")
    corpora = list(study.query("SELECT corpus FROM corpora")["corpus"]) if study.has("corpora") else []
    model = {
        "model": report.model,
        "architecture": architecture,
        "pretraining": pretraining or None,
        "corpus": corpus or (pretraining if pretraining in corpora else None),
        "checkpoint": report.made["model"],
    }
    replace_rows(part, manifest, "models", pd.DataFrame([model]), ["model"])
    replace_rows(part, manifest, "performance", performance, ["model", "task"])
    replace_rows(part, manifest, "overall", overall, ["model", "task"])
    _write_predictions(part, manifest, report)
    drop_former_labels(part, manifest, {task: names for task, (_, names) in labels.items()})


def _write_predictions(part: Path, manifest: dict, report: EvaluationReport) -> None:
    """Puts a model's results image by image in the place of its earlier ones on the same tasks, or takes those out."""
    path = table_path(part, "predictions")
    tables = list(report.predictions)
    if path.is_file():
        held = pq.read_table(path)
        tasks = pa.array({one.task for one in report.scores})
        again = pc.and_(pc.equal(held["model"], report.model), pc.is_in(held["task"], tasks))
        tables.append(held.filter(pc.invert(again)))
    rows = pa.concat_tables(tables) if tables else None
    if rows:
        key = [(column, "ascending") for column in TABLES["predictions"].key]
        manifest["tables"]["predictions"] = write_table(part, "predictions", rows.sort_by(key))
    elif manifest["tables"].pop("predictions", None):
        path.unlink()
