"""What all views of the Scaling page say of their statistics: what each answers, and the fits of several models as a table."""

import streamlit as st

from backend import fit_tables, scaling
from backend.study import Study
from pages.ui.blocks import show_table
from pages.ui.text import escape

STATISTICS = (
    "**Slope:** points of score that go with ten times as many samples of a concept. *Mixed:* of an average task, where each "
    "task has a level and a slope of its own (a random effects model, from five tasks on; Wald's interval). *Within tasks:* "
    "after each task's own mean is taken out, one slope for all. *Pooled:* of the line through all points, which mixes easy "
    "and hard tasks. **Raw r:** Pearson correlation of score with log10(max(count, 1)) over single concepts; its square is "
    "the share of the *variance* of scores that goes with frequency. **Binned r:** the correlation of bin means with ln of "
    "the bin edge, over all bins that hold a concept: how well the *mean* follows a line. **Paper's ρ:** the same over the "
    "bins alone that the paper's figure prints. **Intervals** resample whole tasks (10,000 draws) where there are at least "
    "five, else concepts (1,000 draws): the concepts of one task share its level, so that they tell less than as many "
    "independent points would. **Stands out:** survives Benjamini and Hochberg's procedure at 5% among all rows compared."
)
DETAILS = (
    "n",
    "binned_r",
    "n_zero",
    "within_task_slope",
    "within_interval",
    "interval",
    "spearman_r",
    "curvature_p",
)  # of the download alone


def explain_statistics(study: Study) -> str:
    """What each statistic answers, and where the paper's figures were drawn from other data than the study has."""
    notes = study.manifest.printed_notes
    return "\n".join(
        [STATISTICS, *(["\n**Beside the paper's figures:**\n", *(f"- {escape(note)}" for note in notes)] if notes else [])]
    )


def show_fits(lines: list[scaling.ModelLine], name: str, titles: dict[str, str]) -> None:
    """The fits of several models as a table, with how many comparisons that makes and what their intervals resample."""
    table = fit_tables.tabulate_fits(lines)
    empty = [column for column in ("mixed_slope", "mixed_interval", "paper_r") if table[column].replace("", None).isna().all()]
    show_table(table, name, titles=titles, columns=dict.fromkeys((*DETAILS, *empty)))
    resampled = " or ".join(dict.fromkeys(line.fit.resampled for line in lines))
    st.caption(
        f"{len(table)} slopes are held against zero here (the mixed one, or the pooled one where there are too few tasks): "
        f"{table['stands_out'].sum()} stand out (Benjamini and Hochberg, 5%). Intervals resample {resampled}. The download has "
        "all statistics."
    )
