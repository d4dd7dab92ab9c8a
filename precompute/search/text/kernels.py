"""The loops of the text search over bytes, compiled by numba: they hold no Python object and release its lock.

`read_words` cuts captions into words and looks each up in a table; what follows is in `matching`. Compiled at the first use, in
8 s, and kept beside this file or in numba's folder of the user, where one can be written.
Words are the ASCII ones of `backend.words`. What is more than that takes the way by Python, once for all times that it comes:
a *chunk* is what stands between two of the signs that no word and no rule of `backend.words` reaches across, such as spaces.
"""

import numpy as np

from precompute.compiled import compile_kernel

BREAK, INNER, LETTER, APOSTROPHE, DOT, BACKTICK, MARK = range(7)
LONG = np.uint64(1 << 63)  # in the key of what is longer than a key; a shorter word is its own
MIX = np.uint64(0x9E3779B97F4A7C15)
# Eight bytes at once: one in each; what is added so that each one's highest bit tells whether it is from a sign on; and all the
# bits of the first so many.
_ONES, _HIGH, _SMALL = np.uint64(0x0101010101010101), np.uint64(0x8080808080808080), np.uint64(0x2020202020202020)
_LOW = ~_HIGH
_FROM_A, _PAST_Z = (np.uint64(0x80 - sign) * _ONES for sign in (ord("a"), ord("z") + 1))
_FROM_0, _PAST_9 = (np.uint64(0x80 - sign) * _ONES for sign in (ord("0"), ord("9") + 1))
_FIRST = np.array([(1 << 8 * count) - 1 for count in range(9)], np.uint64)
_1, _3, _7, _56, _63 = (np.uint64(number) for number in (1, 3, 7, 56, 63))
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


@compile_kernel
def _same(data, begin, arena, start, length, folded):
    for place in range(length):
        byte = data[begin + place]
        if (FOLDED[byte] if folded else byte) != arena[start + place]:
            return False
    return True


@compile_kernel
def _probe(words, starts, lengths, arena, key, data, begin, length, folded):
    """The slot of a word, or the free one where it would be, and its value, read once: another thread may fill it meanwhile."""
    mask = len(words) - 1
    slot = np.int64((key * MIX) >> np.uint64(20)) & mask
    value = np.int64(words[slot, 1])
    while value != 0:
        if words[slot, 0] == key:
            if key < LONG:  # the key is the word itself
                break
            entry = abs(value) - 1
            # What another thread has just added may lie beyond these arrays: as good as missing.
            is_there = entry < len(starts) and lengths[entry] == length and starts[entry] + length <= len(arena)
            if is_there and _same(data, begin, arena, starts[entry], length, folded):
                break
        slot = (slot + 1) & mask
        value = np.int64(words[slot, 1])
    return slot, value


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
def read_words(data, quads, offsets, slots, found, skipped, ends, missing):
    """Cuts captions, `data[offsets[row]:offsets[row + 1]]` each, into words; keeps those that may count for a concept.

    `quads` are the same bytes by eight, without the last that are fewer. Written are, one after the other, to `found` the entry
    of a word or chunk, or where the table lacks it minus its number, from 1, in `missing` (key, place, length; a chunk's is
    negative); to `skipped` how many words that never count stand before it; to `ends` where each caption's end. Gives how many
    words are missing.
    """
    words, starts, lengths, arena = slots
    mask = len(words) - 1
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
                while True:
                    quad = place >> 3
                    if quad + 1 < len(quads):
                        shift = (np.uint64(place) & _7) << _3
                        eight = (quads[quad] >> shift) | ((quads[quad + 1] << _1) << (_63 - shift))
                    else:
                        eight = np.uint64(0)
                        for byte in range(min(stop - place, 8)):
                            eight |= np.uint64(data[place + byte]) << (np.uint64(byte) << _3)
                    small = (eight | _SMALL) & _LOW
                    low = eight & _LOW
                    letters = ((small + _FROM_A) & ~(small + _PAST_Z)) | ((low + _FROM_0) & ~(low + _PAST_9))
                    others = ~(letters & ~eight) & _HIGH
                    before = ((others & (~others + _1)) - _1) & _HIGH  # the highest bit of each byte before the first other
                    length = min(np.int64(((before >> _7) * _ONES) >> _56), stop - place)
                    if length == 0:
                        break
                    folded = (eight | _SMALL) & _FIRST[length]
                    if place > begin:
                        folded = (key ^ folded) * MIX
                        folded ^= folded >> np.uint64(29)
                    key = folded
                    place += length
                    if length < 8:
                        break
                length = place - begin
                if length > 8:
                    key |= LONG
                    _, value = _probe(words, starts, lengths, arena, key, data, begin, length, True)
                else:  # as `_probe` does it: a call takes longer
                    slot = np.int64((key * MIX) >> np.uint64(20)) & mask
                    value = np.int64(words[slot, 1])
                    while value != 0 and words[slot, 0] != key:
                        slot = (slot + 1) & mask
                        value = np.int64(words[slot, 1])
                if value == 0:
                    miss_keys[missed], miss_places[missed], miss_lengths[missed] = key, begin, length
                    missed += 1
                    found[count], skipped[count] = -missed, gap
                    count += 1
                    gap = 0
                    continue
                # Without a branch, which no processor could foretell.
                found[count], skipped[count] = value - 1, gap
                counts = np.int64(value > 0)
                count += counts
                gap = (gap + 1) * (1 - counts)
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
                _, value = _probe(words, starts, lengths, arena, key, data, chunk, place - chunk, False)
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
    words, starts, lengths, arena = slots
    count, used = size
    while done < missed:
        key, begin, length = miss_keys[done], miss_places[done], abs(miss_lengths[done])
        folded = miss_lengths[done] > 0
        slot, value = _probe(words, starts, lengths, arena, key, data, begin, length, folded)
        if value == 0:
            if count >= len(starts) or 2 * count >= len(words) or used + length > len(arena):
                break
            for place in range(length):
                byte = data[begin + place]
                arena[used + place] = FOLDED[byte] if folded else byte
            starts[count], lengths[count] = used, length
            used += length
            count += 1
            words[slot, 0] = key
            words[slot, 1] = np.uint64(count)
        entries[done] = abs(np.int64(words[slot, 1])) - 1
        done += 1
    return done, count, used


@compile_kernel
def move_slots(words, more):
    """Puts all that is in one table's slots into the empty ones of a larger table."""
    mask = len(more) - 1
    for old in range(len(words)):
        if words[old, 1] != 0:
            slot = np.int64((words[old, 0] * MIX) >> np.uint64(20)) & mask
            while more[slot, 1] != 0:
                slot = (slot + 1) & mask
            more[slot] = words[old]


@compile_kernel
def settle_words(words, first, never_counts):
    """Marks those of the entries from `first` on that never count as words to skip."""
    for slot in range(len(words)):
        entry = np.int64(words[slot, 1]) - 1
        if entry >= first and never_counts[entry - first]:
            words[slot, 1] = np.uint64(-entry - 1)
