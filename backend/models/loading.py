"""Models are loaded from this machine: a folder in open_clip's format, a tag of open_clip's, or a checkpoint file."""

import json
import logging
import pickle
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rapidfuzz import process

from backend.errors import TailscopeError
from backend.models.checkpoints import fill_net, find_unusable
from backend.models.device import choose_device
from backend.models.download import download_weights, fetch_repository, find_cached, shorten_error
from backend.models.encode import Model, checksum_files, stamp_files
from backend.progress import Progress

CONFIG = "open_clip_config.json"
WEIGHT_ENDINGS = (".safetensors", ".bin", ".pth", ".pt", ".npz")
FIRST_WEIGHTS = (  # which of several files of weights in a folder open_clip takes; else the first, safetensors before others
    *("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors"),
    *("open_clip_pytorch_model.bin", "open_clip_pytorch_model.pth"),
    *("model.safetensors", "pytorch_model.bin", "pytorch_model.pth", "model.pth"),
)
TOKENIZER_FILES = ("tokenizer", "vocab", "merges", "special_tokens", "sentencepiece")  # how their names begin

HUB = "hf-hub"  # a spec that begins with it names a model of the Hugging Face hub, as open_clip's own do

_WANTED = "a folder in open_clip's format, ARCHITECTURE:TAG, ARCHITECTURE:FILE or hf-hub:ORG/NAME, such as ViT-B-32:openai"
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


@dataclass(frozen=True)
class _Source:
    """Where a model comes from: its name; what open_clip makes net and tokenizer by; the file of weights, and how messages
    name it; all its files; and, where open_clip knows them, its architecture and tag.
    """

    name: str
    made_by: str
    weights: Path
    told: str
    files: tuple[Path, ...]
    architecture: str = ""
    tag: str | None = None


def load_model(spec: str, *, allow_download: bool = False, say: Progress | None = None) -> Model:
    """The model that a spec names: a folder in open_clip's format, "ARCH:TAG", "ARCH:FILE" or "hf-hub:ORG/NAME".

    A tag (https://github.com/mlfoundations/open_clip, docs/PRETRAINED.md) or a model of the hub that is not in the local cache
    is fetched only where `allow_download` says so, and `say` is told how far that is. Raises TailscopeError where there is no
    such model, naming near ones, where it cannot be fetched, or where its files do not fit together.
    """
    folder = Path(spec)
    if folder.is_dir():
        return _load_folder(folder)
    architecture, weights = split_spec(spec)
    if not architecture:
        raise TailscopeError(f"No folder of a model at {spec}. Name {_WANTED}.")
    if architecture == HUB:
        return _load_folder(fetch_repository(weights, CONFIG, allow_download, say), weights.rpartition("/")[2])
    return _load_architecture(architecture, weights, allow_download, say)


def fetch_weights(spec: str, *, allow_download: bool = False, say: Progress | None = None) -> None:
    """Sees to it that the weights of a tag are on this machine, as far as that is allowed; other specs need no fetching.

    It loads nothing, so it may go on for hours beside others' loading. Raises TailscopeError where the fetching fails.
    """
    architecture, weights = split_spec(spec)
    if not allow_download or not architecture or Path(spec).is_dir():
        return
    if architecture == HUB:
        fetch_repository(weights, CONFIG, allow_download, say)
        return
    import open_clip

    tag = open_clip.get_pretrained_cfg(architecture, weights)
    if tag and find_cached(tag) is None:
        download_weights(architecture, weights, tag, allow_download, say)


def split_spec(spec: str) -> tuple[str, str]:
    """(architecture, tag or file) of "ARCH:TAG" or "ARCH:FILE", as open_clip spells architectures; two "" for another spec.

    >>> split_spec("ViT-B/32:openai"), split_spec("data/models/zipf-20k")
    (('ViT-B-32', 'openai'), ('', ''))
    """
    architecture, _, weights = spec.partition(":")
    return (architecture.replace("/", "-"), weights) if architecture and weights else ("", "")


def is_tag(architecture: str, weights: str) -> bool:
    """Whether open_clip knows pretrained weights by this tag for the architecture. The first call imports open_clip."""
    import open_clip

    return bool(open_clip.get_pretrained_cfg(architecture, weights))


def identify_model(spec: str, *, allow_download: bool = False) -> str:
    """The `weights_sha256` of the model that a spec names. That of a folder is read off its files; the model is not loaded."""
    if Path(spec).is_dir():
        return checksum_files("", _list_files(Path(spec)))
    return load_model(spec, allow_download=allow_download).weights_sha256


def list_tags() -> list[tuple[str, str, bool]]:
    """(architecture, tag, here) of all of open_clip's pretrained models; `here`: their weights are on this machine."""
    import open_clip

    pairs = open_clip.list_pretrained()
    return [(name, tag, find_cached(open_clip.get_pretrained_cfg(name, tag)) is not None) for name, tag in pairs]


def find_patch(architecture: str) -> int:
    """Pixels of the side of the patches that a net cuts images into: the larger, the quicker it is. 0 for nets without."""
    import open_clip

    config = open_clip.get_model_config(architecture) or {}
    return config.get("vision_cfg", {}).get("patch_size") or 0


