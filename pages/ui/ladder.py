"""The Overview's ladder: concepts from common to rare, a row each, that can be clicked."""

from functools import partial

import pandas as pd
import streamlit as st

from backend import ladder
from backend.study import Study
from pages.ui.address import answer, open_concept
from pages.ui.choice import Choice
from pages.ui.controls import corpus_titles
from pages.ui.downloads import offer_rows
from pages.ui.text import escape

ROW, HEAD = 36, 40  # pixels of a row and of the heading
ROWS_KEY = "ladder-rows"


def _follow_row(concepts: pd.Series) -> None:
    for row, _ in st.session_state[ROWS_KEY].selection.cells:
        open_concept(concepts.iloc[row])


def show_ladder(study: Study, chosen: Choice, method: str, kind: str, setting: str) -> None:
    """Ten concepts of the chosen corpus with their counts and, where the chosen model was scored, its accuracy as a bar."""
    if chosen.corpus is None:
        return
    model = chosen.model if kind == ladder.KIND else None
    rows = answer(ladder.climb_down, study, chosen.corpus, method, model=model, setting=setting)
    if rows.empty and model:
        model = None
        rows = answer(ladder.climb_down, study, chosen.corpus, method, model=None, setting=setting)
    columns = {
        "concept": st.column_config.TextColumn("From common to rare"),
        "count": st.column_config.NumberColumn("Samples", format="compact"),
        "value": st.column_config.ProgressColumn("Accuracy", format="%.0f%%", min_value=0, max_value=100) if model else None,
        "percentile": None,
        "tasks": None,
    }
    st.dataframe(
        rows,
        column_config=columns,
        hide_index=True,
        height=HEAD + ROW * len(rows),
        row_height=ROW,
        on_select=partial(_follow_row, rows["concept"]),
        selection_mode="single-cell",
        key=ROWS_KEY,
    )
    title = escape(corpus_titles(study)[chosen.corpus])
    of = f" Accuracy: {escape(model)}, mean over the tasks that name it." if model else ""
    st.caption(
        f"Click one to open it. Of each tenth of {title}'s concepts by frequency, the one that most tasks name; of those the "
        f"one of fewest words.{of}"
    )
    offer_rows(rows, "ladder")
