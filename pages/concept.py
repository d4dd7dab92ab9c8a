"""One concept, one page: an answer for the corpus at hand, then counts, scores, samples with their captions, neighbours."""

import pandas as pd
import streamlit as st

from backend import card, charts, concepts, expected, flags, frequency, provenance, quality, scaling, tail
from backend.card import Card
from backend.distinct import list_distinct
from backend.errors import EmptySelection
from backend.methods import Method
from backend.printing.caption import Shown
from backend.study import Study
from pages.ui.address import answer, choose, current_study, hold_choice
from pages.ui.any_term import show_any_term
from pages.ui.blocks import explain_counting, show_figure, show_guarded, show_table, show_title
from pages.ui.choice import use_corpus, use_model
from pages.ui.company import show_company
from pages.ui.concept_search import offer_beginnings, offer_concepts
from pages.ui.controls import (
    choose_kind,
    choose_method,
    corpus_titles,
    in_order,
    unit_of,
)
from pages.ui.examples import show_examples
from pages.ui.forecasts import BANDS, show_forecasts, tell_gain, tell_need
from pages.ui.text import escape
from pages.ui.why import show_why


def find(study: Study, query: str) -> str:
    """The concept that the query names; where none is certain, offers others and stops the page."""
    match = concepts.find_concept(study, query)
    if match.concept is None:
        show_title("Which concept?", f"No concept of this study is named “{escape(query)}”." if query else "")
        offer_concepts("Did you mean", match.others)
        show_guarded(show_any_term, study, query)
        if not match.others:
            offer_beginnings(study)
        st.stop()
    show_title(f"How well is “{escape(match.concept)}” covered?", "")
    return match.concept


def find_counted(study: Study, concept: str) -> str | None:
    """The chosen corpus, or another where that does not count the concept; None, and a sentence, where none does."""
    try:
        counts = answer(frequency.list_counts, study, concept)
    except EmptySelection as error:
        st.info(escape(str(error)), icon=":material/info:")
        return None
    corpora = in_order(corpus_titles(study), counts["corpus"])
    return use_corpus(study, corpora, f"does not count “{concept}”")


def show_card(study: Study, concept: str, corpus: str, kinds: list[str]) -> None:
    """The answer in a few lines: how often, how rare, what models score and should."""
    kind, setting = kinds[0], ""
    if study.has("performance"):
        settings = answer(scaling.list_settings, study)
        for row in settings[settings["kind"].isin(kinds)].head(1).itertuples():
            kind, setting = row.kind, row.setting
    dealt = answer(card.deal_card, study, concept, corpus, kind=kind, setting=setting)
    st.header(f"{escape(dealt.concept)}: {escape(dealt.shown)}", anchor=False)
    st.markdown(tell_card(dealt))
    if answer(flags.flag_counts, study, concept, answer(provenance.list_lost_words, study, concept)):
        st.caption(":material/flag: Some of its counts cannot be taken at their word; why stands below the chart.")


def tell_card(dealt: Card) -> str:
    """What follows a card's headline, its numbers in bold."""
    lines = [" · ".join(escape(part) for part in (dealt.place, dealt.beside) if part)]
    lines.append("; ".join(f"**{escape(part)}**" for part in (dealt.scored, dealt.foreseen) if part))
    return "  \n".join(f"{line[0].upper()}{line[1:]}" if line[0].isalpha() else line for line in filter(None, lines))


def show_counts(study: Study, concept: str, corpus: str, titles: dict[str, str]) -> None:
    """Counts by corpus, modality and method, the corpus at hand first, with rank and percentile, and what is odd about them."""
    counts = answer(frequency.list_counts, study, concept)
    methods = answer(frequency.list_methods, study)
    widest = methods[methods["method"].isin(counts["method"])].drop_duplicates("modality")["method"]
    shown = counts[counts["method"].isin(widest)].copy()
    shown["method_title"] = [Method(method).title for method in shown["method"]]
    order = [corpus, *(other for other in titles if other != corpus)]
    shown = shown.sort_values("corpus", key=lambda corpora: corpora.map(order.index), kind="stable")
    truth = answer(quality.list_truth, study, concept)
    truth = truth[truth["corpus"].isin(set(shown["corpus"]))]
    show_figure(
        charts.draw_concept_counts(shown, titles, truth),
        "concept-counts",
        f"Samples of {concept} by corpus and modality",
        rows=shown,
        shown=Shown(corpora=[titles[name] for name in shown["corpus"].unique()], methods=list(shown["method"].unique())),
    )
    if len(truth):
        st.caption("The upright strokes stand at the true numbers, which the world that made these samples knows.")
    show_oddities(study, concept)
    varied = counts[counts["variants"] > 1]
    if len(varied):
        st.caption(
            "Its tasks carry different counts for it in "
            + ", ".join(
                f"{escape(titles[row.corpus])} ({escape(row.method)}: {row.low:,} to {row.high:,})"
                for row in varied.itertuples()
            )
            + ". The largest gives rank and percentile."
        )
    in_figure = counts["method"].isin(widest)
    counts = pd.concat([counts[in_figure], counts[~in_figure]])
    table = counts.rename(columns={"low": "fewest", "high": "count"}).drop(columns="variants")
    if len(truth):
        table = table.merge(truth, on=["corpus", "modality"], how="left")
    if study.has("distinct_hits"):
        different = answer(list_distinct, study, concept)[["corpus", "method", "distinct"]]
        table = table.merge(different, on=["corpus", "method"], how="left")
    with st.expander("Table of every count, with rank and percentile"):
        show_table(table, "counts", titles=titles)


