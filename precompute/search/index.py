"""Adds a corpus to a study: its samples, the concepts that captions and images show, and how often.

Reads: shards (webdataset tars, caption tables, COCO captions) and the study's `concepts`. Writes: samples, hits, misaligned of
the corpus, its rows of corpora, frequency, alignment, distinct_hits and drops; and where it is wanted the index of all words
(`precompute.search.terms`). Shards are searched one by one, in several
processes, and what was found is kept in a folder beside the study (`precompute.search.cache`): a run that was killed, or whose
disk was full, goes on where it was, a new shard, concept or threshold costs its own work alone, and what other content or code
would change is searched anew. The study is held only while the corpus is put into it.
Cost beside the tagger's own: 0.5 s of one core for 1,000 pictures of 96 pixels in a tar.
The command: python -m precompute index --study DIR --corpus NAME --shards GLOB... [--tagger MODEL | --image-hits FILE]
"""

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq

from backend.errors import StudyNotFound, TailscopeError
from backend.manifest import Manifest, RunEntry
from backend.progress import StageProgress
from backend.roots import declare_roots
from backend.schema import MANIFEST, table_path
from backend.study import Study
from precompute.cluster import start_workers
from precompute.corpus.given_hits import checksum_hits, read_given_hits
from precompute.corpus.preview import Preview, preview
from precompute.corpus.registry import find_corpus, list_image_folders, measure_file
from precompute.corpus.shard import ReadOptions, Shard
from precompute.search.cache import load_parts, measure_bytes, name_cache, store_parts, sweep
from precompute.search.corpus import CorpusPlan, HeldCorpus, IndexedCorpus, add_corpus, index_corpus, plan_search, try_tagger
from precompute.search.corpus_files import measure_files, move_files
from precompute.search.forecast import Forecast, foretell
from precompute.search.growth import compare_shards, refuse_differences
from precompute.search.plan import THRESHOLDS, ImageSearch, check_thresholds
from precompute.search.run_log import Expected, RunLog, Took, choose_runs, measure_run, name_log, read_log, summarize
from precompute.search.shards import find_parts, name_folder
from precompute.search.synonyms import count_names
from precompute.search.tagger import ClipRecipe
from precompute.search.terms import update_terms
from precompute.study_writer import built_with, extend_study, hold_alone

LEAST_KEPT = 0.5  # of what was read, the share that must become samples, unless another is asked for

LONG_SECONDS = 60.0  # of a run that says at its end what took the time


@dataclass(frozen=True)
class Request:
    """What a user asks of `index`, by the words of its command.

    `patterns`: of the shards' files · `caption`, `image`, `url`: the columns that hold them, where others would be taken ·
    `images`: the folder of photos that tables name · `tagger`: a CLIP, asked by `prompts` · `trust_tagger`: take one that does
    not seem to know the pictures · `image_hits`: concepts of photos found elsewhere · `thresholds`, `chosen`: the scores from
    which a hit counts · `least_kept`: the least share of what is read that must become samples · `keep`: what was found in
    each shard, for the runs to come · `force`: index a corpus by other arguments than before · `terms`: index all words of its
    captions too · `ray`: the address of a Ray cluster that does the work, or `local`.
    """

    corpus: str
    patterns: Sequence[str]
    title: str | None = None
    caption: str | None = None
    image: str | None = None
    url: str | None = None
    images: Path | None = None
    tagger: str | None = None
    prompts: str = "ensemble"
    allow_download: bool = False
    trust_tagger: bool = False
    image_hits: Path | None = None
    thresholds: Sequence[float] | None = None
    chosen: float | None = None
    least_kept: float = LEAST_KEPT
    keep: bool = True
    force: bool = False
    terms: bool = False
    ray: str | None = None


