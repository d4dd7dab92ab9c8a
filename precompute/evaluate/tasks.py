"""Reads a classification task out of any of the layouts that people have them in: its labels, and its images with theirs.

Class folders, CLIP benchmark's webdataset shards, Hugging Face's Parquet, a CSV of path and label. A file of names may say
what numbers and WordNet ids stand for, a file of templates how this task's classes are put into words.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backend.class_literals import read_synsets
from backend.errors import SourceError
from backend.models.prompts import check_templates, list_imagenet_names
from precompute.evaluate.class_folders import CLASS_NAMES, SPLITS, read_class_folders
from precompute.evaluate.labelled_shards import number_classes, read_labelled_shards
from precompute.evaluate.labelled_tables import read_labelled_csv, read_labelled_parquet
from precompute.evaluate.prepared import Place
from precompute.ledger import Ledger, describe_entry
from precompute.vocabulary import read_class_positions

TEMPLATES = "zeroshot_classification_templates.txt"  # as CLIP benchmark calls a task's own
IMAGENET = "imagenet"  # names of this name are OpenCLIP's own 1,000, in the order of the WordNet ids
LAYOUTS = (
    f"a folder for each class with its images in it; webdataset shards (.tar, image and .cls) beside a {CLASS_NAMES} with one "
    "label a line, as CLIP benchmark has them; Parquet with columns image and label, as Hugging Face has it; or a .csv of path "
    "and label"
)

_SPLIT = re.compile(r"([a-z]+)[-_.]\d+(?:[-_.]of[-_.]\d+)?|([a-z]+)", re.IGNORECASE)


@dataclass(frozen=True)
class TaskPlace:
    """Where a task lies: `path`; a file of class `names`, or "imagenet"; the `split` of several; a file of `templates`."""

    path: Path
    names: str | None = None
    split: str | None = None
    templates: Path | None = None


@dataclass(frozen=True, eq=False)
class Task:
    """The labels of a classification task, the places of its images, and each image's class: a number among the labels.

    A class is a place in the list of labels: several may have the same one, or none (""). templates: the task's own, and
    where they come from; none where it has none.
    """

    labels: tuple[str, ...]
    places: list[Place]
    classes: np.ndarray
    templates: tuple[str, ...] = ()
    templates_from: str = ""


def read_task(place: TaskPlace | Path, ledger: Ledger) -> Task:
    """The images of a task with their labels, out of any layout; the ledger books what is no labelled image.

    Raises SourceError where no layout fits, where splits are to be chosen from, and for fewer than two classes.
    """
    place = place if isinstance(place, TaskPlace) else TaskPlace(place)
    names = _read_names(place.names)
    labels, found, folder = _read_layout(place, names, ledger)
    if len(set(labels) - {""}) < 2:
        listed = ", ".join(labels) or "none"
        dropped = f" {describe_entry('Found', ledger.entry())}." if ledger.dropped else ""
        raise SourceError(f"{place.path} has {len(labels)} classes ({listed}).{dropped} Expected: {LAYOUTS}.")
    templates, source = _read_templates(place, folder)
    classes = np.array([number for _, number in found], np.int64)
    return Task(tuple(labels), [image for image, _ in found], classes, templates, source)


def read_templates(path: Path) -> tuple[str, ...]:
    """The templates of a file, one a line, with {} or, as CLIP benchmark writes them, {c} where the name goes.

    Raises SourceError for a file that cannot be read, TailscopeError, with the line, for a template without a place.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(
            f"{path} is no file of templates ({error}). Expected: one a line, such as: a photo of a {{}}."
        ) from error
    return check_templates([line.replace("{c}", "{}") for line in lines])


