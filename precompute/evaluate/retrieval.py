"""Retrieval: how often a model finds an image's caption (i2t), and a caption's image (t2i), among all of a test set.

Reads: held-out pairs in the layouts of `precompute.corpus`. Writes nothing: scores are handed back.
A concept's score is the mean over the images, or captions, that name it; the concepts of a caption are those that text search
finds in it, those of an image the ones of its captions. The release's COCO figures fit that: those of helmet are of 30 images
and 54 captions.
Cost beside encoding: 4 s for COCO's 5,000 images with five captions each, features of 512 numbers, on one core of a server.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from backend.errors import SourceError
from backend.models.encode import Model
from backend.score_settings import name_ranked
from precompute.corpus.registry import find_shards, read_samples
from precompute.corpus.sample import NO_IMAGE
from precompute.corpus.shard import Reading, ReadOptions
from precompute.evaluate.prepared import Place
from precompute.ledger import Ledger, describe_entry
from precompute.search.text import compile_vocabulary, search_captions

RANKS = (1, 5, 10)
METHOD = "lemmatized"  # of the text search that says which concepts a caption names
CELLS_AT_ONCE = 1 << 24  # similarities in memory: 64 MB, and twice as much beside them
TEXT_FILES = ("tar", "folder")  # kinds of shards in which an image's captions are a text file of their own
ELSEWHERE = "its image is not here"
LOST_IMAGE = "its image cannot be encoded"


@dataclass(frozen=True, eq=False)
class Pairs:
    """The places of images, captions, and the number of the image that each caption belongs to, int64 (captions,)."""

    places: list[Place]
    captions: list[str]
    of_image: np.ndarray


@dataclass(frozen=True, eq=False)
class Standing:
    """Where the best right answer of each query stands: int64 (queries,) each.

    above: wrong answers that are nearer · tied: answers, right and wrong, that are just as near · right: right ones of these.
    """

    above: np.ndarray
    tied: np.ndarray
    right: np.ndarray


@dataclass(frozen=True, eq=False)
class RecallScores:
    """A model's recall in percent: `values` of each concept (nan without a query), with n queries; `overall` of all queries."""

    values: np.ndarray
    n: np.ndarray
    overall: float


def read_pairs(patterns: Sequence[str], ledger: Ledger, images: Path | None = None) -> Pairs:
    """The pairs of all shards that the patterns match; captions of one photo belong to one image. The ledger counts pairs.

    A text file of several lines is several captions, as benchmarks of retrieval keep them; in a list a caption is one, however
    it is broken. images: the folder of the photos that
    lists name, where that is neither theirs nor `images` in it. Raises SourceError where no photo is here.
    """
    numbers: dict[Place, int] = {}
    captions: list[str] = []
    of_image: list[int] = []
    for shard in find_shards(patterns, ReadOptions(images=images)):
        for sample in sorted(read_samples(shard, Reading(ledger)), key=lambda sample: sample.sample_id):
            if sample.image is None or sample.image.kind == "url":
                ledger.written -= 1
                ledger.dropped[NO_IMAGE if sample.image is None else ELSEWHERE] += 1
                continue
            texts = sample.caption.splitlines() if shard.kind in TEXT_FILES else [" ".join(sample.caption.split())]
            lines = [text.strip() for text in texts if text.strip()]
            ledger.take(written=max(len(lines) - 1, 0))
            place = sample.image.below(shard.root).columns()
            number = numbers.setdefault(place, len(numbers))
            of_image += [number] * len(lines)
            captions += lines
    if not captions:
        raise SourceError(
            f"{', '.join(patterns)}: no pair of a caption and an image that is here "
            f"({describe_entry('pairs', ledger.entry())}). Where the photos of a list lie in another folder, name it: "
            "--images NAME=FOLDER."
        )
    return Pairs(list(numbers), captions, np.array(of_image, np.int64))


def keep_encoded(pairs: Pairs, encoded: np.ndarray, ledger: Ledger) -> Pairs:
    """The pairs of the images that could be encoded (their numbers, rising); the ledger books the others as dropped."""
    renumbered = np.full(len(pairs.places), -1, np.int64)
    renumbered[encoded] = np.arange(len(encoded))
    of_image = renumbered[pairs.of_image]
    lost = int((of_image < 0).sum())
    if lost:
        ledger.written -= lost
        ledger.dropped[LOST_IMAGE] += lost
    captions = [caption for caption, number in zip(pairs.captions, of_image, strict=True) if number >= 0]
    return Pairs([pairs.places[number] for number in encoded], captions, of_image[of_image >= 0])


