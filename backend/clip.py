"""OpenCLIP models: loaded from this machine, they turn images and texts into features of length 1.

Architectures, preprocessing, tokenizers and prompt templates are open_clip's own. torch and open_clip are imported by the
first model, not with this module.
"""

import hashlib
import json
import os
import pickle
import re
import shutil
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
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
CLASSIFIER_TEXTS = 224  # encoded at once for a classifier: 32 names in each of 7 templates
MAX_TEMPLATES = 100  # of one's own
TOKENIZER_FILES = ("tokenizer", "vocab", "merges", "special_tokens", "sentencepiece")  # how their names begin

Say = Callable[[float], None]  # told the fraction that is done

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
        return _checksum(self.architecture, self.files)

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


def encode_with_all(models: Sequence[Model], images: Iterable[Image.Image]) -> list[np.ndarray]:
    """The features of the same images by each of the models, as `Model.encode_images` gives them.

    Models that preprocess alike, such as those of one architecture, share that work.
    """
    import torch

    ways = {repr(model.preprocess): _split_preprocess(model.preprocess) for model in models}
    prepared = ([each(image) for each, _ in ways.values()] for image in map(_as_rgb, images))
    features: list[list[np.ndarray]] = [[] for _ in models]
    for batch in _draw(prepared, min(IMAGE_BATCH[model.device] for model in models)):
        stacked = map(torch.stack, zip(*batch, strict=True))
        pixels = {way: together(part) for (way, (_, together)), part in zip(ways.items(), stacked, strict=True)}
        for model, parts in zip(models, features, strict=True):
            parts.append(model._encode_batch(pixels[repr(model.preprocess)]))
    return [_join(parts) for parts in features]


def _split_preprocess(preprocess: Any) -> tuple[Any, Any]:
    """What open_clip does to each image, and what it can do to a batch at once: to normalize takes a tenth of the time so."""
    from torchvision.transforms import Compose, Normalize

    steps = getattr(preprocess, "transforms", [])
    if steps and isinstance(steps[-1], Normalize):
        return Compose(steps[:-1]), steps[-1]
    return preprocess, lambda pixels: pixels


def load_model(spec: str, *, allow_download: bool = False, say: Say | None = None) -> Model:
    """The model that a spec names: a folder in open_clip's format, "ARCH:TAG" or "ARCH:FILE". No network is used for it.

    A tag (https://github.com/mlfoundations/open_clip, docs/PRETRAINED.md) whose weights are not in the local cache is
    fetched only where `allow_download` says so, and `say` is told how far that is. Raises TailscopeError where there is no
    such model, naming near ones, where it cannot be fetched, or where its files do not fit together.
    """
    folder = Path(spec)
    if folder.is_dir():
        return _load_folder(folder)
    architecture, colon, weights = spec.partition(":")
    if not (colon and architecture and weights):
        raise TailscopeError(f"No folder of a model at {spec}. Name {_WANTED}.")
    return _load_architecture(architecture.replace("/", "-"), weights, allow_download, say)


def identify_model(spec: str, *, allow_download: bool = False) -> str:
    """The `weights_sha256` of the model that a spec names. That of a folder is read off its files; the model is not loaded."""
    if Path(spec).is_dir():
        return _checksum("", _list_files(Path(spec)))
    return load_model(spec, allow_download=allow_download).weights_sha256


def _checksum(architecture: str, files: Sequence[Path]) -> str:
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


def list_tags() -> list[tuple[str, str, bool]]:
    """(architecture, tag, here) of all of open_clip's pretrained models; `here`: their weights are on this machine."""
    import open_clip

    pairs = open_clip.list_pretrained()
    return [(name, tag, _find_cached(open_clip.get_pretrained_cfg(name, tag)) is not None) for name, tag in pairs]


def count_weights(architecture: str) -> int | None:
    """The weights of an architecture, counted on a net that is only sketched; None where a package for it is missing."""
    import open_clip
    import torch

    config = open_clip.get_model_config(architecture)
    if config is None or config["text_cfg"].get("hf_model_name"):
        return None  # its text side is described on the network
    with torch.device("meta"):
        net = open_clip.create_model(architecture, device="meta", pretrained_image=False, pretrained_hf=False)
    return sum(parameter.numel() for parameter in net.parameters())


def describe_device(device: str) -> str:
    """A device in words: what computes, and how precisely images are encoded there."""
    if device == "cuda":
        import torch

        return f"{torch.cuda.get_device_name()}, bfloat16"
    return {"mps": "Apple GPU, float32", "cpu": "CPU, float32"}[device]


def measure_memory() -> int:
    """The bytes of the memory that models are loaded into: the GPU's where there is one of its own, else the machine's."""
    if _choose_device() == "cuda":
        import torch

        return torch.cuda.mem_get_info()[1]
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


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


