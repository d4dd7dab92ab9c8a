"""The loops of the text search after the words are known, compiled as those of `kernels` are.

`match_words` says which concepts captions name; `sort_hits` and `place_hits` put what was found in order.
A hit is a caption and a concept, found by a set of methods: kept are its concept, and `row << shift | set`, where bit n of the
set stands for the n-th of `shift` methods. Most hits are found by all methods, so that one more costs little.
"""

from typing import NamedTuple

import numpy as np

from precompute.compiled import compile_kernel


class Rules(NamedTuple):
    """What needs several tokens, by its rarest one: arrays that `match_words` reads.

    `firsts`: for each token the first of the rules whose rarest it is · of each rule `names`, `phrase_names`, `spelled_names`:
    its name by the methods that need its tokens anywhere, as a phrase, and words as they are spelled beside them ·
    `other_starts`, `phrase_starts`, `spelled_starts`: where its `others` begin, which are its tokens but the rarest, the rarer
    first, its `phrases` and its `spelled` words · `phrase_anchors`: which token of the phrase is the rarest.
    """

    firsts: np.ndarray
    names: np.ndarray
    phrase_names: np.ndarray
    spelled_names: np.ndarray
    other_starts: np.ndarray
    phrase_starts: np.ndarray
    spelled_starts: np.ndarray
    phrase_anchors: np.ndarray
    others: np.ndarray
    phrases: np.ndarray
    spelled: np.ndarray


@compile_kernel
def _place_tokens(read, begin, end, entries, spots):
    """The tokens of one caption in order, and at which of its words each stands: words and tokens (2, at least so many), in
    `spots` or, where these are too few, in new ones; and how many there are."""
    found, skipped, _ = read
    bounds, held, places = entries
    count = 0
    for number in range(begin, end):
        count += bounds[found[number], 2] - bounds[found[number], 1]
    if count > spots.shape[1]:
        spots = np.empty((2, 2 * count), np.int64)
    word = count = 0
    for number in range(begin, end):
        word += skipped[number]
        entry = found[number]
        for which in range(bounds[entry, 1], bounds[entry, 2]):
            spots[0, count], spots[1, count] = word + places[which], held[which]
            count += 1
        word += bounds[entry, 3]
    return spots, count


@compile_kernel
def _stand_in_row(spots, count, phrase, anchor):
    """Whether the tokens of a phrase, whose rarest is number `anchor`, stand in a row anywhere among the placed ones."""
    words, tokens = spots
    for item in range(count):
        if tokens[item] != phrase[anchor]:
            continue
        there = 0
        for number in range(len(phrase)):
            wanted = words[item] + number - anchor
            other = item
            while other > 0 and words[other - 1] >= wanted:
                other -= 1
            while other < count and (words[other] < wanted or (words[other] == wanted and tokens[other] != phrase[number])):
                other += 1
            if other == count or words[other] != wanted:
                break
            there += 1
        if there == len(phrase):
            return True
    return False


@compile_kernel
def _are_spelled(found, begin, end, entries, wanted):
    """Whether a caption has all of some words as they are spelled."""
    bounds, held, _ = entries
    for token in wanted:
        is_there = False
        for number in range(begin, end):
            entry = found[number]
            for which in range(bounds[entry, 2], bounds[entry, 6]):
                is_there |= held[which] == token
        if not is_there:
            return False
    return True


@compile_kernel
def _note(name, row, shift, first_hit, hits, last_hits, concepts, found):
    """Adds the methods of a name to a caption's hit of its concept, which may be a new one; how many hits there are then."""
    concept = name >> shift
    held = last_hits[concept]
    is_new = held < first_hit
    hit = hits if is_new else held
    before = row << shift if is_new else found[hit]
    concepts[hit], found[hit] = concept, before | (name & ((1 << shift) - 1))
    last_hits[concept] = hit
    return hits + is_new


