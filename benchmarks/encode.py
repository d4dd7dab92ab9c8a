"""Encoding a task's images, from files to features: against the bare model, decoding alone, and CLIP benchmark's loop.

Reads: the 1,000 photos beside the checkout, where they lie there, else photos that are made of noise. Weights are random,
nothing is fetched. The command: python -m benchmarks.encode [--images N] [--models ViT-B-32,ViT-L-14]
On a GPU the same command prints the same table; take --images 20000 there.
Bare is `encode_image` on batches that are in memory already, in the precision that evaluation uses. Decoding alone is reading,
decoding and preprocessing by as many threads as evaluation takes. CLIP benchmark's loop is a torch DataLoader over the same
preprocessing with four workers and batches of 64, as its documentation runs it, and `encode_image` under autocast.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from backend.images import decode_image
from backend.models.device import choose_device, describe_device
from backend.models.encode import IMAGE_BATCH, Model
from backend.study import ROOT
from precompute.evaluate.features import THREADS, Place, encode_places
from precompute.evaluate.kept_features import find_kept
from precompute.evaluate.pipeline import map_ahead
from precompute.ledger import Ledger

PHOTOS = ROOT.parent / "shared" / "data" / "flickr8k-1000"
AIM = 0.85  # of the slower of bare encoding and decoding alone
RUNS = 3
WORKERS, PEER_BATCH = 4, 64


def find_photos(folder: Path, number: int) -> list[Place]:
    """`number` photos: real ones, in turn, where they lie beside the checkout, else pictures of noise, 500 by 375 pixels."""
    photos = sorted(PHOTOS.rglob("*.jpg"))
    if not photos:
        dice = np.random.default_rng(0)
        for n in range(50):
            coarse = Image.fromarray(dice.integers(0, 256, (47, 63, 3), dtype=np.uint8))
            coarse.resize((500, 375), Image.Resampling.BICUBIC).save(folder / f"{n}.jpg", quality=90)
        photos = sorted(folder.glob("*.jpg"))
    chosen = [photos[n % len(photos)] for n in range(number)]
    copies = folder / "distinct"  # equal images are encoded once: each copy differs in a trailing byte or two
    copies.mkdir()
    for n, path in enumerate(chosen):
        (copies / f"{n}.jpg").write_bytes(path.read_bytes() + n.to_bytes(4, "little"))
    return [(str(copies / f"{n}.jpg"), None, None) for n in range(number)]


def make_model(architecture: str) -> Model:
    """A model with random weights."""
    import open_clip

    device = choose_device()
    net, _, preprocess = open_clip.create_model_and_transforms(architecture, pretrained=None, device=device)
    return Model(architecture, net.eval(), preprocess, open_clip.get_tokenizer(architecture), device, (), architecture)


def measure(work: Callable[[], object], images: int) -> float:
    """Images a second, the median of some runs."""
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return images / statistics.median(times)


def encode_bare(model: Model, pixels: np.ndarray, number: int) -> None:
    """`number` images by batches of ones that are prepared already."""
    batch = IMAGE_BATCH[model.device]
    for start in range(0, number, batch):
        model.encode_prepared(np.take(pixels, range(start, min(start + batch, number)), axis=0, mode="wrap"))


def decode_alone(model: Model, places: Sequence[Place]) -> None:
    """Reads, decodes and prepares all images, and throws them away."""
    deque(
        map_ahead(lambda place: model.prepare(decode_image(Path(place[0]).read_bytes())), places, threads=THREADS, ahead=256), 0
    )


class Photos:
    """The images as a torch data set."""

    def __init__(self, places: Sequence[Place], preprocess: Callable):
        self.places = places
        self.preprocess = preprocess

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, number: int):
        return self.preprocess(Image.open(self.places[number][0]).convert("RGB"))


def encode_as_clip_benchmark(model: Model, places: Sequence[Place]) -> None:
    """The loop over a data loader, as CLIP benchmark's documentation runs it."""
    import torch
    from torch.utils.data import DataLoader

    loader = DataLoader(Photos(places, model.preprocess), PEER_BATCH, shuffle=False, num_workers=WORKERS)
    with torch.inference_mode(), torch.autocast(model.device, enabled=model.device == "cuda"):
        for images in loader:
            torch.nn.functional.normalize(model.net.encode_image(images.to(model.device)), dim=-1).float().cpu()


def compare(architecture: str, places: Sequence[Place], folder: Path) -> list[str]:
    """A row of the table: images a second of each way, and the ratios."""
    model = make_model(architecture)
    pixels = np.stack([model.prepare(decode_image(Path(place[0]).read_bytes())) for place in places[:256]])
    encode_bare(model, pixels, min(len(places), 64))  # warm
    bare = measure(lambda: encode_bare(model, pixels, len(places)), len(places))
    decoding = measure(lambda: decode_alone(model, places), len(places))
    ours = measure(lambda: encode_places(model, places, Ledger()), len(places))
    peer = measure(lambda: encode_as_clip_benchmark(model, places), len(places))
    share = ours / min(bare, decoding)
    model.__dict__["weights_sha256"] = architecture  # what features are kept by; a model without files has none
    kept = find_kept(folder / "study")
    encode_places(model, places, Ledger(), kept)
    again = measure(lambda: encode_places(model, places, Ledger(), kept), len(places))
    size = sum(path.stat().st_size for path in kept.glob("*")) / len(places)
    return [
        architecture,
        *(f"{rate:,.1f}" for rate in (bare, decoding, ours)),
        f"{share:.2f} ({'met' if share >= AIM else 'missed'})",
        f"{peer:,.1f}",
        f"{ours / peer:.2f}",
        f"{again:,.0f}",
        f"{size / 1000:.1f}",
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=96)
    parser.add_argument("--models", default="ViT-B-32,ViT-L-14")
    options = parser.parse_args(arguments)
    device = describe_device(choose_device())
    table = Table(title=f"{options.images} images, {device}, {os.cpu_count()} cores: images a second")
    heads = [
        "model",
        "bare",
        "decoding",
        "ours",
        f"of the slower (aim {AIM})",
        "CLIP benchmark",
        "ours / its",
        "kept",
        "KB kept",
    ]
    for head in heads:
        table.add_column(head, justify="left" if head == "model" else "right")
    with tempfile.TemporaryDirectory() as folder:
        places = find_photos(Path(folder), options.images)
        for architecture in options.models.split(","):
            table.add_row(*compare(architecture, places, Path(folder) / architecture))
    Console(width=160).print(table)


if __name__ == "__main__":
    main()
