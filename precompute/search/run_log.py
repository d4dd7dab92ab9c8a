"""What a run took, shard by shard: a line of JSON each in a file beside the kept searches, and a sentence at the end.

`CORPUS.log.jsonl`, to which each run appends. A line on a shard: run (when it began), shard, samples, dropped, seconds (by what
they went into: reading, text, images) and rss (bytes of memory of the process that searched it). A line on a stage of the run:
run, stage, seconds (of the clock).
"""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from backend.quantities import spell_bytes, spell_seconds
from precompute.study_writer import tell_time

READING, TEXT, IMAGES = KINDS = ("reading", "text", "images")

Item = TypeVar("Item")


@dataclass(frozen=True)
class Took:
    """What the search of one shard took: samples kept and dropped, seconds by `KINDS`, bytes of its process's memory."""

    shard: str
    samples: int
    dropped: int
    seconds: dict[str, float]
    rss: int


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
    """The log of one run. `listen` is told of each shard too."""

    path: Path
    listen: Callable[[Took], None] = lambda took: None
    run: str = field(default_factory=tell_time)

    def note(self, took: Took) -> None:
        """Appends the line of a shard."""
        self._append({**vars(took), "seconds": {kind: round(took.seconds.get(kind, 0.0), 4) for kind in KINDS}})
        self.listen(took)

    @contextmanager
    def time_stage(self, stage: str) -> Iterator[None]:
        """Appends the line of a stage that the block is, where it ends well."""
        start = time.perf_counter()
        yield
        self._append({"stage": stage, "seconds": round(time.perf_counter() - start, 4)})

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
