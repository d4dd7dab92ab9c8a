"""Finds the concepts that images show, by a tagger that scores every concept, as their samples are read.

Cost beside the tagger's own: some 0.2 ms to decode a picture of 96 pixels, on one core of a server.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image

from backend.errors import ImageError, TailscopeError
from backend.images import LONGEST, TooLong, decode_image, read_image_bytes
from precompute.corpus.sample import SampleBatch
from precompute.ledger import Ledger
from precompute.search.ranges import expand_ranges
from precompute.search.tagger import Tagger

BATCH_IMAGES = 64
BATCH_PIXELS = 1 << 25  # 100 MB as RGB: however large its images are, a batch of them fits in memory
HITS_SCHEMA = pa.schema([("sample_id", pa.int64()), ("concept", pa.int32()), ("score", pa.float32())])

NOT_READ = "image cannot be read"
NOT_DECODED = "image cannot be decoded"
TOO_LONG = f"image more than {LONGEST} times as long as wide"


def search_images(
    batches: Iterable[SampleBatch],
    root: Path,
    tagger: Tagger,
    floor: float,
    ledger: Ledger,
    say: Callable[[], None] = lambda: None,
) -> pa.Table:
    """The hits of one shard's images: sample_id · concept (its number in the tagger) · score, of at least `floor` as float32.

    Sorted by sample_id, then the highest score. An image is taken from the bytes that came with its sample, and read from
    its place below `root` where none came. An image of several samples is decoded and scored once. The ledger counts images;
    one that cannot be decoded is booked there, and its samples have no hits. `say` is called after every batch that was
    scored. Raises TailscopeError where scores are not finite.
    """
    images = _Images(root, ledger)
    found = []
    for numbers, pictures in images.decode(batches):
        scores = np.asarray(tagger.score_images(pictures), np.float32)
        if not np.isfinite(scores).all():
            raise TailscopeError("The tagger gives scores that are no finite numbers. Its weights may be damaged.")
        rows, concepts = np.nonzero(scores >= np.float32(floor))
        found.append((np.array(numbers)[rows], concepts, scores[rows, concepts]))
        ledger.take(written=len(numbers))
        say()
    return _spread_hits(np.array(images.sample_ids, np.int64), np.array(images.of_sample, np.int64), *_join_columns(found))


def read_picture(base: Path, place: tuple, content: bytes | None = None) -> tuple[Image.Image | None, str]:
    """The picture of a file, or of a place in one (path, offset, length); where it cannot be had, None and the reason.

    `content`: the file's bytes, where they are at hand.
    """
    try:
        content = read_image_bytes(base, *place, confined=False) if content is None else content
    except ImageError:
        return None, NOT_READ
    try:
        return decode_image(content), ""
    except TooLong:
        return None, TOO_LONG
    except ImageError:
        return None, NOT_DECODED


class _Images:
    """The distinct images of a shard, numbered as they come, and which of them each sample has."""

    def __init__(self, root: Path, ledger: Ledger):
        self.root = root
        self.ledger = ledger
        self.numbers: dict[tuple, int] = {}
        self.sample_ids: list[int] = []
        self.of_sample: list[int] = []

    def decode(self, batches: Iterable[SampleBatch]) -> Iterator[tuple[list[int], list[Image.Image]]]:
        """The pictures that can be decoded, with their numbers, in batches of bounded size; the others are booked."""
        numbers: list[int] = []
        pictures: list[Image.Image] = []
        pixels = 0
        for place, content in self._list_new(batches):
            picture, fault = read_picture(self.root, place, content)
            if picture is None:
                self.ledger.take(dropped=1, reason=fault)
                continue
            size = picture.width * picture.height
            if pictures and (len(pictures) == BATCH_IMAGES or pixels + size > BATCH_PIXELS):
                yield numbers, pictures
                numbers, pictures, pixels = [], [], 0
            numbers.append(self.numbers[place])
            pictures.append(picture)
            pixels += size
        if pictures:
            yield numbers, pictures

    def _list_new(self, batches: Iterable[SampleBatch]) -> Iterator[tuple[tuple, bytes | None]]:
        """The place and the bytes of every image that no earlier sample had."""
        for batch in batches:
            self.sample_ids += batch.table["sample_id"].to_pylist()
            columns = [batch.table[name].to_pylist() for name in ("image", "offset", "length")]
            for place, content in zip(zip(*columns, strict=True), batch.contents, strict=True):
                known = len(self.numbers)
                self.of_sample.append(self.numbers.setdefault(place, known))
                if len(self.numbers) > known:
                    yield place, content


def _join_columns(found: list[tuple[np.ndarray, ...]]) -> list[np.ndarray]:
    """Image numbers, concepts and scores of all batches."""
    kinds = (np.int64, np.int32, np.float32)
    return [
        np.concatenate([np.empty(0, kind), *(part[column].astype(kind) for part in found)]) for column, kind in enumerate(kinds)
    ]


def _spread_hits(
    sample_ids: np.ndarray, of_sample: np.ndarray, shown: np.ndarray, concepts: np.ndarray, scores: np.ndarray
) -> pa.Table:
    """Every sample's hits: those of its image. `of_sample`: each sample's image number; the other arrays: the images' hits."""
    by_id = np.argsort(sample_ids, kind="stable")
    sample_ids, of_sample = sample_ids[by_id], of_sample[by_id]
    order = np.lexsort((concepts, -scores, shown))
    shown, concepts, scores = shown[order], concepts[order], scores[order]
    starts = np.searchsorted(shown, of_sample)
    lengths = np.searchsorted(shown, of_sample, "right") - starts
    rows = expand_ranges(starts, lengths)
    return pa.table([np.repeat(sample_ids, lengths), concepts[rows], scores[rows]], schema=HITS_SCHEMA)
