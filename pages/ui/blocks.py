"""The blocks that a page is made of: title, figure and table with their downloads, and "how this was counted"."""

from collections.abc import Callable
from functools import partial

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from backend.errors import TailscopeError
from backend.frequency import name_count_column
from backend.methods import Method
from backend.printing.caption import Caption, Shown
from backend.study import Study
from pages.ui.address import LISTED_KEY, STUDY_KEY, open_concept
from pages.ui.downloads import list_row_files, offer, offer_rows
from pages.ui.exports import list_figure_files
from pages.ui.text import escape, link_sources

NOTHING = Shown()  # for a figure that is of the whole study
MANY, TALL = 9, 340  # rows from which a table scrolls, in a window of so many pixels
_NUMBER = st.column_config.NumberColumn
_CLUSTERS = "Resamples whole tasks where there are at least five, else concepts"
COLUMNS = {
    "corpus": st.column_config.TextColumn("Corpus"),
    "title": st.column_config.TextColumn("Corpus"),
    "models": _NUMBER("Models", format="localized"),
    "concept": st.column_config.TextColumn("Concept", pinned=True),
    "name": st.column_config.TextColumn("Name", pinned=True),
    "method": st.column_config.TextColumn("Method"),
    "modality": st.column_config.TextColumn("Modality"),
    "task": st.column_config.TextColumn("Task"),
    "model": st.column_config.TextColumn("Model", pinned=True),
    "trained_on": st.column_config.TextColumn("Trained on"),
    "megabytes": _NUMBER("MB", format="%.0f", help="Of its weights, to fetch and in memory"),
    "seconds": _NUMBER("Seconds an image", format="%.2g", help="On this machine: computed, not measured"),
    "fetched": st.column_config.CheckboxColumn("On this machine"),
    "fills": st.column_config.TextColumn("Beside each guess"),
    "count": _NUMBER("Samples", format="localized", help="Image-text pairs of the corpus that show the concept"),
    "distinct": _NUMBER(
        "Different", format="localized", help="Different captions, or image files, among them: a meme counts once"
    ),
    "low": _NUMBER("Low", format="%.1f"),
    "high": _NUMBER("High", format="%.1f"),
    "text": _NUMBER("Text", format="localized", help="Samples whose caption shows the concept"),
    "image": _NUMBER("Image", format="localized", help="Samples whose image shows the concept"),
    "joint": _NUMBER("Joint", format="localized", help="Samples whose caption and image both show the concept"),
    "first": _NUMBER("Text", format="localized"),
    "second": _NUMBER("Image", format="localized"),
    "agreement": _NUMBER("Agreement", format="%.1f%%", help="Joint hits as a share of the smaller of text and image hits"),
    "log_ratio": _NUMBER("log10(text / image)", format="%.2f"),
    "rank": _NUMBER("Rank", format="localized", help="1 is the most frequent concept of the corpus"),
    "percentile": _NUMBER("Percentile", format="%.1f%%", help="Share of the concepts that are rarer"),
    "concepts": _NUMBER("Of concepts", format="localized", help="How many concepts were counted"),
    "fewest": _NUMBER("Fewest", format="localized"),
    "factor": _NUMBER("Data for +10", format="localized"),
    "share": _NUMBER("Share", format="%.1f%%"),
    "limit": _NUMBER("At most", format="localized", help="Samples"),
    "gini": _NUMBER("Gini", format="%.3f"),
    "median": _NUMBER("Median", format="localized", help="Samples of the median concept"),
    "zero_share": _NUMBER("Zero", format="%.1f%%", help="Share of concepts without a sample"),
    "threshold": _NUMBER("Threshold", format="%.2f"),
    "value": _NUMBER("Score", format="%.1f"),
    "value_low": _NUMBER("from", format="%.1f", help="95% interval of the score, by its number of test images (Jeffreys)"),
    "value_high": _NUMBER("to", format="%.1f", help="95% interval of the score, by its number of test images (Jeffreys)"),
    "expected": _NUMBER("Expected", format="%.1f", help="The median of the concepts that are about as frequent"),
    "extrapolates": st.column_config.CheckboxColumn("Extrapolates", help="The count lies outside those of the scored concepts"),
    "factor_low": _NUMBER("Data for +10, from (times)", format="%.3g", help="By the upper end of the slope's 95% interval"),
    "factor_high": _NUMBER("to (times)", format="%.3g", help="By the lower end of the slope's 95% interval"),
    "architecture": st.column_config.TextColumn("Architecture"),
    "larger": st.column_config.TextColumn("Larger corpus"),
    "tenfolds": _NUMBER("Tenfolds more", format="%+.2f", help="Mean change of log10(max(count, 1))"),
    "by_line": _NUMBER("Foretold by the line", format="%+.1f", help="Points, by the slope over all tasks together"),
    "foretold": _NUMBER("Foretold", format="%+.1f", help="Points, by the slope that “data needed” uses"),
    "foretold_low": _NUMBER("from", format="%+.1f", help="By the slope's 95% interval"),
    "foretold_high": _NUMBER("to", format="%+.1f", help="By the slope's 95% interval"),
    "seen": _NUMBER("Seen", format="%+.1f", help="Points, mean over the concepts"),
    "gained": _NUMBER("Change", format="%+.1f", help="Points"),
    "count_before": _NUMBER("Samples before", format="localized"),
    "count_after": _NUMBER("after", format="localized"),
    "value_before": _NUMBER("Score before", format="%.1f"),
    "value_after": _NUMBER("after", format="%.1f"),
    "residual": _NUMBER("Above the line", format="%+.1f"),
    "n": _NUMBER("n", format="localized"),
    "n_zero": _NUMBER("At zero", format="localized", help="Points whose count is zero"),
    "slope": _NUMBER("Pooled slope", format="%.2f", help="Points per tenfold samples, of the line through all points"),
    "slope_interval": st.column_config.TextColumn("95% interval", help=_CLUSTERS),
    "within_task_slope": _NUMBER("Within tasks", format="%.2f", help="The slope after each task's own mean is taken out"),
    "within_interval": st.column_config.TextColumn("95% interval", help=_CLUSTERS),
    "mixed_slope": _NUMBER("Mixed slope", format="%.2f", help="Of an average task: each has a level and a slope of its own"),
    "mixed_interval": st.column_config.TextColumn("95% interval", help="Wald's, of the tasks' own slopes"),
    "intercept": _NUMBER("Intercept", format="%.2f"),
    "pearson_r": _NUMBER("Raw r", format="%.3f"),
    "interval": st.column_config.TextColumn("95% interval", help=_CLUSTERS),
    "spearman_r": _NUMBER("Spearman", format="%.3f"),
    "binned_r": _NUMBER("Binned r", format="%.3f", help="Over all bins: correlation of a bin's mean with ln of its edge"),
    "paper_r": _NUMBER("Paper's ρ", format="%.3f", help="Binned r over the bins alone that the paper's figure prints"),
    "stands_out": st.column_config.CheckboxColumn("Stands out", help="Survives Benjamini and Hochberg's procedure at 5%"),
    "statistic": st.column_config.TextColumn("Statistic", width=115),
    "estimate": _NUMBER("Estimate", format="%.3g", width=70),
    "question": st.column_config.TextColumn("What it answers", width=460),
    "curvature_p": _NUMBER("Curvature p", format="%.3g", help="Small where a curve fits better than a line"),
    "paper": _NUMBER("Paper", format="%.2f"),
    "here": _NUMBER("Here", format="%.2f"),
    "pairs": _NUMBER("Pairs", format="localized"),
    "misaligned": _NUMBER("Misaligned", format="localized", help="Samples with text and image concepts, none in common"),
    "truth": _NUMBER("In truth", format="localized", help="Samples that do show the concept, as whoever made them knows"),
    "error": _NUMBER("log10(counted / true)", format="%+.2f", help="Of both plus one"),
    "split": st.column_config.TextColumn("Samples", help="Which part of the corpus was held against the truth"),
    "precision": _NUMBER("Precision", format="%.1f%%", help="Of the hits found, how many are right"),
    "recall": _NUMBER("Recall", format="%.1f%%", help="Of the true hits, how many were found"),
    "frequency_error": _NUMBER("Frequency error", format="%.3f", help="Mean over concepts of |log10((found+1)/(true+1))|"),
    "found": _NUMBER("Found", format="localized", help="Hits of the search"),
    "relevant": _NUMBER("In truth", format="localized", help="Hits that there are"),
    "correct": _NUMBER("Correct", format="localized", help="Hits found that are there"),
    "degree": _NUMBER("Of all pairs", format="percent"),
    "degree_extracted": _NUMBER("Of samples with a concept", format="percent"),
    "mean": _NUMBER("Mean", format="%.1f%%", help="Over all models"),
    "best": _NUMBER("Best", format="%.1f%%", help="The best model's accuracy"),
    "best_model": st.column_config.TextColumn("Best model"),
    "reference": _NUMBER("Compared with", format="%.1f%%"),
    "tail": _NUMBER("Tail", format="%.1f%%"),
    "gap": _NUMBER("Gap", format="%.1f", help="Points lost on the tail"),
    "how": st.column_config.TextColumn("Found", help="exact, by a label's own spelling, confirmed by you, or none"),
    "near": st.column_config.TextColumn("Did you mean", help="A near spelling that the study has; it is not counted as found"),
    "in_tail": st.column_config.CheckboxColumn("In the tail"),
    "score": _NUMBER("Match", format="%.0f", help="Similarity of the spellings, 0 to 100"),
    "file": st.column_config.TextColumn("File", pinned=True),
    "place": _NUMBER("Place", format="localized", help="Among the candidates; 1 is the best"),
    "probability": st.column_config.ProgressColumn("Probability", format="%.1f%%", min_value=0, max_value=100),
    "similarity": _NUMBER("Similarity", format="%.3f", help="Cosine of the features of image and candidate"),
    "measured": _NUMBER("Measured", format="%.1f%%", help="The model's accuracy on the concept, in the study"),
    "prompts": st.column_config.TextColumn("Prompts", pinned=True),
    "comes_first": st.column_config.TextColumn("Comes first"),
    "first_probability": _NUMBER("Its probability", format="%.1f%%"),
    "bin": st.column_config.TextColumn("Samples"),
    "images": _NUMBER("Images", format="localized"),
    "accuracy": st.column_config.ProgressColumn("Accuracy", format="%.1f%%", min_value=0, max_value=100),
    "label": st.column_config.TextColumn("Label"),
    "right": st.column_config.CheckboxColumn("Right"),
    "predicted": st.column_config.TextColumn("Taken for"),
    "predicted_count": _NUMBER("Its samples", format="localized", help="Of what the image was taken for"),
    "more_frequent": st.column_config.CheckboxColumn("More frequent", help="Than the true concept; empty where right"),
    "reason": st.column_config.TextColumn("Why"),
}
FIGURE_CONFIG = {
    "displaylogo": False,
    "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d", "toImage"],  # its SVG holds a bitmap of many points
}


