"""Weights out of checkpoint files, as trainers leave them: wrapped, prefixed, with other things beside them.

No code that a file may hold is run: torch reads tensors and plain values alone (`weights_only`), and whatever else was
pickled beside them, options of the run or an optimizer's objects, becomes an empty stand-in.
"""

import zipfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

# Under which keys trainers put the weights, those of the last step before averaged ones (EMA).
WRAPPERS = (
    *("state_dict", "model_state_dict", "model_state", "model", "module", "net", "network", "params", "weights"),
    *("state_dict_ema", "ema_state_dict", "model_ema", "ema_model", "ema", "params_ema"),
)
BIG_VISION = (".npz", ".npy")  # endings of Google's format, which open_clip reads by itself
MAY_LACK = ("logit_scale", "logit_bias")  # no feature depends on them
MAY_EXCEED = ("position_ids", "attn_mask", "num_batches_tracked")  # what versions of one architecture differ in
NO_WEIGHTS = "no checkpoint that torch can read without running code out of it."
NAMED = 2  # keys that a message names of what was found, and of what was wanted
RESIZED = "positional_embedding"  # ends the names of weights that open_clip fits to another image size or context


class OtherWeights(ValueError):
    """A file does not hold the weights that were wanted; says what it holds instead, as the second half of a sentence."""


class Inert:
    """Stands for an object that was pickled beside weights; it holds nothing and does nothing."""

    def __new__(cls, *_: Any) -> "Inert":
        return super().__new__(cls)

    def __init__(self, *_: Any):
        pass

    def __setstate__(self, _: Any) -> None:
        pass


def fill_net(net: "torch.nn.Module", path: Path) -> tuple[str, ...]:
    """Puts the weights of a checkpoint file into a net; returns what had to be assumed, in sentences.

    Raises OtherWeights, with what was found and what was wanted, where the file holds others, and what torch and safetensors
    raise on files that are none.
    """
    if path.suffix in BIG_VISION:
        from open_clip.convert import load_big_vision_weights

        load_big_vision_weights(net, str(path))
        return ()
    wanted = net.state_dict()
    weights = convert_names(net, unwrap_weights(read_checkpoint(path)))
    check_names(weights, wanted)
    check_shapes(weights, wanted)
    resize_embeddings(net, weights)
    fitting = {  # a number may be a row of one
        name: value.reshape(wanted[name].shape) if value.numel() == 1 else value
        for name, value in weights.items()
        if name in wanted
    }
    net.load_state_dict(fitting, strict=False)
    if "logit_scale" in weights or "logit_scale" not in wanted:
        return ()
    temperature = float((-net.logit_scale.detach().float()).exp())
    return (
        f"The file holds no temperature (logit_scale), so probabilities are computed with {temperature:.2g}, where training "
        "begins. Similarities do not depend on it.",
    )


def read_checkpoint(path: Path) -> Any:
    """What a checkpoint file holds: tensors, plain values, and an `Inert` for everything else. Nothing of it is run.

    Raises OtherWeights for a TorchScript archive.
    """
    import torch

    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    if is_program(path):
        raise OtherWeights(
            "it is a TorchScript archive, that is a program, and none is run out of a file of weights. OpenAI's own models are "
            "loaded by their tags, such as ViT-B-32:openai; of another one, save the state_dict."
        )
    try:
        names = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except ValueError:  # torch's format before 2020, in which only plain ones are read
        names = []
    with torch.serialization.safe_globals([(Inert, name) for name in names]):
        return torch.load(path, map_location="cpu", weights_only=True)


