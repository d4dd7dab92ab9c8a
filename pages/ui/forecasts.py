"""What the app says of expectations: how much frequency adds to them, how much more data a gain asks for, and how such
forecasts fared."""

import pandas as pd
import streamlit as st

from backend import bands, expected, transfer
from backend.bands import Gain, MeanScore
from backend.study import Study
from pages.ui.address import answer
from pages.ui.blocks import format_count, show_table
from pages.ui.controls import corpus_titles
from pages.ui.text import escape

BANDS = (
    f"**Expected, low and high:** the median, the 10% and the 90% quantile of the model's scores on the concepts nearest in "
    f"frequency, a tenth of all that have a score and a count, at least {bands.FEWEST} and at most {bands.MOST}. Where the "
    "study knows how many test images a score rests on, they are those of the beta-binomial law that fits these concepts: how "
    "concepts differ, and how a score of so many images scatters. **Data for +10:** 10 to the power of ten points over the "
    "slope of an average task, at both ends of its 95% interval; empty where the count is zero, the score would pass 100, or "
    "the interval reaches zero."
)
ENDLESS = 1e6  # times as many samples: beyond it, a factor says no more than that


def tell_gain(gain: Gain | None, model: str, unit: str) -> str:
    """How far a model's scores (in `unit`) lie from what is expected, with frequency and without, in one sentence."""
    if gain is None:
        return ""
    return (
        f"How much does frequency add? A score of {escape(model)} lies **{gain.with_frequency:.1f} {escape(unit)}** from what "
        f"is expected at its frequency, and {gain.without:.1f} from what is expected without it, the median of all concepts "
        f"(mean error over {gain.left_out}, left out in turn)."
    )


def tell_mean(mean: MeanScore, model: str) -> str:
    """The mean that a model is expected to score over a test set, and what its range holds."""
    if mean.test_sets is None:
        holds = "The range holds the scatter of concepts alone: too few tasks are in the study to see what one does by itself"
    else:
        holds = (
            f"The range holds what a task does by itself, as easy or hard as {mean.test_sets} tasks were, each left out in turn"
        )
    return (
        f"Over {mean.names:,} concepts {escape(model)} is expected to score **{mean.value:.1f}%** on average; 4 in 5 such test "
        f"sets score **{mean.low:.1f}%** to **{mean.high:.1f}%**. {holds}."
    )


def tell_need(row: pd.Series) -> str:
    """How much more data ten more points ask for, as a range; or why that is not told."""
    samples = f"{format_count(row['count'])} sample{'' if row['count'] == 1 else 's'}"
    start = f"{escape(row['model'])} scores {row['value']:.1f} at {samples}"
    if pd.isna(row["factor_low"]):
        return f"{start}. What {expected.GAIN:.0f} more points would take is not told: {_tell_silence(row)}."
    factors = [_tell_factor(row[end]) for end in ("factor_low", "factor_high")]
    totals = [
        format_count(row["count"] * row[end]) if row[end] < ENDLESS else "beyond any corpus"
        for end in ("factor_low", "factor_high")
    ]
    return (
        f"**Data needed for +{expected.GAIN:.0f} points** on this concept: {start}; by its slope, {factors[0]} to {factors[1]} "
        f"times as many ({totals[0]} to {totals[1]}; 95% interval), if more samples of one concept do what more frequent "
        "concepts show. How such forecasts fared stands below."
    )


def _tell_silence(row: pd.Series) -> str:
    if row["count"] == 0:
        return "the count is zero, and no multiple of zero is more"
    if row["value"] + expected.GAIN > 100:
        return "the score would pass 100"
    return "the interval of its slope reaches zero, or there is none"


def _tell_factor(factor: float) -> str:
    if factor >= ENDLESS:
        return "more than a million"
    return f"{factor:,.1f}" if factor < 100 else f"{factor:,.0f}"


def show_forecasts(study: Study, *, kind: str, setting: str, method: str) -> None:
    """The back-test: what a smaller corpus's line foretold for a larger one, and what that gave."""
    checked = answer(transfer.check_forecasts, study, kind=kind, setting=setting, method=method)
    if checked.empty:
        st.caption("No architecture of this study was trained on two counted corpora, so no such forecast can be checked here.")
        return
    titles = corpus_titles(study)
    inside = ((checked["seen"] >= checked["foretold_low"]) & (checked["seen"] <= checked["foretold_high"])).sum()
    st.markdown(
        f"**How did such forecasts fare?** In {inside} of {len(checked)} pairs of corpora, what the larger one gave lies in "
        "the range that the smaller one's slope foretold."
    )
    shown = ["architecture", "corpus", "larger", "concepts", "tenfolds", "by_line", "foretold", "foretold_low", "foretold_high"]
    with st.expander("Table of these forecasts"):
        show_table(checked.replace({"larger": titles})[[*shown, "seen"]], "forecasts", titles=titles)
        st.caption(
            "Each row is one architecture, trained once on each of two corpora: mean points over the concepts that both count. "
            "The larger corpora differ from the smaller in more than how often they show a concept."
        )
