"""The parts of one corpus, each at its place among the samples, and what is read of them where they are merged."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from precompute.corpus.shard import SAMPLES_PER_SHARD, Shard
from precompute.search.images import HITS_SCHEMA
from precompute.search.match import TEXT_SCHEMA, Methods


@dataclass(frozen=True)
class Given:
    """Hits of a file made elsewhere, as `read_given_hits` gives them, in a Parquet file; and the least score that counts."""

    path: Path
    floor: float | None = None


@dataclass(frozen=True)
class Merge:
    """What the jobs of one merge have in common.

    `folder`: of the study that the corpus's files are written into · `base`: the folder that image paths are relative to ·
    `work`: for what is needed meanwhile · `layers`: for each layer of the parts' hits the number that each of its concepts has
    among `concepts`, -1 for none · `given`: in the place of the parts' own image hits ·
    `range_hits`: of a range of concepts, where not `RANGE_HITS`.
    """

    folder: Path
    corpus: str
    concepts: tuple[str, ...]
    methods: Methods
    base: Path
    work: Path
    layers: tuple[tuple[int, ...], ...]
    given: Given | None = None
    range_hits: int | None = None


@dataclass(frozen=True)
class Placed:
    """A shard, and the files of its part: its samples, its hits by layer, and which picture each sample has.

    `image` is one file of all concepts where the hits were given, none where images were not searched.
    """

    shard: Shard
    samples: Path
    text: tuple[Path, ...]
    image: tuple[Path, ...] = ()
    pictures: Path | None = None

    @property
    def first_id(self) -> int:
        """What is added to the part's sample ids."""
        return self.shard.number * SAMPLES_PER_SHARD + self.shard.start


def read_text(merge: Merge, placed: Placed, start: int = 0, stop: int | None = None) -> pa.Table:
    """What the captions of a shard name of a range of concepts: `TEXT_SCHEMA`, sorted by concept within a layer."""
    stop = len(merge.concepts) if stop is None else stop
    tables = [_read_range(*pair, start, stop) for pair in zip(placed.text, merge.layers, strict=True)]
    return pa.concat_tables([TEXT_SCHEMA.empty_table(), *tables])


def read_image(merge: Merge, placed: Placed, start: int = 0, stop: int | None = None) -> pa.Table:
    """What the images of a shard show of a range of concepts, by a score of at least the part's floor: `HITS_SCHEMA`."""
    stop = len(merge.concepts) if stop is None else stop
    layers = (tuple(range(len(merge.concepts))),) if merge.given else merge.layers[: len(placed.image)]
    tables = [_read_range(*pair, start, stop) for pair in zip(placed.image, layers, strict=True)]
    return pa.concat_tables([HITS_SCHEMA.empty_table(), *tables])


def shift_ids(table: pa.Table, first_id: int) -> pa.Table:
    """The table with ids that count from another one."""
    column = table.schema.get_field_index("sample_id")
    return table.set_column(column, table.schema.field(column), pc.add(table["sample_id"], pa.scalar(first_id, pa.int64())))


def _read_range(path: Path, layer: tuple[int, ...], start: int, stop: int) -> pa.Table:
    """The hits of a layer's concepts whose number is in a range, with that number; of the file no other row group is read."""
    numbers = _number_layer(layer)
    wanted = np.flatnonzero((numbers >= start) & (numbers < stop))
    with pq.ParquetFile(path) as file:
        if not len(wanted):
            return file.schema_arrow.empty_table()
        column = file.schema_arrow.get_field_index("concept")
        spans = [file.metadata.row_group(group).column(column).statistics for group in range(file.num_row_groups)]
        groups = [group for group, span in enumerate(spans) if span and span.min <= wanted[-1] and span.max >= wanted[0]]
        hits = file.read_row_groups(groups, use_threads=False)
    if len(wanted) == len(numbers) and (numbers == np.arange(len(numbers))).all():  # all hits, and as they are
        return hits
    concepts = numbers[hits["concept"].to_numpy()]
    column = hits.schema.get_field_index("concept")
    hits = hits.set_column(column, hits.schema.field(column), pa.array(concepts))
    return hits.filter(pa.array((concepts >= start) & (concepts < stop)))


@lru_cache(maxsize=4)
def _number_layer(layer: tuple[int, ...]) -> np.ndarray:
    return np.array(layer, np.int32)
