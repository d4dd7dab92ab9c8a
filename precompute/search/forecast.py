"""What indexing a corpus will take: time, memory and disk, foretold from a piece of it that is really searched and merged.

A piece that doubles until it takes some seconds is put through the steps of the run itself, into a folder that is deleted
afterwards. What takes part in every run alike (loading the concepts and the tagger) is told from what grows with the samples by
two pieces of different sizes.
"""

import math
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from backend.quantities import spell_bytes, spell_seconds
from backend.schema import table_path
from precompute.corpus.registry import identify_shard, measure_file
from precompute.corpus.shard import PIECE_SAMPLES, Shard
from precompute.processes import Processes
from precompute.search.contents import describe_files
from precompute.search.corpus import CorpusPlan, list_methods, place_part, plan_merge, plan_search
from precompute.search.corpus_files import measure_files
from precompute.search.layers import Layer, choose_layers
from precompute.search.merge import merge_parts
from precompute.search.parts import Look, Part
from precompute.search.run_log import measure_peak
from precompute.search.shards import Found, ShardSearch, is_searched, name_folder
from precompute.search.spilling import MEMORY_LIMIT

FIRST_PIECE = 64  # samples, whose time is that of loading
LEAST_SECONDS = 2.0  # that the largest piece takes, where there is so much
MOST_SECONDS = 20.0  # that all pieces take, but for the last
HIT_BYTES = 40  # of memory that a hit takes while it is matched or sorted


@dataclass(frozen=True)
class Forecast:
    """What is foretold of a run: its samples, seconds, bytes of memory at most, bytes of the study's files, and of what is kept
    beside them for the runs to come. `measured`: the samples of the piece that it is foretold from."""

    samples: int
    seconds: float
    memory: int
    study_bytes: int
    kept_bytes: int
    measured: int

    def describe(self) -> str:
        """A sentence for people."""
        disk = f"{spell_bytes(self.study_bytes)} of disk for the study and {spell_bytes(self.kept_bytes)} kept beside it"
        return (
            f"Foretold from {self.measured:,} of about {self.samples:,} samples: {spell_seconds(self.seconds)}, "
            f"{spell_bytes(self.memory)} of memory, {disk}."
        )


@dataclass(frozen=True)
class _Piece:
    """What a piece took: its samples, seconds of searching, of searching for what is new alone, and of merging and describing,
    bytes of its files and of its part, its hits."""

    samples: int
    search_seconds: float
    again_seconds: float
    merge_seconds: float
    study_bytes: int
    kept_bytes: int
    hits: int

    @property
    def seconds(self) -> float:
        """Of searching and merging."""
        return self.search_seconds + self.merge_seconds


def foretell(folder: Path, plan: CorpusPlan, samples: int, *, processes: int = 1, found: Found | None = None) -> Forecast:
    """What indexing will take that many samples of a corpus, for the `concepts` of the study in `folder`.

    `found`: the corpus's parts, where an earlier run has left some. Raises SourceError for a shard that cannot be read.
    """
    shard = max(plan.shards, key=lambda shard: _measure_shard(shard, plan.shards))
    start = time.perf_counter()
    identify_shard(shard, plan_search(folder, plan.image_search).look is not None)
    identified = (time.perf_counter() - start) * sum(_measure_shard(one, plan.shards) for one in plan.shards)
    identified /= max(_measure_shard(shard, plan.shards), 1)
    lacking = _list_lacking(found, plan_search(folder, plan.image_search).look)
    pieces = _measure_pieces(folder, plan, shard, lacking)
    first, small, large = pieces[0], pieces[-2], pieces[-1]
    at_once = min(processes, len(plan.shards))
    unread, kept = _share_parts(found)
    search = unread * _grow(small, large, "search_seconds", samples) + kept * _grow(small, large, "again_seconds", samples)
    seconds = (identified + search) / at_once + max(first.merge_seconds - small.merge_seconds, 0.0)
    seconds += _exceed(first, small, large, "search_seconds") if unread or kept else 0.0
    in_shard = min(PIECE_SAMPLES, math.ceil(samples / max(len(plan.shards), 1)))
    hits = large.hits / max(large.samples, 1)
    of_part = (4 * large.kept_bytes / max(large.samples, 1) + HIT_BYTES * hits) * in_shard
    of_process = _measure_peak() + max(of_part, min(HIT_BYTES * hits * samples, MEMORY_LIMIT))
    return Forecast(
        samples,
        seconds + _foretell_merge(small, large, samples),
        round(of_process * (1 if at_once == 1 else at_once + 0.5)),
        round(_grow(small, large, "study_bytes", samples)),
        round(_grow(small, large, "kept_bytes", samples)),
        large.samples,
    )


