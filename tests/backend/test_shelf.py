"""Values are kept within a bound of bytes, made once for all who ask, and given up by how long nobody asked for them."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from PIL import Image

from backend.shelf import Shelf, weigh_value


def test_stale_value_is_made_anew_and_weighed_once():
    shelf: Shelf[list] = Shelf(10, len)
    shelf.get("a", lambda: [1, 2])
    assert shelf.get("a", lambda: [1, 2, 3], fresh=lambda value: len(value) == 3) == [1, 2, 3]
    assert (shelf.held, shelf.held_bytes) == ([("a", 3)], 3)


def test_value_that_cannot_be_weighed_holds_up_nobody():
    shelf: Shelf[list] = Shelf(10, len)
    with pytest.raises(TypeError):
        shelf.get("a", lambda: 5)
    assert shelf.get("a", lambda: [1]) == [1]


def test_peek_gives_what_is_kept_and_makes_or_saves_nothing():
    shelf: Shelf[list] = Shelf(4, len)
    assert shelf.peek("a") is None
    first = shelf.get("a", lambda: [1, 2])
    shelf.get("b", lambda: [1])
    assert shelf.peek("a") is first
    shelf.get("c", lambda: [1, 2])
    assert (shelf.peek("a"), [key for key, _ in shelf.held]) == (None, ["b", "c"])


def test_value_in_the_making_holds_up_no_other_key():
    shelf: Shelf[list] = Shelf(10, len)
    begun, go_on = threading.Event(), threading.Event()

    def make() -> list:
        begun.set()
        go_on.wait(30)
        return [1]

    with ThreadPoolExecutor(2) as pool:
        slow = pool.submit(shelf.get, "slow", make)
        try:
            assert begun.wait(30)
            assert shelf.get("quick", lambda: [2]) == [2]
            assert (shelf.peek("slow"), slow.done()) == (None, False)
        finally:
            go_on.set()
        assert slow.result(30) == [1]


@dataclass
class Pair:
    """A value of two parts."""

    left: object
    right: object


@pytest.mark.parametrize(
    ("value", "least", "most"),
    [
        (b"x" * 1000, 1000, 1100),
        ("x" * 1000, 1000, 1100),
        (np.zeros((10, 100), np.float32), 4000, 4000),
        (np.array(["x" * 1000, "y" * 1000], object), 2000, 2300),
        (pd.DataFrame({"a": np.zeros(1000)}), 8000, 8500),
        (pd.Series(["x" * 100] * 10, dtype="str"), 1000, 2500),
        (pa.table({"a": np.zeros(1000)}), 8000, 8000),
        (Image.new("RGB", (100, 10)), 3000, 3200),
        ([b"x" * 1000, {"key": (b"y" * 1000,)}], 2000, 2700),
        (Pair(b"x" * 1000, np.zeros(1000)), 9000, 9200),
        (frozenset({b"x" * 1000}), 1000, 1500),
        (None, 1, 100),
    ],
)
def test_value_weighs_what_it_holds(value, least, most):
    assert least <= weigh_value(value) <= most


def test_shelf_weighs_by_itself_where_it_is_told_no_other_way():
    shelf: Shelf[np.ndarray] = Shelf(10_000)
    shelf.get("a", lambda: np.zeros(1000))
    shelf.get("b", lambda: np.zeros(1000))
    assert shelf.held == [("b", 8000)]
