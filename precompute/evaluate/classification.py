"""Zero-shot classification: how often a model tells the images of each class of a task from all other classes.

Reads: a task's folder. Writes nothing: scores are handed back.
Cost beside encoding the images: 8 ms for 1,000 images against 1,000 classes, features of 512 numbers, on one core of a server.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from backend.errors import SourceError
from backend.images import IMAGE_ENDINGS
from backend.models.encode import Model
from backend.models.prompts import PROMPTS, build_classifier, spell_name
from backend.words import canonical
from precompute.corpus.sample import NO_IMAGE
from precompute.corpus.tar import SECOND_IMAGE
from precompute.corpus.tar_members import is_plain, read_members
from precompute.evaluate.class_folders import CLASS_NAMES, read_class_folders
from precompute.evaluate.features import Place
from precompute.ledger import Ledger
from precompute.vocabulary import read_class_positions

IMAGES_AT_ONCE = 8192
MAX_LABEL = 1 << 16  # bytes of a .cls or .json member
NO_LABEL = "no label"
STRANGE_LABEL = "label that is no class of the task"

_LAYOUTS = (
    f"a folder for each class with its images in it, or webdataset shards (.tar, image and .cls) beside a {CLASS_NAMES} with "
    "one label a line, as CLIP benchmark has them"
)


@dataclass(frozen=True, eq=False)
class Task:
    """The labels of a classification task, the places of its images, and each image's class: a number among the labels.

    A class is a place in the list of labels: several may have the same one, or none ("").
    """

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
        labels = read_class_positions(folder / CLASS_NAMES)
        found = _number_classes([pair for shard in shards for pair in _read_labelled(shard, ledger)], labels, ledger)
    else:
        labels, found = read_class_folders(folder, ledger, _LAYOUTS)
    if len(set(labels) - {""}) < 2:
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
    chunks = ((model.encode_images(images), np.asarray(numbers, np.int64)) for images, numbers in batches)
    return score_prompts(model, chunks, names, prompts)


def score_prompts(
    model: Model, chunks: Iterable[tuple[np.ndarray, np.ndarray]], names: Sequence[str], prompts: Sequence[str] = PROMPTS
) -> dict[str, ClassScores]:
    """`evaluate_classification` of images that are encoded already, a chunk in memory at a time.

    chunks: features float32 (images, width), and their classes int (images,).
    """
    spelled = [spell_name(name) for name in names]
    return score_chunks(chunks, {strategy: build_classifier(model, spelled, strategy) for strategy in prompts})


def score_chunks(chunks: Iterable[tuple[np.ndarray, np.ndarray]], classifiers: dict[str, np.ndarray]) -> dict[str, ClassScores]:
    """How many images have their own class's text nearest, in percent, by each classifier; of equally near texts the first.

    chunks: as in `score_prompts` · classifiers: (classes, width) each, all of length 1.
    """
    size = max(map(len, classifiers.values()), default=0)
    n = np.zeros(size, np.int64)
    hits = {name: np.zeros(size, np.int64) for name in classifiers}
    for features, classes in chunks:
        n += np.bincount(classes, minlength=size)
        for name, classifier in classifiers.items():
            right = _find_nearest(features, classifier) == classes
            hits[name] += np.bincount(classes[right], minlength=size)
    return {name: _tally(counted, n) for name, counted in hits.items()}


def _find_nearest(features: np.ndarray, classifier: np.ndarray) -> np.ndarray:
    """The number of the class whose text is nearest to each image, int (images,)."""
    nearest = np.empty(len(features), np.int64)
    for start in range(0, len(features), IMAGES_AT_ONCE):
        stop = start + IMAGES_AT_ONCE
        nearest[start:stop] = (features[start:stop] @ classifier.T).argmax(axis=1)
    return nearest


def _tally(hits: np.ndarray, n: np.ndarray) -> ClassScores:
    """Accuracies in percent out of the images of each class that were told right, and all of them."""
    values = np.divide(100.0 * hits, n, out=np.full(len(n), np.nan), where=n > 0)
    return ClassScores(values, n, float(100.0 * hits.sum() / n.sum()) if n.any() else np.nan)


def pool_labels(labels: Sequence[str], scores: ClassScores) -> tuple[tuple[str, ...], ClassScores]:
    """The distinct labels in order and their scores: of all images of the classes that share a label. `overall` stays."""
    distinct = tuple(dict.fromkeys(label for label in labels if label))
    if len(distinct) == len(labels):
        return distinct, scores
    numbers = {label: number for number, label in enumerate(distinct)}
    named = [place for place, label in enumerate(labels) if label]
    rows = [numbers[labels[place]] for place in named]
    n = np.bincount(rows, scores.n[named], minlength=len(distinct)).astype(scores.n.dtype)
    right = np.bincount(rows, np.nan_to_num(scores.values[named]) * scores.n[named], minlength=len(distinct))
    return distinct, ClassScores(np.divide(right, n, out=np.full(len(n), np.nan), where=n > 0), n, scores.overall)


def describe_repeats(labels: Sequence[str]) -> str:
    """A few words on the labels that several classes share, and on classes without one; empty where there are neither."""
    counts = Counter(labels)
    unnamed = counts.pop("", 0)
    shared = [label for label, count in counts.items() if count > 1]
    some = ", ".join(shared[:3]) + ", ..." * (len(shared) > 3)
    said = [f"{len(shared)} of the names stand{'s' * (len(shared) == 1)} for several classes each: {some}"]
    return "; ".join(said * bool(shared) + [f"classes without a name: {unnamed}"] * bool(unnamed))


def _read_labelled(shard: Path, ledger: Ledger) -> Iterator[tuple[Place, str]]:
    """The images of one shard with what their label says, in its order."""
    images, texts, fault = _read_label_members(shard, ledger)
    if fault:
        ledger.take(dropped=1, reason=fault)  # the image that is cut off, if nothing more
    ledger.take(dropped=len(texts.keys() - images.keys()), reason=NO_IMAGE)
    for key, (offset, length) in images.items():
        if key in texts:
            yield (str(shard.absolute()), offset, length), texts[key]
        else:
            ledger.take(dropped=1, reason=NO_LABEL)


def _number_classes(found: list[tuple[Place, str]], labels: Sequence[str], ledger: Ledger) -> list[tuple[Place, int]]:
    """The images with the class that each label text names, or numbers; what a number means is decided once for all of them.

    Numbers are places in the list of labels unless more of them are labels than places.
    """
    names = {canonical(label): number for number, label in reversed(list(enumerate(labels)))}
    numbers = {text for _, text in found if text.isascii() and text.isdigit()}
    are_places = sum(int(text) < len(labels) for text in numbers) >= sum(text in names for text in numbers)
    places = {text: int(text) for text in numbers if int(text) < len(labels)} if are_places else {}
    numbered = []
    for place, text in found:
        named = None if are_places and text in numbers else names.get(canonical(text))
        number = places.get(text, named) if text else None
        if number is None:
            ledger.take(dropped=1, reason=STRANGE_LABEL)
        else:
            numbered.append((place, number))
    return numbered


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
