"""Encoding a task's images, from files to features: against the bare model, decoding alone, and CLIP benchmark's loop.

Reads: the 1,000 photos beside the checkout, where they lie there, else photos that are made of noise. Weights are random,
nothing is fetched. The command: python -m benchmarks.encode [--images N] [--models ViT-B-32,ViT-L-14] [--rounds N] [--compile]
On a GPU the same command prints the same table; take --images 20000 --compile there.
Bare is `encode_image` on batches that are in memory already, in the precision that evaluation uses. Decoding alone is reading,
decoding and preprocessing by as many threads, or processes, as evaluation takes. CLIP benchmark's loop is a torch DataLoader
over the same preprocessing with four workers and batches of 64, as its documentation runs it, and `encode_image` under
autocast. All ways are run in turn, round after round: what else the machine does meets them alike, and ratios are medians of
the rounds. On a CPU the model and decoding share the cores, so that there ours cannot reach the slower of the two: the time
of both one after the other is its bound, and processor time, which other work on the machine hardly changes, tells it best.
"""

import argparse
import os
import tempfile
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from backend.images import decode_image
from backend.models.device import choose_device, describe_device
from backend.models.encode import IMAGE_BATCH, Model, Preparation
from backend.models.loading import settle_net
from backend.study import ROOT
from precompute.evaluate.features import encode_places
from precompute.evaluate.kept_features import find_kept
from precompute.evaluate.prepared import Place, Prepared, choose_decoders, prepare_ahead
from precompute.ledger import Ledger

PHOTOS = ROOT.parent / "shared" / "data" / "flickr8k-1000"
AIM = 0.85  # of the slower of bare encoding and decoding alone
ROUNDS = 3
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
    model = Model(architecture, settle_net(net, device), preprocess, None, device, (), architecture)
    model.__dict__["weights_sha256"] = architecture  # what features are kept by; a model without files has none
    return model


@dataclass
class Way:
    """One way to do the work, and what each run of it took: seconds by the clock, and of all cores."""

    work: Callable[[], object]
    clock: list[float] = field(default_factory=list)
    cores: list[float] = field(default_factory=list)

    def run(self) -> None:
        """Runs it once more."""
        start, before = time.perf_counter(), sum(os.times()[:4])  # with the processes that it started and that have ended
        self.work()
        self.clock.append(time.perf_counter() - start)
        self.cores.append(sum(os.times()[:4]) - before)


def encode_bare(model: Model, pixels: np.ndarray, number: int) -> None:
    """`number` images by batches of ones that are prepared already."""
    batch = IMAGE_BATCH[model.device]
    for start in range(0, number, batch):
        model.encode_prepared(np.take(pixels, range(start, min(start + batch, number)), axis=0, mode="wrap"))


@dataclass(frozen=True)
class Decoder:
    """Reads, decodes and prepares an image, and nothing else."""

    ways: dict[str, Preparation]

    def __call__(self, place: Place) -> Prepared:
        """The image as a model takes it."""
        image = decode_image(Path(place[0]).read_bytes())
        return Prepared(b"", {key: way(image) for key, way in self.ways.items()})


def decode_alone(model: Model, places: Sequence[Place]) -> None:
    """Prepares all images, and throws them away."""
    deque(prepare_ahead(Decoder({model.prepare.key: model.prepare}), places, choose_decoders(model.device)), 0)


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


def run_in_turn(model: Model, places: Sequence[Place], folder: Path, rounds: int) -> dict[str, Way]:
    """Every way, run as often as there are rounds."""
    pixels = np.stack([model.prepare(decode_image(Path(place[0]).read_bytes())) for place in places[:256]])
    kept = find_kept(folder / "study")
    encode_places(model, places, Ledger(), kept)
    ways = {
        "bare": Way(lambda: encode_bare(model, pixels, len(places))),
        "decoding": Way(lambda: decode_alone(model, places)),
        "ours": Way(lambda: encode_places(model, places, Ledger())),
        "peer": Way(lambda: encode_as_clip_benchmark(model, places)),
        "kept": Way(lambda: encode_places(model, places, Ledger(), kept)),
    }
    for _ in range(rounds):
        for way in ways.values():
            way.run()
    return ways


