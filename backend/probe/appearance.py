"""Whether a picture looks like the pictures of a study, whatever it shows: by its colours and its texture, not by a model.

A small CLIP that has seen one kind of pictures alone puts any photo among them: of 1,307 photos, the features of the shipped
models tell at most 24% from the pictures of the invented world, colours and texture tell all (`python -m benchmarks.foreign`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

SIDE = 64  # pixels that a picture is fitted to
LEVELS = 4  # of halving: details of 1, 2, 4 and 8 of those pixels
SHARES = (10, 50, 90)  # percentiles of the details' strength over the picture
COLOURS = np.array([[1 / 3, 1 / 3, 1 / 3], [1 / 2, -1 / 2, 0], [1 / 4, 1 / 4, -1 / 2]])  # light, red to green, yellow to blue
SHRUNK = 0.05  # of the correlations, towards none: they come from a few hundred pictures
KEPT = 0.97  # of the pictures that set the limit; it leaves the others a margin above 95%
FEWEST = 60  # pictures; a third measures, a third sets the limit, a third tests it


@dataclass(frozen=True, eq=False)
class Appearance:
    """How the pictures of a study look.

    mean, scale: of each measure, float64 (measures,) · precision: the inverse of their correlations · limit: the distance
    beyond which a picture is foreign · fitted, kept, tested: pictures that it was made from; of the `tested` others, those
    that it keeps.
    """

    mean: np.ndarray
    scale: np.ndarray
    precision: np.ndarray
    limit: float
    fitted: int
    kept: int
    tested: int

    def measure(self, measures: np.ndarray) -> np.ndarray:
        """The distance of pictures (pictures, measures) from the study's, by Mahalanobis: float64 (pictures,)."""
        standard = (measures - self.mean) / self.scale
        return np.sqrt(np.einsum("ij,jk,ik->i", standard, self.precision, standard))

    def is_foreign(self, picture: Image.Image) -> bool:
        """Whether a picture looks like none of the study's."""
        return bool(self.measure(measure_pictures([picture]))[0] > self.limit)

    @property
    def sentence(self) -> str:
        """How this was found out, and how far it can be trusted."""
        return (
            f"Told by colours and texture, {len(self.mean)} numbers of a picture, as they spread over {self.fitted:,} pictures "
            f"of the study; of {self.tested:,} other pictures of its own, this test keeps {self.kept:,} "
            f"({100 * self.kept / self.tested:.0f}%)."
        )


def measure_pictures(pictures: Sequence[Image.Image]) -> np.ndarray:
    """Colours and texture of RGB pictures, float32 (pictures, measures): mean and spread of three colour axes, and how strong
    the details of four sizes are in the smooth, the middling and the rough parts (Haar wavelets, as logarithms)."""
    fitted = [np.asarray(ImageOps.fit(picture.convert("RGB"), (SIDE, SIDE), Image.Resampling.BICUBIC)) for picture in pictures]
    axes = np.stack(fitted).astype(np.float64) @ COLOURS.T
    measures = [axes.mean((1, 2)), np.log1p(axes.std((1, 2)))]
    for _ in range(LEVELS):
        a, b, c, d = axes[:, ::2, ::2], axes[:, ::2, 1::2], axes[:, 1::2, ::2], axes[:, 1::2, 1::2]
        edges = np.abs(a - b + c - d) + np.abs(a + b - c - d)
        for details in (np.abs(a - b - c + d), edges):
            strengths = np.percentile(details.reshape(len(axes), -1, 3), SHARES, axis=1)
            measures += list(np.log1p(strengths))
        axes = (a + b + c + d) / 4
    return np.concatenate(measures, axis=1).astype(np.float32)


def fit_appearance(measures: np.ndarray) -> Appearance | None:
    """What is common to pictures, by their `measure_pictures`, in an order that has nothing to do with their content.

    A third of them says how pictures look, another sets the limit so that it keeps `KEPT` of them, the last tests it. None
    for fewer than `FEWEST`.
    """
    if len(measures) < FEWEST:
        return None
    fitting, setting, testing = (part.astype(np.float64) for part in np.array_split(measures, 3))
    mean, scale = fitting.mean(axis=0), fitting.std(axis=0) + 1e-3  # a measure that never changes divides by no zero
    standard = (fitting - mean) / scale
    correlations = (1 - SHRUNK) * (standard.T @ standard) / len(fitting) + SHRUNK * np.eye(len(mean))
    made = Appearance(mean, scale, np.linalg.inv(correlations), math.inf, len(fitting), 0, len(testing))
    distances = np.sort(made.measure(setting))
    limit = float(distances[min(math.ceil((len(distances) + 1) * KEPT), len(distances)) - 1])
    kept = int((made.measure(testing) <= limit).sum())
    return Appearance(mean, scale, made.precision, limit, made.fitted, kept, made.tested)