def _measure_peak() -> int:
    """The most memory that this process has had, in bytes: it has read and searched a piece, and a list that is read whole."""
    return max(measure_peak(), psutil.Process().memory_info().rss)


def _list_lacking(found: Found | None, look: Look | None) -> tuple[Layer, ...]:
    """The layers that shards which were read by an earlier run are searched for now."""
    parts = [part for part in found.lacking if part.books.is_file()] if found else []
    return tuple(layer for layer in found.layers if not is_searched(parts[0], [layer], look)) if parts else ()


def _share_parts(found: Found | None) -> tuple[float, float]:
    """The share of the shards that are read, and the share of those that are kept and searched for what is new."""
    if found is None:
        return 1.0, 0.0
    lacking = sum(part in found.lacking for part in found.parts.values())
    return found.unread / len(found.parts), (lacking - found.unread) / len(found.parts)


def _measure_pieces(folder: Path, plan: CorpusPlan, shard: Shard, lacking: tuple[Layer, ...]) -> list[_Piece]:
    """Pieces of a shard, each four times the one before, until growth is to be seen: one takes some seconds and twice those of
    the one before, or is all of the shard; or until all have taken long enough."""
    most, pieces = FIRST_PIECE, [_measure_piece(folder, plan, shard, FIRST_PIECE, lacking)]
    while len(pieces) < 2 or (
        pieces[-1].samples == most
        and (pieces[-1].seconds < LEAST_SECONDS or pieces[-1].seconds < 2 * pieces[-2].seconds)
        and sum(piece.seconds for piece in pieces) < MOST_SECONDS
    ):
        most *= 4
        pieces.append(_measure_piece(folder, plan, shard, most, lacking))
    return pieces


def _measure_piece(folder: Path, plan: CorpusPlan, shard: Shard, most: int, lacking: tuple[Layer, ...]) -> _Piece:
    """What it takes to search and merge the first samples of a shard, for real; and to search them again for some layers."""
    with tempfile.TemporaryDirectory(prefix="tailscope-forecast-") as place:
        work, made = Path(place) / "work", Path(place) / "made"
        made.mkdir()
        shutil.copyfile(table_path(folder, "concepts"), table_path(made, "concepts"))
        search = plan_search(made, plan.image_search)
        layers = choose_layers(name_folder(plan.work) / "layers", search.concepts)
        plan = replace(plan, work=work, base=plan.base or folder, held=None)
        part, here = Part(work / "part"), ShardSearch(search, layers, most)
        start = time.perf_counter()
        here.write_part(shard, part)
        searched = time.perf_counter() - start
        again = _search_again(here, shard, part, lacking) if lacking else 0.0
        kept = sum(path.stat().st_size for path in part.place.iterdir())
        merge = plan_merge(made, plan, search, list_methods(plan.image_search), layers)
        start = time.perf_counter()
        with Processes(1) as alone:
            entries, counts, _ = merge_parts(merge, [place_part(shard, part, layers, search.look)], alone)
        describe_files(made, plan.corpus)
        merged = time.perf_counter() - start
        written = measure_files(made, list(entries), plan.corpus)
        return _Piece(counts.samples, searched, again, merged, written, kept, entries["hits"]["rows"])


def _search_again(here: ShardSearch, shard: Shard, part: Part, lacking: tuple[Layer, ...]) -> float:
    """The seconds that it takes to search a part that is kept for some layers more."""
    for layer in lacking:
        part.text(layer).unlink()
        if here.look:
            part.image(here.look, layer).unlink()
    start = time.perf_counter()
    here.write_part(shard, part)
    return time.perf_counter() - start


def _grow(small: _Piece, large: _Piece, name: str, samples: int) -> float:
    """A quantity for a number of samples, on the line through two pieces; in proportion where the line falls."""
    before, after = getattr(small, name), getattr(large, name)
    if large.samples <= small.samples or after < before:
        return after * max(samples, 1) / max(large.samples, 1)
    slope = (after - before) / (large.samples - small.samples)
    return max(before + slope * (samples - small.samples), slope * samples)


def _foretell_merge(small: _Piece, large: _Piece, samples: int) -> float:
    """The seconds of merging: where they do not grow with the samples to be seen, those of the larger piece."""
    if large.samples <= small.samples or large.merge_seconds < small.merge_seconds:
        return large.merge_seconds
    return _grow(small, large, "merge_seconds", samples)


def _exceed(first: _Piece, small: _Piece, large: _Piece, name: str) -> float:
    """By how much the first piece exceeds what two later ones say of it: what is loaded once, such as a tagger."""
    return max(getattr(first, name) - _grow(small, large, name, first.samples), 0.0)


def _measure_shard(shard: Shard, shards: Sequence[Shard]) -> int:
    """The bytes of a shard, about: those of its file by the number of its pieces."""
    return measure_file(shard) // sum(other.path == shard.path for other in shards)
