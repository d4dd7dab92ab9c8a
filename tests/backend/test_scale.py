"""What a corpus would take is what a smaller one took, in proportion; more cores spare time but no core hours."""

import pytest

from backend.errors import EmptySelection
from backend.scale import PRESETS, Rates, measure_rates, price_corpus


def shard(samples: int, reading: float, text: float, rss: int = 10**8) -> dict:
    seconds = {"reading": reading, "text": text, "images": 0.0}
    return {"run": "1", "shard": "a.tar", "samples": samples - 100, "dropped": 100, "seconds": seconds, "rss": rss}


def stage(name: str, seconds: float) -> dict:
    return {"run": "1", "stage": name, "seconds": seconds}


LINES = [stage("recognizing", 2.0), shard(1000, 6.0, 2.0), shard(1000, 7.0, 1.0, 3 * 10**8), stage("searching", 4.0)]
LINES.append(stage("merging", 0.9))


def test_rates_are_core_seconds_of_a_sample_read_and_bytes_of_one_indexed():
    rates = measure_rates(LINES, indexed=1800, study_bytes=180_000, kept_bytes=90_000)
    # 16 core seconds within 4 s: four processes, in recognizing too
    assert rates.core_seconds == {"recognizing": 8.0 / 1800, "reading": 13.0 / 2000, "text": 3.0 / 2000, "images": 0.0}
    assert (rates.merging, rates.study_bytes, rates.kept_bytes) == (0.9 / 1800, 100.0, 50.0)
    assert (rates.memory, rates.measured) == (3 * 10**8, 2000)


@pytest.mark.parametrize("lines", [[], LINES[:1], LINES[:-1], [LINES[0], LINES[-1]]])
def test_log_without_a_whole_run_is_no_measure(lines):
    with pytest.raises(EmptySelection, match="No run is noted .* Index some shards"):
        measure_rates(lines, 1800, 1, 1)


def test_cores_spare_time_but_no_core_hours_of_searching():
    rates = Rates({"reading": 3e-3, "text": 1e-3}, 0.0, 100.0, 50.0, 10**8, 1000)
    few, many = (price_corpus(rates, 9_000_000, cores, 0.5) for cores in (10, 100))
    assert (few.seconds, many.seconds) == (3600.0, 360.0)
    assert (few.core_hours, many.core_hours, few.money, many.money) == (10.0, 10.0, 5.0, 5.0)
    assert (few.memory, many.memory, few.study_bytes, few.kept_bytes) == (10**9, 10**10, 9e8, 4.5e8)


def test_merging_is_not_spread_and_its_cores_are_paid():
    bill = price_corpus(Rates({"text": 0.0}, 1e-3, 0.0, 0.0, 1, 1), 3_600_000, 10, 1.0)
    assert (bill.seconds, bill.merging, bill.core_hours, bill.money) == (3600.0, 3600.0, 10.0, 10.0)


def test_bill_is_a_sentence():
    rates = Rates({"reading": 3.6e-3}, 0.0, 1000.0, 500.0, 2 * 10**8, 1)
    assert price_corpus(rates, PRESETS["5 billion pairs"], 100, 0.04).describe() == (
        "5,000,000,000 pairs on 100 cores: at most 50.0 h (0.0 s of it merging), 5,000.0 core hours for 200.00, 20.0 GB of "
        "memory, 5000.0 GB of disk for the study and 2500.0 GB kept beside it."
    )
