"""The loops of the text search over bytes, compiled by numba: they hold no Python object and release its lock.

`read_words` cuts captions into words and looks each up in a table; what follows is in `matching`. Compiled at the first use, in
8 s, and kept beside this file or in numba's folder of the user, where one can be written.
Words are the ASCII ones of `backend.words`. What is more than that takes the way by Python, once for all times that it comes:
a *chunk* is what stands between two of the signs that no word and no rule of `backend.words` reaches across, such as spaces.
"""

from collections.abc import Callable

import numpy as np
from numba import njit

BREAK, INNER, LETTER, APOSTROPHE, DOT, BACKTICK, MARK = range(7)
LONG = np.uint64(1 << 63)  # in the key of what is longer than a key; a shorter word is its own
MIX = np.uint64(0x9E3779B97F4A7C15)
_REACHING = ".'`;<=>"  # an accent may be merged into "=", and an entity ends in ";"


def _tell_kinds() -> np.ndarray:
    kinds = np.full(256, MARK, np.uint8)
    for byte in range(128):
        sign = chr(byte)
        if sign.isalnum():
            kinds[byte] = LETTER
        elif sign not in "&+#":
            kinds[byte] = INNER if sign in _REACHING else BREAK
    kinds[[ord(sign) for sign in "'.`"]] = APOSTROPHE, DOT, BACKTICK
    return kinds


KINDS = _tell_kinds()
FOLDED = np.array([ord(chr(byte).lower()) if KINDS[byte] == LETTER else 0 for byte in range(256)], np.uint8)


def compile_kernel(function: Callable) -> Callable:
    """The function compiled, and kept on disk where there is a place that can be written."""
    try:
        return njit(nogil=True, cache=True)(function)
    except RuntimeError:  # numba finds no such place
        return njit(nogil=True)(function)


@compile_kernel
def _same(data, begin, arena, start, length, folded):
    for place in range(length):
        byte = data[begin + place]
        if (FOLDED[byte] if folded else byte) != arena[start + place]:
            return False
    return True


@compile_kernel
def _probe(keys, values, starts, lengths, arena, key, data, begin, length, folded):
    """The slot of a word, or the free one where it would be."""
    mask = len(keys) - 1
    slot = np.int64((key * MIX) >> np.uint64(20)) & mask
    while values[slot] != 0:
        if keys[slot] == key:
            if key < LONG:  # the key is the word itself
                break
            entry = abs(values[slot]) - 1
            # What another thread has just added may lie beyond these arrays: as good as missing.
            is_there = entry < len(starts) and lengths[entry] == length and starts[entry] + length <= len(arena)
            if is_there and _same(data, begin, arena, starts[entry], length, folded):
                break
        slot = (slot + 1) & mask
    return slot


@compile_kernel
def _hash(data, begin, stop):
    key = np.uint64(stop - begin)
    for place in range(begin, stop):
        key = (key ^ np.uint64(data[place])) * MIX
        key ^= key >> np.uint64(29)
    return key | LONG


@compile_kernel
def _turns_backticks(data, start, stop):
    """Whether a caption has backticks, and letters beyond ASCII or an entity, which make apostrophes of them."""
    ticks = marks = False
    for place in range(start, stop):
        ticks |= data[place] == ord("`")
        marks |= data[place] >= 128 or data[place] == ord("&")
    return ticks and marks


@compile_kernel
def _begins_word(data, start, place, stop):
    """Whether a dot is the first sign of a word like ".net"; a possessive before it is a space."""
    if place + 1 >= stop or FOLDED[data[place + 1]] < ord("a"):
        return False
    if place == start:
        return True
    before = data[place - 1]
    if before == ord("."):
        return False
    if KINDS[before] != LETTER:
        return True
    return FOLDED[before] == ord("s") and place - 1 > start and data[place - 2] == ord("'")


@compile_kernel
def _is_possessive(data, place, stop):
    if place + 1 >= stop or FOLDED[data[place + 1]] != ord("s"):
        return False
    return place + 2 >= stop or KINDS[data[place + 2]] != LETTER


