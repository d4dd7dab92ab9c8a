"""Matches what captions name with what images show, shard by shard: joint hits, misaligned samples, and how many there are.

A shard is matched by itself: joint hits and misaligned samples follow from its own text and image hits, and counts are sums
over shards.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from backend.methods import Method, join_methods
from backend.schema import TABLES
from precompute.search.cooccurrence import Together, count_pairs, load_together, pile_together, save_together, sum_piles
from precompute.search.match_kernels import choose_loop, compare_hits, list_hits, sort_hits
from precompute.search.text import METHODS, count_hits, has_method

CHOSEN_TEXT = "lemmatized"  # the text side of joint hits and misaligned samples: the paper's rule
TEXT_SCHEMA = pa.schema([("sample_id", pa.int64()), ("concept", pa.int32()), ("methods", pa.uint8())])


@dataclass(frozen=True)
class Methods:
    """How a corpus was searched: `image` by rising threshold, one method each; none where images were not searched.

    What is stored of the image hits are those of the first, whose scores decide about the others. `chosen` is the one of
    them that stands for the others where pairs of concepts are counted.
    """

    text: tuple[str, ...] = METHODS
    image: tuple[str, ...] = ()
    thresholds: tuple[float, ...] = ()
    chosen: str | None = None

    @property
    def joint(self) -> tuple[str, ...]:
        """The chosen text method with each image method."""
        return tuple(join_methods(CHOSEN_TEXT, image) for image in self.image)


@dataclass
class Counts:
    """What adds up over shards: samples, and by method the hits of each concept (concepts,); by joint method the samples
    with a concept, and those where text and image have some and none in common.

    `distinct`: by text method the different captions that hit each concept, by image method the different image files, where
    those are known; a content counts where it is met first in the corpus. `piles`: by the chosen text, image and joint method
    in how many samples two concepts are hit.
    """

    samples: int
    hits: dict[str, np.ndarray]
    extracted: dict[str, int]
    misaligned: dict[str, int]
    distinct: dict[str, np.ndarray] = field(default_factory=dict)
    piles: dict[str, list[Together]] = field(default_factory=dict)

    @property
    def together(self) -> dict[str, Together]:
        """By the chosen text, image and joint method in how many samples two concepts are hit."""
        return sum_piles(self.piles)

    @classmethod
    def of_nothing(cls, concepts: int, methods: Methods) -> "Counts":
        """Zeros for every method, to add to."""
        hits = {name: np.zeros(concepts, np.int64) for name in (*methods.text, *methods.image, *methods.joint)}
        return cls(0, hits, dict.fromkeys(methods.joint, 0), dict.fromkeys(methods.joint, 0))

    @classmethod
    def load(cls, folder: Path, methods: Methods) -> "Counts":
        """What `save` wrote of a search by these methods."""
        with np.load(folder / "counts.npz") as held:
            names = (*methods.text, *methods.image, *methods.joint)
            hits = dict(zip(names, held["hits"], strict=True))
            extracted, misaligned = (
                dict(zip(methods.joint, held[name].tolist(), strict=True)) for name in ("extracted", "misaligned")
            )
            distinct = dict(zip(held["different"].tolist(), held["distinct"], strict=True))
            piles = {method: [found] for method, found in load_together(folder).items()}
            return cls(int(held["samples"]), hits, extracted, misaligned, distinct, piles)

    def save(self, folder: Path) -> None:
        """Writes the counts into a folder, of methods in the order that `of_nothing` has."""
        extracted, misaligned = list(self.extracted.values()), list(self.misaligned.values())
        save_together(folder, self.together)
        hits = np.array(list(self.hits.values()))
        found = {"hits": hits, "extracted": extracted, "misaligned": misaligned}
        distinct = {"different": np.array(list(self.distinct)), "distinct": np.array(list(self.distinct.values()))}
        np.savez(folder / "counts.npz", samples=self.samples, **found, **distinct)

    def add(self, other: "Counts") -> None:
        """Adds another shard's counts."""
        self.samples += other.samples
        for mine, others in ((self.hits, other.hits), (self.distinct, other.distinct)):
            for method, counts in others.items():
                mine[method] = mine.get(method, 0) + counts
        for method in other.extracted:
            self.extracted[method] += other.extracted[method]
            self.misaligned[method] += other.misaligned[method]
        pile_together(self.piles, other.together)


