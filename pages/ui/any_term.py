"""A name that the study does not know, looked up in all captions of a corpus: how often, how rare, what to expect, examples."""

import pandas as pd
import streamlit as st

from backend import scaling, terms
from backend.card import say_range, say_share
from backend.methods import Method
from backend.study import Study
from backend.terms import Counted, Place, Together
from backend.words import explain, split_words
from pages.ui.address import answer
from pages.ui.choice import use_corpus
from pages.ui.controls import choose_method, corpus_titles
from pages.ui.gallery import choose_page, show_gallery
from pages.ui.text import escape

EXPECTED_OF = "classification"  # scores in percent, of single classes
LEAST_TENTHS = 0.1  # captions, below which tenths of one say nothing


def show_any_term(study: Study, name: str) -> None:
    """What the captions of a corpus say of a name; nothing without one, or where no corpus has an index of all its words."""
    corpora = answer(terms.list_termed_corpora, study)
    if not (name.strip() and corpora):
        return
    corpus = use_corpus(study, corpora, "has no index of all its words")
    answered, controls = st.container(), st.container(horizontal=True)
    method = terms.METHODS[0]
    if len(split_words(name)) > 1:
        with controls:
            method = choose_method(list(terms.METHODS), "term_method", "Counted where a caption has it", "phrase")
    counted = answer(terms.count_term, study, corpus, name, method)
    title = escape(corpus_titles(study).get(corpus, corpus))
    if not counted.count:
        answered.markdown(f"No caption of {title} says it either ({escape(Method(method).title)}).")
        return
    with answered:
        st.header(f"But in {title}, {counted.count:,} {say(counted.count)} it", anchor=False)
        place = answer(terms.place_count, study, corpus, method, counted.count)
        st.markdown(tell_count(counted, place, expect(study, corpus, method, counted.count)))
    with controls:
        other = st.text_input("Together with", key="said_with", bind="query-params", placeholder="another word or phrase") or ""
    both = counted.count
    if other.strip():
        together = answer(terms.count_together, study, corpus, name, other, method)
        both = together.together
        st.markdown(tell_together(together, name, other))
    if both:
        skipped = choose_page(both, "terms_page", (study.token, corpus, name, method, other))
        rows = answer(terms.find_captions, study, corpus, name, method, other=other.strip(), offset=skipped)
        show_gallery(study, rows, "captions", lambda row: explain_caption(row.caption, [name, other], method))
    st.caption(
        f"{escape(Method(method).sentence)} Its images were not searched for it: whoever wants that adds it to the study's "
        "concepts and indexes the corpus again."
    )


def expect(study: Study, corpus: str, method: str, count: int) -> pd.DataFrame:
    """What models that were trained on the corpus are expected to score at this count; without a row where none can tell."""
    if not study.has("performance", "models", "frequency", "concepts"):
        return pd.DataFrame()
    settings = answer(scaling.list_settings, study)
    for row in settings[settings["kind"] == EXPECTED_OF].head(1).itertuples():
        return answer(terms.expect_scores, study, corpus, method, count, kind=row.kind, setting=row.setting)
    return pd.DataFrame()


def tell_count(counted: Counted, place: Place, scores: pd.DataFrame) -> str:
    """A sentence or two: the share of the captions, the rank among compiled concepts, the scores to expect."""
    share = f"**{say_share(counted.share)}** of its {counted.captions:,} captions"
    commoner = (
        f"commoner than **{say_share(100.0 * place.rarer / place.concepts)}** of its {place.concepts:,} compiled concepts"
    )
    lines = [f"{share}; {commoner} (it would be number {place.rank:,})."]
    if len(scores):
        models = "The CLIP" if len(scores) == 1 else f"{len(scores)} CLIPs"
        beyond = ", told from concepts of other counts than it" if scores["extrapolates"].all() else ""
        span = say_range(scores["low"].min(), scores["high"].max())
        lines.append(f"{models} trained on it: expected at this frequency **{span}**{beyond}.")
    return "  \n".join(lines)


def say(captions: int) -> str:
    """What so many captions do."""
    return "caption says" if captions == 1 else "captions say"


def tell_together(together: Together, name: str, other: str) -> str:
    """A sentence: how many captions say both names, and whether that is more or less than chance would have."""
    seen = f"**{together.together:,}** {say(together.together)} “{escape(name)}” and “{escape(other)}”"
    if not together.second:
        return f"{seen}: none says “{escape(other)}” at all."
    how = "about as many as"
    if together.nested:
        how = "and the one name is part of the other; not to be compared with"
    elif together.stands_out:
        how = "far more than" if together.pmi > 0 else "far less than"
    chance = f"{together.expected:,.1f}" if together.expected >= LEAST_TENTHS else f"{together.expected:.2g}"
    return f"{seen}, {how} the **{chance}** of chance (PMI {together.pmi:+.2f}). {together.second:,} say the second."


def explain_caption(caption: str, names: list[str], method: str) -> list[str]:
    """Why a caption counts: the words by which it says each name."""
    found = [", ".join(map(escape, explain(caption, name, method).words)) for name in names if name.strip()]
    return [f":material/check: text: **{words}**" for words in found if words]
