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
import pyarrow.compute as pc

from backend.methods import Method, join_methods
from backend.schema import TABLES
from precompute.search.cooccurrence import Together, add_together, count_together, load_together, save_together
from precompute.search.ranges import expand_ranges
from precompute.search.text import METHODS

CHOSEN_TEXT = "lemmatized"  # the text side of joint hits and misaligned samples: the paper's rule
TEXT_SCHEMA = pa.schema([("method", pa.string()), ("sample_id", pa.int64()), ("concept", pa.int32())])

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
    those are known; a content counts where it is met first in the corpus. `together`: by the chosen text, image and joint
    method in how many samples two concepts are hit.
    """

    samples: int
    hits: dict[str, np.ndarray]
    extracted: dict[str, int]
    misaligned: dict[str, int]
    distinct: dict[str, np.ndarray] = field(default_factory=dict)
    together: dict[str, Together] = field(default_factory=dict)

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
            return cls(int(held["samples"]), hits, extracted, misaligned, distinct, load_together(folder))

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
        add_together(self.together, other.together)


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
    hits = {}
    for method in methods.text:
        named = part.text.filter(pc.equal(part.text["method"], method))
        hits[method] = np.bincount(named["concept"].to_numpy(), minlength=size)
    chosen = part.text.filter(pc.equal(part.text["method"], CHOSEN_TEXT)).sort_by(_BY_SAMPLE)
    text_rows, text_concepts = np.searchsorted(sample_ids, chosen["sample_id"].to_numpy()), chosen["concept"].to_numpy()
    image = part.image.sort_by([("sample_id", "ascending"), ("score", "descending"), ("concept", "ascending")])
    image_rows = np.searchsorted(sample_ids, image["sample_id"].to_numpy())
    image_concepts, scores = image["concept"].to_numpy(), image["score"].to_numpy()
    shared = np.isin(image_rows * size + image_concepts, text_rows * size + text_concepts)
    has_text = np.zeros(rows, bool)
    has_text[text_rows] = True
    best, agreed = (_find_highest(image_rows[these], scores[these], rows) for these in (slice(None), shared))

    extracted, misaligned = {}, {}
    for shown_by, joint, threshold in zip(methods.image, methods.joint, methods.thresholds, strict=True):
        counted = scores >= np.float32(threshold)
        hits[shown_by] = np.bincount(image_concepts[counted], minlength=size)
        hits[joint] = np.bincount(image_concepts[counted & shared], minlength=size)
        shown = best >= np.float32(threshold)
        extracted[joint] = int((has_text | shown).sum())
        misaligned[joint] = int((has_text & shown & ~(agreed >= np.float32(threshold))).sum())
    together = {CHOSEN_TEXT: count_together(text_rows, text_concepts, size)}
    if methods.chosen:
        threshold = dict(zip(methods.image, methods.thresholds, strict=True))[methods.chosen]
        counted = scores >= np.float32(threshold)
        for name, these in ((methods.chosen, counted), (join_methods(CHOSEN_TEXT, methods.chosen), counted & shared)):
            together[name] = count_together(image_rows[these], image_concepts[these], size)
    counts = Counts(rows, hits, extracted, misaligned, together=together)

    highest = np.float32(methods.thresholds[-1]) if methods.image else np.float32(-np.inf)
    kept = np.flatnonzero((has_text | np.isfinite(best)) & ~(agreed >= highest)) if methods.image else np.empty(0, np.int64)
    names = pa.array(concepts, pa.string())
    columns = {
        "sample_id": pa.array(sample_ids[kept]),
        "text_concepts": _gather_lists(kept, text_rows, names.take(pa.array(text_concepts))),
        "image_concepts": _gather_lists(kept, image_rows, names.take(pa.array(image_concepts))),
        "image_scores": _gather_lists(kept, image_rows, pa.array(scores)),
        "best": _as_nullable(best[kept]),
        "agreed": _as_nullable(agreed[kept]),
    }
    return pa.table(columns), counts


def _find_highest(rows: np.ndarray, scores: np.ndarray, size: int) -> np.ndarray:
    """The highest score of each of `size` rows, float32; minus infinity where it has none."""
    highest = np.full(size, -np.inf, np.float32)
    np.maximum.at(highest, rows, scores)
    return highest


def _as_nullable(scores: np.ndarray) -> pa.Array:
    return pa.array(scores, pa.float32(), mask=~np.isfinite(scores))


def _gather_lists(kept: np.ndarray, rows: np.ndarray, values: pa.Array) -> pa.Array:
    """For each row number in `kept` the list of its values; `rows` says, rising, which row each value is of."""
    starts = np.searchsorted(rows, kept)
    lengths = np.searchsorted(rows, kept, "right") - starts
    offsets = np.concatenate([[0], lengths.cumsum()]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), values.take(pa.array(expand_ranges(starts, lengths))))


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
