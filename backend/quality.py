"""How right the counts of a study are, where its true numbers are known: searches against the truth.

Only an invented world knows which samples show a concept; a real corpus does not say.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from backend.schema import MODALITIES
from backend.study import Study

VALIDATION = "validation"  # the split that image thresholds are chosen on


def is_known(study: Study) -> bool:
    """Whether the study holds the truth beside its counts."""
    return study.has("search_quality", "truth")


def _read_quality(study: Study) -> pd.DataFrame:
    """Every row of `search_quality`, with precision and recall in percent, and whether its method is a chosen one."""
    rows = study.ask(
        "search_quality",
        """SELECT corpus, split, modality, method, threshold, found, relevant, correct, frequency_error,
                  100.0 * correct / nullif(found, 0) AS precision, 100.0 * correct / nullif(relevant, 0) AS recall
           FROM search_quality ORDER BY corpus, split, modality, threshold, method""",
        f"Study '{study.name}' has no search that was held against the truth.",
    )
    chosen = {(corpus, method) for corpus, entry in study.manifest.search.items() for method in entry.chosen.names}
    anywhere = {method for _, method in chosen}
    searched = {corpus for corpus, _ in chosen}
    return rows.assign(
        chosen=[
            (row.corpus, row.method) in chosen or (row.corpus not in searched and row.method in anywhere)
            for row in rows.itertuples(index=False)
        ]
    )


def sweep_thresholds(study: Study) -> pd.DataFrame:
    """corpus, threshold, precision, recall (both %), frequency_error, chosen: the image search on the validation split.

    Empty where no threshold was tried on it.
    """
    rows = _read_quality(study)
    rows = rows[(rows["split"] == VALIDATION) & (rows["modality"] == "image") & rows["threshold"].notna()]
    columns = ["corpus", "method", "threshold", "precision", "recall", "frequency_error", "chosen"]
    return rows[columns].sort_values(["corpus", "threshold"], ignore_index=True)


def list_searches(study: Study, corpus: str) -> pd.DataFrame:
    """corpus, split, modality, method, precision, recall (both %), frequency_error, found, relevant, correct.

    One row for each search of the whole corpus: every text method, and the image and joint methods that were chosen.
    """
    rows = _read_quality(study)
    rows = rows[(rows["corpus"] == corpus) & (rows["split"] != VALIDATION) & (rows["chosen"] | (rows["modality"] == "text"))]
    columns = [
        "corpus",
        "split",
        "modality",
        "method",
        "precision",
        "recall",
        "frequency_error",
        "found",
        "relevant",
        "correct",
    ]
    ordered = rows.assign(place=rows["modality"].map(MODALITIES.index), other=~rows["chosen"])
    return ordered.sort_values(["corpus", "split", "place", "other", "method"], ignore_index=True)[columns]


def list_known_corpora(study: Study) -> pd.Series:
    """The corpora whose true numbers are known."""
    return study.query("SELECT DISTINCT corpus FROM truth ORDER BY corpus")["corpus"]


def compare_truth(study: Study, corpus: str, methods: Sequence[str]) -> pd.DataFrame:
    """concept, modality, count, truth, error: each concept's count by the method of a modality beside its true number.

    error = log10((count + 1) / (truth + 1)); the furthest off comes first. The largest count of a concept stands for it.
    """
    study.require("frequency", "truth")
    rows = study.ask(
        "truth",
        """WITH counts AS (
               SELECT concept, modality, max(count) AS count FROM frequency
               WHERE corpus = $corpus AND list_contains(CAST($methods AS VARCHAR[]), method) GROUP BY ALL
           )
           SELECT concept, modality, counts.count, truth.count AS truth,
                  log10((counts.count + 1.0) / (truth.count + 1.0)) AS error
           FROM counts JOIN truth USING (concept, modality) WHERE truth.corpus = $corpus
           ORDER BY abs(error) DESC, concept, modality""",
        f"'{corpus}' has no concept with both a count and a true number.",
        corpus=corpus,
        methods=list(methods),
    )
    return rows.astype({"count": "int64", "truth": "int64"})


def measure_error(compared: pd.DataFrame) -> pd.DataFrame:
    """modality, concepts, error, share: of `compare_truth`, the mean |error| and the share (%) within a factor of two."""
    distance = compared["error"].abs()
    rows = compared.assign(distance=distance, near=100.0 * (distance <= np.log10(2))).groupby("modality", sort=False)
    table = rows.agg(concepts=("concept", "size"), error=("distance", "mean"), share=("near", "mean")).reset_index()
    return table.sort_values("modality", key=lambda modality: modality.map(MODALITIES.index), ignore_index=True)


def list_truth(study: Study, concept: str) -> pd.DataFrame:
    """corpus, modality, truth: the true numbers of a concept; empty where the study does not know them."""
    if not study.has("truth"):
        return pd.DataFrame({"corpus": [], "modality": [], "truth": []})
    return study.query(
        "SELECT corpus, modality, count AS truth FROM truth WHERE concept = $concept ORDER BY corpus, modality", concept=concept
    )
