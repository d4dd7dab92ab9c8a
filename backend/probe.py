"""An image in; ranked candidates out, each with how often the pretraining data shows it and what that lets one expect.

Candidates are named to the model by `backend.classifiers`; what the study knows of them is joined once, so that an image
costs its own encoding and little more.
"""

import hashlib
import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from backend.classifiers import CACHE, Classifier, load_array, store_array
from backend.clip import Model, Say, spell_name
from backend.concepts import find_concept, list_concepts
from backend.errors import EmptySelection, ImageError, TailscopeError
from backend.expected import find_peers
from backend.frequency import count_concepts
from backend.samples import decode_image, describe_search, find_hits, list_sampled_corpora, read_image_bytes
from backend.study import Study
from backend.testset import expect_scores, read_names
from backend.words import canonical

KIND = "classification"
EXPECTED = ["expected", "low", "high", "extrapolates"]
TAIL_SHARE = 0.1  # of the concepts, where the study names no tail benchmark
MAX_TYPED = 1_000
REFERENCE_IMAGES = 256
FEWEST_IMAGES = 20
REFERENCE_BYTES = 64 * 2**20  # of all references on disk, 0.5 MB each by 512 numbers
POOR_PERCENTILE = 5  # below it, no candidate fits well


@dataclass(frozen=True)
class Candidates:
    """What an image is compared with: `names` as prompts say them, and the study's concept of each (None: not in it).

    task: the one whose labels they are, or None.
    """

    title: str
    names: tuple[str, ...]
    concepts: tuple[str | None, ...]
    task: str | None = None


@dataclass(frozen=True, eq=False)
class Facts:
    """What a study knows of candidates: `rows`, one each in their order, with name, concept, percentile, tail, a count column
    for each of `corpora`, measured, expected, low, high (% of the model's own scores), extrapolates. Null: not known.

    model, own_corpus: whose scores these are, and the corpus that they are expected from · tail_rule: what `tail` means.
    """

    rows: pd.DataFrame
    corpora: tuple[str, ...]
    model: str | None
    own_corpus: str | None
    method: str
    setting: str
    tail_rule: str

    def list_counts(self, corpus: str) -> pd.Series:
        """The candidates' counts in a corpus, in their order; null where it does not count one."""
        return self.rows[corpus] if corpus in self.corpora else pd.Series(pd.NA, index=self.rows.index, dtype="Int64")


@dataclass(frozen=True, eq=False)
class Answer:
    """A model's answer on one image: to each candidate the cosine similarity, float32 (candidates,), and the probability,
    float64 (candidates,) with sum 1; `order`: the candidates' numbers, best first, int64; `features`: the image's, (width,).
    """

    similarities: np.ndarray
    probabilities: np.ndarray
    order: np.ndarray
    features: np.ndarray

    @property
    def best(self) -> float:
        """The similarity of the best candidate."""
        return float(self.similarities[self.order[0]])


@dataclass(frozen=True, eq=False)
class Truth:
    """Where the true concept stands: its rank (1 is first) among the candidates, probability (%), count in the corpus (None:
    not counted), and the `winners` above it: name, concept, probability (%), count. Of the `known` winners, those with a
    count, `more_frequent` have more than it; `chance`: % of all other counted candidates that have more (nan: not known).
    """

    name: str
    rank: int
    candidates: int
    probability: float
    corpus: str
    count: int | None
    winners: pd.DataFrame
    more_frequent: int
    known: int
    chance: float

    @property
    def sentence(self) -> str:
        """The finding in words, with its numbers."""
        if self.rank == 1:
            return (
                f"“{self.name}” comes first of {self.candidates:,} candidates, with a probability of {self.probability:.1f}%."
            )
        place = f"“{self.name}” comes in place {self.rank:,} of {self.candidates:,}"
        if self.count is None:
            return f"{place}. {self.corpus} does not count it, so it cannot be said whether what beat it is more frequent."
        if not self.known:
            return f"{place}. {self.corpus} counts none of what beat it, so it cannot be said whether that is more frequent."
        return (
            f"{place}. Of the {self.known:,} counted candidates that beat it, {self.more_frequent:,} are more frequent in "
            f"{self.corpus} than it, which has {self.count:,} samples there. That is "
            f"{100 * self.more_frequent / self.known:.0f}% of them; of all other candidates, {self.chance:.0f}% are more "
            "frequent."
        )


