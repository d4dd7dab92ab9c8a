"""What a corpus is before it is read: how its files are laid out, which columns are taken and why, first samples, how many.

Reads the beginning of one file of each kind and layout, and the sizes of all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from precompute.corpus.registry import describe_layout, measure_file, read_samples
from precompute.corpus.sample import Sample
from precompute.corpus.shard import Layout, Reading, Shard

EXAMPLES = 3
LOOK_AT_MOST = 64  # files
READ_AT_MOST = 512  # samples of one file, by which those of all are foretold


@dataclass(frozen=True)
class KindPreview:
    """What the files of one kind and layout hold.

    `layout`: in words, with the columns that are taken · `examples`: the first samples · `files`, `bytes`: of all of them ·
    `samples`: about how many they hold, exactly where `is_exact` · `dropped`: of the samples that were read to know this, by
    reason, out of `read`.
    """

    kind: str
    layout: Layout
    examples: tuple[Sample, ...]
    files: int
    bytes: int
    samples: int
    is_exact: bool
    read: int
    dropped: dict[str, int]

    @property
    def images_alone(self) -> bool:
        """Whether its samples are images without captions."""
        return bool(self.examples) and not any(sample.caption for sample in self.examples)

    def lines(self) -> list[str]:
        """What a user wants to see before the work starts, a line each."""
        about = "" if self.is_exact else "about "
        lines = [f"{self.layout.words}: {self.files:,} file{'s' * (self.files != 1)}, {about}{self.samples:,} samples"]
        lines += [f"  {column.role:8} {column.name} ({column.why})" for column in self.layout.columns]
        lines += [f"  note     {note}" for note in self.layout.notes]
        for sample in self.examples:
            image = "without an image" if sample.image is None else sample.image.columns()[0]
            lines.append(f"  {sample.key or sample.sample_id}: {sample.caption[:100]!r}, {image}")
        reasons = "; ".join(f"{reason}: {count:,}" for reason, count in self.dropped.items())
        return [*lines, f"  of the first {self.read:,} are dropped: {reasons}"] if reasons else lines


@dataclass(frozen=True)
class Preview:
    """What the files of a corpus hold, by kind and layout."""

    kinds: tuple[KindPreview, ...]

    @property
    def samples(self) -> int:
        """About how many samples there are in all."""
        return sum(kind.samples for kind in self.kinds)

    @property
    def bytes(self) -> int:
        """The size of all files."""
        return sum(kind.bytes for kind in self.kinds)

    def lines(self) -> list[str]:
        """All of it for people, a line each."""
        return [line for kind in self.kinds for line in kind.lines()]


def preview(shards: Sequence[Shard]) -> Preview:
    """What these shards hold, told from the beginning of one file of each kind and layout.

    Of very many files some are looked at, and the others taken for what the one before them is; so are those that lie
    elsewhere and were not fetched. Raises SourceError where a
    file that is looked at cannot be read as what it seems to be.
    """
    files: dict[tuple[str, Path], list[Shard]] = {}
    for shard in shards:
        files.setdefault((shard.kind, shard.path), []).append(shard)
    step = -(-len(files) // LOOK_AT_MOST)
    groups: dict[tuple[str, Layout], list[list[Shard]]] = {}
    known: dict[str, Layout] = {}
    for number, ((kind, path), pieces) in enumerate(files.items()):
        if kind not in known or (number % step == 0 and path.exists()):
            known[kind] = describe_layout(pieces[0])
        groups.setdefault((kind, known[kind]), []).append(pieces)
    return Preview(tuple(_preview_kind(kind, layout, found) for (kind, layout), found in groups.items()))


def _preview_kind(kind: str, layout: Layout, files: list[list[Shard]]) -> KindPreview:
    """What files of one layout hold, by the beginning of the largest of them; each file is given as its pieces."""
    here = [pieces for pieces in files if pieces[0].path.exists()] or files[:1]
    pieces = max(here, key=lambda pieces: measure_file(pieces[0]))
    read, reading, in_first = _read_beginning(pieces[0])
    is_whole = len(read) < READ_AT_MOST
    kept = reading.samples.written / max(reading.samples.read, 1)
    in_last = in_first if len(pieces) == 1 else _read_beginning(pieces[-1])[2]
    total = sum(measure_file(pieces[0]) for pieces in files)
    samples = (pieces[-1].start * kept + in_last) * total / max(measure_file(pieces[0]), 1)
    return KindPreview(
        kind,
        layout,
        read[:EXAMPLES],
        files=len(files),
        bytes=total,
        samples=round(samples),
        is_exact=is_whole and len(files) == len(pieces) == 1,
        read=reading.samples.read,
        dropped=dict(reading.samples.dropped),
    )


def _read_beginning(shard: Shard) -> tuple[tuple[Sample, ...], Reading, float]:
    """The first samples of a piece, the books of them, and about how many samples the piece has."""
    reading = Reading()
    read = tuple(islice(read_samples(shard, reading), READ_AT_MOST))
    return read, reading, len(read) if len(read) < READ_AT_MOST else len(read) / max(reading.done, 1e-9)
