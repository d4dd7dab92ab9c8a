"""Is a list of class names in the tail? Names in; the concept found, its frequencies and an expected score out."""

import csv

import numpy as np
import pandas as pd

from backend import bands
from backend.bands import MeanScore, Peers
from backend.concepts import find_concept
from backend.errors import TailscopeError
from backend.frequency import count_concepts
from backend.study import Study

MAX_NAMES = 5_000
MAX_BYTES = 1 << 20
HEADINGS = {"name", "names", "class", "classes", "label", "labels", "concept", "classname"}


def read_names(text: str) -> list[str]:
    """The class names of a text: one a line, or the first column of lines with tabs or commas, quoted where need be.

    A heading row ("name", "class", "label", ...) and empty lines are left out. Repeated names stay, each with its own row.
    Raises TailscopeError above 5,000 names.
    """
    lines = text.replace("\0", "").removeprefix("\ufeff").splitlines()
    names = [name for name in (_first_column(line.strip()) for line in lines) if name]
    if names and names[0].lower() in HEADINGS:
        names = names[1:]
    if len(names) > MAX_NAMES:
        raise TailscopeError(f"The list has {len(names):,} names; this page takes up to {MAX_NAMES:,}.")
    return names


def _first_column(line: str) -> str:
    """Each line is read by itself, so that a quote which is never closed costs no other line."""
    try:
        row = next(csv.reader([line], delimiter="\t" if "\t" in line else ",", skipinitialspace=True), [])
    except csv.Error as error:
        raise TailscopeError(f"The line that begins with “{line[:40]}” cannot be read: {error}.") from error
    return row[0].strip() if row else ""


def decode_upload(content: bytes) -> str:
    """The text of an uploaded list. Raises TailscopeError where it is too large or not UTF-8."""
    if len(content) > MAX_BYTES:
        raise TailscopeError(f"The file has {len(content):,} bytes; this page takes up to {MAX_BYTES:,}.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TailscopeError("The file is not UTF-8 text. Save it as UTF-8 (plain text or CSV) and upload it again.") from error


def match_names(study: Study, names: list[str]) -> pd.DataFrame:
    """name, concept, how (exact, label, fuzzy, none), score: what the study calls each name."""
    found = {name: find_concept(study, name, limit=1) for name in dict.fromkeys(names)}
    rows = [(name, found[name].concept, found[name].how, found[name].score) for name in names]
    return pd.DataFrame(rows, columns=["name", "concept", "how", "score"])


def look_up_names(study: Study, names: list[str], method: str) -> pd.DataFrame:
    """`match_names` with one count column a corpus, and `percentile`: the mean over corpora of the share of concepts
    that are rarer (%). Null where nothing was found or a corpus does not count the concept."""
    matched = match_names(study, names)
    ranked = count_concepts(study, method)
    counts = ranked.pivot(index="concept", columns="corpus", values="count").astype("Int64")
    counts.insert(0, "percentile", ranked.groupby("concept")["percentile"].mean())
    return matched.merge(counts, left_on="concept", right_index=True, how="left")


def expect_scores(table: pd.DataFrame, corpus: str, peers: Peers) -> pd.DataFrame:
    """The rows of `look_up_names` with expected, low, high (% of four concepts in five) and extrapolates, for one model."""
    counts = table[corpus].astype("Float64").to_numpy(float, na_value=np.nan)
    return table.join(bands.expect_scores(peers, counts).set_index(table.index))


def expect_mean(table: pd.DataFrame, corpus: str, peers: Peers) -> MeanScore | None:
    """The mean score to expect over the concepts of `look_up_names`, each once; None where none is counted."""
    counts = table.drop_duplicates("concept")[corpus].dropna()
    return bands.expect_mean(peers, counts.to_numpy(float))
