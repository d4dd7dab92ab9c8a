"""The lines of a file as bytes and text, with the byte that each ends before; whatever ends them, and however long they are."""

from collections.abc import Iterator
from typing import IO

BLOCK = 1 << 20
LONGEST_LINE = 1 << 24  # bytes; what is longer is cut there
_MARK = b"\xef\xbb\xbf"  # that some begin a file with


class Lines:
    """The lines of a file as text, with their ends; `end` is the byte behind the one given last.

    Bytes that are no UTF-8 become U+FFFD.
    """

    def __init__(self, stream: IO[bytes]):
        self.stream = stream
        self.end = 0
        self._rest = b""

    def __iter__(self) -> Iterator[str]:
        while lines := self._split():
            for line in lines:
                self.end += len(line)
                yield line.decode("utf-8", "replace").replace("\0", "")

    def read_title(self, longest: int) -> str:
        """The first line, up to `longest` bytes, without the mark that some begin a file with."""
        self.stream.seek(0)
        line = self.stream.readline(longest)
        line = line.splitlines(keepends=True)[0] if line else b""
        self.start_at(len(line))
        return line.decode("utf-8-sig", "replace")

    def start_at(self, byte: int) -> None:
        """Goes on from a byte where a line begins; at the file's beginning, behind its mark."""
        self.stream.seek(byte)
        self.end = byte
        self._rest = b""
        if byte == 0:
            self._rest = self.stream.read(len(_MARK))
            if self._rest == _MARK:
                self.end, self._rest = len(_MARK), b""

    def _split(self) -> list[bytes]:
        """The next lines that are whole; none at the end."""
        while block := self.stream.read(BLOCK):
            lines = (self._rest + block).splitlines(keepends=True)
            self._rest = lines.pop()  # it may go on; what ends in \r may end in \r\n
            if len(self._rest) > LONGEST_LINE:
                lines, self._rest = [*lines, self._rest], b""
            if lines:
                return lines
        rest, self._rest = self._rest, b""
        return rest.splitlines(keepends=True)
