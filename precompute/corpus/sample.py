"""One sample of a corpus, as every reader gives it; batches of them, as every search takes them; why something becomes none."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import pyarrow as pa

from backend.image_ref import ImageRef
from backend.schema import TABLES

MAX_CAPTION = 1 << 16  # bytes; the longest captions of web corpora have a few thousand
HEADER_BYTES = 1 << 16  # of an image, in which its size nearly always stands
BATCH_SAMPLES = 1 << 13
BATCH_BYTES = 1 << 26  # of the images that one batch holds, or the one image that is larger
SCHEMA = pa.schema([*(field for field in TABLES["samples"].schema if field.name != "corpus"), pa.field("key", pa.string())])
"""Of a batch: what a study's `samples` say of one, and its key, by which hits that were made elsewhere know it."""

NO_CAPTION = "no caption"
LONG_CAPTION = f"caption above {MAX_CAPTION >> 10} KiB"
NO_IMAGE = "no image"
OTHER = "plays no part: other ending"
SIDECARS = frozenset(
    ("json", "cls", "npy", "npz", "pt", "pth", "pkl", "pyd", "xml", "csv", "tsv", "html", "md", "parquet", "txt")
)

Size = tuple[int | None, int | None]


class Sample(NamedTuple):
    """One caption, with one image or none; or, where a corpus has images alone, one image with an empty caption.

    `key`: what the shard calls it (a path without endings in a tar, a photo's name in a table) · `image`: relative to the
    shard's root (`Shard.root`), or a URL, or None · `size`: the image's width and height in pixels by its header, nulls where
    it has none that Pillow knows · `content`: the image file's bytes, where the reader was asked for them and holds them.
    """

    sample_id: int
    key: str
    caption: str
    image: ImageRef | None = None
    size: Size = (None, None)
    content: bytes | None = None


@dataclass(frozen=True, eq=False)
class SampleBatch:
    """Some samples as a table (`SCHEMA`, in the order they were read), and the bytes of each one's image or None."""

    table: pa.Table
    contents: list[bytes | None]


def batch_samples(samples: Iterable[Sample]) -> Iterator[SampleBatch]:
    """The samples in batches of bounded number and bytes, as they come."""
    batch: list[Sample] = []
    held = 0
    for sample in samples:
        batch.append(sample)
        held += len(sample.content or b"")
        if len(batch) == BATCH_SAMPLES or held >= BATCH_BYTES:
            yield _close_batch(batch)
            batch, held = [], 0
    if batch:
        yield _close_batch(batch)


def clean_text(text: str) -> str:
    """A text that Parquet can hold: no lone surrogates (JSON allows them), no NUL, no white space around it."""
    if text.isascii():
        return text.replace("\0", "").strip()
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace").replace("\0", "").strip()


def name_sidecar(ending: str) -> str:
    """The reason under which a file of this ending is booked that is neither image nor caption."""
    return f"plays no part: .{ending}" if ending in SIDECARS else OTHER


def find_caption_fault(caption: str) -> str:
    """Why a caption makes no sample; nothing where it does."""
    if not caption:
        return NO_CAPTION
    is_long = 4 * len(caption) > MAX_CAPTION and len(caption.encode()) > MAX_CAPTION
    return LONG_CAPTION if is_long else ""


def _close_batch(batch: list[Sample]) -> SampleBatch:
    ids, keys, captions, places, sizes, contents = zip(*batch, strict=True)
    columns = [
        ids,
        captions,
        *zip(*(place.columns() if place else (None, None, None) for place in places), strict=True),
        *zip(*sizes, strict=True),
        keys,
    ]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)]
    return SampleBatch(pa.table(arrays, schema=SCHEMA), list(contents))
