"""What a corpus's counts let one expect of a model, if the line of another corpus's model held for it; what to collect.

That line says how scores go with counts from concept to concept within one corpus. Whether a new corpus follows it is not
known: corpora differ in more than counts, and how such forecasts fared (`transfer.check_forecasts`) belongs beside them.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from backend.bands import Peers, expect_mean, find_band, gather_peers, lie_outside
from backend.corpus_report import CountedCorpus, compare_with
from backend.errors import EmptySelection
from backend.expected import GAIN
from backend.fits import FEWEST_POINTS, Fit
from backend.scaling import bounds_of, find_fit, join_points, pooled_tasks
from backend.study import Study
from backend.testset import measure_scores
from backend.transfer import foresee_need


@dataclass(frozen=True, eq=False)
class Line:
    """How the scores of one model go with the counts of its own corpus: the concepts that it was scored on, and the line."""

    peers: Peers
    fit: Fit


@dataclass(frozen=True)
class Selection:
    """A model of a study with its own corpus, the method that counted it, and the scores: their kind and setting."""

    model: str
    corpus: str
    method: str
    setting: str
    kind: str

    @property
    def words(self) -> dict[str, str]:
        """The keywords that `scaling` asks for."""
        return {name: getattr(self, name) for name in ("model", "corpus", "method", "setting", "kind")}


def read_line(study: Study, selection: Selection) -> Line:
    """The line of a model. Raises EmptySelection where fewer than three of its scores have a count."""
    words = selection.words | {"tasks": pooled_tasks(study, selection.kind)}
    points = join_points(study, **words)
    if len(points) < FEWEST_POINTS:
        raise EmptySelection(f"A line needs {FEWEST_POINTS} points; {selection.model} has {len(points)}.")
    return Line(gather_peers(points, bounds_of(selection.kind)), find_fit(points, study, **words))


def expect_tasks(own: CountedCorpus, study: Study, selection: Selection) -> pd.DataFrame:
    """The mean score to expect on each task of the selection's kind, if the model's line held for this corpus.

    task, concepts, missing (never shown), expected, low, high (four test sets in five; the task's own effect is in it),
    outside (% of the concepts whose counts lie outside those of the line), measured (what the model itself scores on these
    concepts, after its own corpus; null where it has no score). Raises EmptySelection without a task.
    """
    tasks = own.tasks[(own.tasks["kind"] == selection.kind) & own.tasks["concept"].isin(own.counts.index)]
    if tasks.empty:
        raise EmptySelection(f"{own.title} is counted for no task of the kind {selection.kind}.")
    line = read_line(study, selection)
    asked = {"model": selection.model, "kind": selection.kind, "setting": selection.setting}
    measured = measure_scores(study, tasks["concept"], **asked)
    rows = []
    for task, part in tasks.groupby("task", sort=True):
        counts = own.counts.loc[part["concept"]].to_numpy(float)
        mean = expect_mean(line.peers, counts)
        figures = (mean.value, mean.low, mean.high) if mean else (np.nan, np.nan, np.nan)
        outside = 100 * lie_outside(line.peers, counts).mean()
        rows.append((task, len(counts), int((counts == 0).sum()), *figures, outside, measured.loc[part.index].mean()))
    return pd.DataFrame(
        rows, columns=["task", "concepts", "missing", "expected", "low", "high", "outside", "measured"]
    ).sort_values(["expected", "task"], ignore_index=True)


def list_needs(own: CountedCorpus, compared: pd.DataFrame | None, line: Line | None, ceiling: float | None) -> pd.DataFrame:
    """What to collect: the concepts that a corpus shows too rarely, and how many more samples of each there should be.

    concept, count · reference_count, to_share: more samples until its share is that of `compared` (`rates.compare_rates`), with
    hardly; only concepts below that share are listed, those that miss most first. Without it all concepts, the rarest first ·
    expected: the score at its count by the line, more_low and more_high: more samples for ten points above it, by the 95%
    interval of the line's slope. Null where that is not told: never shown, above the ceiling, or a slope that reaches zero.
    """
    if compared is None:
        table = own.counts.sort_values(kind="stable").rename_axis("concept").reset_index()
    else:
        table = compared.loc[compared["fewer"] > 0, ["concept", "count", "reference_count", "hardly"]].copy()
        missed = compared.loc[table.index]
        share = missed["reference_per_million"] / 1e6
        table["to_share"] = np.ceil(missed["fewer"] / (1 - share)).astype("int64")
    if line is not None and ceiling is not None:
        counts = table["count"].to_numpy(float)
        expected = find_band(line.peers, counts)[1] if len(counts) else counts
        factors = [
            foresee_need(line.fit, count, score, gain=GAIN, ceiling=ceiling) or (np.nan, np.nan)
            for count, score in zip(counts, expected, strict=True)
        ]
        more = np.ceil(counts[:, None] * (np.array(factors).reshape(-1, 2) - 1))
        table = table.assign(expected=expected, more_low=more[:, 0], more_high=more[:, 1])
    return table.reset_index(drop=True)


def plan_collection(
    own: CountedCorpus, reference: tuple[Study, str] | None, model: tuple[Study, Selection] | None
) -> pd.DataFrame:
    """`list_needs` of a corpus beside a reference (its study, its name), by the line of a model (its study, its selection)."""
    compared = compare_with(own, *reference) if reference else None
    if model is None:
        return list_needs(own, compared, None, None)
    bounds = bounds_of(model[1].kind)
    return list_needs(own, compared, read_line(*model), bounds[1] if bounds else None)
