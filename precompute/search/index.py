"""Adds a corpus to a study: its samples, the concepts that captions and images show, and how often.

Reads: shards (webdataset tars, caption tables, COCO captions) and the study's `concepts`. Writes: samples, hits, misaligned of
the corpus, its rows of corpora, frequency and alignment. Shards are searched one by one, in several processes, and kept in a
work folder until the study is in place: a run that was killed, or whose disk was full, goes on where it was, and what other
arguments, content or code would change is searched anew. The study is held only while the corpus is put into it.
Cost beside the tagger's own: 0.5 s of one core for 1,000 pictures of 96 pixels in a tar.
The command: python -m precompute index --study DIR --corpus NAME --shards GLOB... [--tagger MODEL | --image-hits FILE]
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq

from backend.errors import StudyNotFound, TailscopeError
from backend.progress import StageProgress
from backend.roots import declare_roots
from backend.schema import MANIFEST, table_path
from backend.study import Study
from precompute.corpus.given_hits import checksum_hits, read_given_hits
from precompute.corpus.registry import find_shards, list_image_folders
from precompute.corpus.shard import ReadOptions, Shard
from precompute.search.corpus import CorpusPlan, IndexedCorpus, NothingKept, add_corpus, index_corpus
from precompute.search.plan import THRESHOLDS, ImageSearch, check_thresholds
from precompute.search.tagger import ClipRecipe, TaggerRecipe
from precompute.study_writer import built_with, extend_study, hold_alone


@dataclass(frozen=True)
class Request:
    """What a user asks of `index`, by the words of its command.

    `patterns`: of the shards' files · `images`: the folder of photos that tables name · `tagger`: a CLIP, asked by `prompts` ·
    `image_hits`: concepts of photos found elsewhere · `thresholds`, `chosen`: the scores from which a hit counts · `force`:
    index anew what `index` made.
    """

    corpus: str
    patterns: Sequence[str]
    title: str | None = None
    images: Path | None = None
    tagger: str | None = None
    prompts: str = "ensemble"
    allow_download: bool = False
    image_hits: Path | None = None
    thresholds: Sequence[float] | None = None
    chosen: float | None = None
    force: bool = False


def index_study(study: Path, asked: Request, *, processes: int = 1, say: StageProgress = lambda stage, done: None) -> dict:
    """Adds a corpus to a study of the disk and returns the study's manifest; the study before it stays whole until the end.

    Raises TailscopeError where the arguments do not fit, before anything is read; where the study holds the corpus already,
    unless by force; where nothing of the corpus was kept; and where the study's concepts changed meanwhile.
    """
    study = study.resolve()
    shards = _check_arguments(study, asked)
    work = study.with_name(f".{study.name}.index-{asked.corpus}")
    recipe = ClipRecipe(asked.tagger, work / "classifiers", asked.prompts, asked.allow_download) if asked.tagger else None
    image_search = _plan_image_search(asked, recipe)
    plan = CorpusPlan(asked.corpus, asked.title or asked.corpus, shards, work, study, image_search)
    with hold_alone(work):
        made = work / "made"  # a study's folder with nothing but the concepts, and what is made of them
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir(parents=True)
        shutil.copyfile(table_path(study, "concepts"), table_path(made, "concepts"))
        try:
            indexed = index_corpus(made, plan, processes=processes, say=say)
        except NothingKept:
            shutil.rmtree(work)
            raise
        declare_roots(study, list_image_folders(shards))
        with extend_study(study) as (part, manifest):
            _move_files(made, part, indexed)
            add_corpus(part, manifest, indexed)
            manifest["arguments"].setdefault("index", {})[asked.corpus] = _describe_arguments(asked, shards, image_search)
        shutil.rmtree(work)
    return manifest


def _move_files(made: Path, part: Path, indexed: IndexedCorpus) -> None:
    """Moves a corpus's files into a study. Raises TailscopeError where its concepts are others than those searched for."""
    if not pq.read_table(table_path(made, "concepts")).equals(pq.read_table(table_path(part, "concepts"))):
        raise TailscopeError(
            f"The study's concepts changed while '{indexed.corpus}' was searched for them. Run again: only what that "
            "changes is searched anew."
        )
    for name in indexed.files:
        path = table_path(part, name, indexed.corpus)
        path.parent.mkdir(exist_ok=True)
        table_path(made, name, indexed.corpus).replace(path)


def _describe_arguments(asked: Request, shards: Sequence[Shard], image_search: ImageSearch | None) -> dict:
    """The manifest's entry of what a corpus was indexed with."""
    files = {shard.path for shard in shards}
    return {
        "shards": list(asked.patterns),
        "files": len(files),
        "bytes": sum(path.stat().st_size for path in files),
        "images": asked.images and str(asked.images),
        "tagger": asked.tagger,
        "prompts": asked.prompts if asked.tagger else None,
        "image_hits": asked.image_hits and {"name": asked.image_hits.name, "sha256": checksum_hits(asked.image_hits)},
        "thresholds": list(image_search.thresholds) if image_search else [],
        "built_with": built_with(__name__),
    }


def _check_arguments(study: Path, asked: Request) -> list[Shard]:
    """The shards, where everything that is asked for fits the study and is there."""
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
    if corpus in known and not asked.force:
        raise TailscopeError(
            f"Study '{held.name}' holds '{corpus}' already. Index it anew with --force, or choose another name."
        )
    if asked.tagger and asked.image_hits:
        raise TailscopeError("Images are searched by --tagger or by --image-hits, not by both.")
    if asked.images is not None and not asked.images.is_dir():
        raise TailscopeError(f"No folder of images at {asked.images}.")
    return find_shards(asked.patterns, ReadOptions(images=asked.images))


def _plan_image_search(asked: Request, tagger: TaggerRecipe | None) -> ImageSearch | None:
    """How to search the images; None where they are not searched."""
    image_hits, thresholds, chosen = asked.image_hits, asked.thresholds, asked.chosen
    if tagger:
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
