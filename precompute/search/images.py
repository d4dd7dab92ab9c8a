"""Finds the concepts that images show: by a tagger that scores every concept, or by hits that a file gives.

A tagger is handed in, so that the search runs without a model too: CLIP's scores are cosine similarities of image and concept.
Cost beside the tagger's own: some 0.2 ms to read and decode a picture of 96 pixels, on one core of a server.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
import pyarrow as pa
from PIL import Image

from backend.errors import ImageError, SourceError, TailscopeError
from backend.images import LONGEST, TooLong, decode_image, read_image_bytes
from backend.words import canonical
from backend.writing import write_file
from precompute.ledger import Ledger
from precompute.search.ranges import expand_ranges

BATCH_IMAGES = 64
BATCH_PIXELS = 1 << 25  # 100 MB as RGB: however large its images are, a batch of them fits in memory
HITS_SCHEMA = pa.schema([("sample_id", pa.int64()), ("concept", pa.int32()), ("score", pa.float32())])

NOT_READ = "image cannot be read"
NOT_DECODED = "image cannot be decoded"
TOO_LONG = f"image more than {LONGEST} times as long as wide"
NO_CONCEPT = "label that is no concept"
NO_SAMPLE = "image that the corpus lacks"
LOW_SCORE = "score below the lowest threshold"


class Tagger(Protocol):
    """Scores images for each of its concepts."""

    concepts: tuple[str, ...]

    def score_images(self, images: list[Image.Image]) -> np.ndarray:
        """Scores float32 (images, concepts), a higher one for a concept that is shown more surely."""
        ...


class TaggerRecipe(Protocol):
    """How a process gets a tagger: small enough to be handed to another process, which then loads the tagger itself."""

    name: str  # what its methods are called, before the @

    def identify(self) -> str:
        """Changes whenever the tagger would score otherwise."""
        ...

    def prepare(self, concepts: tuple[str, ...]) -> object:
        """Computes what every process needs of the tagger of these concepts, where it is not there yet."""
        ...

    def load(self, concepts: tuple[str, ...]) -> Tagger:
        """The tagger of these concepts."""
        ...


@dataclass(frozen=True, eq=False)
class ClipTagger:
    """A CLIP model (`backend.models.encode.Model`) and the text embeddings of its concepts, float32 (concepts, width)."""

    model: object
    classifier: np.ndarray
    concepts: tuple[str, ...]

    def score_images(self, images: list[Image.Image]) -> np.ndarray:
        """Cosine similarities of images and concepts, float32 (images, concepts)."""
        return self.model.encode_images(images) @ self.classifier.T


@dataclass(frozen=True)
class ClipRecipe:
    """A CLIP model by its spec (see `models.loading.load_model`); its classifier is built once, kept in the folder `cache`."""

    spec: str
    cache: Path
    prompts: str | tuple[str, ...] = "ensemble"
    allow_download: bool = False
    name: str = "openclip"

    def identify(self) -> str:
        """The spec, the prompts and the checksum of the model's files."""
        return repr((self.spec, self.prompts, _identify_clip(self.spec, self.allow_download)))

    def prepare(self, concepts: tuple[str, ...]) -> Path:
        """The file of the classifier; it is computed where it is not there. Raises TailscopeError where no model is."""
        from backend.models.prompts import build_classifier

        key = hashlib.sha256(repr((self.identify(), concepts)).encode()).hexdigest()[:16]
        path = self.cache / f"classifier-{key}.npy"
        if not path.is_file():
            classifier = build_classifier(_load_clip(self.spec, self.allow_download), concepts, self.prompts)
            self.cache.mkdir(parents=True, exist_ok=True)
            with write_file(path) as part, part.open("wb") as stream:
                np.save(stream, classifier)
        return path

    def load(self, concepts: tuple[str, ...]) -> ClipTagger:
        """The tagger. Raises TailscopeError where there is no such model."""
        return ClipTagger(_load_clip(self.spec, self.allow_download), np.load(self.prepare(concepts)), concepts)


@lru_cache(maxsize=1)
def _identify_clip(spec: str, allow_download: bool) -> str:
    from backend.models.loading import identify_model

    return identify_model(spec, allow_download=allow_download)


@lru_cache(maxsize=1)
def _load_clip(spec: str, allow_download: bool):
    from backend.models.loading import load_model

    return load_model(spec, allow_download=allow_download)


