"""Plain text, one caption a line: captions alone."""

from collections.abc import Iterator
from pathlib import Path

from precompute.corpus import shard as shards
from precompute.corpus.encodings import note_encoding
from precompute.corpus.lines import Lines
from precompute.corpus.lists import list_reader
from precompute.corpus.photos import Listed
from precompute.corpus.sample import clean_text
from precompute.corpus.shard import Column, Layout, Piece, Reading, ReadOptions, Shard, cut_at, measure_size

WHOLE_BYTES = 1 << 24  # a file up to this size is one piece; a larger one is read once more, to find where to cut


def _read_lines(shard: Shard, reading: Reading) -> Iterator[Listed]:
    with shard.open() as stream:
        length = max((shard.end or measure_size(stream)) - shard.first, 1)
        lines = Lines(stream)
        lines.start_at(shard.first)
        for line in lines:
            reading.done = (lines.end - shard.first) / length
            yield Listed("", clean_text(line))
            if shard.end is not None and lines.end >= shard.end:
                return


def _cut(path: Path, options: ReadOptions) -> list[Piece]:
    if path.stat().st_size <= WHOLE_BYTES:
        return [Piece()]
    places, end = [], 0
    with path.open("rb") as stream:
        lines = Lines(stream)
        lines.start_at(0)
        for position, _ in enumerate(lines):
            if position and position % shards.PIECE_SAMPLES == 0:
                places.append((position, end))
            end = lines.end
    return cut_at(places)


def _describe(shard: Shard) -> Layout:
    return Layout(
        "plain text, one caption a line", (Column("caption", "the line", "it is no table"),), note_encoding(shard.path)
    )


READER = list_reader("text", (".txt",), "plain text (.txt)", _read_lines, _cut, _describe)
