"""What an image is compared with: sets of names that a study offers, or that a user typed."""

from dataclasses import dataclass

import pandas as pd

from backend.concepts import find_concepts, list_concepts
from backend.errors import EmptySelection, TailscopeError
from backend.frequency import count_concepts
from backend.models.prompts import spell_name
from backend.study import Study
from backend.tail import average_percentiles, list_tail, name_tail
from backend.testset import read_names
from backend.words import canonical

KIND = "classification"
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


def list_candidate_sets(study: Study, method: str) -> pd.DataFrame:
    """key, title, names: the sets of candidates that a study offers, with how many each has by the counts of `method`."""
    study.require("concepts")
    rows = [("all", "All concepts of the study", len(list_concepts(study)))]
    if tail := list_tail(study, method):
        rows.append(("tail", name_tail(study), len(tail)))
        if head := _list_head(study, method, len(tail)):
            rows.append(("head", "The most frequent concepts", len(head)))
    tasks = study.query(
        "SELECT task, count(*) AS labels FROM concepts WHERE kind = $kind GROUP BY task ORDER BY task", kind=KIND
    )
    rows += [(f"task:{row.task}", f"Labels of {row.task}", row.labels) for row in tasks.itertuples(index=False)]
    return pd.DataFrame(rows, columns=["key", "title", "names"])


def choose_candidates(study: Study, key: str, method: str) -> Candidates:
    """The candidates of a key of `list_candidate_sets`; head and tail go by the counts of `method`.

    There are as many in the head as in the tail (`backend.tail`). Raises EmptySelection for a key that the study lacks.
    """
    sets = list_candidate_sets(study, method).set_index("key")["title"]
    if key not in sets:
        raise EmptySelection(f"Study '{study.name}' has no candidates '{key}'. It has: {', '.join(sets.index)}.")
    kind, _, task = key.partition(":")
    if kind == "task":
        rows = study.query("SELECT label, concept FROM concepts WHERE task = $task ORDER BY label", task=task)
        names = tuple(spell_name(label) for label in rows["label"])
        return Candidates(sets[key], names, tuple(rows["concept"]), task)
    if kind == "all":
        concepts = list_concepts(study)
    elif kind == "tail":
        concepts = list_tail(study, method)
    else:
        concepts = _list_head(study, method, len(list_tail(study, method)))
    return Candidates(sets[key], concepts, concepts)


def _list_head(study: Study, method: str, size: int) -> tuple[str, ...]:
    """So many of the most frequent concepts, on average over the corpora; of equally frequent ones the first by name."""
    if not study.has("frequency"):
        return ()
    percentiles = average_percentiles(count_concepts(study, method))
    return tuple(sorted(percentiles.sort_values(ascending=False, kind="stable").index[:size]))


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
