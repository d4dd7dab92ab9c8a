"""A gallery page of 24 images, searching captions, and building the embedded study.

Reads: the embedded study. The command: python -m benchmarks.samples
A peer or a limit stands beside each figure: images read through `tarfile` by name, captions searched through an index of
words as the paper's code does it (without its spaCy pipeline, so a lower bound of its time), the first run's 90 seconds.
"""

import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable

import pyarrow as pa
from rich.console import Console
from rich.table import Table

from backend.images import Thumbnails, make_thumbnail
from backend.samples import describe_search, find_hits
from backend.study import ROOT, STUDIES, Study
from backend.words import lemmas
from precompute.search.text import compile_vocabulary, search_captions

CORPUS = "zipf-20k"
CONCEPTS = 40  # pages of as many concepts, from frequent to rare
BUILD = """
import pathlib, sys
from precompute.synthetic.build import build_synthetic
build_synthetic(pathlib.Path(sys.argv[1]) / "synthetic", lambda stage, done: None)
"""


def measure(work: Callable[[], object]) -> float:
    """Milliseconds of one call."""
    start = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - start)


def measure_gallery(study: Study) -> list[tuple[str, list[float]]]:
    """Milliseconds of the parts of a page of 24 hits, over the pages of CONCEPTS concepts."""
    chosen = describe_search(study, CORPUS).chosen
    concepts = study.query(
        """SELECT concept FROM frequency WHERE corpus = $corpus AND method = $method AND count >= 24
           ORDER BY count DESC LIMIT $limit""",
        corpus=CORPUS,
        method=chosen.text,
        limit=CONCEPTS,
    )["concept"]
    thumbnails = Thumbnails()
    queries, cold, warm, peer = [], [], [], []
    for concept in concepts:
        options = {"text_method": chosen.text, "image_method": chosen.image}
        queries.append(measure(lambda concept=concept, options=options: find_hits(study, concept, CORPUS, "text", **options)))
        rows = list(find_hits(study, concept, CORPUS, "text", **options).itertuples(index=False))
        cold.append(measure(lambda rows=rows: [thumbnails.get(study, row) for row in rows]))
        warm.append(measure(lambda rows=rows: [thumbnails.get(study, row) for row in rows]))
        peer.append(measure(lambda rows=rows: [make_thumbnail(_extract(study, row)) for row in rows]))
    return [
        ("finding the hits", queries),
        ("24 thumbnails, cold", cold),
        ("24 thumbnails, warm", warm),
        ("peer: 24 thumbnails by member name through tarfile", peer),
    ]


def _extract(study: Study, row) -> bytes:
    with tarfile.open(study.folder / row.image) as tar:
        member = next(member for member in tar if member.offset_data == row.offset)
        return tar.extractfile(member).read()


def search_by_index(captions: list[str], concepts: list[str]) -> int:
    """The paper's way: an index from word to captions, and the captions of a concept's words intersected."""
    index: dict[str, set[int]] = defaultdict(set)
    for number, caption in enumerate(captions):
        for word in lemmas(caption):
            index[word].add(number)
    return sum(len(set.intersection(*(index[word] for word in lemmas(concept)))) for concept in concepts)


def main() -> None:
    """Prints the tables."""
    study = Study(STUDIES / "synthetic")
    console = Console(width=110)
    gallery = Table(title="A gallery page of 24 images (limit: 200 ms warm), ms")
    for column in ("what", "pages", "median", "worst"):
        gallery.add_column(column, justify="left" if column == "what" else "right")
    for what, values in measure_gallery(study):
        gallery.add_row(what, str(len(values)), f"{statistics.median(values):.1f}", f"{max(values):.1f}")
    console.print(gallery)

    captions = list(study.query("SELECT caption FROM samples")["caption"])
    column = pa.array(captions)
    concepts = list(study.query("SELECT DISTINCT concept FROM concepts")["concept"])
    vocabulary = compile_vocabulary(concepts)
    ours, theirs = [], []
    for _ in range(3):
        ours.append(measure(lambda: search_captions(column, vocabulary)))
        theirs.append(measure(lambda: search_by_index(captions, concepts)))
    ratio = statistics.median(theirs) / statistics.median(ours)
    rate = len(captions) / statistics.median(ours)
    console.print(
        f"Text search, {len(captions):,} captions, {len(concepts)} concepts, three methods at once: {rate:,.0f},000 captions a "
        f"second; the paper's index with one method takes {ratio:.2f} times as long.\n"
    )
    seconds, peak = measure_build()
    console.print(
        f"Building the embedded study (limit: 90 s on two cores): {seconds:.1f} s; at most {peak:,.0f} MB in all its "
        "processes, what they share counted in each."
    )


def measure_build() -> tuple[float, float]:
    """Seconds of a build in a new process, and the peak of the memory (MB) of that process and those that it starts."""
    with tempfile.TemporaryDirectory() as folder:
        start, peak = time.perf_counter(), 0
        build = subprocess.Popen([sys.executable, "-W", "ignore", "-c", BUILD, folder], cwd=ROOT, start_new_session=True)
        while build.poll() is None:
            time.sleep(0.5)
            shown = subprocess.run(["ps", "-o", "rss=", "-s", str(build.pid)], capture_output=True, text=True).stdout
            peak = max(peak, sum(int(size) for size in shown.split()))
        if build.returncode:
            raise SystemExit("The build failed.")
        return time.perf_counter() - start, peak / 1024


if __name__ == "__main__":
    main()
