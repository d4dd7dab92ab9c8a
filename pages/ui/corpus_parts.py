"""The parts of a corpus's report, one of which a visitor looks at: each a few sentences, a figure and lists to download."""

import pandas as pd
import streamlit as st

from backend import charts, collecting, corpus_report
from pages.ui.blocks import show_figure, show_table
from pages.ui.corpus_beside import Model, Reference
from pages.ui.corpus_source import Source, answer_about
from pages.ui.corpus_tell import tell_facts, tell_needs, tell_rule, tell_units
from pages.ui.forecasts import show_forecasts
from pages.ui.text import escape

TOP = 100  # concepts of a list that is for reading; its download has them all
_NUMBER = st.column_config.NumberColumn
COMPARED = {
    "reference_count": _NUMBER("There", format="localized", help="Samples of the corpus that is compared with"),
    "per_million": _NUMBER("Of a million", format="%.1f"),
    "reference_per_million": _NUMBER("there", format="%.1f"),
    "times": _NUMBER("Times as often", format="%.3g"),
    "times_low": _NUMBER("from", format="%.3g", help="95% interval (Clopper and Pearson's, of two Poisson rates)"),
    "times_high": _NUMBER("to", format="%.3g"),
    "reference_rank": _NUMBER("Rank there", format="localized"),
    "shift": _NUMBER("Places lost", format="%+d", help="In rank, among the concepts that both corpora count"),
    "p": _NUMBER("p", format="%.2g"),
    "hardly": st.column_config.CheckboxColumn("Hardly shown"),
    "fewer": _NUMBER("Samples fewer", format="%.0f", help="Than the other corpus's share of this corpus would give"),
}
NEEDS = COMPARED | {
    "to_share": _NUMBER(
        "To share", format="localized", help="More samples, until its share is that of the corpus compared with"
    ),
    "expected": _NUMBER("Expected now", format="%.0f%%", help="By what the model scores on concepts about as frequent"),
    "more_low": _NUMBER("For +10, from", format="localized", help="More samples, by the upper end of the slope's interval"),
    "more_high": _NUMBER("to", format="localized", help="More samples, by the lower end of the slope's interval"),
}
TASKS = {
    "concepts": _NUMBER("Concepts", format="localized", help="That the corpus is counted for"),
    "missing": _NUMBER("Never shown", format="localized"),
    "expected": _NUMBER("Expected mean", format="%.1f%%"),
    "low": _NUMBER("from", format="%.1f%%", help="Four test sets in five lie above"),
    "high": _NUMBER("to", format="%.1f%%", help="Four test sets in five lie below"),
    "outside": _NUMBER("Beyond the line", format="%.0f%%", help="Concepts whose counts lie outside those of the line"),
    "measured": _NUMBER("The model itself", format="%.1f%%", help="Its mean on these concepts, after its own corpus"),
}


def show_contents(source: Source) -> None:
    """What was read and dropped; how long captions are, their languages, and which come again."""
    if source.dropped:
        st.markdown(f"**Read, kept, dropped.** {tell_units(source.dropped)}.")
        lost = [unit.rows.assign(unit=unit.unit) for unit in source.dropped if len(unit.rows)]
        if lost:
            rows = pd.concat(lost, ignore_index=True)
            columns = {"unit": "What", "shard": "Shard", "reason": "Why"}
            known = [column for column in ("unit", "shard", "reason", "count") if column in rows and rows[column].notna().any()]
            shown = {name: st.column_config.TextColumn(title) for name, title in columns.items()}
            show_table(rows[known], "dropped", columns=shown | {"count": _NUMBER("Dropped", format="localized")}, most=TOP)
    if source.lacks:
        st.caption(f":material/info: {escape(source.lacks)}")
    facts = corpus_report.find_facts(source.contents)
    if facts is None:
        return
    st.markdown(tell_facts(facts))
    for column, unit in zip(st.columns(2), ("words", "characters"), strict=True):
        with column:
            lengths = corpus_report.select_values(source.contents, unit)
            figure = charts.draw_lengths(lengths, unit)
            show_figure(figure, f"caption-{unit}", f"How many captions have so many {unit}", rows=lengths)
    left, right = st.columns(2)
    with left:
        languages = pd.DataFrame({"language": list(facts.languages), "share": list(facts.languages.values())})
        st.markdown("**Languages**")
        show_table(languages, "languages", columns={"language": st.column_config.TextColumn("Language (ISO 639)")})
    with right:
        repeated = source.contents.loc[source.contents["what"] == "repeated", ["value", "count"]]
        st.markdown("**Captions that come most often**" if len(repeated) else "**No caption comes twice**")
        if len(repeated):
            columns = {"value": st.column_config.TextColumn("Caption"), "count": _NUMBER("Times", format="localized")}
            show_table(repeated, "repeated-captions", columns=columns)
    st.caption(
        "Words are what stands between white space, and what is longer than 99 is counted in steps of ten, of a hundred "
        "and so on. Languages are told by py3langid, of captions drawn by the checksum of their number, the same on every "
        "machine; “und” is what it is not sure of (below 0.3), most of all names and lists. It confuses close relatives: "
        "pcm is Nigerian Pidgin, which is nearly always English."
    )


