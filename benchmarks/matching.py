"""Misaligned samples and pairs of concepts, out of the hits of text and image on disk: ours beside the paper's way and scipy's.

Ours is the job by which `index` matches its parts: hits of a part in two files, by concept, and out come the table of misaligned
samples and all counts, pairs among them. The paper's way, after its description: for each concept the list of its samples, by text
and by image; out of these for each sample its list of concepts; and sets of these lists intersected. It gets fewer samples, and
its rate is taken for that of all. Each runs in a process of its own. The command: python -m benchmarks.matching [--samples N]
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table
from scipy import sparse

from backend.study import ROOT
from precompute.corpus.sample import SCHEMA
from precompute.search.cooccurrence import add_together, count_together
from precompute.search.images import HITS_SCHEMA
from precompute.search.match import CHOSEN_TEXT, TEXT_SCHEMA, Counts, Methods, ShardPart, match_part
from precompute.search.parts import write_hits, write_rows

CONCEPTS = 4_469
HITS = 3  # of a sample and a modality, on average
PART = 100_000  # samples
PAPER_SAMPLES = 500_000
LEAST = np.float32(0.25)  # score of an image hit
SHOWN = "openclip@0.25"
METHODS = Methods((CHOSEN_TEXT,), (SHOWN,), (0.25,), SHOWN)

Found = dict[str, float]


def draw_hits(number: int) -> tuple[pa.Table, pa.Table]:
    """The text and image hits of a part: concepts are as unequal as in captions, and half of the text's are in the image too."""
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
    named = pa.table([pa.repeat(CHOSEN_TEXT, len(ids)), ids, concepts.astype(np.int32)], schema=TEXT_SCHEMA)
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
    """A part as `index` hands it to be matched."""
    text, image, samples = (pq.read_table(place / f"{name}.parquet") for name in ("text", "image", "samples"))
    return ShardPart(samples, text, image.filter(pc.greater_equal(image["score"], pa.scalar(LEAST, pa.float32()))))


def match_ours(folder: Path, samples: int) -> Found:
    """Matches all parts as a search does, pairs of concepts left out or counted with them."""
    names = tuple(f"concept {number:04}" for number in range(CONCEPTS))
    total = Counts.of_nothing(CONCEPTS, METHODS)
    with tempfile.TemporaryDirectory() as work:
        for place in list_parts(folder, samples):
            table, counts = match_part(read_part(place), names, METHODS)
            pq.write_table(table, Path(work) / f"{place.name}.parquet", compression="zstd")
            total.add(counts)
    (misaligned,) = total.misaligned.values()
    return {"samples": total.samples, "misaligned": misaligned}


def match_as_paper(folder: Path, samples: int) -> Found:
    """Lists by concept, lists by sample, and sets."""
    by_concept: dict[str, dict[int, list[int]]] = {"text": defaultdict(list), "image": defaultdict(list)}
    parts = list_parts(folder, min(samples, PAPER_SAMPLES))
    for number, place in enumerate(parts):
        for modality, concepts in by_concept.items():
            table = pq.read_table(place / f"{modality}.parquet")
            if modality == "image":
                table = table.filter(pa.compute.greater_equal(table["score"], pa.scalar(np.float32(0.25))))
            for concept, sample in zip(table["concept"].to_pylist(), table["sample_id"].to_pylist(), strict=True):
                concepts[concept].append(number * PART + sample)
    start = time.perf_counter()
    by_sample = {"text": defaultdict(list), "image": defaultdict(list)}
    for modality, concepts in by_concept.items():
        for concept, found in concepts.items():
            for sample in found:
                by_sample[modality][sample].append(concept)
    misaligned = {}
    for sample, concepts in by_sample["text"].items():
        shown = by_sample["image"].get(sample)
        if shown and not set(concepts) & set(shown):
            misaligned[sample] = (concepts, shown)
    return {"samples": len(parts) * PART, "misaligned": len(misaligned), "seconds": time.perf_counter() - start}
