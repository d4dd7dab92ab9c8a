"""Captions from a Parquet file to sorted hits on disk: the compiled search beside the paper's way, strings, and a bare read.

Reads: the published study's concepts, or the embedded one's; real captions of ../shared/data beside the checkout, drawn by lot
until there are enough of them, or without them the embedded study's. The command:
python -m benchmarks.text_search [--captions N ...] [--threads N] [--runs N]
Each contender runs in a process of its own, in turns with the others, and is timed once its libraries are loaded; those that
take long get fewer captions, and their rate is taken for that of all (the table says how many). The paper's way, after its
description and its scripts: spaCy's pipeline over all captions in one process, a dictionary from lemma to caption numbers, and
for each concept the sets of its words intersected. A blank pipeline with the lookup lemmatizer stands for its tagger, which is
many times slower: a lower bound of its time. It has two of the three methods. Aho-Corasick (pyahocorasick, where it is
installed) finds the names as strings, in the midst of words too. Only the compiled search sorts its hits.
"""

import argparse
import gzip
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from importlib.util import find_spec
from operator import attrgetter
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from backend.errors import TailscopeError
from backend.study import ROOT, STUDIES, Study
from precompute.search.parts import write_text_hits
from precompute.search.text import METHODS, compile_vocabulary
from precompute.search.text.runs import HitRuns, find_runs
from precompute.search.text.search import find_fault

if TYPE_CHECKING:
    from spacy.language import Language

REAL = ROOT.parent / "shared" / "data"
BATCH = 1 << 16
PAPER_CAPTIONS = 50_000
STRING_CAPTIONS = 300_000
Work = Callable[[], tuple[int, int]]  # gives how many captions were read, and how many hits found

_NO_LETTER = re.compile("[^A-Za-z ]")


@dataclass(frozen=True)
class Run:
    """One run of a contender: captions read, hits found, seconds by the clock and of all cores, and peak memory in MB."""

    captions: int
    hits: int
    seconds: float
    core_seconds: float
    peak: float


def read_captions() -> list[str]:
    """The distinct captions to draw from, in order."""
    if not (REAL / "text").is_dir():
        return Study(STUDIES / "synthetic").query("SELECT DISTINCT caption FROM samples ORDER BY caption")["caption"].tolist()
    lines = (REAL / "flickr8k-1000" / "captions.txt").read_text("utf-8").splitlines()[1:]
    captions = {line.split(",", 1)[1] for line in lines}
    coco = json.loads((REAL / "coco-mini" / "annotations" / "captions_val2017_full.json").read_text("utf-8"))
    captions |= {entry["caption"] for entry in coco["annotations"]}
    for path in (REAL / "text").glob("*.gz"):
        lines = gzip.decompress(path.read_bytes()).decode().splitlines()
        captions |= {line.split("\t")[0] for line in lines}
    captions |= set(pq.read_table(REAL / "text" / "web_alt_text_10000.parquet")["TEXT"].drop_null().to_pylist())
    return sorted(captions - {""})


def write_corpus(path: Path, pools: Sequence[Sequence[str]], count: int) -> None:
    """A Parquet file of so many captions, each a text of every pool, drawn by lot, one behind the other."""
    chance, columns = np.random.default_rng(0), [pa.array(pool, pa.string()) for pool in pools]
    with pq.ParquetWriter(path, pa.schema([("caption", pa.string())]), compression="zstd") as writer:
        for start in range(0, count, BATCH):
            size = min(BATCH, count - start)
            drawn = [column.take(pa.array(chance.integers(0, len(column), size))) for column in columns]
            writer.write_table(pa.table({"caption": pc.binary_join_element_wise(*drawn, " ")}))


def read_concepts() -> list[str]:
    """The concepts of the published study, else of the embedded one, sorted."""
    name = "published" if (STUDIES / "published").is_dir() else "synthetic"
    return sorted(Study(STUDIES / name).query("SELECT DISTINCT concept FROM concepts")["concept"])


