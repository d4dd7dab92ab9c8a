"""The loops over a tar's bytes, compiled by numba: headers of members, sizes of images, captions.

They take what is plain: members that are files, with short names of ASCII and endings that are known, where nothing is wrong.
At the first member that is anything else they stop, and `tarfile` reads it. Compiled at the first use, in some seconds, and
kept (`compile_kernel`).
"""

import sys

import numpy as np

from precompute.compiled import compile_kernel

BLOCK = 512
MOST_RECORDS = 4096  # bytes of PAX records; those of times and owners have some hundred
IMAGE, CAPTION = 1, 2  # codes of endings; higher ones are for what plays no part
REFILL, STRANGE, FULL, END = range(4)  # why a scan stopped

# Columns of what is written of a member that plays a part.
ROLE, RUN, PLACE, SIZE, KEY_END, TEXT_END, WIDTH, HEIGHT, IS_CLEAN = range(9)
FACTS = 9

# What a scan goes on with: how many facts, of which run the last is and where its key begins, what is used of keys and texts,
# how long the last name is.
COUNT, LAST_RUN, KEY_START, KEYS_USED, TEXTS_USED, NAMED = range(6)
STATE = 6


def _tabulate_crc() -> np.ndarray:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(0xEDB88320), table >> 1)
    return table


def _pack_words(*words: bytes) -> np.ndarray:
    return np.array([int.from_bytes(word, "big") for word in words], np.uint64)