def search_images(
    samples: pa.Table,
    base: Path,
    tagger: Tagger,
    floor: float,
    ledger: Ledger,
    say: Callable[[float], None] = lambda done: None,
) -> pa.Table:
    """The hits of one shard's images: sample_id · concept (its number in the tagger) · score, of at least `floor` as float32.

    Sorted by sample_id, then the highest score. `samples` are those of `corpus.read_shard`, `base` the folder that their
    images are relative to. An image of several samples is decoded and scored once. The ledger counts images; one that
    cannot be decoded is booked there, and its samples have no hits. Raises TailscopeError where scores are not finite.
    """
    images = [samples[name].to_pylist() for name in ("image", "offset", "length")]
    numbers: dict[tuple, int] = {}
    of_sample = np.array([numbers.setdefault(place, len(numbers)) for place in zip(*images, strict=True)], np.int64)
    found = []
    for batch, pictures in _read_batches(list(numbers), base, ledger):
        scores = np.asarray(tagger.score_images(pictures), np.float32)
        if not np.isfinite(scores).all():
            raise TailscopeError("The tagger gives scores that are no finite numbers. Its weights may be damaged.")
        rows, concepts = np.nonzero(scores >= np.float32(floor))
        found.append((np.array(batch)[rows], concepts, scores[rows, concepts]))
        ledger.take(written=len(batch))
        say((batch[-1] + 1) / len(numbers))
    shown, concepts, scores = _join_columns(found)
    return _spread_hits(samples["sample_id"].to_numpy(), of_sample, shown, concepts, scores)


def read_picture(base: Path, place: tuple) -> tuple[Image.Image | None, str]:
    """The picture of a file, or of a place in one (path, offset, length); where it cannot be had, None and the reason."""
    try:
        content = read_image_bytes(base, *place, confined=False)
    except ImageError:
        return None, NOT_READ
    try:
        return decode_image(content), ""
    except TooLong:
        return None, TOO_LONG
    except ImageError:
        return None, NOT_DECODED


def _read_batches(places: Sequence[tuple], base: Path, ledger: Ledger) -> Iterator[tuple[list[int], list[Image.Image]]]:
    """The pictures that can be decoded, with their numbers, in batches of bounded size; the others are booked."""
    batch: list[int] = []
    pictures: list[Image.Image] = []
    pixels = 0
    for number, place in enumerate(places):
        picture, fault = read_picture(base, place)
        if picture is None:
            ledger.take(dropped=1, reason=fault)
            continue
        size = picture.width * picture.height
        if pictures and (len(pictures) == BATCH_IMAGES or pixels + size > BATCH_PIXELS):
            yield batch, pictures
            batch, pictures, pixels = [], [], 0
        batch.append(number)
        pictures.append(picture)
        pixels += size
    if pictures:
        yield batch, pictures


def _join_columns(found: list[tuple[np.ndarray, ...]]) -> list[np.ndarray]:
    """Image numbers, concepts and scores of all batches."""
    kinds = (np.int64, np.int32, np.float32)
    return [
        np.concatenate([np.empty(0, kind), *(part[column].astype(kind) for part in found)]) for column, kind in enumerate(kinds)
    ]


def _spread_hits(
    sample_ids: np.ndarray, of_sample: np.ndarray, shown: np.ndarray, concepts: np.ndarray, scores: np.ndarray
) -> pa.Table:
    """Every sample's hits: those of its image. `of_sample`: each sample's image number; the other arrays: the images' hits."""
    order = np.lexsort((concepts, -scores, shown))
    shown, concepts, scores = shown[order], concepts[order], scores[order]
    starts = np.searchsorted(shown, of_sample)
    lengths = np.searchsorted(shown, of_sample, "right") - starts
    rows = expand_ranges(starts, lengths)
    return pa.table([np.repeat(sample_ids, lengths), concepts[rows], scores[rows]], schema=HITS_SCHEMA)


