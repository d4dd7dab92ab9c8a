"""Encodes the images of a task, each distinct one once for a model; a run that was killed goes on where it was.

Reads: images by their places. Writes: features into the folder of `kept_features`, where one is given.
Cost beside the model's own: decoding and preprocessing take 0.4 ms for a picture of 96 pixels, on one core of a server.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from backend.errors import ImageError
from backend.images import read_image_bytes
from backend.models.encode import Model, encode_with_all
from backend.progress import Progress
from precompute.evaluate.kept_features import KeptFeatures, digest_image, stack_kept
from precompute.evaluate.pipeline import map_ahead
from precompute.ledger import Ledger
from precompute.search.images import NOT_READ, read_picture

CHUNK = 1024  # images that a killed run has to encode again
THREADS = min(os.cpu_count() or 1, 16)  # that decode and prepare
AHEAD = 256  # prepared images that may wait for the model: 150 KB each at 224 pixels


class _Prepared(NamedTuple):
    """An image's digest, and what each way of preparing made of it (nothing where its features are kept), or its fault."""

    digest: bytes
    pixels: dict[str, np.ndarray] = {}  # noqa: RUF012  (never changed)
    fault: str = ""


Place = tuple[str, int | None, int | None]  # the path of a file; where an image stands in it: offset, length (None: all of it)


def stream_features(
    model: Model,
    places: Sequence[Place],
    ledger: Ledger,
    kept: Path | None = None,
    say: Progress = lambda done: None,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The features of images, chunk by chunk, of at most `CHUNK`: float32 (readable images, width), and which of the places
    each belongs to, int64.

    No more than a chunk's features are in memory. The ledger counts images; one that cannot be decoded is booked there. In
    the folder `kept` features are found, and left, by the model's weights and by the images' bytes: the same image in
    another place or run is not encoded again, a changed one is.
    """
    stores = [KeptFeatures(kept, model)] if kept else []
    prepared = _prepare_ahead([model], places, stores)
    for start in range(0, len(places), CHUNK):
        chunk = places[start : start + CHUNK]
        (encoded,), faults = _encode_chunk([model], islice(prepared, len(chunk)), stores)
        for fault in faults[faults != ""]:
            ledger.take(dropped=1, reason=str(fault))
        good = np.flatnonzero(faults == "")
        ledger.take(written=len(good))
        say((start + len(chunk)) / len(places))
        if len(good):
            yield encoded, good + start


def encode_places(
    model: Model,
    places: Sequence[Place],
    ledger: Ledger,
    kept: Path | None = None,
    say: Progress = lambda done: None,
) -> tuple[np.ndarray, np.ndarray]:
    """All that `stream_features` gives, at once: for what compares every image with every other."""
    chunks = list(stream_features(model, places, ledger, kept, say))
    if not chunks:
        return np.empty((0, 0), np.float32), np.empty(0, np.int64)
    features, numbers = zip(*chunks, strict=True)
    return np.concatenate(features), np.concatenate(numbers)


def encode_ahead(models: Sequence[Model], places: Sequence[Place], start: int, kept: Path) -> None:
    """Encodes one chunk of places, from `start` on, with several models; `encode_places` with this `kept` finds it done.

    Each image is decoded once, and chunks can be encoded by several processes.
    """
    stores = [KeptFeatures(kept, model) for model in models]
    _encode_chunk(models, _prepare_ahead(models, places[start : start + CHUNK], stores), stores)


def _prepare_ahead(models: Sequence[Model], places: Sequence[Place], stores: Sequence[KeptFeatures]) -> Iterator[_Prepared]:
    """Every image as the models take it: threads read, decode and prepare while the models encode those before.

    What all stores have is only read.
    """
    ways = {model.prepare.key: model.prepare for model in models}

    def prepare(place: Place) -> _Prepared:
        try:
            content = read_image_bytes(Path(), *place, confined=False)
        except ImageError:
            return _Prepared(b"", {}, NOT_READ)
        digest = digest_image(content)
        if stores and all(store.has(digest) for store in stores):
            return _Prepared(digest)
        image, fault = read_picture(Path(), place, content)
        return _Prepared(digest, {key: way(image) for key, way in ways.items()} if image else {}, fault)

    return map_ahead(prepare, places, threads=THREADS, ahead=AHEAD)


def _encode_chunk(
    models: Sequence[Model], images: Iterable[_Prepared], stores: Sequence[KeptFeatures]
) -> tuple[list[np.ndarray], np.ndarray]:
    """Each model's features of the images without a fault, each distinct one encoded once; and every image's fault."""
    faults: list[str] = []
    digests: list[bytes] = []  # of the images that have no fault
    new: dict[bytes, None] = {}  # of those that are encoded here, in their order

    def draw() -> Iterator[dict[str, np.ndarray]]:
        for image in images:
            faults.append(image.fault)
            if not image.fault:
                digests.append(image.digest)
            if image.pixels and image.digest not in new:
                new[image.digest] = None
                yield image.pixels

    features = []
    for number, rows in enumerate(encode_with_all(models, draw())):
        found = dict(zip(new, rows, strict=True))
        if stores:
            stores[number].write(found)
            found |= stores[number].read(digest for digest in digests if digest not in found)
        features.append(stack_kept(found, digests, rows.shape[1]))
    return features, np.array(faults, dtype="U64")
