"""Recall per concept in the largest test sets of retrieval: how long it takes and how much memory, beside the plain way.

Reads: real captions of ../shared/data beside the checkout, else of the embedded study. Features are drawn by lot: what they
are changes neither time nor memory. The command: python -m benchmarks.retrieval [--images N] [--plain N] [--width N]
Ours is all that follows encoding: the concepts of every caption, where every image and caption stands, recall of each concept.
The plain way is the whole matrix of similarities and torch's `topk` over its rows and columns, as CLIP benchmark does it, for
recall of the whole set alone. It needs 4 bytes a pair, 18 GB here, so that it is run with fewer images and its rate is told.
Each runs in a process of its own, whose peak memory is the system's word.
"""

import argparse
import multiprocessing
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.text_search import read_captions, read_concepts
from precompute.evaluate.retrieval import RANKS, Pairs, evaluate_retrieval

AIM_BYTES = 2e9
CAPTIONS = 5  # of an image
ROWS_AT_ONCE = 4096


class DrawnTexts:
    """Stands for a model: the features of texts, drawn by lot."""

    def __init__(self, width: int):
        self.width = width

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        """A feature a text, whatever it says."""
        return draw_features(len(texts), self.width, seed=1)


def draw_features(number: int, width: int, seed: int) -> np.ndarray:
    """Features by lot, float32 (number, width), each of length 1."""
    chance = np.random.default_rng(seed)
    features = np.empty((number, width), np.float32)
    for start in range(0, number, ROWS_AT_ONCE):
        rows = features[start : start + ROWS_AT_ONCE]
        rows[:] = chance.standard_normal(rows.shape, np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return features


def make_pairs(images: int) -> Pairs:
    """Images with five captions each; the same captions come again, with their round, where there are not enough."""
    real = read_captions()
    number = images * CAPTIONS
    captions = [f"{real[n % len(real)]}{f' {n // len(real)}' * (n >= len(real))}" for n in range(number)]
    return Pairs([], captions, np.repeat(np.arange(images), CAPTIONS))


def rank_ours(images: int, width: int) -> float:
    """Seconds of all that follows encoding."""
    pairs, concepts, features = make_pairs(images), read_concepts(), draw_features(images, width, seed=0)
    start = time.perf_counter()
    evaluate_retrieval(DrawnTexts(width), features, pairs, concepts)
    return time.perf_counter() - start


def rank_plain(images: int, width: int) -> float:
    """Seconds of recall over the whole matrix."""
    import torch

    features = torch.from_numpy(draw_features(images, width, seed=0))
    texts = torch.from_numpy(draw_features(images * CAPTIONS, width, seed=1))
    of_image = torch.arange(images).repeat_interleave(CAPTIONS)
    start = time.perf_counter()
    scores = texts @ features.T
    near_images, near_texts = scores.topk(max(RANKS), dim=1).indices, scores.T.topk(max(RANKS), dim=1).indices
    for rank in RANKS:
        (near_images[:, :rank] == of_image[:, None]).any(dim=1).float().mean()
        (of_image[near_texts[:, :rank]] == torch.arange(images)[:, None]).any(dim=1).float().mean()
    return time.perf_counter() - start


def run_alone(work: Callable[[int, int], float], images: int, width: int) -> tuple[float, float, float]:
    """Seconds of the work by the clock, seconds of all cores of its whole process, and its peak memory in bytes."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_measure, work, images, width).result()


def _measure(work: Callable[[int, int], float], images: int, width: int) -> tuple[float, float, float]:
    seconds = work(images, width)
    return seconds, time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def describe(name: str, images: int, found: tuple[float, float, float]) -> Iterator[str]:
    """A row of the table."""
    seconds, core_seconds, peak = found
    cells = images * images * CAPTIONS
    yield from (name, f"{images:,} x {images * CAPTIONS:,}", f"{seconds:.1f}", f"{core_seconds:.1f}")
    yield from (f"{cells / seconds / 1e6:,.0f}", f"{peak / 1e6:,.0f}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=30_000)
    parser.add_argument("--plain", type=int, default=5_000)
    parser.add_argument("--width", type=int, default=512)
    options = parser.parse_args(arguments)
    ours = run_alone(rank_ours, options.images, options.width)
    plain = run_alone(rank_plain, options.plain, options.width)
    table = Table(title=f"Recall at {', '.join(map(str, RANKS))}, both ways; features of {options.width} numbers")
    for head in ("way", "images x captions", "seconds", "of cores, with start", "M pairs a second", "peak MB"):
        table.add_column(head, justify="left" if head == "way" else "right")
    table.add_row(*describe(f"ours, {len(read_concepts()):,} concepts", options.images, ours))
    table.add_row(*describe("plain, no concepts", options.plain, plain))
    console = Console(width=120)
    console.print(table)
    console.print(f"Peak memory {ours[2] / 1e9:.2f} GB: the aim of {AIM_BYTES / 1e9:.0f} GB is {_tell(ours[2] <= AIM_BYTES)}.")


def _tell(met: bool) -> str:
    return "met" if met else "missed"


if __name__ == "__main__":
    main()
