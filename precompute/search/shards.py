"""Searches shards one by one, in several processes, and keeps what was found in each as a part (`precompute.search.parts`).

A part is named by the shard's content and the code, what is in it by the concepts, the tagger and the least score. So a run
that was killed goes on where it was; a file that was copied, moved or touched is not searched again, and one that changed is;
new concepts are searched for in the captions that are kept, and scored with what the tagger saw. Naming a shard reads its bytes
once more (and those of its photos, where they are looked at): 1 s of one core for 1 GB.
Only plain values go to another process: paths, numbers, texts, and frozen records of these.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from pathlib import Path

import duckdb
import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from backend.progress import StageProgress
from precompute.corpus.registry import identify_shard, measure_file, read_batches, read_samples
from precompute.corpus.sample import SampleBatch, batch_samples
from precompute.corpus.shard import Reading, Shard
from precompute.fingerprint import code_sha256
from precompute.ledger import Ledger
from precompute.processes import Workers
from precompute.search.corpus_files import read_batches as read_rows
from precompute.search.images import encode_images, score_pictures
from precompute.search.layers import Layer, choose_layers
from precompute.search.parts import (
    ROW_GROUP,
    Look,
    Part,
    SampleFile,
    read_books,
    read_features,
    write_books,
    write_features,
    write_hits,
    write_rows,
    write_samples,
    write_text_hits,
)
from precompute.search.run_log import IMAGES, READING, TEXT, Stopwatch, Took
from precompute.search.tagger import Tagger
from precompute.search.text import Vocabulary, compile_vocabulary
from precompute.search.text.runs import find_runs


@dataclass(frozen=True)
class SearchJob:
    """What the search of every shard has in common: what is handed to each process, which loads what it needs."""

    concepts: tuple[str, ...]
    look: Look | None = None


@dataclass(frozen=True)
class Found:
    """The parts of a corpus's shards, in the order of the samples, and the layers whose hits they have.

    `lacking`: those that are not searched yet, or not for all; `unread`: how many shards none of an earlier run has read.
    """

    parts: dict[Shard, Part]
    layers: tuple[Layer, ...]
    lacking: dict[Part, Shard]
    unread: int

    def looked_at(self, look: Look) -> bool:
        """Whether an earlier run has looked at the images of some shard."""
        return any(part.image_books(look.model).is_file() for part in self.parts.values())

    def describe(self) -> str:
        """A sentence on what an earlier run has left; nothing where that is nothing."""
        shards, lacking = len(self.parts), sum(part in self.lacking for part in self.parts.values())
        if self.unread == shards:
            return ""
        if not lacking:
            return f"Found all {shards:,} shards searched by an earlier run: none is searched again."
        again = lacking - self.unread
        more = f"; {again:,} more are kept and searched for what is new alone" if again else ""
        unread = f"; read now: {self.unread:,}" if self.unread else ""
        return f"Found {shards - lacking:,} of {shards:,} shards searched by an earlier run{more}{unread}."


def name_folder(work: Path) -> Path:
    """The folder in the work folder with all that the program of now can use; other code has another one, and so has another
    DuckDB, whose hashes of captions may be others."""
    return work / hashlib.sha256(f"{code_sha256(__name__)} {duckdb.__version__}".encode()).hexdigest()[:16]


def find_parts(shards: Sequence[Shard], search: SearchJob, work: Path, workers: Workers, say: StageProgress) -> Found:
    """The part of each shard, in the order of the samples, by its content; nothing is searched yet."""
    if search.look:
        say("loading the tagger", 0.0)
    folder = name_folder(work)
    layers = choose_layers(folder / "layers", search.concepts)
    ordered = sorted(shards, key=lambda shard: (shard.number, shard.start))
    jobs = [(shard, search.look is not None) for shard in ordered]
    names: dict[Shard, str] = {}
    shares, done = share_bytes(ordered), 0.0
    for shard, name in workers.run(name_part, jobs):
        names[shard] = name
        done += shares[shard]
        say("recognizing shards", min(done, 1.0))
    parts = {shard: Part(folder / "parts" / names[shard]) for shard in ordered}
    lacking = {part: shard for shard, part in parts.items() if not is_searched(part, layers, search.look)}
    return Found(parts, layers, lacking, sum(not part.books.is_file() for part in parts.values()))


def search_parts(
    found: Found,
    search: SearchJob,
    workers: Workers,
    say: StageProgress,
    note: Callable[[Took], None] = lambda took: None,
) -> None:
    """Writes what the parts lack. How far it is goes by bytes; `note` is told what each shard took."""
    if not found.lacking:
        return
    shares = share_bytes(found.parts)
    done = sum(shares[shard] for shard, part in found.parts.items() if part not in found.lacking)
    say("searching shards", done)
    if workers.runs_here(len(found.lacking)):
        here = ShardSearch(search, found.layers)
        for part, shard in found.lacking.items():
            share = shares[shard]
            note(
                here.write_part(
                    shard, part, lambda of_one, done=done, share=share: say("searching shards", done + of_one * share)
                )
            )
            done += share
            say("searching shards", min(done, 1.0))
        return
    if search.look:
        for layer in found.layers:
            search.look.tagger.prepare(layer.concepts)  # here, by all cores, and once
    jobs = [(search, found.layers, shard, part) for part, shard in found.lacking.items()]
    for shard, took in workers.run(_search_here, jobs):
        note(took)
        done += shares[shard]
        say("searching shards", min(done, 1.0))


def share_bytes(shards: Iterable[Shard]) -> dict[Shard, float]:
    """What share of a corpus each shard is, by the bytes of its file; the pieces of a file have equal parts of these.

    A file that is not on this machine yet counts as the mean of those that are.
    """
    shards = list(shards)
    pieces = Counter(shard.path for shard in shards)
    files = {shard.path: shard for shard in shards}
    here = {path: max(measure_file(shard), 1) / pieces[path] for path, shard in files.items() if path.exists()}
    usual = sum(here.values()) / len(here) if here else 1.0
    sizes = {shard: here.get(shard.path, usual) for shard in shards}
    total = sum(sizes.values())
    return {shard: size / total for shard, size in sizes.items()}


def name_part(shard: Shard, with_images: bool) -> tuple[Shard, str]:
    """A shard and the name of its part: other content has another one."""
    text = json.dumps([shard.kind, identify_shard(shard, with_images)])
    return shard, hashlib.sha256(text.encode()).hexdigest()[:32]


def is_searched(part: Part, layers: Sequence[Layer], look: Look | None) -> bool:
    """Whether a part has the hits of all these layers."""
    if not part.books.is_file() or not all(part.text(layer).is_file() for layer in layers):
        return False
    return look is None or (part.image_books(look.model).is_file() and all(part.find_image(look, one) for one in layers))


class ShardSearch:
    """Searches shards, one after the other; a tagger is loaded when it is first needed.

    `most`: of each shard no more samples than this are read.
    """

    def __init__(self, search: SearchJob, layers: tuple[Layer, ...], most: int | None = None):
        self.look = search.look
        self.layers = layers
        self.most = most
        self._taggers: dict[Layer, Tagger] = {}

    def write_part(self, shard: Shard, part: Part, say: Callable[[float], None] = lambda done: None) -> Took:
        """Writes what a shard's part lacks; what that took.

        Sample ids in it count from the shard's beginning, and images are relative to its root: so corpora that
        share the shard share the part. The shard is read once, and only where its samples, or what the tagger sees in them, are
        not there: images are looked at as they pass.
        """
        look, model = self.look, self.look and self.look.model
        part.place.mkdir(parents=True, exist_ok=True)
        clock = Stopwatch()
        if not part.books.is_file() or (look and not part.image_books(model).is_file()):
            with clock.during(READING):
                self._read(shard, part, say, clock)
        if missing := [layer for layer in self.layers if not part.text(layer).is_file()]:
            with clock.during(TEXT):
                self._search_text(part, missing)
        if look:
            with clock.during(IMAGES):
                self._score_pictures(part, look, say)
        samples = read_books(part, None)["samples"]
        rss = psutil.Process().memory_info().rss
        return Took(shard.source or str(shard.path), samples.written, samples.read - samples.written, dict(clock.seconds), rss)

    def _score_pictures(self, part: Part, look: Look, say: Callable[[float], None]) -> None:
        """Writes the image hits of the layers that have none."""
        pictures = pq.read_table(part.pictures(look.model))
        for layer in (one for one in self.layers if part.find_image(look, one) is None):
            features = read_features(part.seen(look.model))
            found = score_pictures(features, self._load_tagger(layer), look.floor, pictures, lambda: say(1.0))
            write_hits(part.image(look, layer), found)

    def _read(self, shard: Shard, part: Part, say: Callable[[float], None], clock: Stopwatch) -> None:
        """Writes the samples, and what the tagger sees in their images."""
        reading, images = Reading(), Ledger()
        with write_samples(part.samples) as samples:
            read = clock.during_each(READING, self._read_batches(replace(shard, number=0), reading))
            batches = _keep_samples(read, samples, shard)
            if self.look is None:
                for _ in batches:
                    say(reading.done)
            else:
                model = self.look.model
                with clock.during(IMAGES), write_features(part.seen(model)) as file:
                    pictures = encode_images(
                        batches, shard.root, self._load_tagger(self.layers[0]), images, file.write, lambda: say(reading.done)
                    )
                write_rows(part.pictures(model), _count_from(pictures, shard))
                write_books(part.image_books(model), images.entry())
        write_books(part.books, {"samples": reading.samples.entry(), "members": reading.members.entry()})

    def _read_batches(self, shard: Shard, reading: Reading) -> Iterator[SampleBatch]:
        if self.most is None:
            return read_batches(shard, reading, self.look is not None)
        return batch_samples(islice(read_samples(shard, reading, self.look is not None), self.most))

    def _load_tagger(self, layer: Layer) -> Tagger:
        if layer not in self._taggers:
            self._taggers[layer] = self.look.tagger.load(layer.concepts)
        return self._taggers[layer]

    def _search_text(self, part: Part, layers: Sequence[Layer]) -> None:
        """Searches the captions for the concepts of some layers, all at once."""
        ids = pq.read_table(part.samples, columns=["sample_id"])["sample_id"].to_numpy()
        vocabulary = _compile(tuple(layers))
        places = {concept: number for number, concept in enumerate(vocabulary.concepts)}
        captions = (batch["caption"] for batch in read_rows([part.samples], ROW_GROUP, ["caption"]))
        with find_runs(captions, vocabulary, part.place / ".runs", count=len(ids)) as runs:
            for layer in layers:
                numbers = np.full(len(places), -1, np.int32)
                numbers[[places[concept] for concept in layer.concepts]] = np.arange(len(layer.concepts))
                write_text_hits(part.text(layer), runs, numbers, ids)


@lru_cache(maxsize=2)
def _compile(layers: tuple[Layer, ...]) -> Vocabulary:
    """The concepts of some layers as captions are searched for them."""
    return compile_vocabulary(sorted({concept for layer in layers for concept in layer.concepts}))


def _keep_samples(batches: Iterable[SampleBatch], samples: SampleFile, shard: Shard) -> Iterator[SampleBatch]:
    for batch in batches:
        samples.write(_count_from(batch.table, shard))
        yield batch


def _count_from(table: pa.Table, shard: Shard) -> pa.Table:
    """The table with ids that count from the shard's beginning."""
    column = table.schema.get_field_index("sample_id")
    ids = pa.array(table["sample_id"].to_numpy() - np.int64(shard.start))
    return table.set_column(column, table.schema.field(column), ids)


@lru_cache(maxsize=1)
def _open_search(search: SearchJob, layers: tuple[Layer, ...]) -> ShardSearch:
    """The search of this process, where it is one of several."""
    return ShardSearch(search, layers)


def _search_here(search: SearchJob, layers: tuple[Layer, ...], shard: Shard, part: Part) -> tuple[Shard, Took]:
    return shard, _open_search(search, layers).write_part(shard, part)
