"""Studies of a few rows, for answers that can be worked out by hand."""

from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from backend.methods import Method
from backend.schema import SCHEMA_VERSION, TABLES
from backend.study import Study
from backend.tables import write_table
from backend.words import canonical
from backend.writing import folder_entry, write_manifest

MANIFEST = {
    "schema_version": SCHEMA_VERSION,
    "study": "tiny",
    "title": "A tiny study",
    "description": "Made by hand.",
    "source": "a test",
    "created": "2026-01-02T03:04:05+00:00",
    "counts": {},
}

ANIMALS = {"small": {"ant": 0, "bee": 1, "cat": 10, "dog": 100, "elk": 100}, "large": {"ant": 5, "bee": 0, "dog": 300}}
"""Two corpora by `lemmatized`: a zero and a tie in the first; the second does not count two of the five concepts."""


def count_rows(corpus: str, method: str, counts: dict[str, int], task: str = "animals") -> list[dict]:
    """Rows of `frequency`: one a label, its concept the label's canonical form."""
    modality = Method(method).modality
    return [
        {
            "corpus": corpus,
            "task": task,
            "label": label,
            "concept": canonical(label),
            "modality": modality,
            "method": method,
            "count": count,
        }
        for label, count in counts.items()
    ]


def score_rows(model: str, values: dict[str, float], task: str = "animals", setting: str = "plain") -> list[dict]:
    """Rows of `performance` for a classification task."""
    return [
        {
            "task": task,
            "kind": "classification",
            "model": model,
            "setting": setting,
            "label": label,
            "concept": canonical(label),
            "value": float(value),
            "n": None,
        }
        for label, value in values.items()
    ]


def overall_row(model: str, task: str, value: float, setting: str = "plain") -> dict:
    """A row of `overall` for a classification task."""
    row = {"task": task, "kind": "classification", "model": model, "setting": setting, "value": float(value)}
    return row | {"source": "a test"}


def model_row(model: str, corpus: str | None) -> dict:
    """A row of `models`."""
    return {"model": model, "architecture": model, "pretraining": corpus, "corpus": corpus, "checkpoint": None}


def animal_rows() -> list[dict]:
    """The rows of `frequency` for `ANIMALS`."""
    return [row for corpus, counts in ANIMALS.items() for row in count_rows(corpus, "lemmatized", counts)]


def write_study(
    folder: Path, frequency: Iterable[dict] = (), *, pairs: dict[str, int] | None = None, manifest: dict | None = None, **tables
) -> Study:
    """A study of these rows, a table a keyword; `concepts` and `corpora` follow from the counts unless they are given.

    A corpus is titled by its name in capitals and ordered by `pairs`, where it has some.
    """
    folder.mkdir(parents=True, exist_ok=True)
    frequency = list(frequency)
    corpora = list(dict.fromkeys(row["corpus"] for row in frequency))
    pairs = pairs or {corpus: 1000 * (i + 1) for i, corpus in enumerate(corpora)}
    labels = {(row["task"], row["label"]): row["concept"] for row in [*frequency, *tables.get("performance", [])]}
    rows = {
        "concepts": [
            {"task": task, "kind": "classification", "label": label, "concept": concept, "words": concept.split()}
            for (task, label), concept in labels.items()
        ],
        "corpora": [
            {"corpus": corpus, "title": corpus.upper(), "pairs": pairs.get(corpus), "indexed": None, "source": "a test"}
            for corpus in corpora
        ],
        "frequency": frequency,
    } | tables
    entries = {name: write_rows(folder, name, list(table)) for name, table in rows.items()}
    write_manifest(folder, MANIFEST | (manifest or {}) | {"tables": entries})
    return Study(folder)


def write_rows(folder: Path, name: str, rows: list[dict]) -> dict:
    """Writes a table of these rows, a folder table with a file for each corpus; returns its manifest entry."""
    table = pa.Table.from_pylist(rows, schema=TABLES[name].schema)
    if not TABLES[name].per_corpus:
        return write_table(folder, name, table)
    corpora = sorted({row["corpus"] for row in rows})
    return folder_entry(
        {corpus: write_table(folder, name, table.filter(pc.equal(table["corpus"], corpus)), corpus) for corpus in corpora}
    )


# One architecture on two corpora: the larger shows each animal ten times as often, the cat a hundred times.
ANIMALS_BEFORE = {"ant": 1, "bee": 10, "cat": 100, "dog": 1_000}
ANIMALS_AFTER = {"ant": 10, "bee": 100, "cat": 10_000, "dog": 10_000}


def two_corpora(folder: Path, pairs: dict[str, int | None], after: dict[str, int] = ANIMALS_AFTER) -> Study:
    """`net` trained on `small` and on `large`, with stored slopes, and `other` on `large` alone.

    On `large` each animal scores ten points more, the cat thirty.
    """
    names = ANIMALS_BEFORE
    before, later = dict(zip(names, (10, 20, 30, 40), strict=True)), dict(zip(names, (20, 30, 60, 50), strict=True))
    keys = {"kind": "classification", "setting": "plain", "method": "lemmatized", "modality": "text", "tasks": "pooled"}
    keys |= {"clusters": "concept", "n_clusters": 4, "n": 4, "n_zero": 0, "intercept": 0.0}
    slopes = {"slope": 9.0, "mixed_slope": 8.0, "mixed_low": 6.0, "mixed_high": 11.0}
    return write_study(
        folder,
        count_rows("small", "lemmatized", ANIMALS_BEFORE) + count_rows("large", "lemmatized", after),
        pairs=pairs,
        models=[
            model_row(f"{name}/{corpus}", corpus) | {"architecture": name}
            for name, corpus in (("net", "small"), ("net", "large"), ("other", "large"))
        ],
        performance=score_rows("net/small", before) + score_rows("net/large", later) + score_rows("other/large", later),
        scaling=[
            keys | slopes | {"model": "net/small", "corpus": "small"},
            keys | dict.fromkeys(slopes, 1.0) | {"model": "net/large", "corpus": "large"},
        ],
    )
