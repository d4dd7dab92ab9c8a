"""Change against change: one architecture, two corpora; do the concepts that gained samples gain points?"""

import math

import streamlit as st

from backend import charts, transfer
from backend.errors import EmptySelection
from backend.frequency import list_methods
from backend.printing.caption import Shown
from backend.study import Study
from pages.ui.address import answer, link_concepts
from pages.ui.blocks import explain_counting, show_figure, show_table
from pages.ui.controls import choose_kind, choose_method, corpus_titles, unit_of
from pages.ui.text import escape, format_figure

READING = (
    "**Slope:** points that go with each tenfold more samples of a concept, from one corpus to the other; what all concepts "
    "gained together is not in it. **Within tasks:** the same after each task's own means are taken out. **r:** Pearson "
    "correlation of both changes. The largest count of a label stands for it."
)


def show_change(study: Study) -> None:
    """The points and line of one pair of corpora, in words, figure and table."""
    titles = corpus_titles(study)
    left, middle, right = st.columns(3)
    with left:
        kind, setting = choose_kind(study)
    with middle:
        method = choose_method(list(answer(list_methods, study)["method"]))
    pairs = answer(transfer.list_pairs, study, kind=kind, setting=setting, method=method)
    if pairs.empty:
        raise EmptySelection(
            f"Study '{study.name}' has no architecture with scores ({kind}, {setting}) after training on two corpora that are "
            f"counted by '{method}'."
        )
    names = [f"{row.architecture}: {titles[row.corpus]} to {titles[row.larger]}" for row in pairs.itertuples()]
    with right:
        name = st.selectbox("Trained on", names, key="change", bind="query-params")
    pair = pairs.iloc[names.index(name)]
    found = answer(transfer.compare_change, study, pair["first"], pair["second"], kind=kind, setting=setting, method=method)
    st.markdown(tell_change(found))
    unit = unit_of(kind, setting)
    show_figure(
        charts.draw_change(found.points, found.slope[0], found.intercept, unit=unit),
        "change",
        f"Change of {unit} against change of frequency, {name}",
        rows=found.points,
        pick=True,
        shown=Shown([pair["first"], pair["second"]], [titles[pair["corpus"]], titles[pair["larger"]]], [method]),
    )
    st.caption(
        f"First: {escape(pair['first'])}; then: {escape(pair['second'])}, each over its own corpus. One training run a corpus: "
        "the corpora differ in more than how often they show a concept."
    )
    columns = ["concept", "task", "count_before", "count_after", "value_before", "value_after", "tenfolds", "gained"]
    furthest = found.points.reindex(found.points["tenfolds"].abs().sort_values(ascending=False, kind="stable").index)
    st.markdown("**Whose frequency changed most**")
    show_table(furthest.head(50)[columns], "changed")
    link_concepts(furthest["concept"].drop_duplicates().head(4))
    explain_counting(study, [method], READING)


def tell_change(found: transfer.Change) -> str:
    """Slope, r and what all concepts gained, each with what its interval draws."""
    if math.isnan(found.pearson[0]):
        return "No count or no score changed differently from the others, so that there is nothing to compare."
    slope, low, high = found.slope
    within, r = (tuple(format_figure(figure, form) for figure in figures) for figures, form in
                 ((found.within, "+.1f"), (found.pearson, ".2f")))  # fmt: skip
    sure = "" if low > 0 or high < 0 else " The interval reaches zero: that concepts with more samples gained more is not sure."
    return (
        f"Each tenfold more samples than before goes with **{slope:+.1f} points** [{low:+.1f}, {high:+.1f}] of change "
        f"({within[0]} [{within[1]}, {within[2]}] within tasks); r **{r[0]}** [{r[1]}, {r[2]}], "
        f"{100 * found.pearson[0] ** 2:.0f}% of the variance of the changes.{sure} A concept whose count stayed changed by "
        f"{found.intercept:+.1f}. {len(found.points):,} concepts; 95% intervals that draw {found.clusters}."
    )
