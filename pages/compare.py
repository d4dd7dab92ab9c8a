"""Where do two models differ? Concept by concept, whether it goes with frequency, what they take for what, and the images."""

from typing import NamedTuple

import pandas as pd
import streamlit as st

from backend import charts, compare, scaling
from backend.compare import Pull, Versus
from backend.errors import EmptySelection
from backend.frequency import list_methods
from backend.printing.caption import Shown
from backend.samples import PAGE
from backend.study import Study
from pages.ui.address import answer, current_study, link_concepts
from pages.ui.blocks import explain_counting, show_figure, show_guarded, show_table, show_title
from pages.ui.choice import use_corpus, use_model
from pages.ui.controls import choose_kind, choose_method, corpus_titles, unit_of
from pages.ui.gallery import choose_page, show_gallery
from pages.ui.text import escape, tell_interval

READING = (
    "**Difference:** the first model's score on a concept less the second's, in points. **Interval:** where both models' "
    "results are kept image by image, of the paired difference (Wald's with half a pair more in each cell, after Bonett and "
    "Price); else Newcombe's, as if each had seen images of its own, as many as the one whose number is known. **Stands "
    "out:** by McNemar's mid-p (Fisher's exact test without results by image), among all concepts shown, after Benjamini and "
    "Hochberg at 5%. **Without regard to frequency:** "
    "mistakes that fell on any other class alike."
)
CELLS = 50  # mistakes shown of a model, the most frequent ones
IMAGES = "python -m precompute evaluate ... --per-image"


def choose_pair(study: Study, kind: str, setting: str) -> tuple[str, str]:
    """The model of the sidebar, where it has scores in this setting, and the one to set it against."""
    models = list(answer(scaling.list_models, study, kind, setting)["model"])
    first = use_model(study, models, f"has no scores ({setting})")
    rivals = answer(compare.list_rivals, study, first, kind=kind, setting=setting)
    if not rivals:
        raise EmptySelection(f"No other model of study '{study.name}' has scores ({setting}) on the concepts of {first}.")
    return first, st.selectbox(f"{first} against", rivals, key="rival", bind="query-params")


def tell_versus(found: Versus, first: str, second: str, corpus: str) -> str:
    """Who is better by how much, and whether that goes with frequency, as far as the intervals say."""
    mean, low, high = found.mean
    better = "better" if mean > 0 else "worse"
    lead = found.fit.lead
    sure = "" if low > 0 or high < 0 else " The interval holds zero: which of them is better is not sure."
    goes = (
        f"That difference is not seen to go with how often {escape(corpus)} shows a concept"
        if lead.reaches_zero
        else f"With each tenfold more samples in {escape(corpus)} that changes"
    )
    judged = found.points["low"].notna().any()
    single = (
        f"Of single concepts {found.points['stands_out'].sum():,} differ beyond chance."
        if judged
        else "On how many images each score rests is not known here, so that no single difference can be judged."
    )
    return (
        f"**{escape(first)}** is **{abs(mean):.1f} points {better}** than {escape(second)} on the average of "
        f"{len(found.points):,} concepts{tell_interval(low, high, '+.1f')}.{sure} {goes}: **{lead.value:+.1f} points** "
        f"a tenfold{tell_interval(lead.low, lead.high, '+.1f')}. {single}"
    )


def show_differences(found: Versus) -> None:
    """The concepts on which either model is furthest ahead."""
    columns = ["concept", "task", "count", "first", "second", "difference", "low", "high", "n", "stands_out"]
    ordered = found.points.sort_values("difference", ascending=False, kind="stable")[columns]
    named = {
        "first": st.column_config.NumberColumn("First", format="%.1f"),
        "second": st.column_config.NumberColumn("Second", format="%.1f"),
        "difference": st.column_config.NumberColumn("Difference", format="%+.1f"),
    }
    ahead, behind = st.tabs(["The first is ahead", "The second is ahead"])
    for tab, rows, name in ((ahead, ordered, "ahead"), (behind, ordered.iloc[::-1], "behind")):
        with tab:
            show_table(rows.head(50), name, columns=named)
            link_concepts(rows["concept"].drop_duplicates().head(4))


def show_mistakes(
    study: Study, models: tuple[str, ...], *, setting: str, corpus: str, method: str
) -> dict[str, tuple[str, NamedTuple]]:
    """Whether the mistakes of each model go towards frequent concepts, and the most frequent ones.

    The mistakes whose images can be asked for, by what they are called: the model, and the row of `list_mistakes`.
    """
    st.header("What do they take for what?", anchor=False)
    title = corpus_titles(study)[corpus]
    tables = {}
    for model in models:
        mistakes = answer(compare.list_mistakes, study, model, setting=setting, corpus=corpus, method=method)
        tasks = sorted(set(mistakes["task"]))
        classes = answer(compare.list_classes, study, tasks, corpus=corpus, method=method)
        if mistakes.empty:
            st.markdown(f"**{escape(model)}** takes no image for something else.")
            continue
        st.markdown(tell_pull(compare.measure_pull(mistakes, classes), model, title))
        tables[model] = mistakes
    shown = {
        "guessed": st.column_config.TextColumn("Taken for"),
        "count": st.column_config.NumberColumn("Samples", format="localized"),
        "guess_count": st.column_config.NumberColumn("Its samples", format="localized", help="Of what it was taken for"),
    }
    for tab, (model, mistakes) in zip(st.tabs(list(tables)), tables.items(), strict=True) if tables else ():
        with tab:
            rows = mistakes[["concept", "guessed", "images", "count", "guess_count", "task"]]
            show_table(rows.head(CELLS), f"mistakes-{models.index(model)}", columns=shown)
    return {
        f"{row.label} taken for {row.guess} by {model} · {row.task} · {row.images}": (model, row)
        for model, mistakes in tables.items()
        for row in mistakes.head(CELLS).itertuples(index=False)
    }


