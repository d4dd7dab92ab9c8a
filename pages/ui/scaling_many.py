"""The Scaling page's views of several models: in one plot, in a small plot each, and the study's ready-made comparisons."""

import streamlit as st

from backend import charts, defaults, fit_tables, scaling
from backend.frequency import list_methods
from backend.printing.caption import Shown
from backend.study import Study
from pages.ui.address import answer
from pages.ui.blocks import explain_counting, show_figure
from pages.ui.choice import read_choice
from pages.ui.controls import choose_kind, choose_method, choose_tasks, corpus_titles, list_models_with_corpus, unit_of
from pages.ui.scaling_statistics import explain_statistics, show_fits
from pages.ui.text import escape, tell_range


def show_several_models(study: Study, multiples: bool) -> None:
    """Bin means and fits of models over their own corpora: some in one plot, or every one in a small plot of its own.

    In one plot, where nobody chose any, the best model of each corpus and the one chosen at the side: so few that their
    names stand at their lines.
    """
    answered = st.container()
    with st.expander("More: models, kind of task, prompts, method, tasks"):
        left, middle, right = st.columns(3)
        with left:
            kind, setting = choose_kind(study)
        with middle:
            method = choose_method(list(answer(list_methods, study)["method"]))
            tasks = choose_tasks(study, kind)
        held = list_models_with_corpus(study, kind, setting)
        best, own = scaling.pick_best(held), read_choice(study).model
        others = set(held["model"]) - {*best, answer(defaults.find_start, study).model}
        added = [own] if own in others else []
        shown = list(held["model"]) if multiples else [*best, *added]
        every = f"all {len(held)}" if len(shown) == len(held) else f"the best of each corpus{' and yours' * bool(added)}"
        with right:
            chosen = st.multiselect("Models", list(held["model"]), key="models", bind="query-params", placeholder=every)
    with answered:
        lines = answer(
            scaling.fit_models, study, kind=kind, setting=setting, method=method, models=chosen or shown, tasks=tasks
        )
        unit, titles = unit_of(kind, setting), corpus_titles(study)
        st.markdown(tell_lines(lines))
        draw = charts.draw_small_multiples if multiples else charts.draw_lines
        figure = draw(lines, titles, unit=unit)
        shown = Shown([line.model for line in lines], list({titles[line.corpus]: 0 for line in lines}), [method])
        show_figure(figure, "models", f"Mean {unit} of {len(lines)} models", rows=fit_tables.tabulate_bins(lines), shown=shown)
        if multiples:
            st.caption("Beside each name: pooled points per tenfold samples, and raw r.")
        show_fits(lines, "fits", titles)
        st.caption("Each model is set against the counts of its own corpus; models whose data is not in the study are absent.")
    explain_counting(study, [method], explain_statistics(study))


def tell_lines(lines: list[scaling.ModelLine]) -> str:
    """One sentence: what a tenfold of samples goes with over some models, and how many of them leave it open."""
    leads = [line.fit.lead for line in lines if line.fit.spans_tenfold]
    if not leads:
        return "No model's counts span a tenfold, so that these lines do not tell what one goes with."
    unsure = sum(lead.reaches_zero for lead in leads)
    models = "In one model" if len(leads) == 1 else f"In {len(leads)} models"
    open_ones = f"; the 95% intervals of {unsure} of them reach zero" if unsure else ", and no 95% interval reaches zero"
    return (
        f"{models}, a concept that the model's own corpus shows ten times as often scores "
        f"**{tell_range([lead.value for lead in leads], '+.1f')} points**{open_ones}."
    )


def show_controls(study: Study) -> None:
    """Ready-made comparisons that the study brings along."""
    comparisons = study.manifest.comparisons
    if not comparisons:
        st.info(f"Study '{escape(study.name)}' brings no ready-made comparison. “Several models” compares any of its models.")
        st.stop()
    title = st.selectbox("Comparison", [entry.title for entry in comparisons], key="control", bind="query-params")
    control = next(entry for entry in comparisons if entry.title == title)
    st.markdown(f"**{escape(control.question)}** {escape(control.answer)}")
    lines = answer(
        scaling.fit_models,
        study,
        kind=control.kind,
        setting=control.setting,
        method=control.method,
        models=list(control.models),
    )
    figure = charts.draw_lines(lines, corpus_titles(study), unit=unit_of(control.kind, control.setting))
    shown = Shown(control.models, methods=[control.method])
    show_figure(figure, "control-bins", title, rows=fit_tables.tabulate_bins(lines), shown=shown)
    show_fits(lines, "control", corpus_titles(study))
    explain_counting(study, [control.method], explain_statistics(study))
