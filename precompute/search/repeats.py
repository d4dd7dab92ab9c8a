"""Which samples have a caption, or an image file, that stood in an earlier sample: by them, different ones are counted.

Equal captions name the same, and equal images show the same. So the different captions among a concept's hits are its hits
without those whose caption has come before in the corpus; wherever that was, it hit the concept too.
Contents are compared by their hashes, a share of all hashes at a time, so that no process holds a corpus's.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from precompute.search.match import Methods, ShardPart, find_rows
from precompute.search.text import count_hits

SHARE_ROWS = 1 << 24  # contents, about, that one job compares


def count_shares(rows: int) -> int:
    """Into how many shares the hashes of so many contents are cut."""
    return max(-(-rows // SHARE_ROWS), 1)


def find_repeats(files: Sequence[tuple[Path, int]], column: str, share: int, shares: int, target: Path) -> None:
    """Writes the ids of the samples whose content, of one share of all hashes, an earlier sample has: int64, rising.

    `files`: each with samples by rising sample_id and a hash of each one's content (null where it is not known), and what is
    added to its ids; by rising ids.
    """
    hashes, ids = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for path, first_id in files:
        table = pq.read_table(path, columns=["sample_id", column])
        table = table.filter(pc.is_valid(table[column]))
        of_file = table[column].to_numpy()
        chosen = of_file % shares == share
        hashes.append(of_file[chosen])
        ids.append(table["sample_id"].to_numpy()[chosen] + first_id)
    joined = np.concatenate(hashes)
    order = np.argsort(joined, kind="stable")
    joined = joined[order]
    np.save(target, np.sort(np.concatenate(ids)[order[1:][joined[1:] == joined[:-1]]]))


def mark_repeats(files: Sequence[Path], sample_ids: np.ndarray) -> np.ndarray:
    """Which of some samples, by rising id, have a content that an earlier sample has, bool, by what `find_repeats` wrote."""
    marked = np.zeros(len(sample_ids), bool)
    for path in files if len(sample_ids) else ():
        repeats = np.load(path, mmap_mode="r")
        low, high = np.searchsorted(repeats, [sample_ids[0], sample_ids[-1] + 1])
        marked[np.searchsorted(sample_ids, repeats[low:high])] = True
    return marked


def mark_unknown(sample_ids: np.ndarray, contents: pa.Table) -> np.ndarray:
    """Which of some samples, by rising id, have no known content in a table of sample_id and a hash or null, bool."""
    known = contents.column(0).filter(pc.is_valid(contents.column(1))).to_numpy()
    return ~np.isin(sample_ids, known)


def count_different(
    part: ShardPart, again_text: np.ndarray, again_image: np.ndarray | None, size: int, methods: Methods
) -> dict[str, np.ndarray]:
    """By method the hits of each concept, int64 (concepts,), in samples whose caption, or image, is the first of its kind.

    `again_text`, `again_image`: which of the part's samples are not; None where images are not known, and are not counted.
    """
    sample_ids = part.samples["sample_id"].to_numpy()
    different = {}
    fresh = ~again_text[find_rows(sample_ids, part.text["sample_id"].to_numpy())]
    concept, sets = part.text["concept"].to_numpy()[fresh], part.text["methods"].to_numpy()[fresh]
    different |= count_hits(concept, sets, size, methods.text)
    if again_image is not None:
        fresh = ~again_image[find_rows(sample_ids, part.image["sample_id"].to_numpy())]
        concept, score = part.image["concept"].to_numpy(), part.image["score"].to_numpy()
        for name, threshold in zip(methods.image, methods.thresholds, strict=True):
            different[name] = np.bincount(concept[fresh & (score >= np.float32(threshold))], minlength=size)
    return different