def show_concepts(source: Source) -> None:
    """The concepts that are shown most, and those that never are."""
    own = source.own
    left, right = st.columns(2)
    with left:
        st.markdown("**Shown most**")
        columns = {
            "share": _NUMBER("Of all samples", format="%.3g%%"),
            "distinct": _NUMBER(
                "Different ones", format="localized", help="Samples with another caption, or another image file"
            ),
        }
        show_table(answer_about(own, corpus_report.rank_concepts), "top-concepts", columns=columns, most=TOP)
    with right:
        st.markdown(f"**Never shown** ({len(own.missing):,} of {len(own.counts):,})")
        missing = answer_about(own, corpus_report.list_missing)
        show_table(missing, "missing-concepts", columns={"task": st.column_config.TextColumn("Tasks")}, most=TOP)


def show_shift(source: Source, beside: Reference | None) -> None:
    """Each concept's share and rank beside the reference's, with a test."""
    if beside is None:
        st.info("Nothing is chosen to compare with.", icon=":material/info:")
        return
    compared = answer_about(source.own, corpus_report.compare_with, beside.study, beside.corpus)
    hardly, differ = int(compared["hardly"].sum()), int(compared["stands_out"].sum())
    st.markdown(
        f"**{hardly:,}** of {len(compared):,} concepts are hardly shown beside {escape(beside.title)}; the shares of "
        f"{differ:,} differ."
    )
    order = ["concept", "count", "reference_count", "times", "times_low", "times_high", "rank", "reference_rank", "shift"]
    show_table(
        compared[[*order, "hardly", "stands_out", "p", "fewer", "per_million", "reference_per_million"]],
        "rank-shift",
        columns=COMPARED,
        most=TOP,
    )
    st.caption(tell_rule(source.own, beside, len(compared)))


def show_expected(source: Source, model: Model | None) -> None:
    """The mean score of each task, if a model's line held for this corpus."""
    if model is None:
        st.info(NO_MODEL, icon=":material/info:")
        return
    selection = model.selection
    tasks = answer_about(source.own, collecting.expect_tasks, model.study, selection)
    show_table(tasks, "expected-tasks", columns=TASKS)
    beyond = tasks["outside"].max()
    st.caption(
        f"If the line of {escape(selection.model)} held: what it scores ({escape(selection.kind)}, "
        f"{escape(selection.setting)}) on concepts that are about as frequent in its own corpus, "
        f"{escape(model.study.corpus_titles[selection.corpus])}, averaged over the concepts of a task. The range holds what "
        "a task does by itself; 4 in 5 test sets lie in it. A corpus of another size, source or caption style need not "
        "follow that line: this is no forecast of a training run."
        + (
            f" Up to {beyond:.0f}% of a task's concepts have counts beyond the line, where its end stands for them."
            if beyond
            else ""
        )
    )


def show_needs(source: Source, beside: Reference | None, model: Model | None) -> None:
    """Which concepts to collect, and how many samples more of each; how such forecasts fared."""
    reference = (beside.study, beside.corpus) if beside else None
    line = (model.study, model.selection) if model else None
    needs = answer_about(source.own, collecting.plan_collection, reference, line)
    st.markdown(tell_needs(needs, beside, model and model.selection.model))
    show_table(needs, "what-to-collect", columns=NEEDS, most=TOP)
    if model:
        chosen = model.selection
        show_forecasts(model.study, kind=chosen.kind, setting=chosen.setting, method=chosen.method)


NO_MODEL = (
    "No study here has a model whose own corpus was counted by this method, so that there is no line to expect scores from. "
    "Build the paper's results (python -m precompute published), or evaluate a model of your own."
)