def _load_folder(folder: Path, name: str = "") -> Model:
    """The model in a folder, by its own name or the folder's."""
    files = _list_files(folder)
    try:
        content = json.loads(files[0].read_text(encoding="utf-8"))
        text_config = content["model_cfg"]["text_cfg"]
    except (ValueError, KeyError, TypeError) as error:
        raise TailscopeError(f"{files[0]} is no open_clip config ({error!r}). Expected: model_cfg with text_cfg.") from error
    _check_text_parts(text_config, in_folder=True, allow_download=False)
    weights = _choose_weights(files)
    return _load(_Source(name or folder.resolve().name, f"local-dir:{folder}", weights, str(weights), files))


def _list_files(folder: Path) -> tuple[Path, ...]:
    """The files of a model in open_clip's format: config, tokenizer, weights. Raises TailscopeError for another folder."""
    config = folder / CONFIG
    if not config.is_file():
        raise TailscopeError(
            f"{folder} has no {CONFIG}, so it is no model in open_clip's format. For a checkpoint file, name ARCHITECTURE:FILE."
        )
    weights = sorted(path for path in folder.iterdir() if path.suffix in WEIGHT_ENDINGS[:3])
    if not weights:
        raise TailscopeError(f"{folder} has {CONFIG} but no weights, such as open_clip_model.safetensors.")
    tokenizer = sorted(path for path in folder.iterdir() if path.name.startswith(TOKENIZER_FILES))
    return (config, *tokenizer, *weights)


def _choose_weights(files: Sequence[Path]) -> Path:
    """Which of a folder's files open_clip reads the weights from."""
    ranks = {name: rank for rank, name in enumerate(FIRST_WEIGHTS)}
    weights = (path for path in files if path.suffix in WEIGHT_ENDINGS[:3])
    return min(weights, key=lambda path: (ranks.get(path.name, len(ranks)), path.suffix != ".safetensors", path.name))


def _load_architecture(architecture: str, weights: str, allow_download: bool, say: Progress | None) -> Model:
    import open_clip

    known = open_clip.list_models()
    if architecture not in known:
        raise TailscopeError(f"open_clip has no architecture '{architecture}'.{_suggest(architecture, known)}")
    _check_text_parts(open_clip.get_model_config(architecture)["text_cfg"], in_folder=False, allow_download=allow_download)
    tag = open_clip.get_pretrained_cfg(architecture, weights)
    if tag:
        path = find_cached(tag) or download_weights(architecture, weights, tag, allow_download, say)
        name, options = weights, _tag_options(tag)
    elif (path := Path(weights)).is_file():
        name, options = path.stem, {}
    elif path.suffix in WEIGHT_ENDINGS or len(path.parts) > 1:
        raise TailscopeError(f"No file of weights at {weights}. Name {_WANTED}.")
    else:
        tags = open_clip.list_pretrained_tags_by_model(architecture)
        raise TailscopeError(f"open_clip has no weights '{weights}' for {architecture}.{_suggest(weights, tags)}")
    told = f"{architecture}:{weights}" if tag else str(path)
    return _load(
        _Source(f"{architecture}/{name}", architecture, path, told, (path,), architecture, weights if tag else None), options
    )


def _load(source: _Source, options: Mapping[str, Any] | None = None) -> Model:
    import open_clip
    import torch
    from safetensors import SafetensorError

    device = choose_device()
    stamp = stamp_files(source.files)
    try:
        with keep_quiet():
            net, _, preprocess = open_clip.create_model_and_transforms(
                source.made_by, device=device, load_weights=False, pretrained_text=False, **(options or {})
            )
        tokenizer = open_clip.get_tokenizer(source.made_by)
        notes = fill_net(net, source.weights)
    except ImportError as error:
        raise TailscopeError(f"{source.name} needs the package '{error.name}', which is not installed.") from error
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise TailscopeError(
            f"{source.name} does not fit into the memory that there is ({device}). Choose a smaller model."
        ) from error
    except (*_UNREADABLE, SafetensorError) as error:
        described = source.architecture or f"the model that {source.files[0]} describes"
        raise TailscopeError(f"{source.told} does not hold the weights of {described}: {shorten_error(error)}") from error
    if unusable := find_unusable(net):
        raise TailscopeError(
            f"The weights of {source.name} are damaged: {unusable} holds numbers that are not finite, so nothing is computed "
            "with them. Fetch or write the file again."
        )
    net = settle_net(net, device)
    return Model(source.name, net, preprocess, tokenizer, device, source.files, source.architecture, stamp, source.tag, notes)


def settle_net(net: Any, device: str) -> Any:
    """The same network in evaluation mode, as it encodes fastest on a device."""
    import torch

    net = net.eval().requires_grad_(False)
    if device in ("cpu", "cuda"):  # convolutions take half the time in this layout, and nothing else takes longer
        net = net.to(memory_format=torch.channels_last)
    return net


@contextmanager
def keep_quiet() -> Iterator[None]:
    """Keeps open_clip from warning that a net has no weights yet: they come next."""
    noise = "No pretrained weights loaded"
    root = logging.getLogger()

    def is_news(record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith(noise)

    root.addFilter(is_news)
    try:
        yield
    finally:
        root.removeFilter(is_news)


def _tag_options(tag: dict) -> dict:
    """What open_clip would read from a tag itself, had it not been given the file: preprocessing, and the activation.

    Left alone, open_clip 3.3 warns of "ViT-B-32:openai" that it computes another activation than the weights know.
    """
    kept = {f"image_{key}": tag[key] for key in ("mean", "std", "interpolation", "resize_mode") if key in tag}
    return kept | {"force_quick_gelu": tag.get("quick_gelu", False)}


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
