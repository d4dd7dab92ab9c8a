"""Finds the concepts that images show: a tagger looks at each image as its sample is read, and scores what it saw for concepts.

What it saw is kept, so that other concepts and other thresholds need no image again.

Cost beside the tagger's own: some 0.2 ms to decode a picture of 96 pixels, on one core of a server.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from backend.errors import ImageError, TailscopeError
from backend.image_ref import ImageRef
from backend.images import LONGEST, TooLong, decode_image, read_image_bytes
from precompute.corpus.sample import SampleBatch
from precompute.ledger import Ledger
from precompute.search.distinct import hash_content
from precompute.search.ranges import expand_ranges
from precompute.search.tagger import Tagger

BATCH_IMAGES = 64
BATCH_PIXELS = 1 << 25  # 100 MB as RGB: however large its images are, a batch of them fits in memory
HITS_SCHEMA = pa.schema([("sample_id", pa.int64()), ("concept", pa.int32()), ("score", pa.float32())])
PICTURES_SCHEMA = pa.schema(  # `picture`: a number, null without one · `content`: a hash of the image file, null where unknown
    [("sample_id", pa.int64()), ("picture", pa.int64()), ("content", pa.int64())]
)

NOT_READ = "image cannot be read"
NOT_DECODED = "image cannot be decoded"
TOO_LONG = f"image more than {LONGEST} times as long as wide"


def encode_images(
    batches: Iterable[SampleBatch],
    root: Path,
    tagger: Tagger,
    ledger: Ledger,
    write: Callable[[np.ndarray], None],
    say: Callable[[], None] = lambda: None,
) -> pa.Table:
    """Which picture each sample of a shard has: `PICTURES_SCHEMA`, sorted by sample_id.

    `write` gets what the tagger sees in the pictures, float32 (pictures, width), a batch at a time, in the order of their
    numbers. An image is taken from the bytes that came with its sample, and read from its place below `root` where none came.
    An image of several samples is one picture. The ledger counts images; one that cannot be decoded is booked there, and its
    samples have no picture, as those without an image. `say` is called after every batch. Raises TailscopeError where the
    tagger sees what are no finite numbers.
    """
    images = _Images(root, ledger)
    for pictures in images.decode(batches):
        features = np.asarray(tagger.encode_images(pictures), np.float32)
        if not np.isfinite(features).all():
            raise TailscopeError("The tagger gives scores that are no finite numbers. Its weights may be damaged.")
        write(features)
        ledger.take(written=len(pictures))
        say()
    return images.tabulate()


def score_pictures(
    features: Iterable[np.ndarray], tagger: Tagger, floor: float, pictures: pa.Table, say: Callable[[], None] = lambda: None
) -> pa.Table:
    """The hits of a shard's samples: sample_id · concept (its number in the tagger) · score, of at least `floor` as float32.

    `features`, `pictures`: what `encode_images` wrote and gave. Sorted by sample_id, then the highest score.
    """
    found, before = [], 0
    for seen in features:
        scores = np.asarray(tagger.score_features(seen), np.float32)
        if not np.isfinite(scores).all():
            raise TailscopeError("The tagger gives scores that are no finite numbers. Its weights may be damaged.")
        rows, concepts = np.nonzero(scores >= np.float32(floor))
        found.append((rows + before, concepts, scores[rows, concepts]))
        before += len(seen)
        say()
    of_sample = pc.fill_null(pictures["picture"], -1).to_numpy()
    return _spread_hits(pictures["sample_id"].to_numpy(), of_sample, *_join_columns(found))


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
    """The distinct images of a shard, and which of them each sample has."""

    def __init__(self, root: Path, ledger: Ledger):
        self.root = root
        self.ledger = ledger
        self.places: dict[tuple, int] = {}  # of the images, numbered as they come
        self.numbers: list[int | None] = []  # by image: that of its picture, where it can be decoded
        self.contents: list[int | None] = []  # by image: a hash of its bytes, where they are at hand
        self.sample_ids: list[int] = []
        self.of_sample: list[int | None] = []  # its image

    def decode(self, batches: Iterable[SampleBatch]) -> Iterator[list[Image.Image]]:
        """The pictures that can be decoded, in batches of bounded size; the others are booked."""
        pictures: list[Image.Image] = []
        pixels = numbered = 0
        for place, content in self._list_new(batches):
            picture, fault = read_picture(self.root, place, content)
            self.contents.append(None if content is None else hash_content(content))
            self.numbers.append(None if picture is None else numbered)
            if picture is None:
                self.ledger.take(dropped=1, reason=fault)
                continue
            numbered += 1
            size = picture.width * picture.height
            if pictures and (len(pictures) == BATCH_IMAGES or pixels + size > BATCH_PIXELS):
                yield pictures
                pictures, pixels = [], 0
            pictures.append(picture)
            pixels += size
        if pictures:
            yield pictures

    def tabulate(self) -> pa.Table:
        """The samples' pictures by rising sample_id."""
        chosen = [(None, None) if image is None else (self.numbers[image], self.contents[image]) for image in self.of_sample]
        columns = [self.sample_ids, *([pair[side] for pair in chosen] for side in (0, 1))]
        arrays = [pa.array(column, field.type) for column, field in zip(columns, PICTURES_SCHEMA, strict=True)]
        return pa.table(arrays, schema=PICTURES_SCHEMA).sort_by("sample_id")

    def _list_new(self, batches: Iterable[SampleBatch]) -> Iterator[tuple[tuple, bytes | None]]:
        """The place and the bytes of every image that no earlier sample had; its bytes are read where they did not come."""
        for batch in batches:
            self.sample_ids += batch.table["sample_id"].to_pylist()
            columns = [batch.table[name].to_pylist() for name in ("image", "offset", "length")]
            for place, content in zip(zip(*columns, strict=True), batch.contents, strict=True):
                if place[0] is None or ImageRef(place[0]).kind == "url":  # no URL is followed
                    self.of_sample.append(None)
                    continue
                known = len(self.places)
                self.of_sample.append(self.places.setdefault(place, known))
                if len(self.places) > known:
                    yield place, self._read(place) if content is None else content

    def _read(self, place: tuple) -> bytes | None:
        try:
            return read_image_bytes(self.root, *place, confined=False)
        except ImageError:
            return None


def _join_columns(found: list[tuple[np.ndarray, ...]]) -> list[np.ndarray]:
    """Image numbers, concepts and scores of all batches."""
    kinds = (np.int64, np.int32, np.float32)
    return [
        np.concatenate([np.empty(0, kind), *(part[column].astype(kind) for part in found)]) for column, kind in enumerate(kinds)
    ]


def _spread_hits(
    sample_ids: np.ndarray, of_sample: np.ndarray, shown: np.ndarray, concepts: np.ndarray, scores: np.ndarray
) -> pa.Table:
    """Every sample's hits: those of its picture. `of_sample`: each one's picture or -1; the others: pictures' hits."""
    order = np.lexsort((concepts, -scores, shown))
    shown, concepts, scores = shown[order], concepts[order], scores[order]
    starts = np.searchsorted(shown, of_sample)
    lengths = np.searchsorted(shown, of_sample, "right") - starts
    rows = expand_ranges(starts, lengths)
    return pa.table([np.repeat(sample_ids, lengths), concepts[rows], scores[rows]], schema=HITS_SCHEMA)
