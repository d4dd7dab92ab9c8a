"""One concept, one page: its counts everywhere, every model's score, its samples with their captions, its neighbours."""

import pandas as pd
import streamlit as st

from backend import charts, concepts, flags, frequency, provenance, quality, scaling, tail
from backend.methods import describe_method
from backend.study import Study
from pages.ui.address import answer, current_study, link_concept
from pages.ui.blocks import explain_counting, format_count, show_figure, show_guarded, show_table, show_title
from pages.ui.controls import choose_corpus, choose_kind, choose_method, corpus_titles, in_order, unit_of
from pages.ui.examples import show_examples
from pages.ui.text import escape


def find(study: Study, query: str) -> str:
    """The concept that the query names; where none is certain, offers others and stops the page."""
    match = concepts.find_concept(study, query)
    if match.concept is None:
        show_title("Which concept?", f"No concept of this study is named “{escape(query)}”." if query else "")
        offer("Did you mean", match.others)
        offer("Frequent ones", () if match.others else frequency_leaders(study))
        st.stop()
    show_title(
        f"How well is “{escape(match.concept)}” covered?",
        "How often each corpus shows this concept, and how each model scores on it.",
    )
    offer("Like it", match.others[:6])
    return match.concept


def frequency_leaders(study: Study) -> tuple[str, ...]:
    """A few concepts to begin with: the most frequent of the widest-counted method."""
    method = answer(frequency.list_methods, study)["method"].iloc[0]
    ranked = answer(frequency.count_concepts, study, method)
    return tuple(ranked.sort_values("rank")["concept"].drop_duplicates().head(8))


def offer(title: str, names: tuple[str, ...]) -> None:
    """Links to other concepts in a row."""
    if names:
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            st.caption(title, width="content")
            for name in names:
                link_concept(name)


def show_counts(study: Study, concept: str, titles: dict[str, str]) -> None:
    """Counts by corpus, modality and method, with rank and percentile, and what is odd about them."""
    st.subheader("How often is it shown?", anchor=False)
    counts = answer(frequency.list_counts, study, concept)
    for sentence in answer(flags.flag_counts, study, concept):
        st.warning(escape(sentence), icon=":material/flag:")
    if lost := answer(flags.tell_lost_words, study, concept):
        with st.expander(f"Words were lost in {len(lost)} of its corpora' text counts", icon=":material/content_cut:"):
            st.markdown("\n".join(f"- {escape(sentence)}" for sentence in lost))
    methods = answer(frequency.list_methods, study)
    widest = methods[methods["method"].isin(counts["method"])].drop_duplicates("modality")["method"]
    shown = counts[counts["method"].isin(widest)].copy()
    shown["method_title"] = [describe_method(method).title for method in shown["method"]]
    shown = shown.sort_values("corpus", key=lambda corpora: corpora.map(list(titles).index))
    truth = answer(quality.list_truth, study, concept)
    truth = truth[truth["corpus"].isin(set(shown["corpus"]))]
    show_figure(
        charts.draw_concept_counts(shown, titles, truth),
        "concept-counts",
        f"Samples of {concept} by corpus and modality",
        rows=shown,
    )
    if len(truth):
        st.caption("The upright strokes stand at the true numbers, which the world that made these samples knows.")
    varied = counts[counts["variants"] > 1]
    if len(varied):
        st.caption(
            "Its tasks carry different counts for it in "
            + ", ".join(
                f"{escape(titles[row.corpus])} ({row.method}: {row.low:,} to {row.high:,})" for row in varied.itertuples()
            )
            + ". The largest gives rank and percentile."
        )
    in_figure = counts["method"].isin(widest)
    counts = pd.concat([counts[in_figure], counts[~in_figure]])
    table = counts.rename(columns={"low": "fewest", "high": "count"}).drop(columns="variants")
    if len(truth):
        table = table.merge(truth, on=["corpus", "modality"], how="left")
    show_table(table, "counts", titles=titles | {"fewest": "Fewest"})