def is_program(path: Path) -> bool:
    """Whether a file is a TorchScript archive, which holds code beside its weights."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("/constants.pkl") for name in archive.namelist())
    except zipfile.BadZipFile:
        return False


def unwrap_weights(content: Any) -> dict[str, "torch.Tensor"]:
    """The weights by their names, out of what trainers wrap them in. Raises OtherWeights where there are none."""
    import torch

    inner = content
    while isinstance(inner, Mapping):
        wrapped = next((inner[key] for key in WRAPPERS if isinstance(inner.get(key), Mapping)), None)
        if wrapped is None:
            break
        inner = wrapped
    named = inner if isinstance(inner, Mapping) else {}
    weights = {name: value for name, value in named.items() if isinstance(name, str) and isinstance(value, torch.Tensor)}
    if weights:
        return weights
    if isinstance(inner, Inert) or any(isinstance(value, Inert) for value in named.values()):
        raise OtherWeights(NO_WEIGHTS)
    raise OtherWeights(f"it has {name_some(map(str, named))}; there are no weights by names among it.")


def convert_names(net: "torch.nn.Module", weights: Mapping[str, "torch.Tensor"]) -> dict[str, "torch.Tensor"]:
    """Weights under the names that a net has for them: prefixes taken off, other layouts converted as open_clip does."""
    from open_clip.convert import convert_state_dict
    from open_clip.model import convert_to_custom_text_state_dict

    converted = strip_prefix(convert_state_dict(net, dict(weights)), net.state_dict())
    if "positional_embedding" in converted and not hasattr(net, "positional_embedding"):
        converted = convert_to_custom_text_state_dict(converted)
    return converted


def resize_embeddings(net: "torch.nn.Module", weights: dict[str, "torch.Tensor"]) -> None:
    """Fits position embeddings, in place, to the image size and context of a net, as open_clip does."""
    from open_clip.model import resize_pos_embed, resize_text_pos_embed

    resize_pos_embed(weights, net)
    resize_text_pos_embed(weights, net)


def find_unusable(net: "torch.nn.Module") -> str | None:
    """The name of the first weight that holds a number that is not finite; None where there is none."""
    import torch

    weights = {name: value for name, value in net.state_dict().items() if not _ends(name, MAY_EXCEED)}
    return next((name for name, value in weights.items() if not torch.isfinite(value).all()), None)


def strip_prefix(weights: Mapping[str, Any], wanted: Iterable[str]) -> dict[str, Any]:
    """The weights without what wrappers put before each name: `module.`, `_orig_mod.`, `model.`, or several of them.

    The prefix is the one that leaves the most of the wanted names, of equals the shortest; what does not begin with it is
    left out. Without any, the weights stay as they are.

    >>> strip_prefix({"module.a.b": 1, "module.c": 2, "step": 3}, ["a.b", "c"])
    {'a.b': 1, 'c': 2}
    """
    wanted = set(wanted)
    found: Counter[str] = Counter()
    for name in weights:
        parts = name.split(".")
        for start in range(len(parts)):
            if ".".join(parts[start:]) in wanted:
                found["".join(f"{part}." for part in parts[:start])] += 1
    prefix = min(found, key=lambda prefix: (-found[prefix], len(prefix), prefix), default="")
    return {name[len(prefix) :]: value for name, value in weights.items() if name.startswith(prefix)}


def check_names(weights: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Raises OtherWeights, with two names each of what was found and what was wanted, where weights are not those of a net.

    Weights beside the net's own parts are no fault: trainers keep a loss or a second head there.
    """
    parts = {name.partition(".")[0] for name in wanted}
    beside = [name for name in weights if name not in wanted and not _ends(name, MAY_EXCEED)]
    missing = [name for name in wanted if name not in weights and not _ends(name, (*MAY_LACK, *MAY_EXCEED))]
    more = [name for name in beside if name.partition(".")[0] in parts]
    if missing:
        raise OtherWeights(f"it has {name_some(more or beside or weights)}; it lacks {name_some(missing)}.")
    if more:
        raise OtherWeights(f"beside all that is wanted it has {name_some(more)}, so it is of another architecture.")


def check_shapes(weights: Mapping[str, "torch.Tensor"], wanted: Mapping[str, "torch.Tensor"]) -> None:
    """Raises OtherWeights, with two shapes each of what was found and what was wanted, where some differ.

    A number and a row of one are the same; position embeddings may differ in length, for they are resized.
    """
    other = []
    for name in wanted.keys() & weights.keys():
        found, needed = weights[name].shape, wanted[name].shape
        resized = name.endswith(RESIZED) and len(found) == len(needed) == 2 and found[1] == needed[1]
        if found != needed and not resized and not found.numel() == needed.numel() == 1:
            other.append(name)
    if other:
        told = [name_some(f"{name} ({_spell_shape(tensors[name])})" for name in sorted(other)) for tensors in (weights, wanted)]
        raise OtherWeights(f"it has {told[0]}; wanted: {told[1]}.")


def name_some(names: Iterable[str]) -> str:
    """The first `NAMED` names, and how many there are beside them; "nothing" where there are none.

    >>> name_some(["a", "b", "c"]), name_some(["a"])
    ('a, b and 1 more', 'a')
    """
    names = list(names)
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more or "nothing"


def _ends(name: str, endings: Sequence[str]) -> bool:
    return name.rpartition(".")[2] in endings


def _spell_shape(tensor: "torch.Tensor") -> str:
    return " x ".join(map(str, tensor.shape)) or "one number"
