"""OpenCLIP models: loaded from this machine, they turn images and texts into features of length 1.

Architectures, preprocessing, tokenizers and prompt templates are open_clip's own. torch and open_clip are imported by the
first model, not with this module.
"""

import hashlib
import json
import pickle
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from rapidfuzz import process

from backend.errors import TailscopeError

if TYPE_CHECKING:
    import torch

PROMPTS = ("class", "simple", "ensemble")  # the paper's three prompt strategies; `find_templates` has their templates
CONFIG = "open_clip_config.json"
WEIGHT_ENDINGS = (".safetensors", ".bin", ".pth", ".pt", ".npz")
IMAGE_BATCH = {"cpu": 64, "mps": 128, "cuda": 512}
TEXT_BATCH = 256
CLASSES_PER_BATCH = 32  # times the templates: how many texts are encoded at once

_WANTED = "a folder in open_clip's format, ARCHITECTURE:TAG or ARCHITECTURE:FILE, such as ViT-B-32:openai"
# What torch, safetensors and open_clip were seen to raise on weights or configs that are not what they should be.
_UNREADABLE = (
    RuntimeError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    AssertionError,
    IndexError,
    OSError,
    EOFError,
    struct.error,
    pickle.UnpicklingError,
)


@dataclass(frozen=True, eq=False)
class Model:
    """A CLIP in evaluation mode, ready to encode; for many threads at once.

    name: "ARCHITECTURE/pretraining" · net, preprocess (PIL image -> float32 (3, side, side)), tokenizer: open_clip's ·
    device: cuda, mps or cpu · files: what it was loaded from.
    """

    name: str
    net: "torch.nn.Module"
    preprocess: Any
    tokenizer: Any
    device: str
    files: tuple[Path, ...]
    architecture: str

    @cached_property
    def weights_sha256(self) -> str:
        """One checksum of architecture, config and weights: what a cache of this model's features goes by."""
        checksum = hashlib.sha256(self.architecture.encode())
        for path in self.files:
            with path.open("rb") as stream:
                checksum.update(hashlib.file_digest(stream, "sha256").digest())
        return checksum.hexdigest()

    @cached_property
    def temperature(self) -> float:
        """What similarities are divided by before a softmax makes them probabilities: 0.01 in most trained models."""
        return float((-self.net.logit_scale.detach().float()).exp())

    def encode_images(self, images: Iterable[Image.Image]) -> np.ndarray:
        """The features of images, float32 (images, width), each of length 1. An image of another mode is made RGB first.

        Images are drawn one by one and kept only as `preprocess` leaves them, so a generator may hand in large ones. Raises
        OSError where Pillow cannot decode an image that was only opened.
        """
        import torch

        pixels = (self.preprocess(_as_rgb(image)) for image in images)
        return _join([self._encode_batch(torch.stack(batch)) for batch in _draw(pixels, IMAGE_BATCH[self.device])])

    def encode_pixels(self, pixels: "torch.Tensor") -> np.ndarray:
        """`encode_images` of images that went through `preprocess` already: float32 (images, 3, side, side)."""
        return _join([self._encode_batch(batch) for batch in pixels.split(IMAGE_BATCH[self.device])])

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        """The features of texts, float32 (texts, width), each of length 1. Tokens beyond the context are cut off."""
        import torch

        features = []
        with torch.inference_mode():
            for batch in _draw(texts, TEXT_BATCH):
                tokens = self.tokenizer(batch).to(self.device)
                features.append(self.net.encode_text(tokens, normalize=True).float().cpu().numpy())
        return _join(features)

    def _encode_batch(self, pixels: "torch.Tensor") -> np.ndarray:
        import torch

        fast = torch.autocast(self.device, torch.bfloat16, enabled=self.device == "cuda")
        with torch.inference_mode(), fast:
            encoded = self.net.encode_image(pixels.to(self.device, non_blocking=True)).float()
            return torch.nn.functional.normalize(encoded, dim=-1).cpu().numpy()


