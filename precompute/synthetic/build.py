"""Builds the embedded study: draws the corpora of the invented world and puts them through the general steps.

Reads: the world's seed and the shipped models. Writes: data/synthetic, every table of a study, with its corpora in shards.
Cost: see benchmarks/README.md.
The command: python -m precompute synthetic [--out DIR] [--train]
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from backend.errors import TailscopeError
from backend.models.catalogue import CARD, MODELS, name_folder
from backend.models.encode import Model
from backend.models.loading import load_model
from backend.progress import StageProgress
from backend.schema import MANIFEST, SCHEMA_VERSION, table_path
from backend.study import STUDIES, Study
from backend.tables import to_arrow, write_table
from backend.writing import file_sha256, folder_entry, write_manifest
from precompute.corpus.registry import find_shards
from precompute.corpus.shard import Shard
from precompute.evaluate.features import CHUNK, Place, encode_ahead
from precompute.evaluate.retrieval import read_pairs
from precompute.evaluate.scores import Evaluation, EvaluationReport, add_scores, fit_lines, score_model
from precompute.evaluate.tail import TailPlan, TailReport, add_tail, score_tail
from precompute.evaluate.tasks import read_task
from precompute.fingerprint import code_sha256
from precompute.ledger import Ledger
from precompute.processes import Processes
from precompute.search.corpus import CorpusPlan, add_corpus, index_corpus, search_shards
from precompute.search.plan import ImageSearch
from precompute.search.tagger import ClipRecipe
from precompute.study_writer import built_with, extend_study, hold_alone, move_into_place, tell_time
from precompute.synthetic.corpora import (
    BALANCED,
    HELD_OUT,
    NESTED,
    PAIRS,
    SHARD,
    TEST,
    TEST_EACH,
    VALIDATION,
    Plan,
    plan_collection,
    plan_portraits,
    tabulate_truth,
    write_shard,
)
from precompute.synthetic.pictures import Studio
from precompute.synthetic.species import SEED, draw_species
from precompute.synthetic.truth import count_truth, list_sample_truth, score_search, score_thresholds
from precompute.vocabulary import make_concepts

DEFAULT_OUT = STUDIES / "synthetic"
TAGGER = "tagger"
TRAINED = ("zipf-20k", "zipf-5k", BALANCED)  # the models whose scores the study holds
WEIGHTS = "open_clip_model.safetensors"
TASK, PAIRED_TASK = "species", "held-out"
TAIL_SIZE = 60  # species of the tail benchmark
THRESHOLDS = tuple(step / 100 for step in range(72, 90, 4))  # cosine similarities; those of a validation split lie around 0.8
TITLES = {corpus: corpus.replace("-", " ").capitalize() for corpus in (*NESTED, BALANCED)}  # Zipf 20k ...
SOURCE = "drawn by Tailscope from the seed {seed}; {what}"


def find_models(folder: Path = MODELS) -> dict[str, dict]:
    """The cards of the models that the study needs, by name. Raises TailscopeError where one is missing."""
    needed = (TAGGER, *TRAINED)
    missing = [name for name in needed if not all((folder / name / file).is_file() for file in (CARD, WEIGHTS))]
    if missing:
        raise TailscopeError(
            f"{folder} lacks the model{'s' if len(missing) > 1 else ''} {', '.join(missing)}. Train what is missing, which "
            "takes up to an hour: python -m precompute synthetic --train"
        )
    return {name: json.loads((folder / name / CARD).read_text(encoding="utf-8")) for name in needed}


def build_synthetic(
    out: Path, say: StageProgress, *, force: bool = False, processes: int | None = None, models: Path = MODELS, seed: int = SEED
) -> dict | None:
    """Builds the study from the models and returns its manifest; None where it is already there, made by this code.

    What is drawn, searched or encoded is kept beside `out` until the study is whole: a killed build goes on where it was.
    `force` builds again. Raises TailscopeError where `out` holds anything but this study, or a model is missing.
    """
    out = out.resolve()
    cards = find_models(models)
    if is_current(out, models, seed) and not force:
        return None
    fingerprint = _fingerprint(models, seed)
    count = processes or min(os.cpu_count() or 1, 8)
    with hold_alone(out), Processes(count, ["open_clip", "precompute.synthetic.build"]) as started:
        work = out.with_name(f".{out.name}.build")
        mark = work / "fingerprint"
        if force or not (mark.is_file() and mark.read_text(encoding="utf-8") == fingerprint):
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir()
            mark.write_text(fingerprint, encoding="utf-8")
        study = work / out.name
        study.mkdir(exist_ok=True)
        manifest = _begin_manifest(cards, seed, fingerprint)
        tagger = ClipRecipe(name_folder(models / TAGGER), work / "classifiers", "simple")
        draw_files(study, seed, started, manifest, say)
        shards = _search_corpora(study, manifest, tagger, seed, started, say)
        features = work / "features"
        encoding = _encode_pictures(study, tuple(name_folder(models / name) for name in TRAINED), features, started)
        _index_corpora(study, manifest, tagger, shards, seed, say)
        write_manifest(study, manifest)
        for done in encoding:
            say("encoding pictures", done)
        jobs = [(study, name_folder(models / name), cards[name]["model"], features) for name in TRAINED]
        scored = started.run(_score_model, jobs)
        with extend_study(study) as (part, manifest):
            for number, report in enumerate(scored, start=1):
                add_scores(part, manifest, report)
                say("scoring models", number / len(jobs))
        tails = started.run(_score_tail, [(study,)])
        with extend_study(study) as (part, manifest):
            fit_lines(part, manifest, say)
            for report in tails:
                add_tail(part, manifest, report)
                say("scoring the tail", 1.0)
        manifest = Study(study).manifest.to_json()
        move_into_place(study, out)
        shutil.rmtree(work)
    return manifest


def is_current(out: Path, models: Path = MODELS, seed: int = SEED) -> bool:
    """Whether the study lies at `out`, made by this code and these models. Raises TailscopeError as `build_synthetic` does."""
    return _held_fingerprint(out) == _fingerprint(models, seed)


def _fingerprint(models: Path, seed: int) -> str:
    """Changes with the code, the seed or the weights."""
    weights = [file_sha256(models / name / WEIGHTS) for name in (TAGGER, *TRAINED)]
    return hashlib.sha256(json.dumps([code_sha256(__name__), seed, weights]).encode()).hexdigest()


def _held_fingerprint(out: Path) -> str | None:
    """What the study at `out` was made by; None where nothing lies there. Raises TailscopeError for anything else."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return None
    try:
        return json.loads((out / MANIFEST).read_text(encoding="utf-8"))["arguments"]["synthetic"]["fingerprint"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TailscopeError(f"{out} holds something other than the embedded study. Name another folder with --out.") from error


@dataclass(frozen=True)
class _Drawing:
    """One file to draw: these samples of a collection."""

    path: Path
    collection: str
    plans: Sequence[Plan]


def draw_files(study: Path, seed: int, processes: Processes, manifest: dict, say: StageProgress) -> None:
    """Draws the corpora (`corpora`/NAME/*.tar), their truth, and the tasks (`tasks`/NAME/*.tar) that are not there yet."""
    species = draw_species(seed)
    folders = {name: study / "corpora" / name for name in ("zipf-20k", BALANCED, VALIDATION)}
    folders |= {HELD_OUT: study / "tasks" / PAIRED_TASK, TEST: study / "tasks" / TASK}
    drawings = []
    for collection, folder in folders.items():
        folder.mkdir(parents=True, exist_ok=True)
        plans = plan_in(collection, seed)
        for number, first in enumerate(range(0, len(plans), SHARD)):
            drawings.append(_Drawing(folder / f"{number:05d}.tar", collection, plans[first : first + SHARD]))
    names = "".join(f"{one.name}\n" for one in species)
    (folders[TEST] / "classnames.txt").write_text(names, encoding="utf-8")
    for corpus in (*NESTED, BALANCED, VALIDATION):
        truth = tabulate_truth(plan_in(corpus, seed))
        pq.write_table(truth, study / "corpora" / f"truth-{corpus}.parquet", compression="zstd")
    missing = [drawing for drawing in drawings if not drawing.path.is_file()]
    done = len(drawings) - len(missing)
    say("drawing pictures", done / len(drawings))
    for _ in processes.run(_draw_file, [(drawing, seed) for drawing in missing]):
        done += 1
        say("drawing pictures", done / len(drawings))
    pictures = sum(len(drawing.plans) for drawing in drawings)
    manifest["counts"]["synthetic"] = {"pictures": {"read": pictures, "written": pictures, "dropped": {}}}


@cache
def plan_in(collection: str, seed: int) -> list[Plan]:
    """The plan of a collection, made once."""
    species = draw_species(seed)
    if collection == TEST:
        return plan_portraits(species, range(len(species)), TEST_EACH)
    if collection in NESTED and collection != "zipf-20k":
        return plan_in("zipf-20k", seed)[: PAIRS[collection]]
    return plan_collection(species, collection, seed)


@cache
def _open_studio(seed: int) -> Studio:
    return Studio(draw_species(seed), seed)


def _draw_file(drawing: _Drawing, seed: int) -> None:
    labelled = drawing.collection == TEST
    write_shard(drawing.path, _open_studio(seed), drawing.collection, drawing.plans, labelled=labelled)


def _search_corpora(
    study: Path, manifest: dict, tagger: ClipRecipe, seed: int, processes: Processes, say: StageProgress
) -> dict[str, list[Shard]]:
    """Searches all shards, in several processes; `_index_corpora` finds them done. Returns those of each folder."""
    names = [one.name for one in draw_species(seed)]
    rows = make_concepts(TASK, "classification", names)
    manifest["tables"]["concepts"] = write_table(study, "concepts", rows)
    shards = {name: find_shards([str(study / "corpora" / name / "*.tar")]) for name in ("zipf-20k", BALANCED, VALIDATION)}
    every = [shard for found in shards.values() for shard in found]
    search = ImageSearch(tagger, None, THRESHOLDS, THRESHOLDS[0])
    concepts = sorted(set(rows["concept"].to_pylist()))
    for _ in processes.run(tagger.prepare, [(tuple(concepts),)]):  # there: torch takes seconds to load, and is loaded there
        pass
    search_shards(study, every, study.parent, search, processes, say)
    return shards


def _index_corpora(
    study: Path, manifest: dict, tagger: ClipRecipe, shards: dict[str, list[Shard]], seed: int, say: StageProgress
) -> None:
    """Adds every corpus, by the threshold that the validation split chose, and holds what was found against the truth."""
    work = study.parent
    names = [one.name for one in draw_species(seed)]
    swept, chosen = _choose_on_validation(study, work, shards[VALIDATION], tagger, names, seed)
    search = ImageSearch(tagger, None, THRESHOLDS, chosen)
    quality, truths, known = [swept], [], {}
    for number, corpus in enumerate((*NESTED, BALANCED), start=1):
        found = shards[BALANCED if corpus == BALANCED else "zipf-20k"][: PAIRS[corpus] // SHARD]
        what = "every species about equally often" if corpus == BALANCED else "species by a Zipf-Mandelbrot law"
        source = SOURCE.format(seed=seed, what=what)
        indexed = index_corpus(study, CorpusPlan(corpus, TITLES[corpus], found, work, None, search, source))
        add_corpus(study, manifest, indexed)
        plans = plan_in(corpus, seed)
        quality.append(score_search(study, corpus, manifest["search"][corpus], plans, names))
        truths.append(count_truth(corpus, plans, names))
        rows = to_arrow("sample_truth", list_sample_truth(corpus, plans, names))
        known[corpus] = write_table(study, "sample_truth", rows, corpus)
        say("merging shards", number / (len(NESTED) + 1))
    manifest["tables"]["search_quality"] = write_table(study, "search_quality", to_arrow("search_quality", pd.concat(quality)))
    manifest["tables"]["truth"] = write_table(study, "truth", to_arrow("truth", pd.concat(truths)))
    manifest["tables"]["sample_truth"] = folder_entry(known)


def _choose_on_validation(
    study: Path, work: Path, shards: Sequence[Shard], tagger: ClipRecipe, names: Sequence[str], seed: int
) -> tuple[pd.DataFrame, float]:
    """The validation split goes through the same search as a corpus, into a study of its own that is not kept."""
    scratch = work / VALIDATION
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    write_table(scratch, "concepts", pq.read_table(table_path(study, "concepts")))
    search = ImageSearch(tagger, None, THRESHOLDS, THRESHOLDS[0])
    index_corpus(scratch, CorpusPlan(VALIDATION, VALIDATION, shards, work, study, search))
    return score_thresholds(scratch, VALIDATION, tagger.name, THRESHOLDS, plan_in(VALIDATION, seed), names)


def _encode_pictures(study: Path, models: tuple[str, ...], work: Path, processes: Processes) -> Iterator[float]:
    """Begins to encode the tasks' pictures with all models, in other processes; the evaluation finds them done.

    Yields how much is done.
    """
    jobs = []
    for task in (TASK, PAIRED_TASK):
        starts = range(0, len(_read_places(study, task)), CHUNK)
        jobs += [(models, study, task, start, work) for start in starts]
    return (done / len(jobs) for done, _ in enumerate(processes.run(_encode_chunk, jobs), start=1))


@cache
def _read_places(study: Path, task: str) -> list[Place]:
    folder = study / "tasks" / task
    return read_task(folder, Ledger()).places if task == TASK else read_pairs([str(folder / "*.tar")], Ledger()).places


@cache
def _load_models(specs: tuple[str, ...]) -> list[Model]:
    return [load_model(spec) for spec in specs]


def _encode_chunk(models: tuple[str, ...], study: Path, task: str, start: int, work: Path) -> None:
    encode_ahead(_load_models(models), _read_places(study, task), start, work)


def _score_model(study: Path, spec: str, name: str, work: Path) -> EvaluationReport:
    paired = [str(study / "tasks" / PAIRED_TASK / "*.tar")]
    tasks = {TASK: study / "tasks" / TASK}
    return score_model(study, Evaluation(spec, tasks, {PAIRED_TASK: paired}, name=name, per_image=True, top5=False), work)


def _score_tail(study: Path) -> TailReport:
    return score_tail(study, TailPlan(TASK, study / "tasks" / TASK, "zipf-20k", TAIL_SIZE, title=f"The {TAIL_SIZE} rarest"))


def _begin_manifest(cards: dict[str, dict], seed: int, fingerprint: str) -> dict:
    zipf, balanced = (cards[name]["model"] for name in ("zipf-20k", BALANCED))
    smaller = cards["zipf-5k"]["model"]
    return {
        "schema_version": SCHEMA_VERSION,
        "study": DEFAULT_OUT.name,
        "title": "An invented world",
        "description": (
            "Species that never were, in pictures drawn for this study: what every sample shows and names is known, and the "
            "same species were trained at other frequencies."
        ),
        "source": f"Drawn by Tailscope from the seed {seed}; models trained by Tailscope with OpenCLIP",
        "created": tell_time(),
        "built_with": built_with(__name__),
        "arguments": {"synthetic": {"seed": seed, "fingerprint": fingerprint, "cards": cards}},
        "counts": {},
        "tables": {},
        "default_settings": {"classification": "ensemble", "retrieval": "i2t@5"},
        "main": {"corpus": TRAINED[0], "model": zipf},
        "comparisons": [
            {
                "title": "A quarter of the data",
                "question": "Does a larger corpus teach a concept better, or only one that shows the concept more often?",
                "answer": (
                    "Both corpora show the same species in the same shares, the larger one each four times as often: where the "
                    "two lines lie over each other, the number of pictures of a species is what counts."
                ),
                "models": [zipf, smaller],
                "kind": "classification",
                "setting": "ensemble",
                "method": "lemmatized",
            }
        ],
        "causal": {
            "pairs": [{"title": "Zipf against balanced", "corpus": "zipf-20k", "models": [zipf, balanced]}],
            "note": (
                "Both models saw 20,000 pairs of the same species, in the same kinds of pictures and captions, for as many "
                "steps. Which species is frequent in the Zipf corpus was drawn by lot."
            ),
        },
    }
