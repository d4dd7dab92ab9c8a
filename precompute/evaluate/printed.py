"""ρ over the bins of frequency that a printed figure shows, by what the manifest says of it under `printed_figures`."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from backend.fits import average_bins, correlate_bins
from backend.manifest import FigureEntry


@dataclass(frozen=True)
class PrintedBins:
    """What a figure shows of the bins of its points: `bins` [first, end) of all, without the points of some tasks.

    `settings`: the only ones with a figure, None for all. `fewest_scores`: of a concept, to be a point.
    """

    bins: slice
    without: tuple[str, ...] = ()
    settings: tuple[str, ...] | None = None
    fewest_scores: int = 0


def find_printed(figures: Iterable[FigureEntry], kind: str, corpus: str, method: str) -> PrintedBins | None:
    """What the figures of a kind, corpus and method show, by the manifest's `printed_figures`; None where there are none."""
    for figure in figures:
        drawn = (figure.methods is None or method in figure.methods) and method not in figure.not_drawn
        if (figure.kind, figure.corpus) == (kind, corpus) and drawn:
            without = figure.without.get(method, ())
            return PrintedBins(slice(*figure.bins), without, figure.settings, figure.fewest_scores)
    return None


def correlate_printed(scores: pd.DataFrame, kind: str, printed: PrintedBins) -> pd.DataFrame:
    """model, setting, paper_r: Pearson r of ln(bin edge) with bin mean over the bins that a figure prints.

    `scores` has a row a point: task, count, model, setting, value, n. A bin without a point stands at zero, as in the figure.
    """
    few = (scores["n"] < printed.fewest_scores).fillna(False)  # a score whose n is not known stays
    kept = scores[~scores["task"].isin(printed.without) & ~few]
    if printed.settings is not None:
        kept = kept[kept["setting"].isin(printed.settings)]
    rows = []
    for (model, setting), part in kept.groupby(["model", "setting"]):
        edges, means = average_bins(part["count"].to_numpy(), part["value"].to_numpy(), kind)
        rows.append((model, setting, correlate_bins(edges[printed.bins], np.nan_to_num(means[printed.bins]))[0]))
    return pd.DataFrame(rows, columns=["model", "setting", "paper_r"])
