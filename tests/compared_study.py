"""A study of two models on four animals, with what each makes of every image, worked out by hand."""

from pathlib import Path

import numpy as np

from backend.study import Study
from tests.tiny_study import count_rows, model_row, score_rows, write_study

COUNTS = {"ant": 1, "bee": 10, "cat": 100, "dog": 1_000}


def guess_rows(model: str, guesses: dict[str, list[str]], setting: str = "plain") -> list[dict]:
    """Rows of `predictions`: of each label's images, in order, what the model takes them for."""
    rows = []
    for label, best in guesses.items():
        for number, guess in enumerate(best):
            rest = [other for other in COUNTS if other != guess]
            ranked = [guess, *rest]
            rows.append(
                {
                    "task": "animals",
                    "model": model,
                    "setting": setting,
                    "item": f"{label}/{number}",
                    "label": label,
                    "place": ranked.index(label) + 1,
                    "similarity": 0.2,
                    "best": ranked,
                    "similarities": [0.3, 0.2, 0.1, 0.0],
                    "image": f"{label}/{number}.png",
                    "offset": None,
                    "length": None,
                }
            )
    return rows


ONE = {"ant": ["ant", "ant", "cat"], "bee": ["bee", "dog", "dog"], "cat": ["cat"], "dog": ["dog", "dog"]}
OTHER = {"ant": ["cat", "dog", "cat"], "bee": ["bee", "bee", "dog"], "cat": ["cat"], "dog": ["ant", "dog"]}


def accuracy(guesses: dict[str, list[str]]) -> dict[str, float]:
    """The percent of each label's images that are told right."""
    return {label: 100 * np.mean([guess == label for guess in best]) for label, best in guesses.items()}


def write_compared(folder: Path, third: dict[str, float] | None = None) -> Study:
    """The study of both models' results, image by image, and of a third model with scores alone: one, if not given."""
    scores = [
        *score_rows("one", accuracy(ONE)),
        *score_rows("other", accuracy(OTHER)),
        *score_rows("third", third or {"ant": 5}),
    ]
    return write_study(
        folder,
        count_rows("web", "lemmatized", COUNTS),
        models=[model_row("one", "web"), model_row("other", None), model_row("third", None)],
        performance=scores,
        predictions=[*guess_rows("one", ONE), *guess_rows("other", OTHER)],
    )
