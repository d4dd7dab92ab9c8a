"""What a net takes before its weights are here: memory, and the time that an image takes on this machine.

The time is computed, not measured: the net's multiplications and additions, by how many of them this machine does a second.
"""

import time
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING

from backend.models.device import choose_device
from backend.models.loading import keep_quiet

if TYPE_CHECKING:
    import torch

BLOCK_WIDTH, BLOCK_TOKENS = 768, 50  # of the block of a ViT-B-32, which is what the machine is timed with
RUNS = 12


def count_weights(architecture: str) -> int | None:
    """The weights of an architecture; None where a part of it is described on the network alone."""
    net = _sketch(architecture)
    return None if net is None else sum(parameter.numel() for parameter in net.parameters())


@lru_cache(maxsize=256)
def count_operations(architecture: str) -> int | None:
    """The additions and multiplications that an architecture takes for one image; None where they cannot be counted."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    net = _sketch(architecture)
    if net is None:
        return None
    size = net.visual.image_size
    height, width = size if isinstance(size, tuple) else (size, size)
    with suppress(RuntimeError, NotImplementedError), FlopCounterMode(display=False) as counter:  # not every net goes without
        net.encode_image(torch.empty(1, 3, height, width, device="meta"))
        return counter.get_total_flops()
    return None


def estimate_seconds(architecture: str) -> float | None:
    """The seconds that an architecture takes for one image on this machine, computed; None where that is not known."""
    operations = count_operations(architecture)
    return operations and operations / measure_speed(choose_device())


@lru_cache(maxsize=4)
def measure_speed(device: str) -> float:
    """Operations a second of a device on one image, by the quickest of a few runs of a transformer's block: 0.1 s, once.

    The quickest, because other work on the machine only ever adds time.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    block = torch.nn.TransformerEncoderLayer(BLOCK_WIDTH, 12, 4 * BLOCK_WIDTH, batch_first=True, device=device)
    block.requires_grad_(False)
    tokens = torch.ones(1, BLOCK_TOKENS, BLOCK_WIDTH, device=device)
    with FlopCounterMode(display=False) as counter:
        block(tokens)
    return counter.get_total_flops() / min(_time(block, tokens, device) for _ in range(RUNS))


def _time(block: "torch.nn.Module", tokens: "torch.Tensor", device: str) -> float:
    import torch

    start = time.perf_counter()
    block(tokens)
    if device != "cpu":
        getattr(torch, device).synchronize()
    return time.perf_counter() - start


def _sketch(architecture: str) -> "torch.nn.Module | None":
    """A net of open_clip's without its numbers, made in 0.2 to 2 s; None where a package for it is missing."""
    import open_clip
    import torch

    config = open_clip.get_model_config(architecture)
    if config is None or config["text_cfg"].get("hf_model_name"):
        return None  # its text side is described on the network
    with torch.device("meta"), keep_quiet():
        net = open_clip.create_model(architecture, device="meta", pretrained_image=False, pretrained_hf=False)
    return net.eval().requires_grad_(False)