@compile_kernel
def read_words(data, offsets, slots, found, skipped, ends, missing):
    """Cuts captions, `data[offsets[row]:offsets[row + 1]]` each, into words; keeps those that may count for a concept.

    Written are, one after the other, to `found` the entry of a word or chunk, or where the table lacks it minus its number,
    from 1, in `missing` (key, place, length; a chunk's is negative); to `skipped` how many words that never count stand before
    it; to `ends` where each caption's end. Gives how many words are missing.
    """
    keys, values, starts, lengths, arena = slots
    mask = len(keys) - 1
    miss_keys, miss_places, miss_lengths = missing
    count = missed = 0
    for row in range(len(offsets) - 1):
        start, stop = offsets[row], offsets[row + 1]
        place = chunk = start
        gap, whole = 0, -1
        held_count, held_missed, held_gap = count, missed, 0
        first_count, first_missed = count, missed
        while place < stop:
            kind = KINDS[data[place]]
            if kind == LETTER:
                begin = place
                key = np.uint64(0)
                while place < stop:
                    letter = FOLDED[data[place]]
                    if letter == 0:
                        break
                    if place - begin < 8:
                        key = (key << np.uint64(8)) | np.uint64(letter)
                    else:
                        key = (key ^ np.uint64(letter)) * MIX
                        key ^= key >> np.uint64(29)
                    place += 1
                length = place - begin
                if length > 8:
                    key |= LONG
                    value = values[_probe(keys, values, starts, lengths, arena, key, data, begin, length, True)]
                else:  # as `_probe` does it: a call takes longer
                    slot = np.int64((key * MIX) >> np.uint64(20)) & mask
                    while values[slot] != 0 and keys[slot] != key:
                        slot = (slot + 1) & mask
                    value = values[slot]
                if value < 0:
                    gap += 1
                    continue
                if value == 0:
                    miss_keys[missed], miss_places[missed], miss_lengths[missed] = key, begin, length
                    missed += 1
                    value = 1 - missed
                found[count], skipped[count] = value - 1, gap
                count += 1
                gap = 0
                continue
            if kind == BREAK:
                place += 1
                chunk = place
                held_count, held_missed, held_gap = count, missed, gap
                continue
            if kind in (BACKTICK, MARK) or (kind == DOT and _begins_word(data, start, place, stop)):
                if whole < 0:
                    whole = 1 if _turns_backticks(data, start, stop) else 0
                if whole == 1:
                    chunk, place = start, stop
                    count, missed, gap = first_count, first_missed, 0
                elif kind == BACKTICK:
                    place += 1
                    continue
                else:
                    while place < stop and KINDS[data[place]] != BREAK:
                        place += 1
                    count, missed, gap = held_count, held_missed, held_gap
                key = _hash(data, chunk, place)
                value = values[_probe(keys, values, starts, lengths, arena, key, data, chunk, place - chunk, False)]
                if value < 0:
                    gap += 1
                    continue
                if value == 0:
                    miss_keys[missed], miss_places[missed], miss_lengths[missed] = key, chunk, chunk - place
                    missed += 1
                    value = 1 - missed
                found[count], skipped[count] = value - 1, gap
                count += 1
                gap = 0
                continue
            place += 2 if kind == APOSTROPHE and _is_possessive(data, place, stop) else 1
        ends[row] = count
    return missed


@compile_kernel
def add_words(data, missing, done, missed, slots, size, entries):
    """Puts missing words, from number `done` on, into the table, while there is room; writes the entry of each to `entries`.

    Gives the number of words done and the table's sizes, of entries and of bytes. New entries have the value 0 in no slot.
    """
    miss_keys, miss_places, miss_lengths = missing
    keys, values, starts, lengths, arena = slots
    count, used = size
    while done < missed:
        key, begin, length = miss_keys[done], miss_places[done], abs(miss_lengths[done])
        folded = miss_lengths[done] > 0
        slot = _probe(keys, values, starts, lengths, arena, key, data, begin, length, folded)
        if values[slot] == 0:
            if count >= len(starts) or 2 * count >= len(keys) or used + length > len(arena):
                break
            for place in range(length):
                byte = data[begin + place]
                arena[used + place] = FOLDED[byte] if folded else byte
            starts[count], lengths[count] = used, length
            used += length
            count += 1
            keys[slot] = key
            values[slot] = count
        entries[done] = abs(values[slot]) - 1
        done += 1
    return done, count, used


@compile_kernel
def move_slots(keys, values, new_keys, new_values):
    """Puts all that is in one table's slots into the empty ones of a larger table."""
    mask = len(new_keys) - 1
    for old in range(len(keys)):
        if values[old] != 0:
            slot = np.int64((keys[old] * MIX) >> np.uint64(20)) & mask
            while new_values[slot] != 0:
                slot = (slot + 1) & mask
            new_keys[slot], new_values[slot] = keys[old], values[old]


@compile_kernel
def settle_words(slots, first, never_counts):
    """Marks those of the entries from `first` on that never count as words to skip."""
    keys, values, _, _, _ = slots
    for slot in range(len(keys)):
        entry = values[slot] - 1
        if entry >= first and never_counts[entry - first]:
            values[slot] = -values[slot]
