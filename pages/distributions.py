"""How long is the tail? Rank curves, tail shares, inequality, and how far countings and corpora agree."""

import pandas as pd
import streamlit as st

from backend import charts, frequency, scaling
from backend.concepts import find_concept
from backend.errors import EmptySelection
from backend.methods import Method
from backend.printing.caption import Shown
from backend.study import Study
from pages.ui.address import answer, current_study
from pages.ui.blocks import explain_counting, format_count, show_figure, show_guarded, show_table, show_title
from pages.ui.choice import read_choice
from pages.ui.controls import choose_corpora, choose_method, choose_view, corpus_titles, in_order
from pages.ui.text import escape, format_figure


def choose_ranked(study: Study, titles: dict[str, str]) -> tuple[str, pd.DataFrame, str]:
    """The controls of the three views of one method: the method, its ranked counts in the chosen corpora, a concept."""
    left, middle, right = st.columns([3, 3, 2])
    with left:
        method = choose_method(list(answer(frequency.list_methods, study)["method"]))
    ranked = answer(frequency.count_concepts, study, method)
    with middle:
        corpora = choose_corpora(study, in_order(titles, ranked["corpus"]))
    with right:
        # The concept page's box of this name, left empty, holds None.
        query = st.text_input("Mark a concept", key="concept", bind="query-params", placeholder="rose") or ""
    if not corpora:
        raise EmptySelection("No corpus is chosen. Choose at least one above.")
    ranked = ranked[ranked["corpus"].isin(corpora)]
    if narrow := frequency.find_narrow(ranked):
        told = "; ".join(f"{escape(titles[corpus])} only for {count:,}" for corpus, count in narrow.items())
        st.caption(f"Not every corpus is counted for the same concepts: {told} of {ranked['concepts'].max():,}. ⚠ marks them.")
        for corpus in narrow:
            titles[corpus] = f"{titles[corpus]} ⚠"
    return method, ranked, query


def tell_shown(rows: pd.DataFrame, titles: dict[str, str], method: str) -> Shown:
    """What a figure of several corpora by one method is of."""
    return Shown(corpora=[titles[corpus] for corpus in in_order(titles, rows["corpus"])], methods=[method])


def show_rank_curves(study: Study, titles: dict[str, str]) -> None:
    """Frequency against rank, with one concept marked on every curve."""
    method, ranked, query = choose_ranked(study, titles)
    match = find_concept(study, query)
    if query and not match.concept:
        near = escape(", ".join(match.others[:5])) or "another word"
        st.info(f"No concept is spelled like “{escape(query)}”. Try: {near}.")
    marked = ranked[ranked["concept"] == match.concept]
    figure = charts.draw_rank_curves(frequency.thin_curves(ranked), marked, titles)
    shown = tell_shown(ranked, titles, method)
    show_figure(figure, "rank-curves", "Frequency of concepts against their rank", rows=ranked, shown=shown)
    zeros = ranked[ranked["count"] == 0].groupby("corpus").size()
    st.caption(
        "Concepts with no sample at all have no place on a logarithmic axis: "
        + "; ".join(f"{escape(titles[corpus])} {zeros.get(corpus, 0):,}" for corpus in in_order(titles, ranked["corpus"]))
        + "."
    )
    if match.concept:
        show_table(marked[["corpus", "concept", "count", "rank", "percentile", "concepts"]], "marked", titles=titles)
    explain_counting(study, [method])


def show_tail_shares(study: Study, titles: dict[str, str]) -> None:
    """How many concepts have at most so many samples."""
    method, ranked, _ = choose_ranked(study, titles)
    shares = frequency.share_tails(ranked)
    shown = tell_shown(ranked, titles, method)
    show_figure(charts.draw_tail_shares(shares, titles), "tail-shares", "Concepts with at most so many samples", shown=shown)
    show_table(shares, "tail-shares", titles=titles)
    explain_counting(study, [method], "**Denominator:** the concepts that were counted in the corpus.")


def show_inequality(study: Study, titles: dict[str, str]) -> None:
    """Lorenz curves and Gini coefficients."""
    method, ranked, _ = choose_ranked(study, titles)
    curves = frequency.compute_lorenz(ranked)
    shown = tell_shown(ranked, titles, method)
    show_figure(charts.draw_lorenz(curves, titles), "lorenz", "Lorenz curves of concept frequency", rows=curves, shown=shown)
    show_table(curves[["corpus", "gini"]].drop_duplicates(), "gini", titles=titles)
    more = "**Gini coefficient:** 0 if all concepts had the same frequency, 1 if one concept had every hit."
    explain_counting(study, [method], more)


def show_text_or_image(study: Study, titles: dict[str, str]) -> None:
    """Text counts against image counts of one corpus."""
    left, right = st.columns(2)
    corpus = read_choice(study).corpus or next(iter(titles))
    methods = answer(frequency.list_methods, study, corpus)
    texts, images = (list(methods.loc[methods["modality"] == modality, "method"]) for modality in ("text", "image"))
    if not (texts and images):
        raise EmptySelection(f"{titles[corpus]} has no counts of both text and images.")
    with left:
        text = choose_method(texts, "text", "Text method")
    with right:
        image = choose_method(images, "image", "Image method")
    compared = answer(frequency.compare_methods, study, corpus, text, image)
    figure = charts.draw_counts_against(compared, "second", "first", "samples by image", "samples by text")
    shown = Shown(corpora=[titles[corpus]], methods=[text, image])
    title = "Text counts against image counts, a point a concept"
    show_figure(figure, "text-image", title, rows=compared, pick=True, shown=shown)
    r = format_figure(compared[["first", "second"]].corr(method="spearman").iloc[0, 1], ".2f")
    st.caption(f"{len(compared):,} concepts; rank correlation (Spearman) {r}. Click a point to open its concept.")
    explain_counting(study, [text, image])