_IS_LITTLE = sys.byteorder == "little"  # words are taken apart as on such a machine, on another one byte by byte
_ODD = np.uint64(0x00FF00FF00FF00FF)
_ZEROS, _NO_DIGIT = np.uint64(0x3030303030303030), np.uint64(0xF8F8F8F8F8F8F8F8)
_NO_SPACE = np.uint64(0xDFDFDFDFDFDFDFDF)  # nor NUL
_SIX = np.uint64((1 << 48) - 1)  # the bits of so many first bytes
_CRC = _tabulate_crc()
_PNG = np.frombuffer(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", np.uint8)
_PNG_DEPTHS = np.array([65814, 0, 65792, 278, 65792, 0, 65792], np.int64)  # by colour type: a bit for each depth that it has
_IDLE = _pack_words(b"mtime", b"atime", b"ctime", b"uid", b"gid", b"uname", b"gname")  # PAX records that change no sample


@compile_kernel
def read_size(data, start, stop):
    """Width and height of the image that data[start:stop] begin, as `backend.image_header` reads them; zeros for nulls."""
    if stop - start < 12:
        return 0, 0
    if data[start] == 0xFF and data[start + 1] == 0xD8 and data[start + 2] == 0xFF:
        return _read_jpeg(data, start, stop)
    if data[start] == 0x89:
        return _read_png(data, start, stop)
    is_riff = data[start] == ord("R") and data[start + 1] == ord("I") and data[start + 2] == ord("F")
    if is_riff and data[start + 3] == ord("F") and _read_number(data, start + 8, 4) == 0x57454250:
        return _read_webp(data, start, stop)
    return 0, 0


@compile_kernel
def _read_number(data, start, size):
    number = np.int64(0)
    for place in range(start, start + size):
        number = number << 8 | np.int64(data[place])
    return number


@compile_kernel
def _read_little(data, start, size):
    number = np.int64(0)
    for place in range(start + size - 1, start - 1, -1):
        number = number << 8 | np.int64(data[place])
    return number


@compile_kernel
def _read_jpeg(data, start, stop):
    place, width, height = start + 2, np.int64(0), np.int64(0)
    while place + 4 <= stop and data[place] == 0xFF:
        marker = data[place + 1]
        if marker == 0xFF:
            place += 1
            continue
        if marker == 1 or 0xD0 <= marker < 0xD8:
            place += 2
            continue
        if marker == 0xDA:
            return width, height
        if 0xC0 <= marker < 0xD0 and marker != 0xC4 and marker != 0xC8 and marker != 0xCC:
            if width or place + 10 > stop:
                return 0, 0
            height, width = _read_number(data, place + 5, 2), _read_number(data, place + 7, 2)
            colours = data[place + 9]
            if data[place + 4] != 8 or not (colours == 1 or colours == 3 or colours == 4) or width == 0 or height == 0:
                return 0, 0
        place += 2 + _read_number(data, place + 2, 2)
    return 0, 0


@compile_kernel
def _read_png(data, start, stop):
    if stop - start < 33:
        return 0, 0
    for place in range(16):
        if data[start + place] != _PNG[place]:
            return 0, 0
    width, height = _read_number(data, start + 16, 4), _read_number(data, start + 20, 4)
    depth, colour = np.int64(data[start + 24]), np.int64(data[start + 25])
    checksum = np.uint32(0xFFFFFFFF)
    for place in range(start + 12, start + 29):
        checksum = _CRC[np.uint8(checksum) ^ data[place]] ^ (checksum >> np.uint32(8))
    if np.int64(checksum ^ np.uint32(0xFFFFFFFF)) != _read_number(data, start + 29, 4):
        return 0, 0
    if colour > 6 or depth > 16 or not _PNG_DEPTHS[colour] >> depth & 1 or width == 0 or height == 0:
        return 0, 0
    return width, height


@compile_kernel
def _read_webp(data, start, stop):
    if stop - start < 30:
        return 0, 0
    kind = _read_number(data, start + 12, 4)
    if kind == 0x56503858:  # VP8X
        return _read_little(data, start + 24, 3) + 1, _read_little(data, start + 27, 3) + 1
    if kind == 0x5650384C and data[start + 20] == 0x2F:  # VP8L
        bits = _read_little(data, start + 21, 4)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == 0x56503820 and _read_number(data, start + 23, 3) == 0x9D012A:  # VP8
        return _read_little(data, start + 26, 2) & 0x3FFF, _read_little(data, start + 28, 2) & 0x3FFF
    return 0, 0


@compile_kernel
def _read_octal(data, start, size):
    """A number of a header; -1 where it is not plain octal digits."""
    number, begun, ended = np.int64(0), False, False
    for place in range(start, start + size):
        byte = data[place]
        if ord("0") <= byte <= ord("7"):
            if ended:
                return np.int64(-1)
            number = number << 3 | np.int64(byte - ord("0"))
            begun = True
        elif byte == 0 and begun:
            return number
        elif byte == ord(" "):
            ended = begun
        else:
            return np.int64(-1)
    return number if begun else np.int64(-1)


@compile_kernel
def _read_octal_word(word, digits):
    """The octal number in the first bytes of a word, those that `digits` has the bits of, as eight digits with zeros behind;
    -1 where these are no digits, or the others are anything but NULs and spaces."""
    if ((word ^ _ZEROS) & digits & _NO_DIGIT) | (word & ~digits & _NO_SPACE):
        return np.int64(-1)
    word &= digits & np.uint64(0x0707070707070707)
    word = (word << np.uint64(3) | word >> np.uint64(8)) & np.uint64(0x003F003F003F003F)
    word = (word << np.uint64(6) | word >> np.uint64(16)) & np.uint64(0x00000FFF00000FFF)
    word = (word << np.uint64(12) | word >> np.uint64(32)) & np.uint64(0x0000000000FFFFFF)
    return np.int64(word)


@compile_kernel
def _join_halves(words, place):
    """Eight bytes that begin four behind a word's beginning."""
    return words[place] >> np.uint64(32) | words[place + 1] << np.uint64(32)


@compile_kernel
def _add_bytes(pairs):
    """The sum of four sums of 16 bits, which fits into 16."""
    return np.int64(pairs * np.uint64(0x0001000100010001) >> np.uint64(48))


@compile_kernel
def _is_sound(data, words, place, kind):
    """Whether a block is a header of this kind whose checksum is right; `words` are the same bytes, eight at a time."""
    if data[place + 156] != kind or place % 8:
        return False
    pairs = np.uint64(0)
    block = words[place // 8 : (place + BLOCK) // 8]
    for number in range(64):  # sums of 64 pairs of bytes, which fit into 16 bits
        pairs += (block[number] & _ODD) + (block[number] >> np.uint64(8) & _ODD)
    total = np.int64(0)
    for _ in range(4):
        total += np.int64(pairs & np.uint64(0xFFFF))
        pairs >>= np.uint64(16)
    own = _join_halves(block, 18)  # the checksum's bytes, which count as eight spaces
    total += 256 - _add_bytes((own & _ODD) + (own >> np.uint64(8) & _ODD))
    if _IS_LITTLE and total << 6 == _read_octal_word(own, _SIX):
        return True
    return total == _read_octal(data, place + 148, 8)


@compile_kernel
def _changes_nothing(data, start, stop):
    """Whether PAX records are plain, and of times and owners alone."""
    while start < stop:
        place, length = start, np.int64(0)
        while place < stop and ord("0") <= data[place] <= ord("9") and place - start < 6:
            length = 10 * length + np.int64(data[place] - ord("0"))
            place += 1
        end = start + length
        if place == start or place + 2 > end or end > stop or data[place] != ord(" ") or data[end - 1] != ord("\n"):
            return False
        place += 1
        word = np.uint64(0)
        while place < end and data[place] != ord("="):
            word = word << np.uint64(8) | np.uint64(data[place])
            place += 1
            if word >> np.uint64(48):
                return False
        is_idle = False
        for known in _IDLE:
            is_idle |= known == word
        if not is_idle:
            return False
        start = end
    return True


@compile_kernel
def _read_name(data, place, last_dot, endings, codes):
    """Of the name in a header: where its key ends, where it ends, and the code of its ending; zeros where it is strange."""
    stop = place
    slash = place - 1
    while stop < place + 100 and data[stop] != 0:
        if data[stop] >= 128:
            return 0, 0, 0
        if data[stop] == ord("/"):
            slash = stop
        stop += 1
    if stop == place or data[place] == ord("/") or data[place + 345] != 0:  # 345: the name's first part, where it is long
        return 0, 0, 0
    dot = slash + 1
    if dot == stop or data[dot] == ord("."):
        return 0, 0, 0
    while dot < stop and data[dot] != ord("."):
        dot += 1
    if last_dot:
        for after in range(dot + 1, stop):
            if data[after] == ord("."):
                dot = after
    if dot == stop or stop - dot > 9:
        return 0, 0, 0
    stop, code = _read_ending(data, dot + 1, stop, endings, codes)
    return (dot, stop, code) if code else (0, 0, 0)


@compile_kernel
def _read_ending(data, start, stop, endings, codes):
    """Where a name ends, before `stop` or there, and the code of its ending, which begins at `start`; 0 where it has none."""
    word = np.uint64(0)
    place = start
    while place < stop and data[place] != 0:
        if word >> np.uint64(56):  # eight bytes already
            return place, 0
        byte = data[place]
        word = word << np.uint64(8) | np.uint64(byte + 32 if ord("A") <= byte <= ord("Z") else byte)
        place += 1
    for number in range(len(endings)):
        if endings[number] == word:
            return place, codes[number]
    return place, 0


@compile_kernel
def _begins_alike(data, words, place, other, length):
    """Whether two names, whose headers are at whole words, have the same first bytes."""
    first, second, count = place // 8, other // 8, length // 8
    differ = np.uint64(0)
    for word in range(count):
        differ |= words[first + word] ^ words[second + word]
    for byte in range(8 * count, length):
        differ |= np.uint64(data[place + byte] ^ data[other + byte])
    return differ == 0


@compile_kernel
def _is_space(byte):
    """What `str.strip` takes away."""
    return byte == 32 or 9 <= byte <= 13 or 28 <= byte <= 31


@compile_kernel
def _append(source, target, used):
    """Writes bytes behind those that are used; how many are used then."""
    free = target[used : used + len(source)]
    for place in range(len(source)):
        free[place] = source[place]
    return used + len(source)


@compile_kernel
def _add_key(state, keys, data, start, stop):
    """Notes the key of a member; it begins another run where the member before has another one."""
    begin, used = state[KEY_START], state[KEYS_USED]
    is_same = state[LAST_RUN] >= 0 and used - begin == stop - start
    if is_same:
        for place in range(stop - start):
            is_same &= keys[begin + place] == data[start + place]
    if is_same:
        return
    state[LAST_RUN] += 1
    state[KEY_START] = used
    state[KEYS_USED] = _append(data[start:stop], keys, used)


@compile_kernel
def _add_text(state, texts, text):
    """Notes a caption, and whether it is ASCII without NUL; then it is stripped, as it is."""
    high, zeros = np.uint8(0), 0
    for place in range(len(text)):
        high |= text[place]
        zeros += text[place] == 0
    is_clean = high < 128 and zeros == 0
    start, stop = 0, len(text)
    if is_clean:
        while stop > start and _is_space(text[stop - 1]):
            stop -= 1
        while start < stop and _is_space(text[start]):
            start += 1
    state[TEXTS_USED] = _append(text[start:stop], texts, state[TEXTS_USED])
    return is_clean


@compile_kernel
def _find_header(data, words, place, have):
    """Where the header of the next file stands: behind one of its time and owner, or at once; -1 where that is strange, -2
    where it is not all here."""
    if place + BLOCK > have:
        return -2
    if data[place + 156] == ord("x"):
        length = _read_octal(data, place + 124, 12) if _is_sound(data, words, place, ord("x")) else np.int64(-1)
        if length <= 0 or length > MOST_RECORDS:
            return -1
        after = place + BLOCK + (length + BLOCK - 1) // BLOCK * BLOCK
        if after + BLOCK > have:
            return -2
        if not _changes_nothing(data, place + BLOCK, place + BLOCK + length):
            return -1
        place = after
    return place if _is_sound(data, words, place, ord("0")) else -1


@compile_kernel
def scan(data, have, place, tar, limits, endings, codes, state, facts, keys, texts, counts, name):
    """Reads the members whose headers stand in data[place:have]. Gives the byte where it stopped, and why.

    `tar`: where in the tar `data` begins, the tar's size, where to end, whether keys go up to the last dot · `limits`: bytes
    that are looked at of an image, and taken of a caption · `endings`, `codes`: what is known of endings. Written are `state`;
    to `facts` (members, `FACTS`) of those that play a part: the code, the number of its run of members with one key, place and
    size in the tar, where its key ends in `keys` and its caption in `texts`, the image's width and height, whether the caption
    is clean (`_add_text`); to `counts` how many members have each code; to `name` the name of the last.
    """
    place, why, named, stop = _scan(data, have, place, tar, limits, endings, codes, state, facts, keys, texts, counts)
    if stop:
        state[NAMED] = _append(data[named:stop], name, 0)
    return place, why


@compile_kernel
def _scan(data, have, place, tar, limits, endings, codes, state, facts, keys, texts, counts):
    """What `scan` does, but for the last name: that is data[third:fourth] of what it gives, if there is any."""
    base, size, end, last_dot = tar
    words = data.view(np.uint64)
    is_last = base + have >= size
    named = dot = stop = 0  # of the member before: where its name begins, its key ends and its name ends
    is_noted = False  # whether its key is that of the last run
    while base + place < end:
        header = _find_header(data, words, place, have)
        if header < 0:
            return place, REFILL if header == -2 and not is_last else STRANGE, named, stop
        length = _read_octal(data, header + 124, 12)
        start = header + BLOCK
        key_end, name_end, code = 0, 0, 0
        is_alike = stop > 0 and _begins_alike(data, words, header, named, dot + 1 - named) and data[header + 345] == 0
        if is_alike:  # as far as the dot behind the key
            key_end = header + dot - named
            name_end, code = _read_ending(data, key_end + 1, header + 100, endings, codes)
        if code == 0:
            is_alike = False
            key_end, name_end, code = _read_name(data, header, last_dot, endings, codes)
        if code == 0 or length < 0 or base + start + length > size:
            return place, STRANGE, named, stop
        is_noted &= is_alike
        if code <= CAPTION:
            count = state[COUNT]
            wanted = min(length, limits[code - 1])
            text_room = len(texts) - state[TEXTS_USED]
            if count == len(facts) or state[KEYS_USED] + 100 > len(keys) or (code == CAPTION and wanted > text_room):
                return place, FULL, named, stop
            seen = min(start + wanted, have)
            width, height, is_clean = np.int64(0), np.int64(0), False
            if code == IMAGE:
                width, height = read_size(data, start, seen)
            if seen < start + wanted and width == 0 and (place > 0 or code == CAPTION):
                return place, REFILL, named, stop
            if code == CAPTION:
                is_clean = _add_text(state, texts, data[start:seen])
            if not is_noted:
                _add_key(state, keys, data, header, key_end)
                is_noted = True
            row = facts[count]
            row[ROLE], row[RUN], row[PLACE], row[SIZE] = code, state[LAST_RUN], base + start, length
            row[KEY_END], row[TEXT_END], row[WIDTH], row[HEIGHT] = state[KEYS_USED], state[TEXTS_USED], width, height
            row[IS_CLEAN] = is_clean
            state[COUNT] += 1
        counts[code] += 1
        named, dot, stop = header, key_end, name_end
        place = start + (length + BLOCK - 1) // BLOCK * BLOCK
    return place, END, named, stop
