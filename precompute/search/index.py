"""Adds a corpus to a study: its samples, the concepts that captions and images show, and how often.

Reads: shards (webdataset tars, caption tables, COCO captions) and the study's `concepts`. Writes: samples, hits, misaligned of
the corpus, its rows of corpora, frequency and alignment. Shards are searched one by one, in several processes, and kept in a
work folder until the corpus is whole: a run that was killed goes on where it was, and one with other arguments begins anew.
Cost beside the tagger's own: 0.5 s of one core for 1,000 pictures of 96 pixels in a tar.
The command: python -m precompute index --study DIR --corpus NAME --shards GLOB... [--tagger MODEL | --image-hits FILE]
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from backend.errors import StudyNotFound, TailscopeError
from backend.methods import join_methods, name_tagged
from backend.progress import StageProgress
from backend.roots import declare_roots
from backend.schema import MANIFEST, table_path
from backend.study import Study
from backend.tables import to_arrow, write_table
from backend.writing import file_sha256, folder_entry
from precompute.corpus.reading import SAMPLES_PER_SHARD, Shard, find_shards, read_given_hits, read_shard
from precompute.fingerprint import code_sha256
from precompute.ledger import Ledger
from precompute.processes import Processes
from precompute.search.images import HITS_SCHEMA, ClipRecipe, GivenHits, TaggerRecipe, search_images
from precompute.search.merge import CHOSEN_TEXT, TEXT_SCHEMA, Methods, Part, count_frequency, describe_alignment, merge_parts
from precompute.search.text import compile_vocabulary, search_captions
from precompute.study_writer import built_with, extend_study

THRESHOLDS = tuple(step / 100 for step in range(20, 31))  # cosine similarities where CLIPs of the web tell shown from not shown
GIVEN = "given"  # the image method of given hits that are counted from a score on; without thresholds it is `annotated`
ANNOTATED = "annotated"
NO_WORD = "concept without a word"


@dataclass(frozen=True)
class ImageSearch:
    """How a corpus's images are searched: by a tagger, or by given hits (`corpus.read_given_hits`).

    `thresholds` rise in steps of 0.01 or more, and `chosen` is one of them; given hits may do without.
    """

    tagger: TaggerRecipe | None = None
    given: pa.Table | None = None
    thresholds: tuple[float, ...] = ()
    chosen: float | None = None

    @property
    def methods(self) -> tuple[str, ...]:
        """The image methods, one a threshold."""
        if not self.thresholds:
            return (ANNOTATED,)
        return tuple(self._name(threshold) for threshold in self.thresholds)

    @property
    def chosen_method(self) -> str:
        """The image method that stands for the others."""
        return self._name(self.chosen) if self.thresholds else ANNOTATED

    def _name(self, threshold: float) -> str:
        return name_tagged(self.tagger.name if self.tagger else GIVEN, threshold)


def check_thresholds(thresholds: Sequence[float], chosen: float | None = None) -> tuple[tuple[float, ...], float]:
    """Thresholds by rising value, and the chosen one; their middle where none is named.

    Raises TailscopeError where one is no multiple of 0.01 from 0 to 1, comes twice, or where `chosen` is none of them.

    >>> check_thresholds([0.3, 0.2, 0.25])
    ((0.2, 0.25, 0.3), 0.25)
    """
    for threshold in thresholds:
        if not 0 <= threshold <= 1 or abs(threshold * 100 - round(threshold * 100)) > 1e-9:
            raise TailscopeError(f"{threshold:g} is no threshold. Thresholds are multiples of 0.01, from 0 to 1.")
    rising = tuple(sorted({round(threshold, 2) for threshold in thresholds}))
    if not rising or len(rising) < len(thresholds):
        raise TailscopeError("A threshold comes twice." if rising else "Thresholds are needed, such as 0.20,0.25,0.30.")
    if chosen is None:
        chosen = rising[(len(rising) - 1) // 2]
    if chosen not in rising:
        raise TailscopeError(f"The chosen threshold {chosen:g} is none of {', '.join(f'{one:.2f}' for one in rising)}.")
    return rising, chosen


@dataclass(frozen=True)
class IndexedCorpus:
    """What indexing a corpus adds to a study beside its files: table rows, manifest entries."""

    corpus: str
    corpora: pd.DataFrame
    frequency: pd.DataFrame
    alignment: pd.DataFrame
    files: dict[str, dict]
    search: dict
    counts: dict


@dataclass(frozen=True)
class _Job:
    """What the search of every shard has in common: handed to each process, which loads what it needs."""

    concepts: tuple[str, ...]
    base: Path
    images: Path | None
    tagger: TaggerRecipe | None
    floor: float | None

    def fingerprint(self) -> str:
        """Changes whenever a shard's part would be another one."""
        tagger = None if self.tagger is None else [self.tagger.name, self.tagger.identify(), self.floor]
        places = [None if place is None else str(place.resolve()) for place in (self.base, self.images)]
        text = json.dumps([code_sha256(__name__), self.concepts, places, tagger])
        return hashlib.sha256(text.encode()).hexdigest()


