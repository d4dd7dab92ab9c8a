"""Zero-shot classification: how often a model tells the images of each class of a task from all other classes.

Reads: features of labelled images. Writes nothing: scores are handed back.
Cost beside encoding the images: 10 ms for 1,000 images against 1,000 classes, features of 512 numbers, on one core of a server.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from backend.models.encode import Model
from backend.models.prompts import build_classifier, find_templates, spell_name
from precompute.evaluate.tasks import Task

IMAGES_AT_ONCE = 8192
BEST = 5  # nearest classes that are kept of an image, and within which top-5 accuracy counts


@dataclass(frozen=True, eq=False)
class ClassScores:
    """A model's accuracy in percent: `values` of each class (nan without images), with n images; `overall` of all images.

    top5, overall_top5: of how many images the class is among the five nearest, in percent.
    """

    values: np.ndarray
    n: np.ndarray
    overall: float
    top5: np.ndarray
    overall_top5: float

    @property
    def mean(self) -> float:
        """The mean per-class recall in percent: every class that has images counts the same."""
        return float(self.values[self.n > 0].mean()) if self.n.any() else np.nan


@dataclass(frozen=True, eq=False)
class Guesses:
    """What a classifier makes of some images, image by image.

    place: of its own class among all, 1 for the nearest, int32 (images,) · own: its similarity, float32 (images,) · best:
    the nearest classes' numbers, int32 (images, up to 5), the nearest first · similarities: theirs, float32.
    """

    place: np.ndarray
    own: np.ndarray
    best: np.ndarray
    similarities: np.ndarray


def score_prompts(
    model: Model, chunks: Iterable[tuple[np.ndarray, np.ndarray]], names: Sequence[str], prompts: dict[str, Sequence[str] | str]
) -> tuple[dict[str, ClassScores], dict[str, Guesses]]:
    """`score_chunks` by the classifiers of a model, one for each entry of `prompts`: its name, and its templates."""
    spelled = [spell_name(name) for name in names]
    return score_chunks(chunks, {name: build_classifier(model, spelled, templates) for name, templates in prompts.items()})


def score_chunks(
    chunks: Iterable[tuple[np.ndarray, np.ndarray]], classifiers: dict[str, np.ndarray]
) -> tuple[dict[str, ClassScores], dict[str, Guesses]]:
    """How many images have their own class's text nearest, in percent, by each classifier, and each image's guesses.

    Of equally near texts the first counts as nearer. A chunk of features is in memory at a time, and 52 bytes an image of
    guesses. chunks: features float32 (images, width), and their classes int (images,) · classifiers: (classes, width) each,
    all of length 1.
    """
    size = max(map(len, classifiers.values()), default=0)
    classes_of: list[np.ndarray] = []
    found: dict[str, list[Guesses]] = {name: [] for name in classifiers}
    for features, classes in chunks:
        for start in range(0, len(features), IMAGES_AT_ONCE):
            part = slice(start, start + IMAGES_AT_ONCE)
            classes_of.append(classes[part])
            for name, classifier in classifiers.items():
                found[name].append(_guess(features[part] @ classifier.T, classes[part]))
    classes = np.concatenate([np.empty(0, np.int64), *classes_of])
    guesses = {name: _join_guesses(parts) for name, parts in found.items()}
    return {name: tally(classes, guess.place, size) for name, guess in guesses.items()}, guesses


def tally(classes: np.ndarray, place: np.ndarray, size: int) -> ClassScores:
    """The scores that follow from each image's class, out of `size`, and that class's place among the nearest."""
    n = np.bincount(classes, minlength=size)
    shares, means = [], []
    for within in (1, BEST):
        right = place <= within
        hits = np.bincount(classes[right], minlength=size)
        shares.append(np.divide(100.0 * hits, n, out=np.full(size, np.nan), where=n > 0))
        means.append(float(100.0 * right.mean()) if len(right) else np.nan)
    return ClassScores(shares[0], n, means[0], shares[1], means[1])


def pool_labels(labels: Sequence[str], scores: ClassScores) -> tuple[tuple[str, ...], ClassScores]:
    """The distinct labels in order and their scores: of all images of the classes that share a label. Overall values stay."""
    distinct = tuple(dict.fromkeys(label for label in labels if label))
    if len(distinct) == len(labels):
        return distinct, scores
    numbers = {label: number for number, label in enumerate(distinct)}
    named = [place for place, label in enumerate(labels) if label]
    rows = [numbers[labels[place]] for place in named]
    n = np.bincount(rows, scores.n[named], minlength=len(distinct)).astype(scores.n.dtype)
    values, top5 = (
        np.divide(
            np.bincount(rows, np.nan_to_num(column[named]) * scores.n[named], minlength=len(distinct)),
            n,
            out=np.full(len(n), np.nan),
            where=n > 0,
        )
        for column in (scores.values, scores.top5)
    )
    return distinct, ClassScores(values, n, scores.overall, top5, scores.overall_top5)


def describe_repeats(labels: Sequence[str]) -> str:
    """A few words on the labels that several classes share, and on classes without one; empty where there are neither."""
    counts = Counter(labels)
    unnamed = counts.pop("", 0)
    shared = [label for label, count in counts.items() if count > 1]
    some = ", ".join(shared[:3]) + ", ..." * (len(shared) > 3)
    said = [f"{len(shared)} of the names stand{'s' * (len(shared) == 1)} for several classes each: {some}"]
    return "; ".join(said * bool(shared) + [f"classes without a name: {unnamed}"] * bool(unnamed))


def find_task_templates(task: Task, strategies: Sequence[str]) -> dict[str, str | Sequence[str]]:
    """strategy -> its templates: a task's own take the place of `ensemble`'s, as in the paper."""
    own = {"ensemble": task.templates} if task.templates else {}
    return {strategy: own.get(strategy, strategy) for strategy in strategies}


def describe_scores(task: Task, strategy: str, scores: ClassScores) -> str:
    """On how many images, by which templates; the mean over classes, where that is another number than over images."""
    count = len(find_templates(task.templates if strategy == "ensemble" and task.templates else strategy))
    of = f" of {task.templates_from}" if strategy == "ensemble" and task.templates else ""
    said = [
        f"evaluated on {scores.n.sum():,} images",
        f"{count} template{'s' * (count != 1)} a class{of}",
        f"mean per-class recall {scores.mean:.2f}%",
        describe_repeats(task.labels),
    ]
    return "; ".join(filter(None, said))


def _guess(similarities: np.ndarray, classes: np.ndarray) -> Guesses:
    """The guesses of images by their similarities to all classes, (images, classes)."""
    rows = np.arange(len(classes))
    own = similarities[rows, classes]
    nearer = (similarities > own[:, None]).sum(axis=1)
    before = np.arange(similarities.shape[1]) < classes[:, None]
    place = 1 + nearer + ((similarities == own[:, None]) & before).sum(axis=1)
    best = _find_best(similarities)
    near = similarities[rows[:, None], best]
    return Guesses(place.astype(np.int32), own.astype(np.float32), best.astype(np.int32), near.astype(np.float32))


def _find_best(similarities: np.ndarray) -> np.ndarray:
    """The numbers of the `BEST` nearest classes of each row, the nearest first, of equally near ones the first."""
    rows, classes = similarities.shape
    best = np.sort(np.argpartition(-similarities, BEST - 1, axis=1)[:, :BEST]) if classes > BEST else np.arange(classes)[None]
    best = np.broadcast_to(best, (rows, best.shape[1]))
    order = np.argsort(-np.take_along_axis(similarities, best, axis=1), axis=1, kind="stable")
    return np.take_along_axis(best, order, axis=1)


def _join_guesses(parts: list[Guesses]) -> Guesses:
    nothing = Guesses(
        np.empty(0, np.int32), np.empty(0, np.float32), np.empty((0, BEST), np.int32), np.empty((0, BEST), np.float32)
    )
    columns = ([getattr(part, name) for part in parts or [nothing]] for name in ("place", "own", "best", "similarities"))
    return Guesses(*map(np.concatenate, columns))
