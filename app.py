"""Tailscope: the router. `make app` starts it; `streamlit run app.py` does where everything is installed."""

import streamlit as st

from backend.study import EMBEDDED, PUBLISHED, ROOT
from pages.ui.address import choose_study, find_current_study, name_window, run_page
from pages.ui.blocks import show_guarded
from pages.ui.choice import show_choice

ICON = "pages/ui/tailscope.svg"
st.set_page_config(page_icon=ICON, layout="wide")
st.logo("pages/ui/wordmark.svg", size="large", icon_image=ICON)
st.html(ROOT / "pages" / "ui" / "tailscope.css")

pages = [
    st.Page("pages/overview.py", title="Overview", icon=":material/home:", default=True),
    st.Page("pages/distributions.py", title="Distributions", icon=":material/area_chart:"),
    st.Page("pages/scaling.py", title="Scaling", icon=":material/trending_up:"),
    st.Page("pages/concept.py", title="Concept", icon=":material/search:"),
    st.Page("pages/misalignment.py", title="Misalignment", icon=":material/compare_arrows:"),
    st.Page("pages/let_it_wag.py", title="Let it Wag!", icon=":material/pets:"),
    st.Page("pages/search_quality.py", title="Search quality", icon=":material/fact_check:"),
    st.Page("pages/test_set.py", title="Test set", icon=":material/checklist:"),
    st.Page("pages/probe.py", title="Live probe", icon=":material/image_search:"),
]
page = st.navigation(pages)
name_window(page)
with st.sidebar:
    study = choose_study()
    if study is not None and (opened := find_current_study()):
        show_choice(opened)

if study is None:
    st.title("No study yet", anchor=False)
    st.markdown("Tailscope shows studies: folders of tables under `data/`. This makes one, and needs nothing but this program:")
    st.code(EMBEDDED, language="bash")
    st.markdown("This imports the paper's results, from a copy of its release or from GitHub:")
    st.code(PUBLISHED, language="bash")
    st.stop()
show_guarded(run_page, page)
