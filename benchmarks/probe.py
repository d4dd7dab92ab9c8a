"""The live probe: a warm answer against the bare model, a cold start, eight sessions at once, search among a million images.

Reads: the embedded study and a model that comes with it; a ViT-B-32 with random weights is made and thrown away, nothing is
fetched. The command: python -m benchmarks.probe [--quick]
Bare is `encode_image` of the same model in the same process on a picture that is decoded and preprocessed already. An answer
is preprocess, encode, compare with 4,000 names, softmax, rank; with decoding before it and the join with the counts after it as
well. The names are made up and their features random: neither changes the time. FAISS is compared where it is installed.
"""

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
from PIL import Image
from rich.console import Console
from rich.table import Table

from backend.images import read_image_bytes
from backend.models.catalogue import MODELS
from backend.models.classifiers import ClassifierCache
from backend.models.device import describe_device
from backend.models.encode import Model
from backend.models.kept import ModelShelf
from backend.models.loading import load_model
from backend.probe.answer import probe_images, tabulate_answer
from backend.probe.candidates import Candidates, choose_candidates
from backend.probe.facts import Facts, describe_candidates
from backend.probe.nearest import Embeddings, rank_nearest
from backend.probe.uploads import open_upload
from backend.study import ROOT, STUDIES, Study

SHIPPED = "zipf-20k"
LARGE = "ViT-B-32"
RUNS = 40
CANDIDATES = 4_000
AIM = 1.3  # times the bare model
COLD_NAMES = {SHIPPED: CANDIDATES, LARGE: 200}  # embedded in a cold start; the time goes with their number
SESSIONS, EACH = 8, 10
KEPT, ASKED = 2, 5  # models that the bound of the shelf has room for, and models that are asked for
IMAGES, WIDTH, NEAREST = 1_000_000, 512, 24
BLOCK = 100_000

MAKE_MODEL = """
import json, open_clip, sys, torch
from pathlib import Path
from safetensors.torch import save_file
torch.manual_seed(0)
folder, net = Path(sys.argv[1]), open_clip.create_model(sys.argv[2])
save_file({name: value.contiguous() for name, value in net.state_dict().items()}, folder / "open_clip_model.safetensors")
config = {"model_cfg": open_clip.get_model_config(sys.argv[2]), "preprocess_cfg": {}}
(folder / "open_clip_config.json").write_text(json.dumps(config))
"""
COLD = """
import json, sys, time
start = time.perf_counter()
from backend.models.loading import load_model
from backend.models.prompts import build_classifier
from backend.probe.answer import probe_images
from backend.probe.uploads import open_upload
import torch, open_clip
imported = time.perf_counter()
model = load_model(sys.argv[1])
loaded = time.perf_counter()
classifier = build_classifier(model, [f"name {number}" for number in range(int(sys.argv[3]))], "class")
embedded = time.perf_counter()
probe_images(model, classifier, [open_upload(open(sys.argv[2], "rb").read()).image])
print(json.dumps([imported - start, loaded - imported, embedded - loaded, time.perf_counter() - embedded]))
"""
BOUND = """
import json, resource, sys
from backend.models.loading import load_model
from backend.models.kept import ModelShelf
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
import torch, open_clip
before = peak()
size = load_model(sys.argv[1]).size_bytes
one = peak()
shelf = ModelShelf(int(int(sys.argv[2]) * size * 1.05))
most = 0
for spec in sys.argv[1:2] + sys.argv[3:]:
    shelf.get(spec)
    most = max(most, shelf.held_bytes)
print(json.dumps([size, shelf.max_bytes, most, one - before, peak() - before]))
"""


def run_apart(code: str, *arguments: str) -> list[float]:
    """What a program of a process of its own prints as JSON on its last line."""
    command = [sys.executable, "-W", "ignore", "-c", code, *arguments]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1]) if done.stdout else []


def make_models(folder: Path, count: int) -> list[str]:
    """The folders of a `LARGE` with random but fixed weights, in open_clip's format, under several names."""
    (folder / "0").mkdir()
    run_apart(MAKE_MODEL, str(folder / "0"), LARGE)
    for number in range(1, count):
        (folder / str(number)).mkdir()
        for path in (folder / "0").iterdir():
            os.link(path, folder / str(number) / path.name)
    return [str(folder / str(number)) for number in range(count)]


def make_photo() -> bytes:
    """A JPEG of 640 x 480 pixels."""
    coarse = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(coarse).resize((640, 480), Image.Resampling.BICUBIC).save(stream, "JPEG", quality=90)
    return stream.getvalue()


def read_sample(study: Study) -> bytes:
    """The first image of the study's own."""
    row = next(study.query('SELECT image, "offset", length FROM samples WHERE image IS NOT NULL LIMIT 1').itertuples())
    return read_image_bytes(study.folder, row.image, row.offset, row.length)


