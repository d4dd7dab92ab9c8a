"""Which of a file's columns hold caption, image and URL: as a user says, by their usual names, or by what stands in them."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from backend.errors import SourceError
from backend.images import IMAGE_ENDINGS
from precompute.corpus.shard import Column, ReadOptions

ROLES = ("caption", "image", "url")

# The usual names, in small letters, the most certain first; of a name with a dot the part behind it counts.
_NAMES: dict[str, tuple[str, ...]] = {
    "caption": (
        *("caption", "captions", "text", "txt", "title", "alt_text", "alttext", "alt", "sentence", "sentences", "comment"),
        *("description", "conversations", "raw", "prompt", "caption_reference_description", "re_caption", "recaption", "recap"),
        *("recap_caption", "generated_caption", "synthetic_caption", "long_caption", "short_caption", "top_caption"),
    ),
    "image": (
        *("image", "file_name", "filename", "filepath", "file_path", "image_path", "image_file", "image_filename"),
        *("image_name", "img_path", "img", "photo", "picture", "path", "file", "images"),
        *("jpg", "jpeg", "png", "webp", "image_bytes"),
    ),
    "url": ("url", "image_url", "img_url", "imageurl", "coco_url", "image_link", "link", "urls", "source_url"),
}
_URL = re.compile(r"(https?|s3|gs)://\S+")
_FILE = re.compile(rf"[^\s].*\.({'|'.join(sorted(IMAGE_ENDINGS))})(#\d+)?", re.IGNORECASE)
_MOST = 0.8  # of the cells of a column say what it is


def find_columns(names: Sequence[str], options: ReadOptions, where: object) -> tuple[Column, ...]:
    """The columns that hold a caption, an image and a URL, as far as there are such; one without a caption may be the answer.

    Raises SourceError where a user named a column that `where` lacks.
    """
    found = []
    for role in ROLES:
        asked = getattr(options, role)
        column = _find_asked(asked, names, role, where) if asked else _find_usual(names, role)
        if column:
            found.append(column)
    return tuple(found)


def list_captions(names: Sequence[str]) -> list[str]:
    """All columns that by their names could hold the caption, the likeliest first.

    >>> list_captions(["url", "recap", "caption"])
    ['caption', 'recap']
    """
    ranked = {name: rank for name in names if (rank := _rank(name, "caption", names)) is not None}
    return sorted(ranked, key=lambda name: ranked[name])


def note_choice(names: Sequence[str], columns: Iterable[Column]) -> tuple[str, ...]:
    """What to tell a user where other columns could hold the caption as well."""
    chosen = {column.name for column in columns}
    others = [name for name in list_captions(names) if name not in chosen]
    return (f"captions stand in {', '.join(others)} too: --caption {others[0]}",) if others and chosen else ()


def guess_columns(rows: Sequence[Sequence[str]], options: ReadOptions, where: object) -> tuple[Column, ...]:
    """The columns of rows without a header, named by their numbers from 1 on: URLs, files of images, and texts.

    >>> [(column.role, column.name) for column in guess_columns([["a red rose", "http://x/1"]], ReadOptions(), "")]
    [('caption', '1'), ('url', '2')]
    """
    width = max(map(len, rows), default=0)
    cells = [[row[place].strip() for row in rows if len(row) > place] for place in range(width)]
    numbers = [str(place + 1) for place in range(width)]
    found = {role: _find_asked(asked, numbers, role, where) for role in ROLES if (asked := getattr(options, role))}
    for place, column in enumerate(cells):
        for role, form in (("url", _URL), ("image", _FILE)):
            if role not in found and sum(bool(form.fullmatch(cell)) for cell in column) >= _MOST * len(column):
                found[role] = Column(role, numbers[place], "by its content: there is no header")
                break
    taken = {column.name for column in found.values()}
    texts = {
        place: sum(map(len, column)) / len(column)
        for place, column in enumerate(cells)
        if numbers[place] not in taken and sum(any(map(str.isalpha, cell)) for cell in column) >= _MOST * len(column)
    }
    if "caption" not in found and texts:
        best = max(texts, key=texts.__getitem__)
        found["caption"] = Column("caption", numbers[best], "by its content, the longest text: there is no header")
    return tuple(found[role] for role in ROLES if role in found)


def place_columns(columns: Iterable[Column], names: Sequence[str]) -> dict[str, int]:
    """The place of each role's column among the names."""
    return {column.role: list(names).index(column.name) for column in columns}


def rename(columns: Iterable[Column], names: Sequence[str]) -> tuple[Column, ...]:
    """The same columns, which bear their place's number, with names for people."""
    return tuple(replace(column, name=names[int(column.name) - 1]) for column in columns)


def _find_asked(asked: str, names: Sequence[str], role: str, where: object) -> Column:
    alike = [name for name in names if name == asked] or [name for name in names if name.lower() == asked.strip().lower()]
    if not alike:
        raise SourceError(f"{where} has no column '{asked}' (--{role}); it has: {', '.join(names)}.")
    return Column(role, alike[0], f"named by --{role}")


def _find_usual(names: Sequence[str], role: str) -> Column | None:
    ranked = [(rank, place) for place, name in enumerate(names) if (rank := _rank(name, role, names)) is not None]
    return Column(role, names[min(ranked)[1]], "by its name") if ranked else None


def _rank(name: str, role: str, names: Sequence[str]) -> int | None:
    """How usual a name is for a role; the parts of a column, which is named too, stand behind whole columns."""
    outer, dot, _ = name.partition(".")
    if dot and outer not in names:
        return None
    inner = name.removeprefix(f"{outer}.").strip().lower() if dot else name.strip().lower()
    usual = _NAMES[role]
    if inner not in usual:
        return None
    return usual.index(inner) + (len(usual) if dot else 0)
