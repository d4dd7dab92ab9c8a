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
from precompute.search.match_kernels import choose_loop, join_hits, rank_hits
from precompute.search.text import METHODS, has_method

CHOSEN_TEXT = "lemmatized"  # the text side of joint hits and misaligned samples: the paper's rule
TEXT_SCHEMA = pa.schema([("sample_id", pa.int64()), ("concept", pa.int32()), ("methods", pa.uint8())])

_BY_SAMPLE = [("sample_id", "ascending"), ("concept", "ascending")]


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


def match_part(part: ShardPart, concepts: Sequence[str], methods: Methods) -> tuple[pa.Table, Counts]:
    """The rows of `misaligned` (without `corpus`) of one shard, and its counts.

    A score counts from a threshold on, both as float32. Conflicting are samples with text concepts, an image concept at
    the threshold, and none in common there.
    """
    size, rows = len(concepts), part.samples.num_rows
    sample_ids = part.samples["sample_id"].to_numpy()
    sets, named = part.text["methods"].to_numpy(), part.text["concept"].to_numpy()
    hits = {method: np.bincount(named[has_method(sets, method)], minlength=size) for method in methods.text}
    text = np.sort(_make_keys(part.text.filter(pa.array(has_method(sets, CHOSEN_TEXT))), sample_ids, size))
    image = _make_keys(part.image, sample_ids, size)
    order = np.argsort(image)
    image, scores = image[order], part.image["score"].to_numpy()[order]
    shared, has_text = np.zeros(len(image), bool), np.zeros(rows, bool)
    best, agreed = (np.full(rows, -np.inf, np.float32) for _ in range(2))
    join = choose_loop(join_hits, len(text) + len(image))
    join(text, image, scores, size, has_text, best, agreed, shared)

    extracted, misaligned = {}, {}
    for shown_by, joint, threshold in zip(methods.image, methods.joint, methods.thresholds, strict=True):
        counted = scores >= np.float32(threshold)
        hits[shown_by] = np.bincount(image[counted] % size, minlength=size)
        hits[joint] = np.bincount(image[counted & shared] % size, minlength=size)
        shown = best >= np.float32(threshold)
        extracted[joint] = int((has_text | shown).sum())
        misaligned[joint] = int((has_text & shown & ~(agreed >= np.float32(threshold))).sum())
    piles = {CHOSEN_TEXT: [count_pairs(text, size)]}
    if methods.chosen:
        threshold = dict(zip(methods.image, methods.thresholds, strict=True))[methods.chosen]
        counted = scores >= np.float32(threshold)
        for name, these in ((methods.chosen, counted), (join_methods(CHOSEN_TEXT, methods.chosen), counted & shared)):
            piles[name] = [count_pairs(image[these], size)]
    counts = Counts(rows, hits, extracted, misaligned, piles=piles)

    highest = np.float32(methods.thresholds[-1]) if methods.image else np.float32(-np.inf)
    kept = np.flatnonzero((has_text | np.isfinite(best)) & ~(agreed >= highest)) if methods.image else np.empty(0, np.int64)
    is_kept = np.zeros(rows, bool)
    is_kept[kept] = True
    text = text[is_kept[text // size]]
    chosen = is_kept[image // size]
    image, scores = image[chosen], scores[chosen]
    choose_loop(rank_hits, len(image))(image, scores, size)
    names = pa.array(concepts, pa.string())
    columns = {
        "sample_id": pa.array(sample_ids[kept]),
        "text_concepts": _make_lists(kept, text // size, names.take(pa.array(text % size))),
        "image_concepts": _make_lists(kept, image // size, names.take(pa.array(image % size))),
        "image_scores": _make_lists(kept, image // size, pa.array(scores)),
        "best": _as_nullable(best[kept]),
        "agreed": _as_nullable(agreed[kept]),
    }
    return pa.table(columns), counts


def _make_keys(hits: pa.Table, sample_ids: np.ndarray, size: int) -> np.ndarray:
    """For each hit the row of its sample * `size` + its concept, int64; the ids rise."""
    found = hits["sample_id"].to_numpy()
    is_whole = len(sample_ids) > 0 and sample_ids[-1] - sample_ids[0] == len(sample_ids) - 1
    rows = found - sample_ids[0] if is_whole else np.searchsorted(sample_ids, found)
    return rows * size + hits["concept"].to_numpy()


def _as_nullable(scores: np.ndarray) -> pa.Array:
    return pa.array(scores, pa.float32(), mask=~np.isfinite(scores))


def _make_lists(kept: np.ndarray, rows: np.ndarray, values: pa.Array) -> pa.Array:
    """For each row number in `kept` the list of its values; `rows` says, rising, which of them each value is of."""
    offsets = np.append(np.searchsorted(rows, kept), len(rows)).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), values)


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
