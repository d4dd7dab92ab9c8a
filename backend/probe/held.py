"""The files that visitors have handed in, held in memory within bounds, and gone with the visitor.

Each visitor's session owns what it handed in, unpacked, so that nothing is unpacked or hashed twice and all of it leaves the
memory with the session. What one visitor may hold, `backend.probe.unpack` bounds for a batch and `SINGLE_BYTES` for single
images; where all visitors together hold more than `ALL_BYTES`, the longest unused files are let go, and say so.
"""

import itertools
import threading
import weakref
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass

from backend.errors import TailscopeError
from backend.probe.unpack import BATCH_BYTES, Part

MAX_SINGLE = 12  # single ones of a visitor; a labelled batch takes more
SINGLE_BYTES = 64 * 2**20  # of them
VISITOR_BYTES = SINGLE_BYTES + BATCH_BYTES
ALL_BYTES = 512 * 2**20  # of all visitors

_clock = itertools.count()


@dataclass(eq=False)
class HeldFile:
    """A file that was handed in: its parts, None where they were let go, and when it was last asked for."""

    name: str
    parts: tuple[Part, ...] | None
    used: int

    @property
    def size(self) -> int:
        return sum(len(part.content) for part in self.parts or ())


class Hands:
    """What all visitors hold together, at most `max_bytes`; for many threads."""

    def __init__(self, max_bytes: int = ALL_BYTES):
        self.max_bytes = max_bytes
        self._open: weakref.WeakSet[Hand] = weakref.WeakSet()
        self._lock = threading.Lock()

    @property
    def held_bytes(self) -> int:
        """The bytes of all files that are held."""
        with self._lock:
            return sum(file.size for hand in self._open for file in hand.list_files())

    def open(self) -> "Hand":
        """A new visitor's hand, empty."""
        hand = Hand(self)
        with self._lock:
            self._open.add(hand)
        return hand

    def make_room(self) -> None:
        """Lets go of the longest unused files until all that is held fits."""
        with self._lock:
            files = sorted((file for hand in self._open for file in hand.list_files()), key=lambda file: file.used)
            excess = sum(file.size for file in files) - self.max_bytes
            for file in files:
                if excess <= 0:
                    return
                excess -= file.size
                file.parts = None


class Hand:
    """What one visitor has handed in by one widget: the parts of each file by its key, in the order of their coming."""

    def __init__(self, hands: Hands):
        self._hands = hands
        self._files: dict[Hashable, HeldFile] = {}

    @property
    def keys(self) -> list[Hashable]:
        """The keys of the files, in the order of their coming."""
        return list(self._files)

    @property
    def held_bytes(self) -> int:
        """The bytes of the files that are not let go."""
        return sum(file.size for file in self.list_files())

    def list_files(self) -> list[HeldFile]:
        """The files, in the order of their coming."""
        return list(self._files.values())

    def put(self, key: Hashable, name: str, unpack: Callable[[], Iterable[Part]]) -> None:
        """Holds what `unpack` gives of a file; where it raises a TailscopeError, that is the file's one part, and its fault."""
        try:
            parts = tuple(unpack())
        except TailscopeError as error:
            parts = (Part(name, b"", str(error)),)
        self._files[key] = HeldFile(name, parts, next(_clock))
        self._hands.make_room()

    def get(self, key: Hashable) -> tuple[Part, ...]:
        """The parts of a file; of one that was let go a single part whose fault says so. Raises KeyError for another key."""
        file = self._files[key]
        file.used = next(_clock)
        limit = self._hands.max_bytes // 2**20
        let_go = f"It was let go: all visitors together may hold {limit:,} MB. Hand it in again."
        return (Part(file.name, b"", let_go),) if file.parts is None else file.parts

    def keep_only(self, keys: Iterable[Hashable]) -> None:
        """Lets go of all files but these."""
        for key in set(self._files).difference(keys):
            del self._files[key]
