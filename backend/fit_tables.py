"""Fits as tables for people: one model's statistics with the question that each answers, many models' side by side."""

import numpy as np
import pandas as pd

from backend.fits import Fit, keep_discoveries
from backend.scaling import ModelLine

_QUESTIONS = {
    "mixed": (
        "Slope, mixed",
        "Points that a tenfold goes with in an average task",
    ),
    "within tasks": ("Slope within tasks", "The same, one slope for all tasks: large ones weigh most"),
    "pooled": ("Slope, pooled", "The line that is drawn: it mixes easy and hard tasks"),
}


def tabulate_fit(fit: Fit) -> pd.DataFrame:
    """statistic, estimate, interval (95%, "" where there is none), question: the statistics of a fit that are determined."""
    rows = [
        (_QUESTIONS[slope.name][0], slope.value, format_interval(slope.low, slope.high, "+.1f"), _QUESTIONS[slope.name][1])
        for slope in fit.slopes
    ]
    raw = format_interval(fit.pearson_low, fit.pearson_high, ".2f")
    rows += [
        (
            "Raw r",
            fit.pearson_r,
            raw,
            "Squared: the share of the variance of scores that goes with frequency",
        ),
        ("Spearman", fit.spearman_r, "", "The same of ranks, a count of zero below a count of one"),
        ("Binned r, all bins", fit.binned_r, "", "Do the means of bins of frequency follow a line?"),
        ("Paper's ρ", fit.paper_r, "", "The same, over the bins that the paper's figure prints"),
        (
            "Curvature p",
            fit.curvature_p,
            "",
            "Small where a curve fits better, if points were independent",
        ),
    ]
    table = pd.DataFrame(rows, columns=["statistic", "estimate", "interval", "question"])
    return table[np.isfinite(table["estimate"])].reset_index(drop=True)


def tabulate_fits(lines: list[ModelLine]) -> pd.DataFrame:
    """The fits of `fit_models` as a table: model, corpus, n, n_zero, three slopes with their intervals, correlations, ...

    `stands_out`: the slope that leads survives Benjamini and Hochberg's procedure at 5% among those of the table.
    """
    rows = []
    for line in lines:
        fit = line.fit
        rows.append(
            {
                "model": line.model,
                "corpus": line.corpus,
                "n": fit.n,
                "n_zero": fit.n_zero,
                "mixed_slope": fit.mixed_slope,
                "mixed_interval": format_interval(fit.mixed_low, fit.mixed_high, "+.1f"),
                "within_task_slope": fit.within_task_slope,
                "within_interval": format_interval(fit.within_low, fit.within_high, "+.1f"),
                "slope": fit.slope,
                "slope_interval": format_interval(fit.slope_low, fit.slope_high, "+.1f"),
                "pearson_r": fit.pearson_r,
                "interval": format_interval(fit.pearson_low, fit.pearson_high, ".3f"),
                "spearman_r": fit.spearman_r,
                "binned_r": fit.binned_r,
                "paper_r": fit.paper_r,
                "curvature_p": fit.curvature_p,
            }
        )
    return pd.DataFrame(rows).assign(stands_out=keep_discoveries(np.array([line.fit.lead.p for line in lines])))


def format_interval(low: float, high: float, form: str) -> str:
    """An interval for people, "" where there is none.

    >>> format_interval(5.32, 9.5, "+.1f"), format_interval(float("nan"), 1.0, ".2f")
    ('+5.3 to +9.5', '')
    """
    return f"{low:{form}} to {high:{form}}" if np.isfinite(low) and np.isfinite(high) else ""


def tabulate_bins(lines: list[ModelLine]) -> pd.DataFrame:
    """The bins of `fit_models` as a table: model, corpus, edge, mean, low and high quartile, n."""
    frames = [line.bins.assign(model=line.model, corpus=line.corpus) for line in lines]
    return pd.concat(frames, ignore_index=True)[["model", "corpus", "edge", "mean", "low", "high", "n"]]
