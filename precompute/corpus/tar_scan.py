"""Reads the plain members of a tar by compiled loops, block by block; what of a member lies behind a block is not read.

What is not plain goes the way by `tarfile`, member by member, and twice as many each time that this happens again at once.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tarfile import TarInfo
from typing import IO

import numpy as np

from backend.images import IMAGE_ENDINGS
from precompute.corpus.sample import HEADER_BYTES, MAX_CAPTION, SIDECARS
from precompute.corpus.shard import measure_size
from precompute.corpus.tar_kernels import (
    BLOCK,
    CAPTION,
    COUNT,
    END,
    FACTS,
    FULL,
    IMAGE,
    KEYS_USED,
    LAST_RUN,
    NAMED,
    REFILL,
    STATE,
    STRANGE,
    TEXT_END,
    TEXTS_USED,
    scan,
)
from precompute.corpus.tar_layout import JSON, MAX_JSON, TarLayout
from precompute.corpus.tar_members import read_members

_READ_AT_ONCE = 1 << 19  # bytes, which the processor's cache holds
_MEMBERS_AT_ONCE = 1 << 14
_KEY_BYTES, _TEXT_BYTES = 1 << 20, 1 << 22
_ENDING_BYTES = 8  # longer endings the loops do not know
_KIND = 156  # where a header says what it is of
_USUAL = ("jpg", "json", "txt")  # endings that are looked for first
_GLOBAL, _LOCAL = b"g", b"x"  # all members behind it; the next one

Strange = tuple[TarInfo | None, str]  # as `read_members` gives them


@dataclass(frozen=True, eq=False)
class Stretch:
    """Members that stand one after the other: those that play a part as `precompute.corpus.tar_kernels` tells of them
    (members, facts), with their keys and captions; how many play none, by reason; the name of the last; the byte behind them.

    The arrays are those of the next stretch once it is asked for.
    """

    facts: np.ndarray
    keys: bytes
    texts: np.ndarray
    dropped: dict[str, int]
    last: str
    stop: int

    @property
    def members(self) -> int:
        """How many members there are, of whatever part."""
        return len(self.facts) + sum(self.dropped.values())

    def read_text(self, row: int) -> bytes:
        """The bytes of a caption."""
        start = self.facts[row - 1, TEXT_END] if row else 0
        return self.texts[start : self.facts[row, TEXT_END]].tobytes()


def scan_members(
    stream: IO[bytes], path: Path, layout: TarLayout, first: int = 0, end: int | None = None
) -> Iterator[Stretch | Strange]:
    """Every member of a tar from a byte on: in stretches where they are plain, else, and at the end, as by `read_members`.

    The caller may read any bytes from `stream` meanwhile, of a strange member those alone that `read_members` allows.
    """
    scanner = _Scanner(stream, layout, end)
    place, together = first, 1
    while True:
        plain = 0
        for stretch in scanner.scan(place):
            place = stretch.stop
            plain += stretch.members
            yield stretch
        if scanner.is_at_end:
            return
        together = 1 if plain >= together else 2 * together
        is_global = _read_kind(stream, place) == _GLOBAL
        for taken, (info, fault) in enumerate(read_members(stream, path, place, end)):
            if taken >= together and not fault:
                place = info.offset
                break
            is_global |= bool(info and info.pax_headers) and _read_kind(stream, info.offset) != _LOCAL
            together = sys.maxsize if is_global else together
            yield info, fault
        else:
            return


def tabulate_endings(layout: TarLayout) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """The endings whose role in a tar is known, packed as the loops compare them; the code of each; by code the reason why it
    plays none."""
    reasons = ["", "", ""]
    endings, codes = [], []
    for ending in dict.fromkeys((*_USUAL, layout.caption or "", *sorted(IMAGE_ENDINGS | SIDECARS))):
        if not (ending.isascii() and ending.isalnum() and ending == ending.lower() and len(ending) <= _ENDING_BYTES):
            continue
        _, role, why = layout.read_name(TarInfo(f"x.{ending}"))
        if not role and why not in reasons:
            reasons.append(why)
        endings.append(int.from_bytes(ending.encode(), "big"))
        codes.append({"image": IMAGE, "caption": CAPTION}.get(role) or reasons.index(why))
    return np.array(endings, np.uint64), np.array(codes, np.int64), reasons


def _read_kind(stream: IO[bytes], place: int) -> bytes:
    stream.seek(place + _KIND)
    return stream.read(1)


class _Scanner:
    """The compiled loops with all that they write to."""

    def __init__(self, stream: IO[bytes], layout: TarLayout, end: int | None):
        self.stream = stream
        self.size = measure_size(stream)
        self.end = sys.maxsize if end is None else end
        self.is_at_end = False
        self._limits = (HEADER_BYTES, MAX_JSON if layout.caption == JSON else MAX_CAPTION)
        self._endings, self._codes, self._reasons = tabulate_endings(layout)
        self._last_dot = layout.last_dot
        self._block = np.empty(_READ_AT_ONCE, np.uint8)
        self._facts = np.empty((_MEMBERS_AT_ONCE, FACTS), np.int64)
        self._keys, self._texts = np.empty(_KEY_BYTES, np.uint8), np.empty(_TEXT_BYTES, np.uint8)
        self._name = np.empty(BLOCK, np.uint8)

    def scan(self, place: int) -> Iterator[Stretch]:
        """The plain members from a byte on, as far as they go; `is_at_end` tells whether that is as far as is wanted."""
        status = FULL
        while status == FULL:
            state, counts = np.zeros(STATE, np.int64), np.zeros(len(self._reasons), np.int64)
            state[LAST_RUN] = -1
            place, status = self._fill(place, state, counts)
            if not counts.any():
                break
            yield self._close(place, state, counts)
        self.is_at_end = status == END

    def _fill(self, place: int, state: np.ndarray, counts: np.ndarray) -> tuple[int, int]:
        """Scans block by block, until the arrays are full or there is nothing more; where that is, and why."""
        while True:
            self.stream.seek(place)
            have = self.stream.readinto(self._block)
            tar = (place, self.size, self.end, self._last_dot)
            out = (self._facts, self._keys, self._texts, counts, self._name)
            done, status = scan(self._block, have, 0, tar, self._limits, self._endings, self._codes, state, *out)
            place += done
            if status != REFILL:
                return place, status
            if not done:  # a member is larger than the block
                return place, STRANGE

    def _close(self, place: int, state: np.ndarray, counts: np.ndarray) -> Stretch:
        dropped = {reason: int(count) for reason, count in zip(self._reasons, counts, strict=True) if reason and count}
        return Stretch(
            self._facts[: state[COUNT]],
            self._keys[: state[KEYS_USED]].tobytes(),
            self._texts[: state[TEXTS_USED]],
            dropped,
            self._name[: state[NAMED]].tobytes().decode(),
            place,
        )
