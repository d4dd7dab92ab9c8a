"""A loaded OpenCLIP model: it turns images and texts into features of length 1.

Architectures, preprocessing, tokenizers and prompt templates are open_clip's own. torch and open_clip are imported by the
first model, not with this module.

An image is encoded in two steps, so that a pipeline can spread the first over processes: `Model.prepare` makes one image
small plain numbers (a NumPy array, that any process can hand on), `Model.encode_prepared` encodes a stack of them.

    prepare = model.prepare                                                      # picklable; give it to the workers
    features = model.encode_prepared(np.stack([prepare(image) for image in images]))
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
class Preparation:
    """What a model wants done to each image, without its last step, which `Model.encode_prepared` does to a batch at once.

    `steps`: those of open_clip's own preprocessing; `key`: their description, the same for models that preprocess alike. It
    can be pickled.
    """

    steps: Any
    key: str

    def __call__(self, image: Image.Image) -> np.ndarray:
        """The image as the model's numbers: uint8 (3, side, side), a quarter of the bytes of float32 and the same values.

        float32 where the preprocessing is none that `split_preprocess` knows. An image of another mode is made RGB first.
        Raises OSError where Pillow cannot decode an image that was only opened.
        """
        return self.steps(image if image.mode == "RGB" else image.convert("RGB")).numpy()


@dataclass(frozen=True, eq=False)
class Model:
    """A CLIP in evaluation mode, ready to encode; for many threads at once.

    name: "ARCHITECTURE/pretraining" · net, preprocess (PIL image -> float32 (3, side, side)), tokenizer: open_clip's ·
    device: cuda, mps or cpu · files: what it was loaded from, and `stamp`, their sizes and times then · tag: open_clip's,
    where the weights are those · notes: what had to be assumed of it, in sentences.
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
    notes: tuple[str, ...] = ()

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
            raise TailscopeError(f"A file has changed since {self.name} was loaded from it. Load it again.")
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
        """What similarities are divided by before a softmax makes them probabilities: 0.01 in most trained models.

        Raises TailscopeError where the weights give none that can be divided by.
        """
        temperature = float((-self.net.logit_scale.detach().double()).exp())
        if not 0 < temperature < np.inf:
            raise TailscopeError(f"The weights of {self.name} give a temperature of {temperature}. They may be damaged.")
        return temperature

    @cached_property
    def prepare(self) -> Preparation:
        """What makes of an image the numbers that `encode_prepared` takes; small, and fit for another process."""
        return Preparation(split_preprocess(self.preprocess)[0], repr(self.preprocess))

    @cached_property
    def _complete(self) -> Any:
        return split_preprocess(self.preprocess)[1]

    def encode_images(self, images: Iterable[Image.Image]) -> np.ndarray:
        """The features of images, float32 (images, width), each of length 1. An image of another mode is made RGB first.

        Images are drawn one by one and kept only as `prepare` leaves them, so a generator may hand in large ones. Raises
        OSError where Pillow cannot decode an image that was only opened, TailscopeError for features that are not finite.
        """
        return encode_with_all([self], ({self.prepare.key: self.prepare(image)} for image in images))[0]

    def encode_prepared(self, pixels: np.ndarray) -> np.ndarray:
        """`encode_images` of images that went through `prepare` already, stacked: (images, 3, side, side)."""
        at_once = IMAGE_BATCH[self.device]
        batches = (pixels[start : start + at_once] for start in range(0, len(pixels), at_once))
        return join_features([self.finish_batch(self.begin_batch(batch)) for batch in batches])

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        """The features of texts, float32 (texts, width), each of length 1. Tokens beyond the context are cut off.

        Raises TailscopeError for features that are not finite.
        """
        import torch

        features = []
        with torch.inference_mode():
            for batch in take_batches(texts, TEXT_BATCH):
                tokens = self.tokenizer(batch).to(self.device)
                features.append(self.net.encode_text(tokens, normalize=True).float().cpu().numpy())
        return self.check_features(join_features(features))

    def check_features(self, features: np.ndarray) -> np.ndarray:
        """The features as they are. Raises TailscopeError, with the model's name, where some are no finite numbers."""
        if not np.isfinite(features).all():
            raise TailscopeError(
                f"{self.name} gives features that are no finite numbers, so nothing is kept of them. Its weights may be "
                "damaged, or too large for the numbers that it computes with."
            )
        return features

    def begin_batch(self, pixels: np.ndarray) -> "torch.Tensor":
        """The features of one stacked batch on the model's device, which may still be computing them when this returns."""
        import torch

        batch = torch.from_numpy(pixels)
        fast = torch.autocast(self.device, torch.bfloat16, enabled=self.device == "cuda")
        if self.device == "cuda":  # from pinned memory the copy goes on while the GPU computes
            batch = batch.pin_memory()
        with torch.inference_mode():
            completed = self._complete(batch.to(self.device, non_blocking=True))
            with fast:
                encoded = self.net.encode_image(completed).float()
            return torch.nn.functional.normalize(encoded, dim=-1)

    def finish_batch(self, features: "torch.Tensor") -> np.ndarray:
        """What `begin_batch` began, once it is computed. Raises TailscopeError for features that are not finite."""
        return self.check_features(features.cpu().numpy())


def encode_with_all(models: Sequence[Model], prepared: Iterable[dict[str, np.ndarray]]) -> list[np.ndarray]:
    """The features of the same images by each of the models, as `Model.encode_images` gives them.

    prepared: of each image what the models' `prepare` made, by its key: models that prepare alike, such as those of one
    architecture, share it. It is drawn batch by batch; while a GPU computes one, the next is drawn and stacked.
    """
    features: list[list[np.ndarray]] = [[] for _ in models]
    begun: list[torch.Tensor] = []  # of the batch before, one a model

    def finish() -> None:
        for model, parts, one in zip(models, features, begun, strict=False):
            parts.append(model.finish_batch(one))

    for batch in take_batches(prepared, min(IMAGE_BATCH[model.device] for model in models)):
        pixels = {key: np.stack([image[key] for image in batch]) for key in batch[0]}
        following = [model.begin_batch(pixels[model.prepare.key]) for model in models]
        finish()
        begun = following
    finish()
    return [join_features(parts) for parts in features]


def split_preprocess(preprocess: Any) -> tuple[Any, Any]:
    """What open_clip does to each image, and what can be done to a batch of them at once; together, the same numbers.

    The first gives a tensor: of 8 bits a colour where the steps end as open_clip's do (to float32, then normalized), which
    takes a tenth of the time for a batch. Other steps stay as they are, all in the first.
    """
    import torch
    from torchvision.transforms import Compose, Normalize, PILToTensor, ToTensor

    steps = getattr(preprocess, "transforms", [])
    if len(steps) < 2 or not isinstance(steps[-2], ToTensor) or not isinstance(steps[-1], Normalize):
        return preprocess, lambda pixels: pixels
    normalize = steps[-1]
    return Compose([*steps[:-2], PILToTensor()]), lambda pixels: normalize(pixels.to(torch.float32).div(255))


def checksum_files(architecture: str, files: Sequence[Path]) -> str:
    """One checksum of an architecture's name and the content of files, 64 hexadecimal digits."""
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


def take_batches(items: Iterable, size: int) -> Iterator[list]:
    """The items in lists of `size`, each drawn when it is asked for."""
    items = iter(items)
    while batch := list(islice(items, size)):
        yield batch


def join_features(features: list[np.ndarray]) -> np.ndarray:
    """Features of several batches as one array; of none, an empty one."""
    return np.concatenate(features) if features else np.empty((0, 0), np.float32)
