"""Encodes the images of a task, each distinct one once for a model; a run that was killed goes on where it was.

Reads: images by their places. Writes: features into the folder of `kept_features`, where one is given.
Cost beside the model's own: decoding and preprocessing take 0.4 ms for a picture of 96 pixels, on one core of a server.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from backend.models.encode import Model, encode_with_all
from backend.progress import Progress
from precompute.evaluate.kept_features import KeptFeatures, stack_kept
from precompute.evaluate.prepared import Place, Prepared, Preparer, choose_decoders, prepare_ahead
from precompute.ledger import Ledger

CHUNK = 1024  # images that a killed run has to encode again


def stream_features(
    model: Model,
    places: Sequence[Place],
    ledger: Ledger,
    kept: Path | None = None,
    say: Progress = lambda done: None,
    decoders: int | None = None,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The features of images, chunk by chunk, of at most `CHUNK`: float32 (readable images, width), and which of the places
    each belongs to, int64.

    No more than a chunk's features are in memory. The ledger counts images; one that cannot be decoded is booked there. In
    the folder `kept` features are found, and left, by the model's weights and by the images' bytes: the same image in
    another place or run is not encoded again, a changed one is. decoders: processes that prepare images, 0 for threads of
    this one; without a word as the model's device wants it.
    """
    stores = [KeptFeatures(kept, model)] if kept else []
    decoders = choose_decoders(model.device) if decoders is None else decoders
    prepared = prepare_ahead(_make_preparer([model], stores), places, decoders)
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
    decoders: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """All that `stream_features` gives, at once: for what compares every image with every other."""
    chunks = list(stream_features(model, places, ledger, kept, say, decoders))
    if not chunks:
        return np.empty((0, 0), np.float32), np.empty(0, np.int64)
    features, numbers = zip(*chunks, strict=True)
    return np.concatenate(features), np.concatenate(numbers)


def encode_ahead(models: Sequence[Model], places: Sequence[Place], start: int, kept: Path) -> None:
    """Encodes one chunk of places, from `start` on, with several models; `encode_places` with this `kept` finds it done.

    Each image is decoded once, and chunks can be encoded by several processes.
    """
    stores = [KeptFeatures(kept, model) for model in models]
    prepared = prepare_ahead(_make_preparer(models, stores), places[start : start + CHUNK], 0)
    _encode_chunk(models, prepared, stores)


def _make_preparer(models: Sequence[Model], stores: Sequence[KeptFeatures]) -> Preparer:
    return Preparer({model.prepare.key: model.prepare for model in models}, stores)


def _encode_chunk(
    models: Sequence[Model], images: Iterable[Prepared], stores: Sequence[KeptFeatures]
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
