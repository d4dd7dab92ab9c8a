"""What an image is compared with: sets of names that a study offers, or that a user typed."""

import math
from dataclasses import dataclass

import pandas as pd

from backend.concepts import find_concepts, list_concepts
from backend.errors import EmptySelection, TailscopeError
from backend.frequency import count_concepts
from backend.models.prompts import spell_name
from backend.study import Study
from backend.testset import read_names
from backend.words import canonical

KIND = "classification"
TAIL_SHARE = 0.1  # of the concepts, where the study names no tail benchmark
MAX_TYPED = 1_000


@dataclass(frozen=True)
class Candidates:
    """What an image is compared with: `names` as prompts say them, and the study's concept of each (None: not in it).

    task: the one whose labels they are, or None.
    """

    title: str
    names: tuple[str, ...]
    concepts: tuple[str | None, ...]
    task: str | None = None


def list_candidate_sets(study: Study) -> pd.DataFrame:
    """key, title, names: the sets of candidates that a study offers, with how many each has."""
    study.require("concepts")
    concepts = len(list_concepts(study))
    tail = count_tail(study)
    rows = [
        ("all", "All concepts of the study", concepts),
        ("tail", name_tail(study), tail),
        ("head", "The most frequent concepts", min(tail, concepts)),
    ]
    tasks = study.query(
        "SELECT task, count(*) AS labels FROM concepts WHERE kind = $kind GROUP BY task ORDER BY task", kind=KIND
    )
    rows += [(f"task:{row.task}", f"Labels of {row.task}", row.labels) for row in tasks.itertuples(index=False)]
    return pd.DataFrame(rows, columns=["key", "title", "names"])


def choose_candidates(study: Study, key: str, method: str) -> Candidates:
    """The candidates of a key of `list_candidate_sets`; head and tail go by the counts of `method`.

    Without a tail benchmark the tail is the least frequent tenth. Raises EmptySelection for a key that the study lacks.
    """
    sets = list_candidate_sets(study).set_index("key")["title"]
    if key not in sets:
        raise EmptySelection(f"Study '{study.name}' has no candidates '{key}'. It has: {', '.join(sets.index)}.")
    kind, _, task = key.partition(":")
    if kind == "task":
        rows = study.query("SELECT label, concept FROM concepts WHERE task = $task ORDER BY label", task=task)
        names = tuple(spell_name(label) for label in rows["label"])
        return Candidates(sets[key], names, tuple(rows["concept"]), task)
    if kind == "all":
        concepts = list_concepts(study)
    elif kind == "tail" and study.has("tail"):
        concepts = tuple(study.query("SELECT DISTINCT concept FROM tail ORDER BY concept")["concept"])
    else:
        ranked = average_percentiles(study, method).sort_values("percentile", ascending=kind == "tail", kind="stable")
        concepts = tuple(sorted(ranked.index[: count_tail(study)]))
    return Candidates(sets[key], concepts, concepts)


def read_candidates(study: Study, text: str) -> Candidates:
    """The candidates that a user typed: one a line, or between commas; repetitions are left out.

    A name that the study spells so, but for capitals and underscores, has its concept. Raises TailscopeError for no name,
    or more than `MAX_TYPED`.
    """
    if not text.lstrip().startswith(("[", "{")):  # no list of JSON or Python
        lines = [part.strip() for line in text.splitlines() for part in (line.split(",") if "\t" not in line else [line])]
        text = "\n".join(line for line in lines if line)
    names = list(dict.fromkeys(spell_name(name) for name in read_names(text)))
    if not 1 <= len(names) <= MAX_TYPED:
        raise TailscopeError(f"{len(names):,} names: type from 1 to {MAX_TYPED:,}, one a line or between commas.")
    concepts = tuple(match.concept for match in find_concepts(study, names, limit=1))
    return Candidates("Names that were typed", tuple(names), concepts)


def find_candidate(candidates: Candidates, text: str) -> int | None:
    """The number of the candidate that a text names, by name or concept, whatever its capitals; None where there is none."""
    key = canonical(text)
    for names in (candidates.names, candidates.concepts):
        for number, name in enumerate(names):
            if name is not None and canonical(name) == key:
                return number
    return None


def average_percentiles(study: Study, method: str) -> pd.DataFrame:
    """The mean percentile of every counted concept over the corpora, indexed by concept."""
    return count_concepts(study, method).groupby("concept")[["percentile"]].mean()


def count_tail(study: Study) -> int:
    if study.has("tail"):
        return int(study.query("SELECT count(DISTINCT concept) AS concepts FROM tail")["concepts"].iloc[0])
    return math.ceil(TAIL_SHARE * len(list_concepts(study)))


def name_tail(study: Study) -> str:
    if study.has("tail"):
        return f"The tail: {study.manifest.get('tail', {}).get('title', 'the study’s benchmark')}"
    return "The least frequent concepts"
