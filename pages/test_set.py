"""Is my test set in the tail? Paste class names; get a list, rarest first, with what a model scores and should."""

import pandas as pd
import streamlit as st

from backend import charts, expected, frequency, tail, testset
from backend.errors import EmptySelection
from backend.methods import Method
from backend.printing.caption import Shown
from backend.study import Study
from pages.ui.address import answer, current_study, link_concepts
from pages.ui.blocks import explain_counting, show_figure, show_table, show_title
from pages.ui.choice import use_corpus, use_model
from pages.ui.class_list import confirm_offers, read_class_names, show_class_list, tell_rule, tell_tail
from pages.ui.controls import choose_kind, choose_method, corpus_titles, in_order, list_models_with_corpus
from pages.ui.forecasts import BANDS, tell_gain, tell_mean
from pages.ui.text import escape


def find_model(study: Study, corpus: str, models: pd.DataFrame, kind: str) -> str | None:
    """A model that was trained on the corpus at hand; where there is none, why nothing is expected of any."""
    title = corpus_titles(study)[corpus]
    trained = list(models.loc[models["corpus"] == corpus, "model"])
    if trained:
        return use_model(study, trained, f"was not trained on {title}")
    if models.empty:
        raise EmptySelection(
            f"Study '{study.name}' has no model with {kind} scores and counts of its own corpus to expect from."
        )
    st.caption(f"No model of the study was trained on {escape(title)}.")
    return None


def add_scores(study: Study, table: pd.DataFrame, selection: dict[str, str]) -> pd.DataFrame:
    """The names with the model's measured score, and with what it scores on concepts that are about as frequent."""
    asked = {name: selection[name] for name in ("model", "kind", "setting")}
    measured = testset.measure_scores(study, table["concept"], **asked)
    return testset.expect_scores(
        table.assign(measured=measured), table["count"], answer(expected.find_peers, study, **selection)
    )


study = current_study()
titles = corpus_titles(study)
show_title(
    "Is my test set in the tail?",
    "Paste your class names, one a line or as a table, JSON or YAML, or upload them. Nothing is stored.",
)
listed = read_class_names(study)
names = list(listed.names)
if not names:
    st.info("No names yet. Paste some above, or upload a list.", icon=":material/info:")
    st.stop()

share = st.slider("The tail is the rarest (%)", 5, 50, 30, 5, key="tail", bind="query-params", width=400)
answered = st.container()
with st.expander("More choices"):
    method = choose_method(list(answer(frequency.list_methods, study)["method"]))
    kind, setting = choose_kind(study, ["classification"])
models = list_models_with_corpus(study, kind, setting)
ranked = answer(frequency.count_concepts, study, method)
counted = in_order(titles, ranked["corpus"])
head, offers = answered.container(), answered.container()
with head:
    corpus = use_corpus(study, counted, f"has no counts {Method(method).title}")
    model = find_model(study, corpus, models, kind)
matched = answer(testset.match_names, study, names)
percentiles = tail.average_percentiles(ranked)
rarest = tail.find_tail(percentiles, share)
with offers:
    confirmed = confirm_offers(matched)
table = testset.rank_names(testset.use_offers(matched, confirmed), percentiles)
table = table.assign(
    in_tail=table["concept"].isin(rarest.concepts), count=frequency.pick_counts(ranked, corpus, table["concept"])
)
head.markdown(tell_tail(table.sort_values("percentile", kind="stable")))
selection = {"model": model, "corpus": corpus, "method": method, "setting": setting, "kind": kind}
mean = None
if model:
    table = add_scores(study, table, selection)
    mean = testset.expect_mean(table, table["count"], answer(expected.find_peers, study, **selection))
table = table.sort_values("percentile", kind="stable", ignore_index=True)
with answered:
    show_class_list(table)
st.caption(
    f"Read as {escape(listed.form)}: {len(names):,} names, " + ", ".join(f"“{escape(name[:40])}”" for name in names[:5]) + ". "
    f"{tell_rule(rarest, share)} Samples are those of {escape(titles[corpus])}."
)
link_concepts(table["concept"].dropna().drop_duplicates().head(8))
if mean:
    st.markdown(tell_mean(mean, model))
    st.markdown(tell_gain(answer(expected.weigh_model, study, **selection), model, "points"))
    st.caption(
        f"Expected is what {escape(model)} scores on concepts that are about as frequent in {escape(titles[corpus])}; 4 in 5 "
        "of them score in the range given. Measured is its mean over the tasks of the study that name the concept."
    )
marks = ranked[ranked["concept"].isin(set(table["concept"].dropna()))]
shown = Shown(corpora=[titles[name] for name in ranked["corpus"].unique()], methods=[method])
figure = charts.draw_rank_curves(frequency.thin_curves(ranked), marks, titles)
show_figure(figure, "marked-classes", "Your classes on the rank-frequency curves", rows=marks, shown=shown)
with st.expander("Counts in every corpus"):
    found = table[["name", "concept", "how", "near", "in_tail", "percentile"]]
    show_table(frequency.spread_counts(found, ranked, titles), "test-set-counts", titles=titles)
explain_counting(
    study,
    [method],
    "**Found:** exact, by a label's own spelling, confirmed, or none. A near spelling (RapidFuzz ratio of at least 65 of 100, "
    "or the same beginning) is offered, and counts only when you confirm it. A name that is not found is unknown to the study, "
    "which says nothing about its frequency. " + BANDS,
)
