"""Do captions say what images show? Degrees of misalignment, the samples that disagree, and the concepts they disagree on."""

import streamlit as st

from backend import alignment, charts, provenance
from backend.methods import Method
from backend.printing.caption import Shown
from backend.study import Study
from pages.ui.address import answer, current_study, link_concepts
from pages.ui.blocks import explain_counting, format_count, show_figure, show_guarded, show_table, show_title
from pages.ui.choice import read_choice, use_corpus
from pages.ui.controls import choose_method, corpus_titles, in_order
from pages.ui.disagreements import show_disagreements
from pages.ui.text import escape, format_figure


def tell_degree(study: Study, corpus: str | None) -> str:
    """One sentence: how many of a corpus's pairs are misaligned; what that means, where its degree is not known."""
    degrees = answer(alignment.list_degrees, study) if study.has("alignment", "corpora") else None
    own = degrees[degrees["corpus"] == corpus] if degrees is not None else ()
    if not len(own):
        return "A sample is misaligned when concepts were found in its caption and in its image, and they have none in common."
    row = own.iloc[0]
    of = f"**{format_count(row['misaligned'])}** of {escape(row['title'])}'s pairs"
    return f"{of} (**{100 * row['degree']:.1f}%**) name one thing and show another."


def show_degrees(study: Study) -> None:
    """The misalignment degree of every corpus."""
    degrees = answer(alignment.list_degrees, study)
    worst, least = degrees.iloc[0], degrees.iloc[-1]
    highest = f"**{100 * worst['degree']:.1f}%** ({escape(worst['title'])})"
    lowest = f"**{100 * least['degree']:.1f}%** ({escape(least['title'])})"
    st.header("How many samples disagree, by corpus?", anchor=False)
    st.markdown(f"Of all pairs, {highest if len(degrees) == 1 else f'{lowest} to {highest}'} are misaligned.")
    shown = Shown(corpora=list(degrees["title"]))
    show_figure(charts.draw_degrees(degrees), "misalignment", "Misalignment degree of each corpus", rows=degrees, shown=shown)
    with st.expander("Table"):
        show_table(degrees.drop(columns="corpus"), "degrees")
    st.caption(
        "Two denominators: all pairs of the corpus, and those of its samples in which any concept was found. "
        + escape(study.manifest.reported.alignment_note)
    )


def show_concepts(study: Study, titles: dict[str, str]) -> None:
    """Joint counts against text or image counts, and the concepts that are said and not seen, or seen and not said."""
    st.header("On which concepts do text and images disagree?", anchor=False)
    joint = answer(alignment.list_joint_methods, study)
    if joint.empty:
        st.info("This study has no corpus with joint counts beside text and image counts.", icon=":material/info:")
        return
    left, middle, right = st.columns(3)
    with left:
        corpus = use_corpus(study, in_order(titles, joint["corpus"]), "has no joint counts beside those of text and image")
    with middle:
        search = study.manifest.search.get(corpus)
        method = choose_method(list(joint.loc[joint["corpus"] == corpus, "method"]), default=search and search.chosen.joint)
    with right:
        against = st.selectbox("Set against", ["text", "image"], key="beside", bind="query-params")
    compared = answer(alignment.compare_modalities, study, corpus, method)
    figure = charts.draw_counts_against(compared, against, "joint", f"samples by {against}", "samples by text and image")
    show_figure(
        figure,
        "joint",
        f"Joint counts against {against} counts in {titles[corpus]}",
        rows=compared,
        pick=True,
        shown=Shown(corpora=[titles[corpus]], methods=[method]),
    )
    median = format_figure(compared["agreement"].median(), ".0f")
    st.caption(
        f"{len(compared):,} concepts. On the dotted line every sample that shows a concept in its {against} shows it in both. "
        f"For the median concept, {median}% of the samples that could agree do. "
        "Click a point to open its concept."
    )
    ranked = alignment.rank_disagreements(compared)
    lost = answer(provenance.list_lost_words, study)
    lost = set(lost.loc[(lost["corpus"] == corpus) & (lost["method"] == Method(method).text), "concept"])
    if lost and not st.toggle("Also concepts whose text count lost words", key="lost", bind="query-params"):
        ranked = ranked[~ranked["concept"].isin(lost)]
        st.caption(
            f"{len(lost):,} concepts are left out: by the query or by its equality with another count, their text count is of "
            "fewer words than they have."
        )
    text_heavy, image_heavy = ranked[ranked["log_ratio"] > 0], ranked[ranked["log_ratio"] < 0]
    left, right = st.columns(2)
    for place, title, rows, name in (
        (left, "Said, but hardly seen", text_heavy, "text-heavy"),
        (right, "Seen, but hardly said", image_heavy, "image-heavy"),
    ):
        with place:
            st.markdown(f"**{title}**")
            show_table(rows[["concept", "text", "image", "joint"]].head(200), name)
            link_concepts(rows["concept"].head(4))
    explain_counting(
        study,
        [method],
        "**Denominators:** all pairs of the corpus, and the samples in which any concept was found in text or image. "
        "**Agreement:** joint hits as a share of the smaller of text and image hits. "
        f"The lists hold concepts with at least {alignment.LEAST_COUNT} hits in text or in images.",
    )


study = current_study()
titles = corpus_titles(study)
show_title("Do captions say what images show?", tell_degree(study, read_choice(study).corpus))
show_guarded(show_disagreements, study)  # first, where there are pictures
show_guarded(show_degrees, study)
show_guarded(show_concepts, study, titles)
