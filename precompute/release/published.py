"""Imports the paper's released results into a study.

Reads: the release, as a folder, a .tar.gz or a URL. Writes: data/published, all tables but `samples` and `hits`.
Cost: see benchmarks/README.md.
The command: python -m precompute published [--source DIR|FILE.tar.gz|URL] [--out DIR]
"""

import json
from pathlib import Path

import pandas as pd
import pyarrow as pa

from backend.errors import SourceError, TailscopeError
from backend.progress import StageProgress
from backend.schema import MANIFEST, SCHEMA_VERSION
from backend.study import ROOT, STUDIES, Study
from backend.tables import to_arrow, write_table
from backend.words import lemma, list_searched
from backend.writing import write_manifest
from precompute.evaluate.scaling import build_scaling
from precompute.fingerprint import code_sha256
from precompute.release import figures, paper, parse
from precompute.release.archive import describe_source, read_members
from precompute.release.download import download
from precompute.release.paper import concept_of, kind_of
from precompute.release.parse import Release
from precompute.release.queries import rebuild_query
from precompute.study_writer import (
    built_with,
    hold_alone,
    move_into_place,
    start_part,
    tell_time,
)

DEFAULT_OUT = STUDIES / "published"
DOWNLOADS = STUDIES / "downloads"
_QUERIED = ["task", "label", "concept", "method", "words"]
COPY_NAME = "frequency_determines_performance*"
COPY_PLACES = (ROOT, ROOT.parent, ROOT.parent / "data", ROOT.parent / "shared" / "data", DOWNLOADS)


def find_copy(places: tuple[Path, ...] = COPY_PLACES) -> Path | None:
    """A copy of the release in or beside the checkout: an archive or a folder that has `search_counts`."""
    for place in places:
        for path in sorted(place.glob(COPY_NAME)):
            if path.name.endswith(".tar.gz") or (path / "search_counts").is_dir():
                return path
    return None


def locate_source(source: str | None) -> Path:
    """The folder or archive to read: the one named, a copy beside the checkout, or the release fetched from GitHub."""
    if source and "://" in source:
        return download(source, DOWNLOADS)
    if source:
        path = Path(source)
        if not path.exists():
            raise SourceError(f"No release at {source}. Name a folder, a .tar.gz file or a URL, or leave --source out.")
        return path
    return find_copy() or download(paper.ARCHIVE_URL, DOWNLOADS)


def build_published(source: Path, out: Path, say: StageProgress, *, force: bool = False) -> dict | None:
    """Builds the study and returns its manifest; None where it is already there, from this very source.

    Everything is written into a folder beside `out` and moved there at the end, so that `out` is always complete
    or absent; a killed import leaves `out` as it was and starts again. `force` replaces a study of the paper's
    results, and nothing else: raises TailscopeError where `out` holds anything but that. What other steps have added to
    the study is never replaced.
    """
    out = out.resolve()
    described = describe_source(source)
    if force:
        if added := _list_added(_held_manifest(out)):
            raise TailscopeError(f"{out} holds more than the import: {', '.join(added)}. Delete it, or name another folder.")
    elif is_current(out, described):
        return None
    release = read_release(source, say)
    with hold_alone(out):
        return _write_study(release, described, out, say)


def _write_study(release: Release, described: dict, out: Path, say: StageProgress) -> dict:
    part = start_part(out)
    manifest = {
        "schema_version": SCHEMA_VERSION,
        "study": out.name,
        "title": "The paper's results",
        "description": "Counts, accuracies and misalignment that the authors of the paper released.",
        "source": f"{paper.PAPER}; {paper.REPOSITORY}",
        "created": tell_time(),
        "built_with": built_with(__name__),
        "arguments": {"published": {"source": described}},
        "counts": {"published": {"files": release.files.entry(), "values": release.values.entry()}},
        "files": dict(release.imported),
        "faults": release.faults,
        "absent": parse.list_absent(release),
        "unpooled_tasks": paper.UNPOOLED_TASKS,
        "main": paper.MAIN,
        "default_settings": paper.DEFAULT_SETTINGS,
        "tail": paper.TAIL,
        "comparisons": paper.COMPARISONS,
        "reported": paper.REPORTED,
        "printed_figures": figures.FIGURES,
        "printed_notes": figures.NOTES,
        "method_notes": paper.METHOD_NOTES,
        "count_causes": paper.COUNT_CAUSES,
        "tables": {},
    }
    tables = build_tables(release)
    for done, (name, table) in enumerate(tables.items(), start=1):
        say("writing tables", done / len(tables))
        manifest["tables"][name] = write_table(part, name, table)
    fits = build_scaling(Study(part, manifest), lambda done: say("fitting scaling lines", done))
    if not fits.empty:
        manifest["tables"]["scaling"] = write_table(part, "scaling", to_arrow("scaling", fits))
    write_manifest(part, manifest)
    move_into_place(part, out)
    return manifest


