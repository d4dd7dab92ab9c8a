"""How often each corpus shows each concept: ranks, tails, inequality, and how far countings agree.

A concept may carry several counts in one corpus, one for each task that names it. Where a figure needs one number, it is
the largest of them, and the text beside it says so; `list_counts` shows them all.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from backend.errors import EmptySelection
from backend.methods import list_thresholds
from backend.remember import remember
from backend.study import Study

NARROW = 0.25  # of the widest corpus's concepts
CURVE_POINTS = 200  # a curve on logarithmic axes; more points would not be visible
TAIL_LIMITS = (0, 10, 100, 1_000, 10_000)


@remember(16)
def list_methods(study: Study, corpus: str | None = None) -> pd.DataFrame:
    """modality, method, corpora (how many have it), counts: of all corpora or one, the widest-used method first.

    Among methods that are used as widely, those that a search chose come first.
    """
    study.require("frequency")
    return study.query(
        """SELECT modality, method, count(DISTINCT corpus) AS corpora, count(*) AS counts,
                  count_if($corpus IS NULL OR corpus = $corpus) > 0 AS wanted FROM frequency
           GROUP BY modality, method HAVING wanted
           ORDER BY corpora DESC, counts DESC, NOT list_contains(CAST($chosen AS VARCHAR[]), method), method""",
        corpus=corpus,
        chosen=sorted({method for entry in study.manifest.search.values() for method in entry.chosen.names}),
    )


def list_corpora(study: Study) -> pd.DataFrame:
    """The counted corpora, the smallest first, with `concepts`: how many are counted in each."""
    study.require("corpora", "frequency")
    return study.query(
        """SELECT corpora.*, counted.concepts FROM corpora
           JOIN (SELECT corpus, count(DISTINCT concept) AS concepts FROM frequency GROUP BY corpus) counted USING (corpus)
           ORDER BY pairs NULLS LAST, corpus"""
    )


def count_concepts(study: Study, method: str) -> pd.DataFrame:
    """corpus, concept, count, rank (1 is the most frequent), percentile (% of concepts that are rarer), concepts."""
    return study.ask(
        "frequency",
        """SELECT *, rank() OVER by_count AS rank,
                   100.0 * (rank() OVER rising - 1) / count(*) OVER in_corpus AS percentile,
                   count(*) OVER in_corpus AS concepts
            FROM (SELECT corpus, concept, max(count) AS count FROM frequency WHERE method = $method GROUP BY ALL)
            WINDOW by_count AS (PARTITION BY corpus ORDER BY count DESC),
                   rising AS (PARTITION BY corpus ORDER BY count),
                   in_corpus AS (PARTITION BY corpus)
            ORDER BY corpus, rank, concept""",
        f"No counts by method '{method}'.",
        method=method,
    )


def pick_counts(counts: pd.DataFrame, corpus: str, concepts: pd.Series) -> pd.Series:
    """The counts of some concepts in a corpus, Int64, in their order and with their index; null where it does not count one.

    counts: long, as `count_concepts` gives them.
    """
    held = counts[counts["corpus"] == corpus].set_index("concept")["count"].astype("Int64")
    return held.reindex(concepts).set_axis(concepts.index).rename("count")


def name_count_column(corpus: str) -> str:
    """What the column of a corpus's counts is called in a table for people.

    No other column has two words, so that a corpus may be called as it likes.
    """
    return f"{corpus} samples"


def spread_counts(table: pd.DataFrame, counts: pd.DataFrame, corpora: Iterable[str]) -> pd.DataFrame:
    """A table with a column `concept`, and beside it a column of counts for each of the corpora that counts anything.

    counts: long, as `count_concepts` gives them.
    """
    known = set(counts["corpus"])
    wide = {name_count_column(one): pick_counts(counts, one, table["concept"]) for one in corpora if one in known}
    return table.assign(**wide)


def find_narrow(ranked: pd.DataFrame) -> dict[str, int]:
    """corpus -> concepts, of those that are counted for less than a quarter as many as the widest: no equal of the others.

    Shares and inequality over other concepts are other quantities; a page that shows them side by side has to say so.
    """
    counted = ranked.groupby("corpus")["concepts"].first()
    return {corpus: int(count) for corpus, count in counted.items() if count < NARROW * counted.max()}


def thin_curves(ranked: pd.DataFrame) -> pd.DataFrame:
    """The rank-frequency curves of `count_concepts` with at most 200 points a corpus, spread evenly over log rank.

    Concepts of frequency zero have no place on a logarithmic axis; `share_tails` counts them.
    """
    frames = []
    for _, curve in ranked[ranked["count"] > 0].groupby("corpus", sort=False):
        places = np.unique(np.geomspace(1, len(curve), CURVE_POINTS).round().astype(int)) - 1
        frames.append(curve.iloc[places].assign(rank=places + 1))
    return pd.concat(frames, ignore_index=True) if frames else ranked.head(0)


def share_tails(ranked: pd.DataFrame) -> pd.DataFrame:
    """corpus, limit, concepts, share: how many concepts, and what percentage of all, have at most `limit` samples."""
    rows = []
    for corpus, counts in ranked.groupby("corpus", sort=False)["count"]:
        for limit in TAIL_LIMITS:
            within = int((counts <= limit).sum())
            rows.append((corpus, limit, within, 100.0 * within / len(counts)))
    return pd.DataFrame(rows, columns=["corpus", "limit", "concepts", "share"])


def gini(counts: np.ndarray) -> float:
    """The Gini coefficient of non-negative counts: 0 when all are equal, near 1 when one has everything; nan without any.

    G = sum_i (2 i - n - 1) c_(i) / (n sum c), over the counts c_(i) in rising order, i = 1 ... n.

    >>> gini(np.array([1, 1, 1, 1])), gini(np.array([0, 0, 0, 4]))
    (0.0, 0.75)
    """
    ordered = np.sort(np.asarray(counts, float))
    total = ordered.sum()
    if total == 0:
        return float("nan")
    places = np.arange(1, len(ordered) + 1)
    return float(((2 * places - len(ordered) - 1) * ordered).sum() / (len(ordered) * total))


def compute_lorenz(ranked: pd.DataFrame) -> pd.DataFrame:
    """corpus, concepts_share, hits_share (both %), gini: at most 200 points of each corpus's Lorenz curve."""
    frames = []
    for corpus, counts in ranked.groupby("corpus", sort=False)["count"]:
        ordered = np.sort(counts.to_numpy(float))
        shares = np.concatenate([[0.0], np.cumsum(ordered)]) / max(ordered.sum(), 1)
        places = np.unique(np.linspace(0, len(ordered), CURVE_POINTS).round().astype(int))
        frames.append(
            pd.DataFrame(
                {
                    "corpus": corpus,
                    "concepts_share": 100.0 * places / len(ordered),
                    "hits_share": 100.0 * shares[places],
                    "gini": gini(ordered),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def compare_methods(study: Study, corpus: str, first: str, second: str) -> pd.DataFrame:
    """concept, first, second, log_ratio: the counts of two methods in one corpus, for concepts that both counted.

    log_ratio = log10((first + 1) / (second + 1)); the largest count of a concept stands for it.
    """
    return study.ask(
        "frequency",
        """SELECT concept, max(count) FILTER (method = $first) AS first, max(count) FILTER (method = $second) AS second,
                  log10((first + 1.0) / (second + 1.0)) AS log_ratio
           FROM frequency WHERE corpus = $corpus AND method IN ($first, $second)
           GROUP BY concept HAVING first IS NOT NULL AND second IS NOT NULL ORDER BY concept""",
        f"{corpus} has no concepts counted both by '{first}' and by '{second}'.",
        corpus=corpus,
        first=first,
        second=second,
    )


def sweep_thresholds(study: Study, tagger: str) -> pd.DataFrame:
    """corpus, threshold, concepts, median, zero_share (%): what a tagger's threshold does to the counts.

    Only concepts that a corpus has under every one of its thresholds take part, so that the lines compare like with like.
    """
    methods = list_methods(study)
    thresholds = list_thresholds(methods.loc[methods["modality"] == "image", "method"], tagger)
    return study.ask(
        "frequency",
        """WITH tagged AS (
               SELECT unnest(CAST($methods AS VARCHAR[])) AS method, unnest(CAST($thresholds AS DOUBLE[])) AS threshold
           ), counted AS (
               SELECT corpus, concept, method, threshold, max(count) AS count
               FROM frequency JOIN tagged USING (method) GROUP BY ALL
           ), swept AS (
               SELECT *, count(*) OVER (PARTITION BY corpus, concept) AS held FROM counted
           ), whole AS (SELECT corpus, count(DISTINCT method) AS methods FROM counted GROUP BY corpus)
           SELECT corpus, threshold, count(*) AS concepts, median(count) AS median,
                  100.0 * avg(CAST(count = 0 AS INT)) AS zero_share
           FROM swept JOIN whole USING (corpus) WHERE held = methods AND methods > 1
           GROUP BY corpus, threshold ORDER BY corpus, threshold""",
        f"No corpus was counted by '{tagger}' at more than one threshold.",
        methods=list(thresholds),
        thresholds=list(thresholds.values()),
    )


def correlate_corpora(study: Study, method: str, measure: str = "spearman") -> tuple[pd.DataFrame, pd.DataFrame]:
    """(r, n): corpus x corpus correlation of frequencies, and the (task, label) pairs behind each.

    Counts are joined by task and concept. `measure` is spearman, or pearson over log10(max(count, 1)).
    """
    rows = study.ask(
        "frequency",
        """SELECT corpus, task, concept, max(count) AS count FROM frequency WHERE method = $method GROUP BY ALL""",
        f"No counts by method '{method}'.",
        method=method,
    )
    wide = rows.pivot(index=["task", "concept"], columns="corpus", values="count")
    if wide.shape[1] < 2:
        raise EmptySelection(f"Only {wide.columns[0]} is counted by '{method}': a correlation needs two corpora.")
    scaled = wide if measure == "spearman" else np.log10(wide.clip(lower=1))
    present = wide.notna().astype(int)
    return scaled.corr(method=measure, min_periods=3), present.T @ present


def list_correlations(r: pd.DataFrame, n: pd.DataFrame) -> pd.DataFrame:
    """one, other, r, pairs: `correlate_corpora` as a long table, a row for each two corpora."""
    rows = [(one, other, r.at[one, other], int(n.at[one, other])) for one in r.index for other in r.columns]
    return pd.DataFrame(rows, columns=["one", "other", "r", "pairs"])


def set_beside(r: pd.DataFrame, n: pd.DataFrame, reported: Sequence[tuple[str, str, float]]) -> pd.DataFrame:
    """one, other, paper, here, pairs: reported correlations (one, other, r) beside those of `correlate_corpora`."""
    table = pd.DataFrame(reported, columns=["one", "other", "paper"])
    cells = list(zip(table["one"], table["other"], strict=True))
    table["here"] = [r.at[cell] if set(cell) <= set(r) else np.nan for cell in cells]
    table["pairs"] = [int(n.at[cell]) if set(cell) <= set(n) else 0 for cell in cells]
    return table


@remember(16)
def list_counts(study: Study, concept: str) -> pd.DataFrame:
    """Every count of a concept: corpus, modality, method, low, high (over its labels), variants, rank, percentile, concepts.

    Rank and percentile go by the largest count of each concept in that corpus and method.
    """
    rows = study.ask(
        "frequency",
        """SELECT corpus, modality, method, min(count) AS low, max(count) AS high, count(DISTINCT count) AS variants
           FROM frequency WHERE concept = $concept GROUP BY ALL ORDER BY corpus, modality, method""",
        f"No corpus of study '{study.name}' counts '{concept}'.",
        concept=concept,
    )
    held = [_read_highest(study)[key] for key in zip(rows["corpus"], rows["method"], strict=True)]
    rarer = [int(np.searchsorted(counts, high)) for counts, high in zip(held, rows["high"], strict=True)]
    commoner = [
        len(counts) - int(np.searchsorted(counts, high, "right")) for counts, high in zip(held, rows["high"], strict=True)
    ]
    concepts = np.array([len(counts) for counts in held], np.int64)
    return rows.assign(rank=1 + np.array(commoner), percentile=100.0 * np.array(rarer) / concepts, concepts=concepts)


@remember(1)
def _read_highest(study: Study) -> dict[tuple[str, str], np.ndarray]:
    """corpus, method -> the largest count of each concept, rising."""
    rows = study.query(
        """SELECT corpus, method, max(count) AS high FROM frequency GROUP BY corpus, method, concept
           ORDER BY corpus, method, high"""
    )
    groups = rows.groupby(["corpus", "method"], sort=False)["high"]
    return {key: values.to_numpy(np.int64) for key, values in groups}


@remember(4)
def _rank_concepts(study: Study, corpus: str, method: str) -> pd.DataFrame:
    """concept, count, rank: the concepts of one corpus as `count_concepts` has them."""
    study.require("frequency")
    return study.query(
        """SELECT concept, max(count) AS count, rank() OVER (ORDER BY max(count) DESC) AS rank FROM frequency
           WHERE corpus = $corpus AND method = $method GROUP BY concept ORDER BY rank, concept""",
        corpus=corpus,
        method=method,
    )


def find_neighbours(study: Study, concept: str, corpus: str, method: str, each_side: int = 5) -> pd.DataFrame:
    """concept, count, rank: the concepts just above and below in frequency, with the concept itself among them."""
    ranked = _rank_concepts(study, corpus, method)
    place = ranked.index[ranked["concept"] == concept]
    if place.empty:
        raise EmptySelection(f"{corpus} has no count of '{concept}' by '{method}'.")
    start = max(int(place[0]) - each_side, 0)
    return ranked.loc[start : int(place[0]) + each_side, ["concept", "count", "rank"]].reset_index(drop=True)