class GivenHits:
    """Hits made elsewhere (`corpus.read_given_hits`), to be joined with the samples of each shard by photo file name.

    `concepts` are numbered in the order given. A label is the concept of its canonical name; of several labels that are
    one concept, the highest score counts. `floor`: the least score that counts; without it every given hit scores 1.
    """

    def __init__(self, hits: pa.Table, concepts: Sequence[str], floor: float | None = None):
        numbers = {concept: number for number, concept in enumerate(concepts)}
        labels = {label: numbers.get(canonical(label), -1) for label in hits["label"].unique().to_pylist()}
        self._rows = pd.DataFrame(
            {
                "name": hits["image"].to_pylist(),
                "concept": [labels[label] for label in hits["label"].to_pylist()],
                "score": np.float32(1) if floor is None else hits["score"].to_numpy(),
            }
        )
        self._rows["known"] = self._rows["concept"] >= 0
        self._rows["counts"] = self._rows["known"] & (self._rows["score"] >= np.float32(floor or 0))
        self._rows["base"] = _list_file_names(self._rows["name"])
        self._used = np.zeros(len(self._rows), bool)

    def join(self, samples: pa.Table) -> pa.Table:
        """The hits of these samples, as `search_images` gives them.

        A photo is one whose path ends in the given name, folders and all. Raises SourceError for images inside a tar.
        """
        if samples["offset"].null_count < samples.num_rows:
            raise SourceError("Image hits are given by photo file name, and photos inside a tar have none. Use a tagger.")
        paths = pd.DataFrame({"sample_id": samples["sample_id"].to_numpy(), "path": samples["image"].to_pylist()})
        photos = paths[["path"]].drop_duplicates()
        photos["base"] = _list_file_names(photos["path"])
        pairs = photos.merge(self._rows.reset_index(names="row"), on="base")
        ends = [f"/{path}".endswith(f"/{name}") for path, name in zip(pairs["path"], pairs["name"], strict=True)]
        pairs = pairs[np.array(ends, bool)]
        self._used[pairs["row"]] = True
        pairs = pairs[pairs["counts"]].groupby(["path", "concept"], as_index=False)["score"].max()
        hits = paths.merge(pairs, on="path").sort_values(["sample_id", "score", "concept"], ascending=[True, False, True])
        columns = [hits[field.name].to_numpy(field.type.to_pandas_dtype()) for field in HITS_SCHEMA]
        return pa.table(columns, schema=HITS_SCHEMA)

    def book(self, ledger: Ledger) -> None:
        """Books every given hit, once all shards are joined: written where a sample has it, else why none does."""
        rows = self._rows
        dropped = {
            NO_CONCEPT: ~rows["known"],
            LOW_SCORE: rows["known"] & ~rows["counts"],
            NO_SAMPLE: rows["counts"] & ~self._used,
        }
        for reason, these in dropped.items():
            ledger.take(dropped=int(these.sum()), reason=reason)
        ledger.take(written=int((rows["counts"] & self._used).sum()))


def _list_file_names(paths: pd.Series) -> pd.Series:
    """The last part of each path."""
    return pd.Series([path.rpartition("/")[2] for path in paths], paths.index, dtype="str")


def choose_threshold(scores: np.ndarray, truth: np.ndarray, thresholds: Sequence[float]) -> tuple[pd.DataFrame, float]:
    """How well each threshold finds what is shown, and the one to choose; `scores` and `truth`: (images, concepts).

    threshold, found, relevant, correct ((image, concept) pairs in all), precision and recall (null where nothing was found,
    or nothing is there to find), frequency_error (mean over concepts of |log10((found + 1) / (true + 1))|). Chosen is the
    lowest frequency_error, of equals the highest F1, then the lowest threshold: the scores serve to count how often
    concepts are shown, and log counts are what performance is plotted over; a pair missed for a pair found in error costs
    a count nothing. (The paper chose 0.7 by eye, for precision.)
    """
    truth = np.asarray(truth, bool)
    true = truth.sum(axis=0)
    rows = []
    for threshold in thresholds:
        shown = scores >= np.float32(threshold)
        found, relevant, correct = int(shown.sum()), int(true.sum()), int((shown & truth).sum())
        error = float(np.abs(np.log10((shown.sum(axis=0) + 1) / (true + 1))).mean())
        precision, recall = (correct / total if total else None for total in (found, relevant))
        rows.append(
            (float(threshold), found, relevant, correct, precision, recall, error, 2 * correct / max(found + relevant, 1))
        )
    names = ["threshold", "found", "relevant", "correct", "precision", "recall", "frequency_error"]
    best = min(rows, key=lambda row: (round(row[6], 9), -row[7], row[0]))
    return pd.DataFrame([row[:-1] for row in rows], columns=names), best[0]
