"""An index of all words of a corpus's captions: how fast it is made, how large it is, how long counts and pages of it take.

Reads: real captions of ../shared/data beside the checkout, drawn by lot until there are enough of them, or without them the
embedded study's. The command: python -m benchmarks.terms [--captions N] [--queries N]
What is counted is drawn from the captions: words that stand in one, or a run of them, so that a word is asked for as often as
people write it: half of the phrases have a word of the commonest twenty. The text is the captions in UTF-8, not compressed.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from backend.schema import SAMPLE_ROW_GROUP, TABLES, table_path
from backend.study import Study
from backend.terms import count_term, count_together, find_captions, terms_path
from backend.words import split_words
from backend.writing import file_entry, folder_entry
from benchmarks.text_search import read_captions
from precompute.search.terms import update_terms
from precompute.study_writer import extend_study

CORPUS = "mine"
LONGEST = 3  # words of a phrase


def write_samples(folder: Path, distinct: list[str], count: int) -> int:
    """A study of so many samples with captions drawn by lot, and nothing else; the bytes of their text."""
    chance, column, schema, text = np.random.default_rng(0), pa.array(distinct, pa.string()), TABLES["samples"].schema, 0
    begin = {"title": folder.name, "description": "", "source": "a benchmark", "built_with": {}}
    with extend_study(folder, begin) as (part, manifest):
        path = table_path(part, "samples", CORPUS)
        path.parent.mkdir()
        with pq.ParquetWriter(path, schema, compression="zstd") as writer:
            for start in range(0, count, SAMPLE_ROW_GROUP):
                rows = min(SAMPLE_ROW_GROUP, count - start)
                captions = column.take(pa.array(chance.integers(0, len(column), rows)))
                text += captions.nbytes - 4 * (rows + 1)
                held = {
                    "corpus": pa.repeat(CORPUS, rows),
                    "sample_id": pa.array(range(start, start + rows)),
                    "caption": captions,
                }
                columns = [held.get(field.name, pa.nulls(rows)).cast(field.type) for field in schema]
                writer.write_table(pa.Table.from_arrays(columns, schema=schema))
        manifest["tables"]["samples"] = folder_entry({CORPUS: file_entry(path)})
    return text


def draw_words(distinct: list[str], queries: int, width: int) -> list[list[str]]:
    """Runs of so many words in a row, each of a caption drawn by lot."""
    chance, drawn = np.random.default_rng(width), []
    while len(drawn) < queries:
        words = split_words(distinct[chance.integers(len(distinct))])
        if len(words) >= width:
            start = chance.integers(len(words) - width + 1)
            drawn.append(words[start : start + width])
    return drawn


def measure(ask: Callable[[list[str]], object], drawn: list[list[str]]) -> list[float]:
    """Milliseconds of each question."""
    spent = []
    for words in drawn:
        start = time.perf_counter()
        ask(words)
        spent.append(1000 * (time.perf_counter() - start))
    return spent


def list_questions(study: Study) -> dict[str, tuple[int, Callable[[list[str]], object]]]:
    """What is asked -> of how many words in a row, and how."""

    def count(words: list[str], method: str) -> int:
        return count_term(study, CORPUS, " ".join(words), method).count

    def page(words: list[str], method: str) -> int:
        return len(find_captions(study, CORPUS, " ".join(words), method))

    return {
        "count of a word": (1, lambda words: count(words, "lemmatized")),
        "count of two words, anywhere": (2, lambda words: count(words, "lemmatized")),
        "count of a phrase of two": (2, lambda words: count(words, "phrase")),
        "count of a phrase of three": (LONGEST, lambda words: count(words, "phrase")),
        "two names together": (2, lambda words: count_together(study, CORPUS, *words, "phrase")),
        "page of 24 captions, a word": (1, lambda words: page(words, "lemmatized")),
        "page of 24 captions, a phrase of two": (2, lambda words: page(words, "phrase")),
    }


def main(arguments: list[str] | None = None) -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--captions", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=200)
    given = parser.parse_args(arguments)
    console, distinct = Console(width=120), read_captions()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "study"
        text = write_samples(place, distinct, given.captions)
        start, before = time.perf_counter(), time.process_time()
        update_terms(place, Path(folder) / "work", CORPUS, wanted=True)
        seconds, core_seconds = time.perf_counter() - start, time.process_time() - before
        size = sum(path.stat().st_size for path in terms_path(place, CORPUS).iterdir())
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        console.print(
            f"{given.captions:,} captions ({len(distinct):,} distinct) in {seconds:.1f} s: {given.captions / seconds:,.0f} a "
            f"second, {given.captions / core_seconds:,.0f} a core second, {peak:,.0f} MB. The index has {size / 1e6:,.1f} MB, "
            f"{size / text:.2f} of the text's {text / 1e6:,.1f} MB."
        )
        study = Study(place)
        first = measure(lambda words: count_term(study, CORPUS, words[0], "phrase"), [["rose"]])[0]
        table = Table(title=f"{given.queries} questions of each kind, ms; opening the index and a first count: {first:.1f}")
        for column in ("what", "p50", "p95", "worst"):
            table.add_column(column, justify="left" if column == "what" else "right")
        for what, (width, ask) in list_questions(study).items():
            spent = measure(ask, draw_words(distinct, given.queries, width))
            table.add_row(what, *(f"{figure:.1f}" for figure in (*np.percentile(spent, [50, 95]), max(spent))))
        console.print(table)


if __name__ == "__main__":
    main()
