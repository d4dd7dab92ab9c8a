"""What a study says in ten seconds: an answer, a ladder of concepts from common to rare, the headline plot, and ways on."""

import math

import streamlit as st

from backend import charts, fit_tables, overview, scaling
from backend.methods import Method
from backend.printing.caption import Shown
from backend.study import Study, find_build_command
from pages.ui.address import answer, current_study
from pages.ui.blocks import explain_counting, format_count, show_figure, show_guarded, show_title
from pages.ui.choice import read_choice
from pages.ui.controls import corpus_titles, unit_of
from pages.ui.ladder import show_ladder
from pages.ui.scaling_causal import name_sides, tell_instead
from pages.ui.text import escape, link_sources, tell_range

PAPER = "arXiv 2404.04125"
HEIGHT = 430  # pixels of the plot beside the ladder


def tell_rarity(headline: overview.Headline) -> str:
    """The answer in one sentence: how rare half of a corpus's concepts are, and how many it does not show at all."""
    of = f" of its {format_count(headline.pairs)}" if headline.pairs else ""
    return (
        f"In {escape(headline.corpus_title)}, half of {headline.concepts:,} concepts have fewer than "
        f"**{headline.median_count:,.0f}**{of} samples; **{headline.zeros:,}** have none."
    )


def name_source(study: Study) -> str:
    """One line: where the study came from, and the paper whose question it answers."""
    source = f"Source: {link_sources(study.manifest.source)}."
    if PAPER in study.manifest.source:
        return source
    return f"{source} The question is that of *No “Zero-Shot” Without Exponential Data*, NeurIPS 2024, {link_sources(PAPER)}."


def tell_slopes(headline: overview.Headline) -> str:
    """What a tenfold of samples goes with, as far as the study's models and corpora tell, and how much is misaligned."""
    sentences = []
    if headline.slope:
        kinds = {"mixed": "an average task's slope", "pooled": "the slope of all tasks together"}
        told = " or ".join(kinds[name] for name in dict.fromkeys(slope.name for slope in headline.slopes))
        sentences.append(
            "A concept that the pretraining data shows ten times as often goes with "
            f"**{tell_range(headline.slope, '+.1f')} points** of score ({told}, {tell_models(headline)})."
        )
    if headline.degree:
        share = tell_range([100 * degree for degree in headline.degree], ".0f")
        sentences.append(f"**{share}%** of a corpus's pairs name one thing and show another.")
    return " ".join(sentences)


def tell_models(headline: overview.Headline) -> str:
    """Over how many models' slopes, and how many of their intervals reach zero."""
    fits = len(headline.slopes)
    models = "in one model's fit" if fits == 1 else f"over {fits} models' fits"
    if not headline.unsure:
        return models
    of = "its" if fits == 1 else f"of {headline.unsure} the"
    return f"{models}; {of} 95% interval reaches zero"


def find_causal(study: Study, method: str) -> scaling.Comparison | None:
    """The study's first causal comparison, under its own settings; None where it brings none."""
    pairs = scaling.list_comparisons(study)
    if not pairs or not study.has("performance", "frequency"):
        return None
    kind, setting = answer(scaling.list_settings, study).iloc[0]
    return answer(scaling.compare_training, study, pairs[0].corpus, pairs[0].models, method=method, kind=kind, setting=setting)


def show_causal(found: scaling.Comparison, titles: dict[str, str], unit: str) -> None:
    """Two lines over the counts of one corpus: one rises, the other, trained on equal data, does not."""
    corpus = titles[found.corpus]
    figure = charts.draw_comparison(found, name_sides(found, titles), unit=unit, name=corpus, cloud=False, height=HEIGHT)
    show_figure(
        figure,
        "headline",
        f"{unit} of two models against the frequency of concepts in {corpus}",
        rows=found.points,
        shown=Shown([found.first.model, found.second.model], [corpus]),
    )
    st.caption(
        "The same concepts in two models, trained alike but for how often they were shown. A mark is the mean of the concepts "
        f"of one bin of frequency. Brackets: 95% interval over {found.first.fit.resampled}."
    )


def show_headline_plot(study: Study, kind: str, setting: str, method: str) -> None:
    """The mean score of each corpus's best model against how often the corpus shows the concept."""
    best = scaling.pick_best(answer(scaling.list_models, study, kind, setting))
    lines = answer(scaling.fit_models, study, kind=kind, setting=setting, method=method, models=best)
    unit, titles = unit_of(kind, setting), corpus_titles(study)
    figure = charts.draw_lines(lines, titles, unit=unit, by_corpus=True, height=HEIGHT)
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


def show_plot(study: Study, kind: str, setting: str, method: str, causal: scaling.Comparison | None) -> None:
    """The causal pair where the study brings one, else the headline plot; without scores, the command that adds some."""
    if causal:
        show_causal(causal, corpus_titles(study), unit_of(kind, setting))
    elif kind:
        show_headline_plot(study, kind, setting, method)
    else:
        command = find_build_command("performance", study.folder, study.manifest.arguments)
        st.info(escape(f"No model has scores in this study yet. Add some: {command}"), icon=":material/info:")


def show_origin(study: Study) -> None:
    """How much the study holds, where it came from, and what was read, written and dropped."""
    contents = answer(overview.count_contents, study)
    st.markdown(
        f"The study “{escape(study.title)}” holds **{contents['concepts']:,} concepts** in {contents['tasks']} tasks "
        f"({contents['labels']:,} labels), **{contents['corpora']} corpora** with {contents['counts']:,} counts, and "
        f"**{contents['models']} models** with {contents['scores']:,} scores. {escape(study.manifest.description)}"
    )
    with st.expander("Where the data came from"):
        st.markdown(f"{link_sources(study.manifest.source)}. Built {escape(study.manifest.created)}.")
        for unit, read, wrote, drops in overview.list_ledgers(study):
            dropped = "; ".join(f"{escape(reason)}: {count:,}" for reason, count in drops.items()) or "nothing"
            st.markdown(f"- {escape(unit)}: {read:,} read, {wrote:,} written; dropped: {dropped}")
        for place in study.manifest.absent:
            st.caption(f"Absent from the source: {escape(place)}")


study = current_study()
chosen = read_choice(study)
kind, setting = answer(scaling.list_settings, study).iloc[0] if study.has("models", "performance") else ("", "")
headline = answer(overview.summarise, study, kind, setting, chosen.corpus)
causal = find_causal(study, headline.method)
instead = tell_instead(causal, name_sides(causal, corpus_titles(study))) if causal else ""
show_title(
    "Which concepts are rare, and what does that cost?",
    f"{instead} {tell_rarity(headline)}".strip(),
)
st.caption(name_source(study))
left, right = st.columns([5, 6])
with left:
    show_guarded(show_ladder, study, chosen, headline.method, kind, setting)
with right:
    show_guarded(show_plot, study, kind, setting, headline.method, causal)
st.markdown(tell_slopes(headline))
with st.container(horizontal=True):
    st.page_link("pages/concept.py", label="Look up a concept", icon=":material/search:")
    st.page_link("pages/test_set.py", label="Check your classes", icon=":material/checklist:")
    st.page_link("pages/probe.py", label="Try a photo", icon=":material/image_search:")
    st.page_link("pages/scaling.py", label="Read the scaling plots", icon=":material/trending_up:")
show_origin(study)
methods = f"Counts: {escape(Method(headline.method).title)}" + (f"; scores: {kind}, {escape(setting)}." if kind else ".")
explain_counting(study, [headline.method], methods)
