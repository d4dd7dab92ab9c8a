"""Parts: what is kept of each searched shard, a folder a shard, which is named by the shard's content.

    samples.parquet        its samples, each with a hash of its caption
    books.json             what was read, written and dropped
    text-LAYER.parquet     what the captions name of a layer's concepts
    MODEL.seen.parquet     what a tagger's model sees in each picture
    MODEL.pictures.parquet which picture each sample has
    MODEL.books.json       the books of the images
    TAGGER-FLOOR-LAYER.parquet  what the pictures show of a layer's concepts, by a score of at least FLOOR

A file is whole or not there. Books are written after what they tell of: where they lie, all of it does.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from backend.writing import write_file
from precompute.corpus.sample import SCHEMA
from precompute.ledger import Ledger
from precompute.search.distinct import hash_captions
from precompute.search.layers import Layer
from precompute.search.match import TEXT_SCHEMA
from precompute.search.tagger import TaggerRecipe
from precompute.search.text.runs import HitRuns

ROW_GROUP = 1 << 16  # rows; of hits, which lie by concept: who merges a range of concepts reads few of them
PICTURES_AT_ONCE = 1 << 12
BY_CONCEPT = [("concept", "ascending"), ("sample_id", "ascending")]
File = TypeVar("File", "SampleFile", "FeatureFile")
BOOKS = ("samples", "images", "members")


@dataclass(frozen=True)
class Look:
    """How images are looked at: by which tagger, and from which score on its hits are kept."""

    tagger: TaggerRecipe
    floor: float

    @property
    def model(self) -> str:
        """What the files of features are named by."""
        return _shorten(self.tagger.identify_features())

    @property
    def name(self) -> str:
        """What the files of hits are named by, before the floor and the layer."""
        return _shorten(f"{self.tagger.name} {self.tagger.identify()}")


@dataclass(frozen=True)
class Part:
    """The folder of one shard's part."""

    place: Path

    @property
    def samples(self) -> Path:
        """The file of samples."""
        return self.place / "samples.parquet"

    @property
    def books(self) -> Path:
        """The file of the books of samples and members."""
        return self.place / "books.json"

    def text(self, layer: Layer) -> Path:
        """The file of a layer's text hits."""
        return self.place / f"text-{layer.name}.parquet"

    def seen(self, model: str) -> Path:
        """The file of what a model sees in each picture."""
        return self.place / f"{model}.seen.parquet"

    def pictures(self, model: str) -> Path:
        """The file of which picture each sample has."""
        return self.place / f"{model}.pictures.parquet"

    def image_books(self, model: str) -> Path:
        """The file of the images' books."""
        return self.place / f"{model}.books.json"

    def image(self, look: Look, layer: Layer) -> Path:
        """The file of a layer's image hits of scores from `look.floor` on."""
        return self.place / f"{look.name}-{look.floor:.2f}-{layer.name}.parquet"

    def find_image(self, look: Look, layer: Layer) -> Path | None:
        """The file that has these image hits and the fewest lower scores; None where none has them."""
        floors = {float(path.name.split("-")[1]): path for path in self.place.glob(f"{look.name}-*-{layer.name}.parquet")}
        low_enough = [floor for floor in floors if floor <= look.floor + 1e-9]
        return floors[max(low_enough)] if low_enough else None


def read_books(part: Part, look: Look | None) -> dict[str, Ledger]:
    """The books of a part by unit (`BOOKS`); images have some where they were looked at."""
    entries = json.loads(part.books.read_text(encoding="utf-8"))
    if look:
        entries["images"] = json.loads(part.image_books(look.model).read_text(encoding="utf-8"))
    books = {unit: Ledger() for unit in BOOKS}
    for unit, entry in entries.items():
        books[unit].add(entry)
    return books


def choose_encoding(columns: Sequence[str]) -> dict:
    """How Parquet keeps hits that lie by concept: two thirds of the bytes of its usual way, read in a third of the time.

    So packed, zstd would take another 5 to 15% off, and twice as long to read.
    """
    kinds = {"sample_id": "DELTA_BINARY_PACKED", "score": "BYTE_STREAM_SPLIT"}
    return {
        "compression": "none",
        "use_dictionary": [name for name in columns if name not in kinds],
        "column_encoding": {name: kind for name, kind in kinds.items() if name in columns},
    }


def write_hits(path: Path, hits: pa.Table) -> None:
    """Writes image hits as a part keeps them, by concept."""
    with write_file(path) as unfinished:
        encoding = choose_encoding(hits.column_names)
        pq.write_table(hits.sort_by(BY_CONCEPT), unfinished, row_group_size=ROW_GROUP, **encoding)


def write_rows(path: Path, table: pa.Table) -> None:
    """Writes a table as a file of a part."""
    with write_file(path) as unfinished:
        pq.write_table(table, unfinished, compression="zstd", row_group_size=ROW_GROUP)


