"""The samples whose caption and image disagree: how many in each way at a threshold, and each with what was found in it."""

import math

import streamlit as st

from backend import charts, samples
from backend.concepts import find_concept
from backend.methods import Method
from backend.printing.caption import Shown
from backend.study import Study
from pages.ui.address import answer, link_concepts
from pages.ui.blocks import show_figure
from pages.ui.controls import choose_corpus, choose_word, corpus_titles
from pages.ui.gallery import choose_page, show_gallery
from pages.ui.text import escape

MEANINGS = {
    "conflicting": "Caption and image have concepts, and none in common: the sample is misaligned.",
    "text-only": "The caption names a concept, and the image scores none.",
    "image-only": "The image scores a concept, and the caption names none.",
}
ORDERS = ("clearest first", "boundary cases first")
LINKS, NAMES = 12, 4  # concepts linked below a page of samples; concepts named for one image


def show_disagreements(study: Study) -> None:
    """A gallery of disagreeing samples, by kind, concept and threshold; nothing where the study holds counts only."""
    if not study.has("samples", "hits", "misaligned"):
        return
    st.header("Which samples disagree?", anchor=False)
    held = answer(samples.list_sampled_corpora, study).set_index("corpus")["indexed"].fillna(0).astype(int)
    corpora = [corpus for corpus in held.index[::-1] if corpus in study.list_corpora("misaligned")]
    if not corpora:
        return
    left, middle, right = st.columns(3)
    with left:
        corpus = choose_corpus(study, corpora, "sampled")
    with middle:
        query = st.text_input("About a concept", key="about", bind="query-params", placeholder="any", icon=":material/search:")
    search = answer(samples.describe_search, study, corpus, "misaligned")
    with right:
        threshold = choose_threshold(search)
    concept = find_concept(study, query).concept if query else None
    if query and concept is None:
        st.info(f"No concept of this study is named “{escape(query)}”. These are the samples of all concepts.")
    counted = answer(samples.count_misaligned, study, corpus, threshold, concept).set_index("kind")["samples"]
    title = escape(corpus_titles(study).get(corpus, corpus))
    about = f" about “{escape(concept)}”" if concept else ""
    of = f" of {title}'s {held[corpus]:,} samples" if held[corpus] else f" samples of {title}"
    st.markdown(
        f"At an image score of {threshold:.2f} or more, **{counted['conflicting']:,}**{of}{about} conflict, "
        f"**{counted['text-only']:,}** have a concept in the text only, **{counted['image-only']:,}** in the image only."
    )
    with st.container(horizontal=True, gap="medium"):
        kind = choose_word("Which", samples.DISAGREEMENTS, "disagreement")
        order = choose_word("Order", ORDERS, "order")
    st.caption(f"{MEANINGS[kind]} Beside a concept: the image's score for it.")
    if not counted[kind]:
        st.info(f"No sample{about} disagrees in this way at {threshold:.2f}.")
    else:
        asked = (study.token, corpus, concept, threshold, kind, order)
        rows = answer(
            samples.find_misaligned,
            study,
            corpus,
            threshold,
            kind,
            concept=concept,
            near_boundary=order == ORDERS[1],
            offset=choose_page(int(counted[kind]), "samples_page", asked),
        )
        show_gallery(study, rows, "misaligned", explain_disagreement)
        named = [name for both in (rows["text_concepts"], rows["image_concepts"]) for names in both for name in names]
        link_concepts(list(dict.fromkeys([concept] * bool(concept) + named))[:LINKS])
    if held[corpus] and len(search.counted) > 1:
        show_sweep(study, corpus, concept, threshold, held[corpus])


def choose_threshold(search: samples.Search) -> float:
    """The least image score that counts, between the lowest and the highest that were counted."""
    chosen, counted = search.chosen.image, search.counted
    if len(counted) == 1:
        st.caption(f"Images are counted by {escape(chosen)} alone.")
        return counted[0]
    return st.slider(
        "Image score from",
        counted[0],
        counted[-1],
        Method(chosen).least_score,
        0.01,
        format="%.2f",
        key="threshold",
        bind="query-params",
    )


def explain_disagreement(row) -> list[str]:
    """What was found in a sample: the concepts of its caption, those of its image with their scores."""
    said = ", ".join(f"**{escape(name)}**" for name in row.text_concepts) or "no concept"
    seen = [f"**{escape(name)}** {score:.3f}" for name, score in zip(row.image_concepts, row.image_scores, strict=True)][:NAMES]
    if row.text_concepts and not math.isnan(row.agreed):
        said += f" {'at most ' * (len(row.text_concepts) > 1)}{row.agreed:.3f}"
    unseen = "no concept" if math.isnan(row.best) else f"no concept, best {row.best:.3f}"
    return [f":material/notes: {said}", f":material/image: {', '.join(seen) or unseen}"]


def show_sweep(study: Study, corpus: str, concept: str | None, threshold: float, held: int) -> None:
    """How many samples disagree at every counted threshold."""
    swept = answer(samples.sweep_misaligned, study, corpus, concept)
    swept = swept.assign(share=100.0 * swept["samples"] / held)
    st.markdown("**What does the threshold decide?**")
    figure = charts.draw_disagreements(swept, threshold)
    shown = Shown(corpora=[corpus_titles(study).get(corpus, corpus)])
    show_figure(figure, "disagreements", "Samples that disagree at each threshold", rows=swept, shown=shown)
