"""Where captions and images of a corpus tell of different concepts."""

import pandas as pd

from backend.errors import MissingTable
from backend.methods import Method
from backend.study import Study, find_build_command

LEAST_COUNT = 100  # below this, a ratio of two counts is mostly chance


def list_degrees(study: Study) -> pd.DataFrame:
    """corpus, title, pairs, method, misaligned, degree, degree_extracted: one row a corpus, the worst first.

    `degree` is the fraction of all pairs, `degree_extracted` of the samples in which any concept was found. Where a corpus
    was compared by several methods, the one that its search chose stands for it.
    """
    _require_images(study)
    rows = study.ask(
        "alignment",
        """SELECT alignment.corpus, corpora.title, corpora.pairs, alignment.method, misaligned, degree, degree_extracted
           FROM alignment JOIN corpora USING (corpus) ORDER BY degree DESC, corpus, method""",
        f"No misalignment degree in study '{study.name}'.",
    )
    chosen = {(corpus, entry.chosen.joint) for corpus, entry in study.manifest.search.items()}
    other = [(row.corpus, row.method) not in chosen for row in rows.itertuples(index=False)]
    rows = rows.assign(other=other).sort_values("other", kind="stable").drop_duplicates("corpus")
    return rows.drop(columns="other").sort_values("degree", ascending=False, kind="stable", ignore_index=True)


def _require_images(study: Study) -> None:
    """Raises MissingTable, saying what is lacking, where a study's corpora were searched in their captions alone."""
    searched = study.manifest.search
    if study.has("alignment") or not searched or any(entry.image for entry in searched.values()):
        return
    names = ", ".join(sorted(searched))
    command = f"{find_build_command('alignment', study.folder)} --tagger ARCH:WEIGHTS --force"
    raise MissingTable(
        f"Only the captions of {names} were searched, so they cannot be compared with images. Where there are images, have "
        f"them searched too: {command}"
    )


def list_joint_methods(study: Study) -> pd.DataFrame:
    """corpus, method, text, image: the joint methods for whose corpus the text and the image part are counted too."""
    study.require("frequency")
    counted = study.query("SELECT DISTINCT corpus, modality, method FROM frequency ORDER BY corpus, method DESC")
    known = set(zip(counted["corpus"], counted["method"], strict=True))
    joint = [(row.corpus, Method(row.method)) for row in counted[counted["modality"] == "joint"].itertuples(index=False)]
    rows = [(corpus, method.name, method.text, method.image) for corpus, method in joint]
    whole = [(corpus, *names) for corpus, *names in rows if {(corpus, names[1]), (corpus, names[2])} <= known]
    return pd.DataFrame(whole, columns=["corpus", "method", "text", "image"])


def compare_modalities(study: Study, corpus: str, method: str) -> pd.DataFrame:
    """concept, text, image, joint, agreement (%), log_ratio: a joint method against the text and image counts it joins.

    agreement = 100 joint / min(text, image): of the samples that could agree, how many do; null where one count is zero.
    log_ratio = log10((text + 1) / (image + 1)). The largest count of a concept stands for it.
    """
    return study.ask(
        "frequency",
        """WITH counts AS (
               SELECT concept, max(count) FILTER (method = $text) AS text, max(count) FILTER (method = $image) AS image,
                      max(count) FILTER (method = $joint) AS joint
               FROM frequency WHERE corpus = $corpus AND method IN ($text, $image, $joint) GROUP BY concept
           )
           SELECT concept, text, image, joint, 100.0 * joint / nullif(least(text, image), 0) AS agreement,
                  log10((text + 1.0) / (image + 1.0)) AS log_ratio
           FROM counts WHERE text IS NOT NULL AND image IS NOT NULL AND joint IS NOT NULL ORDER BY concept""",
        f"{corpus} has no concept with text, image and joint counts by '{method}'.",
        corpus=corpus,
        text=Method(method).text,
        image=Method(method).image,
        joint=method,
    )


def rank_disagreements(compared: pd.DataFrame) -> pd.DataFrame:
    """The rows of `compare_modalities` with at least 100 hits in text or image, the widest ratio first."""
    counted = compared[compared[["text", "image"]].max(axis=1) >= LEAST_COUNT]
    order = counted["log_ratio"].abs().sort_values(ascending=False, kind="stable").index
    return counted.loc[order].reset_index(drop=True)
