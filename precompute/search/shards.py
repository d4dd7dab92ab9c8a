"""Searches shards one by one, in several processes, and keeps what was found in each as a part: a folder in the work folder.

A part is named by what it depends on: the shard's content, the concepts, the tagger and the code. So a run that was killed
goes on where it was, a file that was copied, moved or touched is not searched again, and one that changed is. Naming a shard
reads its bytes once more (and those of its photos, where they are looked at): 1 s of one core for 1 GB.
Only plain values go to another process: paths, numbers, texts, and frozen records of these.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from backend.progress import StageProgress
from precompute.corpus.registry import identify_shard, read_batches
from precompute.corpus.sample import SampleBatch, join_batches
from precompute.corpus.shard import Reading, Shard
from precompute.fingerprint import code_sha256
from precompute.ledger import Ledger
from precompute.processes import Processes
from precompute.search.images import HITS_SCHEMA, search_images
from precompute.search.match import TEXT_SCHEMA, ShardPart
from precompute.search.tagger import Tagger, TaggerRecipe
from precompute.search.text import Vocabulary, compile_vocabulary, search_captions

ROW_GROUP = 1 << 16  # of a part's hits, which lie by concept: who merges a range of concepts reads few of them
SORTED_BY = [("concept", "ascending"), ("method", "ascending"), ("sample_id", "ascending")]
BOOKS = ("samples", "images", "members")


@dataclass(frozen=True)
class SearchJob:
    """What the search of every shard has in common: what is handed to each process, which loads what it needs."""

    concepts: tuple[str, ...]
    tagger: TaggerRecipe | None = None
    floor: float | None = None

    def identify(self) -> str:
        """Changes whenever a shard's part would be another one."""
        tagger = None if self.tagger is None else [self.tagger.name, self.tagger.identify(), self.floor]
        return hashlib.sha256(json.dumps([code_sha256(__name__), self.concepts, tagger]).encode()).hexdigest()


def find_parts(
    shards: Sequence[Shard], search: SearchJob, work: Path, processes: Processes, say: StageProgress
) -> dict[Shard, Path]:
    """The part of each shard, in the order of the samples; those that are not there yet are written first."""
    if search.tagger:
        say("loading the tagger", 0.0)
    common = search.identify()
    ordered = sorted(shards, key=lambda shard: (shard.number, shard.start))
    jobs = [(shard, common, search.tagger is not None) for shard in ordered]
    names: dict[Shard, str] = {}
    for shard, name in processes.run(name_part, jobs):
        names[shard] = name
        say("recognizing shards", len(names) / len(jobs))
    places = {shard: work / names[shard] for shard in ordered}
    _write_parts(places, search, processes, lambda done: say("searching shards", done))
    return places


def name_part(shard: Shard, common: str, with_images: bool) -> tuple[Shard, str]:
    """A shard and the name of its part: other content, concepts, tagger or code have another one."""
    text = json.dumps([common, shard.kind, identify_shard(shard, with_images)])
    return shard, hashlib.sha256(text.encode()).hexdigest()[:32]


def store_part(place: Path, part: ShardPart, books: dict[str, Ledger]) -> None:
    """Writes a part as the folder `place`, which is whole or not there; hits lie by concept, samples by their ids."""
    unfinished = place.with_name(f"{place.name}.{os.getpid()}.part")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    by_concept = [key for key in SORTED_BY if key[0] != "method"]
    tables = {"samples": part.samples, "text": part.text.sort_by(SORTED_BY), "image": part.image.sort_by(by_concept)}
    for name, table in tables.items():
        pq.write_table(table, unfinished / f"{name}.parquet", compression="zstd", row_group_size=ROW_GROUP)
    entries = {unit: ledger.entry() for unit, ledger in books.items()}
    (unfinished / "ledger.json").write_text(json.dumps(entries), encoding="utf-8")
    if place.is_dir():  # another process was as quick, with a shard of the same content
        shutil.rmtree(unfinished)
    else:
        unfinished.replace(place)