def check_templates(lines: Sequence[str]) -> tuple[str, ...]:
    """Templates of one's own, trimmed, without empty lines and repetitions; each says once, by {}, where the name goes.

    Raises TailscopeError where one does not, where there is none, or where there are more than `MAX_TEMPLATES`.

    >>> check_templates(["a drawing of a {}. ", ""])
    ('a drawing of a {}.',)
    """
    templates = tuple(dict.fromkeys(line.strip() for line in lines if line.strip()))
    for template in templates:
        if template.count("{}") != 1 or template.count("{") + template.count("}") != 2:
            raise TailscopeError(f"The template “{template[:80]}” needs {{}} once, where the name goes, and no other braces.")
    if not 1 <= len(templates) <= MAX_TEMPLATES:
        raise TailscopeError(f"{len(templates)} templates: from 1 to {MAX_TEMPLATES} are needed, such as: a drawing of a {{}}.")
    return templates


def spell_name(label: str) -> str:
    """A label as it stands in a prompt: underscores are spaces; capitals stay as the task has them.

    >>> spell_name("Boeing_737-200")
    'Boeing 737-200'
    """
    return " ".join(label.replace("_", " ").split())


def spell_templates(prompts: str | Sequence[str]) -> tuple[str, ...]:
    """The templates of `find_templates` as text, with {} where the name goes."""
    return tuple(template if isinstance(template, str) else template("{}") for template in find_templates(prompts))