def show_oddities(study: Study, concept: str) -> None:
    """What is odd about the counts, in one box, and which of them lost words."""
    known = answer(provenance.list_lost_words, study, concept)
    if odd := answer(flags.flag_counts, study, concept, known):
        st.warning("  \n".join(map(escape, odd)), icon=":material/flag:")
    if lost := answer(flags.tell_lost_words, study, concept, known):
        with st.expander(f"Words were lost in {len(lost)} of its corpora' text counts", icon=":material/content_cut:"):
            st.markdown("\n".join(f"- {escape(sentence)}" for sentence in lost))


def show_scores(study: Study, concept: str, labels: pd.DataFrame) -> None:
    """Every model's measured score beside the band of concepts that are about as frequent."""
    st.header("How well do models know it?", anchor=False)
    scored = answer(scaling.list_settings, study)
    kinds = [kind for kind in labels["kind"].unique() if kind in set(scored["kind"])]
    left, right = st.columns(2)
    with left:
        kind, setting = choose_kind(study, kinds)
    with right:
        method = choose_method(list(answer(frequency.list_methods, study)["method"]))
    choice = {"kind": kind, "setting": setting, "method": method}
    rows = answer(expected.list_scores, study, concept, **choice)
    tasks = list(rows["task"].unique())
    if len(tasks) > 1:
        task = hold_choice("task", tasks)
        st.segmented_control(
            "Task", tasks, required=True, key="task", on_change=lambda: choose("task", st.session_state["task"])
        )
        rows = rows[rows["task"] == task]
    scores = expected.expect_each(rows, expected.read_peers(study, **choice), kind)
    own = scores[scores["expected"].notna()]
    if own.empty:
        st.info(f"No model has its own corpus counted in {escape(Method(method).title)} for this concept.")
    else:
        show_expectations(study, own, choice)
    with st.expander("Table of every model's score"):
        show_table(scores.drop(columns=["label", "tasks"]), "scores", titles=corpus_titles(study))
        st.caption("Expected, low and high are empty where a model's own data is not in the study.")
    explain_counting(study, [method], BANDS)


def show_expectations(study: Study, own: pd.DataFrame, choice: dict[str, str]) -> None:
    """The scores in their bands; and of one model, what frequency adds, and how much data ten more points would take."""
    unit = unit_of(choice["kind"], choice["setting"])
    bounded = scaling.bounds_of(choice["kind"]) is not None
    inside = ((own["value"] >= own["low"]) & (own["value"] <= own["high"])).sum()
    st.markdown(f"{inside} of {len(own)} scores lie in the band that 4 concepts in 5 of about the same frequency reach.")
    show_figure(
        charts.draw_concept_scores(own, corpus_titles(study), unit=unit),
        "concept-scores",
        f"Scores on {own['label'].iloc[0]} with their bands",
        shown=Shown(list(own["model"].unique()), methods=[choice["method"]]),
    )
    models = list(own["model"].unique())
    model = use_model(study, models, "has no score on it beside a count in its own corpus")
    row = own[own["model"] == model].iloc[0]
    apart = None if row["tasks"] == expected.POOLED else [row["tasks"]]
    gain = answer(expected.weigh_model, study, model=model, corpus=row["corpus"], tasks=apart, **choice)
    st.markdown(tell_gain(gain, model, "points" if bounded else unit))
    if bounded:
        st.markdown(tell_need(row))
        show_forecasts(study, **choice)


def show_neighbours(study: Study, concept: str, corpus: str) -> None:
    """The concepts just above and below in frequency in the corpus at hand."""
    st.header("What is as frequent?", anchor=False)
    counts = answer(frequency.list_counts, study, concept)
    methods = list(counts.loc[counts["corpus"] == corpus, "method"])
    order = [method for method in answer(frequency.list_methods, study)["method"] if method in methods]
    method = choose_method(order, "near_method")
    near = answer(frequency.find_neighbours, study, concept, corpus, method)
    offer_concepts("From common to rare", [name for name in near["concept"] if name != concept])
    with st.expander("Table of its neighbours"):
        show_table(near, "neighbours")


study = current_study()
titles = corpus_titles(study)
concept = find(study, st.query_params.get("concept", ""))
labels = answer(concepts.describe_concept, study, concept)
corpus = find_counted(study, concept)
if corpus:
    show_guarded(show_card, study, concept, corpus, list(labels["kind"].unique()))
    show_guarded(show_counts, study, concept, corpus, titles)
show_guarded(show_scores, study, concept, labels)
tail_scores = answer(tail.score_class, study, concept)
if len(tail_scores):
    known = tail_scores.iloc[0]
    st.markdown(
        f"It is one of the {escape(study.manifest.tail.title)} classes: {len(tail_scores)} models score "
        f"{tail_scores['value'].mean():.1f}% on average, the best ({escape(known['model'])}) {known['value']:.1f}%."
    )
    st.page_link("pages/let_it_wag.py", label="See all tail classes", icon=":material/pets:")
show_guarded(show_examples, study, concept)
if corpus:
    show_guarded(show_company, study, concept)
    show_guarded(show_neighbours, study, concept, corpus)
show_guarded(show_why, study, concept, corpus)
with st.expander("What stands behind it: labels and words"):
    show_table(labels, "labels")
