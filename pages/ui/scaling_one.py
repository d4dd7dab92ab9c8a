"""The Scaling page's view of one model: the finding, the points with their line and band, the statistics, the extremes."""

import math

import streamlit as st

from backend import bands, charts, fit_tables, fits, scaling
from backend.frequency import list_methods
from backend.printing.caption import Shown
from backend.study import Study
from pages.ui.address import accept_name, answer, link_concepts
from pages.ui.blocks import explain_counting, show_figure, show_table
from pages.ui.choice import read_choice, use_model
from pages.ui.controls import choose_kind, choose_method, choose_tasks, corpus_titles, unit_of
from pages.ui.scaling_statistics import explain_statistics
from pages.ui.text import escape, format_figure, tell_interval

TOLD = {
    "mixed": "the slope of an average task",
    "pooled": "the pooled slope: there are too few tasks for that of an average one",
}


def show_one_model(study: Study) -> None:
    """The chosen model over the chosen corpus; whatever else can be chosen stands below it, folded."""
    titles = corpus_titles(study)
    answered = st.container()
    with st.expander("More: kind of task, prompts, method, tasks, another corpus"):
        selection = choose_selection(study, titles)
    with answered:
        show_points(study, titles, selection)
    explain_counting(study, [selection["method"]], explain_statistics(study))


def choose_selection(study: Study, titles: dict[str, str]) -> dict:
    """The keywords of `scaling.join_points`: the model and corpus of the sidebar, and what stands in this view's controls."""
    left, middle, right = st.columns(3)
    with left:
        kind, setting = choose_kind(study)
    models = answer(scaling.list_models, study, kind, setting)
    model = use_model(study, models["model"], f"has no {kind} scores ({setting})")
    own = models.loc[models["model"] == model, "corpus"].iloc[0]
    chosen = read_choice(study)
    with middle:
        corpus = choose_against(titles, chosen.corpus if model == chosen.model else own)
        method = choose_method(list(answer(list_methods, study, corpus)["method"]))
    with right:
        tasks = choose_tasks(study, kind)
    return {"model": model, "corpus": corpus, "method": method, "setting": setting, "kind": kind, "tasks": tasks}


def choose_against(titles: dict[str, str], chosen: str | None) -> str:
    """The corpus to set the model against: the chosen one, which the sidebar names, or another."""
    options = ["own", *titles] if chosen in titles else list(titles)
    accept_name("against", list(titles), titles.get)
    against = st.selectbox(
        "Set against",
        options,
        format_func=lambda corpus: f"as chosen: {titles[chosen]}" if corpus == "own" else titles[corpus],
        key="against",
        bind="query-params",
    )
    return chosen if against == "own" else against


def show_points(study: Study, titles: dict[str, str], selection: dict) -> None:
    """The finding in a sentence, the points of a selection with bins, line and band, and what their statistics are."""
    model, corpus, kind = (selection[name] for name in ("model", "corpus", "kind"))
    points = answer(scaling.join_points, study, **selection)
    fit = answer(scaling.find_fit, points, study, **selection)
    bins = fits.bin_points(points["count"].to_numpy(), points["value"].to_numpy(), kind)
    band = bands.trace_band(bands.gather_peers(points, scaling.bounds_of(kind)))
    unit = unit_of(kind, selection["setting"])
    st.markdown(tell_finding(fit, model, titles[corpus]))
    owners = answer(scaling.list_models, study, kind, selection["setting"]).set_index("model")["corpus"]
    if corpus != owners[model]:
        st.caption(
            f"{escape(model)} was not trained on {escape(titles[corpus])}: its counts stand in for data that this study lacks."
        )
    show_figure(
        charts.draw_scaling(points, bins, fit, band, unit=unit, name=titles[corpus]),
        "scaling",
        f"{unit} of {model} against the frequency of concepts in {titles[corpus]}",
        rows=points,
        pick=True,
        shown=Shown([model], [titles[corpus]], [selection["method"]]),
    )
    st.caption(
        "Hover over a point for its concept; click it to open the concept. Counts of zero stand left of one. The band holds "
        f"4 in 5 of the concepts nearest in frequency: a tenth of them, at least {bands.FEWEST} and at most {bands.MOST}."
    )
    show_table(fit_tables.tabulate_fit(fit), "statistics")
    st.caption(
        f"{fit.n:,} points, {fit.n_zero:,} of them at a count of zero. 95% intervals resample {fit.resampled}; the mixed "
        "slope's is Wald's. The line that is drawn is the pooled one."
    )
    show_residuals(points, fit)


def tell_finding(fit: fits.Fit, model: str, corpus: str) -> str:
    """What goes with a tenfold of samples, in one sentence or two; that nothing can be told, where nothing can."""
    if math.isnan(fit.pearson_r):
        return "The counts or the scores of these points are all the same, so that there is nothing to correlate."
    narrow = ""
    if not fit.spans_tenfold:
        least, most = 10**fit.log_count_min, 10**fit.log_count_max
        narrow = (
            f" The counts go from {least:,.0f} to {most:,.0f}, less than a tenfold: what a tenfold would do cannot be read off "
            "these points."
        )
    lead = fit.lead
    within = format_figure(fit.within_task_slope, "+.1f")
    unsure = (
        " The interval reaches zero: these points do not tell whether scores rise with frequency." if lead.reaches_zero else ""
    )
    return (
        f"A concept that {escape(corpus)} shows ten times as often scores **{lead.value:+.1f} points**"
        f"{tell_interval(lead.low, lead.high, '+.1f')} in {escape(model)} ({TOLD[lead.name]}; within one task {within}). "
        f"Frequency goes with **{100 * fit.pearson_r**2:.0f}%** of the variance of single concepts' scores.{unsure}{narrow}"
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
            link_concepts(rows["concept"].drop_duplicates().head(4))
            show_table(rows[columns], name)
