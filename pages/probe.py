"""The live probe: a CLIP looks at an image, and beside each of its guesses stands how often its data shows such a thing."""

import streamlit as st

from pages.ui.address import current_study
from pages.ui.blocks import explain_counting, show_guarded, show_title
from pages.ui.probe_advice import show_without_model
from pages.ui.probe_answer import show_answers
from pages.ui.probe_experiments import TABS
from pages.ui.probe_images import choose_picture, choose_pictures
from pages.ui.probe_setup import choose_setup

EXPLAINED = (
    "**Similarity:** the cosine between the model's features of the image and of a candidate's prompts. **Probability:** the "
    "softmax of all candidates' similarities over the model's own temperature; it says which candidate fits best, not "
    "whether any does. Templates, tokenizer and preprocessing are OpenCLIP's. **Percentile:** the share of concepts that are "
    "rarer, on average over the corpora. **Tail:** a class of the study's tail benchmark, or one of the rarest tenth of the "
    "concepts where the study has none."
)

study = current_study()
show_title(
    "Does CLIP know what is on my photo?",
    "Hand in a picture: see what a CLIP makes of it, and how often its pretraining data had shown each of its guesses.",
)
pictures = choose_pictures(study)
setup = choose_setup(study, expanded=not pictures)
picture = choose_picture(pictures)
if not setup.choice.here:
    show_guarded(show_without_model, study, setup, picture)
elif picture:
    show_guarded(show_answers, study, setup, pictures, picture)
else:
    st.info("No image yet. Choose one above.", icon=":material/add_photo_alternate:")
if setup.choice.here:
    st.header("Experiments", anchor=False)
    for tab, show in zip(st.tabs(list(TABS), key="experiment", bind="query-params"), TABS.values(), strict=True):
        if tab.open:
            with tab:
                show_guarded(show, study, setup, picture)
explain_counting(study, [setup.method], EXPLAINED)
