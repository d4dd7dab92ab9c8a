"""Encodes the images of a task, once for a model; a run that was killed goes on where it was.

Reads: images by their places. Writes: features in a work folder, which the step deletes at its end.
Cost beside the model's own: decoding and preprocessing take 0.4 ms for a picture of 96 pixels, on one core of a server.
"""

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from backend.models.encode import Model, encode_with_all
from backend.progress import Progress
from backend.writing import write_file
from precompute.evaluate.pipeline import map_ahead
from precompute.ledger import Ledger
from precompute.search.images import read_picture

CHUNK = 1024  # images that a killed run has to encode again
THREADS = min(os.cpu_count() or 1, 8)  # that decode and prepare
AHEAD = 256  # prepared images that may wait for the model: 150 KB each at 224 pixels

Place = tuple[str, int | None, int | None]  # the path of a file; where an image stands in it: offset, length (None: all of it)


def stream_features(
    model: Model,
    places: Sequence[Place],
    ledger: Ledger,
    work: Path | None = None,
    say: Progress = lambda done: None,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The features of images, chunk by chunk, of at most `CHUNK`: float32 (readable images, width), and which of the places
    each belongs to, int64.

    No more than a chunk's features are in memory. The ledger counts images; one that cannot be decoded is booked there. In
    the folder `work` chunks are kept by the model's weights and by the files as they are: a changed file, or another model,
    is encoded anew.
    """
    folder = work and work / _fingerprint(model, places)
    for start in range(0, len(places), CHUNK):
        chunk = places[start : start + CHUNK]
        loaded = _load_chunk(folder, start)
        if loaded is None:
            (encoded,), faults = _encode_chunk([model], chunk)
            loaded = _store_chunk(folder, start, encoded, faults)
        encoded, faults = loaded
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
    work: Path | None = None,
    say: Progress = lambda done: None,
) -> tuple[np.ndarray, np.ndarray]:
    """All that `stream_features` gives, at once: for what compares every image with every other."""
    chunks = list(stream_features(model, places, ledger, work, say))
    if not chunks:
        return np.empty((0, 0), np.float32), np.empty(0, np.int64)
    features, numbers = zip(*chunks, strict=True)
    return np.concatenate(features), np.concatenate(numbers)


def encode_ahead(models: Sequence[Model], places: Sequence[Place], start: int, work: Path) -> None:
    """Encodes one chunk of places, from `start` on, with several models; `encode_places` with this `work` finds it done.

    Each image is decoded once, and chunks can be encoded by several processes.
    """
    folders = [work / _fingerprint(model, places) for model in models]
    if all(_chunk_path(folder, start).is_file() for folder in folders):
        return
    encoded, faults = _encode_chunk(models, places[start : start + CHUNK])
    for folder, features in zip(folders, encoded, strict=True):
        _store_chunk(folder, start, features, faults)


def _encode_chunk(models: Sequence[Model], places: Sequence[Place]) -> tuple[list[np.ndarray], np.ndarray]:
    """Each model's features of the images that can be decoded, and for every place its fault; "" where there is none.

    Images are decoded and prepared by threads while the models encode those before them.
    """
    ways = {model.prepare.key: model.prepare for model in models}
    faults = np.full(len(places), "", dtype="U64")

    def prepare(place: Place) -> tuple[dict[str, np.ndarray], str]:
        image, fault = read_picture(Path(), place)
        return ({key: way(image) for key, way in ways.items()} if image else {}), fault

    def draw() -> Iterator[dict[str, np.ndarray]]:
        for number, (prepared, fault) in enumerate(map_ahead(prepare, places, threads=THREADS, ahead=AHEAD)):
            faults[number] = fault
            if not fault:
                yield prepared

    return encode_with_all(models, draw()), faults


def _load_chunk(folder: Path | None, start: int) -> tuple[np.ndarray, np.ndarray] | None:
    if folder is None or not (path := _chunk_path(folder, start)).is_file():
        return None
    with np.load(path) as chunk:
        return chunk["features"], chunk["faults"]


def _store_chunk(folder: Path | None, start: int, features: np.ndarray, faults: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        with write_file(_chunk_path(folder, start)) as part, part.open("wb") as stream:
            np.savez(stream, features=features, faults=faults)
    return features, faults


def _chunk_path(folder: Path, start: int) -> Path:
    return folder / f"{start}.npz"


def _fingerprint(model: Model, places: Sequence[Place]) -> str:
    """One checksum of the model's weights and of the places, with each file's size and time."""
    checksum = hashlib.sha256(model.weights_sha256.encode())
    seen: dict[str, tuple] = {}
    for path, offset, length in places:
        if path not in seen:
            try:
                state = Path(path).stat()
                seen[path] = (state.st_size, state.st_mtime_ns)
            except OSError:
                seen[path] = ()
        checksum.update(repr((path, seen[path], offset, length)).encode())
    return checksum.hexdigest()[:24]
