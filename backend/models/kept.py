"""Loaded models, shared by all sessions within a bound of memory."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from backend.errors import TailscopeError
from backend.models.device import measure_model_memory
from backend.models.encode import Model, stamp_files
from backend.models.loading import fetch_weights, load_model
from backend.progress import Progress
from backend.shelf import Shelf

MODEL_MEMORY = "TAILSCOPE_MODEL_MEMORY"  # the environment's word for the bytes that models may take


class ModelShelf:
    """Loaded models, shared by all sessions: each is loaded once, and again where its files have changed.

    max_bytes: what the kept models' weights may take together; while one is loaded, its own come on top. Weights are fetched
    beside all that, and those who want the same model share one download.
    """

    def __init__(
        self,
        max_bytes: int | None = None,
        load: Callable[..., Model] = load_model,
        fetch: Callable[..., None] = fetch_weights,
    ):
        self._shelf: Shelf[Model] = Shelf(find_memory() if max_bytes is None else max_bytes, lambda model: model.size_bytes)
        self._load = load
        self._fetch = fetch
        self._listeners: dict[str, list[Progress]] = {}
        self._lock = threading.Lock()
        self._one_at_a_time = threading.Lock()  # two large models at once would need twice the room

    @property
    def max_bytes(self) -> int:
        """The bound."""
        return self._shelf.max_bytes

    @property
    def held_bytes(self) -> int:
        """What the kept models take."""
        return self._shelf.held_bytes

    @property
    def held(self) -> list[tuple[str, int]]:
        """(spec, bytes) of the kept models, the longest unused first."""
        return self._shelf.held

    def get(self, spec: str, *, allow_download: bool = False, say: Progress | None = None) -> Model:
        """The model of a spec, as `load_model` takes it. Raises what `load_model` raises; a failure is not remembered.

        `say` is told how far a download is, whoever has begun it.
        """
        with self._listening(spec, say) as tell:

            def load() -> Model:
                self._fetch(spec, allow_download=allow_download, say=tell)
                with self._one_at_a_time:
                    return self._load(spec, allow_download=allow_download)

            return self._shelf.get(spec, load, fresh=lambda model: model.stamp == stamp_files(model.files))

    @contextmanager
    def _listening(self, spec: str, say: Progress | None) -> Iterator[Progress]:
        """What tells all who ask for this spec at the time, `say` among them for the length of the block."""
        say = say or (lambda done: None)
        with self._lock:
            listeners = self._listeners.setdefault(spec, [])
            listeners.append(say)

        def tell(done: float) -> None:
            for listener in tuple(listeners):
                listener(done)

        try:
            yield tell
        finally:
            with self._lock:
                listeners.remove(say)
                if not listeners:
                    del self._listeners[spec]


def find_memory() -> int:
    """The bytes that models may take: what TAILSCOPE_MODEL_MEMORY says, else half of the memory they are loaded into.

    Raises TailscopeError where the environment says no number.
    """
    asked = os.environ.get(MODEL_MEMORY, "").strip()
    if asked and not asked.isdecimal():
        raise TailscopeError(f"{MODEL_MEMORY} is “{asked}” in the environment. It is a number of bytes, such as {8 * 2**30}.")
    return int(asked) if asked else measure_model_memory() // 2
