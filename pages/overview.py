"""What a study says in ten seconds: its headline plot, three numbers, a search, and where the data came from."""

import streamlit as st

from backend import charts, overview, scaling
from backend.methods import describe_method
from backend.study import Study
from pages.ui.address import answer, current_study, open_concept
from pages.ui.blocks import explain_counting, format_count, show_figure, show_title
from pages.ui.controls import corpus_titles, unit_of
from pages.ui.text import escape


def show_numbers(headline: overview.Headline) -> None:
    """Three findings as three tiles; a study that lacks a table shows fewer."""
    tiles = [
        (
            f"{headline.median_count:,.0f} samples",
            f"show the median concept in {escape(headline.corpus_title)}"
            + (f", of {format_count(headline.pairs)} pairs" if headline.pairs else "")
            + f"; {headline.zero_share:.0f}% of concepts have none",
        )
    ]
    if headline.slope:
        low, high = headline.slope
        tiles.append((f"{low:+.1f} to {high:+.1f} points", f"per tenfold samples, over {headline.fits} models' fits"))
    if headline.degree:
        low, high = headline.degree
        tiles.append((f"{100 * low:.0f}% to {100 * high:.0f}%", "of a corpus's pairs are misaligned"))
    for column, (number, meaning) in zip(st.columns(len(tiles)), tiles, strict=True):
        with column.container(border=True, height="stretch"):
            st.markdown(f"### {number}")
            st.caption(meaning)


def show_headline_plot(study: Study, kind: str, setting: str, method: str) -> None:
    """The mean score of each corpus's best model against how often the corpus shows the concept."""
    models = answer(scaling.list_models, study, kind, setting)
    best = models.sort_values("score", ascending=False).drop_duplicates("corpus")["model"]
    lines = answer(scaling.fit_models, study, kind=kind, setting=setting, method=method, models=list(best))
    figure = charts.draw_lines(lines, corpus_titles(study), unit=unit_of(kind, setting))
    show_figure(figure, "headline", "Mean score of models against concept frequency", rows=scaling.tabulate_bins(lines))
    st.caption(
        "The best model of each corpus. A mark is the mean of the concepts of one bin of frequency, a line the fit "
        "through all of a model's concepts. "
        "The means follow the lines; single concepts scatter widely around them, which the Scaling page shows."
    )


study = current_study()
kind, setting = answer(scaling.list_settings, study).iloc[0]
headline = answer(overview.summarise, study, kind, setting)
show_title(
    "Which concepts does the data hardly show, and what does that cost?",
    f"**{escape(study.title)}.** A model's score on a concept rises by a constant amount each time its pretraining data shows "
    f"the concept ten times as often. Counts: {describe_method(headline.method).title}; scores: {kind}, {setting}.",
)
query = st.text_input(
    "Find a concept",
    key="find",
    type="search",
    placeholder="a name, such as rose, pickup truck or Acadian_Flycatcher",
    icon=":material/search:",
)
if query:
    open_concept(query)
show_numbers(headline)
show_headline_plot(study, kind, setting, headline.method)
contents = answer(overview.count_contents, study)
st.markdown(
    f"The study holds **{contents['concepts']:,} concepts** in {contents['tasks']} tasks ({contents['labels']:,} labels), "
    f"**{contents['corpora']} corpora** with {contents['counts']:,} counts, and **{contents['models']} models** with "
    f"{contents['scores']:,} scores. {study.manifest['description']}"
)
with st.container(horizontal=True):
    st.page_link("pages/scaling.py", label="Read the scaling plots", icon=":material/trending_up:")
    st.page_link("pages/distributions.py", label="See how long the tail is", icon=":material/area_chart:")
    st.page_link("pages/test_set.py", label="Check your own test set", icon=":material/checklist:")
explain_counting(study, [headline.method])
with st.expander("Where the data came from"):
    st.markdown(f"{study.manifest['source']}. Imported {study.manifest['created']}.")
    for unit, entry in study.manifest["counts"].get("published", {}).items():
        dropped = "; ".join(f"{reason}: {count:,}" for reason, count in entry["dropped"].items()) or "nothing"
        st.markdown(f"- {unit}: {entry['read']:,} read, {entry['written']:,} written; dropped: {dropped}")
    for place in study.manifest.get("absent", []):
        st.caption(f"Absent from the source: {place}")
