"""Counts one small caption file that a visitor of the app hands in, as `index` counts a corpus: captions alone, in memory.

Reads: the file, by the readers that `index` has. Writes: nothing that stays; the readers need a file, which lies in a temporary
folder while it is read. Cost: 200,000 captions against 4,000 concepts in some 10 s of one core.
"""

import io
import re
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from backend.errors import SourceError
from backend.progress import Progress
from backend.rates import BLOCKS, measure_dispersion
from precompute.corpus.copies import needs_copy, read_plain, strip_packing
from precompute.corpus.registry import find_shards, read_batches
from precompute.corpus.shard import Reading
from precompute.ledger import Ledger, describe_entry
from precompute.search.contents import describe_contents
from precompute.search.text import METHODS, compile_vocabulary, search_captions

MAX_MEGABYTES = 50
MAX_CAPTIONS = 200_000
MAX_TEXT = 200_000_000  # bytes of captions that are held at once
MAX_UNPACKED = 500_000_000  # bytes on disk while a packed file is read
INDEX = "python -m precompute index --study DIR --corpus NAME --shards FILE"
_ENDING = re.compile(r"\.[A-Za-z0-9]{1,9}$")
_OPTION = re.compile(
    r"\. [^.]*(?P<name>--(?:caption|images|image-hits))( [A-Z]+)?\.?$"
)  # the last sentence, where it names an option of `index`
_READ = 0.7  # of the time; the rest describes the captions


@dataclass(frozen=True, eq=False)
class CountedFile:
    """What was found in a file.

    `books`: of each unit (samples, members) what was read, written and dropped by reason, as a manifest has it · `counts`:
    concept, method, count, distinct (different captions), for every concept and text method · `dispersions`: of each method's
    counts, None where too few · `contents`: what, value, count (`contents.describe_contents`).
    """

    name: str
    captions: int
    books: dict[str, dict]
    counts: pd.DataFrame
    dispersions: dict[str, float | None]
    contents: pd.DataFrame


def count_file(name: str, content: bytes, concepts: Sequence[str], say: Progress = lambda done: None) -> CountedFile:
    """The counts of a caption file of this name and content. Raises SourceError, in one sentence, where it cannot be read,
    has no caption, or has more than the stated number of them."""
    if len(content) > MAX_MEGABYTES * 1_000_000:
        raise SourceError(f"{name} has more than {MAX_MEGABYTES} MB. Index it instead: {INDEX}")
    concepts = tuple(dict.fromkeys(concepts))
    found = _Hits(concepts)
    with tempfile.TemporaryDirectory(prefix="tailscope-count-") as folder:
        path = _place_file(Path(folder), name, content)
        try:
            books = _read_file(path, found, lambda done: say(_READ * done))
        except SourceError as error:
            told = str(error).replace(str(path), name).replace(str(path.parent), "the file's folder")
            raise SourceError(_OPTION.sub(_advise, told) if path.stat().st_size else f"{name} is empty.") from error
    if not found.captions:
        told = "; ".join(describe_entry(unit, entry) for unit, entry in books.items() if entry["read"])
        raise SourceError(f"{name} has no caption that can be counted ({told or 'nothing was read'}).")
    contents = describe_contents(found.table())
    say(1.0)
    return CountedFile(name, found.captions, books, found.count(), found.disperse(), contents)


def _advise(option: re.Match) -> str:
    """What to do in the place of naming an option, which a page does not have."""
    if option["name"] == "--caption":
        return f". Call the column of captions “caption”, or index the file: {INDEX} --caption COLUMN"
    return f". Only an index takes it: {INDEX} {option['name']} FILE"


