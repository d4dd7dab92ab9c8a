"""A study of the size of the web: 50M samples with 100M hits, made by a script, in every page of the app.

The command: python -m benchmarks.large [--samples N] [--folder FOLDER] [--only make|look|pages]
Reads: the published study (else the embedded one), whose concepts are hit and beside whose corpora the new one stands; real
captions of ../shared/data beside the checkout (else the embedded study's), of whose pieces captions are made. Makes a study in
FOLDER, a temporary one without it, and measures there:
look: the best 50 hits of concepts drawn by lot, with their captions, once the disk's cache holds all that is looked up in, and
each after that was dropped.
pages: every page, from a server that has just been started (the first answer) and with other choices (a widget change), over
the server's websocket; and the server's memory.
The invented corpus: each sample has up to two concepts in its caption and two in its image, spread as 1 / (rank + 2); half the
images show what their caption says. Captions are pieces of real ones around the concepts' names, images are URLs. Its tables go
together as those of a corpus that was indexed: `python -m precompute check` finds no fault. Only how long and repeated captions
are (`contents`) is told from the first samples.
"""

import argparse
import asyncio
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch
from urllib.parse import urlencode

import numpy as np
import pandas as pd
import psutil
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from backend.methods import Method, join_methods, name_tagged
from backend.samples import find_hits
from backend.schema import FILE_ROWS, ROW_GROUP, SEARCHED, TABLES, corpus_files
from backend.study import STUDIES, Study
from backend.tables import to_arrow, write_table
from benchmarks.server import measure_memory, serve
from benchmarks.text_search import read_captions
from benchmarks.visitor import visit
from pages.ui.navigation import ENTRIES
from precompute.search.contents import describe_contents
from precompute.search.cooccurrence import tabulate_together
from precompute.search.corpus import IndexedCorpus, add_corpus
from precompute.search.corpus_files import CorpusFile, place_files, split_pieces
from precompute.search.disagreements import count_spread, sort_disagreements, spread_samples
from precompute.search.images import HITS_SCHEMA
from precompute.search.match import (
    CHOSEN_TEXT,
    TEXT_SCHEMA,
    Counts,
    Methods,
    ShardPart,
    count_distinct,
    count_frequency,
    describe_alignment,
    match_part,
)
from precompute.search.merge import split_concepts
from precompute.search.text import has_method
from precompute.study_writer import copy_study, extend_study

CORPUS = "web"
THRESHOLDS = tuple(round(0.20 + 0.01 * step, 2) for step in range(11))
IMAGE = tuple(name_tagged("openclip", threshold) for threshold in THRESHOLDS)
METHODS = Methods(image=IMAGE, thresholds=THRESHOLDS, chosen=IMAGE[5])
BLOCK = 500_000  # samples that are made at once
DESCRIBED = 200_000  # samples by which captions are described
BEST, LOOKED_UP = 50, 200
SHARES = {"lemmatized": 1.0, "lowercased": 0.92, "phrase": 0.85}  # of the lemmatised hits that a method has


@dataclass
class World:
    """What samples are drawn from: concepts by number, pieces of captions, addresses; and how often each concept comes."""

    concepts: tuple[str, ...]
    chance: np.random.Generator
    pieces: pa.Array
    hosts: pa.Array
    ranked: np.ndarray = field(init=False)
    cumulated: np.ndarray = field(init=False)

    def __post_init__(self):
        size = len(self.concepts)
        self.ranked = self.chance.permutation(size).astype(np.int32)
        weights = 1.0 / (np.arange(size) + 2)
        self.cumulated = (weights / weights.sum()).cumsum()

    def draw_concepts(self, size: int) -> np.ndarray:
        """So many concepts by number, the first of the ranking most often."""
        places = np.searchsorted(self.cumulated, self.chance.random(size))
        return self.ranked[np.minimum(places, len(self.ranked) - 1)]

    def draw(self, values: pa.Array, size: int) -> pa.Array:
        """So many of some values."""
        return values.take(pa.array(self.chance.integers(0, len(values), size, np.int32)))