def index_study(
    study: Path,
    asked: Request,
    *,
    processes: int | None = None,
    say: StageProgress = lambda stage, done: None,
    tell: Callable[[str], None] = lambda line: None,
    note: Callable[[Took | Expected], None] = lambda told: None,
) -> dict:
    """Adds a corpus to a study of the disk, or what is new of one; returns the study's manifest. The study before it stays
    whole until the end, and nothing is written where there is nothing new.

    `tell` gets sentences: what came and went since the corpus was indexed, what an earlier run has left, and what took the time
    of a run of a minute or more; `note` what each shard took, and what stages to come are expected to take. Raises
    TailscopeError where the arguments do not fit, before anything is read; where the corpus was indexed by other arguments,
    unless by force; where nothing or too little was kept; and where the study's concepts changed meanwhile.
    """
    asked, plan, arguments = _prepare(study.resolve(), asked, tell)
    study, cache, made = plan.base, plan.work, plan.work / f"making-{asked.corpus}"
    start, plan = time.monotonic(), replace(plan, log=RunLog(name_log(cache, asked.corpus), note))
    with hold_alone(made):
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir(parents=True)  # a study's folder with nothing but the concepts, and what is made of them
        try:
            shutil.copyfile(table_path(study, "concepts"), table_path(made, "concepts"))
            indexed = index_corpus(made, plan, processes=processes, say=say, tell=tell)
            if indexed is None:
                tell(f"'{asked.corpus}' is indexed just so; nothing to do.")
                return update_terms(study, cache, asked.corpus, wanted=asked.terms, say=say)
            declare_roots(study, list_image_folders(plan.shards))
            with extend_study(study) as (part, manifest):
                _move_files(made, part, indexed)
                add_corpus(part, manifest, indexed)
                count_names(part, manifest, asked.corpus)
                arguments |= {"content": indexed.content, "built_with": built_with(__name__)}
                manifest["arguments"].setdefault("index", {})[asked.corpus] = arguments
                _note_run(manifest, asked.corpus, _measure(part, plan, indexed, processes))
            store_parts(cache, asked.corpus, indexed.parts)
            began, held = time.perf_counter(), manifest.get("terms", {}).get(asked.corpus)
            manifest = update_terms(study, cache, asked.corpus, wanted=asked.terms, say=say)
            if manifest.get("terms", {}).get(asked.corpus) != held:
                plan.log.note_stages({"indexing all words": time.perf_counter() - began})
        finally:
            shutil.rmtree(made, ignore_errors=True)
    if time.monotonic() - start >= LONG_SECONDS:
        tell(summarize(read_log(plan.log.path, plan.log.run)))
    sweep(cache, keep=asked.keep)
    return manifest


def foretell_study(
    study: Path,
    asked: Request,
    *,
    processes: int = 1,
    say: StageProgress = lambda stage, done: None,
    tell: Callable[[str], None] = lambda line: None,
) -> Forecast:
    """What `index_study` would take, told from a piece of the corpus; the study is not touched.

    `tell` gets what it would get. Raises TailscopeError as it would, as far as the piece shows it.
    """
    start = time.perf_counter()
    asked, plan, _ = _prepare(study.resolve(), asked, tell, fetch_all=False)
    prepared = time.perf_counter() - start  # the run itself begins with the same
    job, found = plan_search(plan.base, plan.image_search), None
    if (name_folder(plan.work) / "parts").is_dir() and all(shard.path.exists() for shard in plan.shards):
        with start_workers(processes, asked.ray, plan.work) as started:
            found = find_parts(plan.shards, job, plan.work, started, say)
        if kept := found.describe():
            tell(kept)
    if warning := try_tagger(plan, job, found):
        tell(warning)
    foretold = foretell(plan.base, plan, preview(plan.shards).samples, processes=processes, found=found)
    return replace(foretold, seconds=prepared + foretold.seconds)