def read_release(source: Path, say: StageProgress) -> Release:
    """Parses the source. Raises SourceError where it holds no file of the release at all."""
    seen = 0

    def tick(path: str) -> None:
        nonlocal seen
        seen += 1
        say("reading the release", min(seen / 900, 1.0))  # the release has 865 files; more only hold the bar at its end

    release = parse.read_release(read_members(source), tick)
    if not release.counts:
        raise SourceError(
            f"{source} holds no count file (search_counts/TASK_CORPUS_METHOD_search_counts.json), so it is no copy of "
            f"the release. Expected: a folder with search_counts in it, or a .tar.gz as GitHub packs "
            f"{paper.REPOSITORY} (one top folder)."
        )
    if release.tail_labels and release.tail_scores:
        scored = {row[4] for row in release.tail_scores}
        if strange := sorted(scored ^ set(release.tail_labels)):
            release.file_faults.append(
                f"let_it_wag_class_list.txt: {len(strange)} names differ from the results: {strange[:3]}"
            )
    return release


def build_tables(release: Release) -> dict[str, pa.Table]:
    """The study's tables of a release, but for `scaling`; a table that would be empty is left out."""
    counts = pd.DataFrame(release.counts, columns=["task", "corpus", "modality", "method", "label", "count"])
    scores, tail = (
        pd.DataFrame(rows, columns=["task", "kind", "model", "setting", "label", "value", "n"])
        for rows in (release.scores, release.tail_scores)
    )
    concepts = _build_concepts(counts, scores, tail)
    named = concepts[["task", "label", "concept"]]
    corpora = [(*row[:3], None, row[3]) for row in paper.CORPORA if row[0] in set(counts["corpus"])]
    tables = {
        "concepts": concepts,
        "corpora": pd.DataFrame(corpora, columns=["corpus", "title", "pairs", "indexed", "source"]),
        "frequency": counts.merge(named, on=["task", "label"]).sort_values(["corpus", "method", "task", "label"]),
        "models": _build_models(scores, tail, {row[0] for row in corpora}),
        "performance": scores.merge(named, on=["task", "label"]).sort_values(["kind", "model", "setting", "task", "label"]),
        "overall": _build_overall(release, set(tail["model"])),
        "alignment": _build_alignment(release),
        "tail": tail.merge(named, on=["task", "label"]).sort_values(["model", "setting", "label"]),
        "queries": _build_queries(counts, concepts),
    }
    return {name: to_arrow(name, frame) for name, frame in tables.items() if len(frame)}


def _build_concepts(counts: pd.DataFrame, scores: pd.DataFrame, tail: pd.DataFrame) -> pd.DataFrame:
    """Every (task, label) that is counted or scored, with its concept and words."""
    kinds = scores.drop_duplicates("task").set_index("task")["kind"].to_dict()
    pairs = pd.concat([frame[["task", "label"]] for frame in (counts, scores, tail)]).drop_duplicates()
    pairs = pairs.sort_values(["task", "label"], ignore_index=True)
    concepts = [concept_of(task, label) for task, label in zip(pairs["task"], pairs["label"], strict=True)]
    return pairs.assign(
        kind=[kinds.get(task) or kind_of(task) for task in pairs["task"]],
        concept=concepts,
        words=[list_searched(concept) for concept in concepts],
    )


