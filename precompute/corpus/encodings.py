"""What a file of no known ending is, and how its letters are written: told by its beginning, and only where that is certain."""

import codecs
import re
from pathlib import Path

from backend.file_kinds import name_kind

HEAD = 1 << 20  # bytes of a file by which it is told
LATIN = "cp1252"  # what Windows writes, which holds all of Latin-1's letters

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_CONTROLS = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
# Letters of Western Europe, without those whose bytes are letters of Turkish and Hungarian; and the marks that all of Windows'
# Latin alphabets have.
_LETTERS = rb"\xc0-\xcf\xd1-\xd4\xd6\xd8-\xdc\xdf-\xef\xf1-\xf4\xf6\xf8-\xfc"
_MARKS = rb"\x84\x85\x91-\x97\xa0\xa9\xab\xae\xb0\xb4\xb7\xbb"
# At most two such letters within a word of plain ones, or a letter alone: a language of other letters has whole words of them.
_SURE = re.compile(
    rb"(?<=[A-Za-z])[%b]{1,2}|[%b]{1,2}(?=[A-Za-z])|(?<=\s)[%b](?=\s)|[%b]" % (_LETTERS, _LETTERS, _LETTERS, _MARKS)
)
_HIGH = re.compile(rb"[\x80-\xff]")


def name_encoding(head: bytes) -> str:
    """How the text that a file begins with is written, where it is certainly not UTF-8: utf-16, cp1252, or "" for neither.

    It is Windows' Latin alphabet, or Latin-1, where every byte beyond ASCII is a Western letter within a word, or a mark that
    is the same in all of Windows' Latin alphabets. Where it might be another alphabet it stays unknown.

    >>> name_encoding("café table".encode("latin-1")), name_encoding("café".encode()), name_encoding("стол".encode("cp1251"))
    ('cp1252', '', '')
    """
    if head[:2] in _UTF16:
        return "utf-16"
    if _is_utf8(head) or _CONTROLS.search(head):
        return ""
    return "" if _HIGH.search(_SURE.sub(b"", head)) else LATIN


def is_text(head: bytes) -> bool:
    """Whether a file that begins so is a text, in an encoding that is read here, and no page or program's file.

    >>> is_text(b"a dog\\na man\\n"), is_text(b"\\x89PNG\\r\\n\\x1a\\n"), is_text(b"<!DOCTYPE html>")
    (True, False, False)
    """
    if not head.strip() or name_kind(head) or head.startswith(b"#!"):
        return False
    return bool(name_encoding(head)) or (_is_utf8(head) and not _CONTROLS.search(head))


def _is_utf8(head: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)  # the last letter may be cut
    except UnicodeDecodeError:
        return False
    return True


def note_encoding(path: Path) -> tuple[str, ...]:
    """A sentence for the preview where lines that a file begins with are no UTF-8; else none."""
    with path.open("rb") as stream:
        lines = stream.read(HEAD).splitlines()
    lines = lines[:-1] if path.stat().st_size > HEAD else lines  # the last one may be cut within a letter
    odd = sum(b"\xef\xbf\xbd" in line.decode("utf-8", "replace").encode() for line in lines)
    return (f"{odd:,} of the first {len(lines):,} lines are no UTF-8: save the file as UTF-8",) if odd else ()
