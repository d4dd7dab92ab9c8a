"""What stands in place of an answer while the model is not on this machine: what to fetch, and what the counts alone say."""

import streamlit as st

from backend.concepts import find_concept
from backend.probe.advice import Advice, tabulate_advice
from backend.probe.candidates import read_candidates
from backend.probe.facts import Facts, describe_candidates
from backend.study import Study
from pages.ui.address import answer, link_concepts
from pages.ui.blocks import show_guarded, show_table
from pages.ui.controls import corpus_titles
from pages.ui.probe_answer import show_candidate, tell_candidate, tell_scores
from pages.ui.probe_images import Picture
from pages.ui.probe_setup import Setup, advise, offer_download
from pages.ui.text import escape, shorten

NAMES = 12  # that are told at once


def show_without_model(study: Study, setup: Setup, picture: Picture | None) -> None:
    """The image, the model that would look at it and how to fetch that, and what is known of a thing by its name."""
    advised = advise(study, setup.method)
    chosen = next((one for one in advised if one.choice.spec == setup.choice.spec), None)
    left, right = st.columns([1, 2]) if picture else (None, st.container())
    if picture:
        left.image(picture.preview, width="stretch", alt=picture.name)
        left.caption(f"{escape(picture.name)}: {escape(picture.about)}")
    with right:
        show_named(study, setup, chosen)
        st.header("To let a model look", anchor=False)
        if chosen:
            size = f" It has {chosen.size / 1e6:,.0f} MB, to fetch and in memory." if chosen.size else ""
            size += f" An image takes it about {chosen.seconds:.2g} s here." if chosen.seconds else ""
            st.markdown(
                f"**{escape(chosen.choice.title)}** was trained on {escape(chosen.corpus)}, which this study counts: beside "
                f"each of its guesses stands how often its own data had shown such a thing.{size}"
            )
        show_guarded(offer_download, setup.choice)
    if advised:
        st.markdown(f"**The {len(advised)} models of OpenCLIP whose own data this study counts**")
        show_table(tabulate_advice(advised), "models-to-fetch")
        st.caption(
            "Megabytes: of the weights, to fetch and in memory; while a model loads, twice as many. Seconds: its additions "
            "and multiplications, by how many of them this machine did a second when it was first asked."
        )


def show_named(study: Study, setup: Setup, chosen: Advice | None) -> None:
    """What the published counts and scores say of a thing that the visitor names; needs no model."""
    query = st.text_input(
        "What is on it?",
        key="truth",
        bind="query-params",
        placeholder="name it, and see how often it was shown",
        icon=":material/search:",
    )
    if not query.strip():
        st.caption("No model looks at your image yet. Name what it shows: its counts and scores are here without one.")
        return
    candidates = answer(read_candidates, study, query)
    facts = answer(
        describe_candidates,
        study,
        candidates,
        method=setup.method,
        setting=setup.setting,
        study_model=chosen.model if chosen else None,
    )
    for number in range(min(len(candidates.names), NAMES)):
        show_one(study, setup, facts, number)
    if chosen:
        st.caption(tell_scores(facts, chosen.choice.title, corpus_titles(study)))


def show_one(study: Study, setup: Setup, facts: Facts, number: int) -> None:
    """The counts and scores of one thing that was named, or names near it."""
    row = facts.rows.iloc[number].to_dict()
    titles = corpus_titles(study)
    if not isinstance(row["concept"], str):
        st.info(f"No concept of this study is named “{escape(shorten(row['name'], 80))}”.", icon=":material/info:")
        if others := answer(find_concept, study, row["name"]).others[:6]:
            st.caption("Near it:")
            link_concepts(others)
        return
    lines = tell_candidate(row | {"number": number}, facts, titles, setup.find_corpus(facts, titles))
    show_candidate(study, row, lines)
