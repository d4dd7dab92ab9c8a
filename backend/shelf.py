"""What is slow to make and large to keep: made once for all sessions, and kept within a bound of memory.

`Shelf` holds anything that can be weighed; `ModelShelf` holds the models that sessions look through.
"""

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

from backend.clip import Model, Say, load_model, measure_memory, stamp_files

MODEL_MEMORY = "TAILSCOPE_MODEL_MEMORY"  # the environment's word for the bytes that models may take
LEAST_MEMORY = 1 << 30

Value = TypeVar("Value")


class Shelf(Generic[Value]):
    """Values by their keys, the longest unused given up first where they weigh more than `max_bytes`; for many threads.

    A value that is heavier than the bound is handed out and not kept. What is given up leaves the memory once nobody uses
    it any more.
    """

    def __init__(self, max_bytes: int, weigh: Callable[[Value], int]):
        self.max_bytes = max_bytes
        self.held_bytes = 0
        self._weigh = weigh
        self._held: OrderedDict[Hashable, tuple[Value, int]] = OrderedDict()
        self._coming: dict[Hashable, Future] = {}
        self._lock = threading.Lock()

    @property
    def held(self) -> list[tuple[Hashable, int]]:
        """(key, bytes) of what is kept, the longest unused first."""
        with self._lock:
            return [(key, size) for key, (_, size) in self._held.items()]

    def get(self, key: Hashable, make: Callable[[], Value], fresh: Callable[[Value], bool] = lambda value: True) -> Value:
        """The value of a key, made by the first who asks; others who ask meanwhile wait for it.

        A kept value that is not `fresh` is made anew. What `make` raises, all who wait for it get, and nothing is kept.
        """
        with self._lock:
            if key in self._held and fresh(self._held[key][0]):
                self._held.move_to_end(key)
                return self._held[key][0]
            self._drop(key)
            coming = self._coming.get(key)
            mine = coming is None
            if mine:
                coming = self._coming[key] = Future()
        if not mine:
            return coming.result()
        try:
            value = make()
            size = self._weigh(value)
        except BaseException as error:
            with self._lock:
                del self._coming[key]
            coming.set_exception(error)
            raise
        self._keep(key, value, size)
        coming.set_result(value)
        return value

    def _keep(self, key: Hashable, value: Value, size: int) -> None:
        with self._lock:
            del self._coming[key]
            if size > self.max_bytes:
                return
            while self.held_bytes + size > self.max_bytes:
                self._drop(next(iter(self._held)))
            self._held[key] = (value, size)
            self.held_bytes += size

    def _drop(self, key: Hashable) -> None:
        if key in self._held:
            self.held_bytes -= self._held.pop(key)[1]


class ModelShelf:
    """Loaded models, shared by all sessions: each is loaded once, and again where its files have changed.

    max_bytes: what the kept models' weights may take together; while one is loaded, its own come on top.
    """

    def __init__(self, max_bytes: int | None = None, load: Callable[..., Model] = load_model):
        self._shelf: Shelf[Model] = Shelf(find_memory() if max_bytes is None else max_bytes, lambda model: model.size_bytes)
        self._load = load
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

    def get(self, spec: str, *, allow_download: bool = False, say: Say | None = None) -> Model:
        """The model of a spec, as `load_model` takes it. Raises what `load_model` raises; a failure is not remembered."""

        def load() -> Model:
            with self._one_at_a_time:
                return self._load(spec, allow_download=allow_download, say=say)

        return self._shelf.get(spec, load, fresh=lambda model: model.stamp == stamp_files(model.files))


def find_memory() -> int:
    """The bytes that models may take: what TAILSCOPE_MODEL_MEMORY says, else half of the memory they are loaded into."""
    asked = os.environ.get(MODEL_MEMORY, "")
    if asked.isdigit():
        return int(asked)
    return max(measure_memory() // 2, LEAST_MEMORY)