def show_guarded(show: Callable, *args) -> None:
    """Runs a page or a part of one; what a user can mend ends it with a message instead of a traceback."""
    try:
        show(*args)
    except TailscopeError as error:
        st.info(escape(str(error)), icon=":material/info:")


def show_title(question: str, lead: str) -> None:
    """The page's question and one or two sentences on what is shown and how it was counted."""
    st.title(question, anchor=False)
    if lead:
        st.markdown(lead)


def show_figure(
    figure: go.Figure, name: str, alt: str, *, rows: pd.DataFrame | None = None, pick: bool = False, shown: Shown = NOTHING
) -> None:
    """A figure with a menu of its files: SVG, PDF, PNG and HTML with title and caption line, and the rows behind it.

    `alt` is its title; `shown`, the models, corpora and methods that it is of. With `pick`, a click on a point opens the page
    of the concept that its customdata begins with.
    """
    key = f"figure-{name}"
    settings = {"on_select": partial(_follow_point, key), "selection_mode": "points"} if pick else {}
    st.plotly_chart(figure, key=key, config=FIGURE_CONFIG, alt=alt, **settings)
    studies = st.session_state.get(LISTED_KEY, {})
    caption = Caption(f"{alt[:1].upper()}{alt[1:]}", studies.get(st.session_state.get(STUDY_KEY), ""), shown)
    offer(
        f"figure-{name}",
        [*list_figure_files(figure, name, caption), *(list_row_files(rows, name) if rows is not None else [])],
    )


