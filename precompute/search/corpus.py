"""Takes one corpus through the search: its files, its rows of corpora, frequency and alignment, and its books."""

import hashlib
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from backend.errors import TailscopeError
from backend.methods import join_methods
from backend.progress import StageProgress
from backend.schema import SEARCHED, corpus_files, table_path
from backend.tables import to_arrow, write_table
from backend.writing import folder_entry
from precompute.cluster import start_workers
from precompute.corpus.sample import NO_CAPTION, NO_IMAGE
from precompute.corpus.shard import Shard
from precompute.fingerprint import code_sha256
from precompute.ledger import Ledger, describe_entry
from precompute.processes import Processes, Workers
from precompute.search.books import add_books, list_drops
from precompute.search.contents import describe_files
from precompute.search.corpus_files import remove_files
from precompute.search.growth import name_source
from precompute.search.layers import Layer, number_layers
from precompute.search.match import CHOSEN_TEXT, Methods, count_distinct, count_frequency, describe_alignment
from precompute.search.merge import RANGE_HITS, merge_parts
from precompute.search.outlook import INDEXING, MERGING, Outlook
from precompute.search.parts import Look, Part, read_books
from precompute.search.placed import Given, Merge, Placed
from precompute.search.plan import ImageSearch
from precompute.search.run_log import RunLog, Stopwatch, name_log
from precompute.search.shards import Found, SearchJob, find_parts, search_parts
from precompute.search.suits import check_tagger
from precompute.search.terms import build_terms
from precompute.search.text import compile_vocabulary

NO_WORD = "concept without a word"
QUIET = ("members",)  # books that are told of only where something was dropped

_ADVICE = {  # what to do where nothing was kept, by the reason that most were dropped for
    NO_IMAGE: " Name the folder of the photos: --images FOLDER.",
    NO_CAPTION: " Captions stand in .txt members beside the images, or in the column caption.",
}


class TooLittleKept(TailscopeError):
    """A corpus of which no sample is left, or too few."""


@dataclass(frozen=True)
class HeldCorpus:
    """What a study has of a corpus: `content` and `parts` as in `IndexedCorpus`."""

    content: str
    parts: Mapping[str, Sequence[str]]


@dataclass(frozen=True, eq=False)
class CorpusPlan:
    """What to index. `work` keeps the parts of shards; it may serve several corpora and is the caller's to delete.

    `base`: the folder that image paths are relative to, where the study will lie; the one that is written into without it ·
    `least_kept`: the least share of what was read that must become samples · `layout`: how the shards are read, a sentence ·
    `held`: what the study has of the corpus already · `trust_tagger`: take one that does not seem to know such pictures ·
    `ray`: the address of a Ray cluster that does the work · `log`: of the run; one in `work` without it ·
    `terms`: whether all words are indexed afterwards, by the caller.
    """

    corpus: str
    title: str
    shards: Sequence[Shard]
    work: Path
    base: Path | None = None
    image_search: ImageSearch | None = None
    source: str | None = None
    least_kept: float = 0.0
    layout: str = ""
    held: HeldCorpus | None = None
    trust_tagger: bool = False
    ray: str | None = None
    log: RunLog | None = None
    terms: bool = False


@dataclass(frozen=True)
class IndexedCorpus:
    """What indexing a corpus adds to a study beside its files: table rows, manifest entries.

    `content`: a checksum of all that this hangs on · `parts`: of each shard's file the names of its parts.
    """

    corpus: str
    corpora: pd.DataFrame
    frequency: pd.DataFrame
    alignment: pd.DataFrame
    distinct_hits: pd.DataFrame
    drops: pd.DataFrame
    contents: pd.DataFrame
    files: dict[str, dict]
    search: dict
    content: str
    parts: dict[str, list[str]]
    counts: dict


