"""Samples of a tar as columns, without its images' bytes: by compiled loops where members are plain and those of a sample stand
together, else as `precompute.corpus.tar_samples` makes them, and the same.

Cost: some 400,000 samples a second on one core of a server.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from precompute.corpus.sample import LONG_CAPTION, MAX_CAPTION, NO_CAPTION, SCHEMA, Sample, SampleBatch, batch_samples
from precompute.corpus.shard import Reading, Shard
from precompute.corpus.tar_kernels import HEIGHT, IMAGE, IS_CLEAN, KEY_END, PLACE, ROLE, RUN, SIZE, TEXT_END, WIDTH
from precompute.corpus.tar_layout import JSON
from precompute.corpus.tar_samples import Waiting
from precompute.corpus.tar_scan import Stretch, scan_members

_FEW_SAMPLES = 16  # that stand together are made sooner one by one


def read_columns(shard: Shard, reading: Reading) -> Iterator[SampleBatch]:
    """The samples of a piece of a tar as `read_tar` gives them, in batches; the images' bytes are left out."""
    with shard.open() as stream:
        waiting = Waiting(shard, stream, reading)
        single: list[Sample] = []
        for found in scan_members(stream, shard.path, waiting.layout, shard.first, shard.end):
            if isinstance(found, Stretch):
                yield from batch_samples(single)
                single = []
                yield from _read_stretch(found, waiting)
            elif sample := waiting.read_member(*found):
                single.append(sample)
        yield from batch_samples(single)
        waiting.close()


def _read_stretch(stretch: Stretch, waiting: Waiting) -> Iterator[SampleBatch]:
    waiting.read_stretch(stretch.last, len(stretch.facts), stretch.dropped)
    waiting.tell_progress(stretch.stop)
    facts = stretch.facts
    if not len(facts):
        return
    starts = np.flatnonzero(np.diff(facts[:, RUN], prepend=-1))
    column = _slice_strings(stretch.keys, np.concatenate([[0], facts[starts, KEY_END]]))
    keys = column.to_pylist()
    are_whole = _find_whole(facts, starts, keys, waiting)
    single: list[Sample] = []
    bounds = np.flatnonzero(np.diff(are_whole.astype(np.int8))) + 1
    for first, stop in pairwise([0, *bounds.tolist(), len(starts)]):
        if are_whole[first] and stop - first >= _FEW_SAMPLES:
            yield from batch_samples(single)
            single = []
            number = waiting.groups.add_whole(keys[first:stop])
            yield _make_batch(stretch, waiting, starts[first:stop], column[first:stop], number)
            continue
        for row in range(starts[first], starts[stop] if stop < len(starts) else len(facts)):
            role = "image" if facts[row, ROLE] == IMAGE else "caption"
            place = (int(facts[row, PLACE]), int(facts[row, SIZE]))
            if sample := waiting.take(keys[facts[row, RUN]], role, *place):
                single.append(sample)
    yield from batch_samples(single)


def _find_whole(facts: np.ndarray, starts: np.ndarray, keys: Sequence[str], waiting: Waiting) -> np.ndarray:
    """Which runs of members with one key are one sample each, of a key that neither came before nor comes again here."""
    parts, roles = waiting.layout.parts, facts[:, ROLE]
    whole = np.diff(starts, append=len(facts)) == parts
    if parts == 2:
        whole &= roles[starts] != roles[np.minimum(starts + 1, len(facts) - 1)]
    if len(once := dict.fromkeys(keys)) < len(keys) or not waiting.groups.latest.keys().isdisjoint(once):
        counts = Counter(keys)
        whole &= np.array([counts[key] == 1 and key not in waiting.groups.latest for key in keys])
    return whole


def _make_batch(stretch: Stretch, waiting: Waiting, starts: np.ndarray, keys: pa.Array, number: int) -> SampleBatch:
    """The samples whose members stand at `starts` and right behind; `number`: of the first."""
    facts, layout, shard = stretch.facts, waiting.layout, waiting.shard
    is_image = facts[starts, ROLE] == IMAGE
    texts = starts + is_image
    captions, kept = _read_captions(stretch, waiting, texts, int(starts[0]))
    kept = np.flatnonzero(kept)
    waiting.books.take(written=len(kept))
    ids = shard.sample_id(shard.start + number) + np.arange(len(starts))
    if len(kept):
        shard.sample_id(shard.start + number + int(kept[-1]))  # raises where these are too many
    if layout.has_images:
        images = facts[starts + ~is_image][kept]
        sizes = images[:, [WIDTH, HEIGHT]]
        for row in np.flatnonzero(sizes[:, 0] == 0):
            _, size = waiting.read_head(int(images[row, PLACE]), int(images[row, SIZE]))
            sizes[row] = [side or 0 for side in size]
        unknown = sizes[:, 0] == 0
        places = [pa.repeat(shard.path.name, len(kept)), pa.array(images[:, PLACE]), pa.array(images[:, SIZE])]
        places += [pa.array(sizes[:, side].astype(np.int32), mask=unknown) for side in (0, 1)]
    else:
        places = [pa.nulls(len(kept), SCHEMA.field(name).type) for name in ("image", "offset", "length", "width", "height")]
    chosen = pa.array(kept)
    table = pa.table([pa.array(ids[kept]), captions.take(chosen), *places, keys.take(chosen)], schema=SCHEMA)
    return SampleBatch(table, [None] * len(kept))


def _read_captions(stretch: Stretch, waiting: Waiting, rows: np.ndarray, first: int) -> tuple[pa.Array, np.ndarray]:
    """The captions in the members of some rows, all that stand from row `first` on, and which of them make a sample."""
    facts = stretch.facts
    begin = int(facts[first - 1, TEXT_END]) if first else 0
    ends = facts[rows, TEXT_END]
    captions = _slice_strings(stretch.texts[begin : ends[-1]].tobytes(), np.concatenate([[begin], ends]) - begin)
    is_plain = waiting.layout.caption != JSON
    is_read = facts[rows, IS_CLEAN].astype(bool) & is_plain
    is_long = (facts[rows, SIZE] > MAX_CAPTION) & is_plain
    kept = ~is_long & (np.diff(ends, prepend=begin) > 0)
    faults = Counter({LONG_CAPTION: int(is_long.sum()), NO_CAPTION: int((~kept & ~is_long & is_read).sum())})
    if not is_read.all():
        texts = []
        for number in np.flatnonzero(~is_read):
            row = int(rows[number])
            text, fault = waiting.read_caption(stretch.read_text(row), int(facts[row, SIZE]))
            texts.append(text)
            kept[number] = not fault
            faults[fault] += not is_long[number]
        captions = pc.replace_with_mask(captions, pa.array(~is_read), pa.array(texts, pa.string()))
    for fault, count in faults.items():
        if fault and count:
            waiting.books.take(dropped=count, reason=fault)
    return captions, kept


def _slice_strings(content: bytes, bounds: np.ndarray) -> pa.Array:
    """The strings between the bounds, bytes of a content."""
    return pa.StringArray.from_buffers(len(bounds) - 1, pa.py_buffer(bounds.astype(np.int32)), pa.py_buffer(content))
