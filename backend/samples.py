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
from backend.remember import remember
from backend.settings import may_show_urls
from backend.study import Study, find_build_command

PAGE = 24  # samples on a page
MANY = 200_000  # image hits of a concept, above which it is looked first among the best of them
WALKED = 16  # of the best images, for each sample that is asked for

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


@remember(16)
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
    counts, counted = {}, {}
    for text, image in asked:
        stored, threshold = search.find_stored(image)
        rising = search.list_thresholds(Method(image).tagger) if image else []
        if (text, stored) not in counted:
            rows = study.query(
                f"""{_with_found(study, search.corpus, concept)}
                    SELECT {count_met("score", rising) if image else 0} AS met, count(*) AS hits
                    FROM {"by_text JOIN by_image USING (sample_id)" if text and image else "by_text" if text else "by_image"}
                    GROUP BY met""",
                concept=concept,
                text_method=text,
                stored=stored,
            )
            counted[text, stored] = rows
        rows = counted[text, stored]
        least = rising.index(threshold) + 1 if image else 0
        counts[join_methods(text, image) if text and image else text or image] = int(
            rows.loc[rows["met"] >= least, "hits"].sum()
        )
    return counts


def count_met(score: str, rising: Sequence[float], below: int = 0) -> str:
    """The SQL of how many of some rising thresholds a score meets, found by halves; `below` where it is null."""
    if not rising:
        return f"{below}::TINYINT"
    middle = len(rising) // 2
    upper, lower = count_met(score, rising[middle + 1 :], below + middle + 1), count_met(score, rising[:middle], below)
    return f"CASE WHEN {score} >= {as_stored(rising[middle])!r}::FLOAT THEN {upper} ELSE {lower} END"


def _with_found(study: Study, corpus: str, concept: str) -> str:
    """The head of a query for a concept's hits, which lie side by side in a corpus, those of a method too."""
    hits = study.locate("hits", corpus, concept=concept)
    return f"""WITH by_text AS (
        SELECT sample_id FROM {hits} WHERE concept = $concept AND modality = 'text' AND method = $text_method
    ), by_image AS (
        SELECT sample_id, score FROM {hits} WHERE concept = $concept AND modality = 'image' AND method = $stored
    )"""


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
    asked = {"concept": concept, "text_method": text_method, "stored": stored}
    found = _with_found(study, corpus, concept)
    shown = {"limit": limit, "skipped": offset} | ({} if modality == "text" else {"threshold": threshold})
    many = concept in _list_frequent(study, corpus, stored, MANY)
    if modality == "image":
        page = _find_shown(study, found, asked, shown, many)
    else:
        page = _find_named(study, found, modality, asked | shown, many).assign(text=True)
    return read_samples(study, corpus, page[["sample_id", "text", "score"]])


@remember(16)
def _list_frequent(study: Study, corpus: str, method: str | None, least: int) -> frozenset[str]:
    """The concepts of which more than `least` samples of a corpus are known to be hit by a method."""
    if method is None or not study.has("frequency"):
        return frozenset()
    rows = study.query(
        "SELECT DISTINCT concept FROM frequency WHERE corpus = $corpus AND method = $method AND count > $least",
        corpus=corpus,
        method=method,
        least=least,
    )
    return frozenset(rows["concept"])


def _find_shown(study: Study, found: str, asked: dict, page: dict, many: bool) -> pd.DataFrame:
    """sample_id, score, text: the page of the hits that the image shows."""
    text = "FALSE" if many else "sample_id IN (SELECT sample_id FROM by_text)"
    rows = study.query(f"{found} SELECT sample_id, score, {text} AS text FROM by_image WHERE {_MEETS} {_PAGE}", **asked, **page)
    if not many:
        return rows
    named = study.query(
        f"""{found} SELECT sample_id FROM by_text
            WHERE sample_id IN (SELECT unnest(CAST($sample_ids AS BIGINT[])))""",
        **asked,
        sample_ids=rows["sample_id"].tolist(),
    )
    return rows.assign(text=rows["sample_id"].isin(named["sample_id"]))


def _find_named(study: Study, found: str, modality: str, asked: dict, many: bool) -> pd.DataFrame:
    """sample_id, score: the page of the hits that the caption shows, or caption and image both."""
    join, meets = ("JOIN", _MEETS) if modality == "joint" else ("LEFT JOIN", "TRUE")
    if many:
        best = study.query(  # of the best images, one in some has the concept in its caption too
            f"""{found}, best AS (
                    SELECT sample_id, score FROM by_image WHERE {meets} ORDER BY score DESC, sample_id LIMIT $most
                )
                SELECT sample_id, score FROM by_text JOIN best USING (sample_id) {_PAGE}""",
            **asked,
            most=WALKED * (asked["skipped"] + asked["limit"]),
        )
        if len(best) == asked["limit"]:
            return best
    sql = f"{found} SELECT sample_id, score FROM by_text {join} by_image USING (sample_id) WHERE {meets} {_PAGE}"
    return study.query(sql, **asked)


_MEETS = "score >= CAST($threshold AS FLOAT)"
_PAGE = "ORDER BY score DESC NULLS LAST, sample_id LIMIT $limit OFFSET $skipped"


def read_samples(study: Study, corpus: str, found: pd.DataFrame) -> pd.DataFrame:
    """Rows that have a sample_id of a corpus, in their order, with their samples' columns: caption, image, offset, length,
    width, height, url (see `split_urls`), and then the rows' own."""
    rows = study.query(
        f"""SELECT sample_id, caption, image, "offset", length, width, height FROM {study.locate("samples", corpus)}
            WHERE sample_id IN (SELECT unnest(CAST($sample_ids AS BIGINT[])))""",
        sample_ids=found["sample_id"].tolist(),
    )
    own = found.columns.drop("sample_id")
    return split_urls(found.merge(rows, on="sample_id")[[*rows.columns, *own]].astype(INTEGERS))


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