def _build_queries(counts: pd.DataFrame, concepts: pd.DataFrame) -> pd.DataFrame:
    """What the release's text search looked for, for every counted label where that is not the label's words."""
    rows = []
    for row in (
        counts[counts["modality"] == "text"]
        .merge(concepts, on=["task", "label"])[_QUERIED]
        .drop_duplicates(["task", "label", "method"])
        .itertuples(index=False)
    ):
        query = rebuild_query(row.label, row.method)
        if sorted({lemma(word) for word in query}) != sorted(set(row.words)):
            rows.append((row.task, row.label, row.concept, row.method, query))
    return pd.DataFrame(sorted(rows), columns=["task", "label", "concept", "method", "words"])


def _build_models(scores: pd.DataFrame, tail: pd.DataFrame, corpora: set[str]) -> pd.DataFrame:
    """Every scored model. Text-to-image models have their own names; the paper counts LAION-Aesthetics for all."""
    generation = set(scores.loc[scores["kind"] == "generation", "model"])
    rows = []
    for model in sorted(set(scores["model"]) | set(tail["model"])):
        architecture, _, pretraining = (model, "", "laion_aesthetics") if model in generation else model.partition("/")
        corpus = pretraining if pretraining in corpora else None
        rows.append((model, architecture, pretraining or None, corpus, None))
    return pd.DataFrame(rows, columns=["model", "architecture", "pretraining", "corpus", "checkpoint"])


def _build_overall(release: Release, tail_models: set[str]) -> pd.DataFrame:
    """Scores over whole tasks, with the ImageNet figures by hand for tail models that the release does not score."""
    columns = ["task", "kind", "model", "setting", "value", "source"]
    overall = pd.DataFrame(release.overall, columns=columns)
    scored = set(overall.loc[(overall["task"] == "imagenet") & (overall["setting"] == "ensemble"), "model"])
    by_hand = [
        ("imagenet", "classification", model, "ensemble", value, paper.BY_HAND_SOURCE)
        for model, value in paper.IMAGENET_BY_HAND.items()
        if model in tail_models - scored
    ]
    overall = pd.concat([overall, pd.DataFrame(by_hand, columns=columns)], ignore_index=True)
    return overall.sort_values(["task", "kind", "model", "setting"])


def _build_alignment(release: Release) -> pd.DataFrame:
    rows = [(corpus, "lemmatized+rampp@0.7", *figures) for corpus, *figures in sorted(release.alignment)]
    return pd.DataFrame(rows, columns=["corpus", "method", "misaligned", "degree", "degree_extracted"])


def _held_manifest(out: Path) -> dict | None:
    """The manifest of the paper's study that lies at `out`, None where nothing does; else raises TailscopeError."""
    if not out.exists():
        return None
    if not out.is_dir():
        raise TailscopeError(f"{out} is a file. Name a folder with --out.")
    if not any(out.iterdir()):
        return None
    if not (out / MANIFEST).is_file():
        raise TailscopeError(f"{out} is not empty and holds no study. Name another folder with --out.")
    try:
        manifest = json.loads((out / MANIFEST).read_text(encoding="utf-8"))
        title = manifest["title"]
        if "published" in manifest["arguments"] and manifest["arguments"]["published"]["source"]["name"]:
            return manifest
    except (ValueError, KeyError, TypeError) as error:
        raise TailscopeError(
            f"{out / MANIFEST} cannot be read ({error!r}). Delete {out}, or name another folder with --out."
        ) from error
    raise TailscopeError(f"{out} holds another study ('{title}'). Name another folder with --out.")


def _list_added(manifest: dict | None) -> list[str]:
    """The other steps that have added to the study."""
    return sorted(set(manifest["arguments"]) - {"published"}) if manifest else []


def is_current(out: Path, described: dict) -> bool:
    """Whether `out` already holds this study, by this code; raises TailscopeError where it holds another."""
    manifest = _held_manifest(out)
    if manifest is None:
        return False
    held = manifest["arguments"]["published"]["source"]
    if held.get("sha256", held["name"]) != described.get("sha256", described["name"]):
        raise TailscopeError(
            f"{out} was built from another source ({held['name']}). Replace it with --force, or name another folder with --out."
        )
    if _list_added(manifest):
        return True
    same_code = manifest.get("built_with", {}).get("code") == code_sha256(__name__)
    return same_code and described["form"] != "folder"  # a folder has no checksum: build again
