"""The samples whose caption and image disagree: each with what was found in it and, where that is known, who errs."""

import math
from functools import partial

import pandas as pd
import streamlit as st

from backend import charts, disagreements, samples, verdicts
from backend.concepts import find_concept
from backend.methods import Method
from backend.printing.caption import Shown
from backend.study import Study
from pages.ui.address import answer, link_concepts
from pages.ui.blocks import show_figure
from pages.ui.choice import use_corpus
from pages.ui.controls import choose_word, corpus_titles
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
    held = answer(samples.list_sampled_corpora, study).set_index("corpus")["indexed"].fillna(0).astype(int)
    corpora = [corpus for corpus in held.index[::-1] if corpus in study.list_corpora("misaligned")]
    if not corpora:
        return
    st.header("Which samples disagree?", anchor=False)
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        kind = choose_word("Which", disagreements.DISAGREEMENTS, "disagreement")
        query = st.text_input(
            "About a concept", key="about", bind="query-params", placeholder="any", icon=":material/search:", width=260
        )
    corpus = use_corpus(study, corpora, "has no samples here")
    search = answer(samples.describe_search, study, corpus, "misaligned")
    with st.expander("More: threshold, order"):
        left, right = st.columns(2)
        with left:
            threshold = choose_threshold(search)
        with right:
            order = choose_word("Order", ORDERS, "order")
    concept = find_concept(study, query).concept if query else None
    if query and concept is None:
        st.info(f"No concept of this study is named “{escape(query)}”. These are the samples of all concepts.")
    profile = answer(disagreements.profile_misaligned, study, corpus, concept)
    if threshold in disagreements.list_steps(search.counted):
        counted = disagreements.count_profile(profile, threshold)
    else:  # one that the address asks for
        counted = answer(disagreements.count_misaligned, study, corpus, threshold, concept)
    counted = counted.set_index("kind")["samples"]
    title = escape(corpus_titles(study).get(corpus, corpus))
    about = f" about “{escape(concept)}”" if concept else ""
    of = f" of {title}'s {held[corpus]:,} samples" if held[corpus] else f" samples of {title}"
    st.markdown(
        f"At an image score of {threshold:.2f} or more, **{counted['conflicting']:,}**{of}{about} conflict, "
        f"**{counted['text-only']:,}** have a concept in the text only, **{counted['image-only']:,}** in the image only."
    )
    if not counted[kind]:
        st.info(f"No sample{about} disagrees in this way at {threshold:.2f}.")
    else:
        show_samples(study, corpus, concept, threshold, kind, order, int(counted[kind]))
    if held[corpus] and len(search.counted) > 1:
        swept = disagreements.sweep_profile(profile, search.counted)
        show_sweep(swept, corpus_titles(study).get(corpus, corpus), threshold, held[corpus])


def show_samples(study: Study, corpus: str, concept: str | None, threshold: float, kind: str, order: str, counted: int) -> None:
    """A page of the samples that disagree in one way, and links to the concepts that they are about."""
    known = verdicts.knows_samples(study, corpus)
    if known:
        st.markdown(tell_verdicts(answer(verdicts.count_verdicts, study, corpus, threshold, kind, concept)))
    asked = (study.token, corpus, concept, threshold, kind, order)
    rows = answer(
        disagreements.find_misaligned,
        study,
        corpus,
        threshold,
        kind,
        concept=concept,
        near_boundary=order == ORDERS[1],
        offset=choose_page(counted, "samples_page", asked),
    )
    named = [name for both in (rows["text_concepts"], rows["image_concepts"]) for names in both for name in names]
    below = " Below: how the species look that the caption names (said) and the tagger sees (seen)." if known else ""
    st.caption(f"{MEANINGS[kind]} Beside a concept: the image's score for it.{below}")
    if known:
        judged = verdicts.judge_samples(study, corpus, rows)
        portraits = answer(verdicts.find_portraits, study, corpus, sorted(set(named))).set_index("concept")
        show_gallery(study, judged, "misaligned", explain_verdict, partial(choose_portraits, portraits))
    else:
        show_gallery(study, rows, "misaligned", explain_disagreement)
    link_concepts(list(dict.fromkeys([concept] * bool(concept) + named))[:LINKS])


def tell_verdicts(counted: dict[str, int]) -> str:
    """One sentence: of the samples that disagree in one way, in how many the caption errs, the tagger, both or neither."""
    every = sum(counted.values())
    told = [f"{side} errs in **{counted[side]:,}** ({counted[side] / every:.0%})" for side in verdicts.SIDES[:2]]
    others = [f"{side} in {counted[side]:,}" for side in verdicts.SIDES[2:] if counted[side]]
    return "Whoever made these pictures knows what they show: " + ", ".join([*told, *others]) + "."


def choose_portraits(portraits, row) -> list[tuple[str, object]]:
    """A picture of what the caption names, and one of what the tagger sees: of each the first concept that has one."""
    found = (("said", row.text_concepts), ("seen", row.image_concepts))
    held = [(how, next((name for name in names if name in portraits.index), None)) for how, names in found]
    return [(how, portraits.loc[name]) for how, name in held if name is not None]


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


def explain_verdict(row) -> list[str]:
    """What was found in a sample, what its picture shows in truth, and who errs."""
    shown = " and ".join(f"**{escape(name)}**" for name in row.shown) or "nothing that has a name"
    errs = f"{row.erring} err{'s' if row.erring.startswith('the') else ''}"
    return [*explain_disagreement(row), f":material/gavel: **{errs}**; in truth {shown}"]


def show_sweep(swept: pd.DataFrame, title: str, threshold: float, held: int) -> None:
    """How many of a corpus's samples disagree at every counted threshold."""
    swept = swept.assign(share=100.0 * swept["samples"] / held)
    with st.expander("What does the threshold decide?"):
        figure = charts.draw_disagreements(swept, threshold)
        shown = Shown(corpora=[title])
        show_figure(figure, "disagreements", "Samples that disagree at each threshold", rows=swept, shown=shown)
