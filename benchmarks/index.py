"""The step `index` as a user runs it, on captions of a Parquet file: what each stage takes by the clock, and the peak memory.

Reads what `benchmarks.text_search` reads. A caption is the first half of one and the second half of another, both drawn by lot,
so that most are different, as they are in a corpus: equal ones would hardly take room on the disk. The command:
python -m benchmarks.index [--captions N] [--processes N] [--keep]
With --keep the run is written to data/own_run.json: the page *Web scale* tells by it what a corpus would take, until a run of
the user's own is there.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from backend.manifest import RunEntry
from backend.scale import OWN_RUN, Fleet, measure_rates, price_corpus
from backend.study import ROOT, Study
from benchmarks.text_search import read_captions, read_concepts, write_corpus

TITLE = "the program's own benchmark (halves of real captions, joined by lot)"


def halve(captions: Sequence[str]) -> tuple[list[str], list[str]]:
    """The first and the second halves of captions, by their words."""
    words = [caption.split() for caption in captions]
    return [" ".join(one[: len(one) // 2]) for one in words], [" ".join(one[len(one) // 2 :]) for one in words]


def run_step(*arguments: object) -> None:
    """A command of precompute, in a process of its own; what it prints is shown where it fails."""
    command = [sys.executable, "-m", "precompute", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")


def index_captions(folder: Path, captions: int, processes: int) -> RunEntry:
    """Indexes so many captions in a study of its own; what the manifest says of it."""
    names, shard, study = folder / "names.txt", folder / "captions.parquet", folder / "study"
    names.write_text("".join(f"{name}\n" for name in read_concepts()), encoding="utf-8")
    write_corpus(shard, halve(read_captions()), captions)
    run_step("concepts", "--study", study, "--task", f"names={names}")
    run_step("index", "--study", study, "--corpus", "web", "--shards", shard, "--processes", processes, "--no-keep")
    (run,) = Study(study).manifest.runs["web"]
    return run


def main(arguments: list[str] | None = None) -> None:
    """Prints a table of the stages, and what LAION-400M's captions would take by them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--captions", type=int, default=10_000_000)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--keep", action="store_true", help="write the run to data/own_run.json")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        run = index_captions(Path(folder), given.captions, given.processes)
    table = Table(
        title=f"{run.searched:,} captions, {len(read_concepts()):,} concepts, {run.processes} processes: {run.machine}"
    )
    for column in ("stage", "seconds by the clock"):
        table.add_column(column, justify="left" if column == "stage" else "right")
    for stage, seconds in {**run.stages, "all": sum(run.stages.values())}.items():
        table.add_row(stage, f"{seconds:.1f}")
    Console().print(table)
    print(f"{run.memory / 1e6:,.0f} MB of a process that searches, {run.peak / 1e6:,.0f} MB of the one that merges.")
    print(price_corpus(measure_rates(run, images=False), 414_080_000, Fleet(1, 16, 1.0)).describe())
    if given.keep:
        OWN_RUN.write_text(json.dumps({"title": TITLE, "run": asdict(run)}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
