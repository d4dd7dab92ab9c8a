"""Time left is told from the pace so far, in bytes, and is near the truth after a minute."""

import heapq

import numpy as np
import pytest

from backend.progress import Pace


def test_time_left_is_the_rest_at_the_pace_so_far():
    pace = Pace(0.0, 100.0)
    pace.note(0.25, 110.0)
    assert pace.left(110.0) == 30.0
    pace.note(0.5, 130.0)
    assert pace.left(130.0) == 30.0


def test_time_left_runs_down_between_two_tidings_and_never_below_nothing():
    pace = Pace(0.0, 0.0)
    pace.note(0.5, 10.0)
    assert [pace.left(now) for now in (10.0, 14.0, 99.0)] == [10.0, 6.0, 0.0]


def test_what_an_earlier_run_has_done_does_not_count_as_pace():
    pace = Pace(0.9, 0.0)
    pace.note(0.95, 10.0)
    assert pace.left(10.0) == pytest.approx(10.0)


def test_nothing_is_told_before_anything_is_done():
    pace = Pace(0.3, 5.0)
    assert pace.left(6.0) is None
    pace.note(0.3, 7.0)
    assert pace.left(7.0) is None


def test_what_is_compiled_and_loaded_first_is_no_pace():
    pace, done = Pace(0.0, 0.0), 0.0
    for now in range(30, 61):  # nothing is done for 30 s, then a hundredth a second
        pace.note(done, float(now))
        done += 0.01
    assert pace.left(60.0) == pytest.approx(70.0)


def test_what_was_expected_counts_the_less_the_more_is_done():
    pace = Pace(0.0, 0.0, expected=50.0)
    assert pace.left(0.0) == 50.0
    assert pace.left(10.0) == 40.0  # nothing is told of it
    pace.note(0.5, 50.0)
    assert pace.left(50.0) == 0.5 * 50.0 + 0.5 * 0.0
    pace.note(1.0, 70.0)
    assert pace.left(70.0) == 0.0


def test_pace_of_many_tidings_is_that_of_few():
    few, many = Pace(0.0, 0.0), Pace(0.0, 0.0)
    for now in range(1, 5001):
        many.note(now / 10_000, float(now))
        if now % 500 == 0:
            few.note(now / 10_000, float(now))
    assert many.left(5000.0) == pytest.approx(5000.0) == few.left(5000.0)


def run_shards(sizes: np.ndarray, workers: int, rate: float) -> list[tuple[float, int]]:
    """When each shard of a simulated run is done, and which it is; each worker does `rate` bytes a second."""
    free, ends = [0.0] * workers, []
    for number, size in enumerate(sizes):
        end = heapq.heappop(free) + size / rate
        heapq.heappush(free, end)
        ends.append((end, number))
    return sorted(ends)


@pytest.mark.parametrize("seed", range(20))
def test_time_left_is_within_a_fifth_after_a_minute_though_small_files_come_first(seed):
    sizes = np.sort(np.random.default_rng(seed).lognormal(0, 1, 400))
    ends = run_shards(sizes, 4, sizes.sum() / 4 / 600)
    whole, told = ends[-1][0], {}
    for kind, weights in (("bytes", sizes / sizes.sum()), ("shards", np.full(len(sizes), 1 / len(sizes)))):
        pace, done = Pace(0.0, 0.0), 0.0
        for end, number in ends:
            if end > 60.0:
                break
            done += weights[number]
            pace.note(done, end)
        told[kind] = pace.left(60.0) / (whole - 60.0)
    assert 0.8 <= told["bytes"] <= 1.2
    assert told["shards"] < 0.5
