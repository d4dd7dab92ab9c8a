"""What a corpus of any size would take: time, memory, disk and money, from what indexing another one took.

Every step is taken to grow in proportion to the samples, and searching to be spread over all cores. Merging is counted as if it
were spread no further than in the run that is the measure: its jobs are, but how far that carries is not measured. So the hours
are an upper bound, and the lower one is that of merging spread as evenly as searching.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import pandas as pd

from backend.errors import EmptySelection
from backend.manifest import RunEntry
from backend.quantities import spell_bytes, spell_seconds
from backend.study import ROOT, Study, quote_folder

OWN_RUN = ROOT / "data" / "own_run.json"
SURE = 100_000  # samples of a run below which what any run takes alike weighs much
PRESETS = {"LAION-400M": 414_080_000, "5 billion pairs": 5_000_000_000}  # pairs
RECOGNIZING, READING, TEXT, IMAGES = SPREAD = ("recognizing", "reading", "text", "images")
MERGING, DESCRIBING = ALONE = ("merging", "describing")  # counted as if they were spread no further than in the measured run
ONCE = "telling languages"  # of so many captions, however many there are
NAMES = {
    RECOGNIZING: "Recognizing the shards",
    READING: "Reading",
    TEXT: "Searching captions",
    IMAGES: "Looking at images",
    MERGING: "Merging",
    DESCRIBING: "Describing captions",
    ONCE: "Telling languages",
}


@dataclass(frozen=True)
class Measured:
    """A run of a corpus of a study, whose rates are the measure of others; of no study is the program's own. `title`: of the
    corpus."""

    study: Study | None
    corpus: str
    title: str
    run: RunEntry

    @property
    def told(self) -> str:
        """The corpus and where it is."""
        return f"{self.title} ({self.study.title})" if self.study else self.title

    @property
    def has_images(self) -> bool:
        """Whether it looked at images."""
        return self.run.core_seconds.get(IMAGES, 0.0) > 0


@dataclass(frozen=True)
class Rates:
    """What a sample takes: seconds of a core by `SPREAD`, seconds by the clock by `ALONE`, bytes of disk for the study and for
    what is kept beside it; the bytes of memory of a process that searches and of the one that merges. `once`: seconds that do
    not grow · `measured`: on how many samples · `processes`: that merged at the same time."""

    core_seconds: Mapping[str, float]
    alone: Mapping[str, float]
    study_bytes: float
    kept_bytes: float
    memory: int
    peak: int
    once: float
    measured: int
    processes: int = 1


@dataclass(frozen=True)
class Fleet:
    """Machines that work at the same time, the cores of each, and what one costs for an hour."""

    machines: int
    cores: int
    price: float

    @property
    def all_cores(self) -> int:
        """Of all machines."""
        return self.machines * self.cores


@dataclass(frozen=True)
class Bill:
    """What a corpus takes: seconds by the clock of each step, in order, and of merging if it were spread over all cores; bytes
    of memory of a machine, of disk; all machines are paid until the end."""

    pairs: int
    fleet: Fleet
    steps: Mapping[str, float]
    merging_spread: float
    memory: int
    peak: int
    study_bytes: float
    kept_bytes: float

    @property
    def seconds(self) -> float:
        """By the clock, of all steps."""
        return sum(self.steps.values())

    @property
    def alone(self) -> float:
        """Seconds of the steps that are counted as if more cores did them no quicker."""
        return sum(self.steps[step] for step in (*ALONE, ONCE))

    @property
    def least(self) -> float:
        """Seconds by the clock, of all steps, if merging were spread over all cores."""
        return self.seconds - self.steps[MERGING] + self.merging_spread

    @property
    def core_hours(self) -> float:
        """That are paid."""
        return self.seconds * self.fleet.all_cores / 3600

    @property
    def money(self) -> float:
        """For all machines, until the end."""
        return self.price_of(self.seconds)

    @property
    def disk(self) -> float:
        """Bytes, of the study and of what is kept beside it."""
        return self.study_bytes + self.kept_bytes

    @property
    def memory_of_machine(self) -> int:
        """Bytes at most, of all processes of one machine."""
        return max(self.memory * self.fleet.cores, self.peak)

    def price_of(self, seconds: float) -> float:
        """What so many seconds of all machines cost."""
        return seconds / 3600 * self.fleet.machines * self.fleet.price

    def describe(self) -> str:
        """A sentence for people."""
        return (
            f"{self.pairs:,} pairs on {self.fleet.all_cores:,} cores: at most {spell_seconds(self.seconds)} "
            f"({spell_seconds(self.alone)} of it merging), {self.core_hours:,.1f} core hours for {self.money:,.2f}, "
            f"{spell_bytes(self.memory_of_machine)} of memory a machine, {spell_bytes(self.study_bytes)} of disk for the study "
            f"and {spell_bytes(self.kept_bytes)} kept beside it."
        )

    def tabulate(self) -> pd.DataFrame:
        """step, seconds, hours, memory, disk, money: a row for each step that takes time, and one of what is kept.

        Memory in GB of one machine, disk in GB; null where a step has none of its own.
        """
        rows = []
        for step, seconds in self.steps.items():
            if not seconds:
                continue
            memory = self.peak if step in (*ALONE, ONCE) else self.memory * self.fleet.cores
            disk = {READING: self.kept_bytes, MERGING: self.study_bytes}.get(step)
            rows.append((NAMES[step], seconds, seconds / 3600, memory / 1e9, disk and disk / 1e9, self.price_of(seconds)))
        columns = ["step", "seconds", "hours", "memory", "disk", "money"]
        return pd.DataFrame(rows, columns=columns).astype({"disk": float})


def list_runs(studies: Sequence[Study]) -> list[Measured]:
    """The measured runs of some studies: the first study's first, and in each those of the most samples."""
    found = []
    for study in studies:
        titles = study.corpus_titles if study.has("corpora") else {}
        runs = [
            Measured(study, corpus, titles.get(corpus, corpus), run) for corpus, of in study.manifest.runs.items() for run in of
        ]
        found += sorted(runs, key=lambda one: (-one.run.searched, one.corpus, one.run.began))
    return found


