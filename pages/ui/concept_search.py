"""The search box over all concepts, at the top of every page, and rows of links to some of them."""

import json
from collections.abc import Iterable
from pathlib import Path

import pandas as pd
import streamlit as st
from streamlit import runtime

from backend import beginnings, concepts, frequency
from backend.errors import TailscopeError
from backend.study import Study
from pages.ui.address import answer, link_concept, take_step, with_study
from pages.ui.blocks import format_count
from pages.ui.choice import read_choice
from pages.ui.controls import corpus_titles
from pages.ui.text import escape

BOX_KEY = "concept-box"
_SOURCES = {kind: (Path(__file__).parent / f"concept_box.{kind}").read_text(encoding="utf-8") for kind in ("html", "css", "js")}
_show_box = st.components.v2.component("tailscope_concept_box", **_SOURCES)


def show_search(study: Study, description: str) -> None:
    """The box: what is typed finds names with their counts in the chosen corpus, and what is chosen opens its page.

    The names go to the browser over HTTP, once a window, and only to whoever types: with each run they would be more than the
    page. A study whose concepts cannot be read has no box; its pages say why. description: of the page, for the browser.
    """
    corpus = read_choice(study).corpus
    try:
        content = answer(list_names, study, corpus)
    except TailscopeError:
        return
    counted = f", counted in {corpus_titles(study)[corpus]}" if corpus else ""
    placeholder = f"Search {len(json.loads(content)['concepts']):,} concepts{counted}"
    data = {"url": _serve(content), "placeholder": placeholder, "description": description, "carried": with_study()}
    data["step"] = take_step()
    _show_box(key=BOX_KEY, data=data)


def _serve(content: bytes) -> str:
    """The address, on this server, of a file that the page at hand needs."""
    if not runtime.exists():
        return ""
    base = st.get_option("server.baseUrlPath").strip("/")
    place = runtime.get_instance().media_file_mgr.add(content, "application/json", BOX_KEY)
    return f"/{base}{place}" if base else place


def list_names(study: Study, corpus: str | None) -> bytes:
    """JSON of every concept and, in the same order, its count in a corpus as people read it; from common to rare.

    Counts in images go before those in text; a concept that is not counted has none, and stands last.
    """
    counts = pd.Series(dtype="int64")
    if corpus:
        methods = frequency.list_methods(study, corpus).drop_duplicates("modality").set_index("modality")["method"]
        for method in methods.reindex(["image", "text"]).dropna():
            ranked = frequency.count_concepts(study, method)
            counts = counts.combine_first(ranked[ranked["corpus"] == corpus].set_index("concept")["count"])
    names = pd.Series(concepts.list_concepts(study))
    counts = counts.reindex(names).sort_values(ascending=False, kind="stable")
    shown = ["" if pd.isna(count) else format_count(count) for count in counts]
    return json.dumps({"concepts": list(counts.index), "counts": shown}, ensure_ascii=False, separators=(",", ":")).encode()


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
