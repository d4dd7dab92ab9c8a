"""How right are the counts? Searches of captions and images against the truth, where a study knows it."""

import streamlit as st

from backend import charts, quality, samples
from backend.printing.caption import Shown
from backend.study import EMBEDDED, Study
from pages.ui.address import answer, current_study, find_other_study, link_concepts, link_study
from pages.ui.blocks import explain_counting, show_figure, show_guarded, show_table, show_title
from pages.ui.choice import use_corpus
from pages.ui.controls import corpus_titles, in_order, title_method
from pages.ui.text import escape

MEASURES = (
    "**Precision:** of the hits that a search found, how many are right. **Recall:** of the hits that there are, how many it "
    "found. A hit is one sample and one concept. **Frequency error:** the mean over concepts of "
    "|log10((counted + 1) / (true + 1))|: 0.3 is a factor of two."
)


def show_unknown(study: Study) -> None:
    """Why a study cannot say how right its counts are, and where one can."""
    st.info(
        f"{escape(study.title)}: nobody knows which samples of a real corpus truly show a concept, so its counts cannot be "
        "held against the truth. Only an invented world, whose pictures and captions a program made, knows.",
        icon=":material/info:",
    )
    other = find_other_study("search_quality", "truth")
    if other:
        link_study("pages/search_quality.py", other, "How right they are in")
    else:
        st.markdown("This makes one, and needs nothing but this program:")
        st.code(EMBEDDED, language="bash")


def show_counts(study: Study, corpus: str, title: str, methods: tuple[str, ...]) -> None:
    """Counted against true frequency, a point a concept, and the concepts furthest off."""
    compared = answer(quality.compare_truth, study, corpus, methods)
    errors = quality.measure_error(compared).set_index("modality")
    st.markdown(
        f"In {escape(title)}, these are within a factor of two of the truth: "
        + ", ".join(f"**{row.share:.0f}%** of concepts by {row.Index}" for row in errors.itertuples())
        + f". {errors['concepts'].max():,} concepts; on the dotted line a count is right."
    )
    figure = charts.draw_truth(compared)
    shown = Shown(corpora=[title], methods=methods)
    show_figure(figure, "truth", f"Counted against true frequency in {title}", rows=compared, pick=True, shown=shown)
    st.markdown(f"**Furthest off in {escape(title)}**")
    link_concepts(compared["concept"].drop_duplicates().head(8))
    with st.expander("Table of all concepts"):
        show_table(compared, "furthest-off")


def show_searches(study: Study, corpus: str, title: str) -> None:
    """Every search of a corpus against the truth."""
    st.header("Which search is right how often?", anchor=False)
    found = answer(quality.list_searches, study, corpus)
    found.insert(0, "search", [title_method(name) for name in found["method"]])
    hidden = dict.fromkeys(("corpus", "split", "method"))  # of the download alone: one corpus, and codes of what is said
    st.caption(f"Each search of {escape(title)}, of all its samples.")
    show_table(found, "searches", columns={"search": "Search"} | hidden)


def show_thresholds(study: Study, corpus: str, titles: dict[str, str]) -> None:
    """What the image threshold does to precision, recall and frequency error, and which one was chosen.

    On the corpus where it was tried there, else on the split that it was chosen on.
    """
    swept = answer(quality.sweep_thresholds, study)
    if swept.empty:
        return
    st.header("Why this image threshold?", anchor=False)
    tried = corpus if corpus in set(swept["corpus"]) else swept["corpus"].iloc[0]
    swept = swept[swept["corpus"] == tried]
    for row in swept[swept["chosen"]].itertuples(index=False):
        st.markdown(
            f"From **{row.threshold:.2f}** on, the threshold chosen, {row.precision:.0f}% of the image hits are right, and "
            f"{row.recall:.0f}% of the true ones are found; frequency error {row.frequency_error:.3f}."
        )
    shown = Shown(corpora=[titles.get(tried, tried)])
    left, right = st.columns(2)
    with left:
        figure = charts.draw_quality(swept, {"precision": "precision", "recall": "recall"}, "%")
        show_figure(figure, "quality", "Precision and recall against the image threshold", rows=swept, shown=shown)
    with right:
        figure = charts.draw_quality(swept, {"frequency_error": "frequency error"}, "mean |log10(counted / true)|")
        show_figure(figure, "frequency-error", "Frequency error against the image threshold", shown=shown)
    own = f"On the validation split of {escape(titles[tried])}." if tried in titles else ""
    st.caption(own or "On a validation split, whose samples are in none of the corpora above.")


study = current_study()
titles = corpus_titles(study)
show_title(
    "How right are the counts?",
    "A count is made by a search of captions or images, and a search errs. Here its hits are held against what is truly there.",
)
if not quality.is_known(study):
    show_unknown(study)
    st.stop()
corpus = use_corpus(study, in_order(titles, answer(quality.list_known_corpora, study)), "is not known in truth")
methods = answer(samples.describe_search, study, corpus).chosen.names
show_guarded(show_counts, study, corpus, titles[corpus], methods)
show_guarded(show_searches, study, corpus, titles[corpus])
show_guarded(show_thresholds, study, corpus, titles)
explain_counting(study, list(methods), MEASURES)
