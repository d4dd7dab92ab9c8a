"""What the stages after searching will take, foretold while shards are searched: some that are found are merged for real.

Merging, describing captions and indexing all words go on for a good part of a run, and nothing of them is to be seen while it
searches. So, once searching has gone on for a while, the smallest of the shards that are done are put through these stages in a
folder that is deleted afterwards, and through again when many more are done. That takes a few hundredths of the time so far.
"""

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from precompute.corpus.shard import Shard
from precompute.search.contents import DESCRIBING, LANGUAGE_SAMPLE, LANGUAGES
from precompute.search.parts import read_books
from precompute.search.run_log import Expected, RunLog, Took
from precompute.search.shards import Found, SearchJob, is_searched, share_bytes

MERGING, INDEXING = "merging", "indexing"  # what the time of a trial goes into, beside describing and telling languages
STAGES = {
    MERGING: "merging shards",
    DESCRIBING: "describing captions",
    INDEXING: "indexing all words",
}  # as progress names them
FIRST_AFTER = 15.0  # seconds of searching
COSTS = 0.04  # of the time so far, that trials may have taken before there is another one
MORE = 4  # times as many samples, for another one
LARGEST = 0.02  # of the corpus that a trial takes, where its shards are so small

# A folder, some shards, what share of the corpus they are: seconds by what they went into.
Trial = Callable[[Path, Sequence[Shard], float], Mapping[str, float]]


class Outlook:
    """Listens to what shards take, and tells a run's log what stages to come are expected to take.

    `trial` puts shards through these stages, in an empty folder, in as many steps as it takes for the whole corpus.
    """

    def __init__(
        self, found: Found, search: SearchJob, log: RunLog, trial: Trial, now: Callable[[], float] = time.perf_counter
    ):
        self._found, self._search, self._log, self._trial, self._now = found, search, log, trial, now
        self._shares = share_bytes(found.parts)
        self._began = now()
        self._spent = 0.0
        self._tried = 0

    def note(self, took: Took) -> None:
        """Notes what a shard took; tells what comes after searching, where it is time for that."""
        self._log.note(took)
        elapsed = self._now() - self._began
        if elapsed < FIRST_AFTER or self._spent > COSTS * elapsed:
            return
        sizes = {
            shard: read_books(part, None)["samples"].written
            for shard, part in self._found.parts.items()
            if is_searched(part, self._found.layers, self._search.look)
        }
        done = sum(self._shares[shard] for shard in sizes)
        total = sum(sizes.values()) / done if done else 0.0
        chosen = choose_shards(sizes, LARGEST * total)
        samples = sum(sizes[shard] for shard in chosen)
        if not samples or done > 1 - COSTS or samples < MORE * self._tried:
            return
        for stage, seconds in self._foretell(chosen, sizes, total).items():
            self._log.expect(Expected(stage, seconds))
        self._spent += self._now() - self._began - elapsed
        self._tried = samples

    def _foretell(self, chosen: Sequence[Shard], sizes: Mapping[Shard, int], total: float) -> dict[str, float]:
        """Seconds of each stage for so many samples."""
        pieces = [chosen[:1], chosen] if len(chosen) > 1 else [chosen]
        took = []
        for piece in pieces:
            with tempfile.TemporaryDirectory(prefix="tailscope-outlook-") as folder:
                samples = sum(sizes[shard] for shard in piece)
                took.append((samples, self._trial(Path(folder), piece, samples / total)))
        expected = {stage: extend_line([(n, of.get(kind, 0.0)) for n, of in took], total) for kind, stage in STAGES.items()}
        samples, largest = took[-1]
        told = largest.get(LANGUAGES, 0.0) * min(total, LANGUAGE_SAMPLE) / min(samples, LANGUAGE_SAMPLE)
        expected[STAGES[DESCRIBING]] += told
        return {stage: seconds for stage, seconds in expected.items() if seconds}


def choose_shards(sizes: Mapping[Shard, int], most: float) -> list[Shard]:
    """The smallest shards that have samples, until these are `most`; one at least.

    >>> choose_shards({"a": 5, "b": 0, "c": 2, "d": 4}, 6.0), choose_shards({"a": 5}, 1.0), choose_shards({}, 1.0)
    (['c', 'd'], ['a'], [])
    """
    chosen, held = [], 0
    for shard in sorted((one for one in sizes if sizes[one]), key=sizes.get):
        if chosen and held + sizes[shard] > most:
            break
        chosen.append(shard)
        held += sizes[shard]
    return chosen


def extend_line(points: Sequence[tuple[int, float]], samples: float) -> float:
    """Seconds for so many samples, on the line through the first and the last point (samples, seconds), rising; in proportion
    to the last where that falls or is one alone.

    >>> extend_line([(10, 2.0), (30, 3.0)], 110), extend_line([(10, 2.0)], 110), extend_line([(10, 4.0), (20, 3.0)], 40)
    (7.0, 22.0, 6.0)
    """
    (few, less), (many, most) = points[0], points[-1]
    if many > few and most > less:
        return most + (most - less) / (many - few) * (samples - many)
    return most * samples / many
