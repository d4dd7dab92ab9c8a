"""Takes one corpus through the search: its files, its rows of corpora, frequency and alignment, and its books."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from backend.errors import TailscopeError
from backend.methods import join_methods
from backend.progress import StageProgress
from backend.schema import table_path
from backend.tables import to_arrow, write_table
from backend.writing import folder_entry
from precompute.corpus.sample import NO_CAPTION, NO_IMAGE
from precompute.corpus.shard import Shard
from precompute.ledger import Ledger, describe_entry
from precompute.processes import Processes
from precompute.search.contents import describe_contents
from precompute.search.match import CHOSEN_TEXT, Methods, count_frequency, describe_alignment
from precompute.search.merge import Given, Merge, merge_parts
from precompute.search.plan import ImageSearch
from precompute.search.shards import SearchJob, find_parts, read_books
from precompute.search.text import compile_vocabulary

NO_WORD = "concept without a word"
QUIET = ("members",)  # books that are told of only where something was dropped

_ADVICE = {  # what to do where nothing was kept, by the reason that most were dropped for
    NO_IMAGE: " Name the folder of the photos: --images FOLDER.",
    NO_CAPTION: " Captions stand in .txt members beside the images, or in the column caption.",
}


class NothingKept(TailscopeError):
    """A corpus of which no sample is left."""


@dataclass(frozen=True, eq=False)
class CorpusPlan:
    """What to index. `work` keeps the parts of shards; it may serve several corpora and is the caller's to delete.

    `base`: the folder that image paths are relative to, where the study will lie; the one that is written into without it.
    """

    corpus: str
    title: str
    shards: Sequence[Shard]
    work: Path
    base: Path | None = None
    image_search: ImageSearch | None = None
    source: str | None = None


@dataclass(frozen=True)
class IndexedCorpus:
    """What indexing a corpus adds to a study beside its files: table rows, manifest entries."""

    corpus: str
    corpora: pd.DataFrame
    frequency: pd.DataFrame
    alignment: pd.DataFrame
    contents: pd.DataFrame
    files: dict[str, dict]
    search: dict
    counts: dict


def index_corpus(
    folder: Path, plan: CorpusPlan, *, processes: int = 1, say: StageProgress = lambda stage, done: None
) -> IndexedCorpus:
    """Searches a corpus for the `concepts` of the study in `folder`, and writes its samples, hits and misaligned there.

    Raises SourceError for a shard that cannot be read, NothingKept with all reasons where no sample is left.
    """
    search = plan_search(folder, plan.image_search)
    methods = Methods()
    if plan.image_search:
        methods = Methods(image=plan.image_search.methods, thresholds=plan.image_search.thresholds or (1.0,))
    given = _store_given(plan)
    merge = Merge(folder, plan.corpus, search.concepts, methods, plan.base or folder, plan.work / "merged", given)
    with Processes(processes) as started:
        parts = find_parts(plan.shards, search, plan.work / "parts", started, say)
        books = read_books(parts.values())
        _refuse_nothing(plan, books)
        files, counts, books["image hits"] = merge_parts(merge, parts, started, lambda done: say("merging shards", done))
    unsearchable = compile_vocabulary(search.concepts).unsearchable
    books["concepts"] = Ledger()
    books["concepts"].take(written=len(search.concepts) - unsearchable, dropped=unsearchable, reason=NO_WORD)
    tasks = _read_tasks(folder)
    return IndexedCorpus(
        plan.corpus,
        _describe_corpus(plan, counts.samples),
        count_frequency(plan.corpus, tasks, search.concepts, methods, counts),
        describe_alignment(plan.corpus, methods, counts),
        _describe_contents(folder, plan.corpus, files),
        files,
        _describe_search(plan, methods),
        {unit: ledger.entry() for unit, ledger in books.items() if ledger.dropped or (ledger.read and unit not in QUIET)},
    )


def search_shards(
    folder: Path,
    shards: Sequence[Shard],
    work: Path,
    image_search: ImageSearch | None,
    processes: Processes,
    say: StageProgress = lambda stage, done: None,
) -> None:
    """Searches the shards of several corpora at once, so that `index_corpus` with the same `work` finds all of them done.

    The processes, and the tagger in each, start once instead of once a corpus.
    """
    find_parts(shards, plan_search(folder, image_search), work / "parts", processes, say)


def plan_search(folder: Path, image_search: ImageSearch | None) -> SearchJob:
    """What the search of every shard has in common, for the concepts of the study in `folder`."""
    concepts = tuple(sorted(set(_read_tasks(folder)["concept"])))
    if image_search is None or image_search.tagger is None:
        return SearchJob(concepts)
    return SearchJob(concepts, image_search.tagger, image_search.thresholds[0])


def add_corpus(folder: Path, manifest: dict, indexed: IndexedCorpus) -> None:
    """Writes a corpus's rows into the tables of the study in `folder`, in the place of older ones, and its manifest entries."""
    tables = manifest["tables"]
    for name in ("corpora", "frequency", "alignment", "contents"):
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


def _read_tasks(folder: Path) -> pd.DataFrame:
    return pq.read_table(table_path(folder, "concepts"), columns=["task", "label", "concept"]).to_pandas()


def _store_given(plan: CorpusPlan) -> Given | None:
    """The given hits as a file that other processes can read."""
    if plan.image_search is None or plan.image_search.given is None:
        return None
    plan.work.mkdir(parents=True, exist_ok=True)
    pq.write_table(plan.image_search.given, plan.work / "given.parquet")
    return Given(plan.work / "given.parquet", plan.image_search.thresholds[0] if plan.image_search.thresholds else None)


def _refuse_nothing(plan: CorpusPlan, books: dict[str, Ledger]) -> None:
    """Raises NothingKept where a corpus has no sample, with what became of everything that was read."""
    if books["samples"].written:
        return
    lines = [describe_entry(unit, books[unit].entry()) for unit in ("samples", "members") if books[unit].read]
    most = books["samples"].dropped.most_common(1)
    advice = _ADVICE.get(most[0][0], "") if most else ""
    found = "; ".join(lines) or "There was nothing in it"
    raise NothingKept(f"Nothing of '{plan.corpus}' was kept; the study stays as it was. {found}.{advice}")


def _describe_corpus(plan: CorpusPlan, samples: int) -> pd.DataFrame:
    """The corpus's row of `corpora`."""
    files = list(dict.fromkeys(shard.path.name for shard in sorted(plan.shards, key=lambda shard: shard.number)))
    number = len({shard.path for shard in plan.shards})
    source = plan.source or f"{number} file{'s' if number > 1 else ''} such as {files[0]}"
    row = {"corpus": plan.corpus, "title": plan.title, "pairs": samples, "indexed": samples, "source": source}
    return pd.DataFrame([row])


def _describe_contents(folder: Path, corpus: str, files: dict[str, dict]) -> pd.DataFrame:
    """The corpus's rows of `contents`."""
    paths = [table_path(folder, name, corpus) if name in files else None for name in ("samples", "hits")]
    return describe_contents(*paths).assign(corpus=corpus)


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
