"""What is in your corpus, and what does it hardly show? An indexed corpus, or a caption file that is counted right here."""

import streamlit as st

from backend import charts, corpus_report
from backend.concepts import list_concepts
from backend.errors import EmptySelection
from pages.ui.address import answer, current_study, link_concepts
from pages.ui.blocks import explain_counting, show_figure, show_guarded, show_title
from pages.ui.choice import read_choice
from pages.ui.controls import choose_method, choose_view, choose_word
from pages.ui.corpus_beside import choose_model, choose_reference, list_open_studies
from pages.ui.corpus_file import ask_for_file, forget_file, read_file
from pages.ui.corpus_parts import show_concepts, show_contents, show_expected, show_needs, show_shift
from pages.ui.corpus_source import answer_about, list_methods, read_ours
from pages.ui.corpus_tell import FEW, tell_corpus
from pages.ui.text import escape, shorten

OURS, FILE = "A corpus of this study", "A file of mine"
LETTERS = 40  # of a file's name on a button
CONTENTS, CONCEPTS, SHIFT, EXPECTED, NEEDS = VIEWS = [
    "What is in it",
    "Concepts",
    "Beside another",
    "Expected scores",
    "What to collect",
]

study = current_study()
show_title("What is in your corpus, and what does it hardly show?", "")
head = st.container()
asked = choose_word("Whose captions", [OURS, FILE], "whose")
counted = ask_for_file(study) if asked == FILE else None
left, right = st.columns(2, vertical_alignment="bottom")
more = st.expander("More choices")
if counted:
    with right:
        st.button(f"Forget {escape(shorten(counted.file.name, LETTERS))}", on_click=forget_file, icon=":material/delete:")
    with more:
        source = read_file(counted, choose_method(counted.methods))
else:
    study.require("concepts", "corpora", "frequency")
    corpus = read_choice(study).corpus
    if corpus is None:
        raise EmptySelection(f"Study '{study.name}' counts no corpus yet. Hand in a file of yours, or index a corpus.")
    with more:
        source = read_ours(study, corpus, choose_method(list_methods(study, corpus)))
own = source.own
studies = list_open_studies(study)
with left:
    beside = choose_reference(own, studies)
with more:
    model = choose_model(own, studies)

compared = answer_about(own, corpus_report.compare_with, beside.study, beside.corpus) if beside and own.pairs else None
head.markdown(tell_corpus(own, source.dropped, beside, compared))
if beside and own.pairs:
    curves = answer_about(own, corpus_report.rank_rates, beside.study, beside.corpus)
    show_figure(charts.draw_rate_curves(curves), "corpus-curves", "Share of samples that show a concept, by rank", rows=curves)
    known = set(answer(list_concepts, study))
    link_concepts(concept for concept in compared.loc[compared["hardly"], "concept"].head(FEW) if concept in known)
view = choose_view(VIEWS, "part")
if view == CONTENTS:
    show_guarded(show_contents, source)
elif view == CONCEPTS:
    show_guarded(show_concepts, source)
elif view == SHIFT:
    show_guarded(show_shift, source, beside)
elif view == EXPECTED:
    show_guarded(show_expected, source, model)
else:
    show_guarded(show_needs, source, beside, model)
explain_counting(study, [own.method])