def index_corpus(
    folder: Path,
    plan: CorpusPlan,
    *,
    processes: int | None = None,
    say: StageProgress = lambda stage, done: None,
    tell: Callable[[str], None] = lambda line: None,
) -> IndexedCorpus | None:
    """Searches a corpus for the `concepts` of the study in `folder`, and writes its samples, hits and misaligned there.

    None where the study has just this of it already (`plan.held`). `tell` gets sentences on what an earlier run has left and
    which shards have changed. Raises SourceError for a shard that cannot be read, TooLittleKept with all reasons where no
    sample is left, or too few.
    """
    search = plan_search(folder, plan.image_search)
    methods = list_methods(plan.image_search)
    log = plan.log or RunLog(name_log(plan.work, plan.corpus))
    with start_workers(processes, plan.ray, plan.work) as started:
        with log.time_stage("recognizing"):
            found = find_parts(plan.shards, search, plan.work, started, say)
        content = _identify(plan, found, folder)
        if plan.held and plan.held.content == content:
            return None
        for line in (_describe_changed(plan, found), found.describe()):
            if line:
                tell(line)
        if search.look:
            say("trying the tagger", 0.0)
        if warning := try_tagger(plan, search, found):
            tell(warning)
        with log.time_stage("searching"):
            outlook = Outlook(found, search, log, partial(_try_merge, plan, search, found), processes or 1)
            search_parts(found, search, started, say, outlook.note)
        books = {shard: read_books(part, search.look) for shard, part in found.parts.items()}
        total = add_books(books.values())
        _refuse_too_little(plan, total)
        merge = plan_merge(folder, plan, search, methods, found.layers)
        placed = [place_part(shard, part, found.layers, search.look) for shard, part in found.parts.items()]
        with log.time_stage("merging"):
            files, counts, total["image hits"] = merge_parts(merge, placed, started, lambda done: say("merging shards", done))
    if not files["hits"]["rows"]:
        looked = "caption or image" if search.look or plan.image_search else "caption"
        hint = " A tagger that was trained on such pictures, or lower --thresholds, may find some." if search.look else ""
        tell(f"No {looked} of '{plan.corpus}' shows any of the study's {len(search.concepts):,} concepts.{hint}")
    unsearchable = compile_vocabulary(search.concepts).unsearchable
    total["concepts"] = Ledger()
    total["concepts"].take(written=len(search.concepts) - unsearchable, dropped=unsearchable, reason=NO_WORD)
    tasks, clock = _read_tasks(folder), Stopwatch()
    say("describing captions", 0.0)
    contents = describe_files(folder, plan.corpus, clock).assign(corpus=plan.corpus)
    log.note_stages(clock.seconds)
    return IndexedCorpus(
        plan.corpus,
        _describe_corpus(plan, counts.samples),
        count_frequency(plan.corpus, tasks, search.concepts, methods, counts),
        describe_alignment(plan.corpus, methods, counts),
        count_distinct(plan.corpus, search.concepts, counts),
        list_drops(plan.corpus, books, total),
        contents,
        files,
        _describe_search(plan, methods),
        content,
        _name_parts(found),
        {unit: ledger.entry() for unit, ledger in total.items() if ledger.dropped or (ledger.read and unit not in QUIET)},
    )


def _identify(plan: CorpusPlan, found: Found, folder: Path) -> str:
    """A checksum of all that a corpus's rows hang on: its shards, the tasks, how it is searched, and the code."""
    shards = [
        (str(shard.path), str(shard.root), shard.number, shard.start, part.place.name) for shard, part in found.parts.items()
    ]
    search = plan.image_search
    given = (
        None if search is None or search.given is None else hashlib.sha256(repr(search.given.to_pylist()).encode()).hexdigest()
    )
    how = None
    if search:
        how = [
            search.methods,
            search.chosen,
            given,
            search.tagger and search.tagger.identify(),
            getattr(search.tagger, "spec", ""),
        ]
    tasks = pq.read_table(table_path(folder, "concepts")).to_pylist()
    everything = [code_sha256(__name__), plan.corpus, plan.title, plan.source, shards, tasks, how]
    return hashlib.sha256(json.dumps(everything).encode()).hexdigest()


def _name_parts(found: Found) -> dict[str, list[str]]:
    """Of each shard's file the names of its parts."""
    names: dict[str, list[str]] = {}
    for shard, part in found.parts.items():
        names.setdefault(name_source(shard), []).append(part.place.name)
    return names


