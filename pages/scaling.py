"""How far do a model's scores go with concept frequency? Points, lines, small multiples and two controls."""

import math

import streamlit as st

from backend import bands, charts, fit_tables, fits, scaling
from backend.frequency import list_methods
from backend.study import Study
from pages.ui.address import answer, current_study, link_concepts
from pages.ui.blocks import explain_counting, show_figure, show_table, show_title
from pages.ui.change import show_change
from pages.ui.choice import use_model
from pages.ui.controls import (
    choose_kind,
    choose_method,
    choose_own_corpus,
    choose_tasks,
    choose_view,
    corpus_titles,
    list_models_with_corpus,
    unit_of,
)
from pages.ui.text import escape, tell_interval

TOLD = {
    "mixed": "the slope of an average task",
    "pooled": "the pooled slope: there are too few tasks for that of an average one",
}
VIEWS = ["One model", "Several models", "Every model", "Controls", "Change against change"]
CAUSAL = "Causal comparison"  # offered where the study brings pairs of models that were trained alike on other frequencies
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


def show_one_model(study: Study) -> None:
    """The points of one model against one corpus, its bins, line and band, and the concepts farthest from the line."""
    titles = corpus_titles(study)
    top = st.columns(3)
    with top[0]:
        kind, setting = choose_kind(study)
    models = answer(scaling.list_models, study, kind, setting)
    with top[1]:
        model = use_model(study, models["model"], f"has no {kind} scores ({setting})")
        own = models.loc[models["model"] == model, "corpus"].iloc[0]
        corpus = choose_own_corpus(titles, own)
    with top[2]:
        method = choose_method(list(answer(list_methods, study, corpus)["method"]))
        tasks = choose_tasks(study, kind)
    if corpus != own:
        st.caption(
            f"{escape(model)} was not trained on {escape(titles[corpus])}: its counts stand in for data that this study lacks."
        )
    selection = {"model": model, "corpus": corpus, "method": method, "setting": setting, "kind": kind, "tasks": tasks}
    points = answer(scaling.join_points, study, **selection)
    fit = answer(scaling.find_fit, points, study, **selection)
    bins = fits.bin_points(points["count"].to_numpy(), points["value"].to_numpy(), kind)
    band = bands.trace_band(bands.gather_peers(points, scaling.bounds_of(kind)))
    unit = unit_of(kind, setting)
    show_statistics(fit)
    show_figure(
        charts.draw_scaling(points, bins, fit, band, unit=unit, name=titles[corpus]),
        "scaling",
        f"{unit} of {model} against the frequency of concepts in {titles[corpus]}",
        rows=points,
        pick=True,
    )
    st.caption(
        "Hover over a point for its concept; click it to open the concept. Counts of zero stand left of one. The band holds "
        f"4 in 5 of the concepts nearest in frequency: a tenth of them, at least {bands.FEWEST} and at most {bands.MOST}."
    )
    show_table(fit_tables.tabulate_fit(fit), "statistics")
    st.caption(
        f"95% intervals resample {fit.resampled}; the mixed slope's is Wald's. The line that is drawn is the pooled one."
    )
    show_residuals(points, fit)
    explain_counting(study, [method], explain_statistics(study))


def show_statistics(fit: fits.Fit) -> None:
    """The fit in words and numbers."""
    if math.isnan(fit.pearson_r):
        st.markdown(
            f"{fit.n:,} points, {fit.n_zero:,} of them at a count of zero. Their counts or their scores are all the same, "
            "so that there is nothing to correlate."
        )
        return
    if not fit.spans_tenfold:
        least, most = 10**fit.log_count_min, 10**fit.log_count_max
        st.info(
            f"The counts go from {least:,.0f} to {most:,.0f}, less than a tenfold: what a tenfold would do cannot be read off "
            "these points."
        )
    lead = fit.lead
    unknown = (
        " The interval reaches zero: these points do not tell whether scores rise with frequency." if lead.reaches_zero else ""
    )
    st.markdown(
        f"Each tenfold of samples goes with **{lead.value:+.1f} points**{tell_interval(lead.low, lead.high, '+.1f')} "
        f"({TOLD[lead.name]}).{unknown} Frequency goes with **{100 * fit.pearson_r**2:.0f}%** of the variance of single "
        f"concepts' scores: raw r **{fit.pearson_r:.2f}**{tell_interval(fit.pearson_low, fit.pearson_high, '.2f')}. "
        f"{fit.n:,} points, {fit.n_zero:,} of them at a count of zero."
    )


def explain_statistics(study: Study) -> str:
    """What each statistic answers, and where the paper's figures were drawn from other data than the study has."""
    notes = study.manifest.printed_notes
    return "\n".join(
        [STATISTICS, *(["\n**Beside the paper's figures:**\n", *(f"- {escape(note)}" for note in notes)] if notes else [])]
    )


