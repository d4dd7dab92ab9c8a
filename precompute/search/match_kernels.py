"""The loops of matching, of sorting hits and of counting pairs, over hits as numbers; compiled by numba where there are many.

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


def sort_hits(rows, concepts, scores, chosen, size, found):
    """Sorts the chosen hits by row, those of one row as they come; whether all rows are there.

    `rows`: each hit's · `size`: above every concept · `found`: (bounds, keys,
    sorted_scores), of which bounds are zeros, two more than there are rows. Written are the keys, row * `size` + concept; the
    scores, where there are any; and to bounds where each row's hits begin, and behind these where the last ones end.
    """
    bounds, keys, sorted_scores = found
    for place in range(len(rows)):
        if chosen[place]:
            row = rows[place]
            if row < 0 or row + 2 >= len(bounds):
                return False
            bounds[row + 2] += 1
    for row in range(2, len(bounds)):
        bounds[row] += bounds[row - 1]
    for place in range(len(rows)):
        if chosen[place]:
            row = rows[place]
            to = bounds[row + 1]
            bounds[row + 1] = to + 1
            keys[to] = row * size + concepts[place]
            if len(scores):
                sorted_scores[to] = scores[place]
    return True


def compare_hits(text, image, size, thresholds, by_row, counts):
    """Compares what is hit in text and in image, row by row, keys rising in each.

    `text`: (bounds, keys) · `image`: (bounds, keys, scores, shared), where it is written which hits the text has, too ·
    `thresholds`: rising · `by_row`: (best, agreed), -inf, which become the highest score of a row's image hits, and of those
    that are shared · `counts`: (shown, joint), to which is added how many hits, and shared ones, of each concept count at each
    threshold (thresholds, concepts), and (extracted, misaligned), how many rows have a concept there, and how many have some of
    text and of image and none in common.
    """
    text_bounds, text_keys = text
    bounds, keys, scores, shared = image
    best, agreed = by_row
    shown, joint, extracted, misaligned = counts
    for row in range(len(best)):
        place, stop = text_bounds[row], text_bounds[row + 1]
        has_text = place < stop
        for hit in range(bounds[row], bounds[row + 1]):
            key, score = keys[hit], scores[hit]
            best[row] = max(best[row], score)
            while place < stop and text_keys[place] < key:
                place += 1
            if place < stop and text_keys[place] == key:
                shared[hit] = True
                agreed[row] = max(agreed[row], score)
            for level in range(len(thresholds)):
                if score < thresholds[level]:
                    break
                shown[level, key - row * size] += 1
                if shared[hit]:
                    joint[level, key - row * size] += 1
        for level in range(len(thresholds)):
            is_shown = best[row] >= thresholds[level]
            if has_text or is_shown:
                extracted[level] += 1
            if has_text and is_shown and agreed[row] < thresholds[level]:
                misaligned[level] += 1


def list_hits(kept, bounds, keys, scores, size, lists):
    """Writes the hits of some rows one behind the other, those with scores by falling score in each, equal ones as they come.

    `lists`: (offsets, concepts, list_scores): where each row's hits begin there, and end; the concepts; the scores, where
    there are any.
    """
    offsets, concepts, list_scores = lists
    used = 0
    for number in range(len(kept)):
        row, start = kept[number], used
        for hit in range(bounds[row], bounds[row + 1]):
            place = used
            if len(scores):
                while place > start and list_scores[place - 1] < scores[hit]:
                    concepts[place], list_scores[place] = concepts[place - 1], list_scores[place - 1]
                    place -= 1
                list_scores[place] = scores[hit]
            concepts[place] = keys[hit] - row * size
            used += 1
        offsets[number + 1] = used


def merge_keys(said, seen, scores, merged):
    """Merges two lists of rising keys, the second's with scores, into one that has each key once; how many these are.

    `merged`: (keys, is_said, key_scores), where is written whether each is of the first, and the score of those of the second;
    left as they are where it is not.
    """
    keys, is_said, key_scores = merged
    count = one = other = 0
    while one < len(said) or other < len(seen):
        if other == len(seen) or (one < len(said) and said[one] <= seen[other]):
            keys[count] = said[one]
            is_said[count] = True
            one += 1
        else:
            keys[count] = seen[other]
        if other < len(seen) and seen[other] == keys[count]:
            key_scores[count] = scores[other]
            other += 1
        count += 1
    return count


def list_pairs(keys, size, pairs):
    """Writes every two concepts of one row as lower * `size` + higher, out of rising keys (row * `size` + concept); how many.

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
