"""What looks at images for a search: a tagger scores every concept, and a recipe says how a process gets one.

A tagger is handed in, so that the search runs without a model too: CLIP's scores are cosine similarities of image and concept.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image


class Tagger(Protocol):
    """Looks at images once, and scores what it saw for each of its concepts."""

    concepts: tuple[str, ...]

    def encode_images(self, images: list[Image.Image]) -> np.ndarray:
        """What it sees, float32 (images, width), whatever the concepts are."""
        ...

    def score_features(self, features: np.ndarray) -> np.ndarray:
        """Scores float32 (images, concepts) of what it saw, a higher one for a concept that is shown more surely."""
        ...


class TaggerRecipe(Protocol):
    """How a process gets a tagger: small enough to be handed to another process, which then loads the tagger itself."""

    name: str  # what its methods are called, before the @

    def identify(self) -> str:
        """Changes whenever the tagger would score otherwise."""
        ...

    def identify_features(self) -> str:
        """Changes whenever it would see something else in an image."""
        ...

    def prepare(self, concepts: tuple[str, ...]) -> object:
        """Computes what every process needs of the tagger of these concepts, where it is not there yet."""
        ...

    def load(self, concepts: tuple[str, ...]) -> Tagger:
        """The tagger of these concepts."""
        ...


@dataclass(frozen=True, eq=False)
class ClipTagger:
    """A CLIP model (`backend.models.encode.Model`) and the text embeddings of its concepts, float32 (concepts, width)."""

    model: object
    classifier: np.ndarray
    concepts: tuple[str, ...]

    def encode_images(self, images: list[Image.Image]) -> np.ndarray:
        """The images' embeddings, float32 (images, width), each of length 1."""
        return self.model.encode_images(images)

    def score_features(self, features: np.ndarray) -> np.ndarray:
        """Cosine similarities of images and concepts, float32 (images, concepts)."""
        return features @ self.classifier.T


@dataclass(frozen=True)
class ClipRecipe:
    """A CLIP model by its spec (see `models.loading.load_model`); its classifier is built once, kept in the folder `cache`."""

    spec: str
    cache: Path
    prompts: str | tuple[str, ...] = "ensemble"
    allow_download: bool = False
    name: str = "openclip"

    def identify(self) -> str:
        """The spec, the prompts and the checksum of the model's files."""
        return repr((self.spec, self.prompts, _identify_clip(self.spec, self.allow_download)))

    def identify_features(self) -> str:
        """The checksum of the model's files."""
        return _identify_clip(self.spec, self.allow_download)

    def prepare(self, concepts: tuple[str, ...]) -> None:
        """Builds the classifier where it is not kept. Raises TailscopeError where there is no such model."""
        if not self._open_cache().has(_identify_clip(self.spec, self.allow_download), concepts, self.prompts):
            self._open_cache().get(_load_clip(self.spec, self.allow_download), concepts, self.prompts)

    def load(self, concepts: tuple[str, ...]) -> ClipTagger:
        """The tagger. Raises TailscopeError where there is no such model."""
        model = _load_clip(self.spec, self.allow_download)
        return ClipTagger(model, self._open_cache().get(model, concepts, self.prompts).features, concepts)

    def _open_cache(self):
        from backend.models.classifiers import ClassifierCache

        return ClassifierCache(self.cache, max_names=None)


@lru_cache(maxsize=1)
def _identify_clip(spec: str, allow_download: bool) -> str:
    from backend.models.loading import identify_model

    return identify_model(spec, allow_download=allow_download)


@lru_cache(maxsize=1)
def _load_clip(spec: str, allow_download: bool):
    from backend.models.loading import load_model

    return load_model(spec, allow_download=allow_download)
