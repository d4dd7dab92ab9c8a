"""The search box over all concepts, and rows of links to some of them. The address, `?concept=rose`, says which is open."""

from collections.abc import Iterable

import streamlit as st

from backend import beginnings, concepts, frequency
from backend.study import Study
from pages.ui.address import answer, link_concept
from pages.ui.blocks import format_count
from pages.ui.choice import read_choice
from pages.ui.controls import corpus_titles
from pages.ui.text import escape

KEY = "concept"


def search_concept(study: Study) -> str:
    """What the address or the search box asks for, as it was typed; empty where nothing is.

    The box is not bound to the address by Streamlit, which would put an option there as it is shown, with its count.
    """
    if not st.query_params.get(KEY) and st.session_state.get(KEY):  # on the way back to a page that was left with a concept
        st.query_params[KEY] = st.session_state[KEY]
    asked = st.query_params.get(KEY, "")
    st.session_state[KEY] = asked or None
    main = read_choice(study).corpus
    shown = answer(_count_names, study, main)
    st.selectbox(
        "Concept",
        list(shown),
        index=None,
        format_func=lambda name: shown.get(name, name),
        key=KEY,
        on_change=_follow,
        accept_new_options=True,
        placeholder=f"Type any name; the numbers are samples of {corpus_titles(study)[main]}",
        icon=":material/search:",
    )
    return asked


def _follow() -> None:
    """Puts what was chosen or typed into the address."""
    if st.session_state[KEY]:
        st.query_params[KEY] = st.session_state[KEY]
    else:
        st.query_params.pop(KEY, None)


def _count_names(study: Study, corpus: str) -> dict[str, str]:
    """Every concept as the box shows it: with its count in a corpus, where it has one; that of images before that of text."""
    methods = frequency.list_methods(study, corpus).drop_duplicates("modality").set_index("modality")["method"]
    counts: dict[str, int] = {}
    for method in methods.reindex(["text", "image"]).dropna():
        ranked = frequency.count_concepts(study, method)
        counts |= dict(ranked.loc[ranked["corpus"] == corpus, ["concept", "count"]].itertuples(index=False))
    return {
        name: f"{name} · {format_count(counts[name])}" if name in counts else name for name in concepts.list_concepts(study)
    }


def offer_concepts(title: str, names: Iterable[str]) -> None:
    """Links to other concepts in a row, after a word on what they have in common."""
    if names:
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            st.caption(escape(title), width="content")
            for name in names:
                link_concept(name)


def offer_beginnings(study: Study) -> None:
    """Concepts to begin with: well-known ones, rare ones, and some that were counted wrongly."""
    for row in answer(beginnings.suggest_concepts, study):
        offer_concepts(row.title, row.concepts)