@dataclass(frozen=True, eq=False)
class Reference:
    """How well the best candidate fits images of the study itself: `best` similarities, float32, in rising order."""

    best: np.ndarray
    corpus: str


@dataclass(frozen=True)
class FitVerdict:
    """How an image's best candidate fits: the share of the study's images whose best fits worse (%), and in words."""

    percentile: float
    poor: bool
    sentence: str


def list_candidate_sets(study: Study) -> pd.DataFrame:
    """key, title, names: the sets of candidates that a study offers, with how many each has."""
    study.require("concepts")
    concepts = len(list_concepts(study))
    tail = _count_tail(study)
    rows = [
        ("all", "All concepts of the study", concepts),
        ("tail", _name_tail(study), tail),
        ("head", "The most frequent concepts", min(tail, concepts)),
    ]
    tasks = study.query(
        "SELECT task, count(*) AS labels FROM concepts WHERE kind = $kind GROUP BY task ORDER BY task", kind=KIND
    )
    rows += [(f"task:{row.task}", f"Labels of {row.task}", row.labels) for row in tasks.itertuples(index=False)]
    return pd.DataFrame(rows, columns=["key", "title", "names"])


def choose_candidates(study: Study, key: str, method: str) -> Candidates:
    """The candidates of a key of `list_candidate_sets`; head and tail go by the counts of `method`.

    Without a tail benchmark the tail is the least frequent tenth. Raises EmptySelection for a key that the study lacks.
    """
    sets = list_candidate_sets(study).set_index("key")["title"]
    if key not in sets:
        raise EmptySelection(f"Study '{study.name}' has no candidates '{key}'. It has: {', '.join(sets.index)}.")
    kind, _, task = key.partition(":")
    if kind == "task":
        rows = study.query("SELECT label, concept FROM concepts WHERE task = $task ORDER BY label", task=task)
        names = tuple(spell_name(label) for label in rows["label"])
        return Candidates(sets[key], names, tuple(rows["concept"]), task)
    if kind == "all":
        concepts = list_concepts(study)
    elif kind == "tail" and study.has("tail"):
        concepts = tuple(study.query("SELECT DISTINCT concept FROM tail ORDER BY concept")["concept"])
    else:
        ranked = _average_percentiles(study, method).sort_values("percentile", ascending=kind == "tail", kind="stable")
        concepts = tuple(sorted(ranked.index[: _count_tail(study)]))
    return Candidates(sets[key], concepts, concepts)


def read_candidates(study: Study, text: str) -> Candidates:
    """The candidates that a user typed: one a line, or between commas; repetitions are left out.

    A name that the study spells so, but for capitals and underscores, has its concept. Raises TailscopeError for no name,
    or more than `MAX_TYPED`.
    """
    lines = [part.strip() for line in text.splitlines() for part in (line.split(",") if "\t" not in line else [line])]
    names = list(dict.fromkeys(spell_name(name) for name in read_names("\n".join(line for line in lines if line))))
    if not 1 <= len(names) <= MAX_TYPED:
        raise TailscopeError(f"{len(names):,} names: type from 1 to {MAX_TYPED:,}, one a line or between commas.")
    matches = [find_concept(study, name, limit=1) for name in names]
    concepts = tuple(match.concept if match.how in ("exact", "label") else None for match in matches)
    return Candidates("Names that were typed", tuple(names), concepts)


def find_candidate(candidates: Candidates, text: str) -> int | None:
    """The number of the candidate that a text names, by name or concept, whatever its capitals; None where there is none."""
    key = canonical(text)
    for names in (candidates.names, candidates.concepts):
        for number, name in enumerate(names):
            if name is not None and canonical(name) == key:
                return number
    return None


