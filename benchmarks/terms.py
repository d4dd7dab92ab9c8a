"""An index of all words of a corpus's captions: how fast it is made, how large it is, how long answers about any name take.

Reads: real captions of ../shared/data beside the checkout, drawn by lot until there are enough of them, or without them the
embedded study's; the concepts, models and scores of the published study, else of the embedded one, whose main corpus stands
for the one of these captions. The command: python -m benchmarks.terms [--captions N] [--queries N] [--folder DIR]
What is asked: names, which are the concepts that some caption says, in three bands by how many do, drawn by lot; and, harder,
words that stand in a row in captions drawn by lot ("in a"), so that the commonest are asked for as often as people write them.
The text that the index is compared with is the captions in UTF-8, not compressed. With --folder the study is left there, and
asked again by the next run.
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

from backend.defaults import pick_corpus
from backend.frequency import list_corpora
from backend.scaling import list_settings
from backend.schema import MANIFEST, SAMPLE_ROW_GROUP, TABLES, table_path
from backend.study import STUDIES, Study
from backend.tables import to_arrow, write_table
from backend.terms import count_term, count_together, expect_scores, find_captions, place_count, terms_path
from backend.words import split_words
from backend.writing import file_entry, folder_entry
from benchmarks.text_search import read_captions, read_concepts
from precompute.search.terms import update_terms
from precompute.study_writer import extend_study

CORPUS = "mine"
Asking = Callable[[list[str]], object]


def write_study(folder: Path, distinct: list[str], count: int) -> int:
    """A study of so many samples with captions drawn by lot, and the tables that answers hang on; the bytes of their text."""
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
        copy_tables(open_source(), part, manifest)
    return text


def open_source() -> Study:
    """The published study, else the embedded one."""
    return Study(STUDIES / ("published" if (STUDIES / "published").is_dir() else "synthetic"))


def copy_tables(source: Study, folder: Path, manifest: dict) -> None:
    """Puts the concepts, counts, models and scores of a study into another, as of its corpus: those of the main one there."""
    corpora = list_corpora(source)["corpus"].tolist()
    main = pick_corpus(source, tuple(corpora))
    for name in ("concepts", "corpora", "frequency", "models", "performance"):
        rows = source.query(f"SELECT * FROM {name}")
        if "corpus" in rows:
            rows = rows[rows["corpus"] == main].assign(corpus=CORPUS)
        manifest["tables"][name] = write_table(folder, name, to_arrow(name, rows))


def band_names(study: Study, queries: int) -> dict[str, list[str]]:
    """The names that some caption says, a third of them each: frequent, middling and rare ones; of each so many by lot."""
    concepts = sorted(study.query("SELECT DISTINCT concept FROM concepts")["concept"])
    counts = {name: count_term(study, CORPUS, name, "lemmatized").count for name in concepts if split_words(name)}
    ranked = sorted((name for name, count in counts.items() if count), key=counts.get, reverse=True)
    chance, thirds = np.random.default_rng(0), np.array_split(np.array(ranked, dtype=object), 3)
    bands = {}
    for band, names in zip(("frequent", "middling", "rare"), thirds, strict=True):
        title = f"{band} ({counts[names[-1]]:,} to {counts[names[0]]:,})"
        bands[title] = [names[number] for number in chance.integers(0, len(names), queries)]
    return bands


def list_answers(study: Study, distinct: list[str], queries: int) -> dict[str, Callable[[str, int], object]]:
    """What is asked about a name -> how, given the name and the number of the question."""
    concepts, chance = read_concepts(), np.random.default_rng(1)
    others = [concepts[number] for number in chance.integers(0, len(concepts), queries)]
    (kind, setting), *_ = list_settings(study)[["kind", "setting"]].itertuples(index=False, name=None)
    words = [word for (word,) in draw_words(distinct, queries, 1)]

    def rank(name: str, number: int) -> object:
        return place_count(study, CORPUS, "lemmatized", count_term(study, CORPUS, name, "lemmatized").count)

    def expect(name: str, number: int) -> object:
        count = count_term(study, CORPUS, name, "lemmatized").count
        return expect_scores(study, CORPUS, "lemmatized", count, kind=kind, setting=setting)

    return {
        "count, all words": lambda name, number: count_term(study, CORPUS, name, "lemmatized"),
        "count, as a phrase": lambda name, number: count_term(study, CORPUS, name, "phrase"),
        "page of 24 captions": lambda name, number: find_captions(study, CORPUS, name, "phrase"),
        "rank among the concepts": rank,
        "expected scores of the models": expect,
        "together with a concept": lambda name, number: count_together(study, CORPUS, name, others[number], "lemmatized"),
        "together with a word of a caption": lambda name, number: count_together(study, CORPUS, name, words[number], "phrase"),
    }


def draw_words(distinct: list[str], queries: int, width: int) -> list[list[str]]:
    """Runs of so many words in a row, each of a caption drawn by lot."""
    chance, drawn = np.random.default_rng(width), []
    while len(drawn) < queries:
        words = split_words(distinct[chance.integers(len(distinct))])
        if len(words) >= width:
            start = chance.integers(len(words) - width + 1)
            drawn.append(words[start : start + width])
    return drawn


def measure(ask: Callable[..., object], asked: list[tuple]) -> np.ndarray:
    """Milliseconds of each question by the clock."""
    spent = []
    for question in asked:
        start = time.perf_counter()
        ask(*question)
        spent.append(time.perf_counter() - start)
    return 1000 * np.array(spent)


def list_questions(study: Study, distinct: list[str], queries: int) -> dict[str, tuple[Asking, list[list[str]]]]:
    """What is asked of words that stand in captions -> how, and the words of each question."""

    def count(words: list[str], method: str) -> int:
        return count_term(study, CORPUS, " ".join(words), method).count

    def page(words: list[str]) -> int:
        return len(find_captions(study, CORPUS, " ".join(words), "phrase"))

    two, three = (draw_words(distinct, queries, width) for width in (2, 3))
    return {
        "count of one": (lambda words: count(words, "phrase"), draw_words(distinct, queries, 1)),
        "count of two, anywhere": (lambda words: count(words, "lemmatized"), two),
        "count of two in a row": (lambda words: count(words, "phrase"), two),
        "count of three in a row": (lambda words: count(words, "phrase"), three),
        "page of 24, two in a row": (page, two),
    }


def make(place: Path, distinct: list[str], captions: int, console: Console) -> None:
    """Makes the study with its index, and says what that took."""
    text = write_study(place, distinct, captions)
    start, before = time.perf_counter(), time.process_time()
    update_terms(place, place.with_name(f"{place.name}-work"), CORPUS, wanted=True)
    seconds, core_seconds = time.perf_counter() - start, time.process_time() - before
    size = sum(path.stat().st_size for path in terms_path(place, CORPUS).iterdir())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    console.print(
        f"{captions:,} captions ({len(distinct):,} distinct) in {seconds:.1f} s: {captions / seconds:,.0f} a second, "
        f"{captions / core_seconds:,.0f} a core second, {peak:,.0f} MB. The index has {size / 1e6:,.1f} MB, "
        f"{size / text:.2f} of the text's {text / 1e6:,.1f} MB."
    )


def tabulate(study: Study, distinct: list[str], queries: int) -> tuple[Table, Table]:
    """The tables of names and of words of captions: p50 and p95 by the clock."""
    bands = band_names(study, queries)
    names = Table("names", *bands, title=f"{queries} names of each band, by how many captions say them: p50 / p95, ms")
    for what, ask in list_answers(study, distinct, queries).items():
        ask(next(iter(bands.values()))[0], 0)  # what is read once
        cells = []
        for drawn in bands.values():
            clock = measure(ask, [(name, number) for number, name in enumerate(drawn)])
            cells.append(" / ".join(f"{figure:.1f}" for figure in np.percentile(clock, [50, 95])))
        names.add_row(what, *cells)
    words = Table("words of captions", "p50", "p95", "worst", title=f"{queries} questions of each kind, ms")
    for what, (ask, asked) in list_questions(study, distinct, queries).items():
        clock = measure(ask, [(one,) for one in asked])
        words.add_row(what, *(f"{figure:.1f}" for figure in (*np.percentile(clock, [50, 95]), max(clock))))
    return names, words


def main(arguments: list[str] | None = None) -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--captions", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--folder", type=Path, help="of the study, which stays; one that is there is asked as it is")
    given = parser.parse_args(arguments)
    console, distinct = Console(width=120), read_captions()
    with tempfile.TemporaryDirectory() as folder:
        place = given.folder or Path(folder) / "study"
        if not (place / MANIFEST).is_file():
            make(place, distinct, given.captions, console)
        study = Study(place)
        first = measure(lambda: count_term(study, CORPUS, "rose", "phrase"), [()])[0]
        console.print(f"Opening the index, and a first count: {first:.1f} ms")
        for table in tabulate(study, distinct, given.queries):
            console.print(table)


if __name__ == "__main__":
    main()
