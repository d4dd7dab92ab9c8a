"""The pages: what each is called and about, and which tables it cannot do without; their links in the sidebar."""

from dataclasses import dataclass

import streamlit as st
from streamlit.navigation.page import Page

from backend.errors import MissingTable
from backend.study import Study
from pages.ui.address import recall_address
from pages.ui.text import escape


@dataclass(frozen=True)
class Entry:
    """A page: its file, title and icon, a sentence on it for browsers and search engines, and what it is empty without."""

    name: str
    title: str
    icon: str
    about: str
    tables: tuple[str, ...] = ()


ENTRIES = (
    Entry("overview", "Overview", "home", "Which concepts pretraining data hardly shows, and what that costs CLIP models."),
    Entry(
        "distributions",
        "Distributions",
        "area_chart",
        "How long the tail of concept frequency is: rank curves, tail shares and inequality of pretraining corpora.",
        ("corpora", "frequency"),
    ),
    Entry(
        "scaling",
        "Scaling",
        "trending_up",
        "How far a model's scores go with how often its pretraining data shows a concept.",
        ("models", "performance", "frequency"),
    ),
    Entry(
        "compare",
        "Compare models",
        "balance",
        "Where two models differ, whether that goes with frequency, and what they take for what.",
        ("models", "performance", "frequency"),
    ),
    Entry(
        "concept",
        "Concept",
        "search",
        "One concept: how often each corpus shows it, how well models know it, and samples of it.",
        ("concepts",),
    ),
    Entry(
        "misalignment",
        "Misalignment",
        "compare_arrows",
        "How many image-text pairs name one thing and show another, and on which concepts.",
        ("alignment",),
    ),
    Entry("let_it_wag", "Let it Wag!", "pets", "What models know of the rarest concepts, beside the common ones.", ("tail",)),
    Entry(
        "search_quality",
        "Search quality",
        "fact_check",
        "How right the counts are: searches of captions and images, held against the truth.",
        ("search_quality", "truth"),
    ),
    Entry(
        "your_corpus",
        "Your corpus",
        "inventory_2",
        "What is in a corpus of image-text pairs, or in a file of captions, and what it hardly shows.",
    ),
    Entry(
        "web_scale",
        "Web scale",
        "cloud",
        "What indexing LAION-400M, five billion pairs or any number of them takes: time, memory, disk and money.",
        ("corpora",),
    ),
    Entry(
        "test_set",
        "Test set",
        "checklist",
        "Which class names of a test set are rare in pretraining data, and what a model scores on them.",
        ("concepts", "performance"),
    ),
    Entry(
        "probe", "Live probe", "image_search", "What a CLIP makes of a picture, and how often its data had shown each guess."
    ),
)
ABOUT = {entry.title: entry.about for entry in ENTRIES}


def list_pages() -> list[Page]:
    """The pages as Streamlit knows them, the first one the home page."""
    return [
        st.Page(f"pages/{entry.name}.py", title=entry.title, icon=f":material/{entry.icon}:", default=entry is ENTRIES[0])
        for entry in ENTRIES
    ]


def show_navigation(pages: list[Page], study: Study | None) -> None:
    """Links to the pages as they were left; those that the study cannot fill are grey, and below them stands why.

    Streamlit's own links would leave out what no control is bound to, and so make two entries in the browser's history of one
    step.
    """
    missing = {}
    with st.container(gap="xsmall", key="navigation"):
        for page, entry in zip(pages, ENTRIES, strict=True):
            lack = study and _find_lack(study, entry)
            if lack:
                missing[entry.title] = lack
            st.page_link(page, query_params=recall_address(page.url_path), disabled=bool(lack), width="stretch")
    if missing:
        with st.expander("Why some are grey", icon=":material/info:"):
            st.markdown("  \n".join(f"**{escape(title)}.** {escape(lack)}" for title, lack in missing.items()))


def _find_lack(study: Study, entry: Entry) -> str | None:
    """What a page is empty without in a study, with the command that makes it; None where it has all."""
    try:
        study.require(*entry.tables)
    except MissingTable as error:
        return str(error)
    return None
