"""Is a list of class names in the tail? Names in; the concept found, its frequencies and an expected score out."""

from collections.abc import Collection

import numpy as np
import pandas as pd

from backend import bands
from backend.bands import MeanScore, Peers
from backend.class_lists import ClassList, read_class_list
from backend.concepts import find_concepts
from backend.errors import TailscopeError
from backend.study import Study

MAX_NAMES = 5_000
MAX_BYTES = 1 << 20


def read_list(text: str) -> ClassList:
    """The class names of a text in any form that `class_lists` knows. Raises TailscopeError above 5,000 names."""
    found = read_class_list(text)
    if len(found.names) > MAX_NAMES:
        raise TailscopeError(f"The list has {len(found.names):,} names; this page takes up to {MAX_NAMES:,}.")
    return found


def read_names(text: str) -> list[str]:
    """The names of `read_list`. Repeated ones stay, each with its own row."""
    return list(read_list(text).names)


def decode_upload(content: bytes) -> str:
    """The text of an uploaded list. Raises TailscopeError where it is too large or not UTF-8."""
    if len(content) > MAX_BYTES:
        raise TailscopeError(f"The file has {len(content):,} bytes; this page takes up to {MAX_BYTES:,}.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TailscopeError("The file is not UTF-8 text. Save it as UTF-8 (plain text or CSV) and upload it again.") from error


def match_names(study: Study, names: list[str]) -> pd.DataFrame:
    """name, concept, how (exact, label, none), score (100 or 0), near: what the study calls each name.

    near: for a name that the study has not, the concept to offer; it is not found by that (`use_offers`).
    """
    distinct = list(dict.fromkeys(names))
    found = dict(zip(distinct, find_concepts(study, distinct, limit=1), strict=True))
    rows = [
        (name, match.concept, match.how, match.score, next(iter(match.others), None) if match.concept is None else None)
        for name, match in ((name, found[name]) for name in names)
    ]
    return pd.DataFrame(rows, columns=["name", "concept", "how", "score", "near"])


def use_offers(matched: pd.DataFrame, confirmed: Collection[str]) -> pd.DataFrame:
    """`match_names` where the names that someone confirmed stand for the concept offered; their `how` is "confirmed"."""
    taken = matched["name"].isin(set(confirmed)) & matched["near"].notna()
    return matched.assign(
        concept=matched["concept"].where(~taken, matched["near"]), how=matched["how"].where(~taken, "confirmed")
    )


def rank_names(matched: pd.DataFrame, percentiles: pd.Series) -> pd.DataFrame:
    """`match_names` with `percentile`: that of each row's concept (`tail.average_percentiles`).

    Null where nothing was found or no corpus counts the concept. The counts themselves are those of `count_concepts`.
    """
    return matched.assign(percentile=matched["concept"].map(percentiles).astype(float))


def measure_scores(study: Study, concepts: pd.Series, *, model: str, kind: str, setting: str) -> pd.Series:
    """A model's own score on each of some concepts, in their order and with their index: the mean over the tasks and labels
    that name it; null where it has none."""
    study.require("performance")
    rows = study.query(
        """SELECT concept, avg(value) AS value FROM performance
           WHERE model = $model AND kind = $kind AND setting = $setting GROUP BY concept""",
        model=model,
        kind=kind,
        setting=setting,
    )
    return concepts.map(rows.set_index("concept")["value"]).astype(float).rename("measured")


def expect_scores(table: pd.DataFrame, counts: pd.Series, peers: Peers) -> pd.DataFrame:
    """The rows of a table with expected, low, high (% of four concepts in five) and extrapolates, for one model.

    counts: of each row's concept in the model's corpus, Int64.
    """
    numbers = counts.astype("Float64").to_numpy(float, na_value=np.nan)
    return table.join(bands.expect_scores(peers, numbers).set_index(table.index))


def expect_mean(table: pd.DataFrame, counts: pd.Series, peers: Peers) -> MeanScore | None:
    """The mean score to expect over the concepts of `rank_names`, each once; None where none is counted.

    counts: of each row's concept in the model's corpus, Int64.
    """
    once = counts[~table["concept"].duplicated()].dropna()
    return bands.expect_mean(peers, once.to_numpy(float))