def find_study_model(study: Study, model: Model) -> str | None:
    """What the study calls a loaded model: the one evaluated with the same weights, else open_clip's tag; None: not in it."""
    for name, made in study.manifest.get("arguments", {}).get("evaluate", {}).items():
        if made.get("weights_sha256") == model.weights_sha256:
            return name
    if model.tag is None or not study.has("models"):
        return None
    known = set(study.query("SELECT model FROM models")["model"])
    return model.name if model.name in known else None


def describe_candidates(
    study: Study, candidates: Candidates, *, method: str, setting: str, study_model: str | None = None
) -> Facts:
    """Counts, percentile and tail mark of every candidate, and the scores of a model of the study on it.

    percentile: the mean over the corpora of the share of concepts that are rarer (%) · measured: the model's accuracy in
    `setting` (mean over the tasks that name the concept; only the candidates' own task where they are one's labels) ·
    expected, low, high: what the model scores on the concepts that are about as frequent in its own corpus.
    """
    rows = pd.DataFrame({"name": candidates.names, "concept": pd.Series(candidates.concepts, dtype=object)})
    corpora: tuple[str, ...] = ()
    rows["percentile"] = np.nan
    if study.has("frequency"):
        ranked = count_concepts(study, method)
        counts = ranked.pivot(index="concept", columns="corpus", values="count").astype("Int64")
        corpora = tuple(counts.columns)
        rows["percentile"] = rows["concept"].map(ranked.groupby("concept")["percentile"].mean()).astype(float)
        rows = rows.merge(counts, left_on="concept", right_index=True, how="left")
    rows["tail"], rule = _mark_tail(study, rows)
    own = _find_own_corpus(study, study_model, corpora)
    rows["measured"] = rows["concept"].map(_read_scores(study, study_model, setting, candidates.task)).astype(float)
    rows = rows.join(_expect_scores(study, rows, study_model, own, method, setting))
    return Facts(rows.reset_index(drop=True), corpora, study_model, own, method, setting, rule)


def probe_images(model: Model, classifier: Classifier | np.ndarray, images: Sequence[Image.Image]) -> list[Answer]:
    """The model's answer on each image, over the candidates of the classifier."""
    return probe_features(model, classifier, model.encode_images(images))


def probe_features(model: Model, classifier: Classifier | np.ndarray, features: np.ndarray) -> list[Answer]:
    """`probe_images` of images that are encoded already: features float32 (images, width), each of length 1."""
    names = classifier.features if isinstance(classifier, Classifier) else classifier
    similarities = features @ names.T
    answers = []
    for row, image in zip(similarities, features, strict=True):
        answers.append(Answer(row, compute_probabilities(row, model.temperature), _order_candidates(row), image))
    return answers


def _order_candidates(similarities: np.ndarray) -> np.ndarray:
    """The candidates' numbers, the best first; of equally similar ones the first, as argmax has it."""
    order = np.argsort(-similarities)
    distinct = np.diff(similarities[order]).all()
    return order if distinct else np.argsort(-similarities, kind="stable")  # which takes three times as long


def compute_probabilities(similarities: np.ndarray, temperature: float) -> np.ndarray:
    """The softmax of similarities (candidates,) over a temperature, float64, with sum 1.

    >>> compute_probabilities(np.array([0.3, 0.3]), 0.01).tolist()
    [0.5, 0.5]
    """
    logits = similarities.astype(np.float64) / temperature
    powers = np.exp(logits - logits.max())
    return powers / powers.sum()


def rank_candidate(answer: Answer, number: int) -> int:
    """The place of a candidate in an answer; 1 is first."""
    return int(np.flatnonzero(answer.order == number)[0]) + 1


def tabulate_answer(facts: Facts, answer: Answer, top: int = 10) -> pd.DataFrame:
    """The best candidates: rank, number (of the candidate), probability (%), similarity, and all columns of `Facts.rows`."""
    chosen = answer.order[:top]
    places = pd.DataFrame({"rank": np.arange(1, len(chosen) + 1), "number": chosen})
    places["probability"] = 100.0 * answer.probabilities[chosen]
    places["similarity"] = answer.similarities[chosen].astype(float)
    return pd.concat([places, facts.rows.iloc[chosen].set_axis(places.index)], axis=1)


