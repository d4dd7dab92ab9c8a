"""A CLIP of two layers with random weights, and pictures: what models are tested with, in open_clip's own formats."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

CONFIG = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 24, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}
PREPROCESS = {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25], "interpolation": "bicubic", "resize_mode": "shortest"}


def make_net(seed: int = 0):
    """The network that the files of `write_model` hold."""
    import open_clip
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    return open_clip.CLIP(**CONFIG).eval()


def write_model(folder: Path, seed: int = 0, *, half: bool = False) -> Path:
    """A folder in open_clip's local format; `half`: its weights are float16."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": CONFIG, "preprocess_cfg": PREPROCESS}))
    weights = make_net(seed).state_dict()
    weights = {name: (value.half() if half else value).contiguous() for name, value in weights.items()}
    save_file(weights, folder / "open_clip_model.safetensors")
    return folder


def draw_pictures(count: int, side: int = 40, seed: int = 0) -> list[Image.Image]:
    """Pictures of coloured noise, each of its own colours."""
    dice = np.random.default_rng(seed)
    coarse = dice.integers(0, 256, (count, 4, 4, 3), dtype=np.uint8)
    return [Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC) for pixels in coarse]