def show_residuals(points, fit: fits.Fit) -> None:
    """The concepts most above and most below the line."""
    residuals = fits.find_residuals(points, fit)
    columns = ["concept", "task", "count", "value", "residual", "stands_out"]
    st.markdown(
        f"The extremes of {len(residuals):,} comparisons with the line: {residuals['stands_out'].sum():,} stand out from the "
        "spread of all (Benjamini and Hochberg, 5%)."
    )
    above, below = st.tabs(["Most above the line", "Most below the line"])  # side by side, columns would be cut off
    for place, rows, name in (
        (above, residuals.head(50), "above"),
        (below, residuals.tail(50).iloc[::-1], "below"),
    ):
        with place:
            show_table(rows[columns], name)
            link_concepts(rows["concept"].drop_duplicates().head(4))


def show_several_models(study: Study, multiples: bool) -> None:
    """Bin means and fits of models over their own corpora, in one plot or one small plot each."""
    left, middle, right = st.columns(3)
    with left:
        kind, setting = choose_kind(study)
    with middle:
        method = choose_method(list(answer(list_methods, study)["method"]))
        tasks = choose_tasks(study, kind)
    models = list(list_models_with_corpus(study, kind, setting)["model"])
    with right:
        chosen = st.multiselect("Models", models, key="models", bind="query-params", placeholder=f"all {len(models)}")
    lines = answer(scaling.fit_models, study, kind=kind, setting=setting, method=method, models=chosen or None, tasks=tasks)
    unit = unit_of(kind, setting)
    titles = corpus_titles(study)
    draw = charts.draw_small_multiples if multiples else charts.draw_lines
    figure = draw(lines, titles, unit=unit)
    show_figure(figure, "models", f"Mean {unit} of {len(lines)} models", rows=fit_tables.tabulate_bins(lines))
    if multiples:
        st.caption("Beside each name: pooled points per tenfold samples, and raw r.")
    show_fits(lines, "fits", titles)
    st.caption("Each model is set against the counts of its own corpus; models whose data is not in the study are absent.")
    explain_counting(study, [method], explain_statistics(study))


def show_fits(lines: list[scaling.ModelLine], name: str, titles: dict[str, str]) -> None:
    """The fits of several models as a table, with how many comparisons that makes and what their intervals resample."""
    table = fit_tables.tabulate_fits(lines)
    show_table(table, name, titles=titles)
    resampled = " or ".join(dict.fromkeys(line.fit.resampled for line in lines))
    st.caption(
        f"{len(table)} slopes are held against zero here (the mixed one, or the pooled one where there are too few tasks): "
        f"{table['stands_out'].sum()} stand out (Benjamini and Hochberg, 5%). Intervals resample {resampled}."
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
    show_figure(figure, "control-bins", title, rows=fit_tables.tabulate_bins(lines))
    show_fits(lines, "control", corpus_titles(study))
    explain_counting(study, [control.method], explain_statistics(study))


def show_comparison(study: Study) -> None:
    """The same concepts and the same counts, two models: one trained on the corpus that was counted, one on another."""
    titles = corpus_titles(study)
    pairs = answer(scaling.list_comparisons, study)
    left, middle, right = st.columns(3)
    with left:
        title = st.selectbox("Comparison", [entry.title for entry in pairs], key="pair", bind="query-params")
        pair = next(entry for entry in pairs if entry.title == title)
    with middle:
        method = choose_method(list(answer(list_methods, study, pair.corpus)["method"]))
    with right:
        kind, setting = choose_kind(study)
    found = answer(scaling.compare_training, study, pair.corpus, pair.models, method=method, setting=setting, kind=kind)
    names = tuple(
        f"trained on {titles.get(side.trained_on, side.trained_on)}" if side.trained_on else side.model
        for side in (found.first, found.second)
    )
    corpus = titles[pair.corpus]
    st.markdown(tell_comparison(found, names, corpus))
    unit = unit_of(kind, setting)
    show_figure(
        charts.draw_comparison(found, names, unit=unit, name=corpus),
        "comparison",
        f"{unit} of two models against the frequency of concepts in {corpus}",
        rows=found.points,
        pick=True,
    )
    st.caption(
        f"First: {escape(found.first.model)}; second: {escape(found.second.model)}. {len(found.points):,} concepts, "
        f"{found.first.fit.n_zero:,} of them never counted in {escape(corpus)}: those stand left of one. "
        f"Brackets: 95% interval of the slope; it resamples {found.first.fit.resampled}. " + escape(study.manifest.causal.note)
    )
    explain_counting(study, [method], explain_statistics(study))


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


study = current_study()
show_title(
    "Does frequency determine performance?",
    "A model's score on each concept against how many samples of a corpus show that concept.",
)
view = choose_view([*VIEWS, CAUSAL] if scaling.list_comparisons(study) else VIEWS, "view")
if view == "One model":
    show_one_model(study)
elif view == "Controls":
    show_controls(study)
elif view == "Change against change":
    show_change(study)
elif view == CAUSAL:
    show_comparison(study)
else:
    show_several_models(study, multiples=view == "Every model")
