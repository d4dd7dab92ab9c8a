"""Work done ahead by threads: in order, bounded, and over at the first fault."""

import threading
import time

import pytest

from precompute.evaluate.pipeline import map_ahead


def test_results_come_in_the_order_of_the_items_however_long_each_takes():
    def wait(item: int) -> int:
        time.sleep(0.02 if item % 2 else 0)
        return item * 10

    assert list(map_ahead(wait, range(7), threads=3, ahead=5)) == [0, 10, 20, 30, 40, 50, 60]


def test_no_more_than_asked_for_are_begun_ahead():
    drawn = []

    def draw():
        for item in range(100):
            drawn.append(item)
            yield item

    results = map_ahead(lambda item: item, draw(), threads=2, ahead=4)
    assert next(results) == 0
    assert drawn == [0, 1, 2, 3]
    assert next(results) == 1
    assert drawn == [0, 1, 2, 3, 4]
    results.close()


def test_fault_is_raised_in_its_place_and_ends_the_work():
    begun = []

    def divide(item: int) -> float:
        begun.append(item)
        return 1 / (item - 2)

    results = map_ahead(divide, range(1000), threads=1, ahead=3)
    assert [next(results), next(results)] == [-0.5, -1.0]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert len(begun) < 10


def test_items_are_worked_on_by_several_threads_at_once():
    meeting = threading.Barrier(2, timeout=5)  # broken, and raising, where only one thread comes

    def meet(item: int) -> int:
        meeting.wait()
        return item

    assert list(map_ahead(meet, range(4), threads=2, ahead=4)) == [0, 1, 2, 3]


def test_nothing_gives_nothing():
    assert list(map_ahead(str, [], threads=2, ahead=2)) == []