def show_cell(study: Study, cells: dict[str, tuple[str, NamedTuple]], setting: str) -> None:
    """The test images of one mistake."""
    named = st.selectbox("Images of a mistake", list(cells), index=None, key="mistake", placeholder="none chosen")
    if named is None:
        return
    model, row = cells[named]
    asked = {"setting": setting, "task": row.task, "label": row.label, "guess": row.guess}
    rows = answer(compare.list_cell, study, model, **asked).assign(caption=row.label)
    skipped = choose_page(len(rows), "mistake_page", (study.token, model, *asked.values()))
    show_gallery(study, rows.iloc[skipped : skipped + PAGE], "mistaken-images", tell_place)


def tell_place(image) -> list[str]:
    """What an image was taken for, and how near the right answer came."""
    return [f":material/close: {escape(image.guess)}; right at place {image.place}"]


def show_confusions(study: Study, models: tuple[str, ...], *, setting: str, corpus: str, method: str) -> None:
    """The mistakes of models, and the images of one of them."""
    cells = show_mistakes(study, models, setting=setting, corpus=corpus, method=method)
    if cells:
        show_cell(study, cells, setting)


def tell_pull(pull: Pull, model: str, corpus: str) -> str:
    """Which way a model's mistakes go, and whether that is more than chance."""
    share, low, high = pull.share
    more = "more than" if low > pull.by_chance else "less than" if high < pull.by_chance else "not surely other than"
    return (
        f"Of **{escape(model)}**'s {pull.mistakes:,} mistakes **{share:.0f}%**{tell_interval(low, high, '.0f')} go to a "
        f"concept that {escape(corpus)} shows more often: {more} the {pull.by_chance:.0f}% of mistakes without regard to it."
    )


def show_images(study: Study, points: pd.DataFrame, models: tuple[str, str], setting: str) -> None:
    """The test images of one concept with what each model makes of them."""
    st.header("Which images are behind it?", anchor=False)
    ordered = points[points["paired"]].sort_values("difference", key=abs, ascending=False, kind="stable")
    names = {f"{row.label} · {row.task} · {row.difference:+.0f}": row for row in ordered.itertuples(index=False)}
    row = names[st.selectbox("Class, the largest differences first", list(names), key="cell")]
    rows = answer(compare.list_images, study, *models, setting=setting, task=row.task, label=row.label)
    rows = rows.assign(caption=rows["label"])
    skipped = choose_page(len(rows), "cell_page", (study.token, *models, setting, row.task, row.label))
    page = rows.iloc[skipped : skipped + PAGE]
    show_gallery(study, page, "compared-images", lambda image: tell_image(image, models))
    st.caption(f"Images on which they disagree come first. {len(rows):,} images of the class; prompts: {escape(setting)}.")


def tell_image(image, models: tuple[str, str]) -> list[str]:
    """What each model makes of an image."""
    lines = []
    for model, place, guess in zip(
        models, (image.first_place, image.second_place), (image.first_guess, image.second_guess), strict=True
    ):
        seen = ":material/check: right" if place == 1 else f":material/close: {escape(guess)}; right at place {place}"
        lines.append(f"{escape(model)}: {seen}")
    return lines


study = current_study()
study.require("models", "performance", "frequency")
titles = corpus_titles(study)
lead = st.container()
with st.expander("More: kind of task, setting, how samples were counted"):
    kind, setting = choose_kind(study)
    corpus = use_corpus(study, list(titles), "has no counts")
    method = choose_method(list(answer(list_methods, study, corpus)["method"]))
with lead:
    show_title("Where do two models differ?", "")
    first, second = models = choose_pair(study, kind, setting)
    found = answer(compare.compare_models, study, *models, kind=kind, setting=setting, corpus=corpus, method=method)
    st.markdown(tell_versus(found, first, second, titles[corpus]))
    figure = charts.draw_versus(found, models, unit=unit_of(kind, setting), corpus=titles[corpus])
    shown = Shown(models, [titles[corpus]], [method])
    show_figure(figure, "versus", f"{first} less {second} by concept", rows=found.points, pick=True, shown=shown)
    st.caption(
        f"A point is a concept of a task, {int((found.points['count'] == 0).sum()):,} of them never counted: left of one. "
        f"95% intervals of mean and slope draw {found.clusters}. One training run a model."
    )
show_differences(found)
known = set(answer(compare.list_by_image, study, setting))
by_image = tuple(model for model in models if model in known)
if by_image:
    show_guarded(lambda: show_confusions(study, by_image, setting=setting, corpus=corpus, method=method))
if found.points["paired"].any():
    show_guarded(show_images, study, found.points, models, setting)
else:
    lacking = " and ".join(escape(model) for model in models if model not in known) or "the same images"
    st.caption(
        f"Confusions and images need results image by image, which this study lacks of {lacking}. They come with: {IMAGES}"
    )
explain_counting(study, [method], READING)
