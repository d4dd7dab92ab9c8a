"""Merges what was found in the shards of one corpus into its files: samples, hits, misaligned samples; and counts it.

Beside the hits of a concept it counts the different captions and images among them, by their hashes.

Jobs on plain values: parts are matched a few at a time, hits are sorted by ranges of concepts that each read their own rows of
the parts, and samples and misaligned samples are put in a row, some million to a file. Each job writes a file of the corpus;
any process may do it, and none sees every hit. DuckDB sorts and spills to disk: no corpus is held in memory.
Cost: 1.5 s for 40,000 samples with 400,000 hits in 40 shards, on two busy cores of a server.
"""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from backend.progress import Progress
from backend.schema import FILE_ROWS, ROW_GROUP
from precompute.corpus.registry import place_images
from precompute.ledger import Ledger
from precompute.processes import Workers
from precompute.search.cooccurrence import tabulate_together
from precompute.search.corpus_files import CorpusFile, count_rows, place_files, split_pieces
from precompute.search.disagreements import count_spread, sort_disagreements, spread_samples
from precompute.search.given import GivenHits, join_places
from precompute.search.match import Counts, ShardPart, match_part
from precompute.search.placed import Given, Merge, Placed, read_image, read_text, shift_ids
from precompute.search.ranges import split_ranges
from precompute.search.repeats import count_different, count_shares, find_repeats, mark_repeats, mark_unknown
from precompute.search.sorting import open_sort

RANGE_HITS = FILE_ROWS  # of a range of concepts, which one job sorts into a file; a concept with more is a range of its own
PARTS_AT_ONCE = 16  # that one job matches


def merge_parts(
    merge: Merge, placed: Sequence[Placed], workers: Workers, say: Progress = lambda done: None
) -> tuple[dict[str, dict], Counts, Ledger]:
    """Writes a corpus's samples, hits, cooccurrences and, where its images were searched, misaligned samples into the study.

    `placed` come by rising sample_id, the concepts by rising name. Gives the files' manifest entries by table, the counts of
    all shards, and the books of the given hits.
    """
    assert list(merge.concepts) == sorted(set(merge.concepts)), "hits are sorted by the concepts' numbers"
    shutil.rmtree(merge.work, ignore_errors=True)
    merge.work.mkdir(parents=True)
    try:
        _find_repeats(merge, placed, workers)
        placed, counts, given, places = _match_all(merge, placed, workers, lambda done: say(done / 2))
        ranges = split_concepts(_count_stored(merge, counts), merge.range_hits)
        sized = zip(placed, map(count_rows, ([one.samples] for one in placed)), strict=True)
        made = {"samples": list(split_pieces(sized, FILE_ROWS)), "hits": ranges}
        jobs = [(write_samples, merge, run, _made(merge, "samples", number)) for number, run in enumerate(made["samples"])]
        if merge.methods.image:
            found = [(place / "misaligned.arrow", int(np.load(place / "misaligned.npy"))) for place in places]
            made["misaligned"] = list(split_pieces(found, FILE_ROWS))
            files = enumerate(made["misaligned"])
            jobs += [(write_misaligned, merge, run, _made(merge, "misaligned", number)) for number, run in files]
            spread = [place / "disagreements.parquet" for place in places]
            made["disagreements"] = split_concepts(_count_disagreements(merge, places))
            jobs += [
                (sort_disagreements, spread, merge.concepts, merge.corpus, bounds, _made(merge, "disagreements", number))
                for number, bounds in enumerate(made["disagreements"])
            ]
        jobs += [
            (sort_hits, merge, placed, start, stop, _made(merge, "hits", number)) for number, (start, stop) in enumerate(ranges)
        ]
        for done, _ in enumerate(workers.run(_call, jobs), start=1):
            say(0.5 + done / len(jobs) / 2)
        made["cooccurrences"] = [None]
        with CorpusFile(_made(merge, "cooccurrences"), "cooccurrences", merge.corpus) as file:
            for rows in tabulate_together(counts.together, merge.concepts):
                file.write(rows)
        files = {name: [_made(merge, name, number) for number in range(len(runs))] for name, runs in made.items()}
        entries = {name: place_files(paths, merge.folder, name, merge.corpus) for name, paths in files.items()}
        return entries, counts, given
    finally:
        shutil.rmtree(merge.work, ignore_errors=True)


