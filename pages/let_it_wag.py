"""What do models know of the rarest concepts? A tail benchmark against a well-known task."""

import streamlit as st

from backend import charts, frequency, tail
from backend.manifest import TailEntry
from backend.printing.caption import Shown
from backend.study import Study
from pages.ui.address import answer, current_study, link_concepts
from pages.ui.blocks import explain_counting, show_figure, show_table, show_title
from pages.ui.controls import choose_method, corpus_titles
from pages.ui.text import escape, tell_interval

NAMES = 16  # classes in a row


def tell_best(models, facts: TailEntry, classes: int) -> str:
    """The best model's scores on both, and how much models lose."""
    best = models.loc[models["tail"].idxmax()]
    losing, least, most = int((models["gap"] > 0).sum()), models["gap"].min(), models["gap"].max()
    if losing == len(models):
        loss = f"Every model loses: from {least:.1f} to {most:.1f} points."
    else:
        loss = f"{losing} of {len(models)} models lose, at most {most:.1f} points." if losing else "No model loses."
    return (
        f"Of {len(models)} models on **{escape(facts.title)}**, {classes:,} classes picked for being least frequent, the best "
        f"({escape(best['model'])}) is right on **{best['tail']:.0f}%**; on {escape(facts.compared_with)} it is on "
        f"**{best['reference']:.0f}%**. {loss}"
    )


def tell_retrained(study: Study, models, facts: TailEntry, method: str) -> list[str]:
    """What equal training made of the same classes, a sentence a causal pair of the study."""
    rows = tail.list_retrained(study, models, method)
    return [
        f"Rare, not hard: {escape(row.model)}, whose data shows the median one of these classes {row.seen:,.0f} times, "
        f"is right on **{row.tail:.0f}%** of their pictures ({row.tail - row.reference:+.0f} points beside "
        f"{escape(facts.compared_with)}); {escape(row.rival)}, whose data shows it {row.rival_seen:,.0f} times, on "
        f"**{row.rival_tail:.0f}%** ({row.rival_tail - row.rival_reference:+.0f})."
        for row in rows.itertuples(index=False)
        if row.tail > row.rival_tail and row.seen > row.rival_seen
    ]


def show_models(models, facts: TailEntry) -> None:
    """A point a model, six of them named, the line of each side of the split, and all models as a table."""
    lines = tail.regress_sides(models)
    named = tail.pick_named(models)
    figure = charts.draw_tail_models(models, lines, tail=facts.title, reference=facts.compared_with, named=named)
    show_figure(
        figure,
        "tail-models",
        f"{facts.title} accuracy against {facts.compared_with}",
        rows=models,
        shown=Shown(list(models["model"])),
    )
    if len(lines):
        st.markdown(
            " ".join(
                f"{line.side.capitalize()} {facts.split}% on {escape(facts.compared_with)}, one more point there goes with "
                f"**{line.slope:.3f}**{tell_interval(line.slope_low, line.slope_high, '.2f')} points on the tail "
                f"({line.models} models)."
                for line in lines.sort_values("low").itertuples(index=False)
            )
        )
    st.caption(
        f"Both: accuracy in percent, prompts: {escape(facts.setting)}."
        + (
            " Brackets: Student's 95% interval of the slope. Each model is one point; that some share an architecture or their "
            "data is not in it."
            if len(lines)
            else ""
        )
    )
    with st.expander("Every model"):
        words = {
            "reference": f"On {facts.compared_with} (%)",
            "tail": f"On {facts.title} (%)",
            "gap": "Points lost",
            "side": f"Side of {facts.split:g}% on {facts.compared_with}",
            "source": f"Where the score on {facts.compared_with} comes from",
        }
        number = {name: st.column_config.NumberColumn(words[name], format="%.1f") for name in ("reference", "tail", "gap")}
        show_table(models, "models", columns=words | number)


def show_classes(study: Study, method_names: list[str]) -> str:
    """The classes that no model knows, as names and as a table with their counts; returns the method of the counts."""
    st.header("Which classes does no model know?", anchor=False)
    left, right = st.columns(2)
    with left:
        limit = st.slider("No model above (%)", 0, 100, 30, 5, key="limit", bind="query-params")
    with right:
        method = choose_method(method_names)
    classes = answer(tail.list_classes, study)
    unknown = classes[classes["best"] <= limit]
    st.markdown(f"On **{len(unknown)} of {len(classes)}** classes no model scores above {limit}%.")
    if unknown.empty:
        st.info("No class is that hard for every model. Raise the limit above.", icon=":material/info:")
    else:
        link_concepts(unknown["concept"].head(NAMES))
    titles = corpus_titles(study)
    counts = answer(frequency.count_concepts, study, method)
    with st.expander("Table of every class" if unknown.empty else "Table of these classes"):
        table = frequency.spread_counts(classes if unknown.empty else unknown, counts, titles)
        show_table(table, "classes", titles=titles)
    return method


study = current_study()
facts = answer(tail.describe_tail, study)
models = answer(tail.compare_models, study)
method_names = list(answer(frequency.list_methods, study)["method"])
sentences = [
    tell_best(models, facts, len(answer(tail.list_classes, study))),
    *tell_retrained(study, models, facts, method_names[0]),
]
show_title("What do models know of the rarest concepts?", "\n\n".join(reversed(sentences)))
show_models(models, facts)
method = show_classes(study, method_names)
explain_counting(
    study,
    [method],
    "**Counts beside the classes:** the largest count that any task gives the class's concept in that corpus; empty where "
    "no task counts it. **Mean and best:** over all models.",
)