def show_threshold(study: Study, titles: dict[str, str]) -> None:
    """What a tagger's threshold does to the counts, and to the fits over them."""
    methods = answer(frequency.list_methods, study)
    images = [name for name in methods.loc[methods["modality"] == "image", "method"] if Method(name).threshold is not None]
    if not images:
        raise EmptySelection(f"Study '{study.name}' has no counts by an image tagger's threshold.")
    taggers = list(dict.fromkeys(Method(name).tagger for name in images))
    tagger = st.selectbox("Tagger", taggers, key="tagger", bind="query-params")
    methods = [name for name in images if Method(name).tagger == tagger]
    swept = answer(frequency.sweep_thresholds, study, tagger)
    shown = Shown(corpora=[titles[corpus] for corpus in in_order(titles, swept["corpus"])], methods=methods)
    left, right = st.columns(2)
    with left:
        st.markdown("**Samples of the median concept**")
        figure = charts.draw_thresholds(swept, "median", "samples", titles)
        show_figure(figure, "threshold-median", "Median count by threshold", shown=shown)
    with right:
        st.markdown("**Concepts with no sample (%)**")
        figure = charts.draw_thresholds(swept, "zero_share", "%", titles)
        show_figure(figure, "threshold-zero", "Share of zero counts by threshold", shown=shown)
    show_table(swept, "thresholds", titles=titles)
    st.markdown("**Does the threshold change the scaling?**")
    show_guarded(show_threshold_fits, study, tagger, titles)
    explain_counting(study, methods)


def show_threshold_fits(study: Study, tagger: str, titles: dict[str, str]) -> None:
    """The slope and correlations of every model's fit at each threshold."""
    kind, setting = answer(scaling.list_settings, study).iloc[0]
    show_table(answer(scaling.sweep_fits, study, tagger, kind, setting), "threshold-fits", titles=titles)
    st.caption(f"Fits of {kind} scores ({escape(setting)}) over each model's own corpus.")


def show_between_corpora(study: Study, titles: dict[str, str]) -> None:
    """Correlation of frequency between corpora, beside figures that the study's source reports."""
    methods = answer(frequency.list_methods, study)
    shared = list(methods.loc[methods["corpora"] > 1, "method"])
    if not shared:
        raise EmptySelection(f"Study '{study.name}' has no two corpora that are counted by the same method.")
    left, right = st.columns(2)
    with left:
        method = choose_method(shared)
    with right:
        measure = st.selectbox("Correlation", ["spearman", "pearson"], key="measure", bind="query-params")
    r, n = answer(frequency.correlate_corpora, study, method, measure)
    figure = charts.draw_heatmap(r, n, titles)
    rows = frequency.list_correlations(r, n)
    shown = Shown(corpora=[titles[corpus] for corpus in titles if corpus in r.index], methods=[method])
    title = f"{measure.capitalize()} correlation of concept frequency between corpora"
    show_figure(figure, "correlation", title, rows=rows, shown=shown)
    compares = "ranks of counts" if measure == "spearman" else "log10(max(count, 1))"
    st.caption(
        f"{measure.capitalize()} correlation of {compares}, over (task, concept) pairs: a concept counts once for each "
        "task that names it. A cell is empty where two corpora share no counted task."
    )
    reported = study.manifest.reported
    if reported.correlations:
        st.markdown(f"**{measure.capitalize()} here, beside the figures that the paper prints (Table 4)**")
        beside = frequency.set_beside(r, n, reported.correlations)
        show_table(beside.replace(titles), "correlation-paper")
        st.caption(escape(reported.correlations_note))
    explain_counting(study, [method])


VIEWS = {
    "Rank curves": show_rank_curves,
    "Tail shares": show_tail_shares,
    "Inequality": show_inequality,
    "Text or image": show_text_or_image,
    "Threshold": show_threshold,
    "Between corpora": show_between_corpora,
}


def tell_tail(study: Study, titles: dict[str, str]) -> str:
    """One sentence: the most frequent concept, the median one and those without a sample, in the chosen corpus."""
    ranked = answer(frequency.count_concepts, study, answer(frequency.list_methods, study)["method"].iloc[0])
    counted = in_order(titles, ranked["corpus"])
    chosen = read_choice(study).corpus
    corpus = chosen if chosen in counted else counted[-1]
    counts = ranked.loc[ranked["corpus"] == corpus, "count"]
    return (
        f"Every concept's frequency in every corpus: {escape(titles[corpus])} shows the most frequent concept "
        f"{format_count(counts.max())} times, the median one {format_count(counts.median())} times, and "
        f"{(counts == 0).sum():,} of {len(counts):,} never."
    )


study = current_study()
titles = corpus_titles(study)
show_title("How long is the tail?", tell_tail(study, titles))
VIEWS[choose_view(list(VIEWS), "curve")](study, titles)