def split_concepts(stored: Sequence[int], most: int | None = None) -> list[tuple[int, int]]:
    """Ranges of concepts (from, to), in order, that have at most so many stored hits each (`RANGE_HITS`), or are one concept.

    >>> split_concepts([5_000_000, 3_000_000, 1, 9_000_000, 0])
    [(0, 2), (2, 3), (3, 4), (4, 5)]
    """
    return split_ranges(stored, most or RANGE_HITS)


def _find_repeats(merge: Merge, placed: Sequence[Placed], workers: Workers) -> None:
    """Writes which samples have an earlier one's caption; and an earlier one's image, where the search has looked at images."""
    shares = count_shares(count_rows([one.samples for one in placed]))
    contents = [("text", "caption_hash", [(one.samples, one.first_id) for one in placed])]
    if merge.methods.image and merge.given is None:
        contents.append(("image", "content", [(one.pictures, one.first_id) for one in placed if one.pictures]))
    jobs = [
        (find_repeats, files, column, share, shares, merge.work / f"repeats-{name}-{share}.npy")
        for name, column, files in contents
        for share in range(shares)
    ]
    for _ in workers.run(_call, jobs):
        pass


def _mark_repeats(merge: Merge, one: Placed, samples: pa.Table) -> tuple[np.ndarray, np.ndarray | None]:
    """Of a part's samples those whose caption came before; and those whose image did or is not known, None where none is."""
    local = samples["sample_id"].to_numpy()
    text, image = (
        mark_repeats(sorted(merge.work.glob(f"repeats-{name}-*.npy")), local + one.first_id) for name in ("text", "image")
    )
    if not one.pictures or merge.given:
        return text, None
    return text, image | mark_unknown(local, pq.read_table(one.pictures, columns=["sample_id", "content"]))


def _match_all(
    merge: Merge, found: Sequence[Placed], workers: Workers, say: Progress
) -> tuple[tuple[Placed, ...], Counts, Ledger, tuple[Path, ...]]:
    """The shards with their image hits, the counts, the books of given hits, and the folders that `match_parts` wrote."""
    places, jobs, placed = [], [], []
    for start in range(0, len(found), PARTS_AT_ONCE):
        place = merge.work / f"matched-{start}"
        chosen = [
            replace(one, image=(place / f"image-{number}.parquet",)) if merge.given else one
            for number, one in enumerate(found[start : start + PARTS_AT_ONCE])
        ]
        places.append(place)
        jobs.append((merge, tuple(chosen), place))
        placed += chosen
    for done, _ in enumerate(workers.run(match_parts, jobs), start=1):
        say(done / len(jobs))
    books = Ledger()
    if merge.given:
        given = _book_given(merge, places, books)
        if given.excluded.any():  # a name that fits images of different shards is seen by none of the jobs alone
            np.save(_excluded_path(merge), given.excluded)
            for place in places:
                shutil.rmtree(place)
            for _ in workers.run(match_parts, jobs):
                pass
        _load_given.cache_clear()
    total = Counts.of_nothing(len(merge.concepts), merge.methods)
    for place in places:
        total.add(Counts.load(place, merge.methods))
    return tuple(placed), total, books, tuple(places)


def _book_given(merge: Merge, places: Sequence[Path], books: Ledger) -> GivenHits:
    """The given hits with what all jobs have found of them, which is booked."""
    given = _open_given(merge)
    for place in places:
        given.places = join_places(given.places, np.load(place / "given.npy"))
    given.excluded = given.places == -1
    given.book(books)
    return given


