"""How an image compares with images of the study itself: whether it looks like them, and how well its best candidate fits."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from backend.errors import ImageError
from backend.images import decode_image, read_image_bytes
from backend.models.classifiers import CACHE, Classifier, load_array, store_array
from backend.models.encode import Model, join_features, take_batches
from backend.probe.answer import Answer
from backend.probe.appearance import LEVELS, SHARES, SIDE, Appearance, fit_appearance, measure_pictures
from backend.progress import Progress
from backend.samples import OWN_IMAGE, draw_images
from backend.study import Study

REFERENCE_IMAGES = 256  # whose best candidates are known
LOOKED_AT = 768  # images that say how the study's pictures look
SEEN_FIRST = 20_000  # samples of a corpus that say whether it has images of its own
MEASURED_AT_ONCE = 64
FEWEST_IMAGES = 20
REFERENCE_BYTES = 64 * 2**20  # of all references on disk, 0.5 MB each by 512 numbers
POOR_PERCENTILE = 5  # below it, no candidate fits well


@dataclass(frozen=True, eq=False)
class Reference:
    """How well the best candidate fits images of a corpus of the study: `best` similarities, float32, in rising order, and the
    corpus's title."""

    best: np.ndarray
    title: str


@dataclass(frozen=True)
class FitVerdict:
    """How an image's best candidate fits: the share of the study's images whose best fits worse (%), and in words."""

    percentile: float
    poor: bool
    sentence: str


def build_reference(
    study: Study, model: Model, classifier: Classifier, folder: Path = CACHE / "references", say: Progress | None = None
) -> Reference | None:
    """The best similarities that images of the study itself reach: `REFERENCE_IMAGES` of its largest corpus, drawn by lot.

    The same ones are drawn each time. Their features are kept on disk by weights and study, so that other candidates or
    prompts cost no encoding. Images that cannot be decoded are left out. None where that leaves fewer than `FEWEST_IMAGES`,
    or the study holds no samples.
    """
    corpus = _find_largest(study)
    if corpus is None:
        return None
    key = f"{model.weights_sha256} {study.token} {REFERENCE_IMAGES}"
    features = keep_array(folder, key, lambda: model.encode_images(_draw_images(study, corpus, REFERENCE_IMAGES, say)))
    if len(features) < FEWEST_IMAGES:
        return None
    best = np.sort((features @ classifier.features.T).max(axis=1))
    return Reference(best, study.corpus_titles.get(corpus, corpus))


def learn_appearance(
    study: Study, folder: Path = CACHE / "references", say: Progress | None = None, images: int = LOOKED_AT
) -> Appearance | None:
    """How the images of the study's largest corpus look, by so many of them, drawn by lot; kept on disk by study.

    None where the study has too few, or none.
    """
    corpus = _find_largest(study)
    if corpus is None:
        return None

    def measure() -> np.ndarray:
        drawn = take_batches(_draw_images(study, corpus, images, say), MEASURED_AT_ONCE)
        return join_features([measure_pictures(batch) for batch in drawn])

    return fit_appearance(keep_array(folder, f"appearance {study.token} {images} {SIDE} {LEVELS} {SHARES}", measure))


def judge_fit(answer: Answer, reference: Reference | None) -> FitVerdict | None:
    """How an image's best candidate fits, against the study's own images; None without a reference."""
    if reference is None:
        return None
    percentile = 100.0 * float(np.searchsorted(reference.best, np.float32(answer.best))) / len(reference.best)
    poor = percentile < POOR_PERCENTILE
    share = f"{percentile:.0f}% of {len(reference.best)} images of {reference.title}"
    if poor:
        words = f"No candidate fits well: the best has a similarity of {answer.best:.3f}, and only {share} have a lower one."
    else:
        words = f"The best candidate has a similarity of {answer.best:.3f}; {share} have a lower one."
    return FitVerdict(percentile, poor, f"{words} Below {POOR_PERCENTILE}%, a fit counts as poor.")


def _find_largest(study: Study) -> str | None:
    """The corpus with the most samples, of those with images of their own among the first `SEEN_FIRST`; None without one."""
    samples = study.manifest.tables.get("samples")
    held = samples.files if samples else {}
    for corpus in sorted(held, key=lambda corpus: (-held[corpus].rows, corpus)):
        own = study.query(
            f"""SELECT count_if({OWN_IMAGE}) AS images
                FROM (SELECT image FROM samples WHERE corpus = $corpus LIMIT $most)""",
            corpus=corpus,
            most=SEEN_FIRST,
        )
        if own["images"].iloc[0]:
            return corpus
    return None


def keep_array(folder: Path, key: str, make: Callable[[], np.ndarray]) -> np.ndarray:
    """An array that is made once, and kept on disk by its key; a folder keeps the last `REFERENCE_BYTES`."""
    path = folder / f"{hashlib.sha256(key.encode()).hexdigest()}.npy"
    array = load_array(path)
    if array is None:
        array = make()
        with suppress(OSError):  # a full disk costs the cache, not the answer
            store_array(path, array, REFERENCE_BYTES)
    return array


def _draw_images(study: Study, corpus: str, images: int, say: Progress | None) -> Iterator[Image.Image]:
    rows = draw_images(study, corpus, images)
    for number, row in enumerate(rows.itertuples(index=False), start=1):
        with suppress(ImageError):
            yield decode_image(read_image_bytes(study.folder, row.image, row.offset, row.length))
        if say:
            say(number / len(rows))