@dataclass(frozen=True)
class ShardPart:
    """What was found in one shard: samples by rising sample_id, text hits (`TEXT_SCHEMA`) and image hits (`HITS_SCHEMA`; none
    where images were not searched), both in any order."""

    samples: pa.Table
    text: pa.Table
    image: pa.Table


@dataclass(frozen=True)
class HitsByRow:
    """Hits by row of their sample: where each row's begin and the last ones end, int64 (rows + 1,); keys, row * concepts +
    concept, int64, rising; float32 scores, where they have some."""

    bounds: np.ndarray
    keys: np.ndarray
    scores: np.ndarray
    has_scores: bool

    @property
    def has_some(self) -> np.ndarray:
        """Which rows have a hit."""
        return self.bounds[1:] > self.bounds[:-1]


def match_part(part: ShardPart, concepts: Sequence[str], methods: Methods) -> tuple[pa.Table, Counts]:
    """The rows of `misaligned` (without `corpus`) of one shard, its concepts as dictionaries; and the shard's counts.

    A score counts from a threshold on, both as float32; an image hit below the lowest is none. Conflicting are samples with
    text concepts, an image concept at the threshold, and none in common there.
    """
    size, sample_ids = len(concepts), part.samples["sample_id"].to_numpy()
    thresholds = np.array(methods.thresholds, np.float32)
    sets = part.text["methods"].to_numpy()
    hits = count_hits(part.text["concept"].to_numpy(), sets, size, methods.text)
    text = _sort_hits(part.text, has_method(sets, CHOSEN_TEXT), sample_ids, size)
    scores = part.image["score"].to_numpy()
    image = _sort_hits(part.image, scores >= thresholds.min(initial=np.inf), sample_ids, size)

    best, agreed = (np.full(len(sample_ids), -np.inf, np.float32) for _ in range(2))
    shared = np.zeros(len(image.keys), bool)
    shown, joint = (np.zeros((len(thresholds), size), np.int64) for _ in range(2))
    extracted, misaligned = (np.zeros(len(thresholds), np.int64) for _ in range(2))
    compare = choose_loop(compare_hits, len(text.keys) + len(image.keys))
    compare(
        (text.bounds, text.keys),
        (image.bounds, image.keys, image.scores, shared),
        size,
        thresholds,
        (best, agreed),
        (shown, joint, extracted, misaligned),
    )
    hits |= dict(zip((*methods.image, *methods.joint), (*shown, *joint), strict=True))
    piles = {name: [matrix] for name, matrix in pair_concepts(text, image, shared, size, methods).items()}
    differing = (dict(zip(methods.joint, counts.tolist(), strict=True)) for counts in (extracted, misaligned))
    counts = Counts(len(sample_ids), hits, *differing, piles=piles)

    kept = np.flatnonzero((text.has_some | image.has_some) & ~(agreed >= thresholds[-1])) if methods.image else np.empty(0, int)
    names = pa.array(concepts, pa.string())
    (text_concepts,), (image_concepts, image_scores) = (_list_hits(hits, kept, names) for hits in (text, image))
    columns = {
        "sample_id": pa.array(sample_ids[kept]),
        "text_concepts": text_concepts,
        "image_concepts": image_concepts,
        "image_scores": image_scores,
        "best": as_nullable(best[kept]),
        "agreed": as_nullable(agreed[kept]),
    }
    return pa.table(columns), counts


def pair_concepts(text: HitsByRow, image: HitsByRow, shared: np.ndarray, size: int, methods: Methods) -> dict[str, Together]:
    """In how many samples two concepts are hit, by the chosen text, image and joint method; `shared`: which image hits are of
    a concept that the text has, too."""
    found = {CHOSEN_TEXT: count_pairs(text.keys, size)}
    if methods.chosen:
        threshold = dict(zip(methods.image, methods.thresholds, strict=True))[methods.chosen]
        counted = image.scores >= np.float32(threshold)
        for name, these in ((methods.chosen, counted), (join_methods(CHOSEN_TEXT, methods.chosen), counted & shared)):
            found[name] = count_pairs(image.keys[these], size)
    return found