def iterate_captions(path: Path, most: int | None = None) -> Iterator[pa.Array]:
    """The captions of a file in batches; at most so many, about."""
    with pq.ParquetFile(path) as file:
        held = 0
        for batch in file.iter_batches(BATCH, columns=["caption"]):
            if most is not None and held >= most:
                return
            held += len(batch)
            yield batch["caption"]


def read_column(path: Path, folder: Path, threads: int) -> Work:
    """Reads the column and leaves it."""
    return lambda: (sum(len(batch) for batch in iterate_captions(path)), 0)


def search_compiled(path: Path, folder: Path, threads: int, methods: tuple[str, ...] = METHODS) -> Work:
    """Ours: writes the hits as a shard of a corpus keeps them, sorted by concept and sample, one file for each thread."""
    concepts, fault = read_concepts(), find_fault()
    if fault:
        raise TailscopeError(f"The compiled search cannot be measured here: {fault}")
    numbers = np.arange(len(concepts), dtype=np.int32)

    def work() -> tuple[int, int]:
        with find_runs(iterate_captions(path), compile_vocabulary(concepts, methods), folder / "runs", threads) as runs:
            with ThreadPoolExecutor(threads) as pool:
                list(
                    pool.map(lambda part: write_text_hits(part[1], runs, numbers, spans=part[0]), _share(runs, folder, threads))
                )
            return runs.row_count, int(runs.counts.sum())

    return work