def _measure(part: Path, plan: CorpusPlan, indexed: IndexedCorpus, processes: int | None) -> RunEntry | None:
    """What this run took, by its log and by the files that lie in the study and beside it; None where it read no shard."""
    folder = name_folder(plan.work) / "parts"
    return measure_run(
        read_log(plan.log.path, plan.log.run),
        processes=processes or (None if plan.ray else 1),
        indexed=int(indexed.corpora["indexed"].sum()),
        study_bytes=measure_files(part, list(indexed.files), plan.corpus),
        kept_bytes=sum(measure_bytes(folder / name) for names in indexed.parts.values() for name in names),
        tagger=getattr(plan.image_search and plan.image_search.tagger, "spec", ""),
    )


def _note_run(manifest: dict, corpus: str, run: RunEntry | None) -> None:
    """Puts what a run took into the manifest, where no run is there that measured more."""
    if run:
        before = Manifest.from_json(manifest).runs.get(corpus, ())
        manifest.setdefault("runs", {})[corpus] = [asdict(one) for one in choose_runs([*before, run])]


def _prepare(
    study: Path, asked: Request, tell: Callable[[str], None], fetch_all: bool = True
) -> tuple[Request, CorpusPlan, dict]:
    """What is asked for with what the corpus was indexed with, how to index it, and the manifest's entry of the arguments.

    `tell` gets how the shards are read, with examples, and what came and went.
    """
    cache = name_cache(study)
    recorded = _check_arguments(study, asked)
    asked = _complete(asked, recorded)
    search = _plan_image_search(asked, cache)
    options = ReadOptions(asked.caption, asked.image, asked.url, asked.images)
    corpus = find_corpus(asked.patterns, options, fetch_all=fetch_all)
    shards = corpus.shards
    arguments = _describe_arguments(asked, shards)
    held = _find_held(study, asked, recorded, arguments, shards, tell)
    arguments |= {"thresholds": list(search.thresholds) if search else [], "chosen": search and search.chosen}
    seen = preview(shards)
    for line in [*seen.lines(), *(f"{count:,} other files: {reason}" for reason, count in corpus.unused.items())]:
        tell(line)
    if search is None and seen.kinds and all(kind.images_alone for kind in seen.kinds):
        raise TailscopeError(
            f"'{asked.corpus}' has images without captions, and nothing looks at images. Name a --tagger MODEL or --image-hits "
            "FILE."
        )
    plan = CorpusPlan(
        asked.corpus,
        asked.title or asked.corpus,
        shards,
        cache,
        study,
        search,
        least_kept=asked.least_kept,
        layout=_describe_layout(seen),
        held=held,
        trust_tagger=asked.trust_tagger,
        ray=asked.ray,
        terms=asked.terms,
    )
    return asked, plan, arguments


def _describe_layout(seen: Preview) -> str:
    """A sentence on how the shards were read."""
    kinds = []
    for kind in seen.kinds:
        columns = ", ".join(f"{column.role} from {column.name}" for column in kind.layout.columns)
        kinds.append(". ".join([f"{kind.layout.words} ({columns})" if columns else kind.layout.words, *kind.layout.notes]))
    return f"They were read as {'; '.join(kinds)}." if kinds else ""


def _find_held(
    study: Path, asked: Request, recorded: dict, arguments: dict, shards: Sequence[Shard], tell: Callable[[str], None]
) -> HeldCorpus | None:
    """What the study has of the corpus, where that is to grow. Raises TailscopeError where the arguments are others."""
    if not recorded or asked.force:
        return None
    refuse_differences(study, asked.corpus, recorded, arguments)
    parts = load_parts(name_cache(study), asked.corpus)
    if parts and (line := compare_shards(asked.corpus, list(parts), shards).describe(asked.corpus)):
        tell(line)
    return HeldCorpus(recorded.get("content", ""), parts)


def _move_files(made: Path, part: Path, indexed: IndexedCorpus) -> None:
    """Moves a corpus's files into a study. Raises TailscopeError where its concepts are others than those searched for."""
    if not pq.read_table(table_path(made, "concepts")).equals(pq.read_table(table_path(part, "concepts"))):
        raise TailscopeError(
            f"The study's concepts changed while '{indexed.corpus}' was searched for them. Run again: only what that "
            "changes is searched anew."
        )
    for name in indexed.files:
        move_files(made, part, name, indexed.corpus)


