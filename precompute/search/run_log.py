"""What a run took, shard by shard: a line of JSON each in a file beside the kept searches, and a sentence at the end.

`CORPUS.log.jsonl`, to which each run appends. A line on a shard: run (when it began), shard, samples, dropped, seconds (by what
they went into: reading, text, images) and rss (bytes of memory of the process that searched it). A line on a stage of the run:
run, stage, seconds (of the clock). A line on what a stage to come is expected to take: run, expected (the stage), seconds.
A summary of the run goes into the study's manifest, where it is the measure of larger ones (`backend.scale`).
"""

import json
import platform
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import psutil

from backend.manifest import RunEntry
from backend.quantities import spell_bytes, spell_seconds
from precompute.study_writer import tell_time

READING, TEXT, IMAGES = KINDS = ("reading", "text", "images")
CPUS = Path("/proc/cpuinfo")  # where Linux tells what processor it is

Item = TypeVar("Item")


@dataclass(frozen=True)
class Took:
    """What the search of one shard took: samples kept and dropped, seconds by `KINDS`, bytes of its process's memory."""

    shard: str
    samples: int
    dropped: int
    seconds: dict[str, float]
    rss: int


@dataclass(frozen=True)
class Expected:
    """What a stage of a run that is still to come is expected to take: seconds by the clock, told by what it did on a piece."""

    stage: str
    seconds: float


class Stopwatch:
    """Seconds by what they went into; what is done within something else is not counted there."""

    def __init__(self, now: Callable[[], float] = time.perf_counter):
        self.seconds: Counter = Counter()
        self._now = now
        self._kinds: list[str] = []
        self._since = 0.0

    @contextmanager
    def during(self, kind: str) -> Iterator[None]:
        """Counts the block's time under a kind."""
        self._book()
        self._kinds.append(kind)
        try:
            yield
        finally:
            self._book()
            self._kinds.pop()

    def during_each(self, kind: str, items: Iterable[Item]) -> Iterator[Item]:
        """The items; the time that each takes to come counts under a kind."""
        left = iter(items)
        while True:
            with self.during(kind):
                try:
                    item = next(left)
                except StopIteration:
                    return
            yield item

    def _book(self) -> None:
        now = self._now()
        if self._kinds:
            self.seconds[self._kinds[-1]] += now - self._since
        self._since = now


@dataclass
class RunLog:
    """The log of one run. `listen` is told of each shard, and of what stages to come are expected to take, too."""

    path: Path
    listen: Callable[[Took | Expected], None] = lambda told: None
    run: str = field(default_factory=tell_time)

    def note(self, took: Took) -> None:
        """Appends the line of a shard."""
        self._append({**vars(took), "seconds": {kind: round(took.seconds.get(kind, 0.0), 4) for kind in KINDS}})
        self.listen(took)

    def expect(self, expected: Expected) -> None:
        """Appends the line of what a stage is expected to take."""
        self._append({"expected": expected.stage, "seconds": round(expected.seconds, 4)})
        self.listen(expected)

    def note_stages(self, seconds: Mapping[str, float]) -> None:
        """Appends the lines of stages that were timed elsewhere."""
        for stage, of_stage in seconds.items():
            self._append({"stage": stage, "seconds": round(of_stage, 4)})

    @contextmanager
    def time_stage(self, stage: str) -> Iterator[None]:
        """Appends the line of a stage that the block is, where it ends well."""
        start = time.perf_counter()
        yield
        self.note_stages({stage: time.perf_counter() - start})

    def _append(self, line: dict) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"run": self.run, **line}, ensure_ascii=False) + "\n")


def name_log(folder: Path, corpus: str) -> Path:
    """The log of a corpus's runs in a folder of kept searches."""
    return folder / f"{corpus}.log.jsonl"


def read_log(path: Path, run: str | None = None) -> list[dict]:
    """The lines of a log, of one run or of all; none where there is no log. A line that a killed run cut off is left out."""
    if not path.is_file():
        return []
    lines = []
    for text in path.read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(text))
        except json.JSONDecodeError:
            continue
    return [line for line in lines if run in (None, line["run"])]


def measure_run(lines: Iterable[dict], **known) -> RunEntry | None:
    """What a run took as the manifest keeps it, from the lines of its log; None where it read no shard to its end.

    `known`: what the log does not say: processes (None: as many as worked at once), indexed, study_bytes, kept_bytes, tagger.
    Shards that were kept and searched for what was new alone are left out.
    """
    lines = list(lines)
    shards = [line for line in lines if "shard" in line and line["seconds"][READING]]
    stages = {line["stage"]: line["seconds"] for line in lines if "stage" in line}
    searched = sum(line["samples"] + line["dropped"] for line in shards)
    if not searched or not known["indexed"] or "merging" not in stages:
        return None
    spent = {kind: round(sum(line["seconds"][kind] for line in shards), 4) for kind in KINDS}
    at_once = max(round(sum(spent.values()) / max(stages["searching"], 1e-9)), 1)
    known["processes"] = known["processes"] or at_once
    memory = max(line["rss"] for line in shards)
    began = lines[0]["run"]
    return RunEntry(
        began=began,
        machine=describe_machine(),
        searched=searched,
        core_seconds=spent,
        stages=stages,
        memory=memory,
        peak=measure_peak(),
        **known,
    )


def choose_runs(entries: Iterable[RunEntry]) -> list[RunEntry]:
    """Of a corpus's runs the one that read most, of those that looked at images and of those that did not; the later of two."""
    most: dict[bool, RunEntry] = {}
    for entry in entries:
        looked = entry.core_seconds.get(IMAGES, 0.0) > 0
        if looked not in most or entry.searched >= most[looked].searched:
            most[looked] = entry
    return list(most.values())


def describe_machine() -> str:
    """This machine in words: its processor, cores and memory."""
    told = platform.processor() or platform.machine()
    if CPUS.is_file():
        names = [line.partition(":")[2].strip() for line in CPUS.read_text().splitlines() if line.startswith("model name")]
        told = names[0] if names else told
    cores, memory = psutil.cpu_count() or 1, spell_bytes(psutil.virtual_memory().total)
    return f"{told}, {cores} core{'s' if cores > 1 else ''}, {memory}"


def measure_peak() -> int:
    """The most memory that this process has had, in bytes."""
    import resource  # Windows has none, and the app, which runs there, imports this module

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def summarize(lines: Iterable[dict]) -> str:
    """What a run's time went into, in a sentence or two, from the lines of its log."""
    lines = list(lines)
    stages = {line["stage"]: line["seconds"] for line in lines if "stage" in line}
    shards = [line for line in lines if "shard" in line]
    named = ", ".join(f"{stage} {spell_seconds(seconds)}" for stage, seconds in stages.items())
    told = f"Took {spell_seconds(sum(stages.values()))}: {named}."
    if not shards:
        return told
    samples = sum(line["samples"] + line["dropped"] for line in shards)
    spent = {kind: sum(line["seconds"][kind] for line in shards) for kind in KINDS}
    shares = ", ".join(f"{kind} {seconds / max(sum(spent.values()), 1e-9):.0%}" for kind, seconds in spent.items())
    rate = samples / max(stages.get("searching", 0.0), 1e-9)
    memory = spell_bytes(max(line["rss"] for line in shards))
    return (
        f"{told} Searched {samples:,} samples in {len(shards):,} shard{'s' if len(shards) > 1 else ''}, {rate:,.0f} a second; "
        f"of the processes' time went into {shares}; {memory} of memory a process at most."
    )