def evaluate_retrieval(model: Model, images: np.ndarray, pairs: Pairs, concepts: Sequence[str]) -> dict[str, RecallScores]:
    """Recall by setting (i2t@1 ... t2i@10) for each of the concepts; `images` are the features of the pairs' images.

    A caption that stands several times is encoded once, so that its copies are equally near.
    """
    distinct = {caption: number for number, caption in enumerate(dict.fromkeys(pairs.captions))}
    of_text = np.array([distinct[caption] for caption in pairs.captions], np.int64)
    texts = model.encode_texts(list(distinct))
    rows, named = search_captions(pa.array(pairs.captions, pa.string()), compile_vocabulary(concepts))[METHOD]
    shown = np.unique(np.stack([pairs.of_image[rows], named]), axis=1)
    scores = {}
    for direction, standing, queries in (
        ("i2t", rank_captions(images, texts, pairs.of_image, of_text), shown),
        ("t2i", rank_images(images, texts, pairs.of_image, of_text), np.stack([rows, named])),
    ):
        for rank in RANKS:
            hits = chance_within(standing, rank)
            scores[name_ranked(direction, rank)] = _average(hits, queries, len(concepts))
    return scores


def rank_captions(images: np.ndarray, texts: np.ndarray, of_image: np.ndarray, of_text: np.ndarray) -> Standing:
    """For each image, where its best caption stands among all captions.

    images (images, width), texts (distinct captions, width) · of each caption its image and its text: int (captions,).
    """
    copies = np.bincount(of_text, minlength=len(texts))
    several = np.flatnonzero(copies > 1)  # few, as a rule
    more = copies[several] - 1
    order = np.argsort(of_image, kind="stable")
    begins = np.searchsorted(of_image[order], np.arange(len(images) + 1))
    blocks = []
    at_once = max(CELLS_AT_ONCE // max(len(texts), 1), 1)
    for start in range(0, len(images), at_once):
        stop = min(start + at_once, len(images))
        near = images[start:stop] @ texts.T
        own = order[begins[start] : begins[stop]]
        rows, columns = of_image[own] - start, of_text[own]
        best = np.full(stop - start, -np.inf, near.dtype)
        np.maximum.at(best, rows, near[rows, columns])
        right = np.bincount(rows[near[rows, columns] == best[rows]], minlength=stop - start)
        above, tied = (
            np.count_nonzero(cells, axis=1) + cells[:, several] @ more
            for cells in (near > best[:, None], near == best[:, None])
        )
        blocks.append((above, tied, right))
    return _join(blocks)


def rank_images(images: np.ndarray, texts: np.ndarray, of_image: np.ndarray, of_text: np.ndarray) -> Standing:
    """For each caption, where its image stands among all images; arguments as in `rank_captions`."""
    blocks = []
    at_once = max(CELLS_AT_ONCE // max(len(images), 1), 1)
    for start in range(0, len(of_text), at_once):
        near = texts[of_text[start : start + at_once]] @ images.T
        own = near[np.arange(len(near)), of_image[start : start + at_once]][:, None]
        blocks.append((np.count_nonzero(near > own, axis=1), np.count_nonzero(near == own, axis=1), np.ones(len(near))))
    return _join(blocks)


def chance_within(standing: Standing, rank: int) -> np.ndarray:
    """The chance that a right answer is among the first `rank`, float64 (queries,), where ties fall in random order.

    Without ties that is 0 or 1. With them, for example, one right answer of four equally near has 1/4 at rank 1:

    >>> one = np.array([1])
    >>> chance_within(Standing(above=one - 1, tied=one * 4, right=one), 1).tolist()
    [0.25]
    """
    places = rank - standing.above
    miss = np.ones(len(places))
    for drawn in range(rank):
        wrong = np.maximum(standing.tied - standing.right - drawn, 0)
        miss *= np.where(drawn < places, wrong / np.maximum(standing.tied - drawn, 1), 1.0)
    return 1.0 - miss


def _join(blocks: list[tuple]) -> Standing:
    columns = zip(*blocks, strict=True) if blocks else [[np.empty(0)]] * 3
    return Standing(*(np.concatenate(column).astype(np.int64) for column in columns))


def _average(hits: np.ndarray, queries: np.ndarray, concepts: int) -> RecallScores:
    """Means by concept; `queries` are the (query, concept) pairs, int (2, pairs)."""
    numbers, named = queries
    n = np.bincount(named, minlength=concepts)
    total = np.bincount(named, weights=hits[numbers], minlength=concepts)
    values = np.divide(100.0 * total, n, out=np.full(concepts, np.nan), where=n > 0)
    return RecallScores(values, n, float(100.0 * hits.mean()) if len(hits) else np.nan)
