"""A labelled batch of images scored: how often a model is right, on frequent and on rare concepts, what it takes them for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from PIL import Image

from backend.errors import EmptySelection, ImageError
from backend.models.classifiers import Classifier
from backend.models.encode import Model
from backend.probe.answer import probe_features, rank_candidate, share_above
from backend.probe.facts import Facts
from backend.probe.labelled import Batch, Item
from backend.probe.uploads import open_upload
from backend.progress import Progress

REASONS = 5  # that a sentence names
ANSWERS_AT_ONCE = 256  # an answer over 50,000 candidates takes 1 MB


@dataclass(frozen=True, eq=False)
class BatchReport:
    """What a model makes of a batch.

    corpus: the title of the one whose counts these are, None where none is known · rows: file, label, predicted, right, rank
    (of the label), probability (% of the label), count, predicted_count, more_frequent (null where right, or not counted) ·
    accuracy: % of the images · bins: `bin_accuracy` · confusions: label, predicted, images, count, predicted_count, the most
    frequent confusion first · refused, unused_rows: those of the `Batch` and what cannot be decoded · share: % of the counted
    mistakes that go to a more frequent concept, of
    `mistakes`; chance: % of the other candidates that are more frequent, on average over the same mistakes. nan without
    mistakes.
    """

    rows: pd.DataFrame
    corpus: str | None
    accuracy: float
    bins: pd.DataFrame
    confusions: pd.DataFrame
    refused: pd.DataFrame
    unused_rows: pd.DataFrame
    share: float
    chance: float
    mistakes: int

    @property
    def read(self) -> int:
        """The files that were handed in, those in zips included, the table of labels left aside."""
        return len(self.rows) + len(self.refused)

    @property
    def books(self) -> str:
        """What became of all the files, in words: read = used + left out, by the reasons of most of them."""
        used = f"{self.read:,} files: {len(self.rows):,} images with a label"
        reasons = self.refused["reason"].value_counts()
        told = [f"{count:,} × {reason.rstrip('.')}" for reason, count in reasons.head(REASONS).items()]
        rest = int(reasons.iloc[REASONS:].sum())
        told += [f"{rest:,} for other reasons"] if rest else []
        return f"{used}, {len(self.refused):,} left out ({'; '.join(told)})." if told else f"{used}, none left out."

    @property
    def sentence(self) -> str:
        """The finding on mistakes in words, with its numbers."""
        corpus = self.corpus or "this study"
        if not self.mistakes:
            return f"No mistake between concepts that {corpus} counts."
        return (
            f"Of {self.mistakes:,} mistakes, {self.share:.0f}% go to a concept that is more frequent in {corpus} than the "
            f"true one; were mistakes spread evenly over the other candidates, it would be {self.chance:.0f}%."
        )


def score_batch(
    model: Model, classifier: Classifier, facts: Facts, batch: Batch, corpus: str, say: Progress | None = None
) -> BatchReport:
    """The model's answers on a batch, held against its labels and against the counts of a corpus.

    Raises EmptySelection where no image of it can be decoded.
    """
    refused: list[tuple[str, str]] = []
    decoded: list[Item] = []

    def draw_images() -> Iterator[Image.Image]:
        for done, item in enumerate(batch.items, start=1):
            try:
                image = open_upload(item.content).image
            except ImageError as error:
                refused.append((item.file, str(error)))
            else:
                decoded.append(item)
                yield image
            if say:
                say(done / len(batch.items))

    features = model.encode_images(draw_images())
    everything = pd.concat([batch.refused, pd.DataFrame(refused, columns=["file", "reason"])], ignore_index=True)
    if not decoded:
        raise EmptySelection(f"None of the {batch.read:,} files is an image with a label.{_tell_first(everything)}")
    counts = facts.list_counts(corpus)
    rows = _tabulate(model, classifier, facts.rows["name"], counts, features, decoded)
    mistakes = rows[rows["more_frequent"].notna()]
    chances = [share_above(counts, number) for number in mistakes["number"]]
    confusions = rows[~rows["right"]].groupby(["label", "predicted"], sort=False, dropna=False)
    return BatchReport(
        rows=rows.drop(columns="number"),
        corpus=facts.titles.get(corpus),
        accuracy=float(100.0 * rows["right"].mean()),
        bins=bin_accuracy(rows["count"], rows["right"]),
        confusions=confusions.agg(
            images=("file", "size"), count=("count", "first"), predicted_count=("predicted_count", "first")
        )
        .reset_index()
        .sort_values("images", ascending=False, kind="stable", ignore_index=True),
        refused=everything,
        unused_rows=batch.unused_rows,
        share=float(100.0 * mistakes["more_frequent"].astype(float).mean()) if len(mistakes) else float("nan"),
        chance=float(np.mean(chances)) if chances else float("nan"),
        mistakes=len(mistakes),
    )


def bin_accuracy(counts: pd.Series, right: pd.Series) -> pd.DataFrame:
    """bin, low, high (both counts, inclusive), images, accuracy (%): by tenfold steps of frequency, the rarest first.

    Zero has a bin of its own; images whose concept is not counted have the last (null low and high).

    >>> bin_accuracy(pd.Series([0, 7, 12], dtype="Int64"), pd.Series([False, True, True]))["bin"].tolist()
    ['0', '1 to 9', '10 to 99']
    """
    steps = [-1 if pd.isna(count) else len(str(int(count))) if count else 0 for count in counts]
    table = pd.DataFrame({"step": steps, "right": np.asarray(right, float)})
    grouped = table.groupby("step")["right"].agg(images="size", accuracy="mean").reset_index()
    grouped = pd.concat([grouped[grouped["step"] >= 0], grouped[grouped["step"] < 0]], ignore_index=True)
    low = [pd.NA if step < 0 else 10 ** (step - 1) if step else 0 for step in grouped["step"]]
    high = [pd.NA if step < 0 else 10**step - 1 for step in grouped["step"]]
    names = [
        "not counted" if pd.isna(one) else f"{one:,} to {two:,}" if two else "0" for one, two in zip(low, high, strict=True)
    ]
    spans = pd.DataFrame({"bin": names, "low": pd.array(low, "Int64"), "high": pd.array(high, "Int64")})
    return spans.assign(images=grouped["images"], accuracy=100.0 * grouped["accuracy"])


def _tabulate(
    model: Model, classifier: Classifier, names: pd.Series, counts: pd.Series, features: np.ndarray, items: Sequence[Item]
) -> pd.DataFrame:
    numbers = np.array([item.number for item in items])
    places = []
    for start in range(0, len(items), ANSWERS_AT_ONCE):
        answers = probe_features(model, classifier, features[start : start + ANSWERS_AT_ONCE])
        for answer, number in zip(answers, numbers[start:], strict=False):
            places.append((answer.order[0], rank_candidate(answer, number), 100.0 * answer.probabilities[number]))
    predicted, ranks, probabilities = (np.array(column) for column in zip(*places, strict=True))
    rows = pd.DataFrame(
        {
            "file": [item.file for item in items],
            "number": numbers,
            "label": names.to_numpy()[numbers],
            "predicted": names.to_numpy()[predicted],
            "right": predicted == numbers,
            "rank": ranks,
            "probability": probabilities,
            "count": counts.iloc[numbers].array,
            "predicted_count": counts.iloc[predicted].array,
        }
    )
    more = (rows["predicted_count"] > rows["count"]).astype("boolean")
    return rows.assign(more_frequent=more.mask(rows["right"] | rows["count"].isna() | rows["predicted_count"].isna()))


def _tell_first(refused: pd.DataFrame) -> str:
    return f" The first: {refused['file'].iloc[0]}, {refused['reason'].iloc[0]}" if len(refused) else ""