def show_scores(study: Study, concept: str, labels: pd.DataFrame) -> None:
    """Every model's measured score beside the band that the concept's frequency predicts."""
    st.subheader("How well do models know it?", anchor=False)
    scored = answer(scaling.list_settings, study)
    kinds = [kind for kind in labels["kind"].unique() if kind in set(scored["kind"])]
    left, right = st.columns(2)
    with left:
        kind, setting = choose_kind(study, kinds)
    with right:
        method = choose_method(list(answer(frequency.list_methods, study)["method"]))
    scores = answer(scaling.score_concept, study, concept, kind=kind, setting=setting, method=method)
    tasks = list(scores["task"].unique())
    if len(tasks) > 1:
        task = st.segmented_control("Task", tasks, default=tasks[0], required=True, key="task", bind="query-params")
        scores = scores[scores["task"] == task]
    own = scores[scores["count"].notna() & scores["expected"].notna()]
    unit = unit_of(kind, setting)
    if own.empty:
        st.info(f"No model has its own corpus counted in {describe_method(method).title} for this concept.")
    else:
        inside = ((own["value"] >= own["low"]) & (own["value"] <= own["high"])).sum()
        st.markdown(
            f"{inside} of {len(own)} scores lie in the band that 4 concepts in 5 of the same frequency reach. "
            + data_needed(own)
        )
        show_figure(
            charts.draw_concept_scores(own, corpus_titles(study), unit=unit),
            "concept-scores",
            f"Scores on {concept} with their bands",
        )
    show_table(scores.drop(columns="label"), "scores", titles=corpus_titles(study) | {"factor": "Data for +10"})
    st.caption("“Data for +10”: the factor of more samples that the model's slope asks for. Empty: data not in the study.")
    explain_counting(study, [method])


def data_needed(own: pd.DataFrame) -> str:
    """One sentence: what 10 more points would take, for the model that needs the least."""
    best = own.loc[own["factor"].idxmin()]
    if best["factor"] == float("inf"):
        return "No model's line rises with frequency, so more data would not help by this measure."
    needed = max(best["count"], 1) * best["factor"]
    return (
        f"**Data needed for +10 points:** at least {best['factor']:,.1f} times as many samples ({escape(best['model'])}: from "
        f"{format_count(best['count'])} to {format_count(needed)}), if its line holds that far."
    )


def show_neighbours(study: Study, concept: str, titles: dict[str, str]) -> None:
    """The concepts just above and below in frequency."""
    st.subheader("What is as frequent?", anchor=False)
    counts = answer(frequency.list_counts, study, concept)
    left, right = st.columns(2)
    with left:
        corpus = choose_corpus(study, in_order(titles, counts["corpus"]), "near")
    methods = list(counts.loc[counts["corpus"] == corpus, "method"])
    order = [method for method in answer(frequency.list_methods, study)["method"] if method in methods]
    with right:
        method = choose_method(order, "near_method")
    near = answer(frequency.find_neighbours, study, concept, corpus, method)
    show_table(near, "neighbours")
    offer("Open", tuple(name for name in near["concept"] if name != concept))


def tell_words(labels: pd.DataFrame, queries: pd.DataFrame) -> str:
    """The words that a text search looks for, and what an imported search looked for instead."""
    words = ", ".join(f"`{word}`" for word in labels["words"].iloc[0])
    told = f"Text search looks for the words {words}."
    if len(queries):
        asked = " and ".join(
            f"{', '.join(f'`{word}`' for word in row.words) or 'no word at all'} (`{row.method}`)"
            for row in queries.itertuples()
        )
        told += f" By its published code, the search behind the imported counts looked for {asked} instead."
    return told


study = current_study()
titles = corpus_titles(study)
query = st.text_input(
    "Concept",
    key="concept",
    bind="query-params",
    type="search",
    placeholder=f"a name, a prefix or a label, such as {', '.join(answer(concepts.pick_examples, study))}",
    icon=":material/search:",
)
concept = find(study, query)
labels = answer(concepts.describe_concept, study, concept)
show_guarded(show_counts, study, concept, titles)
show_guarded(show_scores, study, concept, labels)
tail_scores = answer(tail.score_class, study, concept)
if len(tail_scores):
    known = tail_scores.iloc[0]
    st.markdown(
        f"It is one of the {study.manifest['tail']['title']} classes: {len(tail_scores)} models score "
        f"{tail_scores['value'].mean():.1f}% on average, the best ({escape(known['model'])}) {known['value']:.1f}%."
    )
    st.page_link("pages/let_it_wag.py", label="See all tail classes", icon=":material/pets:")
show_guarded(show_examples, study, concept)
show_guarded(show_neighbours, study, concept, titles)
st.subheader("What stands behind it?", anchor=False)
st.markdown(tell_words(labels, answer(provenance.find_queries, study, concept)))
show_table(labels, "labels")
