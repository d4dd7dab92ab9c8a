"""The list of class names of a test set: handed in, read, its near spellings confirmed, told and shown."""

import pandas as pd
import streamlit as st

from backend import testset
from backend.class_lists import ClassList
from backend.concepts import pick_examples
from backend.study import Study
from backend.tail import Tail
from pages.ui.address import answer
from pages.ui.blocks import show_table
from pages.ui.text import escape, shorten

MAX_ADDRESS = 6_000  # characters of a link that every browser and mail program takes
MAX_LETTERS = 40  # of a name in a sentence
MAX_NAMES = 12  # in a sentence
MANY_OFFERS, TALL = 12, 180  # offers from which they scroll, in a window of so many pixels
NAMES_KEY, LINK_KEY = "names", "linked"
COLUMNS = {
    "count": st.column_config.NumberColumn("Samples", format="localized", help="Of the corpus chosen above"),
    "percentile": st.column_config.ProgressColumn(
        "Commoner than", format="%.0f%%", min_value=0, max_value=100, help="Of the concepts, on average over the corpora"
    ),
    "low": st.column_config.NumberColumn("Expected from", format="%.0f", help="4 in 5 concepts about as frequent score more"),
    "high": st.column_config.NumberColumn("to", format="%.0f", help="or less than this, in the middle of them"),
}


def read_class_names(study: Study) -> ClassList:
    """The names that a visitor pasted or uploaded, once they ask for the analysis; those of a link at once."""
    if NAMES_KEY not in st.session_state:
        st.session_state[NAMES_KEY] = st.query_params.get(NAMES_KEY, "")
    with st.form("class-names"):
        left, right = st.columns(2)
        with left:
            pasted = st.text_area("Class names", key=NAMES_KEY, height=160, placeholder="\n".join(answer(pick_examples, study)))
        with right:
            upload = st.file_uploader(
                "or a file", type=["txt", "csv", "tsv", "json", "yaml", "yml"], max_upload_size=1, key="names_file"
            )
        st.form_submit_button("Analyse", type="primary", icon=":material/checklist:")
    keep_link("" if upload else pasted)
    return testset.read_list(testset.decode_upload(upload.getvalue()) if upload else pasted)


def keep_link(pasted: str) -> None:
    """A switch that puts pasted names into the address; without it they are in none."""
    short = 0 < len(pasted) <= MAX_ADDRESS
    linked = False
    if short:
        linked = st.toggle(
            "Make a link: put the names into the address",
            NAMES_KEY in st.query_params,
            key=LINK_KEY,
            help="Whoever has the address then sees the names, and servers on the way may log them.",
        )
    if not linked:
        st.query_params.pop(NAMES_KEY, None)
    elif st.query_params.get(NAMES_KEY) != pasted:
        st.query_params[NAMES_KEY] = pasted


def confirm_offers(matched: pd.DataFrame) -> list[str]:
    """The names of `match_names` for which the visitor ticks the near spelling that the study has."""
    offered = matched.dropna(subset="near").drop_duplicates("name")
    if offered.empty:
        return []
    st.markdown("**Did you mean** these? A near spelling counts only when you tick it.")
    with st.container(horizontal=True, height=TALL if len(offered) > MANY_OFFERS else "content", border=False):
        return [
            row.name
            for row in offered.itertuples(index=False, name="Offer")
            if st.checkbox(
                f"“{escape(shorten(row.name, MAX_LETTERS))}” → {escape(row.near)}", key=f"use-{row.name}", width="content"
            )
        ]


def tell_tail(table: pd.DataFrame) -> str:
    """How many names are in the tail, and which, the rarest first; how many the study does not know, and which."""
    rare = list(dict.fromkeys(table.loc[table["in_tail"], "name"]))
    told = f"**{int(table['in_tail'].sum()):,} of {len(table):,}** {'is' if len(table) == 1 else 'are'} in the tail"
    told += f": {_name_some(rare)}." if rare else "."
    unknown = table.loc[table["concept"].isna(), "name"]
    if len(unknown):
        told += f" **{len(unknown):,}** not found: {_name_some(list(dict.fromkeys(unknown)))}."
    return told


def tell_rule(tail: Tail, share: int) -> str:
    """Which concepts are the tail, and how those that are equally rare are told apart."""
    ties = ""
    if tail.left_out:
        ties = (
            f" Ties are broken by name: {tail.left_out:,} concept{'s are' if tail.left_out > 1 else ' is'} as rare as the last "
            "of these and outside."
        )
    return (
        f"The tail is the rarest {share}% of the study's concepts, {len(tail.concepts):,} of {tail.counted:,}, by the share of "
        f"concepts that are rarer, on average over the corpora.{ties}"
    )


def _name_some(names: list[str]) -> str:
    shown = ", ".join(escape(shorten(name, MAX_LETTERS)) for name in names[:MAX_NAMES])
    return shown + (f" and {len(names) - MAX_NAMES:,} more" if len(names) > MAX_NAMES else "")


def show_class_list(table: pd.DataFrame) -> None:
    """The names with count, percentile, measured and expected score, the rarest first and those not found last."""
    order = ["name", "count", "percentile", "measured", "expected", "low", "high", "in_tail"]
    show_table(table[[column for column in order if column in table]], "test-set", columns=COLUMNS)