def _follow_point(key: str) -> None:
    for point in st.session_state[key].selection.points:
        if point.get("customdata"):
            open_concept(str(point["customdata"][0]))


def show_table(
    table: pd.DataFrame,
    name: str,
    *,
    titles: dict[str, str] | None = None,
    columns: dict | None = None,
    most: int | None = None,
) -> None:
    """A table with its downloads as CSV and Parquet; `titles` names corpora, and the columns of their counts, for people.

    `columns`: how this table shows some of its columns, where it is not as all tables do. `most`: of the rows that it shows;
    its downloads have them all.
    """
    titles = titles or {}
    shown = table.head(len(table) if most is None else most).copy(deep=False)
    if "corpus" in shown:
        shown["corpus"] = shown["corpus"].map(lambda corpus: titles.get(corpus, corpus))
    config = {column: COLUMNS[column] for column in table if column in COLUMNS}
    config |= {name_count_column(corpus): _NUMBER(title, format="localized") for corpus, title in titles.items()}
    config |= columns or {}
    st.dataframe(
        shown, column_config=config, hide_index=True, height=TALL if len(table) > MANY else "auto", key=f"table-{name}"
    )
    if len(shown) < len(table):
        st.caption(f"The first {len(shown):,} of {len(table):,} rows; the download has them all.")
    offer_rows(table, name)


