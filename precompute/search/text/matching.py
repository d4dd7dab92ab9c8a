"""The loops of the text search after the words are known, compiled as those of `kernels` are.

`match_words` says which concepts captions name; `sort_rows`, `sort_hits` and `place_rows` put what was found in order.
"""

import numpy as np

from precompute.compiled import compile_kernel


@compile_kernel
def _place_tokens(read, begin, end, entries):
    """The tokens of one caption in order, and at which of its words each stands."""
    found, skipped, _ = read
    bounds, held, places = entries
    count = 0
    for number in range(begin, end):
        count += bounds[found[number], 2] - bounds[found[number], 1]
    words, tokens = np.empty(count, np.int64), np.empty(count, np.int32)
    word = count = 0
    for number in range(begin, end):
        word += skipped[number]
        entry = found[number]
        for which in range(bounds[entry, 1], bounds[entry, 2]):
            words[count], tokens[count] = word + places[which], held[which]
            count += 1
        word += bounds[entry, 3]
    return words, tokens


@compile_kernel
def _stand_in_row(read, begin, end, entries, rule, anchor):
    """Whether the tokens of a rule, whose rarest is number `anchor`, stand in a row anywhere in a caption."""
    words, tokens = _place_tokens(read, begin, end, entries)
    for item in range(len(tokens)):
        if tokens[item] != rule[anchor]:
            continue
        there = 0
        for number in range(len(rule)):
            wanted = words[item] + number - anchor
            other = item
            while other > 0 and words[other - 1] >= wanted:
                other -= 1
            while other < len(words) and (words[other] < wanted or (words[other] == wanted and tokens[other] != rule[number])):
                other += 1
            if other == len(words) or words[other] != wanted:
                break
            there += 1
        if there == len(rule):
            return True
    return False


@compile_kernel
def match_words(read, entries, rules, token_count, key_count, first_row, rows, keys):
    """Writes the (row, key) pairs of captions that name a concept, by rising row, to `rows` and `keys`, from `first_row` on.

    Gives the row that it stopped at, as its pairs (`key_count` at most) might find no room, and how many pairs are written.
    `read`: what `read_words` wrote, all of it known · `entries`: of each entry where its keys and its tokens begin, where they
    end, how many words it has, its first key, or `key_count` for none, and its first token, or `token_count` (entries, 6); keys
    and tokens; and at which of the entry's words each is. A key of an entry is named by it alone · `rules`: for each token the
    first of the rules whose rarest it is; for each rule its key, where its tokens begin, which of them is the rarest, and
    whether they have to stand in a row; and the tokens.
    """
    found, _, ends = read
    bounds, held, _ = entries
    token_rules, rule_keys, rule_starts, rule_anchors, rule_adjacent, tokens = rules
    stamps, named = np.full(token_count + 1, -1, np.int32), np.full(key_count + 1, -1, np.int32)
    anchors = np.empty(token_count + 1, np.int32)
    hits, begin = 0, ends[first_row - 1] if first_row else 0
    for row in range(first_row, len(ends)):
        if hits + key_count >= len(rows):
            return row, hits
        anchored = 0
        named[key_count] = stamps[token_count] = row  # what stands for none is never new
        for number in range(begin, ends[row]):
            entry = found[number]
            first, middle, last = bounds[entry, 0], bounds[entry, 1], bounds[entry, 2]
            # Most entries have at most one key and one token: these go without a branch, which no processor could foretell.
            key, token = bounds[entry, 4], bounds[entry, 5]
            rows[hits], keys[hits] = row, key
            hits += named[key] != row
            named[key] = row
            anchors[anchored] = token
            anchored += (stamps[token] != row) & (token_rules[token] != token_rules[token + 1])
            stamps[token] = row
            for which in range(first + 1, middle):
                key = held[which]
                rows[hits], keys[hits] = row, key
                hits += named[key] != row
                named[key] = row
            for which in range(middle + 1, last):
                token = held[which]
                anchors[anchored] = token
                anchored += (stamps[token] != row) & (token_rules[token] != token_rules[token + 1])
                stamps[token] = row
        for number in range(anchored):
            token = anchors[number]
            for rule in range(token_rules[token], token_rules[token + 1]):
                start, stop = rule_starts[rule], rule_starts[rule + 1]
                other = start
                while other < stop and stamps[tokens[other]] == row:
                    other += 1
                key = rule_keys[rule]
                if other < stop or named[key] == row:
                    continue
                if rule_adjacent[rule]:
                    rule_tokens = tokens[start:stop]
                    if not _stand_in_row(read, begin, ends[row], entries, rule_tokens, rule_anchors[rule]):
                        continue
                named[key] = row
                rows[hits], keys[hits] = row, key
                hits += 1
        begin = ends[row]
    return len(ends), hits


@compile_kernel
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


@compile_kernel
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


@compile_kernel
def place_rows(merged, ends, lengths, rows, first_row):
    """Puts the rows of one run, of each key so many, behind those that `merged` has of that key, up to `ends`."""
    hit = 0
    for key in range(len(lengths)):
        for place in range(ends[key], ends[key] + lengths[key]):
            merged[place] = rows[hit] + first_row
            hit += 1
        ends[key] += lengths[key]