def find_examples(study: Study, concept: str | None, count: int = 2) -> tuple[str | None, pd.DataFrame]:
    """The first corpus, the smallest first, that has samples of a concept, and a few of them as `find_hits` has them.

    (None, an empty frame) where there are none, or the study holds no samples.
    """
    if concept is None or not study.has("corpora", "samples", "hits"):
        return None, pd.DataFrame()
    for corpus in list_sampled_corpora(study)["corpus"]:
        search = describe_search(study, corpus, "samples", "hits")
        text, image = search.chosen["text"], search.chosen.get("image")
        for modality in ("joint", "image", "text") if image else ("text",):
            rows = find_hits(study, concept, corpus, modality, text_method=text, image_method=image, limit=count)
            if len(rows):
                return corpus, rows
    return None, pd.DataFrame()


def judge_truth(facts: Facts, answer: Answer, number: int, corpus: str) -> Truth:
    """Where candidate `number`, the true one, stands in an answer, and whether what beat it is more frequent in a corpus."""
    rank = rank_candidate(answer, number)
    above = answer.order[: rank - 1]
    winners = facts.rows.iloc[above][["name", "concept"]].reset_index(drop=True)
    winners["probability"] = 100.0 * answer.probabilities[above]
    counts = facts.list_counts(corpus)
    winners["count"] = counts.iloc[above].reset_index(drop=True)
    own = None if pd.isna(counts.iloc[number]) else int(counts.iloc[number])
    known = winners["count"].dropna() if own is not None else winners["count"].head(0)
    return Truth(
        name=facts.rows.at[number, "name"],
        rank=rank,
        candidates=len(facts.rows),
        probability=float(100.0 * answer.probabilities[number]),
        corpus=corpus,
        count=own,
        winners=winners,
        more_frequent=int((known > own).sum()) if own is not None else 0,
        known=len(known),
        chance=share_above(counts, number) if own is not None else float("nan"),
    )


def share_above(counts: pd.Series, number: int) -> float:
    """The percentage of the other counted candidates that are more frequent than one; nan where there is no other."""
    others = counts.drop(counts.index[number]).dropna()
    return float(100.0 * (others > counts.iloc[number]).mean()) if len(others) else float("nan")


def build_reference(
    study: Study, model: Model, classifier: Classifier, folder: Path = CACHE / "references", say: Say | None = None
) -> Reference | None:
    """The best similarities that images of the study itself reach: `REFERENCE_IMAGES` of its largest corpus, drawn by lot.

    The same ones are drawn each time. Their features are kept on disk by weights and study, so that other candidates or
    prompts cost no encoding. Images that cannot be decoded are left out. None where that leaves fewer than `FEWEST_IMAGES`,
    or the study holds no samples.
    """
    if not study.has("samples"):
        return None
    corpora = study.query("SELECT corpus FROM samples GROUP BY corpus ORDER BY count(*) DESC, corpus LIMIT 1")["corpus"]
    if corpora.empty:
        return None
    key = hashlib.sha256(f"{model.weights_sha256} {study.token} {REFERENCE_IMAGES}".encode()).hexdigest()
    features = load_array(folder / f"{key}.npy")
    if features is None:
        features = model.encode_images(_draw_images(study, corpora[0], say))
        with suppress(OSError):  # a full disk costs the cache, not the answer
            store_array(folder / f"{key}.npy", features, REFERENCE_BYTES)
    if len(features) < FEWEST_IMAGES:
        return None
    return Reference(np.sort((features @ classifier.features.T).max(axis=1)), corpora[0])