def _share(runs: HitRuns, folder: Path, threads: int) -> list[tuple[list[tuple[int, int]], Path]]:
    """Ranges of concepts with about as many hits for each thread, and its file."""
    spans = runs.split()
    hits = np.cumsum([runs.counts[start:stop].sum() for start, stop in spans])
    which = np.minimum(hits * threads // (hits[-1] + 1), threads - 1)
    return [
        ([span for span, owner in zip(spans, which, strict=True) if owner == thread], folder / f"hits-{thread}.parquet")
        for thread in range(threads)
    ]


def search_as_paper(path: Path, folder: Path, threads: int, methods: tuple[str, ...]) -> Work:
    """The paper's methods, out of one pass of its pipeline; the hits of each concept as JSON."""
    import spacy

    nlp = spacy.blank("en")
    nlp.add_pipe("lemmatizer", config={"mode": "lookup"})
    nlp.initialize()
    concepts = read_concepts()
    return lambda: _search_by_index(nlp, iterate_captions(path, PAPER_CAPTIONS), concepts, methods, folder)


def _search_by_index(
    nlp: "Language", batches: Iterator[pa.Array], concepts: list[str], methods: tuple[str, ...], folder: Path
) -> tuple[int, int]:
    captions = [text.lower() for batch in batches for text in batch.to_pylist()]
    documents = list(nlp.pipe(captions, batch_size=5_000))
    hits = 0
    for name in methods:
        spell = attrgetter("lemma_" if name == "lemmatized" else "lower_")
        index: dict[str, list[int]] = {}
        for number, document in enumerate(documents):
            for word in {_NO_LETTER.sub("", spell(token)) for token in document}:
                index.setdefault(word, []).append(number)
        found = {}
        for concept in concepts:
            words = [spell(token) for word in concept.split() for token in nlp(word)]
            sets = [set(index[word]) for word in words if word in index]
            found[concept] = list(set.intersection(*sets)) if sets else []
        hits += sum(map(len, found.values()))
        (folder / f"{name}.json").write_text(json.dumps(found), encoding="utf-8")
    return len(captions), hits


def search_strings(path: Path, folder: Path, threads: int) -> Work:
    """Aho-Corasick: which names stand in each caption as strings, wherever; pairs of numbers, not sorted."""
    import ahocorasick

    automaton = ahocorasick.Automaton()
    for number, concept in enumerate(read_concepts()):
        automaton.add_word(concept, number)
    automaton.make_automaton()

    def work() -> tuple[int, int]:
        row = hits = 0
        with (folder / "hits.bin").open("wb") as file:
            for batch in iterate_captions(path, STRING_CAPTIONS):
                pairs = []
                for text in batch.to_pylist():
                    pairs += [(row, number) for number in {number for _, number in automaton.iter(text.lower())}]
                    row += 1
                file.write(np.array(pairs, np.int64))
                hits += len(pairs)
        return row, hits

    return work


CONTENDERS = {
    "lemmatized": partial(search_compiled, methods=("lemmatized",)),
    "all three methods": search_compiled,
    "the paper's way, lemmatized": partial(search_as_paper, methods=("lemmatized",)),
    "the paper's way, its two methods": partial(search_as_paper, methods=("lemmatized", "lowercased")),
    "Aho-Corasick": search_strings,
    "reading the column": read_column,
}


def time_contender(name: str, path: Path, threads: int) -> Run:
    """One run in this process."""
    with tempfile.TemporaryDirectory() as folder:
        work = CONTENDERS[name](path, Path(folder), threads)
        before, started = time.process_time(), time.perf_counter()
        captions, hits = work()
        seconds, core_seconds = time.perf_counter() - started, time.process_time() - before
    return Run(captions, hits, seconds, core_seconds, read_peak())


def read_peak() -> float:
    """The most memory that this process has had, in MB; `getrusage` tells its parent's, where that had more."""
    status = Path("/proc/self/status").read_text("ascii")
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024


def call_contender(name: str, path: Path, threads: int) -> Run:
    """One run in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.text_search", "--one", name, "--file", str(path), "--threads", str(threads)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return Run(**json.loads(done.stdout))


def show(title: str, runs: dict[str, list[Run]]) -> Table:
    """The table of one corpus: medians over the runs."""
    table = Table(title=title)
    for column in ("what", "of captions", "hits a caption", "captions/s", "a core second", "MB", "times paper", "times read"):
        table.add_column(column, justify="left" if column == "what" else "right")
    rates = {name: median(run.captions / run.seconds for run in each) for name, each in runs.items()}
    for name, each in runs.items():
        paper = "the paper's way, its two methods" if name == "all three methods" else "the paper's way, lemmatized"
        table.add_row(
            name,
            f"{each[0].captions:,}",
            f"{each[0].hits / each[0].captions:.2f}",
            f"{rates[name]:,.0f}",
            f"{median(run.captions / run.core_seconds for run in each):,.0f}",
            f"{max(run.peak for run in each):,.0f}",
            f"{rates[name] / rates[paper]:,.1f}",
            f"{rates['reading the column'] / rates[name]:,.1f}",
        )
    return table


def main(arguments: list[str] | None = None) -> None:
    """Prints a table for each number of captions."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--captions", type=int, nargs="*", default=[1_000_000, 10_000_000])
    parser.add_argument("--threads", type=int, default=2 * (os.cpu_count() or 1))  # some of them wait for bytes
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--one", help="a contender, to run once on --file and print as JSON")
    parser.add_argument("--file", type=Path)
    given = parser.parse_args(arguments)
    if given.one:
        print(json.dumps(asdict(time_contender(given.one, given.file, given.threads))))
        return
    names = [name for name in CONTENDERS if name != "Aho-Corasick" or find_spec("ahocorasick")]
    with tempfile.TemporaryDirectory() as folder:
        distinct = read_captions()
        for count in given.captions:
            path = Path(folder) / f"{count}.parquet"
            write_corpus(path, [distinct], count)
            runs: dict[str, list[Run]] = {name: [] for name in names}
            for _ in range(given.runs):
                for name in names:
                    runs[name].append(call_contender(name, path, given.threads))
            sizes = f"{count:,} captions ({len(distinct):,} distinct), {len(read_concepts()):,} concepts"
            title = f"{sizes}, {given.threads} threads, {os.cpu_count()} cores"
            Console(width=140).print(show(title, runs))
            path.unlink()


if __name__ == "__main__":
    main()