def _sort_hits(hits: pa.Table, chosen: np.ndarray, sample_ids: np.ndarray, size: int) -> HitsByRow:
    """The chosen hits of samples, whose ids rise, by their row, and by concept in each."""
    has_scores = "score" in hits.column_names
    rows, concepts = find_rows(sample_ids, hits["sample_id"].to_numpy()), _own(hits["concept"])
    scores = _own(hits["score"]) if has_scores else np.empty(0, np.float32)
    if (concepts[1:] < concepts[:-1]).any():  # those of several layers stand one after the other
        order = np.argsort(concepts, kind="stable")
        rows, concepts, chosen = rows[order], concepts[order], chosen[order]
        scores = scores[order] if has_scores else scores
    count = int(chosen.sum())
    bounds, keys = np.zeros(len(sample_ids) + 2, np.int64), np.empty(count, np.int64)
    sorted_scores = np.empty(count if has_scores else 0, np.float32)
    sort = choose_loop(sort_hits, len(rows))
    are_there = sort(rows, concepts, scores, chosen, size, (bounds, keys, sorted_scores))
    assert are_there, "a part has the samples of its hits"
    return HitsByRow(bounds[:-1], keys, sorted_scores, has_scores)


def find_rows(sample_ids: np.ndarray, found: np.ndarray) -> np.ndarray:
    """The rows of some samples among samples whose ids rise, int64."""
    is_whole = len(sample_ids) > 0 and int(sample_ids[-1] - sample_ids[0]) == len(sample_ids) - 1
    return found - sample_ids[0] if is_whole else np.searchsorted(sample_ids, found)


def _own(column: pa.ChunkedArray) -> np.ndarray:
    """The values as an array that may be written to, of which kind alone the loops are compiled."""
    return np.require(column.to_numpy(), requirements="W")


def _list_hits(hits: HitsByRow, kept: np.ndarray, names: pa.Array) -> list[pa.ListArray]:
    """For each of some rows the list of its concepts and, of image hits, that of their scores, the highest first."""
    count = int((hits.bounds[kept + 1] - hits.bounds[kept]).sum())
    offsets, concepts = np.zeros(len(kept) + 1, np.int32), np.empty(count, np.int32)
    scores = np.empty(count if hits.has_scores else 0, np.float32)
    fill = choose_loop(list_hits, count)
    fill(kept, hits.bounds, hits.keys, hits.scores, len(names), (offsets, concepts, scores))
    values = [pa.DictionaryArray.from_arrays(pa.array(concepts), names), *([pa.array(scores)] if hits.has_scores else [])]
    return [pa.ListArray.from_arrays(pa.array(offsets), each) for each in values]


def as_nullable(scores: np.ndarray) -> pa.Array:
    """Scores, of which one that is no finite number is null."""
    return pa.array(scores, pa.float32(), mask=~np.isfinite(scores))


def count_frequency(
    corpus: str, tasks: pd.DataFrame, concepts: Sequence[str], methods: Methods, counts: Counts
) -> pd.DataFrame:
    """The rows of `frequency`: for every method and every task, label, concept of `tasks` a count; zeros too.

    Sorted by method, task and label.
    """
    modalities = [("text", methods.text), ("image", methods.image), ("joint", methods.joint)]
    frames = [
        tasks.assign(
            corpus=corpus,
            modality=modality,
            method=method,
            count=tasks["concept"].map(dict(zip(concepts, counts.hits[method], strict=True))),
        )
        for modality, names in modalities
        for method in names
    ]
    return pd.concat(frames).sort_values(["method", "task", "label"], ignore_index=True)


def count_distinct(corpus: str, concepts: Sequence[str], counts: Counts) -> pd.DataFrame:
    """The rows of `distinct_hits`: for every text method, and image method whose images were at hand, and every concept."""
    frames = [
        pd.DataFrame({"concept": concepts, "count": found}).assign(
            corpus=corpus, modality=Method(method).modality, method=method
        )
        for method, found in counts.distinct.items()
    ]
    return pd.concat(frames).sort_values(["concept", "method"], ignore_index=True)


def describe_alignment(corpus: str, methods: Methods, counts: Counts) -> pd.DataFrame:
    """The rows of `alignment`: one a joint method; both degrees are 0 where there is nothing to divide by."""
    rows = [
        (corpus, method, misaligned, misaligned / max(counts.samples, 1), misaligned / max(counts.extracted[method], 1))
        for method, misaligned in counts.misaligned.items()
    ]
    return pd.DataFrame(rows, columns=TABLES["alignment"].schema.names)