def describe_names(study: Study) -> Facts:
    """What the study knows of `CANDIDATES` names: its concepts, over and over."""
    concepts = choose_candidates(study, "all", "lemmatized").concepts
    names = tuple(concepts[number % len(concepts)] for number in range(CANDIDATES))
    return describe_candidates(study, Candidates("made up", names, names), method="lemmatized", setting="ensemble")


def draw_features(count: int, width: int, seed: int = 0) -> np.ndarray:
    """Random features, float32 (count, width), each of length 1."""
    features = np.random.default_rng(seed).standard_normal((count, width), dtype=np.float32)
    return features / np.linalg.norm(features, axis=1, keepdims=True)


def time_in_turn(calls: list[Callable[[], object]], runs: int) -> list[list[float]]:
    """Milliseconds of each call, in rising order, after two runs that do not count; in turn, so all meet the same noise."""
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(runs + 2):
        for call, taken in zip(calls, times, strict=True):
            start = time.perf_counter()
            call()
            taken.append(1000 * (time.perf_counter() - start))
    return [sorted(taken[2:]) for taken in times]


def find_p95(times: list[float]) -> float:
    """The time that 95% of the calls stay below; the times are in rising order."""
    return times[min(int(0.95 * len(times)), len(times) - 1)]


def make_answer(model: Model, facts: Facts, classifier: np.ndarray, content: bytes) -> Callable[[], object]:
    """A call that gives the whole answer on an image file."""

    def answer() -> object:
        (found,) = probe_images(model, classifier, [open_upload(content).image])
        return tabulate_answer(facts, found)

    return answer


