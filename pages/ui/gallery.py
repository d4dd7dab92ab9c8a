"""Samples as pictures with their captions, or as captions alone, a page at a time; what cannot be shown says so in words.

A caption is a stranger's text: it is shown as plain text, which Streamlit never reads as Markdown, and cut where it is long.
"""

import math
from collections.abc import Callable
from contextlib import suppress

import pandas as pd
import streamlit as st

from backend.errors import ImageError
from backend.images import Thumbnails
from backend.samples import PAGE
from backend.study import Study
from pages.ui.downloads import offer_rows
from pages.ui.text import escape, shorten

CAPTION_CHARACTERS = 160  # of a tile; the download has the whole caption
BUTTON, PAGES_WIDTH = 36, 340  # pixels of a page number and of all; without a width Streamlit leaves most of them out
COLUMNS, NARROWEST = 6, 155  # of a gallery; pixels of a tile, so that a phone shows two beside each other
PORTRAIT = 66  # pixels of a picture below a tile's own, so that two stand beside each other
CAPTION_COLUMNS, NARROWEST_CAPTION = 3, 260  # of one without pictures
URL_CHARACTERS = 120


@st.cache_resource(show_spinner=False)
def _thumbnails() -> Thumbnails:
    """The pictures that were made last, one store for all visitors."""
    return Thumbnails()


def choose_page(samples: int, key: str, asked: tuple) -> int:
    """The number of samples to skip for the page chosen; the first page again whenever something else is `asked`."""
    pages = max(math.ceil(samples / PAGE), 1)
    before = st.session_state.get(f"asked-{key}", asked)
    st.session_state[f"asked-{key}"] = asked
    if before != asked and st.session_state.get(key, 1) != 1:
        st.session_state[key] = 1
    if pages == 1:
        return 0
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        page = st.pagination(pages, key=key, bind="query-params", width=min(BUTTON * (pages + 2) + 16, PAGES_WIDTH))
        last = min(page * PAGE, samples)
        st.caption(f"{(page - 1) * PAGE + 1:,} to {last:,} of {samples:,}", width="content")
    return (page - 1) * PAGE


def show_gallery(
    study: Study,
    rows: pd.DataFrame,
    name: str,
    explain: Callable[..., list[str]],
    portray: Callable[..., list[tuple[str, object]]] | None = None,
) -> None:
    """A tile for each sample: picture, caption, and the lines of Markdown that `explain(row)` gives; rows to download.

    Where none of them has an image, it says so once, and the captions have the room.
    portray: for a row, the pictures to hold beside its own, each a name and a sample.
    """
    pictured = bool(rows["image"].notna().any())
    if not pictured and len(rows):
        st.caption("These samples are captions without an image.")
    columns, narrowest = (COLUMNS, NARROWEST) if pictured else (CAPTION_COLUMNS, NARROWEST_CAPTION)
    with st.grid(columns, min_column_width=narrowest):
        for row in rows.itertuples(index=False):
            with st.container(gap="xxsmall", border=not pictured):
                if pictured:
                    show_picture(study, row)
                st.text(shorten(row.caption, CAPTION_CHARACTERS * (1 if pictured else 2)) or "(no caption)")
                if url := getattr(row, "url", None):
                    st.text(shorten(url, URL_CHARACTERS))
                st.caption("  \n".join(explain(row)))
                if portray:
                    show_portraits(study, portray(row))
    offer_rows(rows, name)


def show_picture(study: Study, row, link: str | None = None) -> None:
    """The sample's thumbnail, or why there is none; a click opens `link`."""
    try:
        picture = _thumbnails().get(study, row)
    except ImageError as error:
        with st.container(border=True, height=NARROWEST, vertical_alignment="center"):
            st.caption(f":material/broken_image: {escape(shorten(str(error), CAPTION_CHARACTERS))}")
    else:
        st.image(picture, width="stretch", alt=shorten(row.caption, CAPTION_CHARACTERS), link=link)


def show_portraits(study: Study, portraits: list[tuple[str, object]]) -> None:
    """Small pictures beside each other, each a sample with its name below; nothing of those that cannot be shown."""
    pictures: dict[str, bytes] = {}
    for name, row in portraits:
        with suppress(ImageError):
            pictures[name] = _thumbnails().get(study, row)
    if pictures:
        alt = [f"{name}: {shorten(row.caption, CAPTION_CHARACTERS)}" for name, row in portraits if name in pictures]
        st.image(list(pictures.values()), caption=[escape(name) for name in pictures], width=PORTRAIT, alt=alt)
