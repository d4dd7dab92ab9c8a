"""Samples out of webdataset tars, beside reading the tars' bytes and beside `tarfile`.

Reads: the photos of ../shared/data beside the checkout, or without them pictures of noise; each tar has as many samples as fill
it, of image, JSON and caption. The command: python -m benchmarks.tars [--megabytes N] [--runs N]
All run in turns, on one core, out of the page cache, and are told as the median of what each takes of one turn's bare read:
`file.read` of 1 MiB at a time. `--one` gives what one turn in a process of its own has at most of memory.
"""

import argparse
import io
import json
import resource
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from backend.study import ROOT
from precompute.corpus.registry import find_shards, identify_shard, read_batches
from precompute.corpus.shard import Reading

PHOTOS = ROOT.parent / "shared" / "data" / "flickr8k-1000"
SIDES = {"photos as they are": None, "photos of 256 pixels": 256, "photos of 1,024 pixels": 1024}  # the longer side
CAPTION = "A dog and a cat are lying on a red sofa, number {}"


def draw_images(side: int | None) -> list[bytes]:
    """Some photos as JPEG files, as they are or of a longer side."""
    paths = sorted(PHOTOS.rglob("*.jpg"))[:300]
    if not paths:
        chance = np.random.default_rng(0)
        pixels = [chance.normal(128, 30, (side or 400, side or 400, 3)).clip(0, 255).astype(np.uint8) for _ in range(20)]
        return [_encode(Image.fromarray(picture)) for picture in pixels]
    if side is None:
        return [path.read_bytes() for path in paths]
    pictures = []
    for path in paths[: 300 if side < 500 else 60]:
        with Image.open(path) as photo:
            scale = side / max(photo.size)
            pictures.append(_encode(photo.convert("RGB").resize([round(length * scale) for length in photo.size])))
    return pictures


def _encode(picture: Image.Image) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=90)
    return stream.getvalue()


def write_shard(path: Path, images: list[bytes], size: int) -> int:
    """A tar of about so many bytes; how many samples it has."""
    count = 0
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        while archive.offset < size:
            caption = CAPTION.format(count)
            facts = json.dumps(
                {"key": f"{count:09}", "caption": caption, "status": "success", "url": "https://127.0.0.1/a.jpg"}
            )
            members = {"jpg": images[count % len(images)], "json": facts.encode(), "txt": caption.encode()}
            for ending, content in members.items():
                info = tarfile.TarInfo(f"{count:09}.{ending}")
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
            count += 1
    return count


def read_bytes(path: Path) -> None:
    """The bare read."""
    with path.open("rb", buffering=0) as file:
        while file.read(1 << 20):
            pass


def read_ours(path: Path) -> None:
    """The samples of a tar in batches, as `index` reads them where no image is looked at."""
    (shard,) = find_shards([str(path)])
    for _ in read_batches(shard, Reading()):
        pass


def name_ours(path: Path) -> None:
    """What `index` knows a tar by."""
    (shard,) = find_shards([str(path)])
    identify_shard(shard)


def list_members(path: Path) -> None:
    """`tarfile` alone: every member's header, no bytes."""
    with tarfile.open(path) as archive:
        for _ in archive:
            archive.members.clear()


def read_as_usual(path: Path) -> None:
    """What a loader does: `tarfile`, every member's bytes, Pillow for the size, members joined by their key."""
    samples: dict[str, dict[str, object]] = {}
    with tarfile.open(path) as archive:
        for info in archive:
            key, _, ending = info.name.partition(".")
            content = archive.extractfile(info).read()
            sample = samples.setdefault(key, {})
            if ending == "jpg":
                with Image.open(io.BytesIO(content)) as image:
                    sample["size"] = image.size
            else:
                sample[ending] = content.decode()
            archive.members.clear()


CONTENDERS: dict[str, Callable[[Path], None]] = {
    "bare read": read_bytes,
    "samples": read_ours,
    "the shard's name": name_ours,
    "tarfile, headers alone": list_members,
    "tarfile and Pillow": read_as_usual,
}


def time_turns(path: Path, runs: int) -> dict[str, list[float]]:
    """Seconds of each contender's runs, in turns; a first turn does not count."""
    taken: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    for turn in range(runs + 1):
        for name, read in CONTENDERS.items():
            start = time.perf_counter()
            read(path)
            if turn:
                taken[name].append(time.perf_counter() - start)
    return taken


def measure_peak(path: Path) -> float:
    """The most memory (MB) of a process that reads the samples."""
    command = [sys.executable, "-m", "benchmarks.tars", "--one", str(path)]
    return float(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)


def main(arguments: list[str] | None = None) -> None:
    """Prints a table for each kind of tar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=300)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--one", type=Path, help="a tar, to read once and print the peak memory")
    given = parser.parse_args(arguments)
    if given.one:
        read_ours(given.one)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        return
    with tempfile.TemporaryDirectory() as folder:
        for name, side in SIDES.items():
            path = Path(folder) / "a.tar"
            count = write_shard(path, draw_images(side), given.megabytes << 20)
            taken = time_turns(path, given.runs)
            each = path.stat().st_size / count / 1000
            table = Table(title=f"{name}: {count:,} samples of {each:.1f} kB; {measure_peak(path):,.0f} MB of memory")
            for column in ("what", "GB/s", "samples/s", "speed of the bare read"):
                table.add_column(column, justify="left" if column == "what" else "right")
            for contender, seconds in taken.items():
                middle = median(seconds)
                share = median(bare / own for bare, own in zip(taken["bare read"], seconds, strict=True))
                speed = path.stat().st_size / middle / 1e9
                table.add_row(contender, f"{speed:.2f}", f"{count / middle:,.0f}", f"{share:.0%}")
            Console(width=110).print(table)


if __name__ == "__main__":
    main()
