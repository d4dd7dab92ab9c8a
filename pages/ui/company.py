"""What a concept is seen together with, far more or far less than by chance."""

import pandas as pd
import streamlit as st

from backend import cooccurrence
from backend.methods import Method
from backend.study import Study
from pages.ui.address import answer
from pages.ui.blocks import show_table
from pages.ui.choice import use_corpus
from pages.ui.concept_search import offer_concepts
from pages.ui.controls import choose_word, corpus_titles
from pages.ui.text import escape

SHOWN = 6  # names of a row
COLUMNS = {
    "other": st.column_config.TextColumn("Seen with", pinned=True),
    "together": st.column_config.NumberColumn("Together", format="localized", help="Samples that show both"),
    "expected": st.column_config.NumberColumn("By chance", format="%.1f"),
    "pmi": st.column_config.NumberColumn("PMI", format="%+.2f", help="Of base 2: +1 is twice as often as by chance"),
    "other_count": st.column_config.NumberColumn("Its samples", format="localized"),
}


def show_company(study: Study, concept: str) -> None:
    """The concepts that samples of a corpus show beside one; nothing where no corpus's pairs were counted."""
    corpora = answer(cooccurrence.list_paired_corpora, study)
    if not corpora:
        return
    st.header("What is it seen together with?", anchor=False)
    corpus = use_corpus(study, corpora, "has no counts of concepts together")
    methods = answer(cooccurrence.list_paired_methods, study, corpus)
    modality = choose_word("Together in", list(methods), "together_in") if len(methods) > 1 else next(iter(methods))
    rows = answer(cooccurrence.list_company, study, concept, corpus, methods[modality])
    apart = rows[~rows["nested"]]
    more, less = apart[apart["stands_out"] & (apart["pmi"] > 0)], apart[apart["stands_out"] & (apart["pmi"] < 0)]
    st.markdown(tell_company(more, less, corpus_titles(study)[corpus]))
    offer_concepts("Far more than by chance", list(more["other"].head(SHOWN)))
    offer_concepts("Far less", list(less["other"].iloc[::-1].head(SHOWN)))
    with st.expander("Table of its company"):
        show_table(rows.drop(columns="nested"), "company", columns=COLUMNS)
        st.caption(
            f"Counted: {escape(Method(methods[modality]).title)}. **By chance:** the share of samples that show the one, times "
            "the share that show the other, times all samples. **PMI:** log2 of seen over expected, half a sample added to "
            "either. **Stands out:** by Poisson's two-sided p, after Benjamini and Hochberg at 5% among all pairs of the "
            "concept; names that are part of one another never do."
        )


def tell_company(more: pd.DataFrame, less: pd.DataFrame, title: str) -> str:
    """One sentence: how many concepts stand beside it more, and less, than chance would have them."""
    if more.empty and less.empty:
        return f"In {escape(title)} no concept stands beside it more or less often than chance would have it."
    first = f", {escape(more['other'].iloc[0])} first of all ({more['together'].iloc[0]:,} samples)" if len(more) else ""
    return (
        f"In {escape(title)} **{len(more):,}** concepts stand beside it more often than by chance{first}, and "
        f"**{len(less):,}** less often."
    )