def describe(architecture: str, ways: dict[str, Way], images: int, kilobytes: float) -> list[str]:
    """A row of the table: images a second of each way, and the ratios, each the median of the rounds."""
    clock = {name: np.array(way.clock) for name, way in ways.items()}
    cores = {name: np.array(way.cores) for name, way in ways.items()}
    share = np.median(np.maximum(clock["bare"], clock["decoding"]) / clock["ours"])
    return [
        architecture,
        *(f"{images / np.median(clock[name]):,.1f}" for name in ("bare", "decoding", "ours", "peer")),
        f"{share:.2f} ({'met' if share >= AIM else 'missed'})",
        f"{np.median((clock['bare'] + clock['decoding']) / clock['ours']):.2f}",
        f"{np.median((cores['bare'] + cores['decoding']) / cores['ours']):.2f}",
        f"{np.median(clock['peer'] / clock['ours']):.2f}",
        f"{np.median(cores['peer'] / cores['ours']):.2f}",
        f"{images / np.median(clock['kept']):,.0f}",
        f"{kilobytes:.1f}",
    ]


def compare_compiled(model: Model, places: Sequence[Place]) -> str:
    """What torch's compiler makes of the bare model: a sentence that tells from how many images on it pays."""
    pixels = np.stack(
        [model.prepare(decode_image(Path(place[0]).read_bytes())) for place in places[: IMAGE_BATCH[model.device]]]
    )
    eager, compiled = (Way(lambda: encode_bare(model, pixels, len(places))) for _ in range(2))
    eager.run()
    eager.run()
    start = time.perf_counter()
    model.net.compile()
    encode_bare(model, pixels, len(pixels))
    seconds = time.perf_counter() - start
    compiled.run()
    saved = (eager.clock[-1] - compiled.clock[-1]) / len(places)
    pays = f"pays from {seconds / saved:,.0f} images on" if saved > 0 else "does not pay"
    rates = [len(places) / way.clock[-1] for way in (eager, compiled)]
    return f"{model.name} compiled in {seconds:.0f} s: {rates[1]:,.1f} images a second where it was {rates[0]:,.1f}; {pays}."


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=96)
    parser.add_argument("--models", default="ViT-B-32,ViT-L-14")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--compile", action="store_true")
    options = parser.parse_args(arguments)
    device = choose_device()
    decoders = choose_decoders(device)
    table = Table(
        title=f"{options.images} images, {describe_device(device)}, {os.cpu_count()} cores, decoded by "
        f"{f'{decoders} processes' if decoders else 'threads'}: images a second, and ratios of {options.rounds} rounds",
        caption="in turn: of bare and decoding one after the other, by the clock, and by processor time",
    )
    heads = ["model", "bare", "decoding", "ours", "CLIP benchmark", f"of the slower (aim {AIM})", "in turn", "by cores"]
    for head in [*heads, "ours / its", "by cores", "kept", "KB kept"]:
        table.add_column(head, justify="left" if head == "model" else "right")
    said = []
    with tempfile.TemporaryDirectory() as folder:
        places = find_photos(Path(folder), options.images)
        for architecture in options.models.split(","):
            model, place = make_model(architecture), Path(folder) / architecture
            ways = run_in_turn(model, places, place, options.rounds)
            size = sum(path.stat().st_size for path in find_kept(place / "study").glob("*")) / len(places)
            table.add_row(*describe(architecture, ways, len(places), size / 1000))
            said += [compare_compiled(model, places)] if options.compile else []
    console = Console(width=170)
    console.print(table, *said)


if __name__ == "__main__":
    main()