def _describe_changed(plan: CorpusPlan, found: Found) -> str:
    """A sentence on the shards whose content is another one than in the study; nothing where none is."""
    before, now = plan.held.parts if plan.held else {}, _name_parts(found)
    changed = [Path(path).name for path in now if path in before and list(before[path]) != now[path]]
    if not changed:
        return ""
    return f"{len(changed):,} of {len(now):,} shards changed since, such as {changed[0]}: searched anew."


def try_tagger(plan: CorpusPlan, search: SearchJob, found: Found | None) -> str:
    """What to warn of before images are looked at for the first time. Raises TailscopeError for a tagger that guesses."""
    if search.look is None or plan.trust_tagger or (found and found.looked_at(search.look)):
        return ""
    return check_tagger(plan.shards, search, plan.image_search)


def list_methods(search: ImageSearch | None) -> Methods:
    """The methods by which a corpus is searched."""
    if search is None:
        return Methods()
    return Methods(image=search.methods, thresholds=search.thresholds or (1.0,), chosen=search.chosen_method)


def plan_merge(folder: Path, plan: CorpusPlan, search: SearchJob, methods: Methods, layers: Sequence[Layer]) -> Merge:
    """How the parts of a corpus's shards become its files in the study in `folder`."""
    return Merge(
        folder,
        plan.corpus,
        search.concepts,
        methods,
        plan.base or folder,
        plan.work / f"merged-{plan.corpus}",
        number_layers(layers, search.concepts),
        _store_given(plan),
    )


def _try_merge(
    plan: CorpusPlan, search: SearchJob, found: Found, folder: Path, shards: Sequence[Shard], share: float
) -> dict[str, float]:
    """What it takes to merge some shards into a folder and to describe them, and to index all words where that is to be.

    Each range of concepts reads the samples of all parts: there are as many as the corpus will have, of which this is a share.
    What searches at the same time takes time that it will not take then: no more is told than this process has computed.
    """
    clock, start, computed = Stopwatch(), time.perf_counter(), time.process_time()
    merge = plan_merge(folder, replace(plan, work=folder), search, list_methods(plan.image_search), found.layers)
    merge = replace(merge, range_hits=math.ceil(share * RANGE_HITS))
    with clock.during(MERGING), Processes(1) as alone:
        merge_parts(merge, [place_part(shard, found.parts[shard], found.layers, search.look) for shard in shards], alone)
    describe_files(folder, plan.corpus, clock)
    if plan.terms:
        with clock.during(INDEXING):
            build_terms(corpus_files(folder, "samples", plan.corpus), folder / "terms")
    free = min((time.process_time() - computed) / (time.perf_counter() - start), 1.0)
    return {kind: free * seconds for kind, seconds in clock.seconds.items()}


def place_part(shard: Shard, part: Part, layers: Sequence[Layer], look: Look | None) -> Placed:
    """The files of a shard's part that are merged."""
    text = tuple(part.text(layer) for layer in layers)
    if look is None:
        return Placed(shard, part.samples, text)
    image = tuple(part.find_image(look, layer) for layer in layers)
    return Placed(shard, part.samples, text, image, part.pictures(look.model))


def search_shards(
    folder: Path,
    shards: Sequence[Shard],
    work: Path,
    image_search: ImageSearch | None,
    workers: Workers,
    say: StageProgress = lambda stage, done: None,
) -> None:
    """Searches the shards of several corpora at once, so that `index_corpus` with the same `work` finds all of them done.

    The workers, and the tagger in each, start once instead of once a corpus.
    """
    search = plan_search(folder, image_search)
    search_parts(find_parts(shards, search, work, workers, say), search, workers, say)


def plan_search(folder: Path, image_search: ImageSearch | None) -> SearchJob:
    """What the search of every shard has in common, for the concepts of the study in `folder`."""
    concepts = tuple(sorted(set(_read_tasks(folder)["concept"])))
    if image_search is None or image_search.tagger is None:
        return SearchJob(concepts)
    return SearchJob(concepts, Look(image_search.tagger, image_search.thresholds[0]))