def load_model(spec: str, *, allow_download: bool = False) -> Model:
    """The model that a spec names: a folder in open_clip's format, "ARCH:TAG" or "ARCH:FILE". No network is used for it.

    A tag (https://github.com/mlfoundations/open_clip, docs/PRETRAINED.md) whose weights are not in the local cache is
    fetched only where `allow_download` says so. Raises TailscopeError where there is no such model, naming near ones,
    or where its files do not fit together.
    """
    folder = Path(spec)
    if folder.is_dir():
        return _load_folder(folder)
    architecture, colon, weights = spec.partition(":")
    if not (colon and architecture and weights):
        raise TailscopeError(f"No folder of a model at {spec}. Name {_WANTED}.")
    return _load_architecture(architecture.replace("/", "-"), weights, allow_download)


def find_templates(prompts: str | Sequence[str]) -> tuple:
    """The templates of a prompt strategy; templates of one's own ("a drawing of a {}.") are given back as they are.

    `class` is the bare name, `simple` "a photo of a NAME.", `ensemble` the seven templates that OpenAI picked for
    ImageNet, as open_clip has them. Raises TailscopeError for a strategy that does not exist.
    """
    if not isinstance(prompts, str):
        return tuple(prompts)
    if prompts == "class":
        return ("{}",)
    if prompts == "simple":
        return ("a photo of a {}.",)
    if prompts == "ensemble":
        from open_clip import SIMPLE_IMAGENET_TEMPLATES

        return tuple(SIMPLE_IMAGENET_TEMPLATES)
    raise TailscopeError(f"No prompt strategy '{prompts}'. There are {', '.join(PROMPTS)}.")


def build_classifier(model: Model, names: Sequence[str], prompts: str | Sequence[str]) -> np.ndarray:
    """A zero-shot classifier, float32 (names, width): each name's mean feature over the templates, of length 1."""
    from open_clip import build_zero_shot_classifier

    columns = build_zero_shot_classifier(
        model.net,
        model.tokenizer,
        list(names),
        find_templates(prompts),
        num_classes_per_batch=CLASSES_PER_BATCH,
        device=model.device,
    )
    return np.ascontiguousarray(columns.T.float().cpu().numpy())


def _load_folder(folder: Path) -> Model:
    config = folder / CONFIG
    if not config.is_file():
        raise TailscopeError(
            f"{folder} has no {CONFIG}, so it is no model in open_clip's format. It holds: {_list_names(folder)}. "
            "For a checkpoint file, name ARCHITECTURE:FILE."
        )
    weights = sorted(path for path in folder.iterdir() if path.suffix in WEIGHT_ENDINGS[:3])
    if not weights:
        raise TailscopeError(f"{folder} has {CONFIG} but no weights, such as open_clip_model.safetensors.")
    try:
        content = json.loads(config.read_text(encoding="utf-8"))
        text_config = content["model_cfg"]["text_cfg"]
    except (ValueError, KeyError, TypeError) as error:
        raise TailscopeError(f"{config} is no open_clip config ({error!r}). Expected: model_cfg with text_cfg.") from error
    _check_text_parts(text_config, in_folder=True, allow_download=False)
    name = folder.resolve().name
    return _load(name, f"local-dir:{folder}", (config, *weights), architecture="")


def _load_architecture(architecture: str, weights: str, allow_download: bool) -> Model:
    import open_clip

    known = open_clip.list_models()
    if architecture not in known:
        raise TailscopeError(f"open_clip has no architecture '{architecture}'.{_suggest(architecture, known)}")
    _check_text_parts(open_clip.get_model_config(architecture)["text_cfg"], in_folder=False, allow_download=allow_download)
    tag = open_clip.get_pretrained_cfg(architecture, weights)
    if tag:
        path = _find_cached(tag) or _download(architecture, weights, tag, allow_download)
        name, options = weights, _tag_options(tag)
    elif (path := Path(weights)).is_file():
        name, options = path.stem, {}
    elif path.suffix in WEIGHT_ENDINGS or len(path.parts) > 1:
        raise TailscopeError(f"No file of weights at {weights}. Name {_WANTED}.")
    else:
        tags = open_clip.list_pretrained_tags_by_model(architecture)
        raise TailscopeError(f"open_clip has no weights '{weights}' for {architecture}.{_suggest(weights, tags)}")
    return _load(f"{architecture}/{name}", architecture, (path,), architecture, pretrained=str(path), **options)


