"""What is in one corpus, and what does it hardly show: an indexed corpus of a study, or a file that was just counted.

Both are a `CountedCorpus`. It may be held against the corpora of any study that counted the same concepts by the same method.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from backend.errors import EmptySelection
from backend.provenance import list_lost_words
from backend.rates import MILLION, Rates, compare_rates
from backend.study import Study

MOSTLY = 0.9  # of the concepts that the reference shares: corpora that share fewer have no curve beside it
CURVE_POINTS = 200  # of a curve on logarithmic axes


@dataclass(frozen=True, eq=False)
class CountedCorpus:
    """The counts of one corpus by one method.

    `key`: what a cache of answers about it goes by; None for a file of a visitor, of which nothing is kept · `pairs`: its
    samples, None where they are not known · `counts`: concept -> samples, the largest where tasks differ · `tasks`: task,
    kind, concept · `dispersion`: how its hits clump (`rates.measure_dispersion`), None where that was not measured ·
    `lost`: the concepts whose count is known to be of fewer words than they have (`provenance.list_lost_words`) · `distinct`:
    concept -> different captions (or image files) among its samples, None where that was not counted.
    """

    key: str | None
    title: str
    pairs: int | None
    method: str
    counts: pd.Series
    tasks: pd.DataFrame
    dispersion: float | None = None
    lost: frozenset[str] = frozenset()
    distinct: pd.Series | None = None

    @property
    def missing(self) -> list[str]:
        """The concepts that it never shows, in alphabetical order."""
        return sorted(self.counts.index[self.counts == 0])


@dataclass(frozen=True)
class Dropped:
    """What became of what was read of a corpus, of one unit (samples, images, members): read = written + dropped.

    `rows`: shard (null where the study does not say), reason, count.
    """

    unit: str
    read: int
    written: int
    rows: pd.DataFrame

    @property
    def dropped(self) -> int:
        """How many were dropped."""
        return self.read - self.written


@dataclass(frozen=True)
class Facts:
    """Captions in figures: how many, how many of them distinct, the median length, the languages of a sample of them.

    `languages`: code -> share (%), the commonest first, of `sampled` captions; "und" of those that are too short to tell.
    """

    captions: int
    distinct: int
    median_words: int
    median_characters: int
    languages: Mapping[str, float]
    sampled: int


def read_corpus(study: Study, corpus: str, method: str, dispersion: float | None = None) -> CountedCorpus:
    """A corpus of a study as a report takes it. Raises EmptySelection where the study does not count it by the method."""
    study.require("corpora", "concepts")
    counts = study.ask(
        "frequency",
        """SELECT concept, max(count) AS count FROM frequency WHERE corpus = $corpus AND method = $method
           GROUP BY concept ORDER BY concept""",
        f"Study '{study.name}' has no counts of {corpus} by '{method}'.",
        corpus=corpus,
        method=method,
    )
    lost = list_lost_words(study)
    pairs = study.query("SELECT coalesce(pairs, indexed) AS pairs FROM corpora WHERE corpus = $corpus", corpus=corpus)["pairs"]
    distinct = None
    if study.has("distinct_hits"):
        rows = study.query(
            "SELECT concept, count FROM distinct_hits WHERE corpus = $corpus AND method = $method", corpus=corpus, method=method
        )
        distinct = rows.set_index("concept")["count"] if len(rows) else None
    return CountedCorpus(
        key=f"{study.token} {corpus} {method}",
        title=study.corpus_titles.get(corpus, corpus),
        pairs=int(pairs.iloc[0]) if len(pairs) and pd.notna(pairs.iloc[0]) else None,
        method=method,
        counts=counts.set_index("concept")["count"],
        tasks=list_tasks(study),
        dispersion=dispersion,
        lost=frozenset(lost.loc[(lost["corpus"] == corpus) & (lost["method"] == method), "concept"]),
        distinct=distinct,
    )


def list_tasks(study: Study) -> pd.DataFrame:
    """task, kind, concept: what a study's tasks name."""
    study.require("concepts")
    return study.query("SELECT DISTINCT task, kind, concept FROM concepts ORDER BY ALL")


