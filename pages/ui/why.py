"""“Why this number?”: what a search of a concept asks of a caption or an image, which word is rare, and any caption tried."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from backend import frequency, provenance, synonyms, why
from backend.methods import Method
from backend.study import Study
from backend.words import list_searched
from pages.ui.address import answer
from pages.ui.controls import corpus_titles
from pages.ui.text import escape, shorten

YES, NO = ":material/check:", ":material/close:"
LONGEST = 2_000  # characters of a caption to try
SHOWN = 160  # characters of a caption that nearly counts

RULES = (
    "Captions and names are cut alike: entities resolved, case and accents folded, at everything that is no letter or digit. "
    "A lemma is a word's noun: plurals count as it."
)


def show_why(study: Study, concept: str, corpus: str | None) -> None:
    """What stands behind a concept's count in a corpus, and a box to try a caption in."""
    st.header("Why this number?", anchor=False)
    names = answer(synonyms.list_synonyms, study).get(concept, ())
    st.markdown(" ".join([tell_search(concept, names), tell_queries(answer(provenance.find_queries, study, concept)), RULES]))
    if corpus:
        st.markdown(tell_counts(answer(frequency.list_counts, study, concept), corpus, corpus_titles(study)[corpus], study))
        show_words(study, concept, corpus)
    caption = st.text_input(
        "Try a caption: would it count?", key="tried", max_chars=LONGEST, placeholder=f"a photo of a {concept}"
    )
    if caption.strip():
        st.markdown(tell_reading(why.explain_caption(concept, caption, names)))


def tell_search(concept: str, names: tuple[str, ...]) -> str:
    """The words that are searched for, and the names beside them."""
    asked = why.explain_caption(concept, "")
    if not asked.searched:
        return "No letter or digit is in its name: no caption can have it, and its count is 0."
    told = f"Text search looks for the words {join_words(asked.searched)}."
    if asked.spelled != asked.searched:
        told += f" Letter by letter it looks for {join_words(asked.spelled)}."
    if asked.hint:
        told += f" The bracket {escape(asked.hint)} says which is meant; it is not searched for."
    if names:
        told += f" Its other names are {', '.join(f'“{escape(name)}”' for name in names)}."
    return told


def tell_queries(queries: pd.DataFrame) -> str:
    """What an imported search looked for instead; nothing where that is the concept's words."""
    if queries.empty:
        return ""
    asked = " and ".join(f"{join_words(row.words)} (`{row.method}`)" for row in queries.itertuples())
    return f"By its published code, the search behind the imported counts looked for {asked} instead."


def tell_counts(counts: pd.DataFrame, corpus: str, title: str, study: Study) -> str:
    """A line for each method that counts a concept in a corpus, widest methods first: the number, of how many, and its rule."""
    order = list(answer(frequency.list_methods, study)["method"])
    rows = counts[counts["corpus"] == corpus].sort_values("method", key=lambda names: names.map(order.index))
    rows = pd.concat([rows[rows["modality"] == "text"], rows[rows["modality"] != "text"].drop_duplicates("modality")])
    sizes = answer(frequency.list_corpora, study).set_index("corpus")["pairs"]
    size = sizes.get(corpus)
    of = f" of {size:,.0f} samples" if pd.notna(size) else " samples"
    methods = map(Method, rows["method"])
    return "\n".join(
        f"- **{count:,}**{of} of {escape(title)}: {escape(method.title)}. {escape(tell_rule(method))}"
        for count, method in zip(rows["high"], methods, strict=True)
    )


def tell_rule(method: Method) -> str:
    """How a method counts, in a sentence; what its parts do stands in their own lines."""
    return "Both must hold." if method.modality == "joint" else method.sentence


def show_words(study: Study, concept: str, corpus: str) -> None:
    """Which of several words is the rarest, and captions that have all of them but one."""
    words = answer(why.weigh_words, study, concept, corpus)
    if len(words) > 1:
        st.markdown(tell_rarest(words, complete=len(words) == len(set(list_searched(concept)))))
    near = answer(why.find_near_misses, study, concept, corpus)
    if len(near):
        st.markdown(
            "Captions that lack a single word:\n\n"
            + "\n".join(f"- “{escape(shorten(row.caption, SHOWN))}” lacks `{row.missing}`" for row in near.itertuples())
        )


def tell_rarest(words: pd.DataFrame, *, complete: bool) -> str:
    """Which word limits a count, in a sentence, with the others' own counts; of those that are known, where not all are."""
    looked = words["captions"].iloc[0]
    where = "captions" if pd.isna(looked) else f"of {looked:,} captions looked at"
    rarest, *others = words.itertuples()
    beside = ", ".join(f"{other.count:,} have `{other.word}`" for other in others)
    lead = "The word that limits it is" if complete else "Of its words that are counted by themselves, the rarest is"
    return f"{lead} `{rarest.word}`: **{rarest.count:,}** {where} have it; {beside}."


def tell_reading(reading: why.Reading) -> str:
    """What each method says of a caption that was tried: by which words it counts, or which it lacks."""
    lines = [f"{tell_verdict(verdict)}" for verdict in reading.verdicts]
    lines.append(f"The caption's words are {join_words(reading.words)}; as lemmas {join_words(reading.lemmas)}.")
    return "\n".join(f"- {line}" for line in [*lines, *([escape(reading.note)] if reading.note else [])])


def tell_verdict(verdict: why.Verdict) -> str:
    """One method's verdict in a line."""
    title = escape(Method(verdict.method).title)
    if verdict.hits:
        return f"{YES} {title}: counts by {join_words(verdict.words)}"
    if verdict.missing:
        return f"{NO} {title}: lacks {join_words(verdict.missing)}"
    return f"{NO} {title}: " + (
        "its words do not stand side by side in this order" if verdict.apart else "none of its names is there"
    )


def join_words(words: Sequence[str]) -> str:
    """Words as code, with commas; what stands for none."""
    return ", ".join(f"`{word.replace('`', '')}`" for word in words) or "no word at all"