def _load(name: str, source: str, files: tuple[Path, ...], architecture: str, **options) -> Model:
    import open_clip
    from safetensors import SafetensorError

    device = _choose_device()
    try:
        net, preprocess = open_clip.create_model_from_pretrained(source, device=device, **options)
        tokenizer = open_clip.get_tokenizer(source)
    except ImportError as error:
        raise TailscopeError(f"{name} needs the package '{error.name}', which is not installed.") from error
    except (*_UNREADABLE, SafetensorError) as error:
        raise TailscopeError(
            f"{files[-1]} does not hold the weights of {architecture or 'the model that ' + str(files[0]) + ' describes'}: "
            f"{_shorten(error)}"
        ) from error
    return Model(name, net.eval().requires_grad_(False), preprocess, tokenizer, device, files, architecture)


def _choose_device() -> str:
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _tag_options(tag: dict) -> dict:
    """What open_clip would read from a tag itself, had it not been given the file: preprocessing, and the activation.

    Left alone, open_clip 3.3 warns of "ViT-B-32:openai" that it computes another activation than the weights know.
    """
    kept = {f"image_{key}": tag[key] for key in ("mean", "std", "interpolation", "resize_mode") if key in tag}
    return kept | {"force_quick_gelu": tag.get("quick_gelu", False)}


def _find_cached(tag: dict) -> Path | None:
    """The weights of a tag in the Hugging Face cache of this machine; None where they are not there."""
    from huggingface_hub import try_to_load_from_cache
    from open_clip.constants import HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME

    repository, _, name = tag.get("hf_hub", "").rpartition("/")
    if not repository:
        return None
    names = [str(Path(name).with_suffix(".safetensors")), name] if name else [HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME]
    found = (try_to_load_from_cache(repository, one) for one in names)
    return next((Path(path) for path in found if isinstance(path, str)), None)


def _download(architecture: str, weights: str, tag: dict, allow_download: bool) -> Path:
    import open_clip

    if not allow_download:
        place = tag.get("hf_hub") or tag.get("url")
        raise TailscopeError(
            f"The weights of {architecture}:{weights} are not on this machine. Fetching them ({place.rstrip('/')}) has to be "
            "allowed: --allow-download on the command line, allow_download=True in Python."
        )
    try:
        return Path(open_clip.download_pretrained(tag))
    except (OSError, RuntimeError, ValueError) as error:
        raise TailscopeError(f"The weights of {architecture}:{weights} could not be fetched: {_shorten(error)}") from error


def _check_text_parts(text_config: dict, *, in_folder: bool, allow_download: bool) -> None:
    """Raises TailscopeError where a model's text side needs a package that is missing, or the network."""
    from huggingface_hub import try_to_load_from_cache

    needed = [name for key in ("hf_model_name", "hf_tokenizer_name") if (name := text_config.get(key))]
    if needed and find_spec("transformers") is None:
        raise TailscopeError(f"This model reads text by {needed[0]}, for which the package 'transformers' is not installed.")
    parts = [(text_config.get("hf_model_name"), "config.json")]
    if not in_folder:  # a folder brings its tokenizer
        parts.append((text_config.get("hf_tokenizer_name"), "tokenizer_config.json"))
    for repository, name in parts:
        if repository and not allow_download and not isinstance(try_to_load_from_cache(repository, name), str):
            raise TailscopeError(
                f"This model needs {name} of {repository}, which is not on this machine. Fetching it has to be allowed: "
                "--allow-download on the command line, allow_download=True in Python."
            )


def _suggest(asked: str, known: Sequence[str]) -> str:
    near = [name for name, *_ in process.extract(asked, known, limit=4, score_cutoff=60)]
    return f" Near: {', '.join(near)}." if near else f" There are: {', '.join(sorted(known)[:20])}."


def _list_names(folder: Path) -> str:
    names = sorted(path.name for path in folder.iterdir())
    return ", ".join(names[:5]) + (" ..." if len(names) > 5 else "") or "nothing"


def _shorten(error: BaseException) -> str:
    """The beginning of an error: open_clip's go on for hundreds of keys, and torch's advise to run what a file holds."""
    if isinstance(error, pickle.UnpicklingError):
        return "no checkpoint that torch can read without running code out of it."
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else f"{text[:300]} ..."


def _as_rgb(image: Image.Image) -> Image.Image:
    return image if image.mode == "RGB" else image.convert("RGB")


def _draw(items: Iterable, size: int) -> Iterator[list]:
    """The items in lists of `size`, each drawn when it is asked for."""
    items = iter(items)
    while batch := list(islice(items, size)):
        yield batch


def _join(features: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(features) if features else np.empty((0, 0), np.float32)