def read_contents(study: Study, corpus: str) -> pd.DataFrame:
    """what, value, count: a corpus's rows of `contents`; none where the study does not describe it."""
    if not study.has("contents"):
        return pd.DataFrame({"what": pd.Series(dtype=str), "value": pd.Series(dtype=str), "count": pd.Series(dtype="int64")})
    return study.query("SELECT what, value, count FROM contents WHERE corpus = $corpus", corpus=corpus)


def find_dispersion(contents: pd.DataFrame, method: str) -> float | None:
    """How the hits of a method clump, by a corpus's `contents`; None where that was not measured."""
    measured = contents.loc[(contents["what"] == "dispersion") & (contents["value"] == method), "count"]
    return float(measured.iloc[0]) / 100 if len(measured) else None


def list_dropped(study: Study, corpus: str) -> list[Dropped]:
    """What was read and dropped when a corpus was indexed, unit by unit; nothing where the study holds counts alone."""
    books = study.manifest.counts.get("index", {}).get(corpus, {})
    shards = pd.DataFrame({"unit": []})
    if study.has("drops"):
        shards = study.query(
            """SELECT unit, nullif(shard, '') AS shard, reason, count FROM drops WHERE corpus = $corpus
               ORDER BY count DESC, unit, shard, reason""",
            corpus=corpus,
        )
    found = []
    for unit, entry in books.items():
        rows = shards[shards["unit"] == unit].drop(columns="unit")
        if rows.empty:
            dropped = entry["dropped"]
            rows = pd.DataFrame({"shard": None, "reason": list(dropped), "count": list(dropped.values())})
        found.append(Dropped(unit, entry["read"], entry["written"], rows.reset_index(drop=True)))
    return found


def rank_concepts(own: CountedCorpus) -> pd.DataFrame:
    """concept, count, distinct (different captions or image files, where those were counted), share (% of all samples, where
    their number is known), the most frequent first."""
    table = own.counts.sort_values(ascending=False, kind="stable").rename_axis("concept").reset_index()
    if own.distinct is not None:
        table["distinct"] = table["concept"].map(own.distinct)
    if own.pairs:
        table["share"] = 100 * table["count"] / own.pairs
    return table


def list_missing(own: CountedCorpus) -> pd.DataFrame:
    """concept, task (all that name it): the concepts that are never shown, in alphabetical order."""
    named = own.tasks[own.tasks["concept"].isin(own.missing)].sort_values(["concept", "task"])
    return named.groupby("concept")["task"].agg(", ".join).reset_index()


def find_facts(contents: pd.DataFrame) -> Facts | None:
    """The figures of a corpus's `contents`; None where it is not described."""
    if contents.empty:
        return None
    copies, languages = select_values(contents, "copies"), contents[contents["what"] == "language"]
    words, characters = (select_values(contents, what) for what in ("words", "characters"))
    sampled = int(languages["count"].sum())
    shares = languages.sort_values(["count", "value"], ascending=[False, True])
    return Facts(
        captions=int(words["count"].sum()),
        distinct=int(copies["count"].sum()),
        median_words=_find_median(words),
        median_characters=_find_median(characters),
        languages=dict(zip(shares["value"], 100 * shares["count"] / max(sampled, 1), strict=True)),
        sampled=sampled,
    )


def select_values(contents: pd.DataFrame, what: str) -> pd.DataFrame:
    """value (a whole number), count: the rows of one numbered kind, rising."""
    rows = contents.loc[contents["what"] == what, ["value", "count"]]
    return rows.astype({"value": "int64"}).sort_values("value", ignore_index=True)


def step_of(values: np.ndarray) -> np.ndarray:
    """How many whole numbers each value stands for, where numbers are cut to two significant digits.

    >>> step_of(np.array([7, 99, 100, 1200])).tolist()
    [1, 1, 10, 100]
    """
    return 10 ** np.maximum(np.floor(np.log10(np.maximum(values, 1))).astype(np.int64) - 1, 0)


