"""Single samples: those that show a concept, and those whose caption and image disagree.

Text hits are stored once for each text method. Image hits are stored once for each tagger, under its lowest counted
threshold: a score decides about every higher one. Scores are float32, and a threshold is compared as one.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from backend.errors import EmptySelection
from backend.manifest import ChosenMethods
from backend.methods import Method, join_methods
from backend.settings import may_show_urls
from backend.study import Study, find_build_command

DISAGREEMENTS = ("conflicting", "text-only", "image-only")
PAGE = 24  # samples on a page

_HIT_KINDS = {"text": "text", "image": "score >= threshold", "joint": "text AND score >= threshold"}
INTEGERS = {"sample_id": "int64", "offset": "Int64", "length": "Int64", "width": "Int32", "height": "Int32"}


@dataclass(frozen=True)
class Search:
    """How a corpus was searched: its text methods, its image methods by rising threshold, and the methods chosen."""

    corpus: str
    text: tuple[str, ...]
    image: tuple[str, ...]
    chosen: ChosenMethods

    def check_text(self, method: str) -> None:
        """Raises EmptySelection where the captions were not searched by this method."""
        if method not in self.text:
            raise EmptySelection(f"'{self.corpus}' has no text hits by '{method}'. It has: {', '.join(self.text)}.")

    @property
    def counted(self) -> list[float]:
        """The counted thresholds of the chosen image method's tagger, rising. Raises EmptySelection without one."""
        if self.chosen.image is None:
            raise EmptySelection(f"The images of '{self.corpus}' were not searched.")
        return self.list_thresholds(Method(self.chosen.image).tagger)

    def list_thresholds(self, tagger: str) -> list[float]:
        """The counted thresholds of one tagger, rising."""
        return sorted(method.least_score for method in map(Method, self.image) if method.tagger == tagger)

    def find_stored(self, method: str | None) -> tuple[str | None, float | None]:
        """Where the hits of an image method are: stored under which method (the tagger's lowest), from which score on.

        Raises EmptySelection where there are none, or where `method` asks for lower scores than are stored.
        """
        if method is None:
            return None, None
        asked = Method(method)
        alike = [one for one in map(Method, self.image) if one.tagger == asked.tagger]
        if not alike:
            known = ", ".join(self.image) or "no image method"
            raise EmptySelection(f"'{self.corpus}' has no image hits by '{method}'. It has: {known}.")
        stored = min(alike, key=lambda one: one.least_score)
        if asked.least_score < stored.least_score:
            raise EmptySelection(f"'{self.corpus}' has no image hits below '{stored}', so none by '{method}'.")
        return stored.name, asked.least_score


def as_stored(threshold: float) -> float:
    """A threshold as scores are stored and compared: the nearest float32."""
    return float(np.float32(threshold))


def describe_search(study: Study, corpus: str, *tables: str) -> Search:
    """How a corpus was searched. Raises MissingTable or EmptySelection where `tables` hold nothing of it."""
    study.require(*tables)
    known = _list_searched(study, tables)
    if corpus not in known:
        raise EmptySelection(
            f"Study '{study.name}' holds no {' and '.join(tables) or 'search'} of '{corpus}', only of: "
            f"{', '.join(known) or 'no corpus'}. Index it: {find_build_command('samples', study.folder)}"
        )
    entry = study.manifest.search[corpus]
    return Search(corpus, entry.text, entry.image, entry.chosen)


def _list_searched(study: Study, tables: tuple[str, ...]) -> list[str]:
    """The searched corpora that all these folder tables hold."""
    return sorted(set(study.manifest.search).intersection(*(study.list_corpora(table) for table in tables)))


def list_sampled_corpora(study: Study) -> pd.DataFrame:
    """corpus, title, indexed (samples held): the corpora whose samples can be shown, the smallest first."""
    study.require("corpora", "samples", "hits")
    return study.query(
        """SELECT corpus, title, indexed FROM corpora WHERE list_contains(CAST($held AS VARCHAR[]), corpus)
           ORDER BY indexed NULLS LAST, corpus""",
        held=_list_searched(study, ("samples", "hits")),
    )


