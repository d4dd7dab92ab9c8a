"""Which concepts a corpus shows together more, or less, often than chance would."""

import numpy as np
import pandas as pd
from scipy import stats

from backend.errors import EmptySelection
from backend.fits import keep_discoveries
from backend.study import Study

SMOOTHING = 0.5  # samples that are added to what was seen and to what chance expects, so that rare pairs do not lead

# Every other concept that a method counts, with the samples that show both; a pair that never occurs has no row.
_COMPANY = """
WITH counted AS (
    SELECT concept, max(count) AS count FROM frequency WHERE corpus = $corpus AND method = $method GROUP BY concept
), seen AS (
    SELECT other, count AS together FROM cooccurrences WHERE corpus = $corpus AND concept = $concept AND method = $method
), worded AS (SELECT concept, any_value(words) AS words FROM concepts GROUP BY concept)
SELECT counted.concept AS other, coalesce(together, 0) AS together, counted.count AS other_count, own.count AS own_count,
       list_has_all(worded.words, mine.words) OR list_has_all(mine.words, worded.words) AS nested
FROM counted JOIN worded USING (concept) LEFT JOIN seen ON seen.other = counted.concept
CROSS JOIN (SELECT count FROM counted WHERE concept = $concept) AS own
CROSS JOIN (SELECT words FROM worded WHERE concept = $concept) AS mine
WHERE counted.concept <> $concept AND counted.count > 0 AND own.count > 0
ORDER BY counted.concept
"""


def list_paired_corpora(study: Study) -> list[str]:
    """The corpora whose pairs of concepts were counted."""
    return study.list_corpora("cooccurrences") if study.has("cooccurrences") else []


def list_paired_methods(study: Study, corpus: str) -> dict[str, str]:
    """modality -> the method by which a corpus's pairs were counted: text, image, joint, as far as there are any."""
    study.require("cooccurrences")
    rows = study.query(
        """SELECT DISTINCT modality, method FROM cooccurrences WHERE corpus = $corpus
           ORDER BY modality = 'joint', modality = 'image'""",
        corpus=corpus,
    )
    return dict(zip(rows["modality"], rows["method"], strict=True))


def list_company(study: Study, concept: str, corpus: str, method: str) -> pd.DataFrame:
    """The concepts that samples show beside one, the surest company first.

    other · together (samples that show both) · expected (by chance: the product of both shares, times all samples) · pmi
    (log2 of seen over expected, half a sample added to either) · other_count · nested (all words of the one are words of the
    other, so that the one is found wherever the other is) · stands_out (of all pairs of the concept, the sample count differs
    from chance by Poisson's two-sided p, after Benjamini and Hochberg at 5%). Raises EmptySelection where nothing shows it.
    """
    study.require("cooccurrences", "frequency", "concepts", "corpora")
    rows = study.query(_COMPANY, concept=concept, corpus=corpus, method=method)
    samples = study.query("SELECT indexed FROM corpora WHERE corpus = $corpus", corpus=corpus)["indexed"]
    if rows.empty or samples.empty or pd.isna(samples.iloc[0]):
        raise EmptySelection(f"No sample of '{corpus}' shows “{concept}” by {method}, so that nothing is seen with it.")
    return measure_company(rows, int(samples.iloc[0]))


def measure_company(rows: pd.DataFrame, samples: int) -> pd.DataFrame:
    """`list_company` of rows with other, together, other_count, own_count, nested, out of so many samples."""
    expected = rows["own_count"].to_numpy(float) * rows["other_count"].to_numpy(float) / samples
    together = rows["together"].to_numpy(float)
    p = np.minimum(2 * np.minimum(stats.poisson.cdf(together, expected), stats.poisson.sf(together - 1, expected)), 1.0)
    table = rows.assign(
        expected=expected,
        pmi=np.log2((together + SMOOTHING) / (expected + SMOOTHING)),
        stands_out=keep_discoveries(np.where(rows["nested"], np.nan, p)),
    )
    columns = ["other", "together", "expected", "pmi", "other_count", "nested", "stands_out"]
    return table.sort_values("pmi", ascending=False, kind="stable", ignore_index=True)[columns]
