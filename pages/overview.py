"""What a study says in ten seconds: its headline plot, three numbers, a search, and where the data came from."""

import math

import streamlit as st

from backend import charts, fit_tables, overview, scaling
from backend.concepts import pick_examples
from backend.methods import Method
from backend.printing.caption import Shown
from backend.study import Study, find_build_command
from pages.ui.address import answer, current_study, open_concept
from pages.ui.blocks import explain_counting, format_count, show_figure, show_title
from pages.ui.controls import corpus_titles, unit_of
from pages.ui.text import escape, link_sources, tell_range


def show_numbers(headline: overview.Headline) -> None:
    """Three findings as three tiles; a study that lacks a table shows fewer."""
    tiles = [
        (
            f"{headline.median_count:,.0f} samples",
            f"show the median of {headline.concepts:,} concepts in {escape(headline.corpus_title)}"
            + (f", of {format_count(headline.pairs)} pairs" if headline.pairs else "")
            + (f" ({headline.class_median:,.0f} over the classes of classification tasks)" if headline.class_median else "")
            + f"; {headline.zero_share:.0f}% of concepts have none",
        )
    ]
    if headline.slope:
        tiles.append((f"{tell_range(headline.slope, '+.1f')} points", f"go with a tenfold of samples, {tell_models(headline)}"))
    if headline.degree:
        tiles.append(
            (tell_range([100 * degree for degree in headline.degree], ".0f") + "%", "of a corpus's pairs are misaligned")
        )
    for column, (number, meaning) in zip(st.columns(len(tiles)), tiles, strict=True):
        with column.container(border=True, height="stretch"):
            st.markdown(f"## {number}")
            st.caption(meaning)


def show_headline_plot(study: Study, kind: str, setting: str, method: str) -> None:
    """The mean score of each corpus's best model against how often the corpus shows the concept."""
    models = answer(scaling.list_models, study, kind, setting)
    best = models.sort_values("score", ascending=False).drop_duplicates("corpus")["model"]
    lines = answer(scaling.fit_models, study, kind=kind, setting=setting, method=method, models=list(best))
    figure = charts.draw_lines(lines, corpus_titles(study), unit=unit_of(kind, setting))
    titles = corpus_titles(study)
    shown = Shown([line.model for line in lines], list({titles[line.corpus]: 0 for line in lines}), [method])
    bins = fit_tables.tabulate_bins(lines)
    show_figure(figure, "headline", "Mean score of models against concept frequency", rows=bins, shown=shown)
    binned, raw = (
        [getattr(line.fit, name) for line in lines if not math.isnan(getattr(line.fit, name))]
        for name in ("binned_r", "pearson_r")
    )
    st.caption(
        "The best model of each corpus. A mark is the mean of the concepts of one bin of frequency, a line the fit "
        "through all of a model's concepts. "
        + (f"The means of all bins follow the lines with r {tell_range(binned, '.2f')}; " if binned else "")
        + (f"single concepts with r {tell_range(raw, '.2f')}, which the Scaling page shows." if raw else "")
    )


def tell_models(headline: overview.Headline) -> str:
    """Over how many models' slopes, and how many of their intervals reach zero."""
    fits = len(headline.slopes)
    models = "in one model's fit" if fits == 1 else f"over {fits} models' fits"
    if not headline.unsure:
        return models
    of = "its" if fits == 1 else f"of {headline.unsure} the"
    return f"{models}; {of} 95% interval reaches zero"


def tell_slopes(headline: overview.Headline) -> str:
    """One sentence: what a tenfold of samples goes with, as far as the study's models and corpora tell."""
    if headline.slope is None:
        return "How often each corpus shows each concept."
    kinds = {"mixed": "an average task's slope", "pooled": "the slope of all tasks together"}
    told = " or ".join(kinds[name] for name in dict.fromkeys(slope.name for slope in headline.slopes))
    return (
        "A concept that the pretraining data shows ten times as often goes with "
        f"{tell_range(headline.slope, '+.1f')} points of score ({told}, {tell_models(headline)})."
    )


study = current_study()
scored = study.has("models", "performance")
kind, setting = answer(scaling.list_settings, study).iloc[0] if scored else ("", "")
headline = answer(overview.summarise, study, kind, setting)
show_title(
    "Which concepts does the data hardly show, and what does that cost?",
    f"**{escape(study.title)}.** {tell_slopes(headline)} Counts: {escape(Method(headline.method).title)}"
    + (f"; scores: {kind}, {escape(setting)}." if scored else "."),
)
st.caption(f"Source: {link_sources(study.manifest.source)}.")
query = st.text_input(
    "Find a concept",
    key="find",
    type="search",
    placeholder=f"a name, such as {', '.join(answer(pick_examples, study))}",
    icon=":material/search:",
)
if query:
    open_concept(query)
show_numbers(headline)
if scored:
    show_headline_plot(study, kind, setting, headline.method)
else:
    command = find_build_command("performance", study.folder, study.manifest.arguments)
    st.info(escape(f"No model has scores in this study yet. Add some: {command}"), icon=":material/info:")
contents = answer(overview.count_contents, study)
st.markdown(
    f"The study holds **{contents['concepts']:,} concepts** in {contents['tasks']} tasks ({contents['labels']:,} labels), "
    f"**{contents['corpora']} corpora** with {contents['counts']:,} counts, and **{contents['models']} models** with "
    f"{contents['scores']:,} scores. {escape(study.manifest.description)}"
)
with st.container(horizontal=True):
    st.page_link("pages/scaling.py", label="Read the scaling plots", icon=":material/trending_up:")
    st.page_link("pages/distributions.py", label="See how long the tail is", icon=":material/area_chart:")
    st.page_link("pages/test_set.py", label="Check your own test set", icon=":material/checklist:")
explain_counting(study, [headline.method])
with st.expander("Where the data came from"):
    st.markdown(f"{link_sources(study.manifest.source)}. Built {escape(study.manifest.created)}.")
    for unit, read, wrote, drops in overview.list_ledgers(study):
        dropped = "; ".join(f"{escape(reason)}: {count:,}" for reason, count in drops.items()) or "nothing"
        st.markdown(f"- {escape(unit)}: {read:,} read, {wrote:,} written; dropped: {dropped}")
    for place in study.manifest.absent:
        st.caption(f"Absent from the source: {escape(place)}")