def _find_median(rows: pd.DataFrame) -> int:
    place = np.searchsorted(rows["count"].cumsum(), rows["count"].sum() / 2)
    return int(rows["value"].iloc[place])


def list_references(own: CountedCorpus, study: Study) -> pd.DataFrame:
    """corpus, title, pairs, shared (concepts): the corpora of a study that count concepts of this one by the same method.

    Only those whose size is known, and not this corpus itself; the one that shares most, and of these the smallest, first.
    """
    if not study.has("frequency", "corpora"):
        return pd.DataFrame({"corpus": [], "title": [], "pairs": [], "shared": []})
    return study.query(
        """SELECT corpus, any_value(title) AS title, any_value(pairs) AS pairs, count(DISTINCT concept) AS shared
           FROM frequency JOIN corpora USING (corpus)
           WHERE method = $method AND pairs > 0 AND list_contains(CAST($concepts AS VARCHAR[]), concept)
             AND concat_ws(' ', $token, corpus, method) IS DISTINCT FROM $key
           GROUP BY corpus ORDER BY shared DESC, pairs, corpus""",
        method=own.method,
        concepts=list(own.counts.index),
        token=study.token,
        key=own.key,
    )


def list_counted(study: Study, method: str) -> list[str]:
    """The corpora of a study that a method counted, sorted."""
    return list(
        study.query("SELECT DISTINCT corpus FROM frequency WHERE method = $method ORDER BY corpus", method=method)["corpus"]
    )


def compare_with(own: CountedCorpus, study: Study, corpus: str) -> pd.DataFrame:
    """`rates.compare_rates` of a corpus and one of some study, over the concepts that both count by all their words.

    Raises EmptySelection where they share no concept, or the size of one is not known.
    """
    reference = read_corpus(study, corpus, own.method)
    if not own.pairs or not reference.pairs:
        unknown = own if not own.pairs else reference
        raise EmptySelection(f"How many samples {unknown.title} has is not known, so that its counts have no rate.")
    counts = own.counts.drop(own.lost | reference.lost, errors="ignore")
    table = compare_rates(Rates(counts, own.pairs), Rates(reference.counts, reference.pairs), own.dispersion or 1.0)
    if table.empty:
        raise EmptySelection(f"{own.title} and {reference.title} count no concept in common by '{own.method}'.")
    return table


def rank_rates(own: CountedCorpus, study: Study, reference: str) -> pd.DataFrame:
    """corpus (a title), concept, rank, per_million: the rank curves of a corpus, a reference and its study's other corpora.

    All over the same concepts, which all count by all their words; a corpus that shares far fewer than the reference has no
    curve. Zeros have none either.
    """
    listed = list_references(own, study)
    enough = MOSTLY * listed.loc[listed["corpus"] == reference, "shared"].max()
    drawn = [own, *(read_corpus(study, corpus, own.method) for corpus in listed.loc[listed["shared"] >= enough, "corpus"])]
    shared = own.counts.index
    for corpus in drawn:
        shared = shared.intersection(corpus.counts.index.difference(corpus.lost))
    frames = []
    for corpus in drawn:
        if corpus.pairs:
            counts = corpus.counts.loc[shared].sort_values(ascending=False, kind="stable")
            counts = counts[counts > 0]
            places = np.unique(np.geomspace(1, max(len(counts), 1), CURVE_POINTS).round().astype(int)) - 1
            curve = counts.iloc[places[places < len(counts)]]
            ranks = places[: len(curve)] + 1
            rates = MILLION * curve.to_numpy() / corpus.pairs
            title = corpus.title if corpus is own or corpus.title != own.title else f"{corpus.title}, {study.title}"
            frames.append(pd.DataFrame({"corpus": title, "concept": curve.index, "rank": ranks, "per_million": rates}))
    return pd.concat(frames, ignore_index=True)
