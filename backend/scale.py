"""What a corpus of any size would take: time, memory, disk and money, from what indexing another one took.

Searching is spread over all cores, and so is recognizing shards. Merging is counted as if it were not: its jobs are spread too,
but the last one, which puts the sorted hits in one file. So the hours are an upper bound.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from backend.errors import EmptySelection
from backend.quantities import spell_bytes, spell_seconds

PRESETS = {"LAION-400M": 414_080_000, "5 billion pairs": 5_000_000_000}  # pairs


@dataclass(frozen=True)
class Rates:
    """What a sample takes: seconds of a core by what they go into, seconds of merging by the clock, bytes of disk for the study
    and for what is kept beside it; the bytes of memory of one process; and how many samples that was measured on."""

    core_seconds: Mapping[str, float]
    merging: float
    study_bytes: float
    kept_bytes: float
    memory: int
    measured: int


@dataclass(frozen=True)
class Bill:
    """What a corpus takes: seconds by the clock, those of them that are merging, core hours that are paid, price, bytes."""

    pairs: int
    cores: int
    seconds: float
    merging: float
    core_hours: float
    money: float
    memory: int
    study_bytes: float
    kept_bytes: float

    def describe(self) -> str:
        """A sentence for people."""
        return (
            f"{self.pairs:,} pairs on {self.cores:,} cores: at most {spell_seconds(self.seconds)} "
            f"({spell_seconds(self.merging)} of it merging), {self.core_hours:,.1f} core hours for {self.money:,.2f}, "
            f"{spell_bytes(self.memory)} of memory, {spell_bytes(self.study_bytes)} of disk for the study and "
            f"{spell_bytes(self.kept_bytes)} kept beside it."
        )


def measure_rates(lines: Sequence[dict], indexed: int, study_bytes: int, kept_bytes: int) -> Rates:
    """Rates of a corpus from the log of its runs (`precompute.search.run_log`), its samples, and the bytes that these take.

    Searching is that of all runs together, recognizing and merging that of the last. Raises EmptySelection where no run has
    searched a shard and merged what it found.
    """
    shards = [line for line in lines if "shard" in line]
    stages = {line["stage"]: line["seconds"] for line in lines if "stage" in line}
    searched = sum(line["samples"] + line["dropped"] for line in shards)
    if not searched or not indexed or "merging" not in stages:
        raise EmptySelection("No run is noted that searched shards and merged them. Index some shards of the corpus first.")
    spent = {kind: sum(line["seconds"][kind] for line in shards) for kind in shards[0]["seconds"]}
    elapsed = sum(line["seconds"] for line in lines if line.get("stage") == "searching")
    at_once = max(sum(spent.values()) / elapsed, 1.0) if elapsed else 1.0
    core_seconds = {"recognizing": stages.get("recognizing", 0.0) * at_once / indexed}
    core_seconds |= {kind: seconds / searched for kind, seconds in spent.items()}
    memory = max(line["rss"] for line in shards)
    return Rates(core_seconds, stages["merging"] / indexed, study_bytes / indexed, kept_bytes / indexed, memory, searched)


def price_corpus(rates: Rates, pairs: int, cores: int, price: float) -> Bill:
    """What that many pairs take on that many cores, all paid by the hour until the end; `price`: of a core for an hour.

    >>> rates = Rates({"reading": 1e-3, "text": 8e-4}, 1e-5, 100.0, 50.0, 10**9, 10_000)
    >>> bill = price_corpus(rates, 1_000_000, 10, 0.05)
    >>> bill.seconds, bill.merging, round(bill.core_hours, 3), round(bill.money, 4), bill.memory, bill.study_bytes
    (190.0, 10.0, 0.528, 0.0264, 10000000000, 100000000.0)
    """
    merging = rates.merging * pairs
    seconds = sum(rates.core_seconds.values()) * pairs / cores + merging
    hours = seconds * cores / 3600
    disk = rates.study_bytes * pairs, rates.kept_bytes * pairs
    return Bill(pairs, cores, seconds, merging, hours, hours * price, rates.memory * cores, *disk)
