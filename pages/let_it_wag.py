"""What do models know of the rarest concepts? A tail benchmark against a well-known task."""

import streamlit as st

from backend import charts, frequency, tail
from backend.printing.caption import Shown
from pages.ui.address import answer, current_study, link_concepts
from pages.ui.blocks import explain_counting, show_figure, show_table, show_title
from pages.ui.controls import choose_method, corpus_titles
from pages.ui.text import escape, tell_interval

study = current_study()
facts = answer(tail.describe_tail, study)
titles = corpus_titles(study)
models = answer(tail.compare_models, study)
lines = tail.regress_sides(models)
method_names = list(answer(frequency.list_methods, study)["method"])
show_title(
    "What do models know of the rarest concepts?",
    f"{len(models)} models on **{escape(facts.title)}**, classes picked for being least frequent, against "
    f"{escape(facts.compared_with)}. Both: accuracy in percent, prompts: {escape(facts.setting)}.",
)
losing = int((models["gap"] > 0).sum())
st.markdown(
    (
        f"Every model loses: from {models['gap'].min():.1f} to {models['gap'].max():.1f} points. "
        if losing == len(models)
        else ""
    )
    + (f"{losing} of {len(models)} models lose, at most {models['gap'].max():.1f} points. " if 0 < losing < len(models) else "")
    + ("No model loses. " if not losing else "")
    + " ".join(
        f"{line.side.capitalize()} {facts.split}% on {escape(facts.compared_with)}, one more point there goes with "
        f"**{line.slope:.3f}**{tell_interval(line.slope_low, line.slope_high, '.2f')} points on the tail "
        f"({line.models} models)."
        for line in lines.sort_values("low").itertuples(index=False)
    )
)
shown = Shown(list(models["model"]))
figure = charts.draw_tail_models(models, lines, tail=facts.title, reference=facts.compared_with)
show_figure(figure, "tail-models", f"{facts.title} accuracy against {facts.compared_with}", rows=models, shown=shown)
if len(lines):
    st.caption(
        "Brackets: Student's 95% interval of the slope. Each model is one point; that some share an architecture or their data "
        "is not in it."
    )
with st.expander("Every model"):
    show_table(models, "models")
    st.caption("“source” says where the score on the task compared with comes from.")

st.header("Which classes does no model know?", anchor=False)
left, right = st.columns(2)
with left:
    method = choose_method(method_names)
with right:
    limit = st.slider("No model above (%)", 0, 100, 30, 5, key="limit", bind="query-params")
classes = answer(tail.list_classes, study)
unknown = classes[classes["best"] <= limit]
st.markdown(f"On **{len(unknown)} of {len(classes)}** classes no model scores above {limit}%.")
if unknown.empty:
    st.info("No class is that hard for every model. Raise the limit above.", icon=":material/info:")
else:
    link_concepts(unknown["concept"].head(8))
counts = answer(frequency.count_concepts, study, method)
show_table(frequency.spread_counts(classes if unknown.empty else unknown, counts, titles), "classes", titles=titles)
explain_counting(
    study,
    [method],
    "**Counts beside the classes:** the largest count that any task gives the class's concept in that corpus; empty where "
    "no task counts it. **Mean and best:** over all models.",
)
