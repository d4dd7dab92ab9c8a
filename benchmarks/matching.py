"""Misaligned samples and pairs of concepts, out of hits of text and image on disk: ours beside the paper's way and scipy's.

Reads: hits that are drawn by lot, in parts as `index` keeps them, half of the text's concepts in the image, too. The command:
python -m benchmarks.matching [--samples N] [--runs N]
Ours is what `index` does with its parts: they are read, matched and counted, and the table of misaligned samples is written as
the study has it; pairs of concepts are counted in a line of their own.
The paper's way, after its description: for each concept the list of its samples, by text and by image, as JSON; out of these
for each sample its list of concepts; sets of these lists intersected; and the misaligned ones as JSON. It is one process by
nature; it gets fewer samples, and its rate is taken for that of all. Each runs in a process of its own, in turns with the
others, and is timed once its libraries are loaded.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from statistics import median
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table
from scipy import sparse

from backend.study import ROOT
from precompute.corpus.sample import SCHEMA
from precompute.corpus.shard import Shard
from precompute.search.cooccurrence import Together, count_pairs, pile_together, sum_piles
from precompute.search.images import HITS_SCHEMA
from precompute.search.match import CHOSEN_TEXT, TEXT_SCHEMA, Counts, Methods, ShardPart, match_part
from precompute.search.merge import PARTS_AT_ONCE, keep_misaligned, write_misaligned
from precompute.search.parts import write_hits, write_rows
from precompute.search.placed import Merge, Placed, read_image, read_text
from precompute.search.text import vocabulary

CONCEPTS = 4_469
HITS = 3  # of a sample and a modality, on average
PART = 100_000  # samples
PAPER_SAMPLES = 500_000
LAYER = tuple(range(CONCEPTS))
NAMES = tuple(f"concept {number:04}" for number in range(CONCEPTS))
SHOWN = "openclip@0.25"
METHODS = Methods((CHOSEN_TEXT,), (SHOWN,), (0.25,), SHOWN)
LEAST = pa.scalar(METHODS.thresholds[0], pa.float32())  # score of an image hit
ALONE, BY_TWO, ALL = "misaligned alone", "misaligned alone, two threads", "misaligned, and pairs"
PAPER = "misaligned, the paper's way"
PAIRS, PRODUCT = "pairs of concepts", "pairs, scipy's X.T @ X"

Found = dict[str, float]


def draw_hits(number: int) -> tuple[pa.Table, pa.Table]:
    """The text and image hits of a part: concepts are as unequal as in captions; half of the text's are in the image."""
    chance = np.random.default_rng(number)
    weights = 1 / np.arange(10, CONCEPTS + 10)
    places = np.cumsum(weights / weights.sum())

    def draw(count: int) -> np.ndarray:
        rows = chance.integers(0, PART, count)
        return np.unique(rows * CONCEPTS + np.searchsorted(places, chance.random(count)).clip(0, CONCEPTS - 1))

    text = draw(int(HITS * PART * 1.04))
    image = np.unique(np.concatenate([chance.choice(text, len(text) // 2, replace=False), draw(HITS * PART // 2)]))
    scores = chance.uniform(0.2, 0.5, len(image)).astype(np.float32)
    ids, concepts = np.divmod(text, CONCEPTS)
    named = pa.table(
        [ids, concepts.astype(np.int32), np.full(len(ids), 1 << vocabulary.METHODS.index(CHOSEN_TEXT))], schema=TEXT_SCHEMA
    )
    ids, concepts = np.divmod(image, CONCEPTS)
    return named, pa.table([ids, concepts.astype(np.int32), scores], schema=HITS_SCHEMA)


def write_parts(folder: Path, samples: int) -> None:
    """The parts of a corpus."""
    for number in range(samples // PART):
        place = folder / f"{number:04}"
        place.mkdir()
        text, image = draw_hits(number)
        write_hits(place / "text.parquet", text)
        write_hits(place / "image.parquet", image)
        columns = {"sample_id": np.arange(PART), "key": [f"{row:09}" for row in range(PART)]}
        arrays = [pa.array(columns[name], kind) if name in columns else pa.nulls(PART, kind) for name, kind in _list_fields()]
        write_rows(place / "samples.parquet", pa.table(arrays, names=[name for name, _ in _list_fields()]))


def _list_fields() -> list[tuple[str, pa.DataType]]:
    return [(field.name, field.type) for field in SCHEMA]


def list_parts(folder: Path, samples: int) -> list[Path]:
    """The folders of the parts that so many samples fill."""
    return sorted(folder.iterdir())[: samples // PART]


def read_part(place: Path) -> ShardPart:
    """A part as `index` hands it to be matched; image hits below the threshold are among it."""
    merge, placed = describe_part(place)
    with pq.ParquetFile(placed.samples) as file:
        samples = file.read(["sample_id"], use_threads=False)
    return ShardPart(samples, read_text(merge, placed), read_image(merge, placed))


def keep_high(hits: pa.Table) -> pa.Table:
    """The hits that count: those of images at the threshold, all of text."""
    return hits.filter(pc.greater_equal(hits["score"], LEAST)) if "score" in hits.column_names else hits


def describe_part(place: Path) -> tuple[Merge, Placed]:
    """What `index` knows of a part."""
    folder = place.parent
    merge = Merge(folder, "drawn", NAMES, METHODS, folder, folder, (LAYER,))
    shard = Shard(int(place.name), place, "drawn")
    return merge, Placed(shard, place / "samples.parquet", (place / "text.parquet",), (place / "image.parquet",))


def match_ours(folder: Path, samples: int, threads: int = 1, with_pairs: bool = False) -> Found:
    """Matches all parts as a search does, and writes the misaligned samples as the study has them."""
    places = list_parts(folder, samples)
    merge, _ = describe_part(places[0])
    match_part(read_part(places[0]), NAMES, METHODS)  # what is compiled is compiled by that
    pairs = nullcontext() if with_pairs else patch("precompute.search.match.pair_concepts", lambda *found: {})

    def match_some(some: list[Path]) -> Counts:
        counted, tables = Counts.of_nothing(CONCEPTS, METHODS), []
        for place in some:
            table, counts = match_part(read_part(place), NAMES, METHODS)
            counted.add(counts)
            tables.append(table)
        kept = Path(work) / f"{some[0].name}.arrow"
        keep_misaligned(pa.concat_tables(tables), kept)
        write_misaligned(merge, [kept], kept.with_suffix(".parquet"))
        return counted

    total = Counts.of_nothing(CONCEPTS, METHODS)
    with tempfile.TemporaryDirectory() as work, ThreadPoolExecutor(threads) as pool, pairs, measure_seconds() as seconds:
        jobs = [places[start : start + PARTS_AT_ONCE] for start in range(0, len(places), PARTS_AT_ONCE)]
        for counted in pool.map(match_some, jobs):
            total.add(counted)
    (misaligned,) = total.misaligned.values()
    return {"samples": total.samples, "found": misaligned} | seconds


@contextmanager
def measure_seconds() -> Iterator[dict[str, float]]:
    """What the block takes by the clock and of cores, once it has ended."""
    taken: dict[str, float] = {}
    clock, core = time.perf_counter(), time.process_time()
    yield taken
    taken |= {"clock": time.perf_counter() - clock, "core": time.process_time() - core}


def write_lists(folder: Path, samples: int, to: Path) -> int:
    """The hits as the paper's scripts keep them, a JSON file a modality: the list of its samples for each concept."""
    parts = list_parts(folder, min(samples, PAPER_SAMPLES))
    for modality in ("text", "image"):
        lists: dict[str, list[int]] = defaultdict(list)
        for number, place in enumerate(parts):
            hits = keep_high(getattr(read_part(place), modality))
            for concept, sample in zip(hits["concept"].to_pylist(), hits["sample_id"].to_pylist(), strict=True):
                lists[f"concept {concept:04}"].append(number * PART + sample)
        (to / f"{modality}.json").write_text(json.dumps(lists), encoding="utf-8")
    return len(parts) * PART


def match_as_paper(folder: Path, samples: int) -> Found:
    """Lists by concept, lists by sample, and sets."""
    with tempfile.TemporaryDirectory() as work:
        count = write_lists(folder, samples, Path(work))
        with measure_seconds() as seconds:
            by_sample = {"text": defaultdict(list), "image": defaultdict(list)}
            for modality, found in by_sample.items():
                for concept, hits in json.loads((Path(work) / f"{modality}.json").read_text("utf-8")).items():
                    for sample in hits:
                        found[sample].append(concept)
            misaligned = {}
            for sample, concepts in by_sample["text"].items():
                shown = by_sample["image"].get(sample)
                if shown and not set(concepts) & set(shown):
                    misaligned[sample] = (concepts, shown)
            (Path(work) / "misaligned.json").write_text(json.dumps(misaligned), encoding="utf-8")
        return {"samples": count, "found": len(misaligned)} | seconds


def pair_ours(folder: Path, samples: int) -> Found:
    """The pairs of text, of image, and of both, part by part, as `match_part` counts them."""
    return _count_pairs(folder, samples, count_pairs)


def pair_by_product(folder: Path, samples: int) -> Found:
    """The same as the products X.T @ X of scipy's sparse matrices."""
    return _count_pairs(folder, samples, _multiply)


def _multiply(keys: np.ndarray, size: int) -> Together:
    rows, concepts = np.divmod(keys, size)
    hits = sparse.csr_array((np.ones(len(rows), np.int64), (rows, concepts)), shape=(PART, size))
    return sparse.csr_array(sparse.triu(hits.T @ hits, k=1))


def _count_pairs(folder: Path, samples: int, count: Callable[[np.ndarray, int], Together]) -> Found:
    """The seconds of counting alone: what is read and sorted is there when it begins."""
    piles: dict[str, list[Together]] = {}
    parts, taken = list_parts(folder, samples), Counter()
    count(np.arange(PART) * CONCEPTS, CONCEPTS)  # what is compiled is compiled by that
    for place in parts:
        part = read_part(place)
        text, image = (
            np.sort(hits["sample_id"].to_numpy() * CONCEPTS + hits["concept"].to_numpy())
            for hits in (part.text, keep_high(part.image))
        )
        both = np.intersect1d(text, image, assume_unique=True)
        with measure_seconds() as seconds:
            pile_together(
                piles, {name: count(keys, CONCEPTS) for name, keys in (("text", text), ("image", image), ("both", both))}
            )
        taken.update(seconds)
    with measure_seconds() as seconds:
        total = sum_piles(piles)
    taken.update(seconds)
    return {"samples": len(parts) * PART, "found": sum(int(matrix.sum()) for matrix in total.values()), **taken}


CONTENDERS: dict[str, Callable[[Path, int], Found]] = {
    ALONE: match_ours,
    BY_TWO: partial(match_ours, threads=2),
    ALL: partial(match_ours, with_pairs=True),
    PAPER: match_as_paper,
    PAIRS: pair_ours,
    PRODUCT: pair_by_product,
}


def call_contender(name: str, folder: Path, samples: int) -> Found:
    """One run in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.matching", "--one", name, "--folder", str(folder), "--samples", str(samples)]
    return json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)


def main(arguments: list[str] | None = None) -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=10_000_000)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--one", help="a contender, to run once on the parts in --folder and print as JSON")
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args(arguments)
    if given.one:
        found = CONTENDERS[given.one](given.folder, given.samples)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps(found | {"peak": peak}))
        return
    runs: dict[str, list[Found]] = {name: [] for name in CONTENDERS}
    with tempfile.TemporaryDirectory() as folder:
        write_parts(Path(folder), given.samples)
        for _ in range(given.runs):
            for name, each in runs.items():
                each.append(call_contender(name, Path(folder), given.samples))
    Console(width=150).print(tabulate_runs(runs, given.samples))


def tabulate_runs(runs: dict[str, list[Found]], samples: int) -> Table:
    """The medians of the runs of each contender, and how many times its peer's rate it has."""
    table = Table(title=f"{samples:,} samples, {CONCEPTS:,} concepts, about {HITS} hits a sample and modality")
    heads = (
        "of samples",
        "found",
        "core seconds",
        "samples a core second",
        "times the peer",
        "by the clock",
        "times the peer",
        "MB",
    )
    table.add_column("what")
    for head in heads:
        table.add_column(head, justify="right")
    rates = {
        (name, kind): median(run["samples"] / run[kind] for run in each)
        for name, each in runs.items()
        for kind in ("core", "clock")
    }
    for name, each in runs.items():
        peer = PRODUCT if name in (PAIRS, PRODUCT) else PAPER
        core, clock = (median(run[kind] for run in each) for kind in ("core", "clock"))
        times = {kind: rates[name, kind] / rates[peer, kind] for kind in ("core", "clock")}
        table.add_row(
            name,
            *(f"{each[0][value]:,}" for value in ("samples", "found")),
            *(
                f"{core:,.1f}",
                f"{rates[name, 'core']:,.0f}",
                f"{times['core']:,.1f}",
                f"{clock:,.1f}",
                f"{times['clock']:,.1f}",
            ),
            f"{max(run['peak'] for run in each):,.0f}",
        )
    return table


if __name__ == "__main__":
    main()
