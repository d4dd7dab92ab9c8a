"""The loops of the text search over bytes, compiled by numba. They hold no Python object and release its lock.

`read_words` cuts captions into words and looks each up; `match_words` says which concepts are named; `sort_hits` puts them in
order. Compiled at the first use in 10 s, and kept beside this file or in numba's folder of the user, where either can be written.
Words are the ASCII ones of `backend.words`. What is more than that takes the way by Python, once for all times that it comes:
a *chunk* is what stands between two of the signs that no word and no rule of `backend.words` reaches across, such as spaces.
"""

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


def _compile(function):
    """The function compiled, and kept on disk where there is a place that can be written."""
    try:
        return njit(nogil=True, cache=True)(function)
    except RuntimeError:  # numba finds no such place
        return njit(nogil=True)(function)


@_compile
def _same(data, begin, arena, start, length, folded):
    for place in range(length):
        byte = data[begin + place]
        if (FOLDED[byte] if folded else byte) != arena[start + place]:
            return False
    return True


@_compile
def _probe(slots, key, data, begin, length, folded):
    """The slot of a word, or the free one where it would be."""
    keys, values, starts, lengths, arena = slots
    mask = len(keys) - 1
    slot = np.int64((key * MIX) >> np.uint64(20)) & mask
    while values[slot] != 0:
        if keys[slot] == key:
            if key < LONG:  # the key is the word itself
                break
            entry = abs(values[slot]) - 1
            if lengths[entry] == length and _same(data, begin, arena, starts[entry], length, folded):
                break
        slot = (slot + 1) & mask
    return slot


@_compile
def _hash(data, begin, stop):
    key = np.uint64(stop - begin)
    for place in range(begin, stop):
        key = (key ^ np.uint64(data[place])) * MIX
        key ^= key >> np.uint64(29)
    return key | LONG


@_compile
def _turns_backticks(data, start, stop):
    """Whether a caption has backticks, and letters beyond ASCII or an entity, which make apostrophes of them."""
    ticks = marks = False
    for place in range(start, stop):
        ticks |= data[place] == ord("`")
        marks |= data[place] >= 128 or data[place] == ord("&")
    return ticks and marks


@_compile
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


@_compile
def read_words(data, offsets, slots, found, skipped, ends, missing):
    """Cuts captions, `data[offsets[row]:offsets[row + 1]]` each, into words; keeps those that may count for a concept.

    Written are, one after the other, to `found` the entry of a word or chunk, or where the table lacks it minus its number,
    from 1, in `missing` (key, place, length; a chunk's is negative); to `skipped` how many words that never count stand before
    it; to `ends` where each caption's end. Gives how many words are missing.
    """
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
                value = slots[1][_probe(slots, key, data, begin, length, True)]
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
            if kind == BACKTICK or kind == MARK or (kind == DOT and _begins_word(data, start, place, stop)):
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
                value = slots[1][_probe(slots, key, data, chunk, place - chunk, False)]
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
            if kind == APOSTROPHE and place + 1 < stop and FOLDED[data[place + 1]] == ord("s"):
                if place + 2 >= stop or KINDS[data[place + 2]] != LETTER:
                    place += 1
            place += 1
        ends[row] = count
    return missed


@_compile
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
        slot = _probe(slots, key, data, begin, length, folded)
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


@_compile
def move_slots(keys, values, new_keys, new_values):
    """Puts all that is in one table's slots into the empty ones of a larger table."""
    mask = len(new_keys) - 1
    for old in range(len(keys)):
        if values[old] != 0:
            slot = np.int64((keys[old] * MIX) >> np.uint64(20)) & mask
            while new_values[slot] != 0:
                slot = (slot + 1) & mask
            new_keys[slot], new_values[slot] = keys[old], values[old]


@_compile
def settle_words(slots, first, counts):
    """Marks the entries from `first` on that never count, by `counts`, as words to skip."""
    keys, values, _, _, _ = slots
    for slot in range(len(keys)):
        entry = values[slot] - 1
        if entry >= first and counts[entry - first] == 0:
            values[slot] = -values[slot]


