"""Zero-shot classification: how often a model tells the images of each class of a task from all other classes.

Reads: a task's folder. Writes nothing: scores are handed back.
Cost beside encoding the images: 8 ms for 1,000 images against 1,000 classes, features of 512 numbers, on one core of a server.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from backend.errors import SourceError
from backend.models.encode import Model
from backend.models.prompts import PROMPTS, build_classifier, spell_name
from backend.words import canonical
from precompute.corpus.sample import IMAGE_ENDINGS, NO_IMAGE
from precompute.corpus.tar import SECOND_IMAGE, is_plain, read_members
from precompute.evaluate.features import Place
from precompute.ledger import Ledger
from precompute.vocabulary import read_class_names

CLASS_NAMES = "classnames.txt"
IMAGES_AT_ONCE = 8192
MAX_LABEL = 1 << 16  # bytes of a .cls or .json member
NO_LABEL = "no label"
STRANGE_LABEL = "label that is no class of the task"
STRANGE_FILE = "file that is no image by its name"

_LAYOUTS = (
    f"a folder for each class with its images in it, or webdataset shards (.tar, image and .cls) beside a {CLASS_NAMES} with "
    "one label a line, as CLIP benchmark has them"
)


@dataclass(frozen=True, eq=False)
class Task:
    """The labels of a classification task, the places of its images, and each image's class: a number among the labels."""

    labels: tuple[str, ...]
    places: list[Place]
    classes: np.ndarray


@dataclass(frozen=True, eq=False)
class ClassScores:
    """A model's accuracy in percent: `values` of each class (nan without images), with n images; `overall` of all images."""

    values: np.ndarray
    n: np.ndarray
    overall: float


def read_task(folder: Path, ledger: Ledger) -> Task:
    """The images of a task with their labels, out of either layout; the ledger books what is no labelled image.

    Raises SourceError where the folder has neither layout, or fewer than two classes.
    """
    if not folder.is_dir():
        raise SourceError(f"No folder of a task at {folder}. Expected: {_LAYOUTS}.")
    shards = sorted(folder.glob("*.tar")) or sorted(folder.glob("test/*.tar"))
    if shards:
        labels = read_class_names(folder / CLASS_NAMES)
        found = [pair for shard in shards for pair in _read_labelled(shard, labels, ledger)]
    else:
        labels, found = _read_class_folders(folder, ledger)
    if len(labels) < 2:
        raise SourceError(f"{folder} has {len(labels)} classes ({', '.join(labels) or 'none'}). Expected: {_LAYOUTS}.")
    return Task(tuple(labels), [place for place, _ in found], np.array([number for _, number in found], np.int64))


def evaluate_classification(
    model: Model,
    batches: Iterable[tuple[Sequence[Image.Image], Sequence[int]]],
    names: Sequence[str],
    prompts: Sequence[str] = PROMPTS,
) -> dict[str, ClassScores]:
    """Scores by prompt strategy, of images that come in batches with their classes (numbers among `names`).

    Every image is encoded once, whatever the number of prompt strategies.
    """
    features, classes = [], []
    for images, numbers in batches:
        features.append(model.encode_images(images))
        classes.append(np.asarray(numbers, np.int64))
    return score_prompts(model, np.concatenate(features), np.concatenate(classes), names, prompts)


def score_prompts(
    model: Model, features: np.ndarray, classes: np.ndarray, names: Sequence[str], prompts: Sequence[str] = PROMPTS
) -> dict[str, ClassScores]:
    """`evaluate_classification` of images that are encoded already: features float32 (images, width)."""
    return {
        strategy: score_classes(features, classes, build_classifier(model, [spell_name(name) for name in names], strategy))
        for strategy in prompts
    }


def score_classes(features: np.ndarray, classes: np.ndarray, classifier: np.ndarray) -> ClassScores:
    """How many images have their own class's text nearest, in percent; of equally near texts the first counts.

    features: (images, width) · classes: int (images,) · classifier: (classes, width), all of length 1.
    """
    right = np.zeros(len(classes), bool)
    for start in range(0, len(classes), IMAGES_AT_ONCE):
        stop = start + IMAGES_AT_ONCE
        right[start:stop] = (features[start:stop] @ classifier.T).argmax(axis=1) == classes[start:stop]
    n = np.bincount(classes, minlength=len(classifier))
    hits = np.bincount(classes[right], minlength=len(classifier))
    values = np.divide(100.0 * hits, n, out=np.full(len(classifier), np.nan), where=n > 0)
    return ClassScores(values, n, float(100.0 * right.mean()) if len(right) else np.nan)


def _read_class_folders(folder: Path, ledger: Ledger) -> tuple[list[str], list[tuple[Place, int]]]:
    labels = sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    found = []
    for number, label in enumerate(labels):
        if not canonical(label):
            raise SourceError(f"The folder {folder / label} names no concept. Expected: {_LAYOUTS}.")
        for path in sorted((folder / label).rglob("*")):
            if path.name.startswith(".") or path.is_dir():
                continue
            if path.suffix.lower().lstrip(".") in IMAGE_ENDINGS:
                found.append(((str(path.absolute()), None, None), number))
            else:
                ledger.take(dropped=1, reason=STRANGE_FILE)
    return labels, found


def _read_labelled(shard: Path, labels: Sequence[str], ledger: Ledger) -> Iterator[tuple[Place, int]]:
    """The labelled images of one shard, in its order."""
    images, texts, fault = _read_label_members(shard, ledger)
    numbers = {label: number for number, label in enumerate(labels)}
    if fault:
        ledger.take(dropped=1, reason=fault)  # the image that is cut off, if nothing more
    ledger.take(dropped=len(texts.keys() - images.keys()), reason=NO_IMAGE)
    for key, (offset, length) in images.items():
        number = _find_class(texts.get(key), numbers)
        if number is None:
            ledger.take(dropped=1, reason=STRANGE_LABEL if key in texts else NO_LABEL)
        else:
            yield (str(shard.absolute()), offset, length), number


def _read_label_members(shard: Path, ledger: Ledger) -> tuple[dict[str, tuple[int, int]], dict[str, str], str]:
    """By key where its image stands and what its label says; and what is wrong with the shard."""
    images: dict[str, tuple[int, int]] = {}
    texts: dict[str, str] = {}
    key = fault = ""
    with shard.open("rb") as stream:
        for info, fault in read_members(stream, shard):
            if info and is_plain(info):
                path, _, name = info.name.rpartition("/")
                stem, _, ending = name.partition(".")
                key = f"{path}/{stem}"
            if fault:
                break
            if not is_plain(info):
                continue
            if ending.lower() in IMAGE_ENDINGS:
                if key in images:
                    ledger.take(dropped=1, reason=SECOND_IMAGE)
                images.setdefault(key, (info.offset_data, info.size))
            elif ending.lower() in ("cls", "json") and key not in texts:
                stream.seek(info.offset_data)
                text = stream.read(min(info.size, MAX_LABEL)).decode("utf-8", "replace").strip()
                texts[key] = text if ending.lower() == "cls" else _read_json_label(text)
    if fault and not (key in images and key in texts):
        images.pop(key, None)
        texts.pop(key, None)
    return images, texts, fault


def _read_json_label(text: str) -> str:
    try:
        return str(json.loads(text)["label"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""


def _find_class(text: str | None, numbers: dict[str, int]) -> int | None:
    """The class that a label member names, by its label or by its number in the list of class names."""
    if text is None:
        return None
    if text in numbers:
        return numbers[text]
    return int(text) if text.isascii() and text.isdigit() and int(text) < len(numbers) else None
