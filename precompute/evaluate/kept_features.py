"""Features that outlive a run, by what they were made of: the model's weights, its preprocessing, and an image's own bytes.

One SQLite file a model and preprocessing, in one folder for all studies beside it: another prompt, another task with the same
images, a run that was killed find there what was encoded before.
Cost: 20 µs to write a feature of 512 numbers and 10 µs to read one, on one core of a server; 2.1 KB of disk.
"""

import hashlib
import shutil
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from backend.errors import TailscopeError
from backend.models.encode import Model
from backend.writing import sweep_folder

MAX_BYTES = 8 << 30  # of all files of one folder: four million features of 512 numbers
READ_AT_ONCE = 500  # SQLite takes some thousand values in one question
WAIT_SECONDS = 60.0  # for another process that writes


def find_kept(study: Path) -> Path:
    """The folder of the features that steps on a study keep, which it shares with the studies beside it."""
    return study.resolve().parent / ".cache" / "features"


def digest_image(content: bytes) -> bytes:
    """What an image's bytes are known by: their SHA-256."""
    return hashlib.sha256(content).digest()


class KeptFeatures:
    """One model's features in a folder, by the digests of images; for many threads at once, and for several processes."""

    def __init__(self, folder: Path, model: Model, max_bytes: int = MAX_BYTES):
        """Opens or begins the model's file; older files of other models go where all together take more than `max_bytes`."""
        folder.mkdir(parents=True, exist_ok=True)
        key = hashlib.sha256(f"{model.weights_sha256} {model.prepare.key} {model.device}".encode()).hexdigest()
        self.path = folder / f"{key[:32]}.sqlite"
        self.max_bytes = max_bytes
        self._local = threading.local()
        with self._explain(), self._connect() as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("CREATE TABLE IF NOT EXISTS features (digest BLOB PRIMARY KEY, feature BLOB) WITHOUT ROWID")
        self.path.touch()
        sweep_folder(folder, self.path, max_bytes, companions=("-wal", "-shm"))

    def __getstate__(self) -> dict:
        """What another process needs to open the same file; a connection stays where it was opened."""
        return {"path": self.path, "max_bytes": self.max_bytes}

    def __setstate__(self, state: dict) -> None:
        """Opens nothing before it is asked for something."""
        self.__dict__.update(state)
        self._local = threading.local()

    def has(self, digest: bytes) -> bool:
        """Whether the feature of an image is kept."""
        with self._explain():
            return self._connect().execute("SELECT 1 FROM features WHERE digest = ?", (digest,)).fetchone() is not None

    def read(self, digests: Iterable[bytes]) -> dict[bytes, np.ndarray]:
        """The features, float32 (width,), of those of these images that are kept."""
        wanted = list(dict.fromkeys(digests))
        found = {}
        for start in range(0, len(wanted), READ_AT_ONCE):
            some = wanted[start : start + READ_AT_ONCE]
            marks = ", ".join("?" * len(some))
            with self._explain():
                rows = self._connect().execute(f"SELECT digest, feature FROM features WHERE digest IN ({marks})", some)  # noqa: S608
                found |= {digest: np.frombuffer(feature, np.float32) for digest, feature in rows}
        return found

    def write(self, features: Mapping[bytes, np.ndarray]) -> None:
        """Keeps features, all or none of them; nothing where the folder is full. Raises TailscopeError where the disk is."""
        if not features or self.path.stat().st_size > self.max_bytes:
            return
        rows = [(digest, np.ascontiguousarray(feature, np.float32).tobytes()) for digest, feature in features.items()]
        with self._explain(), self._connect() as connection:
            connection.executemany("INSERT OR IGNORE INTO features VALUES (?, ?)", rows)

    @contextmanager
    def _explain(self) -> Iterator[None]:
        """Makes SQLite's errors one sentence with the next step."""
        try:
            yield
        except sqlite3.OperationalError as error:  # a full disk, or one that cannot be written
            free = shutil.disk_usage(self.path.parent).free
            raise TailscopeError(
                f"Features cannot be kept in {self.path} ({error}; {free / 1e6:,.1f} MB are free there). Make room and "
                "run again: what was encoded before is kept."
            ) from error
        except sqlite3.DatabaseError as error:
            raise TailscopeError(
                f"{self.path}, which keeps features, is damaged ({error}). Delete it, and run again."
            ) from error

    def _connect(self) -> sqlite3.Connection:
        if not hasattr(self._local, "connection"):
            self._local.connection = sqlite3.connect(self.path, timeout=WAIT_SECONDS)
        return self._local.connection


def stack_kept(found: Mapping[bytes, np.ndarray], digests: Sequence[bytes], width: int) -> np.ndarray:
    """The features of images in the order of their digests, float32 (images, width)."""
    return np.stack([found[digest] for digest in digests]) if digests else np.empty((0, width), np.float32)