class _ShardSearch:
    """Searches shards, one after the other."""

    def __init__(self, job: _Job):
        self.job = job
        self.vocabulary = compile_vocabulary(job.concepts)
        self.tagger = None if job.tagger is None else job.tagger.load(job.concepts)

    def write_part(self, shard: Shard, place: Path, say: Callable[[float], None] = lambda done: None) -> None:
        """Writes what is found in a shard as the folder `place`, which is whole or not there.

        Sample ids in it are positions in the shard, so that corpora that share the shard share the part.
        """
        books = {"samples": Ledger(), "images": Ledger()}
        samples = read_shard(Shard(0, shard.path, shard.kind), self.job.base, books["samples"], self.job.images)
        found = search_captions(samples["caption"].to_pylist(), self.vocabulary)
        ids = samples["sample_id"]
        text = [
            pa.table(
                [pa.array([method] * len(rows), pa.string()), ids.take(pa.array(rows)), pa.array(concepts)], TEXT_SCHEMA.names
            )
            for method, (rows, concepts) in found.items()
        ]
        tables = {"samples": samples, "text": pa.concat_tables(text).cast(TEXT_SCHEMA), "image": HITS_SCHEMA.empty_table()}
        if self.tagger:
            tables["image"] = search_images(samples, self.job.base, self.tagger, self.job.floor, books["images"], say)
        unfinished = place.with_name(f"{place.name}.{os.getpid()}.part")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        for name, table in tables.items():
            pq.write_table(table, unfinished / f"{name}.parquet", compression="zstd")
        entries = {unit: ledger.entry() for unit, ledger in books.items()}
        (unfinished / "ledger.json").write_text(json.dumps(entries), encoding="utf-8")
        unfinished.replace(place)


def index_corpus(
    folder: Path,
    corpus: str,
    title: str,
    shards: Sequence[Shard],
    *,
    work: Path,
    base: Path | None = None,
    images: Path | None = None,
    image_search: ImageSearch | None = None,
    processes: int = 1,
    source: str | None = None,
    say: StageProgress = lambda stage, done: None,
) -> IndexedCorpus:
    """Searches a corpus for the `concepts` of the study in `folder`, and writes its samples, hits and misaligned there.

    `base`: the folder that image paths are relative to, where the study will lie; `folder` itself without it. `images`: the
    folder of the photos that tables name (see `corpus.read_shard`). `work`: keeps the parts of shards; it may serve several
    corpora and is the caller's to delete. Raises SourceError for a shard that cannot be read.
    """
    tasks, job, methods = _plan_search(folder, base, images, image_search)
    concepts = job.concepts
    given = None
    if image_search and image_search.given is not None:
        given = GivenHits(image_search.given, concepts, image_search.thresholds[0] if image_search.thresholds else None)
    with Processes(processes) as started:
        places = _find_parts(shards, job, work, started, say)

    books = {"samples": Ledger(), "images": Ledger(), "image hits": Ledger()}

    def read_parts() -> Iterator[Part]:
        for done, (shard, place) in enumerate(places.items(), start=1):
            yield _read_part(shard, place, given, books)
            say("merging shards", done / len(places))

    files, counts = merge_parts(read_parts(), folder, corpus, concepts, methods, work)
    if given:
        given.book(books["image hits"])
    unsearchable = compile_vocabulary(concepts).unsearchable
    books["concepts"] = Ledger()
    books["concepts"].take(written=len(concepts) - unsearchable, dropped=unsearchable, reason=NO_WORD)
    source = source or f"{len(shards)} file{'s' if len(shards) > 1 else ''} such as {shards[0].path.name}"
    row = {"corpus": corpus, "title": title, "pairs": counts.samples, "indexed": counts.samples, "source": source}
    chosen = image_search.chosen_method if image_search else None
    tagger = image_search.tagger if image_search else None
    return IndexedCorpus(
        corpus,
        pd.DataFrame([row]),
        count_frequency(corpus, tasks, concepts, methods, counts),
        describe_alignment(corpus, methods, counts),
        files,
        {
            "text": list(methods.text),
            "image": list(methods.image),
            "chosen": {"text": CHOSEN_TEXT, "image": chosen, "joint": chosen and join_methods(CHOSEN_TEXT, chosen)},
            "tagger": getattr(tagger, "spec", None),
        },
        {unit: ledger.entry() for unit, ledger in books.items() if ledger.read},
    )


