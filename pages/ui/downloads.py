"""Downloads: one menu a figure or table; a file is written when someone asks for it, and no cell of it is a formula."""

import io
from collections.abc import Callable
from typing import NamedTuple

import pandas as pd
import streamlit as st

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # what a spreadsheet takes for a formula
CSV_HELP = (
    "For spreadsheets too: text that begins like a formula, with =, +, -, @, a tab or a new line, has an apostrophe before "
    "it. Numbers are as they are, and Parquet has every text as it is."
)


class Download(NamedTuple):
    """A file on offer: its label, its name without the program's, its type, and what writes it; `called`: its whole name, where
    that says more.
    """

    label: str
    file: str
    mime: str
    write: Callable[[], bytes]
    help: str | None = None
    called: str = ""


def offer(name: str, files: list[Download]) -> None:
    """A menu of files. It holds nothing until it is opened, which runs the page again: few visitors open any."""
    menu = st.popover("Download", key=f"downloads-{name}", on_change="rerun", type="tertiary", icon=":material/download:")
    if not menu.open:
        return
    with menu:
        for label, file, mime, write, hint, called in files:
            st.download_button(
                label,
                write,
                file_name=called or f"tailscope-{file}",
                mime=mime,
                key=f"download-{label}-{file}",
                help=hint,
                on_click="ignore",
                type="tertiary",
                icon=":material/download:",
            )


def offer_rows(table: pd.DataFrame, name: str) -> None:
    """A menu of the rows of a table."""
    offer(f"rows-{name}", list_row_files(table, name))


def list_row_files(table: pd.DataFrame, name: str) -> list[Download]:
    """The rows of a table as CSV and Parquet."""
    return [
        Download("Data (CSV)", f"{name}.csv", "text/csv", lambda: write_csv(table), CSV_HELP),
        Download("Data (Parquet)", f"{name}.parquet", "application/vnd.apache.parquet", lambda: write_parquet(table)),
    ]


def write_csv(table: pd.DataFrame) -> bytes:
    """The rows as CSV, in which no text starts a formula when a spreadsheet opens it: an apostrophe goes before it.

    >>> write_csv(pd.DataFrame({"caption": ["=1+1", "a rose"], "change": [-1, 1]})).decode()
    "caption,change\\n'=1+1,-1\\na rose,1\\n"
    """
    guarded = table.copy(deep=False)
    for column in table:
        if not (pd.api.types.is_numeric_dtype(table[column]) or pd.api.types.is_datetime64_any_dtype(table[column])):
            guarded[column] = table[column].map(_guard).to_numpy(object)
    return guarded.rename(columns=_guard).to_csv(index=False).encode()


def _guard(cell: object) -> object:
    """The cell with an apostrophe where it is text that begins like a formula; a lone CR would begin a row, unquoted."""
    if not isinstance(cell, str):
        return cell
    return ("'" if cell.startswith(FORMULA_STARTS) else "") + cell.replace("\r\n", "\n").replace("\r", "\n")


def write_parquet(table: pd.DataFrame) -> bytes:
    """The rows as Parquet, every value as it is."""
    stream = io.BytesIO()
    table.to_parquet(stream, index=False)
    return stream.getvalue()
