"""Single samples: those that show a concept, and those whose caption and image disagree.

Text hits are stored once for each text method. Image hits are stored once for each tagger, under its lowest counted
threshold: a score decides about every higher one. Scores are float32, and a threshold is compared as one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from backend.errors import EmptySelection
from backend.manifest import ChosenMethods
from backend.methods import Method, join_methods
from backend.settings import may_show_urls
from backend.study import Study, find_build_command

PAGE = 24  # samples on a page

OWN_IMAGE = "image IS NOT NULL AND NOT contains(image, '://')"  # of a sample's row: it is no URL
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


def count_hits(study: Study, concept: str, corpus: str, text_method: str | None = None) -> pd.DataFrame:
    """modality, method, hits: the samples of a corpus that show a concept, by every text, image and joint method.

    The image methods are the counted thresholds; each joint method is one text with one image method: with `text_method`,
    where it is given. A method without a hit has a row with 0. What `frequency` says is not counted again.
    """
    search = describe_search(study, corpus, "hits")
    texts = [text_method] if text_method else list(search.text)
    methods = [("text", name, name, None) for name in search.text] + [("image", name, None, name) for name in search.image]
    methods += [("joint", join_methods(text, image), text, image) for text in texts for image in search.image]
    hits = _read_counts(study, concept, corpus)
    lacking = [(text, image) for _, method, text, image in methods if method not in hits]
    if lacking:
        hits |= _count_stored(study, concept, search, lacking)
    rows = [(modality, method, hits.get(method, 0)) for modality, method, *_ in methods]
    return pd.DataFrame(rows, columns=["modality", "method", "hits"])


def _read_counts(study: Study, concept: str, corpus: str) -> dict[str, int]:
    """method -> samples of a corpus that show a concept, as far as the study says it."""
    if not study.has("frequency"):
        return {}
    rows = study.query(
        "SELECT method, max(count) AS count FROM frequency WHERE corpus = $corpus AND concept = $concept GROUP BY method",
        corpus=corpus,
        concept=concept,
    )
    return dict(zip(rows["method"], map(int, rows["count"]), strict=True))


def _count_stored(study: Study, concept: str, search: Search, asked: Sequence[tuple[str | None, str | None]]) -> dict[str, int]:
    """method -> samples that show a concept, counted among the stored hits: of (text, image) methods, either of them alone, or
    both. Hits are counted by how many thresholds their score meets, which tells of all thresholds at once."""
    found = study.query(
        f"""WITH {_FOUND}, by_text AS (
                SELECT method, sample_id FROM found WHERE modality = 'text' AND list_contains(CAST($texts AS VARCHAR[]), method)
            ), by_image AS (
                SELECT method, sample_id, score FROM found WHERE modality = 'image'
            )
            SELECT method AS text, NULL AS image, NULL AS score, count(*) AS hits FROM by_text GROUP BY ALL
            UNION ALL SELECT NULL, method, {_ROUNDED}, count(*) FROM by_image GROUP BY ALL
            UNION ALL SELECT by_text.method, by_image.method, {_ROUNDED}, count(*)
                      FROM by_text JOIN by_image USING (sample_id) GROUP BY ALL""",
        corpus=search.corpus,
        concept=concept,
        texts=sorted({text for text, _ in asked if text}),
        thresholds=sorted({Method(method).least_score for method in search.image}),
    )
    counts = {}
    for text, image in asked:
        stored, threshold = search.find_stored(image)
        rows = found[found["text"].isna() if text is None else found["text"] == text]
        rows = rows[rows["image"].isna() if image is None else rows["image"] == stored]
        if image is not None:
            rows = rows[rows["score"] >= as_stored(threshold)]
        counts[join_methods(text, image) if text and image else text or image] = int(rows["hits"].sum())
    return counts


# A concept's hits in a corpus lie side by side. Of a score, the highest threshold that it meets.
_FOUND = "found AS (SELECT modality, method, sample_id, score FROM hits WHERE corpus = $corpus AND concept = $concept)"
_ROUNDED = "list_max(list_filter(CAST($thresholds AS FLOAT[]), lambda threshold: threshold <= score))"


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
    page = study.query(
        f"""WITH {_FOUND}, by_text AS (
                SELECT sample_id FROM found WHERE modality = 'text' AND method = $text_method
            ), by_image AS (
                SELECT sample_id, score FROM found WHERE modality = 'image' AND method = $stored
            ), page AS (
                {_PAGES[modality]} ORDER BY score DESC NULLS LAST, sample_id LIMIT $limit OFFSET $skipped
            )
            SELECT sample_id, score, sample_id IN (SELECT sample_id FROM by_text) AS text FROM page
            ORDER BY score DESC NULLS LAST, sample_id""",
        corpus=corpus,
        concept=concept,
        text_method=text_method,
        stored=stored,
        limit=limit,
        skipped=offset,
        **({} if modality == "text" else {"threshold": threshold}),
    )
    return read_samples(study, corpus, page[["sample_id", "text", "score"]])


_PAGES = {
    "text": "SELECT sample_id, score FROM by_text LEFT JOIN by_image USING (sample_id)",
    "image": "SELECT sample_id, score FROM by_image WHERE score >= CAST($threshold AS FLOAT)",
    "joint": "SELECT sample_id, score FROM by_text JOIN by_image USING (sample_id) WHERE score >= CAST($threshold AS FLOAT)",
}


def read_samples(study: Study, corpus: str, found: pd.DataFrame) -> pd.DataFrame:
    """Rows that have a sample_id of a corpus, in their order, with their samples' columns: caption, image, offset, length,
    width, height, url (see `split_urls`), and then the rows' own."""
    rows = study.query(
        """SELECT sample_id, caption, image, "offset", length, width, height FROM samples
           WHERE corpus = $corpus AND sample_id IN (SELECT unnest(CAST($sample_ids AS BIGINT[])))""",
        corpus=corpus,
        sample_ids=found["sample_id"].tolist(),
    )
    return split_urls(found[["sample_id"]].merge(rows, on="sample_id").merge(found, on="sample_id").astype(INTEGERS))


def draw_images(study: Study, corpus: str, images: int) -> pd.DataFrame:
    """sample_id, image, offset, length of so many samples with an image of their own, drawn by lot, always the same ones.

    Fewer where most samples have none: eight are drawn for each image, and of the others no more than the id is read.
    """
    return study.query(
        f"""WITH drawn AS (
                SELECT sample_id FROM samples WHERE corpus = $corpus ORDER BY hash(sample_id), sample_id LIMIT 8 * $images
            )
            SELECT sample_id, image, "offset", length FROM drawn JOIN samples USING (sample_id)
            WHERE corpus = $corpus AND {OWN_IMAGE} ORDER BY hash(sample_id), sample_id LIMIT $images""",
        corpus=corpus,
        images=images,
    )


def split_urls(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of samples whose URL stands in a column `url`, where the operator lets it be shown, and no longer in `image`."""
    is_url = rows["image"].astype("str").str.contains("://", regex=False, na=False).astype(bool)
    shown = is_url & may_show_urls()
    return rows.assign(url=rows["image"].where(shown, None), image=rows["image"].where(~is_url, None))
