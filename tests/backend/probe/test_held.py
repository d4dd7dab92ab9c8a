"""Files that visitors hand in are held within bounds, the longest unused let go first, and are gone with their visitor."""

import gc
from concurrent.futures import ThreadPoolExecutor

import pytest

from backend.errors import SourceError
from backend.probe.held import ALL_BYTES, SINGLE_BYTES, VISITOR_BYTES, Hands
from backend.probe.unpack import BATCH_BYTES, Part


def hold(hand, key: str, size: int) -> None:
    hand.put(key, f"{key}.png", lambda: [Part(f"{key}.png", b"x" * size)])


def faults(hand) -> dict[str, str]:
    return {part.name: part.fault for key in hand.keys for part in hand.get(key)}


def test_bounds_of_a_visitor_and_of_all_are_those_that_are_stated():
    assert (VISITOR_BYTES, ALL_BYTES) == (256 * 2**20, 512 * 2**20)
    assert SINGLE_BYTES + BATCH_BYTES == VISITOR_BYTES


def test_file_is_unpacked_once():
    hand, calls = Hands().open(), []
    hand.put("a", "a.png", lambda: calls.append(1) or [Part("a.png", b"x")])
    assert [hand.get("a")[0].content for _ in range(3)] == [b"x"] * 3
    assert calls == [1]


def test_longest_unused_file_of_all_visitors_is_let_go_and_says_so():
    hands = Hands(max_bytes=3 * 2**20)
    first, second = hands.open(), hands.open()
    hold(first, "a", 2**20)
    hold(first, "b", 2**20)
    hold(second, "c", 2**20)
    first.get("a")  # b is now the longest unused
    hold(second, "d", 2**20)
    assert faults(first) == {"a.png": "", "b.png": "It was let go: all visitors together may hold 3 MB. Hand it in again."}
    assert faults(second) == {"c.png": "", "d.png": ""}
    assert (first.held_bytes, second.held_bytes, hands.held_bytes) == (2**20, 2 * 2**20, 3 * 2**20)


def test_files_leave_the_memory_with_their_visitor():
    hands = Hands(max_bytes=100)
    hand = hands.open()
    hold(hand, "a", 80)
    del hand
    gc.collect()
    assert hands.held_bytes == 0
    other = hands.open()
    hold(other, "b", 90)
    assert faults(other) == {"b.png": ""}


def test_file_that_cannot_be_unpacked_is_held_as_its_fault():
    def fail():
        raise SourceError("a.zip is no zip that can be read.")

    hand = Hands().open()
    hand.put("a", "a.zip", fail)
    assert faults(hand) == {"a.zip": "a.zip is no zip that can be read."}


def test_files_that_are_taken_away_are_forgotten():
    hand = Hands().open()
    for key in "abc":
        hold(hand, key, 5)
    hand.keep_only(["c", "a", "unknown"])
    assert (hand.keys, hand.held_bytes) == (["a", "c"], 10)
    with pytest.raises(KeyError):
        hand.get("b")


def test_many_visitors_at_once_stay_within_the_bound():
    hands = Hands(max_bytes=50)
    visitors = [hands.open() for _ in range(8)]

    def hand_in(hand) -> None:
        for key in range(40):
            hold(hand, str(key), 3)
            assert hands.held_bytes <= 50 + 8 * 3  # those that others are putting at this moment

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(hand_in, visitors))
    assert 0 < hands.held_bytes <= 50