def measure_warm(model: Model, facts: Facts, content: bytes, runs: int) -> list[float]:
    """Milliseconds of the bare model, of the same with its preprocessing, of a ranked answer on a decoded picture, and of all
    from the file to the table.

    The first quartile of the runs, on one core: others use the machine too, and two cores would wait for each other.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    image, classifier = open_upload(content).image, draw_features(CANDIDATES, model.width)
    pixels = model.preprocess(image)[None].to(model.device)

    def encode() -> object:
        with torch.inference_mode(), torch.autocast(model.device, torch.bfloat16, enabled=model.device == "cuda"):
            return model.net.encode_image(pixels, normalize=True).cpu()

    def rank() -> object:
        return probe_images(model, classifier, [image])

    calls = [encode, lambda: model.encode_images([image]), rank, make_answer(model, facts, classifier, content)]
    quartiles = [times[len(times) // 4] for times in time_in_turn(calls, runs)]
    torch.set_num_threads(threads)
    return quartiles


def measure_sessions(spec: str, facts: Facts, content: bytes) -> tuple[list[list[float]], int]:
    """Milliseconds of each answer of each session, all at the same time, and the answers that failed."""
    shelf = ModelShelf()
    classifier = draw_features(CANDIDATES, shelf.get(spec).width)
    together = threading.Barrier(SESSIONS)
    failed = []

    def visit(number: int) -> list[float]:
        times = []
        together.wait()
        for _ in range(EACH):
            start = time.perf_counter()
            try:
                make_answer(shelf.get(spec), facts, classifier, content)()
            except Exception as error:  # whatever it is, it counts
                failed.append(error)
            times.append(1000 * (time.perf_counter() - start))
        return times

    with ThreadPoolExecutor(SESSIONS) as pool:
        return list(pool.map(visit, range(SESSIONS))), len(failed)


def write_embeddings(folder: Path, images: int) -> Embeddings:
    """Random features on disk, as `precompute embed` writes them."""
    path = folder / "features.npy"
    features = np.lib.format.open_memmap(path, "w+", np.float32, (images, WIDTH))
    for start in range(0, images, BLOCK):
        features[start : start + BLOCK] = draw_features(min(BLOCK, images - start), WIDTH, seed=start)
    features.flush()
    return Embeddings(np.load(path, mmap_mode="r"), np.arange(images))


def list_searches(held: Embeddings, folder: Path, queries: Iterator[np.ndarray]) -> Iterator[tuple[str, Callable[[], object]]]:
    """(what, call): the same search by ours, by DuckDB and by FAISS."""
    yield "ours: numpy on the mapped file", lambda: rank_nearest(held, next(queries), NEAREST)
    database = duckdb.connect(str(folder / "features.duckdb"))
    database.execute(f"CREATE TABLE held (sample_id BIGINT, feature FLOAT[{WIDTH}])")
    for start in range(0, len(held.features), BLOCK):
        flat = pa.array(np.ascontiguousarray(held.features[start : start + BLOCK]).ravel())
        block = pa.table({"id": held.sample_ids[start : start + BLOCK], "f": pa.FixedSizeListArray.from_arrays(flat, WIDTH)})
        database.register("block", block).execute("INSERT INTO held SELECT * FROM block")
    sql = f"""SELECT sample_id, array_inner_product(feature, CAST($query AS FLOAT[{WIDTH}])) AS similarity FROM held
              ORDER BY similarity DESC LIMIT {NEAREST}"""
    yield "DuckDB, array_inner_product", lambda: database.execute(sql, {"query": next(queries).tolist()}).fetchall()
    database.close()
    if find_spec("faiss"):
        import faiss

        index = faiss.IndexFlatIP(WIDTH)
        index.add(np.ascontiguousarray(held.features))
        yield "FAISS, IndexFlatIP", lambda: index.search(next(queries)[None], NEAREST)


def add_models(table: Table, specs: dict[str, str], study: Study, folder: Path, runs: int) -> None:
    """The rows on the shipped and the large model."""
    facts, photo = describe_names(study), make_photo()
    pictures = {SHIPPED: ("a picture of the study, 96 x 96", read_sample(study)), LARGE: ("a photo of 640 x 480", photo)}
    for name, spec in specs.items():
        model = load_model(spec)
        shown, content = pictures[name]
        bare, prepared, ranked, whole = measure_warm(model, facts, content, runs)
        table.add_row(f"{name}, warm", f"ms, bare encode_image on one core, {shown}", f"{bare:.1f}", "")
        table.add_row("", "times bare: with preprocessing", f"{prepared / bare:.2f}", "")
        table.add_row("", "times bare: decoded picture to ranked candidates", f"{ranked / bare:.2f}", f"{AIM}")
        table.add_row("", "times bare: JPEG file to the table with counts", f"{whole / bare:.2f}", f"{AIM}")
        table.add_row("", "ms, JPEG file to the table with counts", f"{whole:.1f}", "")
        path = folder / "photo.jpg"
        path.write_bytes(photo)
        seconds = run_apart(COLD, spec, str(path), str(COLD_NAMES[name]))
        steps = ("import torch, open_clip", "load the model", f"embed {COLD_NAMES[name]:,} names, one template", "first image")
        for step, taken in zip(steps, seconds, strict=True):
            table.add_row(f"{name}, cold", f"s, {step}", f"{taken:.2f}", "")
        cache = folder / "cache"
        names = [f"name {number}" for number in range(COLD_NAMES[name])]
        ClassifierCache(cache).get(model, names, "class")
        again = ClassifierCache(cache).get(model, names, "class")
        table.add_row("", f"ms, the names from {again.source} instead", f"{1000 * again.seconds:.1f}", "")
        visits, failed = measure_sessions(spec, facts, photo)
        every = sorted(taken for visit in visits for taken in visit)
        slowest, fastest = (pick(statistics.mean(visit) for visit in visits) for pick in (max, min))
        table.add_row(f"{name}, {SESSIONS} sessions", f"errors in {len(every)} answers", str(failed), "0")
        shown = f"{statistics.median(every):.0f} / {find_p95(every):.0f} / {every[-1]:.0f}"
        table.add_row("", "ms, median / p95 / worst", shown, "")
        table.add_row("", "slowest session's mean / fastest's", f"{slowest / fastest:.2f}", "")
        table.columns[2].header = f"measured ({describe_device(model.device)})"


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer runs and a tenth of the images: to see whether it works")
    quick = parser.parse_known_args()[0].quick
    runs, images = (5, IMAGES // 10) if quick else (RUNS, IMAGES)
    table = Table(title=f"The live probe, {CANDIDATES:,} candidates")
    for column, side in (("what", "left"), ("figure", "left"), ("measured", "right"), ("aim", "right")):
        table.add_column(column, justify=side)
    study = Study(STUDIES / "synthetic")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        larges = make_models(folder, ASKED)
        # First, since a process begins with the peak of the one that started it.
        size, bound, held, one, peak = (value / 1e6 for value in run_apart(BOUND, larges[0], str(KEPT), *larges[1:]))
        table.add_row(f"{ASKED} of {LARGE}", "MB of weights kept at most / bound", f"{held:,.0f} / {bound:,.0f}", "below")
        table.add_row("", f"MB, peak of all memory / of one alone ({size:,.0f} of weights)", f"{peak:,.0f} / {one:,.0f}", "")
        add_models(table, {SHIPPED: str(MODELS / SHIPPED), LARGE: larges[0]}, study, folder, runs)
        embeddings = write_embeddings(folder, images)
        places = np.random.default_rng(1).integers(0, images, 8)

        def draw_queries() -> Iterator[np.ndarray]:
            while True:
                yield from (embeddings.features[place].copy() for place in places)

        for what, call in list_searches(embeddings, folder, draw_queries()):
            (times,) = time_in_turn([call], runs)
            figure = f"{statistics.median(times):.0f} / {find_p95(times):.0f}"
            table.add_row(f"{images:,} images x {WIDTH}", f"ms, median / p95, {what}", figure, "")
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