def add_corpus(folder: Path, manifest: dict, indexed: IndexedCorpus) -> None:
    """Writes a corpus's rows into the tables of the study in `folder`, in the place of older ones, and its manifest entries."""
    tables = manifest["tables"]
    for name in ("corpora", "frequency", "alignment", "distinct_hits", "drops", "contents"):
        rows = to_arrow(name, getattr(indexed, name))
        path = table_path(folder, name)
        if path.is_file():
            held = pq.read_table(path)
            rows = pa.concat_tables([held.filter(pc.not_equal(held["corpus"], indexed.corpus)), rows])
        if rows.num_rows or name == "drops":  # without a row: nothing was dropped
            tables[name] = write_table(folder, name, rows)
        elif tables.pop(name, None):
            path.unlink()
    for name in SEARCHED:
        files = dict(tables.get(name, {}).get("files", {}))
        files.pop(indexed.corpus, None)
        if name in indexed.files:
            files[indexed.corpus] = indexed.files[name]
        else:
            remove_files(folder, name, indexed.corpus)
        if files:
            tables[name] = folder_entry(files)
        else:
            tables.pop(name, None)
    manifest.setdefault("search", {})[indexed.corpus] = indexed.search
    manifest["counts"].setdefault("index", {})[indexed.corpus] = indexed.counts


def _read_tasks(folder: Path) -> pd.DataFrame:
    return pq.read_table(table_path(folder, "concepts"), columns=["task", "label", "concept"]).to_pandas()


def _store_given(plan: CorpusPlan) -> Given | None:
    """The given hits as a file that other processes can read."""
    if plan.image_search is None or plan.image_search.given is None:
        return None
    plan.work.mkdir(parents=True, exist_ok=True)
    path = plan.work / f"given-{plan.corpus}.parquet"
    pq.write_table(plan.image_search.given, path)
    return Given(path, plan.image_search.thresholds[0] if plan.image_search.thresholds else None)


def _refuse_too_little(plan: CorpusPlan, books: dict[str, Ledger]) -> None:
    """Raises TooLittleKept where a corpus has no sample or too few, with what became of everything that was read."""
    samples = books["samples"]
    if samples.written and samples.written >= plan.least_kept * samples.read:
        return
    lines = [describe_entry(unit, books[unit].entry()) for unit in ("samples", "members") if books[unit].read]
    most = samples.dropped.most_common(1)
    advice = _ADVICE.get(most[0][0], "") if most else ""
    found = "; ".join(lines) or "There was nothing in it"
    kept = f"Nothing of '{plan.corpus}' was kept"
    if samples.written:
        share = f"less than the share of {plan.least_kept:.0%} that --least-kept asks for"
        kept = f"Only {samples.written:,} of {samples.read:,} samples of '{plan.corpus}' were kept, {share}"
    worst = f" {most[0][1]:,} of {samples.read:,} samples: {most[0][0]}." if most else ""
    layout = f" {plan.layout}" if plan.layout else ""
    raise TooLittleKept(f"{kept}; the study stays as it was. {found}.{worst}{advice}{layout}")


def _describe_corpus(plan: CorpusPlan, samples: int) -> pd.DataFrame:
    """The corpus's row of `corpora`."""
    ordered = sorted(plan.shards, key=lambda shard: shard.number)
    files = list(dict.fromkeys(name_source(shard).rpartition("/")[2] for shard in ordered))
    number = len({shard.path for shard in plan.shards})
    source = plan.source or f"{number} file{'s' if number > 1 else ''} such as {files[0]}"
    row = {"corpus": plan.corpus, "title": plan.title, "pairs": samples, "indexed": samples, "source": source}
    return pd.DataFrame([row])


def _describe_search(plan: CorpusPlan, methods: Methods) -> dict:
    """The corpus's entry in the manifest's `search`."""
    chosen = plan.image_search.chosen_method if plan.image_search else None
    tagger = plan.image_search.tagger if plan.image_search else None
    return {
        "text": list(methods.text),
        "image": list(methods.image),
        "chosen": {"text": CHOSEN_TEXT, "image": chosen, "joint": chosen and join_methods(CHOSEN_TEXT, chosen)},
        "tagger": getattr(tagger, "spec", None),
    }