@compile_kernel
def match_words(read, entries, rules, token_count, concept_count, shift, first_row, concepts, found):
    """Writes the hits of captions, by rising row, to `concepts` and `found`, from `first_row` on.

    Gives the row that it stopped at, as its hits (`concept_count` at most) might find no room, and how many hits are written.
    `read`: what `read_words` wrote, all of it known · `entries`: of each entry where its names and its tokens begin, where they
    end, how many words it has, its first name, or `concept_count << shift` for none, its first token, or `token_count`, and
    where its spelled ones end, which follow (entries, 7); names, tokens, spelled ones; and at which of its words each is. A
    name is `concept << shift | set`, what an entry alone names, and by what.
    """
    words, _, ends = read
    bounds, held, _ = entries
    # Where each concept's last hit is; what stands for none has one that is never new, behind all others.
    stamps, last_hits = np.full(token_count + 1, -1, np.int32), np.full(concept_count + 1, -1, np.int64)
    last_hits[concept_count] = len(found) - 1
    anchors, methods = np.empty(token_count + 1, np.int32), (1 << shift) - 1
    spots, placed, placed_row = np.empty((2, 64), np.int64), 0, -1
    hits, begin = 0, ends[first_row - 1] if first_row else 0
    for row in range(first_row, len(ends)):
        if hits + concept_count >= len(found):
            return row, hits
        first_hit, anchored = hits, 0
        stamps[token_count] = row
        for number in range(begin, ends[row]):
            entry = words[number]
            first, middle, last = bounds[entry, 0], bounds[entry, 1], bounds[entry, 2]
            # Most entries have at most one name and one token: these go without a branch, which no processor could foretell.
            hits = _note(bounds[entry, 4], row, shift, first_hit, hits, last_hits, concepts, found)
            token = bounds[entry, 5]
            anchors[anchored] = token
            anchored += (stamps[token] != row) & (rules.firsts[token] != rules.firsts[token + 1])
            stamps[token] = row
            for which in range(first + 1, middle):
                hits = _note(held[which], row, shift, first_hit, hits, last_hits, concepts, found)
            for which in range(middle + 1, last):
                token = held[which]
                anchors[anchored] = token
                anchored += (stamps[token] != row) & (rules.firsts[token] != rules.firsts[token + 1])
                stamps[token] = row
        for number in range(anchored):
            token = anchors[number]
            for rule in range(rules.firsts[token], rules.firsts[token + 1]):
                other, stop = rules.other_starts[rule], rules.other_starts[rule + 1]
                while other < stop and stamps[rules.others[other]] == row:
                    other += 1
                if other < stop:
                    continue
                name = rules.names[rule]
                start, stop = rules.phrase_starts[rule], rules.phrase_starts[rule + 1]
                if start < stop:
                    if placed_row != row:
                        spots, placed = _place_tokens(read, begin, ends[row], entries, spots)
                        placed_row = row
                    if _stand_in_row(spots, placed, rules.phrases[start:stop], rules.phrase_anchors[rule]):
                        name |= rules.phrase_names[rule]
                start, stop = rules.spelled_starts[rule], rules.spelled_starts[rule + 1]
                if start < stop and _are_spelled(words, begin, ends[row], entries, rules.spelled[start:stop]):
                    name |= rules.spelled_names[rule]
                if name & methods:
                    hits = _note(name, row, shift, first_hit, hits, last_hits, concepts, found)
        begin = ends[row]
    return len(ends), hits


@compile_kernel
def sort_hits(concepts, found, concept_count):
    """Of each concept the number of its hits (concepts,), and the hits by concept; those of one keep their order."""
    counts = np.zeros(concept_count, np.int32)
    for concept in concepts:
        counts[concept] += 1
    places = np.zeros(concept_count, np.int64)
    for concept in range(1, concept_count):
        places[concept] = places[concept - 1] + counts[concept - 1]
    ordered = np.empty(len(found), np.int32)
    for hit in range(len(found)):
        ordered[places[concepts[hit]]] = found[hit]
        places[concepts[hit]] += 1
    return counts, ordered


@compile_kernel
def place_hits(rows, sets, ends, lengths, found, shift, first_row):
    """Puts the hits of one run, of each concept so many, behind those that `rows` and `sets` have of it, up to `ends`."""
    hit, methods = 0, (1 << shift) - 1
    for concept in range(len(lengths)):
        for place in range(ends[concept], ends[concept] + lengths[concept]):
            rows[place], sets[place] = (found[hit] >> shift) + first_row, found[hit] & methods
            hit += 1
        ends[concept] += lengths[concept]