def write_books(path: Path, books: dict) -> None:
    """Writes books as a file of a part."""
    with write_file(path) as unfinished:
        unfinished.write_text(json.dumps(books), encoding="utf-8")


def write_samples(path: Path) -> AbstractContextManager["SampleFile"]:
    """A file of samples to write, batch by batch; it is there as a whole where the block ends well."""
    return _open_whole(path, SampleFile)


class SampleFile:
    """Samples as they come (`sample.SCHEMA`), each with a hash of its caption, by rising sample_id."""

    def __init__(self, path: Path):
        self._path = path
        self._writer = pq.ParquetWriter(path, SCHEMA.append(pa.field("caption_hash", pa.int64())), compression="zstd")
        self._waiting: list[pa.Table] = []
        self._rows = 0
        self._last = -1
        self._is_sorted = True

    def write(self, samples: pa.Table) -> None:
        """Appends some samples; a reader may give one early whose first part came late."""
        ids = np.append(self._last, samples["sample_id"].to_numpy())
        self._is_sorted &= bool((ids[1:] > ids[:-1]).all())
        self._last = ids[-1]
        self._waiting.append(samples)
        self._rows += samples.num_rows
        if self._rows >= ROW_GROUP:
            self._flush()

    def close(self) -> None:
        """Writes what waits, and puts what came early in its place."""
        if self._waiting:
            self._flush()
        self._writer.close()
        if not self._is_sorted:
            pq.write_table(
                pq.read_table(self._path).sort_by("sample_id"), self._path, compression="zstd", row_group_size=ROW_GROUP
            )

    def _flush(self) -> None:
        samples = pa.concat_tables(self._waiting)
        self._writer.write_table(samples.append_column("caption_hash", hash_captions(samples["caption"])))
        self._waiting, self._rows = [], 0


def write_text_hits(
    path: Path,
    runs: HitRuns,
    numbers: np.ndarray,
    sample_ids: np.ndarray | None = None,
    spans: Sequence[tuple[int, int]] | None = None,
) -> None:
    """Writes what captions name as a part keeps it (`TEXT_SCHEMA`), by concept and sample; a piece at a time.

    `numbers`: for each concept of the runs that which it has in the file, or -1 for none, rising · `sample_ids`: the captions',
    where these are not their rows · `spans`: of concepts, some of `runs.split()`, where not all of them.
    """
    encoding = choose_encoding(TEXT_SCHEMA.names)
    with (
        write_file(path) as unfinished,
        pq.ParquetWriter(unfinished, TEXT_SCHEMA, store_schema=False, write_statistics=["concept"], **encoding) as writer,
    ):
        for span in runs.split() if spans is None else spans:
            for hits in runs.merge(*span):
                of_hit = np.repeat(numbers[hits.first_concept : hits.first_concept + len(hits.counts)], hits.counts)
                ids = hits.rows if sample_ids is None else sample_ids[hits.rows]
                columns = [ids, of_hit, hits.sets]
                if (of_hit < 0).any():
                    columns = [column[of_hit >= 0] for column in columns]
                writer.write_table(pa.table(columns, schema=TEXT_SCHEMA), row_group_size=ROW_GROUP)


def write_features(path: Path) -> AbstractContextManager["FeatureFile"]:
    """A file of features to write, batch by batch; it is there as a whole where the block ends well."""
    return _open_whole(path, FeatureFile)


class FeatureFile:
    """Features of pictures as they come, float32 (pictures, width), in row groups of a size."""

    def __init__(self, path: Path):
        self._path = path
        self._writer: pq.ParquetWriter | None = None
        self._waiting: list[np.ndarray] = []
        self._rows = 0

    def write(self, features: np.ndarray) -> None:
        """Appends the features of some pictures."""
        self._waiting.append(features)
        self._rows += len(features)
        if self._rows >= PICTURES_AT_ONCE:
            self._flush()

    def close(self) -> None:
        """Writes what waits; a file without pictures is empty."""
        if self._waiting or self._writer is None:
            self._flush()
        self._writer.close()

    def _flush(self) -> None:
        features = np.concatenate(self._waiting) if self._waiting else np.empty((0, 1), np.float32)
        table = pa.table({"seen": pa.FixedSizeListArray.from_arrays(pa.array(features.ravel()), features.shape[1])})
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, table.schema, compression="none", use_dictionary=False)
        self._writer.write_table(table)
        self._waiting, self._rows = [], 0


def read_features(path: Path) -> Iterator[np.ndarray]:
    """The features of a file, float32 (pictures, width), some pictures at a time."""
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(PICTURES_AT_ONCE):
            column = batch["seen"]
            yield column.flatten().to_numpy().reshape(len(column), column.type.list_size)


@contextmanager
def _open_whole(path: Path, kind: Callable[[Path], File]) -> Iterator[File]:
    with write_file(path) as unfinished, closing(kind(unfinished)) as file:
        yield file


def _shorten(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
