"""The images of a task as models take them: read, known by their bytes, decoded and prepared ahead of the model.

Threads are enough for a model on a CPU. A GPU waits for them: what Python itself does to an image, 0.1 ms, one of them does
at a time. Processes of a torch DataLoader hand their pixels over in shared memory.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from backend.errors import ImageError, TailscopeError
from backend.images import read_image_bytes
from backend.models.encode import Preparation, take_batches
from precompute.evaluate.kept_features import KeptFeatures, digest_image
from precompute.evaluate.pipeline import map_ahead
from precompute.processes import FORKS, start_server
from precompute.search.images import NOT_READ, read_picture

THREADS = min(os.cpu_count() or 1, 16)  # that decode and prepare, where no process does
AHEAD = 256  # prepared images that may wait for the model: 150 KB each at 224 pixels
MOST_PROCESSES = 16
BLOCK = 8  # images that a process hands over at once: 16 of them fill 38 MB of shared memory, of which containers have 64

Place = tuple[str, int | None, int | None]  # the path of a file; where an image stands in it: offset, length (None: all of it)


class Prepared(NamedTuple):
    """An image's digest, and what each way of preparing made of it (nothing where its features are kept), or its fault."""

    digest: bytes
    pixels: dict[str, np.ndarray] = {}  # noqa: RUF012  (never changed)
    fault: str = ""


@dataclass(frozen=True, eq=False)
class Preparer:
    """Makes of an image's place what models take, each in its way; what all stores have is only read. It can be pickled."""

    ways: Mapping[str, Preparation]
    stores: Sequence[KeptFeatures] = ()

    def __call__(self, place: Place) -> Prepared:
        """The image of a place, or why there is none."""
        try:
            content = read_image_bytes(Path(), *place, confined=False)
        except ImageError:
            return Prepared(b"", {}, NOT_READ)
        digest = digest_image(content)
        if self.stores and all(store.has(digest) for store in self.stores):
            return Prepared(digest)
        image, fault = read_picture(Path(), place, content)
        return Prepared(digest, {key: way(image) for key, way in self.ways.items()} if image else {}, fault)


def choose_decoders(device: str) -> int:
    """How many processes decode for a model on a device: none for a CPU, which they would share, else all cores but one."""
    return 0 if device == "cpu" else max(min((os.cpu_count() or 1) - 1, MOST_PROCESSES), 1)


def prepare_ahead(preparer: Preparer, places: Iterable[Place], decoders: int) -> Iterator[Prepared]:
    """Every image in its order, prepared by so many processes, or by threads of this one, while the caller does other things.

    A bounded number is begun before it is asked for. Raises TailscopeError where a process was killed.
    """
    if not decoders:
        return map_ahead(preparer, places, threads=THREADS, ahead=AHEAD)
    return _prepare_in_processes(preparer, places, decoders)


def _prepare_in_processes(preparer: Preparer, places: Iterable[Place], decoders: int) -> Iterator[Prepared]:
    from torch.utils.data import DataLoader

    start_server([__name__, "torchvision.transforms"])
    blocks = DataLoader(
        _Blocks(preparer),
        batch_size=None,
        sampler=take_batches(places, BLOCK),
        num_workers=decoders,
        multiprocessing_context="forkserver" if FORKS else "spawn",
    )
    try:
        for digests, faults, rows, pixels in blocks:
            arrays = {key: stack.numpy() for key, stack in pixels.items()}
            for digest, fault, row in zip(digests, faults, rows, strict=True):
                yield Prepared(digest, {key: stack[row] for key, stack in arrays.items()} if row >= 0 else {}, fault)
    except RuntimeError as error:
        if "killed" not in str(error) and "exited unexpectedly" not in str(error):
            raise
        raise TailscopeError(
            "A process that decodes images was killed, perhaps for want of memory, or of shared memory (/dev/shm). Run again, "
            "with fewer --decoders, or 0: what is finished is kept."
        ) from error


class _Blocks:
    """Several images at once as a torch data set, whose numbers are the images' places."""

    def __init__(self, preparer: Preparer):
        self.preparer = preparer

    def __getitem__(self, places: Sequence[Place]) -> tuple[list[bytes], list[str], list[int], dict[str, np.ndarray]]:
        """Digests; faults; of each image its row in the stacks of pixels, -1 without one; and these by their way."""
        images = [self.preparer(place) for place in places]
        whole = [number for number, image in enumerate(images) if image.pixels]
        rows = {number: row for row, number in enumerate(whole)}
        pixels = {key: np.stack([images[number].pixels[key] for number in whole]) for key in self.preparer.ways if whole}
        digests, faults = [image.digest for image in images], [image.fault for image in images]
        return digests, faults, [rows.get(number, -1) for number in range(len(images))], pixels
