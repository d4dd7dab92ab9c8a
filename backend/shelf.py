"""Values kept in memory within a bound of bytes, shared by all sessions: the one cache of this program.

shelf = Shelf(64 * 2**20, len)
thumbnail = shelf.get((study.token, sample), lambda: make_thumbnail(content))
"""

import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import Future
from dataclasses import fields, is_dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
from PIL import Image

Value = TypeVar("Value")


class Shelf(Generic[Value]):
    """Values by their keys, the longest unused given up first where they weigh more than `max_bytes`; for many threads.

    `weigh` tells a value's bytes; without it they are counted by `weigh_value`. A value that is heavier than the bound is
    handed out and not kept. What is given up leaves the memory once nobody uses it any more. A value is shared as it is:
    whoever gets it must not change it.
    """

    def __init__(self, max_bytes: int, weigh: Callable[[Value], int] | None = None):
        self.max_bytes = max_bytes
        self.held_bytes = 0
        self._weigh = weigh or weigh_value
        self._held: OrderedDict[Hashable, tuple[Value, int]] = OrderedDict()
        self._coming: dict[Hashable, Future] = {}
        self._lock = threading.Lock()

    @property
    def held(self) -> list[tuple[Hashable, int]]:
        """(key, bytes) of what is kept, the longest unused first."""
        with self._lock:
            return [(key, size) for key, (_, size) in self._held.items()]

    def get(self, key: Hashable, make: Callable[[], Value], fresh: Callable[[Value], bool] = lambda value: True) -> Value:
        """The value of a key, made by the first who asks; others who ask meanwhile wait for it, and for no other key's.

        A kept value that is not `fresh` is made anew. What `make` raises, all who wait for it get, and nothing is kept.
        `make` must not ask for its own key.
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

    def peek(self, key: Hashable) -> Value | None:
        """The value of a key where it is kept, else None; nothing is made or waited for, and it counts as no use."""
        with self._lock:
            return self._held[key][0] if key in self._held else None

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


def weigh_value(value: Any) -> int:
    """The bytes that a value holds: arrays, tables and images by their buffers, collections and dataclasses by their parts.

    What two parts share counts twice, so that a bound errs on the safe side; of other objects their own bytes count alone.

    >>> weigh_value(np.zeros(1000)) == weigh_value((np.zeros(500), np.zeros(500))) - sys.getsizeof((0, 0))
    True
    """
    if isinstance(value, np.ndarray):
        return value.nbytes if value.dtype != object else value.nbytes + sum(map(weigh_value, value.flat))
    if isinstance(value, pd.DataFrame | pd.Series | pd.Index):
        used = value.memory_usage(deep=True)
        return int(used if isinstance(used, int | np.integer) else used.sum())
    if isinstance(value, pa.Table | pa.RecordBatch | pa.Array | pa.ChunkedArray):
        return value.nbytes
    own = sys.getsizeof(value)
    if isinstance(value, Image.Image):
        return own + value.width * value.height * len(value.getbands())
    if isinstance(value, Mapping):
        return own + sum(weigh_value(key) + weigh_value(item) for key, item in value.items())
    if isinstance(value, list | tuple | set | frozenset):
        return own + sum(map(weigh_value, value))
    if is_dataclass(value) and not isinstance(value, type):
        return own + sum(weigh_value(getattr(value, field.name)) for field in fields(value))
    return own
