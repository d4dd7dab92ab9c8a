"""Text embeddings of candidates, kept on disk and in memory: built once for the same weights, templates and names.

The key is a checksum of all three (and of open_clip's version, whose tokenizer and templates they went through), so that
other weights never meet an old file. The folder is bounded; what was longest unused is deleted first.
"""

import hashlib
import json
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from backend.errors import TailscopeError
from backend.models.encode import Model
from backend.models.prompts import build_classifier, spell_templates
from backend.progress import Progress
from backend.shelf import Shelf
from backend.study import STUDIES
from backend.writing import sweep_folder, write_file

CACHE = STUDIES / ".cache"
DISK_BYTES = 512 * 2**20  # of all files of one folder: 60 sets of 4,000 names, 512 numbers each
MEMORY_BYTES = 128 * 2**20
MAX_NAMES = 50_000


@dataclass(frozen=True, eq=False)
class Classifier:
    """The embeddings of names, float32 (names, width), each of length 1; `key` is the checksum that they go by.

    source: "disk" or "built", where they came from when they were first needed; `seconds`: how long that took.
    """

    features: np.ndarray
    key: str
    source: str
    seconds: float


class ClassifierCache:
    """Classifiers in a folder and in memory; for many threads at once, and for several processes on one folder.

    A step that builds a study gives a folder of its own: its processes find there what the first of them has built.
    """

    def __init__(
        self,
        folder: Path = CACHE / "classifiers",
        disk_bytes: int = DISK_BYTES,
        memory_bytes: int = MEMORY_BYTES,
        max_names: int | None = MAX_NAMES,
    ):
        """`max_names`: the most candidates that are taken; None, as many as there are."""
        self.folder = folder
        self.disk_bytes = disk_bytes
        self.max_names = max_names
        self._shelf: Shelf[Classifier] = Shelf(memory_bytes, lambda classifier: classifier.features.nbytes)

    def get(
        self, model: Model, names: Sequence[str], prompts: str | Sequence[str] = "ensemble", say: Progress | None = None
    ) -> Classifier:
        """The classifier of these names in this order; `say` is told how far it is, where it has to be built.

        Raises TailscopeError for no names, or more than `max_names`, and for features that are not finite, which are not kept.
        """
        most = len(names) if self.max_names is None else self.max_names
        if not 1 <= len(names) <= most:
            raise TailscopeError(f"{len(names):,} candidates: from 1 to {most:,} are compared at once.")
        key = name_classifier(model.weights_sha256, names, prompts)
        return self._shelf.get(key, lambda: self._read_or_build(key, model, names, prompts, say))

    def has(self, weights_sha256: str, names: Sequence[str], prompts: str | Sequence[str] = "ensemble") -> bool:
        """Whether the folder holds a classifier of the model with these weights, so that it need not be loaded to build it."""
        return (self.folder / f"{name_classifier(weights_sha256, names, prompts)}.npy").is_file()

    def _read_or_build(
        self, key: str, model: Model, names: Sequence[str], prompts: str | Sequence[str], say: Progress | None
    ) -> Classifier:
        start = time.perf_counter()
        features = load_array(self.folder / f"{key}.npy")
        if features is not None and features.shape == (len(names), model.width):
            return Classifier(features, key, "disk", time.perf_counter() - start)
        features = build_classifier(model, names, prompts, say)
        with suppress(OSError):  # a full disk costs the cache, not the answer
            store_array(self.folder / f"{key}.npy", features, self.disk_bytes)
        return Classifier(features, key, "built", time.perf_counter() - start)


def name_classifier(weights_sha256: str, names: Sequence[str], prompts: str | Sequence[str]) -> str:
    """The checksum of a model (its `weights_sha256`), templates, names and their order: 64 hexadecimal digits."""
    parts = [version("open_clip_torch"), weights_sha256, spell_templates(prompts), list(names)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def load_array(path: Path) -> np.ndarray | None:
    """An array that `store_array` wrote, marked as used; None where there is none, or it is broken."""
    try:
        array = np.load(path, allow_pickle=False)
        os.utime(path)
    except (OSError, ValueError, EOFError):
        return None
    return array if array.dtype == np.float32 and np.isfinite(array).all() else None


def store_array(path: Path, array: np.ndarray, max_bytes: int) -> None:
    """Writes a float32 array through a temporary name, and deletes the folder's longest unused ones beyond `max_bytes`.

    Raises OSError where the disk is full or the folder cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_file(path) as part, part.open("wb") as stream:
        np.save(stream, array)
    sweep_folder(path.parent, path, max_bytes)
