"""A model's results image by image, as rows of the table `predictions`: any subset, interval or confusion follows from them."""

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from backend.image_ref import ImageRef
from backend.schema import TABLES
from precompute.evaluate.classification import Guesses
from precompute.evaluate.prepared import Place
from precompute.evaluate.tasks import Task

SCHEMA = TABLES["predictions"].schema


def tabulate_guesses(
    task: str, labelled: Task, numbers: np.ndarray, guesses: dict[str, Guesses], *, model: str, study: Path
) -> pa.Table:
    """The rows of a model's guesses on a task: an image and a setting each.

    numbers: which of the task's images were scored, int (images,) · guesses: by setting, of those images in that order.
    Image paths come relative to the folder `study`.
    """
    labels = np.array(labelled.labels, object)
    places = [_relate(labelled.places[number], study) for number in numbers]
    items = [name_item(*place) for place in places]
    images, offsets, lengths = zip(*places, strict=True) if places else ((), (), ())
    tables = []
    for setting, guess in guesses.items():
        columns = {
            "task": [task] * len(numbers),
            "model": [model] * len(numbers),
            "setting": [setting] * len(numbers),
            "item": items,
            "label": labels[labelled.classes[numbers]],
            "place": guess.place,
            "similarity": guess.own,
            "best": [list(row) for row in labels[guess.best]],
            "similarities": list(guess.similarities),
            "image": images,
            "offset": offsets,
            "length": lengths,
        }
        tables.append(pa.table([pa.array(columns[field.name], field.type) for field in SCHEMA], schema=SCHEMA))
    return pa.concat_tables([SCHEMA.empty_table(), *tables])


def name_item(image: str, offset: int | None, length: int | None) -> str:
    """What a test image is called: its path, and where it stands in that file."""
    return image if offset is None else f"{image}#{offset}"


def _relate(place: Place, study: Path) -> tuple[str, int | None, int | None]:
    ref = ImageRef.from_columns(*place)
    path = Path(os.path.relpath(Path(ref.path).resolve(), study.resolve())).as_posix()
    return replace(ref, path=path).columns()


def list_folders(tables: Iterable[pa.Table], study: Path) -> set[Path]:
    """The folders that the images of predictions really lie in, with all links followed."""
    images = {image for table in tables for image in table["image"].unique().to_pylist()}
    return {(study / ImageRef.from_columns(image).path).resolve().parent for image in images}