def match_parts(merge: Merge, placed: Sequence[Placed], place: Path) -> None:
    """Writes the misaligned samples, these by concept, and the counts of some shards into a new folder; and their given hits.

    What a process that was killed left there goes first.
    """
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    total = Counts.of_nothing(len(merge.concepts), merge.methods)
    given = _open_given(merge) if merge.given else None
    met = np.zeros(len(given.places), np.int64) if given else None
    tables = []
    for one in placed:
        named = ("image", "offset", "key") if given else ()
        with pq.ParquetFile(one.samples) as file:
            samples = file.read(["sample_id", *named], use_threads=False)
        if given:
            given.places[:] = 0
            hits = given.join(place_images(samples, one.shard, merge.base))
            met = join_places(met, given.places)
            pq.write_table(hits.sort_by("concept"), one.image[0], compression="zstd")
        found = ShardPart(samples, read_text(merge, one), read_image(merge, one))
        disagreeing, counts = match_part(found, merge.concepts, merge.methods)
        counts.distinct = count_different(found, *_mark_repeats(merge, one, samples), len(merge.concepts), merge.methods)
        total.add(counts)
        tables.append(shift_ids(disagreeing, one.first_id))
    disagreeing = pa.concat_tables(tables)
    keep_misaligned(disagreeing, place / "misaligned.arrow")
    np.save(place / "misaligned.npy", disagreeing.num_rows)
    total.save(place)
    if merge.methods.image:
        spread = spread_samples(disagreeing, merge.concepts)
        pq.write_table(spread, place / "disagreements.parquet", compression="zstd", row_group_size=ROW_GROUP)
        np.save(place / "disagreements.npy", count_spread(spread, len(merge.concepts)))
    if given:
        np.save(place / "given.npy", met)


def keep_misaligned(disagreeing: pa.Table, path: Path) -> None:
    """Writes misaligned samples for `write_misaligned` to read once: ten times as fast as Parquet."""
    with pa.ipc.new_file(path, disagreeing.schema) as file:
        file.write(disagreeing)


def write_samples(merge: Merge, placed: Sequence[Placed], path: Path) -> None:
    """Writes a file of the corpus's samples, a part at a time."""
    with CorpusFile(path, "samples", merge.corpus) as file:
        for one in placed:
            samples = pq.read_table(one.samples)
            file.write(shift_ids(place_images(samples, one.shard, merge.base), one.first_id))


def write_misaligned(merge: Merge, found: Sequence[Path], path: Path) -> None:
    """Writes a file of the corpus's misaligned samples, out of what `keep_misaligned` has left."""
    with CorpusFile(path, "misaligned", merge.corpus) as file:
        for one in found:
            with pa.memory_map(str(one)) as held:
                file.write(pa.ipc.open_file(held).read_all())


def sort_hits(merge: Merge, placed: Sequence[Placed], start: int, stop: int, path: Path) -> None:
    """Writes the hits of the concepts from number `start` to before `stop`, in the order of their table, as a file of its own.

    Of each part only the row groups with these concepts are read.
    """
    with open_sort(merge.work / f"sort-{start}") as hits, CorpusFile(path, "hits", merge.corpus) as file:
        for one in placed:
            found = (read_text(merge, one, start, stop), _drop_low(merge, read_image(merge, one, start, stop)))
            hits.add(*(shift_ids(table, one.first_id) for table in found))
        for batch in hits.sort(merge.concepts, merge.methods):
            file.write(batch)


def _drop_low(merge: Merge, hits: pa.Table) -> pa.Table:
    """The image hits whose score counts at the lowest threshold."""
    if merge.given or not merge.methods.thresholds:
        return hits
    return hits.filter(pc.greater_equal(hits["score"], pa.scalar(np.float32(merge.methods.thresholds[0]), pa.float32())))


def _made(merge: Merge, name: str, number: int = 0) -> Path:
    """Where a file of the corpus is written, before it is moved into the study."""
    return merge.work / f"{name}-{number}.parquet"


def _call(function: Callable, *arguments: object) -> dict | None:
    return function(*arguments)


def _count_stored(merge: Merge, counts: Counts) -> np.ndarray:
    """How many hits of each concept the table holds: those of the text methods and of the first image method."""
    return sum(counts.hits[method] for method in (*merge.methods.text, *merge.methods.image[:1]))


def _count_disagreements(merge: Merge, places: Sequence[Path]) -> np.ndarray:
    """How many rows of `disagreements` there are of no concept, and of each concept."""
    return sum((np.load(place / "disagreements.npy") for place in places), np.zeros(len(merge.concepts) + 1, np.int64))


def _open_given(merge: Merge) -> GivenHits:
    """The given hits of a merge, none of them met yet, without those that are known to be of several images."""
    held = _load_given(merge.given, merge.concepts)
    held.places[:] = 0
    if _excluded_path(merge).is_file():
        held.excluded = np.load(_excluded_path(merge))
    return held


def _excluded_path(merge: Merge) -> Path:
    return merge.work / "excluded.npy"


@lru_cache(maxsize=1)
def _load_given(given: Given, concepts: tuple[str, ...]) -> GivenHits:
    return GivenHits(pq.read_table(given.path), concepts, given.floor)
