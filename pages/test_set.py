"""Is my test set in the tail? Paste class names; get each one's frequency and an expected score."""

import streamlit as st

from backend import charts, expected, frequency, tail, testset
from backend.concepts import pick_examples
from backend.errors import EmptySelection
from pages.ui.address import answer, current_study, link_concepts
from pages.ui.blocks import explain_counting, show_figure, show_table, show_title
from pages.ui.controls import choose_kind, choose_method, corpus_titles, list_models_with_corpus
from pages.ui.forecasts import BANDS, tell_gain, tell_mean
from pages.ui.text import escape

MAX_ADDRESS = 6_000  # characters of pasted names, which stand in the address; longer lists come as a file

study = current_study()
titles = corpus_titles(study)
show_title(
    "Is my test set in the tail?",
    "Paste your class names, one a line or as a table, JSON or YAML, or upload them. Nothing is stored.",
)
left, right = st.columns(2)
with left:
    pasted = st.text_area(
        "Class names",
        key="names",
        bind="query-params",
        height=160,
        max_chars=MAX_ADDRESS,
        placeholder="\n".join(answer(pick_examples, study)),
    )
with right:
    upload = st.file_uploader(
        "or a file", type=["txt", "csv", "tsv", "json", "yaml", "yml"], max_upload_size=1, key="names_file"
    )
text = testset.decode_upload(upload.getvalue()) if upload else pasted
listed = testset.read_list(text)
names = list(listed.names)
if not names:
    st.info("No names yet. Paste some above, or upload a list.", icon=":material/info:")
    st.stop()
st.caption(
    f"Read as {escape(listed.form)}: {len(names):,} names, " + ", ".join(f"“{escape(name[:40])}”" for name in names[:5]) + "."
)

left, middle, right = st.columns(3)
with left:
    method = choose_method(list(answer(frequency.list_methods, study)["method"]))
    share = st.slider("The tail is the rarest (%)", 5, 50, 30, 5, key="tail", bind="query-params")
with middle:
    kind, setting = choose_kind(study, ["classification"])
with right:
    models = list_models_with_corpus(study, kind, setting)
    if models.empty:
        raise EmptySelection(
            f"Study '{study.name}' has no model with {kind} scores and counts of its own corpus to expect from."
        )
    model = st.selectbox("Expected score for", list(models["model"]), key="model", bind="query-params")
corpus = models.loc[models["model"] == model, "corpus"].iloc[0]
table = answer(testset.look_up_names, study, names, method)
selection = {"model": model, "corpus": corpus, "method": method, "setting": setting, "kind": kind}
peers = answer(expected.find_peers, study, **selection)
ranked = answer(frequency.count_concepts, study, method)
counts = frequency.pick_counts(ranked, corpus, table["concept"])
table = testset.expect_scores(table, counts, peers)
mean = testset.expect_mean(table, counts, peers)

found = table["concept"].notna()
rare = table["percentile"] <= tail.find_limit(tail.average_percentiles(ranked), share)
left, middle, right = st.columns(3)
left.metric("names in the tail", f"{int(rare.sum())} of {len(table)}", border=True)
middle.metric("names not found", f"{int((~found).sum())} of {len(table)}", border=True)
right.metric(
    "mean expected score",
    f"{mean.value:.1f}%" if mean else "none",
    border=True,
)
offered = table.dropna(subset="near").drop_duplicates("name")
if len(offered):
    pairs = [
        f"“{escape(row.name[:40])}” → “{escape(row.near)}”" for row in offered.head(8).itertuples(index=False, name="Offer")
    ]
    st.info(
        f"Did you mean {', '.join(pairs)}? A near spelling is not counted; correct the list to use it.", icon=":material/info:"
    )
if mean:
    st.markdown(tell_mean(mean, model))
    st.markdown(tell_gain(answer(expected.weigh_model, study, **selection), model, "points"))
st.caption(
    f"A name is in the tail when its concept is among the rarest {share}% of the study's, by the share of concepts that are "
    f"rarer, on average over the corpora. Expected is what {escape(model)} scores on concepts that are about as frequent in "
    f"{escape(titles[corpus])}; 4 in 5 of them score between low and high."
)
marks = ranked[ranked["concept"].isin(set(table["concept"].dropna()))]
figure = charts.draw_rank_curves(frequency.thin_curves(ranked), marks, titles)
show_figure(figure, "marked-classes", "Your classes on the rank-frequency curves", rows=marks)
table = table.assign(in_tail=rare)
order = ["name", "concept", "how", "near", "in_tail", "percentile", "expected", "low", "high"]
show_table(frequency.spread_counts(table[order], ranked, titles), "test-set", titles=titles)
link_concepts(table.sort_values("percentile")["concept"].dropna().drop_duplicates().head(8))
explain_counting(
    study,
    [method],
    "**Found:** exact, by a label's own spelling, or none. A near spelling (RapidFuzz ratio of at least 65 of 100, or the same "
    "beginning) is offered and never counted. A name that is not found is unknown to the study, which says nothing about its "
    "frequency. " + BANDS,
)
