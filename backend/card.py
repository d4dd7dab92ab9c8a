"""The first answer about a concept in one corpus: how often it is shown, how rare that is, and what models make of it."""

from dataclasses import dataclass

import pandas as pd

from backend import expected
from backend.errors import EmptySelection
from backend.frequency import list_counts, list_methods
from backend.study import Study

SHOWS = {"image": "image", "text": "caption", "joint": "sample"}  # what a count of each modality counts, in one word
SCORED = {"classification": "score", "retrieval": "recall"}  # the kinds whose values are percentages
PLACES = 2  # tasks whose scores are told
MILLIONS = ((1e9, "billion"), (1e6, "million"))


@dataclass(frozen=True)
class TaskScores:
    """What models score on a concept in one task, in percent: from the least to the most."""

    task: str
    low: float
    high: float


@dataclass(frozen=True)
class Card:
    """A concept in a corpus, in the parts of a sentence.

    count: by `method`, which saw the images where the corpus's images were counted, else the captions · percentile: of the
    `concepts` that it counted there, how many are rarer (%) · others: the counts by the other modalities, each with its method;
    where the usual text search finds none and another does, that one's · models: how many were trained on the corpus and
    scored · expected: the range that four in five concepts about as frequent reach, None without a model.
    """

    concept: str
    title: str
    method: str
    modality: str
    count: int
    percentile: float
    concepts: int
    others: tuple[tuple[str, str, int], ...]
    kind: str
    models: int
    scores: tuple[TaskScores, ...]
    expected: tuple[float, float] | None

    @property
    def shown(self) -> str:
        """How often the corpus shows it: "3.35 million images in LAION-400M"."""
        noun = SHOWS[self.modality]
        return f"{say_count(self.count)} {noun}{'' if self.count == 1 else 's'} in {self.title}"

    @property
    def place(self) -> str:
        """How rare that is: "commoner than 95% of 3,738 concepts"."""
        if self.percentile == 0:
            return f"no concept of {self.concepts:,} is rarer"
        return f"commoner than {say_share(self.percentile)} of {self.concepts:,} concepts"

    @property
    def beside(self) -> str:
        """What the other modalities count: "text 257,038 · both 0"; nothing where none does."""
        names = {"joint": "both"}
        return " · ".join(f"{names.get(modality, modality)} {count:,}" for modality, _, count in self.others)

    @property
    def scored(self) -> str:
        """What models score: "CLIPs trained on it score 68 to 78% (cifar100)"; nothing without a score."""
        if not self.scores:
            return ""
        told = ", ".join(f"{say_range(one.low, one.high)} ({one.task})" for one in self.scores[:PLACES])
        more = len(self.scores) - PLACES
        told += f" and more in {more} other task{'s' if more > 1 else ''}" if more > 0 else ""
        one = self.models == 1
        return f"{'the CLIP' if one else f'{self.models} CLIPs'} trained on it {SCORED[self.kind]}{'s' if one else ''} {told}"

    @property
    def foreseen(self) -> str:
        """What its frequency leads one to expect: "expected at this frequency 34 to 99%"; nothing without a band."""
        return f"expected at this frequency {say_range(*self.expected)}" if self.expected else ""

    @property
    def sentence(self) -> str:
        """All of it as plain text."""
        parts = [self.place, self.beside, self.scored, self.foreseen]
        return f"{self.concept}: {'; '.join([self.shown, *filter(None, parts)])}"


def deal_card(study: Study, concept: str, corpus: str, *, kind: str, setting: str) -> Card:
    """The card of a concept for a corpus; scores are those of models that were trained on it, of a kind of task in a setting.

    Scores of a kind that has no percentages, or that the study lacks, are left out. Raises EmptySelection where the corpus
    does not count the concept.
    """
    counts = list_counts(study, concept)
    counts = counts[counts["corpus"] == corpus].set_index("method")
    if counts.empty:
        raise EmptySelection(f"{study.corpus_titles.get(corpus, corpus)} does not count '{concept}'.")
    chosen = _choose_methods(counts, list_methods(study))
    modality = next(name for name in ("image", "text", "joint") if name in chosen)
    method = chosen[modality]
    others = [(name, chosen[name], int(counts["high"][chosen[name]])) for name in ("image", "text", "joint") if name in chosen]
    scores = _list_own_scores(study, concept, corpus, {"kind": kind, "setting": setting, "method": method})
    bands = scores.dropna(subset="expected") if len(scores) else scores
    return Card(
        concept=concept,
        title=study.corpus_titles.get(corpus, corpus),
        method=method,
        modality=modality,
        count=int(counts["high"][method]),
        percentile=float(counts["percentile"][method]),
        concepts=int(counts["concepts"][method]),
        others=tuple(other for other in others if other[0] != modality),
        kind=kind,
        models=scores["model"].nunique() if len(scores) else 0,
        scores=tuple(
            TaskScores(task, float(values.min()), float(values.max()))
            for task, values in (scores.groupby("task")["value"] if len(scores) else ())
        ),
        expected=(float(bands["low"].min()), float(bands["high"].max())) if len(bands) else None,
    )


def _choose_methods(counts: pd.DataFrame, methods: pd.DataFrame) -> dict[str, str]:
    """modality -> the widest-used method that counts; another text method where that one finds nothing and the other does."""
    order = [method for method in methods["method"] if method in counts.index]
    chosen: dict[str, str] = {}
    for method in order:
        modality = counts["modality"][method]
        current = chosen.setdefault(modality, method)
        if modality == "text" and counts["high"][current] == 0 < counts["high"][method]:
            chosen[modality] = method
    return chosen


def _list_own_scores(study: Study, concept: str, corpus: str, choice: dict[str, str]) -> pd.DataFrame:
    """model, task, value, expected, low, high: scores on the concept of the models that were trained on the corpus."""
    if choice["kind"] not in SCORED or not study.has("performance", "models", "scaling", "concepts"):
        return pd.DataFrame()
    if study.query("SELECT model FROM models WHERE corpus = $corpus LIMIT 1", corpus=corpus).empty:
        return pd.DataFrame()  # what a corpus that nobody trained on lets one expect is not worth the search
    try:
        rows = expected.list_scores(study, concept, **choice)
    except EmptySelection:
        return pd.DataFrame()
    rows = rows[rows["corpus"] == corpus]
    if rows.empty:
        return rows
    return expected.expect_each(rows, expected.read_peers(study, **choice), choice["kind"])


def say_count(count: int) -> str:
    """A count as one says it.

    >>> say_count(3_347_335), say_count(257_038), say_count(1), say_count(0)
    ('3.35 million', '257,038', '1', 'no')
    """
    for size, word in MILLIONS:
        if count >= size:
            return f"{count / size:.3g} {word}"
    return f"{count:,}" if count else "no"


def say_share(share: float) -> str:
    """A share below 100% that does not read as all, or above 0% as none.

    >>> say_share(94.9), say_share(99.97), say_share(0.02)
    ('95%', '99.97%', '0.02%')
    """
    return f"{share:.2f}%" if share < 0.5 or share > 99.5 else f"{share:.0f}%"


def say_range(low: float, high: float) -> str:
    """Two percentages in whole points; one where both read the same.

    >>> say_range(68.0, 77.6), say_range(50.0, 50.2)
    ('68 to 78%', '50%')
    """
    return f"{low:.0f} to {high:.0f}%" if f"{low:.0f}" != f"{high:.0f}" else f"{high:.0f}%"