def _place_file(folder: Path, name: str, content: bytes) -> Path:
    """The file where the readers find it, unpacked: they themselves would keep a copy of what is packed."""
    ending = _ENDING.search(strip_packing(name))
    path = folder / f"file{ending[0].lower() if ending else ''}"
    size = 0
    try:
        with path.open("wb") as out:
            for block in read_plain(io.BytesIO(content), name):
                size += out.write(block)
                if size > MAX_UNPACKED:
                    raise SourceError(f"{name} unpacks to more than {MAX_UNPACKED // 1_000_000} MB. Index it instead: {INDEX}")
    except (EOFError, zlib.error, pa.ArrowInvalid, OSError) as error:
        raise SourceError(f"{name} is cut off or damaged ({error}). Fetch it again.") from error
    if needs_copy(path):
        raise SourceError(f"{name} is packed more than once. Unpack it.")
    return path


def _read_file(path: Path, found: "_Hits", say: Progress) -> dict[str, dict]:
    """Searches the captions of a file and returns its books."""
    shards = find_shards([str(path)])
    books = {"samples": Ledger(), "members": Ledger()}
    for place, shard in enumerate(shards):
        reading = Reading()
        for batch in read_batches(shard, reading):
            found.add(batch.table["caption"])
            say((place + reading.done) / len(shards))
        for unit, ledger in books.items():
            ledger.add(getattr(reading, unit).entry())
    return {unit: ledger.entry() for unit, ledger in books.items() if ledger.read}


class _Hits:
    """The captions of a file, and which concepts they name, batch by batch."""

    def __init__(self, concepts: tuple[str, ...]):
        self.concepts = concepts
        self.vocabulary = compile_vocabulary(concepts)
        self.texts: list[pa.ChunkedArray] = []
        self.hits: dict[str, list[np.ndarray]] = {method: [] for method in METHODS}  # concept number * captions, below
        self.captions = self.bytes = 0

    def add(self, captions: pa.ChunkedArray) -> None:
        """Searches some more captions; what has none is left out. Raises SourceError where the file has too many."""
        captions = captions.filter(pc.not_equal(captions, ""))  # nor what is null
        if not len(captions):
            return
        if self.captions + len(captions) > MAX_CAPTIONS:
            raise SourceError(f"The file has more than {MAX_CAPTIONS:,} captions. Index it instead: {INDEX}")
        self.bytes += captions.nbytes
        if self.bytes > MAX_TEXT:
            raise SourceError(f"The file has more than {MAX_TEXT // 1_000_000} MB of captions. Index it instead: {INDEX}")
        for method, (rows, concepts) in search_captions(captions, self.vocabulary).items():
            self.hits[method].append(np.stack([rows + self.captions, concepts]))
        self.texts.append(captions)
        self.captions += len(captions)

    def table(self) -> pa.Table:
        """sample_id, caption."""
        captions = pa.chunked_array([chunk for text in self.texts for chunk in text.chunks], pa.string())
        return pa.table({"sample_id": np.arange(self.captions), "caption": captions})

    def count(self) -> pd.DataFrame:
        """concept, method, count, distinct."""
        number = len(self.concepts)
        texts = self.table()["caption"].combine_chunks().dictionary_encode().indices.to_numpy()
        frames = []
        for method, rows, concepts in self._join():
            different = np.unique(concepts * np.int64(self.captions) + texts[rows]) // self.captions
            columns = {"count": np.bincount(concepts, minlength=number), "distinct": np.bincount(different, minlength=number)}
            frames.append(pd.DataFrame({"concept": self.concepts, "method": method, **columns}))
        return pd.concat(frames, ignore_index=True)

    def disperse(self) -> dict[str, float | None]:
        """The dispersion of each method's counts between equal parts of the file."""
        blocks = min(BLOCKS, self.captions)
        found = {}
        for method, rows, concepts in self._join():
            places = concepts * np.int64(blocks) + rows * np.int64(blocks) // self.captions
            table = np.bincount(places, minlength=len(self.concepts) * blocks).reshape(len(self.concepts), blocks)
            found[method] = measure_dispersion(table) if blocks > 1 else None
        return found

    def _join(self) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        for method, parts in self.hits.items():
            yield (method, *np.concatenate(parts, axis=1).astype(np.int64))
