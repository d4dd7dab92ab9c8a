"""Which files a user means: a file, a folder, a glob, a brace pattern as webdataset has it, a URL of any of these."""

import os
import re
from glob import glob
from pathlib import Path
from urllib.parse import unquote

from precompute.corpus.remote import is_remote, list_remote

_RANGE = re.compile(r"(\d+)\.\.(\d+)")
_BRACES = re.compile(r"\{([^{}]*)\}")


def expand_braces(pattern: str) -> list[str]:
    """The names that a brace pattern stands for, in order; numbers keep their zeros.

    >>> expand_braces("{00009..00011}.tar"), expand_braces("{a,b}/c"), expand_braces("{x}")
    (['00009.tar', '00010.tar', '00011.tar'], ['a/c', 'b/c'], ['{x}'])
    """
    for found in _BRACES.finditer(pattern):
        if numbers := _RANGE.fullmatch(found[1]):
            first, last = numbers.groups()
            step = 1 if int(first) <= int(last) else -1
            width = len(first) if first.startswith("0") or len(first) == len(last) else 0
            choices = [f"{number:0{width}}" for number in range(int(first), int(last) + step, step)]
        elif "," in found[1]:
            choices = found[1].split(",")
        else:
            continue
        before, after = pattern[: found.start()], pattern[found.end() :]
        return [name for choice in choices for name in expand_braces(f"{before}{choice}{after}")]
    return [pattern]


def list_files(pattern: str) -> list[str]:
    """The paths, of files and folders, and the URLs that a pattern names, sorted within each of its braces.

    A pattern that is a file's very name is that file. Raises SourceError where a URL cannot be reached.
    """
    pattern = pattern.strip()
    if pattern.startswith("file://"):
        pattern = unquote(pattern.removeprefix("file://"))
    if os.path.lexists(pattern):
        return [pattern]
    found = []
    for name in expand_braces(pattern):
        if is_remote(name):
            found += list_remote(name)
        else:
            name = str(Path(name).expanduser()) if name.startswith("~") else name
            found += [name] if os.path.lexists(name) else sorted(glob(name, recursive=True))  # noqa: PTH207
    return list(dict.fromkeys(found))  # pathlib's own glob takes no absolute pattern
