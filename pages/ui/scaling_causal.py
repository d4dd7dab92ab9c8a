"""The Scaling page's view of a causal comparison: the same concepts, two models, one trained on other frequencies."""

import math

import streamlit as st

from backend import charts, scaling
from backend.frequency import list_methods
from backend.manifest import PairEntry
from backend.printing.caption import Shown
from backend.study import Study
from pages.ui.address import answer
from pages.ui.blocks import explain_counting, show_figure
from pages.ui.controls import choose_kind, choose_method, corpus_titles, unit_of
from pages.ui.scaling_statistics import explain_statistics
from pages.ui.text import escape, tell_interval


def name_sides(found: scaling.Comparison, titles: dict[str, str]) -> tuple[str, str]:
    """What each model of a comparison was trained on, in words; its own name where nobody knows."""
    return tuple(
        f"trained on {titles.get(side.trained_on, side.trained_on)}" if side.trained_on else side.model
        for side in (found.first, found.second)
    )


def tell_instead(found: scaling.Comparison, names: tuple[str, str]) -> str:
    """The finding in one sentence: the slope of the second model instead of that of the first; "" where one has none."""
    first, second = found.first.fit, found.second.fit
    if any(math.isnan(fit.slope) for fit in (first, second)):
        return ""
    return (
        f"The same concepts, {escape(names[1])}: **{second.slope:+.0f} points** per tenfold"
        f"{tell_interval(second.slope_low, second.slope_high, '+.0f')} instead of **{first.slope:+.0f}**"
        f"{tell_interval(first.slope_low, first.slope_high, '+.0f')}, {escape(names[0])}."
    )


def show_comparison(study: Study) -> None:
    """The same concepts and the same counts, two models: one trained on the corpus that was counted, one on another."""
    titles = corpus_titles(study)
    pairs = answer(scaling.list_comparisons, study)
    answered = st.container()
    with st.expander("More: comparison, method, kind of task, prompts"):
        left, middle, right = st.columns(3)
        with left:
            title = st.selectbox("Comparison", [entry.title for entry in pairs], key="pair", bind="query-params")
            pair = next(entry for entry in pairs if entry.title == title)
        with middle:
            method = choose_method(list(answer(list_methods, study, pair.corpus)["method"]))
        with right:
            kind, setting = choose_kind(study)
    with answered:
        show_pair(study, pair, titles, method=method, kind=kind, setting=setting)
    explain_counting(study, [method], explain_statistics(study))


def show_pair(study: Study, pair: PairEntry, titles: dict[str, str], *, method: str, kind: str, setting: str) -> None:
    """One comparison: the finding, both clouds with their lines, and what the second says of the first."""
    found = answer(scaling.compare_training, study, pair.corpus, pair.models, method=method, setting=setting, kind=kind)
    names = name_sides(found, titles)
    corpus = titles[pair.corpus]
    st.markdown(tell_instead(found, names))
    unit = unit_of(kind, setting)
    show_figure(
        charts.draw_comparison(found, names, unit=unit, name=corpus),
        "comparison",
        f"{unit} of two models against the frequency of concepts in {corpus}",
        rows=found.points,
        pick=True,
        shown=Shown([found.first.model, found.second.model], [corpus], [method]),
    )
    st.markdown(tell_comparison(found, names, corpus))
    st.caption(
        f"First: {escape(found.first.model)}; second: {escape(found.second.model)}. {len(found.points):,} concepts, "
        f"{found.first.fit.n_zero:,} of them never counted in {escape(corpus)}: those stand left of one. "
        f"Brackets: 95% interval of the slope; it resamples {found.first.fit.resampled}. " + escape(study.manifest.causal.note)
    )


def tell_comparison(found: scaling.Comparison, names: tuple[str, str], corpus: str) -> str:
    """Both slopes with their intervals, and what the second says of the first."""
    sides = (found.first, found.second)
    if any(math.isnan(number) for side in sides for number in (side.fit.slope, side.fit.slope_low)):
        return "The counts or the scores are all the same, so that there is no slope to compare."
    slopes = "; ".join(
        f"the model {escape(name)}: **{side.fit.slope:+.1f} points** per tenfold"
        f"{tell_interval(side.fit.slope_low, side.fit.slope_high, '+.1f')}"
        for name, side in zip(names, sides, strict=True)
    )
    gap, low, high = found.gap
    first, second = (side.fit.slope_low <= 0 <= side.fit.slope_high for side in sides)
    if first:
        verdict = f"Even the first model's scores do not surely go with how often {escape(corpus)} shows a concept."
    elif second:
        verdict = (
            f"The second model never saw {escape(corpus)}, and its scores are not seen to go with these counts (the interval "
            "holds zero): rare concepts are not harder by themselves, as far as that interval tells."
        )
    else:
        verdict = (
            f"The second model never saw {escape(corpus)}, and its scores go with these counts too: that part of the first "
            "model's slope goes with the concepts, not with how often they were shown."
        )
    return (
        f"On the counts of {escape(corpus)}, {slopes}.\n\n{verdict} The difference is "
        f"**{gap:+.1f}**{tell_interval(low, high, '+.1f')}. There is one training run an arm: the brackets hold what other "
        "concepts would give, not what another run would."
    )
