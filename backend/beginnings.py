"""Concepts to begin with: some that everybody knows, some that are rare all the same, and some that were counted wrongly.

How well known a concept is, is told by how many tasks name it.
"""

from dataclasses import dataclass

from backend.flags import list_zeros
from backend.frequency import count_concepts, list_methods
from backend.provenance import list_lost_words
from backend.study import Study
from backend.tail import average_percentiles, find_tail
from backend.words import split_words

EACH = 7  # names in a row
EXTREME = 10  # percent of the concepts, at either end
LONGEST = 24  # letters of a name that fits into a row with others


@dataclass(frozen=True)
class Beginning:
    """A row of concepts with what they have in common."""

    title: str
    concepts: tuple[str, ...]


def suggest_concepts(study: Study) -> tuple[Beginning, ...]:
    """Rows of well-known and common, well-known and rare, and wrongly counted concepts; those without any are left out.

    Common and rare are the commonest and the rarest tenth by the widest-used method, on average over the corpora; well known,
    where tasks share concepts, are those that at least two tasks name. Names of few words come first, then those of many tasks.
    """
    percentiles = average_percentiles(count_concepts(study, list_methods(study)["method"].iloc[0]))
    known = study.query("SELECT concept, count(DISTINCT task) AS tasks FROM concepts GROUP BY concept ORDER BY concept")
    known["words"] = [len(split_words(concept)) for concept in known["concept"]]
    zeros = list_zeros(study)
    wrong = zeros.assign(seen=zeros[["said", "shown"]].max(axis=1)).groupby("concept")["seen"].max()
    short = known[known["concept"].str.len() <= LONGEST]
    sound = short[~short["concept"].isin({*wrong.index, *list_lost_words(study)["concept"]})]
    famous = known["tasks"].max() > 1
    sound = sound[sound["tasks"] > famous].sort_values(["tasks", "concept"], ascending=[False, True])
    common, rare = (
        sound[sound["concept"].isin(find_tail(ordered, EXTREME).concepts)] for ordered in (-percentiles, percentiles)
    )
    odd = (
        short.assign(seen=short["concept"].map(wrong)).dropna(subset="seen").sort_values("seen", ascending=False, kind="stable")
    )
    rows = (
        ("Well known and often shown" if famous else "Often shown", common),
        ("Well known, yet hardly shown" if famous else "Hardly shown", rare),
        ("Counted wrongly", odd),
    )
    picked = ((title, found.sort_values("words", kind="stable")["concept"].head(EACH)) for title, found in rows)
    return tuple(Beginning(title, tuple(names)) for title, names in picked if len(names))