def read_own_run() -> Measured:
    """The run that comes with the program, for where nothing else was measured: `python -m benchmarks.index` has made it."""
    entry = json.loads(OWN_RUN.read_text(encoding="utf-8"))
    return Measured(None, "", entry["title"], RunEntry(**entry["run"]))


def fit_runs(runs: Sequence[Measured], corpus: str | None, *, images: bool) -> list[Measured]:
    """The runs that can be the measure of a corpus with or without its images, the best first.

    Of the first run's study before others, and the program's own last; of those, one that searched the same things, and of
    `corpus`, before others.
    """
    fitting = [one for one in runs if one.has_images or not images]
    here = runs[0].study if runs else None

    def tell_distance(one: Measured) -> tuple[bool, ...]:
        return one.study is not here, one.study is None, one.has_images != images, one.corpus != corpus

    return sorted(fitting, key=tell_distance)


def tell_command(study: Study, *, images: bool) -> str:
    """The command that makes and measures a run in a study."""
    looks = " --tagger MODEL" if images else ""
    return f"python -m precompute index --study {quote_folder(study.folder)} --corpus NAME --shards 'GLOB'{looks}"


def tell_run(measured: Measured) -> str:
    """A sentence on which run is the measure: of what, when, on what machine."""
    run = measured.run
    looked = f" and their images by {run.tagger}" if measured.has_images else ""
    return (
        f"Measured on {run.searched:,} samples of {measured.told}, captions{looked}, on "
        f"{tell_day(run.began)}: {run.processes:,} process{'es' if run.processes > 1 else ''} of a machine with {run.machine}."
    )


def tell_day(began: str) -> str:
    """The day of a time as the manifest has it.

    >>> tell_day("2026-11-05T20:51:20+00:00")
    '5 November 2026'
    """
    day = date.fromisoformat(began[:10])
    return f"{day.day} {day:%B %Y}"


def measure_rates(run: RunEntry, *, images: bool) -> Rates:
    """What a sample takes by what a run took; without images nothing is counted for looking at them.

    Raises EmptySelection where the run looked at none, and `images` are asked for.
    """
    if images and not run.core_seconds.get(IMAGES):
        raise EmptySelection("This run looked at captions alone: it does not tell what looking at images takes.")
    searching = run.stages.get("searching", 0.0)
    at_once = max(sum(run.core_seconds.values()) / searching, 1.0) if searching else 1.0
    core_seconds = {RECOGNIZING: run.stages.get(RECOGNIZING, 0.0) * at_once / run.indexed}
    core_seconds |= {step: run.core_seconds.get(step, 0.0) / run.searched for step in SPREAD[1:]}
    if not images:
        core_seconds[IMAGES] = 0.0
    alone = {step: run.stages.get(step, 0.0) / run.indexed for step in ALONE}
    disk = run.study_bytes / run.indexed, run.kept_bytes / run.indexed
    return Rates(core_seconds, alone, *disk, run.memory, run.peak, run.stages.get(ONCE, 0.0), run.searched, run.processes)


def price_corpus(rates: Rates, pairs: int, fleet: Fleet) -> Bill:
    """What that many pairs take on some machines.

    >>> rates = Rates({"reading": 1e-3, "text": 8e-4}, {"merging": 1e-5, "describing": 0.0}, 100.0, 50.0, 10**9, 10**9, 0.0, 1)
    >>> bill = price_corpus(rates, 1_000_000, Fleet(2, 5, 0.25))
    >>> bill.seconds, round(bill.core_hours, 3), round(bill.money, 4), bill.memory_of_machine, bill.study_bytes
    (190.0, 0.528, 0.0264, 5000000000, 100000000.0)
    """
    steps = {step: each * pairs / fleet.all_cores for step, each in rates.core_seconds.items()}
    steps |= {step: each * pairs for step, each in rates.alone.items()} | {ONCE: rates.once}
    spread = steps[MERGING] * rates.processes / fleet.all_cores
    steps[MERGING] = max(steps[MERGING], spread)  # on fewer cores than the measured run had processes
    return Bill(pairs, fleet, steps, spread, rates.memory, rates.peak, rates.study_bytes * pairs, rates.kept_bytes * pairs)
