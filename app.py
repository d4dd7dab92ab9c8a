"""Tailscope: the router. `make app` starts it; `streamlit run app.py` does where everything is installed."""

import streamlit as st

from backend.study import EMBEDDED, PUBLISHED, ROOT
from pages.ui.address import choose_study, find_current_study, follow_link, name_window, run_page
from pages.ui.blocks import show_guarded
from pages.ui.choice import show_choice
from pages.ui.concept_search import show_search
from pages.ui.navigation import ABOUT, list_pages, show_navigation

ICON = "pages/ui/tailscope.svg"
st.set_page_config(page_icon=ICON, layout="wide")
st.logo("pages/ui/wordmark.svg", size="large", icon_image=ICON)
st.html(ROOT / "pages" / "ui" / "tailscope.css")

pages = list_pages()
page = st.navigation(pages, position="hidden")
name_window(page)
with st.sidebar:
    links = st.container()
    study = choose_study()
    opened = find_current_study() if study else None
    if opened:
        show_choice(opened)
    with links:
        show_navigation(pages, opened)
follow_link()

if study is None:
    st.title("No study yet", anchor=False)
    st.markdown("Tailscope shows studies: folders of tables under `data/`. This makes one, and needs nothing but this program:")
    st.code(EMBEDDED, language="bash")
    st.markdown("This imports the paper's results, from a copy of its release or from GitHub:")
    st.code(PUBLISHED, language="bash")
    st.stop()
if opened:
    show_search(opened, ABOUT[page.title])
show_guarded(run_page, page)
