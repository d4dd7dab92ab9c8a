"""Values kept in memory within a bound of bytes, shared by all sessions."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

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