def judge_fit(answer: Answer, reference: Reference | None) -> FitVerdict | None:
    """How an image's best candidate fits, against the study's own images; None without a reference."""
    if reference is None:
        return None
    percentile = 100.0 * float(np.searchsorted(reference.best, np.float32(answer.best))) / len(reference.best)
    poor = percentile < POOR_PERCENTILE
    share = f"{percentile:.0f}% of {len(reference.best)} images of {reference.corpus}"
    if poor:
        words = f"No candidate fits well: the best has a similarity of {answer.best:.3f}, and only {share} have a lower one."
    else:
        words = f"The best candidate has a similarity of {answer.best:.3f}; {share} have a lower one."
    return FitVerdict(percentile, poor, f"{words} Below {POOR_PERCENTILE}%, a fit counts as poor.")


def _draw_images(study: Study, corpus: str, say: Say | None) -> Iterator[Image.Image]:
    rows = study.query(
        """SELECT image, "offset", length FROM samples WHERE corpus = $corpus AND image IS NOT NULL
           ORDER BY hash(sample_id), sample_id LIMIT $images""",
        corpus=corpus,
        images=REFERENCE_IMAGES,
    )
    for number, row in enumerate(rows.itertuples(index=False), start=1):
        with suppress(ImageError):
            yield decode_image(read_image_bytes(study.folder, row.image, row.offset, row.length))
        if say:
            say(number / len(rows))


def _average_percentiles(study: Study, method: str) -> pd.DataFrame:
    """The mean percentile of every counted concept over the corpora, indexed by concept."""
    return count_concepts(study, method).groupby("concept")[["percentile"]].mean()


def _count_tail(study: Study) -> int:
    if study.has("tail"):
        return int(study.query("SELECT count(DISTINCT concept) AS concepts FROM tail")["concepts"].iloc[0])
    return math.ceil(TAIL_SHARE * len(list_concepts(study)))


def _name_tail(study: Study) -> str:
    if study.has("tail"):
        return f"The tail: {study.manifest.get('tail', {}).get('title', 'the study’s benchmark')}"
    return "The least frequent concepts"


def _mark_tail(study: Study, rows: pd.DataFrame) -> tuple[pd.Series, str]:
    """Whether each candidate lies in the tail, and the rule of that in words."""
    if study.has("tail"):
        tail = set(study.query("SELECT DISTINCT concept FROM tail")["concept"])
        return rows["concept"].isin(tail), f"one of the {len(tail):,} concepts of {_name_tail(study).partition(': ')[2]}"
    limit = 100 * TAIL_SHARE
    return rows["percentile"] < limit, f"rarer than {100 - limit:.0f}% of the concepts, on average over the corpora"


def _find_own_corpus(study: Study, model: str | None, corpora: Sequence[str]) -> str | None:
    """The corpus that a model of the study was trained on, where its concepts are counted."""
    if model is None or not study.has("models"):
        return None
    rows = study.query("SELECT corpus FROM models WHERE model = $model", model=model)
    corpus = rows["corpus"].iloc[0] if len(rows) else None
    return corpus if corpus in corpora else None


def _read_scores(study: Study, model: str | None, setting: str, task: str | None) -> dict[str, float]:
    """concept -> a model's accuracy on it, in percent."""
    if model is None or not study.has("performance"):
        return {}
    rows = study.query(
        """SELECT concept, avg(value) AS value FROM performance
           WHERE model = $model AND kind = $kind AND setting = $setting AND ($task IS NULL OR task = $task) GROUP BY concept""",
        model=model,
        kind=KIND,
        setting=setting,
        task=task,
    )
    return dict(zip(rows["concept"], rows["value"], strict=True))


def _expect_scores(
    study: Study, rows: pd.DataFrame, model: str | None, corpus: str | None, method: str, setting: str
) -> pd.DataFrame:
    """expected, low, high, extrapolates of each row, by a model's scores on the concepts that are about as frequent in its
    own corpus; null where there are none."""
    if model is not None and corpus is not None and study.has("performance"):
        with suppress(EmptySelection):
            peers = find_peers(study, model=model, corpus=corpus, method=method, setting=setting, kind=KIND)
            return expect_scores(rows, corpus, peers)[EXPECTED]
    return pd.DataFrame(np.nan, index=rows.index, columns=EXPECTED[:3]).assign(extrapolates=None)[EXPECTED]
