"""The loops of matching and of counting pairs, over sorted hits; compiled by numba where there are many.

They are the same functions either way: where few hits are matched, or numba cannot be loaded, Python runs them as they stand.
"""

import warnings
from collections.abc import Callable
from functools import lru_cache

FEW_HITS = 20_000  # are matched sooner than numba is loaded


def choose_loop(loop: Callable, hits: int) -> Callable:
    """A function of this module, as it pays for so many hits."""
    return loop if hits < FEW_HITS else _compile(loop)


@lru_cache
def _compile(loop: Callable) -> Callable:
    try:
        from precompute.compiled import compile_kernel
    except (ImportError, OSError, RuntimeError) as error:
        warnings.warn(
            f"Hits are matched in plain Python, many times as slowly: numba cannot be loaded ({error}).", stacklevel=3
        )
        return loop
    return compile_kernel(loop)


def join_hits(text, image, scores, size, has_text, best, agreed, shared):
    """Compares the text and the image hits of a part, both as rising keys: row of the sample * `size` + concept.

    Written are: by row whether there is a text hit, the highest score of its image hits and of those whose concept the text
    has, too (left as they are where there are none); by image hit whether it is one of these.
    """
    for place in range(len(text)):
        has_text[text[place] // size] = True
    place = 0
    for hit in range(len(image)):
        key, score = image[hit], scores[hit]
        row = key // size
        best[row] = max(best[row], score)
        while place < len(text) and text[place] < key:
            place += 1
        if place < len(text) and text[place] == key:
            shared[hit] = True
            agreed[row] = max(agreed[row], score)


def rank_hits(keys, scores, size):
    """Sorts the hits of each row by falling score, in place; the keys of `join_hits` rise where scores are equal."""
    for place in range(1, len(keys)):
        key, score = keys[place], scores[place]
        row, before = key // size, place - 1
        while before >= 0 and keys[before] // size == row and scores[before] < score:
            keys[before + 1], scores[before + 1] = keys[before], scores[before]
            before -= 1
        keys[before + 1], scores[before + 1] = key, score


def list_pairs(keys, size, pairs):
    """Writes every two concepts of one row as lower * `size` + higher, out of rising keys as in `join_hits`; how many.

    With no room for any, it only counts them.
    """
    count = start = 0
    row = -1
    for place in range(len(keys)):
        if keys[place] // size != row:
            row, start = keys[place] // size, place
        if len(pairs):
            concept = keys[place] - row * size
            for other in range(start, place):
                pairs[count + other - start] = (keys[other] - row * size) * size + concept
        count += place - start
    return count


def count_runs(pairs, values, counts):
    """Writes each value of rising pairs once, and how often it comes; how many values there are."""
    last = -1
    for place in range(len(pairs)):
        if last < 0 or pairs[place] != values[last]:
            last += 1
            values[last] = pairs[place]
            counts[last] = 0
        counts[last] += 1
    return last + 1


def spread_hits(concepts, sets, ids, bits, ends, spread):
    """Puts the id of each hit, once for every method that its set has, where `ends` says of its concept and that method.

    `bits`: of each method (methods,) · `ends`: where the next one goes in `spread` (concepts, methods); it is moved on.
    """
    for hit in range(len(concepts)):
        for method in range(len(bits)):
            if sets[hit] & bits[method]:
                spread[ends[concepts[hit], method]] = ids[hit]
                ends[concepts[hit], method] += 1