def search_shards(
    folder: Path,
    shards: Sequence[Shard],
    *,
    work: Path,
    image_search: ImageSearch | None = None,
    processes: Processes,
    say: StageProgress = lambda stage, done: None,
) -> None:
    """Searches the shards of several corpora at once, so that `index_corpus` with the same `work` finds all of them done.

    The processes, and the tagger in each, start once instead of once a corpus.
    """
    _, job, _ = _plan_search(folder, None, None, image_search)
    _find_parts(shards, job, work, processes, say)


def _plan_search(
    folder: Path, base: Path | None, images: Path | None, image_search: ImageSearch | None
) -> tuple[pd.DataFrame, _Job, Methods]:
    """The study's labels, what the search of every shard has in common, and its methods."""
    tasks = pq.read_table(table_path(folder, "concepts"), columns=["task", "label", "concept"]).to_pandas()
    methods = Methods()
    if image_search:
        methods = Methods(image=image_search.methods, thresholds=image_search.thresholds or (1.0,))
    tagger = image_search.tagger if image_search else None
    floor = methods.thresholds[0] if tagger else None
    return tasks, _Job(tuple(sorted(set(tasks["concept"]))), base or folder, images, tagger, floor), methods


def _find_parts(shards: Sequence[Shard], job: _Job, work: Path, processes: Processes, say: StageProgress) -> dict[Shard, Path]:
    """The part of each shard; those that are not there yet are written first."""
    if job.tagger:
        say("loading the tagger", 0.0)
    places = _place_parts(shards, job, work / "parts")
    _write_parts(places, job, processes, lambda done: say("searching shards", done))
    return places


def _place_parts(shards: Sequence[Shard], job: _Job, folder: Path) -> dict[Shard, Path]:
    """Where the part of each shard lies or will lie: other content, concepts or code, another place."""
    common = job.fingerprint()
    places = {}
    for shard in sorted(shards, key=lambda shard: shard.number):
        status = shard.path.stat()
        text = json.dumps([common, str(shard.path), shard.kind, status.st_size, status.st_mtime_ns])
        places[shard] = folder / hashlib.sha256(text.encode()).hexdigest()[:32]
    return places


def _write_parts(places: dict[Shard, Path], job: _Job, processes: Processes, say: Callable[[float], None]) -> None:
    """Searches the shards that have no part yet."""
    missing = {place: shard for shard, place in places.items() if not place.is_dir()}  # a file given twice is searched once
    if not missing:
        return
    done = len(places) - len(missing)
    say(done / len(places))
    if processes.count == 1 or len(missing) == 1:
        search = _ShardSearch(job)
        for place, shard in missing.items():
            search.write_part(shard, place, lambda part, done=done: say((done + part) / len(places)))
            done += 1
            say(done / len(places))
        return
    if job.tagger:
        job.tagger.prepare(job.concepts)  # here, by all cores, and once
    for _ in processes.run(_search_here, [(job, shard, place) for place, shard in missing.items()]):
        done += 1
        say(done / len(places))


@lru_cache(maxsize=1)
def _open_search(job: _Job) -> _ShardSearch:
    """The search of this process, where it is one of several."""
    return _ShardSearch(job)


def _search_here(job: _Job, shard: Shard, place: Path) -> None:
    _open_search(job).write_part(shard, place)


def _read_part(shard: Shard, place: Path, given: GivenHits | None, books: dict[str, Ledger]) -> Part:
    """A shard's part with the sample ids of its number, and its books added to those of the corpus."""
    tables = {name: pq.read_table(place / f"{name}.parquet") for name in ("samples", "text", "image")}
    for unit, entry in json.loads((place / "ledger.json").read_text(encoding="utf-8")).items():
        books[unit].take(written=entry["written"])
        for reason, dropped in entry["dropped"].items():
            books[unit].take(dropped=dropped, reason=reason)
    if given:
        tables["image"] = given.join(tables["samples"])
    first = pa.scalar(shard.number * SAMPLES_PER_SHARD, pa.int64())
    for name, table in tables.items():
        column = table.schema.get_field_index("sample_id")
        tables[name] = table.set_column(column, "sample_id", pc.add(table["sample_id"], first))
    return Part(**tables)


