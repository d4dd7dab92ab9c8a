"""An image in; ranked candidates out, and where the true one stands.

Candidates are named to the model by `backend.models.classifiers`; what the study knows of them is joined once, so that an image
costs its own encoding and little more.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from PIL import Image

from backend.models.classifiers import Classifier
from backend.models.encode import Model
from backend.probe.facts import Facts


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
    count, `more_frequent` have more than it; `chance`: % of all other counted candidates that have more (nan: not known);
    `corpus`: its title, None where none is known.
    """

    name: str
    rank: int
    candidates: int
    probability: float
    corpus: str | None
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
        corpus = self.corpus or "This study"
        place = f"“{self.name}” comes in place {self.rank:,} of {self.candidates:,}"
        if self.count is None:
            return f"{place}. {corpus} does not count it, so it cannot be said whether what beat it is more frequent."
        if not self.known:
            return f"{place}. {corpus} counts none of what beat it, so it cannot be said whether that is more frequent."
        return (
            f"{place}. Of the {self.known:,} counted candidates that beat it, {self.more_frequent:,} are more frequent in "
            f"{corpus} than it, which has {self.count:,} samples there. That is "
            f"{100 * self.more_frequent / self.known:.0f}% of them; of all other candidates, {self.chance:.0f}% are more "
            "frequent."
        )


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
    """The best candidates: rank, number (of the candidate), probability (%), similarity, and the columns of `Facts.rows`."""
    chosen = answer.order[:top]
    places = pd.DataFrame({"rank": np.arange(1, len(chosen) + 1), "number": chosen})
    places["probability"] = 100.0 * answer.probabilities[chosen]
    places["similarity"] = answer.similarities[chosen].astype(float)
    return pd.concat([places, facts.rows.iloc[chosen].set_axis(places.index)], axis=1)


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
        corpus=facts.titles.get(corpus),
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