def read_books(places: Iterable[Path]) -> dict[str, Ledger]:
    """The books of several parts, added up."""
    books = {unit: Ledger() for unit in BOOKS}
    for place in places:
        for unit, entry in json.loads((place / "ledger.json").read_text(encoding="utf-8")).items():
            books[unit].add(entry)
    return books


class ShardSearch:
    """Searches shards, one after the other; the tagger is loaded when it is first needed."""

    def __init__(self, search: SearchJob):
        self.search = search

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The concepts as captions are searched for them."""
        return compile_vocabulary(self.search.concepts)

    @cached_property
    def tagger(self) -> Tagger:
        """What looks at the images."""
        return self.search.tagger.load(self.search.concepts)

    def write_part(self, shard: Shard, place: Path, say: Callable[[float], None] = lambda done: None) -> None:
        """Writes the part of a shard. Sample ids in it count from the shard's beginning; images are relative to its root.

        So corpora that share the shard share the part. The shard is read once: images are looked at as they pass.
        """
        reading, images, tables = Reading(), Ledger(), []
        looks = self.search.tagger is not None
        batches = _keep_tables(read_batches(replace(shard, number=0), reading, looks), tables)
        found = HITS_SCHEMA.empty_table()
        if looks:
            found = search_images(batches, shard.root, self.tagger, self.search.floor, images, lambda: say(reading.done))
        else:
            for _ in batches:
                say(reading.done)
        samples = join_batches(tables)
        part = ShardPart(_count_from(samples, shard), self._search_text(samples, shard), _count_from(found, shard))
        store_part(place, part, {"samples": reading.samples, "images": images, "members": reading.members})

    def _search_text(self, samples: pa.Table, shard: Shard) -> pa.Table:
        ids = samples["sample_id"].to_numpy() - shard.start
        found = search_captions(samples["caption"], self.vocabulary)
        tables = [
            pa.table([pa.repeat(pa.scalar(method), len(rows)), ids[rows], concepts], schema=TEXT_SCHEMA)
            for method, (rows, concepts) in found.items()
        ]
        return pa.concat_tables(tables)


def _keep_tables(batches: Iterable[SampleBatch], tables: list[pa.Table]) -> Iterator[SampleBatch]:
    for batch in batches:
        tables.append(batch.table)
        yield batch


def _count_from(table: pa.Table, shard: Shard) -> pa.Table:
    """The table with ids that count from the shard's beginning."""
    column = table.schema.get_field_index("sample_id")
    ids = pa.array(table["sample_id"].to_numpy() - np.int64(shard.start))
    return table.set_column(column, table.schema.field(column), ids)


def _write_parts(places: dict[Shard, Path], search: SearchJob, processes: Processes, say: Callable[[float], None]) -> None:
    """Searches the shards that have no part yet."""
    missing = {place: shard for shard, place in places.items() if not place.is_dir()}  # the same content is searched once
    if not missing:
        return
    done = len(places) - len(missing)
    say(done / len(places))
    if processes.count == 1 or len(missing) == 1:
        here = ShardSearch(search)
        for place, shard in missing.items():
            here.write_part(shard, place, lambda part, done=done: say((done + part) / len(places)))
            done += 1
            say(done / len(places))
        return
    if search.tagger:
        search.tagger.prepare(search.concepts)  # here, by all cores, and once
    for _ in processes.run(_search_here, [(search, shard, place) for place, shard in missing.items()]):
        done += 1
        say(done / len(places))


@lru_cache(maxsize=1)
def _open_search(search: SearchJob) -> ShardSearch:
    """The search of this process, where it is one of several."""
    return ShardSearch(search)


def _search_here(search: SearchJob, shard: Shard, place: Path) -> None:
    _open_search(search).write_part(shard, place)
