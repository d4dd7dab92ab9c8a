"""Shards of plain pictures, and a tagger that sees red, green and blue: scores that can be worked out by hand."""

import io
import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

CHANNELS = {"rose": 0, "fern": 1, "sky": 2}  # what red, green and blue show; the tagger sees no other concept


def picture(red: int, green: int, blue: int) -> bytes:
    """A PNG of one colour: its scores are these numbers / 256."""
    stream = io.BytesIO()
    Image.new("RGB", (8, 6), (red, green, blue)).save(stream, "PNG")
    return stream.getvalue()


def write_shard(path: Path, samples: list[tuple[str, bytes]]) -> Path:
    """A webdataset tar of captions and images."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for number, (caption, image) in enumerate(samples):
            for name, content in ((f"{number}.png", image), (f"{number}.txt", caption.encode())):
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return path


class ColourTagger:
    """Scores an image by the mean of a colour channel / 256."""

    def __init__(self, concepts: tuple[str, ...] = tuple(CHANNELS)):
        self.concepts = concepts
        self.batches: list[int] = []

    def encode_images(self, images: list[Image.Image]) -> np.ndarray:
        """The mean of each channel / 256, and -1: float32 (images, 4)."""
        self.batches.append(len(images))
        return np.array([[*np.asarray(image).reshape(-1, 3).mean(axis=0) / 256, -1] for image in images], np.float32)

    def score_features(self, features: np.ndarray) -> np.ndarray:
        """Scores float32 (images, concepts); -1 for a concept that has no colour."""
        return features[:, [CHANNELS.get(concept, 3) for concept in self.concepts]]


@dataclass(frozen=True)
class ColourRecipe:
    """Loads a `ColourTagger`, in this process or another."""

    identity: str = "colours"
    name: str = "colours"
    spec: str = "red, green, blue"

    def identify(self) -> str:
        """What the test says."""
        return self.identity

    def identify_features(self) -> str:
        """The same: another tagger sees something else."""
        return self.identity

    def prepare(self, concepts: tuple[str, ...]) -> None:
        """Nothing: its processes need nothing made before."""

    def load(self, concepts: tuple[str, ...]) -> ColourTagger:
        """A new tagger."""
        return ColourTagger(concepts)