def explain_counting(study: Study, methods: list[str], more: str = "") -> None:
    """ "How this was counted": words, case rule, threshold, unit and denominator, and the faults known of a method."""
    notes = study.manifest.method_notes
    with st.expander("How this was counted"):
        st.markdown(
            "**Unit:** samples, that is image-text pairs of the corpus; a sample counts at most once for a concept. "
            "**Concept:** a task's class name in lower case, underscores read as spaces. Where tasks give one concept "
            "different counts, the largest stands for it unless the text says otherwise."
        )
        for name in dict.fromkeys(methods):
            method = Method(name)
            st.markdown(f"**{escape(method.title)}** ({escape(name)}): {escape(method.sentence)}")
            for part in [part.name for part in method.parts if part.name in notes]:
                st.caption(escape(notes[part]))
        if more:
            st.markdown(more)
        st.caption(f"Source: {link_sources(study.manifest.source)}. Built {escape(study.manifest.created[:10])}.")


def format_count(count: float) -> str:
    """A count for people: 1,234 or 12.3M.

    >>> format_count(950), format_count(3_347_335)
    ('950', '3.35M')
    """
    if pd.isna(count):
        return "not counted"
    for least, size, letter in ((999.5e6, 1e9, "B"), (999.5e3, 1e6, "M"), (1e4, 1e3, "k")):  # 999,999 is 1M, not 1e+03k
        if abs(count) >= least:
            return f"{count / size:.3g}{letter}"
    return f"{count:,.0f}"