def count_hits(study: Study, concept: str, corpus: str) -> pd.DataFrame:
    """modality, method, hits: the samples of a corpus that show a concept, by every text, image and joint method.

    The image methods are the counted thresholds; each joint method is one text with one image method. A method without a
    hit has a row with 0.
    """
    search = describe_search(study, corpus, "hits")
    methods = [("text", name) for name in search.text] + [("image", name) for name in search.image]
    methods += [("joint", join_methods(text, image)) for text in search.text for image in search.image]
    counted = study.query(
        """WITH image_methods AS (
               SELECT unnest(CAST($image AS VARCHAR[])) AS method, unnest(CAST($stored AS VARCHAR[])) AS stored,
                      unnest(CAST($thresholds AS FLOAT[])) AS threshold
           ), found AS (
               SELECT modality, method, sample_id, score FROM hits WHERE corpus = $corpus AND concept = $concept
           ), by_text AS (
               SELECT method, sample_id FROM found WHERE modality = 'text'
           ), by_image AS (
               SELECT image_methods.method, sample_id FROM found
               JOIN image_methods ON found.method = stored AND score >= threshold WHERE modality = 'image'
           )
           SELECT method AS text, NULL AS image, count(*) AS hits FROM by_text GROUP BY ALL
           UNION ALL SELECT NULL, method, count(*) FROM by_image GROUP BY ALL
           UNION ALL SELECT by_text.method, by_image.method, count(*)
                     FROM by_text JOIN by_image USING (sample_id) GROUP BY ALL""",
        corpus=corpus,
        concept=concept,
        image=list(search.image),
        stored=[search.find_stored(method)[0] for method in search.image],
        thresholds=[Method(method).least_score for method in search.image],
    )
    hits = {}
    for text, image, count in counted.astype(object).where(counted.notna(), None).itertuples(index=False):
        modality = "joint" if text and image else "text" if text else "image"
        hits[modality, join_methods(text, image) if text and image else text or image] = int(count)
    rows = [(modality, method, hits.get((modality, method), 0)) for modality, method in methods]
    return pd.DataFrame(rows, columns=["modality", "method", "hits"])


def find_hits(
    study: Study,
    concept: str,
    corpus: str,
    modality: str,
    *,
    text_method: str,
    image_method: str | None,
    offset: int = 0,
    limit: int = PAGE,
) -> pd.DataFrame:
    """One page of the samples that show a concept, those of the highest image score first, then by sample_id.

    sample_id, caption, image, offset, length, width, height, url (null where it has none, or none may be shown), and why the
    sample counts: `text`, whether `text_method` found the concept in the caption; `score`, the image's score for the concept
    (null below the lowest stored threshold, whatever `image_method` asks for; None where the images were not searched).
    `modality` joint means both. Empty where no sample is on that page; raises EmptySelection where the corpus was not searched
    by these methods.
    """
    search = describe_search(study, corpus, "samples", "hits")
    search.check_text(text_method)
    stored, threshold = search.find_stored(image_method)
    found = study.query(
        f"""WITH found AS (
                SELECT sample_id, bool_or(modality = 'text') AS text, max(score) FILTER (modality = 'image') AS score
                FROM hits WHERE corpus = $corpus AND concept = $concept AND method IN ($text_method, $stored)
                GROUP BY sample_id
            ), page AS (
                SELECT found.*, CAST($threshold AS FLOAT) AS threshold FROM found WHERE {_HIT_KINDS[modality]}
                ORDER BY score DESC NULLS LAST, sample_id LIMIT $limit OFFSET $skipped
            )
            SELECT sample_id, caption, image, "offset", length, width, height, text, score
            FROM page JOIN samples USING (sample_id) WHERE samples.corpus = $corpus
            ORDER BY score DESC NULLS LAST, sample_id""",
        corpus=corpus,
        concept=concept,
        text_method=text_method,
        stored=stored,
        threshold=threshold,
        limit=limit,
        skipped=offset,
    )
    return split_urls(found.astype(INTEGERS))


