"""A loaded OpenCLIP model: it turns images and texts into features of length 1.

Architectures, preprocessing, tokenizers and prompt templates are open_clip's own. torch and open_clip are imported by the
first model, not with this module.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from backend.errors import TailscopeError

if TYPE_CHECKING:
    import torch
IMAGE_BATCH = {"cpu": 64, "mps": 128, "cuda": 512}
TEXT_BATCH = 256


@dataclass(frozen=True, eq=False)
class Model:
    """A CLIP in evaluation mode, ready to encode; for many threads at once.

    name: "ARCHITECTURE/pretraining" · net, preprocess (PIL image -> float32 (3, side, side)), tokenizer: open_clip's ·
    device: cuda, mps or cpu · files: what it was loaded from, and `stamp`, their sizes and times then · tag: open_clip's,
    where the weights are those.
    """

    name: str
    net: "torch.nn.Module"
    preprocess: Any
    tokenizer: Any
    device: str
    files: tuple[Path, ...]
    architecture: str
    stamp: tuple = ()
    tag: str | None = None

    @property
    def spec(self) -> str:
        """What `load_model` finds it by."""
        return f"{self.architecture}:{self.tag or self.files[-1]}" if self.architecture else str(self.files[0].parent)

    @cached_property
    def weights_sha256(self) -> str:
        """One checksum of architecture, config and weights: what a cache of this model's features goes by.

        Raises TailscopeError where the files are no longer those that were loaded.
        """
        if self.stamp and self.stamp != stamp_files(self.files):
            raise TailscopeError(f"{self.files[-1]} has changed since {self.name} was loaded from it. Load it again.")
        return checksum_files(self.architecture, self.files)

    @cached_property
    def width(self) -> int:
        """The numbers of one feature."""
        return self.encode_texts([""]).shape[1]

    @cached_property
    def size_bytes(self) -> int:
        """The memory of its weights and buffers."""
        tensors = [*self.net.parameters(), *self.net.buffers()]
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)

    @cached_property
    def temperature(self) -> float:
        """What similarities are divided by before a softmax makes them probabilities: 0.01 in most trained models."""
        return float((-self.net.logit_scale.detach().float()).exp())

    def encode_images(self, images: Iterable[Image.Image]) -> np.ndarray:
        """The features of images, float32 (images, width), each of length 1. An image of another mode is made RGB first.

        Images are drawn one by one and kept only as `preprocess` leaves them, so a generator may hand in large ones. Raises
        OSError where Pillow cannot decode an image that was only opened.
        """
        return encode_with_all([self], images)[0]

    def encode_pixels(self, pixels: "torch.Tensor") -> np.ndarray:
        """`encode_images` of images that went through `preprocess` already: float32 (images, 3, side, side)."""
        return join_features([self._encode_batch(batch) for batch in pixels.split(IMAGE_BATCH[self.device])])

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        """The features of texts, float32 (texts, width), each of length 1. Tokens beyond the context are cut off."""
        import torch

        features = []
        with torch.inference_mode():
            for batch in take_batches(texts, TEXT_BATCH):
                tokens = self.tokenizer(batch).to(self.device)
                features.append(self.net.encode_text(tokens, normalize=True).float().cpu().numpy())
        return join_features(features)

    def _encode_batch(self, pixels: "torch.Tensor") -> np.ndarray:
        import torch

        fast = torch.autocast(self.device, torch.bfloat16, enabled=self.device == "cuda")
        with torch.inference_mode(), fast:
            encoded = self.net.encode_image(pixels.to(self.device, non_blocking=True)).float()
            return torch.nn.functional.normalize(encoded, dim=-1).cpu().numpy()


def encode_with_all(models: Sequence[Model], images: Iterable[Image.Image]) -> list[np.ndarray]:
    """The features of the same images by each of the models, as `Model.encode_images` gives them.

    Models that preprocess alike, such as those of one architecture, share that work.
    """
    import torch

    ways = {repr(model.preprocess): split_preprocess(model.preprocess) for model in models}
    prepared = ([each(image) for each, _ in ways.values()] for image in map(_as_rgb, images))
    features: list[list[np.ndarray]] = [[] for _ in models]
    for batch in take_batches(prepared, min(IMAGE_BATCH[model.device] for model in models)):
        stacked = map(torch.stack, zip(*batch, strict=True))
        pixels = {way: together(part) for (way, (_, together)), part in zip(ways.items(), stacked, strict=True)}
        for model, parts in zip(models, features, strict=True):
            parts.append(model._encode_batch(pixels[repr(model.preprocess)]))
    return [join_features(parts) for parts in features]


def split_preprocess(preprocess: Any) -> tuple[Any, Any]:
    """What open_clip does to each image, and what it can do to a batch at once: to normalize takes a tenth of the time so."""
    from torchvision.transforms import Compose, Normalize

    steps = getattr(preprocess, "transforms", [])
    if steps and isinstance(steps[-1], Normalize):
        return Compose(steps[:-1]), steps[-1]
    return preprocess, lambda pixels: pixels


def checksum_files(architecture: str, files: Sequence[Path]) -> str:
    checksum = hashlib.sha256(architecture.encode())
    for path in files:
        with path.open("rb") as stream:
            checksum.update(hashlib.file_digest(stream, "sha256").digest())
    return checksum.hexdigest()


def stamp_files(files: Sequence[Path]) -> tuple:
    """Size and time of files: another stamp, other content. A file that is gone has the stamp None."""
    return tuple(_stamp_file(path) for path in files)


def _stamp_file(path: Path) -> tuple[int, int] | None:
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_size, state.st_mtime_ns


def _as_rgb(image: Image.Image) -> Image.Image:
    return image if image.mode == "RGB" else image.convert("RGB")


def take_batches(items: Iterable, size: int) -> Iterator[list]:
    """The items in lists of `size`, each drawn when it is asked for."""
    items = iter(items)
    while batch := list(islice(items, size)):
        yield batch


def join_features(features: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(features) if features else np.empty((0, 0), np.float32)
