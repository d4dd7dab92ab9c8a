"""The text method `synonyms`: the names of concepts are searched for as phrases, and each hit counts for whom it names.

A vocabulary of `names.names` is searched like one of concepts; `fold_names` makes of what was found the hits of the concepts by
every method, `synonyms` among them, and each name's own count. Names are counted when a corpus is indexed and when they change,
in the captions that the study holds: that costs a pass over these for the concepts that have synonyms, and no other search.
Reads: synonyms, samples. Writes: name_counts, and the rows of `synonyms` in frequency.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from backend.errors import TailscopeError
from backend.schema import TABLES, corpus_files, table_path
from backend.study import Study
from backend.synonyms import METHOD, Names, gather_names, list_synonyms
from backend.tables import replace_rows, to_arrow, write_table
from backend.words import canonical
from precompute.search.corpus_files import read_batches
from precompute.search.ranges import expand_ranges
from precompute.search.text import compile_vocabulary, search_captions
from precompute.study_writer import extend_study
from precompute.vocabulary import list_concepts, write_synonyms

SAME_WITHOUT = "phrase"  # what the method counts for a concept that has no other name
_BATCH = 1 << 16

Pairs = tuple[np.ndarray, np.ndarray]  # caption rows, concept numbers: int32 (hits,) each, sorted by both


@dataclass(frozen=True, eq=False)
class FoldedHits:
    """The hits of concepts by each method, and how many captions have each name as a phrase, int64 (names,)."""

    found: dict[str, Pairs]
    names: np.ndarray


def fold_names(found: dict[str, Pairs], names: Names, concepts: int) -> FoldedHits:
    """The hits of the first `concepts` of some names, which are the concepts' own, out of those of all names.

    A caption that has several of a concept's names is one hit of it by `synonyms`.
    """
    own = {method: _keep_own(pairs, concepts) for method, pairs in found.items()}
    rows, numbers = found["phrase"]
    widths = np.array([len(owners) for owners in names.owners], np.int64)
    flat = np.array([concept for owners in names.owners for concept in owners], np.int64)
    starts = widths.cumsum() - widths
    lengths = widths[numbers]
    keys = np.repeat(rows, lengths) * np.int64(max(concepts, 1)) + flat[expand_ranges(starts[numbers], lengths)]
    folded_rows, folded = np.divmod(np.unique(keys), max(concepts, 1))
    own[METHOD] = folded_rows.astype(np.int32), folded.astype(np.int32)
    return FoldedHits(own, np.bincount(numbers, minlength=len(names.names)))


def _keep_own(pairs: Pairs, concepts: int) -> Pairs:
    rows, numbers = pairs
    kept = numbers < concepts
    return rows[kept], numbers[kept]


def add_synonyms(study: Path, synonyms: Mapping[str, Sequence[str]], source: str) -> tuple[int, list[str]]:
    """Gives concepts of a study further names instead of those that the same source gave before, and counts them.

    Returns how many names the study has from that source now, and the names in `synonyms` that are no concept of it. Raises
    TailscopeError where none is.
    """
    known = set(list_concepts(study))
    given = {canonical(name): others for name, others in synonyms.items()}
    strange = sorted(set(given) - known)
    if given and len(strange) == len(given):
        raise TailscopeError(
            f"None of the {len(given):,} names with synonyms is a concept of study '{study.name}', such as "
            f"“{strange[0]}”. Add them first: --task NAME=CLASSNAMES.txt"
        )
    with extend_study(study) as (part, manifest):
        count = write_synonyms(part, manifest, {source}, [pair for pair in given.items() if pair[0] in known], source)
        for corpus in manifest.get("search", {}):
            count_names(part, manifest, corpus)
    return count, strange


def count_names(part: Path, manifest: dict, corpus: str) -> None:
    """Counts the names of a study's concepts in a corpus that it holds the captions of; without synonyms, takes counts out.

    A concept without another name counts as it does as a phrase.
    """
    study = Study(part, manifest)
    samples = corpus_files(part, "samples", corpus)
    if not samples or not study.has("frequency"):
        return
    synonyms = list_synonyms(study)
    counted = study.query("SELECT DISTINCT concept FROM frequency WHERE corpus = $corpus ORDER BY concept", corpus=corpus)
    concepts = [concept for concept in counted["concept"] if concept in synonyms]
    names = gather_names(concepts, synonyms)
    hits, of_names = _count_captions(samples, names, len(concepts))
    rows = [
        (corpus, concepts[owner], name, count)
        for name, owners, count in zip(names.names, names.owners, of_names.tolist(), strict=True)
        for owner in owners
    ]
    _write_name_counts(part, manifest, corpus, rows)
    _write_frequency(part, manifest, corpus, dict(zip(concepts, hits.tolist(), strict=True)))


def _count_captions(samples: Sequence[Path], names: Names, concepts: int) -> tuple[np.ndarray, np.ndarray]:
    """The captions of a corpus's files of samples that each concept is named in, and that have each name, int64."""
    hits, of_names = np.zeros(concepts, np.int64), np.zeros(len(names.names), np.int64)
    if not concepts:
        return hits, of_names
    vocabulary = compile_vocabulary(names.names)
    for batch in read_batches(samples, _BATCH, ["caption"]):
        folded = fold_names(search_captions(batch["caption"], vocabulary), names, concepts)
        hits += np.bincount(folded.found[METHOD][1], minlength=concepts)
        of_names += folded.names
    return hits, of_names


def _write_name_counts(part: Path, manifest: dict, corpus: str, rows: list[tuple]) -> None:
    columns = TABLES["name_counts"].schema.names
    path = table_path(part, "name_counts")
    held = pq.read_table(path).to_pandas() if path.is_file() else pd.DataFrame(columns=columns)
    every = pd.concat([held[held["corpus"] != corpus], pd.DataFrame(rows, columns=columns)])
    if len(every) or path.is_file():
        every = every.astype({"count": "int64"}).sort_values(["corpus", "concept", "name"])
        manifest["tables"]["name_counts"] = write_table(part, "name_counts", to_arrow("name_counts", every))


def _write_frequency(part: Path, manifest: dict, corpus: str, counts: dict[str, int]) -> None:
    rows = pq.read_table(table_path(part, "frequency")).to_pandas()
    ours = (rows["corpus"] == corpus) & (rows["method"] == METHOD)
    if not counts and not ours.any():
        return
    phrases = rows[(rows["corpus"] == corpus) & (rows["method"] == SAME_WITHOUT)].assign(method=METHOD)
    phrases["count"] = [counts.get(concept, count) for concept, count in zip(phrases["concept"], phrases["count"], strict=True)]
    if not counts:
        manifest["tables"]["frequency"] = write_table(part, "frequency", to_arrow("frequency", rows[~ours]))
    elif len(phrases):
        replace_rows(part, manifest, "frequency", phrases, ["corpus", "method"])
