"""How well the best candidate fits an image, held against images of the study itself."""

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from backend.errors import ImageError
from backend.images import decode_image, read_image_bytes
from backend.models.classifiers import CACHE, Classifier, load_array, store_array
from backend.models.encode import Model
from backend.probe.answer import Answer
from backend.progress import Progress
from backend.study import Study

REFERENCE_IMAGES = 256
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
    if not study.has("samples"):
        return None
    corpora = study.query("SELECT corpus FROM samples GROUP BY corpus ORDER BY count(*) DESC, corpus LIMIT 1")["corpus"]
    if corpora.empty:
        return None
    key = hashlib.sha256(f"{model.weights_sha256} {study.token} {REFERENCE_IMAGES}".encode()).hexdigest()
    features = load_array(folder / f"{key}.npy")
    if features is None:
        features = model.encode_images(_draw_images(study, corpora[0], say))
        with suppress(OSError):  # a full disk costs the cache, not the answer
            store_array(folder / f"{key}.npy", features, REFERENCE_BYTES)
    if len(features) < FEWEST_IMAGES:
        return None
    best = np.sort((features @ classifier.features.T).max(axis=1))
    return Reference(best, study.corpus_titles.get(corpora[0], corpora[0]))


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


def _draw_images(study: Study, corpus: str, say: Progress | None) -> Iterator[Image.Image]:
    rows = study.query(
        """SELECT image, "offset", length FROM samples WHERE corpus = $corpus AND image IS NOT NULL
           ORDER BY hash(sample_id), sample_id LIMIT $images""",
        corpus=corpus,
        images=REFERENCE_IMAGES,
    )
    for number, row in enumerate(rows.itertuples(index=False), start=1):
        with suppress(ImageError):
            yield decode_image(read_image_bytes(study.folder, row.image, row.offset, row.length))
        if say:
            say(number / len(rows))