@_compile
def _stands(rule, anchor, item, items, tokens):
    """Whether the tokens of a rule stand in a row, where its anchor is the item of this number."""
    start, stop = rule
    places, found, count = items
    first = places[item] - (anchor - start)
    for number in range(start, stop):
        wanted = first + number - start
        other = item
        while other > 0 and places[other - 1] >= wanted:
            other -= 1
        while other < count and places[other] < wanted:
            other += 1
        while other < count and places[other] == wanted and found[other] != tokens[number]:
            other += 1
        if other == count or places[other] != wanted:
            return False
    return True


@_compile
def match_words(read, entries, rules, key_count):
    """The (row, key) pairs of captions that name what rules ask for, by rising row; and in how many captions each token is.

    `read`: what `read_words` wrote, all of it known · `entries`: of each entry the first of its tokens, the tokens, at which of
    its words each is, and how many words it has · `rules`: for each token the first of the rules whose rarest it is; for each
    rule its key, where its tokens begin, where the rarest is, and whether they have to stand in a row; and the tokens.
    """
    found, skipped, ends = read
    entry_starts, entry_tokens, entry_places, entry_widths = entries
    token_rules, rule_keys, rule_starts, rule_anchors, rule_adjacent, tokens = rules
    captions_of = np.zeros(len(token_rules) - 1, np.int64)
    stamps = np.full(len(token_rules) - 1, -1, np.int32)
    named = np.full(key_count, -1, np.int32)
    rows, keys, hits = np.empty(1024, np.int32), np.empty(1024, np.int32), 0
    places, items, distinct = np.empty(256, np.int64), np.empty(256, np.int32), np.empty(256, np.int32)
    begin = 0
    for row in range(len(ends)):
        place = count = different = 0
        for number in range(begin, ends[row]):
            place += skipped[number]
            entry = found[number]
            first, last = entry_starts[entry], entry_starts[entry + 1]
            while count + last - first > len(items):
                places = np.concatenate((places, np.empty_like(places)))
                items = np.concatenate((items, np.empty_like(items)))
                distinct = np.concatenate((distinct, np.empty_like(distinct)))
            for which in range(first, last):
                token = entry_tokens[which]
                places[count], items[count] = place + entry_places[which], token
                count += 1
                if stamps[token] != row:
                    stamps[token] = row
                    distinct[different] = token
                    different += 1
            place += entry_widths[entry]
        begin = ends[row]
        for number in range(different):
            token = distinct[number]
            captions_of[token] += 1
            for rule in range(token_rules[token], token_rules[token + 1]):
                key = rule_keys[rule]
                if named[key] == row:
                    continue
                start, stop = rule_starts[rule], rule_starts[rule + 1]
                if stop - start > 1:
                    there = True
                    for other in range(start, stop):
                        there &= stamps[tokens[other]] == row
                    if there and rule_adjacent[rule]:
                        there = False
                        for item in range(count):
                            if items[item] == token and _stands(
                                (start, stop), rule_anchors[rule], item, (places, items, count), tokens
                            ):
                                there = True
                                break
                    if not there:
                        continue
                named[key] = row
                if hits == len(rows):
                    rows = np.concatenate((rows, np.empty_like(rows)))
                    keys = np.concatenate((keys, np.empty_like(keys)))
                rows[hits], keys[hits] = row, key
                hits += 1
    return rows[:hits], keys[:hits], captions_of


@_compile
def sort_rows(rows, keys):
    """Puts the keys of each row in order; the rows are."""
    begin = 0
    while begin < len(rows):
        end = begin + 1
        while end < len(rows) and rows[end] == rows[begin]:
            end += 1
        if end - begin > 32:
            keys[begin:end] = np.sort(keys[begin:end])
        else:
            for place in range(begin + 1, end):
                key = keys[place]
                before = place - 1
                while before >= begin and keys[before] > key:
                    keys[before + 1] = keys[before]
                    before -= 1
                keys[before + 1] = key
        begin = end


@_compile
def sort_hits(rows, keys, key_count):
    """Of each key the number of its rows (keys,), and the rows by key; those of one key keep their order."""
    counts = np.zeros(key_count, np.int32)
    for key in keys:
        counts[key] += 1
    places = np.zeros(key_count, np.int64)
    for key in range(1, key_count):
        places[key] = places[key - 1] + counts[key - 1]
    ordered = np.empty(len(rows), np.int32)
    for hit in range(len(rows)):
        ordered[places[keys[hit]]] = rows[hit]
        places[keys[hit]] += 1
    return counts, ordered
