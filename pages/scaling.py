"""How far do a model's scores go with concept frequency? Points, lines, small multiples and controls, a view each."""

from backend import scaling
from pages.ui.address import current_study
from pages.ui.blocks import show_title
from pages.ui.change import show_change
from pages.ui.controls import choose_view
from pages.ui.scaling_causal import show_comparison
from pages.ui.scaling_many import show_controls, show_several_models
from pages.ui.scaling_one import show_one_model

VIEWS = ["One model", "Several models", "Every model", "Controls", "Change against change"]
CAUSAL = "Causal comparison"  # first, where the study brings pairs of models that were trained alike on other frequencies

study = current_study()
show_title("Does frequency determine performance?", "")
view = choose_view([CAUSAL, *VIEWS] if scaling.list_comparisons(study) else VIEWS, "view")
if view == "One model":
    show_one_model(study)
elif view == "Controls":
    show_controls(study)
elif view == "Change against change":
    show_change(study)
elif view == CAUSAL:
    show_comparison(study)
else:
    show_several_models(study, multiples=view == "Every model")
