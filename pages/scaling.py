"""How much of a model's score does concept frequency explain? Points, lines, small multiples and two controls."""

import math

import streamlit as st

from backend import bands, charts, fits, scaling
from backend.frequency import list_methods
from backend.study import Study
from pages.ui.address import answer, current_study, link_concepts
from pages.ui.blocks import explain_counting, show_figure, show_table, show_title
from pages.ui.change import show_change
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
from pages.ui.text import escape, format_figure

VIEWS = ["One model", "Several models", "Every model", "Controls", "Change against change"]
CAUSAL = "Causal comparison"  # offered where the study brings pairs of models that were trained alike on other frequencies
STATISTICS = (
    "**Slope:** points gained each time the corpus shows a concept ten times as often. **Raw r:** Pearson correlation of "
    "score with log10(max(count, 1)) over single concepts: how much of *a concept's* score its frequency explains. "
    "**Binned r:** the paper's figure, the correlation of bin means with ln of the bin edge: how well the *mean* follows "
    "a line. **Within tasks:** the slope after each task's own mean is taken out, so that easy tasks with frequent "
    "concepts do not make it. **Curvature p:** small where a curve fits better than a line. The interval is a bootstrap "
    "over the points (1000 resamples)."
)


def show_one_model(study: Study) -> None:
    """The points of one model against one corpus, its bins, line and band, and the concepts farthest from the line."""
    titles = corpus_titles(study)
    top = st.columns(3)
    with top[0]:
        kind, setting = choose_kind(study)
    models = answer(scaling.list_models, study, kind, setting)
    with top[1]:
        model = st.selectbox("Model", list(models["model"]), key="model", bind="query-params")
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
    show_residuals(points, fit)
    explain_counting(study, [method], STATISTICS)


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
    within, binned = format_figure(fit.within_task_slope, "+.1f"), format_figure(fit.binned_r, ".2f")
    st.markdown(
        f"Each tenfold of samples goes with **{fit.slope:+.1f} points** ({within} within tasks). "
        f"Do the *means* follow a line? Binned r **{binned}**. And a *single concept*? Raw r "
        f"**{fit.pearson_r:.2f}** (95% interval {fit.pearson_low:.2f} to {fit.pearson_high:.2f}): its frequency explains "
        f"{100 * fit.pearson_r**2:.0f}% of the variance. Spearman {fit.spearman_r:.2f}; "
        f"curvature p {format_figure(fit.curvature_p, '.2g')}; {fit.n:,} points, {fit.n_zero:,} of them at a count of zero."
    )


def show_residuals(points, fit: fits.Fit) -> None:
    """The concepts most above and most below the line."""
    residuals = fits.find_residuals(points, fit)
    columns = ["concept", "task", "count", "value", "residual"]
    left, right = st.columns(2)
    for place, title, rows, name in (
        (left, "Most above the line", residuals.head(50), "above"),
        (right, "Most below the line", residuals.tail(50).iloc[::-1], "below"),
    ):
        with place:
            st.markdown(f"**{title}**")
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
    show_figure(figure, "models", f"Mean {unit} of {len(lines)} models", rows=scaling.tabulate_bins(lines))
    if multiples:
        st.caption("Beside each name: points per tenfold samples, and raw r.")
    show_table(scaling.tabulate_fits(lines), "fits", titles=titles)
    st.caption("Each model is set against the counts of its own corpus; models whose data is not in the study are absent.")
    explain_counting(study, [method], STATISTICS)


def show_controls(study: Study) -> None:
    """Ready-made comparisons that the study brings along."""
    comparisons = study.manifest.get("comparisons", [])
    if not comparisons:
        st.info(f"Study '{escape(study.name)}' brings no ready-made comparison. “Several models” compares any of its models.")
        st.stop()
    title = st.selectbox("Comparison", [entry["title"] for entry in comparisons], key="control", bind="query-params")
    control = next(entry for entry in comparisons if entry["title"] == title)
    st.markdown(f"**{control['question']}** {control['answer']}")
    lines = answer(
        scaling.fit_models,
        study,
        kind=control["kind"],
        setting=control["setting"],
        method=control["method"],
        models=control["models"],
    )
    figure = charts.draw_lines(lines, corpus_titles(study), unit=unit_of(control["kind"], control["setting"]))
    show_figure(figure, "control-bins", title, rows=scaling.tabulate_bins(lines))
    show_table(scaling.tabulate_fits(lines), "control", titles=corpus_titles(study))
    explain_counting(study, [control["method"]], STATISTICS)


def show_comparison(study: Study) -> None:
    """The same concepts and the same counts, two models: one trained on the corpus that was counted, one on another."""
    titles = corpus_titles(study)
    pairs = answer(scaling.list_comparisons, study)
    left, middle, right = st.columns(3)
    with left:
        title = st.selectbox("Comparison", [entry["title"] for entry in pairs], key="pair", bind="query-params")
        pair = next(entry for entry in pairs if entry["title"] == title)
    with middle:
        method = choose_method(list(answer(list_methods, study, pair["corpus"])["method"]))
    with right:
        kind, setting = choose_kind(study)
    found = answer(
        scaling.compare_training, study, pair["corpus"], tuple(pair["models"]), method=method, setting=setting, kind=kind
    )
    names = tuple(
        f"trained on {titles.get(side.trained_on, side.trained_on)}" if side.trained_on else side.model
        for side in (found.first, found.second)
    )
    corpus = titles[pair["corpus"]]
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
        "Brackets: 95% interval of the slope, a bootstrap over the concepts (1000 resamples). "
        + escape(study.manifest["causal"].get("note", ""))
    )
    explain_counting(study, [method], STATISTICS)


def tell_comparison(found: scaling.Comparison, names: tuple[str, str], corpus: str) -> str:
    """Both slopes with their intervals, and what the second says of the first."""
    sides = (found.first, found.second)
    if any(math.isnan(number) for side in sides for number in (side.fit.slope, side.slope_low)):
        return "The counts or the scores are all the same, so that there is no slope to compare."
    slopes = "; ".join(
        f"the model {escape(name)}: **{side.fit.slope:+.1f} points** per tenfold "
        f"[{side.slope_low:+.1f}, {side.slope_high:+.1f}]"
        for name, side in zip(names, sides, strict=True)
    )
    gap, low, high = found.gap
    first, second = (side.slope_low <= 0 <= side.slope_high for side in sides)
    if first:
        verdict = f"Even the first model's scores do not surely go with how often {escape(corpus)} shows a concept."
    elif second:
        verdict = (
            f"Frequency in {escape(corpus)}, which the second model never saw, explains nothing of its scores: rare "
            "concepts are not harder by themselves, so the first model's slope comes from what it was shown."
        )
    else:
        verdict = (
            f"The second model never saw {escape(corpus)}, and its scores go with these counts too: that part of the first "
            "model's slope comes from the concepts, not from how often they were shown."
        )
    return (
        f"On the counts of {escape(corpus)}, {slopes}.\n\n{verdict} "
        f"The difference, **{gap:+.1f}** [{low:+.1f}, {high:+.1f}], is the effect of training."
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