def add_corpus(folder: Path, manifest: dict, indexed: IndexedCorpus) -> None:
    """Writes a corpus's rows into the tables of the study in `folder`, in the place of older ones, and its manifest entries."""
    tables = manifest["tables"]
    for name in ("corpora", "frequency", "alignment"):
        rows = to_arrow(name, getattr(indexed, name))
        path = table_path(folder, name)
        if path.is_file():
            held = pq.read_table(path)
            rows = pa.concat_tables([held.filter(pc.not_equal(held["corpus"], indexed.corpus)), rows])
        if rows.num_rows:
            tables[name] = write_table(folder, name, rows)
        elif tables.pop(name, None):
            path.unlink()
    for name in ("samples", "hits", "misaligned"):
        files = dict(tables.get(name, {}).get("files", {}))
        files.pop(indexed.corpus, None)
        if name in indexed.files:
            files[indexed.corpus] = indexed.files[name]
        else:
            table_path(folder, name, indexed.corpus).unlink(missing_ok=True)
        if files:
            tables[name] = folder_entry(files)
        else:
            tables.pop(name, None)
    manifest.setdefault("search", {})[indexed.corpus] = indexed.search
    manifest["counts"].setdefault("index", {})[indexed.corpus] = indexed.counts


def index_study(
    study: Path,
    corpus: str,
    patterns: Sequence[str],
    *,
    title: str | None = None,
    images: Path | None = None,
    tagger: str | None = None,
    prompts: str = "ensemble",
    allow_download: bool = False,
    image_hits: Path | None = None,
    thresholds: Sequence[float] | None = None,
    chosen: float | None = None,
    processes: int = 1,
    force: bool = False,
    say: StageProgress = lambda stage, done: None,
) -> dict:
    """Adds a corpus to a study of the disk and returns the study's manifest; the study before it stays whole until the end.

    Raises TailscopeError where the arguments do not fit, before anything is read; and where the study holds the corpus
    already, unless `force` indexes anew what `index` made.
    """
    study = study.resolve()
    shards = _check_arguments(study, corpus, patterns, force, images=images, tagger=tagger, image_hits=image_hits)
    work = study.with_name(f".{study.name}.index")
    recipe = ClipRecipe(tagger, work, prompts, allow_download) if tagger else None
    image_search = _plan_image_search(recipe, image_hits, thresholds, chosen)
    with extend_study(study) as (part, manifest):
        indexed = index_corpus(
            part,
            corpus,
            title or corpus,
            shards,
            work=work,
            base=study,
            images=images,
            image_search=image_search,
            processes=processes,
            say=say,
        )
        add_corpus(part, manifest, indexed)
        manifest["arguments"].setdefault("index", {})[corpus] = {
            "shards": list(patterns),
            "files": len(shards),
            "bytes": sum(shard.path.stat().st_size for shard in shards),
            "images": images and str(images),
            "tagger": tagger,
            "prompts": prompts if tagger else None,
            "image_hits": image_hits and {"name": image_hits.name, "sha256": file_sha256(image_hits)},
            "thresholds": list(image_search.thresholds) if image_search else [],
            "built_with": built_with(__name__),
        }
        shutil.rmtree(work)
        declare_roots(study, {shard.path.parent for shard in shards} | ({images} if images else set()))
    return manifest


def _check_arguments(
    study: Path,
    corpus: str,
    patterns: Sequence[str],
    force: bool,
    *,
    images: Path | None,
    tagger: str | None,
    image_hits: Path | None,
) -> list[Shard]:
    """The shards, where everything that is asked for fits the study and is there."""
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
    if corpus in known and not force:
        raise TailscopeError(
            f"Study '{held.name}' holds '{corpus}' already. Index it anew with --force, or choose another name."
        )
    if tagger and image_hits:
        raise TailscopeError("Images are searched by --tagger or by --image-hits, not by both.")
    if images is not None and not images.is_dir():
        raise TailscopeError(f"No folder of images at {images}.")
    return find_shards(patterns)


def _plan_image_search(
    tagger: TaggerRecipe | None,
    image_hits: Path | None,
    thresholds: Sequence[float] | None,
    chosen: float | None,
) -> ImageSearch | None:
    """How to search the images; None where they are not searched."""
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