def open_world() -> World:
    """The world of the concepts of the study at hand, always the same one."""
    study = Study(STUDIES / choose_beside())
    concepts = tuple(study.query("SELECT DISTINCT concept FROM concepts ORDER BY concept")["concept"])
    cut = [" ".join(words[start : start + 4]) for words in map(str.split, read_captions()) for start in (0, len(words) // 2)]
    hosts = [f"https://cdn{number}.example-{number % 97}.com/media/products/images/" for number in range(3_000)]
    pieces = pa.array(sorted({piece[:60] for piece in cut}), pa.string())
    return World(concepts, np.random.default_rng(0), pieces, pa.array(hosts, pa.string()))


def choose_beside() -> str:
    """The study beside whose corpora the new one stands."""
    return "published" if (STUDIES / "published").is_dir() else "synthetic"


def make_block(world: World, first: int, size: int) -> ShardPart:
    """So many samples from an id on, with what was found in them."""
    chance = world.chance
    said = [np.where(chance.random(size) < 0.42, world.draw_concepts(size), -1)]
    said.append(np.where((said[0] >= 0) & (chance.random(size) < 0.19), world.draw_concepts(size), -1))
    agrees = (said[0] >= 0) & (chance.random(size) < 0.5)
    shown = [np.where(chance.random(size) < 0.5, np.where(agrees, said[0], world.draw_concepts(size)), -1)]
    shown.append(np.where(chance.random(size) < 0.16, world.draw_concepts(size), -1))
    for pair in (said, shown):
        pair[1] = np.where(pair[1] == pair[0], -1, pair[1])
    ids, sets = np.arange(first, first + size), np.zeros(size, np.uint8)
    for method, share in SHARES.items():
        sets |= (chance.random(size) < share).astype(np.uint8) << np.uint8(METHODS.text.index(method))
    return ShardPart(
        make_samples(world, ids, said),
        pa.concat_tables(
            pa.table([ids[rows], concepts, sets[rows]], schema=TEXT_SCHEMA) for rows, concepts in list_pairs(said, sets > 0)
        ),
        pa.concat_tables(
            pa.table(
                {"sample_id": ids[rows], "concept": concepts, "score": (0.2 + 0.2 * chance.beta(1, 2, len(rows))).astype("f4")}
            )
            .select(HITS_SCHEMA.names)
            .cast(HITS_SCHEMA)
            for rows, concepts in list_pairs(shown, np.ones(size, bool))
        ),
    )


def list_pairs(concepts: Sequence[np.ndarray], kept: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows and concepts, of the first concept of each sample and of the second, where there is one and the row is kept."""
    for of_sample in concepts:
        rows = np.flatnonzero((of_sample >= 0) & kept)
        yield rows, of_sample[rows]


def make_samples(world: World, ids: np.ndarray, said: Sequence[np.ndarray]) -> pa.Table:
    """The rows of `samples` with these ids and captions that say these concepts."""
    size, names = len(ids), pa.array(world.concepts, pa.string())
    words = [world.draw(world.pieces, size)]
    for of_sample in said:
        words += [names.take(pa.array(of_sample, mask=of_sample < 0)), world.draw(world.pieces, size)]
    caption = pc.binary_join_element_wise(*words, " ", null_handling="skip")
    keys = pa.array(world.chance.integers(0, 2**62, size)).cast(pa.string())
    image = pc.binary_join_element_wise(world.draw(world.hosts, size), keys, "_800x600.jpg", "")
    sides = {side: pa.array(world.chance.integers(200, 1200, size, np.int32)) for side in ("width", "height")}
    held = {"corpus": pa.repeat(CORPUS, size), "sample_id": pa.array(ids), "caption": caption, "image": image, **sides}
    schema = TABLES["samples"].schema
    return pa.table([held.get(name, pa.nulls(size)) for name in schema.names], names=schema.names).cast(schema)


class Hits:
    """The hits of all samples by method, small enough for memory: concept, sample_id and, of images, score."""

    def __init__(self):
        self.held: dict[str, list[tuple[np.ndarray, ...]]] = {}

    def add(self, part: ShardPart) -> None:
        """Takes the hits of a block."""
        for method in METHODS.text:
            rows = part.text.filter(pa.array(has_method(part.text["methods"].to_numpy(), method)))
            self._keep(method, rows["concept"].to_numpy(), rows["sample_id"].to_numpy())
        self._keep(IMAGE[0], *(part.image[name].to_numpy() for name in ("concept", "sample_id", "score")))

    def _keep(self, method: str, concept: np.ndarray, sample_id: np.ndarray, *score: np.ndarray) -> None:
        self.held.setdefault(method, []).append((concept.astype(np.int16), sample_id.astype(np.int32), *score))

    def sort(self, concepts: Sequence[str]) -> Iterator[pa.Table]:
        """The rows of `hits`, without `corpus`, in the table's order, a concept's at a time."""
        names, sorted_hits = pa.array(concepts, pa.string()), {}
        for method in [IMAGE[0], *METHODS.text]:
            columns = [np.concatenate(column) for column in zip(*self.held.pop(method), strict=True)]
            keys = (columns[1], -columns[2], columns[0]) if method == IMAGE[0] else (columns[1], columns[0])
            order = np.lexsort(keys)
            columns = [column[order] for column in columns]
            sorted_hits[method] = np.searchsorted(columns[0], np.arange(len(concepts) + 1)), columns
        for concept in range(len(concepts)):
            for method, (bounds, columns) in sorted_hits.items():
                rows = slice(bounds[concept], bounds[concept + 1])
                size = rows.stop - rows.start
                yield pa.table(
                    {
                        "concept": pa.repeat(names[concept], size),
                        "modality": pa.repeat(Method(method).modality, size),
                        "method": pa.repeat(method, size),
                        "sample_id": columns[1][rows].astype(np.int64),
                        "score": columns[2][rows] if len(columns) == 3 else pa.nulls(size, pa.float32()),
                    }
                )


def make_study(folder: Path, samples: int) -> None:
    """Makes the study in a folder, which must not be there."""
    world, source = open_world(), STUDIES / choose_beside()
    copy_study(source, folder)
    with extend_study(folder) as (part, manifest):
        indexed = make_corpus(part, world, samples)
        add_corpus(part, manifest, indexed)
        write_truth(part, manifest, indexed.frequency)
        manifest |= {"title": f"{samples:,} samples", "study": folder.name}
        manifest.setdefault("main", {})["corpus"] = CORPUS


def make_corpus(folder: Path, world: World, samples: int) -> IndexedCorpus:
    """Writes the corpus's samples, hits, pairs and misaligned samples; what else is known of it."""
    work = folder / "making"
    work.mkdir()
    counts, hits, first_samples = Counts.of_nothing(len(world.concepts), METHODS), Hits(), []
    written: dict[str, list[Path]] = {name: [] for name in SEARCHED}
    spread: list[Path] = []

    sizes = np.zeros(len(world.concepts) + 1, np.int64)

    def name_next(name: str) -> Path:
        written[name].append(work / f"{name}-{len(written[name])}.parquet")
        return written[name][-1]

    def open_next(name: str) -> CorpusFile:
        return CorpusFile(name_next(name), name, CORPUS)

    for start in range(0, samples, FILE_ROWS):
        with open_next("samples") as file, open_next("misaligned") as misaligned:
            for first in range(start, min(start + FILE_ROWS, samples), BLOCK):
                part = make_block(world, first, min(BLOCK, samples - first))
                file.write(part.samples)
                disagreeing, found = match_part(part, world.concepts, METHODS)
                misaligned.write(disagreeing)
                spread.append(work / f"spread-{first}.parquet")
                rows_spread = spread_samples(disagreeing, world.concepts)
                pq.write_table(rows_spread, spread[-1], row_group_size=ROW_GROUP)
                sizes = sizes + count_spread(rows_spread, len(world.concepts))
                counts.add(found)
                hits.add(part)
                if first < DESCRIBED:
                    first_samples.append(part.samples.select(["sample_id", "caption"]))
    for run in split_pieces(((table, table.num_rows) for table in hits.sort(world.concepts)), FILE_ROWS):
        with open_next("hits") as file:
            for table in run:
                file.write(table)
    with open_next("cooccurrences") as file:
        for table in tabulate_together(counts.together, world.concepts):
            file.write(table)
    for bounds in split_concepts(sizes):
        sort_disagreements(spread, world.concepts, CORPUS, bounds, name_next("disagreements"))
    for path in spread:
        path.unlink()
    entries = {name: place_files(paths, folder, name, CORPUS) for name, paths in written.items()}
    work.rmdir()
    return describe_corpus(folder, world, counts, entries, pa.concat_tables(first_samples))


def describe_corpus(
    folder: Path, world: World, counts: Counts, entries: dict[str, dict], first_samples: pa.Table
) -> IndexedCorpus:
    """What indexing would add to the study beside the files."""
    tasks = Study(folder).query("SELECT task, label, concept FROM concepts ORDER BY task, label")
    counts.distinct = {method: counts.hits[method] * 4 // 5 for method in METHODS.text}
    contents = describe_contents(first_samples)
    times = max(counts.samples // max(first_samples.num_rows, 1), 1)
    contents.loc[contents["what"] != "language", "count"] *= times
    row = {"corpus": CORPUS, "title": "Made up", "pairs": counts.samples, "indexed": counts.samples, "source": "a benchmark"}
    search = {
        "text": list(METHODS.text),
        "image": list(IMAGE),
        "chosen": {"text": CHOSEN_TEXT, "image": METHODS.chosen, "joint": join_methods(CHOSEN_TEXT, METHODS.chosen)},
        "tagger": None,
    }
    return IndexedCorpus(
        CORPUS,
        pd.DataFrame([row]),
        count_frequency(CORPUS, tasks, world.concepts, METHODS, counts),
        describe_alignment(CORPUS, METHODS, counts),
        count_distinct(CORPUS, world.concepts, counts),
        pd.DataFrame(columns=TABLES["drops"].schema.names).astype({"count": "int64", "read": "int64"}),
        contents.assign(corpus=CORPUS),
        entries,
        search,
        "",
        {},
        {"samples": {"read": counts.samples, "written": counts.samples, "dropped": {}}},
    )


def write_truth(folder: Path, manifest: dict, frequency: pd.DataFrame) -> None:
    """The tables of the page on search quality: true numbers about as high as the counts, and each search held against them."""
    largest = frequency.groupby(["concept", "modality", "method"], as_index=False)["count"].max()
    chosen = [CHOSEN_TEXT, METHODS.chosen, join_methods(CHOSEN_TEXT, METHODS.chosen)]
    truth = largest[largest["method"].isin(chosen)].assign(corpus=CORPUS, count=lambda rows: rows["count"] * 9 // 10)
    rows = []
    for (modality, method), found in largest.groupby(["modality", "method"]):
        total = int(found["count"].sum())
        figures = {"found": total, "relevant": total, "correct": total * 4 // 5, "precision": 0.8, "recall": 0.8}
        threshold = None if modality == "text" else Method(method).least_score
        for split in ("all", "validation")[: 1 + (modality == "image")]:
            rows.append({"corpus": CORPUS, "split": split, "modality": modality, "method": method, "threshold": threshold})
            rows[-1] |= figures | {"frequency_error": 0.1}
    tables = {"truth": truth.sort_values(["concept", "modality"]), "search_quality": pd.DataFrame(rows)}
    for name, table in tables.items():
        manifest["tables"][name] = write_table(folder, name, to_arrow(name, table))


def drop_disk_cache() -> bool:
    """Forgets what the disk's cache holds, where this process may; else, of no file."""
    os.sync()
    try:
        Path("/proc/sys/vm/drop_caches").write_text("3\n")
    except OSError:
        return False
    return True


def forget_files(folder: Path) -> None:
    """Forgets what the disk's cache holds of a study's files."""
    if drop_disk_cache():
        return
    for path in folder.rglob("*.parquet"):
        with path.open("rb") as stream:
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def time_lookups(folder: Path) -> Table:
    """How long the best hits of concepts drawn by lot take, with their captions, by what shows the concept."""
    study = Study(folder)
    concepts = study.query("SELECT DISTINCT concept FROM frequency WHERE corpus = $corpus AND count > 0", corpus=CORPUS)
    chance = np.random.default_rng(1)
    table = Table(title=f"The best {BEST} hits of {LOOKED_UP} concepts with their captions, ms by the clock and of all cores")
    for column in ("shown by", "cache", "first", "p50", "p95", "worst", "core p50", "core p95"):
        table.add_column(column, justify="left" if column in ("shown by", "cache") else "right")
    for path in (path for name in ("hits", "samples") for path in corpus_files(folder, name, CORPUS)):
        path.read_bytes()
    for cache, number in (("warm", LOOKED_UP), ("dropped", LOOKED_UP // 4)):
        for modality in ("image", "text", "joint"):
            spent, cores = [], []
            for concept in chance.choice(np.sort(concepts["concept"]), number, replace=False):
                if cache == "dropped":
                    forget_files(folder)
                start, before = time.perf_counter(), time.process_time()
                find_hits(study, concept, CORPUS, modality, text_method=CHOSEN_TEXT, image_method=METHODS.chosen, limit=BEST)
                spent.append(1000 * (time.perf_counter() - start))
                cores.append(1000 * (time.process_time() - before))
            figures = (spent[0], *np.percentile(spent[1:], [50, 95]), max(spent[1:]), *np.percentile(cores[1:], [50, 95]))
            table.add_row(modality, cache, *(f"{figure:.1f}" for figure in figures))
    return table


def list_addresses(folder: Path) -> dict[str, list[dict[str, str]]]:
    """Of each page, other choices: each an address that nobody asked for before."""
    study = Study(folder)
    ranked = study.query(
        """SELECT concept FROM frequency WHERE corpus = $corpus AND method = $method
           GROUP BY concept ORDER BY max(count) DESC, concept""",
        corpus=CORPUS,
        method=CHOSEN_TEXT,
    )["concept"].tolist()
    drawn = [*ranked[:3], *ranked[10 :: max(len(ranked) // 12, 1)]]
    shown = [{"shown_by": word} for word in ("text", "image")]
    models = study.query("SELECT model FROM models ORDER BY model")["model"].tolist()[:8] if study.has("models") else []
    corpora = study.query("SELECT corpus FROM corpora ORDER BY corpus")["corpus"].tolist()
    methods = [{"method": method} for method in (*METHODS.text, *IMAGE[:3])]
    return {
        "": [{"corpus": corpus} for corpus in corpora],
        "distributions": methods + [{"curve": view} for view in ("Text or image", "Between corpora", "Threshold")],
        "scaling": [{"model": model} for model in models] + [{"view": view} for view in ("Several models", "Every model")],
        "compare": [{"model": model} for model in models],
        "concept": [{"concept": name} for name in drawn]
        + [{"concept": ranked[0], **more} for more in shown]
        + [{"concept": ranked[0], "text_method": method} for method in METHODS.text[1:]]
        + [{"concept": ranked[0], "image_method": method} for method in IMAGE[6:]]
        + [{"concept": ranked[0], "hits_page": page} for page in ("2", "5", "1000")],
        "misalignment": [{"disagreement": kind} for kind in ("text-only", "image-only")]
        + [{"threshold": f"{threshold:.2f}"} for threshold in THRESHOLDS]
        + [{"about": name} for name in drawn[:8]]
        + [{"about": ranked[0], "disagreement": "text-only"}, {"samples_page": "5"}, {"order": "boundary cases first"}],
        "let_it_wag": methods,
        "search_quality": [{"corpus": CORPUS}, {"modality": "image"}, {"modality": "text"}],
        "your_corpus": [{"part": part} for part in ("Rare", "Captions", "Against another")] + methods,
        "web_scale": [{"pairs": str(pairs)} for pairs in (1_000_000, 414_000_000, 5_000_000_000)],
        "test_set": [{"names": "\n".join(drawn[place : place + 5])} for place in range(6)],
        "probe": [{"setting": setting} for setting in ("class", "simple", "ensemble")],
    }


@dataclass(frozen=True)
class Asked:
    """A page's first answer and its changes, each in milliseconds by the clock and of the server's cores, and the server's
    megabytes after them."""

    first: tuple[float, float]
    changes: list[tuple[float, float]]
    megabytes: float


async def ask_page(port: int, process: int, page: str, addresses: Sequence[dict[str, str]]) -> Asked:
    """A page of a server that nobody has asked before, and then its other choices."""
    server, answers = psutil.Process(process), []
    async with visit(port) as visitor:
        for address in ({}, *addresses):
            before = server.cpu_times()
            opened = await visitor.open(page, urlencode(address))
            after = server.cpu_times()
            answers.append((opened.milliseconds, 1000 * (after.user + after.system - before.user - before.system)))
    return Asked(answers[0], answers[1:], measure_memory(process))


def time_pages(folder: Path) -> Table:
    """Every page from a server of its own, whose first visitor comes right after it has started."""
    table = Table(title="Every page, ms by the clock / of the server's cores; a change is a choice that nobody made before")
    for column in ("page", "first answer", "changes", "median", "worst", "which", "MB"):
        table.add_column(column, justify="left" if column in ("page", "which") else "right")
    addresses = list_addresses(folder)
    for entry in ENTRIES:
        page = "" if entry is ENTRIES[0] else entry.name
        with patch.dict(os.environ, TAILSCOPE_DATA=str(folder.parent)), serve("scripts/serve.py") as (port, process):
            asked = asyncio.run(ask_page(port, process, page, addresses[page]))
        clock, cores = zip(*asked.changes, strict=True)
        which = urlencode(addresses[page][cores.index(max(cores))])[:40]
        pairs = (asked.first, (statistics.median(clock), statistics.median(cores)), (max(clock), max(cores)))
        first, median, worst = (f"{one:,.0f} / {other:,.0f}" for one, other in pairs)
        table.add_row(entry.name, first, str(len(clock)), median, worst, which, f"{asked.megabytes:,.0f}")
    return table


def main(arguments: list[str] | None = None) -> None:
    """Makes the study where it is not there yet, and prints both tables."""
    parser = argparse.ArgumentParser(prog="benchmarks.large", description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=50_000_000)
    parser.add_argument("--folder", type=Path, help="where the study is made and stays; without it in a temporary one")
    parser.add_argument("--only", choices=("make", "look", "pages"), help="one of the three")
    given = parser.parse_args(arguments)
    console = Console(width=120)
    place = given.folder or Path(tempfile.mkdtemp(prefix="tailscope-large-"))
    study = place / "large"
    try:
        if not study.is_dir():
            start = time.perf_counter()
            make_study(study, given.samples)
            size = sum(path.stat().st_size for path in study.rglob("*.parquet"))
            console.print(f"{given.samples:,} samples made in {time.perf_counter() - start:,.0f} s: {size / 1e9:.1f} GB.")
        if given.only in (None, "look"):
            console.print(time_lookups(study))
        if given.only in (None, "pages"):
            console.print(time_pages(study))
    finally:
        if given.folder is None:
            shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main()