def _read_layout(
    place: TaskPlace, names: Sequence[str], ledger: Ledger
) -> tuple[Sequence[str], Sequence[tuple[Place, int]], Path]:
    """The labels, the images with their classes, and the folder beside which a task's own files lie."""
    path = place.path
    if path.is_file() and path.suffix.lower() in (".csv", ".tsv"):
        return *_number(read_labelled_csv(path, ledger), names, ledger), path.parent
    if path.is_file() and path.suffix.lower() == ".parquet":
        listed, found = read_labelled_parquet([path], ledger)
        return *_number(found, names or listed, ledger), path.parent
    if not path.is_dir():
        raise SourceError(f"No folder of a task at {path}. Expected: {LAYOUTS}.")
    if tables := _choose_files(place, "parquet"):
        listed, found = read_labelled_parquet(tables, ledger)
        return *_number(found, names or listed, ledger), path
    if shards := _choose_files(place, "tar"):
        names = names or _read_names_beside(path)
        return names, read_labelled_shards(shards, names, ledger), path
    folder = path / place.split if place.split else path
    if not folder.is_dir():
        raise SourceError(f"{path} has no split '{place.split}'. It has: {', '.join(_list_folders(path)) or 'none'}.")
    labels, found = read_class_folders(folder, ledger, LAYOUTS, names)
    return labels, found, folder


def _number(
    found: list[tuple[Place, str]], names: Sequence[str], ledger: Ledger
) -> tuple[Sequence[str], list[tuple[Place, int]]]:
    """The labels, those named or else all that occur, sorted; and the images with their classes' numbers."""
    labels = list(names) or sorted({label for _, label in found})
    return labels, number_classes(found, labels, ledger)


def _choose_files(place: TaskPlace, ending: str) -> list[Path]:
    """The files of one ending, in the folder or in one below it; of one split. Raises SourceError to choose one."""
    path = place.path
    files = sorted(path.glob(f"*.{ending}")) or sorted(path.glob(f"*/*.{ending}")) or sorted(path.glob(f"*/*/*.{ending}"))
    by_split: dict[str, list[Path]] = {}
    for file in files:
        by_split.setdefault(_tell_split(path, file), []).append(file)
    if place.split is not None and files:
        if place.split not in by_split:
            raise SourceError(f"{path} has no split '{place.split}'. It has: {', '.join(filter(None, by_split)) or 'none'}.")
        return by_split[place.split]
    if len(by_split) > 1 and set(by_split) == {"train", "test"} and ending == "tar":
        return by_split["test"]  # as CLIP benchmark lays its tasks out
    if len(by_split) > 1:
        raise SourceError(f"{path} holds splits ({', '.join(filter(None, by_split))}). Name one: --split NAME=SPLIT.")
    return files


def _tell_split(folder: Path, file: Path) -> str:
    """The split that a file is of, by a folder above it or by how its name begins ("test-00000-of-00002"); "" for none."""
    parts = [*reversed(file.relative_to(folder).parent.parts), file.stem]
    for part in parts:
        if (match := _SPLIT.fullmatch(part)) and (word := (match[1] or match[2]).lower()) in SPLITS:
            return word
    return ""


def _list_folders(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_dir())


def _read_names_beside(folder: Path) -> list[str]:
    """The class names in a task's own file, in its folder or in the one above. Raises SourceError where there is none."""
    for path in (folder / CLASS_NAMES, folder.parent / CLASS_NAMES):
        if path.is_file():
            return read_class_positions(path)
    raise SourceError(
        f"{folder} has shards and no {CLASS_NAMES}, so that what their labels stand for is not known. Put one beside them, one "
        "label a line, or name a file: --names NAME=FILE."
    )


def _read_names(names: str | None) -> list[str]:
    """The class names that a user hands in, in the order of their numbers; none where there are none."""
    if names is None:
        return []
    if names == IMAGENET:
        return list_imagenet_names()
    path = Path(names)
    listed = read_class_positions(path)
    synsets = read_synsets(path.read_text(encoding="utf-8-sig", errors="replace"))
    return [synsets[name] for name in sorted(synsets)] if len(synsets) == len(listed) else listed


def _read_templates(place: TaskPlace, folder: Path) -> tuple[tuple[str, ...], str]:
    """A task's own templates and the name of their file; nothing where it has none."""
    if place.templates:
        return read_templates(place.templates), place.templates.name
    own = folder / TEMPLATES
    return (read_templates(own), TEMPLATES) if own.is_file() else ((), "")
