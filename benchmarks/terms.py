"""An index of all words of a corpus's captions: how fast it is made, how large it is, how long counts and pages of it take.

Reads: real captions of ../shared/data beside the checkout, drawn by lot until there are enough of them, or without them the
embedded study's. The command: python -m benchmarks.terms [--captions N] [--queries N]
What is counted: names, which are the concepts of the published study (else of the embedded one), drawn by lot; and, harder,
words that stand in a row in captions drawn by lot ("in a"), so that the commonest are asked for as often as people write them.
The text that the index is compared with is the captions in UTF-8, not compressed.
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
from benchmarks.text_search import read_captions, read_concepts
from precompute.search.terms import update_terms
from precompute.study_writer import extend_study

CORPUS = "mine"
Asking = Callable[[list[str]], object]


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


def measure(ask: Asking, drawn: list[list[str]]) -> np.ndarray:
    """Milliseconds of each question by the clock, and of all cores: (2, questions)."""
    spent = []
    for words in drawn:
        start, before = time.perf_counter(), time.process_time()
        ask(words)
        spent.append((time.perf_counter() - start, time.process_time() - before))
    return 1000 * np.array(spent).T


def list_questions(study: Study, distinct: list[str], queries: int) -> dict[str, tuple[Asking, list[list[str]]]]:
    """What is asked -> how, and the words of each question."""

    def count(words: list[str], method: str) -> int:
        return count_term(study, CORPUS, " ".join(words), method).count

    def page(words: list[str]) -> int:
        return len(find_captions(study, CORPUS, " ".join(words), "phrase"))

    concepts = [words for words in map(split_words, read_concepts()) if words]
    chance = np.random.default_rng(0)
    names = [concepts[number] for number in chance.integers(0, len(concepts), queries)]
    two, three = (draw_words(distinct, queries, width) for width in (2, 3))
    return {
        "names: count, all words": (lambda words: count(words, "lemmatized"), names),
        "names: count, as a phrase": (lambda words: count(words, "phrase"), names),
        "names: together with a word of a caption": (
            lambda words: count_together(study, CORPUS, " ".join(words[1:]), words[0], "phrase"),
            [[word, *name] for (word,), name in zip(draw_words(distinct, queries, 1), names, strict=True)],
        ),
        "names: page of 24 captions": (page, names),
        "words of captions: count of one": (lambda words: count(words, "phrase"), draw_words(distinct, queries, 1)),
        "words of captions: count of two, anywhere": (lambda words: count(words, "lemmatized"), two),
        "words of captions: count of two in a row": (lambda words: count(words, "phrase"), two),
        "words of captions: count of three in a row": (lambda words: count(words, "phrase"), three),
        "words of captions: page of 24, two in a row": (page, two),
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
        first = measure(lambda words: count_term(study, CORPUS, words[0], "phrase"), [["rose"]])[0, 0]
        table = Table(title=f"{given.queries} questions of each kind, ms; opening the index and a first count: {first:.1f}")
        for column in ("what", "p50", "p95", "worst", "core p50", "core p95"):
            table.add_column(column, justify="left" if column == "what" else "right")
        for what, (ask, asked) in list_questions(study, distinct, given.queries).items():
            clock, cores = measure(ask, asked)
            figures = (*np.percentile(clock, [50, 95]), max(clock), *np.percentile(cores, [50, 95]))
            table.add_row(what, *(f"{figure:.1f}" for figure in figures))
        console.print(table)


if __name__ == "__main__":
    main()
