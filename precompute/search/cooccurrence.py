"""Which concepts are hit together, in how many samples: a sparse matrix a method, which adds up over shards.

Cost: 0.1 s of one core for 1M samples with 3M hits of 4,469 concepts (`benchmarks.matching`).
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from scipy import sparse

from backend.methods import Method
from precompute.search.match_kernels import choose_loop, count_runs, list_pairs

_CONCEPTS_AT_ONCE = 256  # whose rows are made at once

Together = sparse.csr_array  # int64 (concepts, concepts): above its diagonal, in how many samples both are hit


def count_together(rows: np.ndarray, concepts: np.ndarray, size: int) -> Together:
    """In how many samples any two of `size` concepts are hit, out of (row of a sample, concept) pairs, each pair once."""
    return count_pairs(np.sort(rows.astype(np.int64) * size + concepts), size)


def count_pairs(keys: np.ndarray, size: int) -> Together:
    """`count_together` of rising keys: row of the sample * `size` + concept, int64."""
    kind = np.int32 if size * size < 1 << 31 else np.int64
    list_them = choose_loop(list_pairs, len(keys))
    pairs = np.empty(list_them(keys, size, np.empty(0, kind)), kind)
    list_them(keys, size, pairs)
    pairs.sort()
    values, counts = np.empty_like(pairs), np.empty(len(pairs), np.int64)
    found = choose_loop(count_runs, len(keys))(pairs, values, counts)
    lower, higher = np.divmod(values[:found], kind(size))
    starts = np.searchsorted(lower, np.arange(size + 1))
    return sparse.csr_array((counts[:found].copy(), higher, starts), shape=(size, size))


def pile_together(piles: dict[str, list[Together]], more: Mapping[str, Together]) -> None:
    """Puts other shards' matrices, by method, on piles.

    Two on a pile become their sum once they are of about one size: that is sooner done than to add each to the sum of all before.
    """
    for method, found in more.items():
        pile = piles.setdefault(method, [])
        pile.append(found)
        while len(pile) > 1 and pile[-2].nnz <= 2 * pile[-1].nnz:
            last = pile.pop()
            pile[-1] = pile[-1] + last


def sum_piles(piles: dict[str, list[Together]]) -> dict[str, Together]:
    """The sum of each pile, by method; it is all that the pile holds then."""
    for pile in piles.values():
        while len(pile) > 1:
            last = pile.pop()
            pile[-1] = pile[-1] + last
    return {method: pile[0] for method, pile in piles.items()}


def save_together(folder: Path, found: Mapping[str, Together]) -> None:
    """Writes the matrices of several methods into a folder."""
    for number, (method, matrix) in enumerate(found.items()):
        sparse.save_npz(folder / f"together-{number}.npz", matrix, compressed=False)
        (folder / f"together-{number}.txt").write_text(method, encoding="utf-8")


def load_together(folder: Path) -> dict[str, Together]:
    """What `save_together` wrote."""
    return {
        path.read_text(encoding="utf-8"): sparse.csr_array(sparse.load_npz(path.with_suffix(".npz")))
        for path in sorted(folder.glob("together-*.txt"))
    }


def tabulate_together(found: Mapping[str, Together], concepts: Sequence[str]) -> Iterator[pa.Table]:
    """The rows of `cooccurrences`, without `corpus`, sorted by concept: a concept's rows at a time, some thousand together.

    Each pair stands twice, under either of its concepts. Methods come in the order of their names.
    """
    names = pa.array(concepts, pa.string())
    methods = sorted(found)
    both = {method: sparse.csr_array(found[method] + found[method].T) for method in methods}
    for start in range(0, len(concepts), _CONCEPTS_AT_ONCE):
        stop = min(start + _CONCEPTS_AT_ONCE, len(concepts))
        parts = [sparse.coo_array(both[method][start:stop]) for method in methods]
        codes = np.repeat(np.arange(len(methods)), [part.nnz for part in parts])
        rows, others, counts = (
            np.concatenate([np.empty(0, np.int64), *(getattr(part, name) for part in parts if part.nnz)])
            for name in ("row", "col", "data")
        )
        order = np.lexsort((others, codes, rows))
        chosen = pa.array(codes[order])
        yield pa.table(
            {
                "concept": names.take(pa.array(rows[order] + start)),
                "other": names.take(pa.array(others[order])),
                "modality": pa.array([Method(name).modality for name in methods], pa.string()).take(chosen),
                "method": pa.array(methods, pa.string()).take(chosen),
                "count": pa.array(counts[order].astype(np.int64)),
            }
        )
