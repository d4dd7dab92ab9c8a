"""Counts of a concept that cannot be taken at their word, each in a sentence, with the cause where it is known."""

from itertools import pairwise

import pandas as pd

from backend.frequency import list_methods
from backend.methods import Method
from backend.provenance import list_lost_words
from backend.remember import remember
from backend.study import Study

FEWEST_SHOWN = 100  # images beside which a text count of zero is no finding
QUANTILES = (0.005, 0.995)
FACTOR = 10.0
NAMED = 3  # concepts named that have the very same count


def flag_counts(study: Study, concept: str, lost: pd.DataFrame | None = None) -> list[str]:
    """What is odd about a concept's counts, a sentence each, corpus by corpus; what is said once is not said again.

    Flagged are text counts of zero where captions say the concept letter by letter or at least 100 images show it, and
    pairs of counts whose ratio is at least tenfold and outside the middle 99% of all concepts of their corpus; but those
    that `tell_lost_words` explains. lost: what `list_lost_words` gives for the concept, where it has been asked.
    """
    methods = list_methods(study)
    by_modality = {modality: list(group["method"]) for modality, group in methods.groupby("modality", sort=False)}
    text, image = by_modality.get("text", []), by_modality.get("image", [])
    if not text:
        return []
    zeros = _find_zeros(study, tuple(text), tuple(image[:1]))
    zeros = zeros[zeros["concept"] == concept]
    lost = _find_lost(study, concept, lost)
    known = {(row.corpus, text[0]) for row in zeros.itertuples()} | set(zip(lost["corpus"], lost["method"], strict=True))
    cause = study.manifest.count_causes.get("zero", "")
    pairs = [*pairwise(text), *((text[0], name) for name in image[:1])]
    return [_tell_zero(row, cause) for row in zeros.itertuples(index=False)] + _flag_ratios(study, concept, pairs, known)


def tell_lost_words(study: Study, concept: str, lost: pd.DataFrame | None = None) -> list[str]:
    """Which of a concept's text counts are of fewer words than it has: a sentence a corpus.

    lost: what `list_lost_words` gives for the concept, where it has been asked.
    """
    cause = study.manifest.count_causes.get("lost_words", "")
    lost = _find_lost(study, concept, lost)
    return [_tell_lost(rows, cause) for _, rows in lost.groupby("corpus", sort=False)]


def _find_lost(study: Study, concept: str, lost: pd.DataFrame | None) -> pd.DataFrame:
    lost = list_lost_words(study, concept) if lost is None else lost
    lost = lost[lost["count"] > 0]
    return lost.assign(title=lost["corpus"].map(study.corpus_titles)).dropna(subset="title")


def list_zeros(study: Study) -> pd.DataFrame:
    """corpus, title, concept, said, shown: every text count of zero that `flag_counts` flags."""
    methods = list_methods(study)
    text, image = (list(methods.loc[methods["modality"] == modality, "method"]) for modality in ("text", "image"))
    if not text:
        return pd.DataFrame(columns=["corpus", "title", "concept", "said", "shown"])
    return _find_zeros(study, tuple(text), tuple(image[:1]))


@remember(1)
def _find_zeros(study: Study, text: tuple[str, ...], image: tuple[str, ...]) -> pd.DataFrame:
    """corpus, title, concept, said, shown: where the first text method counts none, and what other ways of looking find."""
    return study.query(
        """WITH counts AS (
               SELECT corpus, concept, max(count) FILTER (method = $first) AS counted,
                      coalesce(max(count) FILTER (list_contains(CAST($others AS VARCHAR[]), method)), 0) AS said,
                      coalesce(max(count) FILTER (list_contains(CAST($image AS VARCHAR[]), method)), 0) AS shown
               FROM frequency GROUP BY corpus, concept
           ) SELECT corpus, title, concept, said, shown FROM counts JOIN corpora USING (corpus)
           WHERE counted = 0 AND (said > 0 OR shown >= $fewest) ORDER BY corpus, concept""",
        first=text[0],
        others=list(text[1:]),
        image=list(image),
        fewest=FEWEST_SHOWN,
    )


def _tell_zero(row, cause: str) -> str:
    beside = []
    if row.said:
        beside.append(f"{row.said:,} captions say it letter by letter")
    if row.shown:
        beside.append(f"{row.shown:,} images show it")
    return f"{row.title}: the text count is 0, and yet {' and '.join(beside)}. {cause}".rstrip()


def _tell_lost(rows: pd.DataFrame, cause: str) -> str:
    """One sentence for the text counts of one corpus that lost words."""
    parts = []
    for row in rows.itertuples(index=False):
        same = f", as for “{'”, “'.join(row.same_as[:NAMED])}”" if row.same_as else ""
        of = " ".join(row.words)
        parts.append(f"its {row.count:,} by {row.method} are of “{of}” alone{same}")
    return f"{rows['title'].iloc[0]}: {'; '.join(parts)}. {cause}".rstrip()


def _flag_ratios(study: Study, concept: str, pairs: list[tuple[str, str]], known: set[tuple[str, str]]) -> list[str]:
    """Pairs of counts that disagree more than nearly all others do; not those whose cause is told already."""
    sentences = []
    for first, second in pairs:
        unusual = _list_unusual_ratios(study, first, second)
        for row in unusual[unusual["concept"] == concept].itertuples(index=False):
            if {(row.corpus, first), (row.corpus, second)} & known:
                continue
            usual = row.low if row.log_ratio < row.low else row.high
            sentences.append(
                f"{row.title} counts {row.first_count:,.0f} by {Method(first).modality} ({first}) and "
                f"{row.second_count:,.0f} by {Method(second).modality} ({second}): a factor of "
                f"{10 ** abs(row.log_ratio):,.0f}, where 99% of its concepts stay below {10 ** abs(usual):,.0f}."
            )
    return sentences


@remember(8)
def _list_unusual_ratios(study: Study, first: str, second: str) -> pd.DataFrame:
    """corpus, concept, first_count, second_count, log_ratio, low, high, title: what `flag_counts` flags of two methods."""
    return study.query(
        """WITH ratios AS (
               SELECT corpus, concept, max(count) FILTER (method = $first) AS first_count,
                      max(count) FILTER (method = $second) AS second_count,
                      log10((first_count + 1.0) / (second_count + 1.0)) AS log_ratio
               FROM frequency WHERE method IN ($first, $second) GROUP BY corpus, concept
               HAVING first_count IS NOT NULL AND second_count IS NOT NULL
           ), usual AS (
               SELECT corpus, quantile_cont(log_ratio, $below) AS low, quantile_cont(log_ratio, $above) AS high
               FROM ratios GROUP BY corpus
           )
           SELECT ratios.*, low, high, title FROM ratios JOIN usual USING (corpus) JOIN corpora USING (corpus)
           WHERE (log_ratio < low OR log_ratio > high) AND abs(log_ratio) >= log10($factor) ORDER BY corpus, concept""",
        first=first,
        second=second,
        below=QUANTILES[0],
        above=QUANTILES[1],
        factor=FACTOR,
    )