def _describe_arguments(asked: Request, shards: Sequence[Shard]) -> dict:
    """The manifest's entry of what a corpus is indexed with, as far as it is known before it is."""
    files = {shard.path: shard for shard in shards}
    return {
        "shards": list(asked.patterns),
        "files": len(files),
        "bytes": sum(map(measure_file, files.values())),
        "title": asked.title,
        "caption": asked.caption,
        "image": asked.image,
        "url": asked.url,
        "images": asked.images and str(asked.images),
        "tagger": asked.tagger,
        "prompts": asked.prompts if asked.tagger else None,
        "image_hits": asked.image_hits and {"name": asked.image_hits.name, "sha256": checksum_hits(asked.image_hits)},
    }


def _check_arguments(study: Path, asked: Request) -> dict:
    """The arguments that the corpus was indexed with, where the study has it; what is asked for fits the study."""
    corpus = asked.corpus
    if not (study / MANIFEST).is_file():
        command = f"python -m precompute concepts --study {study} --task NAME=CLASSNAMES.txt"
        raise StudyNotFound(f"No study in {study}. Begin with the concepts to search for: {command}")
    held = Study(study)
    held.require("concepts")
    table_path(study, "samples", corpus)  # a name that can be a file's
    indexed = held.manifest.arguments.get("index", {})
    known = set(held.query("SELECT corpus FROM corpora")["corpus"]) if held.has("corpora") else set()
    if corpus in known and corpus not in indexed:
        raise TailscopeError(f"'{corpus}' is a corpus of study '{held.name}' that another step made. Choose another name.")
    if asked.tagger and asked.image_hits:
        raise TailscopeError("Images are searched by --tagger or by --image-hits, not by both.")
    if asked.images is not None and not asked.images.is_dir():
        raise TailscopeError(f"No folder of images at {asked.images}.")
    if not 0 <= asked.least_kept <= 1:
        raise TailscopeError(f"{asked.least_kept:g} is no share of the samples: --least-kept takes a number from 0 to 1.")
    return dict(indexed[corpus]) if corpus in known else {}


def _complete(asked: Request, recorded: dict) -> Request:
    """What is asked for, with the title and the thresholds that the corpus was indexed with where none are named."""
    if asked.force or not recorded:
        return asked
    asked = replace(asked, title=asked.title or recorded.get("title"))
    if asked.thresholds or not recorded.get("thresholds"):
        return asked
    return replace(
        asked, thresholds=recorded["thresholds"], chosen=recorded.get("chosen") if asked.chosen is None else asked.chosen
    )


def _plan_image_search(asked: Request, cache: Path) -> ImageSearch | None:
    """How to search the images; None where they are not searched."""
    image_hits, thresholds, chosen = asked.image_hits, asked.thresholds, asked.chosen
    if asked.tagger:
        tagger = ClipRecipe(asked.tagger, cache / "classifiers", asked.prompts, asked.allow_download)
        rising, chosen = check_thresholds(thresholds or THRESHOLDS, chosen)
        return ImageSearch(tagger, None, rising, chosen)
    if image_hits is None:
        if thresholds or chosen is not None:
            raise TailscopeError("Thresholds are for images: name a --tagger or --image-hits too.")
        return None
    if thresholds:
        rising, chosen = check_thresholds(thresholds, chosen)
        return ImageSearch(None, read_given_hits(image_hits), rising, chosen)
    hits = read_given_hits(image_hits)
    if (odd := pc.sum(pc.not_equal(hits["score"], 1)).as_py()) or chosen is not None:
        reason = f"{odd} of {hits.num_rows} scores in {image_hits} are not 1" if odd else "A threshold is chosen"
        raise TailscopeError(f"{reason}. Say from which scores on a hit counts: --thresholds 0.50,0.60,0.70")
    return ImageSearch(None, hits)