def build_classifier(model: Model, names: Sequence[str], prompts: str | Sequence[str], say: Say | None = None) -> np.ndarray:
    """A zero-shot classifier, float32 (names, width): each name's mean feature over the templates, of length 1."""
    from open_clip import build_zero_shot_classifier

    templates = find_templates(prompts)
    at_once = max(CLASSIFIER_TEXTS // len(templates), 1)
    rows = []
    for batch in _draw(names, at_once):
        columns = build_zero_shot_classifier(
            model.net, model.tokenizer, batch, templates, num_classes_per_batch=None, device=model.device
        )
        rows.append(columns.T.float().cpu().numpy())
        if say:
            say(min(len(rows) * at_once / len(names), 1.0))
    return np.ascontiguousarray(_join(rows))


def _load_folder(folder: Path) -> Model:
    files = _list_files(folder)
    try:
        content = json.loads(files[0].read_text(encoding="utf-8"))
        text_config = content["model_cfg"]["text_cfg"]
    except (ValueError, KeyError, TypeError) as error:
        raise TailscopeError(f"{files[0]} is no open_clip config ({error!r}). Expected: model_cfg with text_cfg.") from error
    _check_text_parts(text_config, in_folder=True, allow_download=False)
    return _load(folder.resolve().name, f"local-dir:{folder}", files, architecture="")


def _list_files(folder: Path) -> tuple[Path, ...]:
    """The files of a model in open_clip's format: config, tokenizer, weights. Raises TailscopeError for another folder."""
    config = folder / CONFIG
    if not config.is_file():
        raise TailscopeError(
            f"{folder} has no {CONFIG}, so it is no model in open_clip's format. It holds: {_list_names(folder)}. "
            "For a checkpoint file, name ARCHITECTURE:FILE."
        )
    weights = sorted(path for path in folder.iterdir() if path.suffix in WEIGHT_ENDINGS[:3])
    if not weights:
        raise TailscopeError(f"{folder} has {CONFIG} but no weights, such as open_clip_model.safetensors.")
    tokenizer = sorted(path for path in folder.iterdir() if path.name.startswith(TOKENIZER_FILES))
    return (config, *tokenizer, *weights)


def _load_architecture(architecture: str, weights: str, allow_download: bool, say: Say | None) -> Model:
    import open_clip

    known = open_clip.list_models()
    if architecture not in known:
        raise TailscopeError(f"open_clip has no architecture '{architecture}'.{_suggest(architecture, known)}")
    _check_text_parts(open_clip.get_model_config(architecture)["text_cfg"], in_folder=False, allow_download=allow_download)
    tag = open_clip.get_pretrained_cfg(architecture, weights)
    if tag:
        path = _find_cached(tag) or _download(architecture, weights, tag, allow_download, say)
        name, options = weights, _tag_options(tag)
    elif (path := Path(weights)).is_file():
        name, options = path.stem, {}
    elif path.suffix in WEIGHT_ENDINGS or len(path.parts) > 1:
        raise TailscopeError(f"No file of weights at {weights}. Name {_WANTED}.")
    else:
        tags = open_clip.list_pretrained_tags_by_model(architecture)
        raise TailscopeError(f"open_clip has no weights '{weights}' for {architecture}.{_suggest(weights, tags)}")
    found = f"{architecture}/{name}"
    return _load(found, architecture, (path,), architecture, weights if tag else None, pretrained=str(path), **options)


def _load(name: str, source: str, files: tuple[Path, ...], architecture: str, tag: str | None = None, **options) -> Model:
    import open_clip
    import torch
    from safetensors import SafetensorError

    device = _choose_device()
    stamp = stamp_files(files)
    try:
        net, preprocess = open_clip.create_model_from_pretrained(source, device=device, **options)
        tokenizer = open_clip.get_tokenizer(source)
    except ImportError as error:
        raise TailscopeError(f"{name} needs the package '{error.name}', which is not installed.") from error
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise TailscopeError(
            f"{name} does not fit into the memory that there is ({device}). Choose a smaller model."
        ) from error
    except (*_UNREADABLE, SafetensorError) as error:
        raise TailscopeError(
            f"{files[-1]} does not hold the weights of {architecture or 'the model that ' + str(files[0]) + ' describes'}: "
            f"{_shorten(error)}"
        ) from error
    net = net.eval().requires_grad_(False)
    if device == "cpu":  # convolutions take half the time in this layout, and nothing else takes longer
        net = net.to(memory_format=torch.channels_last)
    return Model(name, net, preprocess, tokenizer, device, files, architecture, stamp, tag)


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

    found = (try_to_load_from_cache(*place) for place in _list_places(tag))
    return next((Path(path) for path in found if isinstance(path, str)), None)


def _list_places(tag: dict) -> list[tuple[str, str]]:
    """(repository, file) where the weights of a tag may lie on the Hugging Face hub, the safer format first."""
    from open_clip.constants import HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME

    repository, _, name = tag.get("hf_hub", "").rpartition("/")
    names = [str(Path(name).with_suffix(".safetensors")), name] if name else [HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME]
    return [(repository, one) for one in dict.fromkeys(names)] if repository else []


def _download(architecture: str, weights: str, tag: dict, allow_download: bool, say: Say | None) -> Path:
    import open_clip
    from huggingface_hub.errors import EntryNotFoundError, HTTPError, XetDownloadError

    if not allow_download:
        place = tag.get("hf_hub") or tag.get("url")
        raise TailscopeError(
            f"The weights of {architecture}:{weights} are not on this machine. Fetching them ({place.rstrip('/')}) has to be "
            "allowed: --allow-download on the command line, allow_download=True in Python."
        )
    try:
        return _fetch(tag, say or (lambda done: None)) or Path(open_clip.download_pretrained(tag))
    except (OSError, RuntimeError, ValueError, HTTPError, EntryNotFoundError, XetDownloadError) as error:
        raise TailscopeError(f"The weights of {architecture}:{weights} could not be fetched: {_shorten(error)}") from error


def _fetch(tag: dict, say: Say) -> Path | None:
    """The weights of a tag, fetched from the Hugging Face hub into its cache; None where the tag does not lie there.

    open_clip's own download tells nothing of its progress, and tries a second file where the first met a full disk. Raises
    OSError where the disk is too full, or where a file is not what the hub's checksum says.
    """
    from huggingface_hub import constants, get_hf_file_metadata, hf_hub_download, hf_hub_url
    from huggingface_hub.errors import EntryNotFoundError

    missing = None
    for repository, name in _list_places(tag):
        try:
            expected = get_hf_file_metadata(hf_hub_url(repository, name))
        except EntryNotFoundError as error:
            missing = error
            continue
        cache = Path(constants.HF_HUB_CACHE)
        cache.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(cache).free
        if expected.size and expected.size > free:
            raise OSError(f"it has {expected.size / 1e6:,.0f} MB, and {cache} has room for {free / 1e6:,.0f} MB.")
        path = Path(hf_hub_download(repository, name, tqdm_class=_make_counter(say, expected.size)))
        _check_content(path, expected.etag)
        return path
    if missing:
        raise missing
    return None


def _check_content(path: Path, checksum: str | None) -> None:
    """Deletes a fetched file and raises OSError where its SHA-256 is not the one that the hub gives for large files."""
    if not checksum or not re.fullmatch("[0-9a-f]{64}", checksum):
        return
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != checksum:
        path.resolve().unlink()
        path.unlink(missing_ok=True)
        raise OSError(f"{path.name} has the checksum {found[:12]}..., not {checksum[:12]}...; it was deleted.")


def _make_counter(say: Say, size: int | None) -> type:
    """A progress bar as the hub's client wants one, which shows nothing and tells `say` the fraction of `size` bytes."""
    from tqdm import tqdm

    class Counter(tqdm):
        def display(self, *arguments, **options) -> bool:
            return True

        def update(self, n: float = 1) -> bool | None:
            shown = super().update(n)
            total = size or self.total
            if total:
                say(min(self.n / total, 1.0))
            return shown

    return Counter


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
