"""The samples that show a concept: which ones, how many there are, and each with the reason why it counts."""

import math

import pandas as pd
import streamlit as st

from backend import samples
from backend.methods import Method, join_methods
from backend.study import STUDIES, Study, find_build_command
from backend.words import explain
from pages.ui.address import answer, find_other_study, link_study, with_study
from pages.ui.choice import use_corpus
from pages.ui.controls import choose_method, choose_word, corpus_titles
from pages.ui.gallery import choose_page, show_gallery
from pages.ui.text import escape

YES, NO = ":material/check:", ":material/close:"


def show_examples(study: Study, concept: str) -> None:
    """A gallery of the samples of a corpus that show a concept; where the study holds no samples, what would bring some."""
    st.header("What do its samples look like?", anchor=False)
    corpora = list(answer(samples.list_sampled_corpora, study)["corpus"]) if study.has("samples", "hits") else []
    if not corpora:
        show_way_to_samples(study)
        return
    corpus = use_corpus(study, corpora[::-1], "has no samples here")
    left, right = st.columns(2)
    search = answer(samples.describe_search, study, corpus, "samples", "hits")
    with left:
        text_method = choose_method(list(search.text), "text_method", "Text search", search.chosen.text)
    image_method = None
    if search.image:
        with right:
            image_method = choose_method(list(search.image), "image_method", "Image search", search.chosen.image)
    counted = answer(samples.count_hits, study, concept, corpus, text_method)
    modalities = ["joint", "text", "image"] if image_method else ["text"]
    methods = {"text": text_method, "image": image_method, "joint": image_method and join_methods(text_method, image_method)}
    hits = {name: int(counted.loc[counted["method"] == methods[name], "hits"].iloc[0]) for name in modalities}
    title = escape(corpus_titles(study).get(corpus, corpus))
    if not any(hits.values()):
        st.info(tell_none(counted, image_method, title), icon=":material/visibility_off:")
        return
    st.markdown(tell_hits(hits, title))
    modality = choose_word("Shown by", modalities, "shown_by")
    if not hits[modality]:
        st.info(f"No sample of {title} shows it by {escape(methods[modality])}. Choose another search above.")
        return
    asked = (study.token, concept, corpus, modality, text_method, image_method)
    skipped = choose_page(hits[modality], "hits_page", asked)
    rows = answer(
        samples.find_hits,
        study,
        concept,
        corpus,
        modality,
        text_method=text_method,
        image_method=image_method,
        offset=skipped,
    )
    floor = search.list_thresholds(Method(image_method).tagger)[0] if image_method else math.nan
    show_gallery(study, rows, "samples", lambda row: explain_hit(row, concept, text_method, image_method, floor))
    used = [text_method] + ([image_method] if image_method else [])
    st.caption("The best image score comes first. " + " ".join(escape(Method(name).sentence) for name in used))
    if corpus in study.list_corpora("misaligned"):
        st.page_link(
            "pages/misalignment.py",
            label="See its samples whose caption and image disagree",
            icon=":material/compare_arrows:",
            query_params=with_study(about=concept),
        )


def tell_hits(hits: dict[str, int], title: str) -> str:
    """One sentence: how many samples show a concept in text, in the image, in both."""
    if set(hits) == {"text"}:
        return f"In {title}, **{hits['text']:,}** captions name it. Its images were not searched."
    return (
        f"In {title}, **{hits['text']:,}** captions name it, **{hits['image']:,}** images show it, and "
        f"**{hits['joint']:,}** samples do both."
    )


def tell_none(counted: pd.DataFrame, image_method: str | None, title: str) -> str:
    """One or two sentences: that no sample shows a concept by the searches chosen, and what others find."""
    seen = f", and no image scores it at {Method(image_method).least_score:.2f} or more" if image_method else ""
    others = counted.groupby("modality")["hits"].max()
    found = f" Other searches find up to {others.max():,}; choose one above." if others.max() else ""
    return f"No sample of {title} shows it: no caption names it{seen}.{found}"


def explain_hit(row, concept: str, text_method: str, image_method: str | None, floor: float) -> list[str]:
    """Why a sample counts: the words of its caption that were found, and its image's score against the threshold.

    `floor`: the lowest threshold that was counted, below which no score is kept.
    """
    lines = [f"{NO} text"]
    if row.text:
        found = explain(row.caption, concept, text_method)
        lines = [f"{YES} text: **{', '.join(map(escape, found.words)) or escape(text_method)}**"]
        lines += [escape(found.note)] if found.note else []
    if image_method is None:
        return lines
    threshold = Method(image_method).least_score
    if Method(image_method).threshold is None:
        lines.append(f"{NO if math.isnan(row.score) else YES} image: {escape(image_method)}")
    elif math.isnan(row.score):
        lines.append(f"{NO} image: below {floor:.2f}")
    elif row.score >= samples.as_stored(threshold):
        lines.append(f"{YES} image: **{row.score:.3f}** ≥ {threshold:.2f}")
    else:
        lines.append(f"{NO} image: {row.score:.3f} < {threshold:.2f}")
    return lines


def show_way_to_samples(study: Study) -> None:
    """Why there are no examples, and where some are: another study, or the command that makes one of a corpus."""
    st.markdown("This study holds counts only, no captions and no images, so there are no examples to show.")
    other = find_other_study("samples", "hits")
    if other:
        link_study("pages/concept.py", other, "See examples in")
    st.markdown("A corpus that you hold brings its own:")
    st.code(find_build_command("samples", STUDIES / "mine"), language="bash")