def split_urls(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of samples whose URL stands in a column `url`, where the operator lets it be shown, and no longer in `image`."""
    is_url = rows["image"].astype("str").str.contains("://", regex=False, na=False).astype(bool)
    shown = is_url & may_show_urls()
    return rows.assign(url=rows["image"].where(shown, None), image=rows["image"].where(~is_url, None))


def count_misaligned(study: Study, corpus: str, threshold: float, concept: str | None = None) -> pd.DataFrame:
    """kind, samples: how many samples disagree in each way at an image threshold, in all or about one concept.

    conflicting: caption and image have concepts, and none in common (DESIGN's "misaligned"); text-only: the image has
    none; image-only: the caption has none. An image has the concepts that score at least `threshold`. A sample is about
    `concept` where its caption or its image has it. Raises EmptySelection where the threshold is not between the lowest
    and the highest that were counted.
    """
    sql = "SELECT kind, count(*) AS samples FROM disagreeing GROUP BY kind"
    counted = _ask_misaligned(study, corpus, threshold, concept, sql)
    every = pd.DataFrame({"kind": DISAGREEMENTS}).merge(counted, on="kind", how="left")
    return every.assign(samples=every["samples"].fillna(0).astype("int64"))


def sweep_misaligned(study: Study, corpus: str, concept: str | None = None) -> pd.DataFrame:
    """threshold, kind, samples: `count_misaligned` at every counted threshold, the lowest first."""
    search = describe_search(study, corpus, "misaligned")
    counted = search.counted
    frames = [count_misaligned(study, corpus, threshold, concept).assign(threshold=threshold) for threshold in counted]
    return pd.concat(frames, ignore_index=True)[["threshold", "kind", "samples"]]


def find_misaligned(
    study: Study,
    corpus: str,
    threshold: float,
    kind: str,
    *,
    concept: str | None = None,
    near_boundary: bool = False,
    offset: int = 0,
    limit: int = PAGE,
) -> pd.DataFrame:
    """One page of the samples whose caption and image disagree in one way (see `count_misaligned`).

    sample_id, caption, image, offset, length, width, height, url, text_concepts, image_concepts and image_scores (those of at
    least `threshold`, best first), best (the image's highest score of any concept), agreed (of its caption's concepts).
    The highest `best` comes first, text-only samples go by sample_id; `near_boundary` puts first the samples that the
    smallest change of the threshold would move: those with `best` or `agreed` nearest to it. Empty where no sample is on
    that page.
    """
    best_first = "sample_id" if kind == "text-only" else "best DESC, sample_id"
    nearest_first = "least(abs(best - threshold), abs(agreed - threshold)) NULLS LAST, sample_id"
    order = nearest_first if near_boundary else best_first
    study.require("samples")
    found = _ask_misaligned(
        study,
        corpus,
        threshold,
        concept,
        f"""SELECT sample_id, caption, image, "offset", length, width, height, text_concepts,
                   image_concepts[:seen] AS image_concepts, image_scores[:seen] AS image_scores, best, agreed
            FROM (SELECT * FROM disagreeing WHERE kind = $kind ORDER BY {order} LIMIT $limit OFFSET $skipped)
            JOIN (SELECT * EXCLUDE (corpus) FROM samples WHERE corpus = $corpus) USING (sample_id) ORDER BY {order}""",
        kind=kind,
        limit=limit,
        skipped=offset,
    )
    lists = {name: [list(values) for values in found[name]] for name in ("text_concepts", "image_concepts", "image_scores")}
    return split_urls(found.assign(**lists).astype(INTEGERS))


def _ask_misaligned(study: Study, corpus: str, threshold: float, concept: str | None, sql: str, **parameters) -> pd.DataFrame:
    """The answer of a query over `disagreeing`: the rows of `misaligned` that disagree at a threshold, with `kind`."""
    search = describe_search(study, corpus, "misaligned")
    counted = search.counted
    if not np.float32(counted[0]) <= np.float32(threshold) <= np.float32(counted[-1]):
        raise EmptySelection(
            f"The samples of '{corpus}' were compared at thresholds from {counted[0]:g} to {counted[-1]:g}, not {threshold:g}."
        )
    about = "TRUE" if concept is None else "list_contains(text_concepts || image_concepts[:seen], $concept)"
    if concept is not None:
        parameters["concept"] = concept
    return study.query(
        f"""WITH judged AS (
                SELECT * EXCLUDE (corpus), CAST($threshold AS FLOAT) AS threshold,
                       coalesce(best >= threshold, FALSE) AS shown, coalesce(agreed >= threshold, FALSE) AS aligned,
                       len(list_filter(image_scores, lambda score: score >= CAST($threshold AS FLOAT))) AS seen
                FROM misaligned WHERE corpus = $corpus
            ), disagreeing AS (
                SELECT *, CASE WHEN len(text_concepts) = 0 THEN 'image-only' WHEN shown THEN 'conflicting'
                               ELSE 'text-only' END AS kind
                FROM judged WHERE NOT aligned AND (shown OR len(text_concepts) > 0) AND {about}
            ) {sql}""",
        corpus=corpus,
        threshold=threshold,
        **parameters,
    )
