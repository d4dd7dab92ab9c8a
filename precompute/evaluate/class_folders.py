"""Reads a folder of class folders: which images, of which class, and what the classes are called.

A class folder bears its class's name; a number, or a WordNet id, where a file beside the folders says what it stands for.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

from backend.class_literals import read_synsets
from backend.errors import SourceError
from backend.file_kinds import LITTER, is_litter
from backend.images import IMAGE_ENDINGS
from backend.words import canonical
from precompute.evaluate.prepared import Place
from precompute.ledger import Ledger
from precompute.vocabulary import read_class_positions

CLASS_NAMES = "classnames.txt"
STRANGE_FILE = "file that is no image by its name"
OUTSIDE = "image in no class folder"
FOLDER = "folder with the name of an image"
SPLITS = frozenset(("train", "training", "val", "valid", "validation", "test", "testing", "dev", "eval", "holdout"))
MAX_NAMES_FILE = 1 << 23  # bytes

_WORDNET = re.compile(r"n\d{8}")


def read_class_folders(
    folder: Path, ledger: Ledger, layouts: str, names: Sequence[str] = ()
) -> tuple[list[str], list[tuple[Place, int]]]:
    """The class names of a folder, and each image's place with the number of its class; all other files are booked.

    `names`: what ids or numbers of folders stand for, in their order, where someone hands that in.

    Raises SourceError, with the `layouts` to choose from, for a folder of splits, ids without names, and names of nothing.
    """
    folders = sorted(path for path in folder.iterdir() if path.is_dir() and not is_litter(path.name))
    _refuse_splits(folder, folders)
    labels, names_file = (_give_names(folder, folders, names), None) if names else _name_classes(folder, folders)
    positions = bool(names or names_file)  # a class is a place in a list: two of them may have one name
    for path, label in zip(folders, labels, strict=True):
        if not positions and not canonical(label):
            raise SourceError(f"The folder {path} names no concept. Expected: {layouts}.")
    distinct = list(labels) if positions else list(dict.fromkeys(labels))
    found = []
    for position, (path, label) in enumerate(zip(folders, labels, strict=True)):
        number = position if positions else distinct.index(label)
        for image in _list_images(path, ledger):
            found.append(((str(image.absolute()), None, None), number))
    for path in sorted(folder.iterdir()):
        if is_litter(path.name):
            ledger.take(dropped=sum(map(Path.is_file, path.rglob("*"))) if path.is_dir() else 1, reason=LITTER)
        elif path.is_file() and path != names_file:
            ledger.take(dropped=1, reason=OUTSIDE if _is_image(path) else STRANGE_FILE)
    return distinct, found


def _list_images(folder: Path, ledger: Ledger) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_dir() and not _is_image(path):
            continue
        if path.is_dir():
            ledger.take(dropped=1, reason=FOLDER)
        elif any(map(is_litter, path.relative_to(folder).parts)):
            ledger.take(dropped=1, reason=LITTER)
        elif _is_image(path):
            yield path
        else:
            ledger.take(dropped=1, reason=STRANGE_FILE)


def _is_image(path: Path) -> bool:
    return path.suffix.lower().lstrip(".") in IMAGE_ENDINGS


def _refuse_splits(folder: Path, folders: Sequence[Path]) -> None:
    """Raises SourceError where the folders are parts of a data set with class folders of their own; "train" may be a class."""
    splits = [path for path in folders if path.name.lower() in SPLITS and _holds_folders_only(path)]
    if splits and (len(splits) > 1 or len(splits) == len(folders)):
        names = ", ".join(path.name for path in splits)
        raise SourceError(f"{folder} holds splits ({names}), not classes. Name one of them: {' or '.join(map(str, splits))}.")


def _holds_folders_only(folder: Path) -> bool:
    inside = [path for path in folder.iterdir() if not is_litter(path.name)]
    return any(path.is_dir() for path in inside) and not any(map(_is_image, inside))


def _give_names(folder: Path, folders: Sequence[Path], names: Sequence[str]) -> list[str]:
    """What each folder's class is called by names that a user handed in: by the folder's number, else by its place."""
    own = [path.name for path in folders]
    if all(name.isascii() and name.isdigit() for name in own) and max(map(int, own), default=0) < len(names):
        return [names[int(name)] for name in own]
    if len(names) != len(own):
        raise SourceError(
            f"{len(names)} names were given for the {len(own)} class folders of {folder}: a name a folder is needed."
        )
    if not all(_WORDNET.fullmatch(name) for name in own):
        raise SourceError(f"The class folders of {folder} have names of their own ({own[0]}, ...). Leave the given names out.")
    return list(names)


def _name_classes(folder: Path, folders: Sequence[Path]) -> tuple[list[str], Path | None]:
    """What each class folder's class is called, and the file that says so; the folders' own names without one."""
    own = [unicodedata.normalize("NFC", path.name) for path in folders]
    if own and all(_WORDNET.fullmatch(name) for name in own):
        return _name_synsets(folder, own)
    names_file = folder / CLASS_NAMES
    if own and all(name.isascii() and name.isdigit() for name in own) and names_file.is_file():
        names = read_class_positions(names_file)
        if max(map(int, own)) < len(names):
            return [names[int(name)] for name in own], names_file
    return own, None


def _name_synsets(folder: Path, ids: Sequence[str]) -> tuple[list[str], Path]:
    """The names of WordNet ids, out of a file in the folder or beside it, or by their order in a list of as many names."""
    files = sorted(path for place in (folder, folder.parent) for path in place.glob("*.*") if _may_hold_names(path))
    for path in files:
        names = read_synsets(path.read_text(encoding="utf-8-sig", errors="replace"))
        if set(ids) <= names.keys():
            return [names[name] for name in ids], path
    listed = folder / CLASS_NAMES
    if listed.is_file() and len(names := read_class_positions(listed)) == len(ids):
        return names, listed
    raise SourceError(
        f"The class folders of {folder} are WordNet ids ({ids[0]}, ...), which no prompt can name. Put a file beside them that "
        f"names each: lines such as '{ids[0]} tench', or a {CLASS_NAMES} with {len(ids)} names in their order."
    )


def _may_hold_names(path: Path) -> bool:
    text = path.suffix.lower() in (".txt", ".csv", ".tsv", ".json")
    return text and path.is_file() and path.stat().st_size <= MAX_NAMES_FILE
