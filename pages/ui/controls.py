"""Controls bound to the address: every choice that changes a result stands in the query parameters."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from backend import frequency, scaling
from backend.errors import EmptySelection
from backend.methods import Method
from backend.schema import KINDS
from backend.study import Study
from pages.ui.address import accept_name, answer
from pages.ui.text import escape


def corpus_titles(study: Study) -> dict[str, str]:
    """Every counted corpus and its title, the smallest first; the order gives each its colour."""
    corpora = answer(frequency.list_corpora, study)
    return dict(zip(corpora["corpus"], corpora["title"], strict=True))


def in_order(titles: dict[str, str], corpora: pd.Series) -> list[str]:
    """The corpora that occur in a column, in the order of `titles`."""
    present = set(corpora.unique())
    return [corpus for corpus in titles if corpus in present]


def choose_corpus(study: Study, corpora: list[str], key: str, label: str = "Corpus", default: str | None = None) -> str:
    """One corpus of those named; the first where there is no other default."""
    titles = corpus_titles(study)
    accept_name(key, corpora, titles.get)
    first = corpora.index(default) if default in corpora else 0
    return st.selectbox(
        label, corpora, first, format_func=lambda corpus: titles.get(corpus, corpus), key=key, bind="query-params"
    )


def choose_corpora(study: Study, corpora: list[str]) -> list[str]:
    """Several corpora; all of those named, until the user leaves some out."""
    titles = corpus_titles(study)
    return st.multiselect(
        "Corpora",
        corpora,
        default=corpora,
        format_func=lambda corpus: titles[corpus],
        key="corpora",
        bind="query-params",
    )


def choose_method(methods: list[str], key: str = "method", label: str = "Counted in", default: str | None = None) -> str:
    """One counting method of those named; the first where there is no other default. An address may name it by its code."""
    spelled = {spelling: name for name in methods for spelling in (name, f"{Method(name).modality}: {name}")}
    accept_name(key, list(spelled), lambda spelling: title_method(spelled[spelling]))
    first = methods.index(default) if default in methods else 0
    codes = "\n".join(f"- {escape(title_method(name))}: {escape(name)}" for name in methods)
    help = f"Tables and downloads name them by their codes:\n{codes}"
    return st.selectbox(label, methods, first, format_func=title_method, key=key, bind="query-params", help=help)


def title_method(method: str) -> str:
    """A method as a control shows it: "seen in the image, RAM++ from 0.7"."""
    return Method(method).title


def choose_view(views: list[str], key: str) -> str:
    """One of a page's views, as buttons in a row."""
    chosen = st.segmented_control(
        "View", views, default=views[0], required=True, key=key, bind="query-params", label_visibility="collapsed"
    )
    return chosen or views[0]  # an empty value in the address chooses nothing


def choose_word(label: str, words: Sequence[str], key: str) -> str:
    """One of a few words, as buttons in a row."""
    chosen = st.segmented_control(label, words, default=words[0], required=True, key=key, bind="query-params")
    return chosen or words[0]  # an empty value in the address chooses nothing


def choose_tasks(study: Study, kind: str) -> list[str]:
    """Some tasks of a kind; none chosen means all that share one fit. A task that stays out of it can be chosen too."""
    pooled = answer(scaling.pooled_tasks, study, kind)
    tasks = answer(scaling.scored_tasks, study, kind)
    apart = [task for task in tasks if task not in pooled]
    chosen = st.multiselect(
        "Tasks",
        tasks,
        placeholder=f"all {len(pooled)}" + (f" but {', '.join(apart)}" if apart else ""),
        key="tasks",
        bind="query-params",
    )
    return chosen or pooled


def choose_kind(study: Study, kinds: list[str] | None = None) -> tuple[str, str]:
    """The kind of task (of those named) and the setting: a prompt strategy, a direction and k, or a metric."""
    settings = answer(scaling.list_settings, study)
    kinds = sorted(settings["kind"].unique() if kinds is None else kinds, key=KINDS.index)
    if not kinds:
        raise EmptySelection("No model has a score on this concept.")
    kind = st.selectbox("Kind of task", kinds, key="kind", bind="query-params") if len(kinds) > 1 else kinds[0]
    names = list(settings.loc[settings["kind"] == kind, "setting"])
    return kind, st.selectbox("Setting", names, key="setting", bind="query-params")


def list_models_with_corpus(study: Study, kind: str, setting: str) -> pd.DataFrame:
    """The models whose own corpus is in the study: those that a fit can be made for."""
    models = answer(scaling.list_models, study, kind, setting)
    return models[models["corpus"].notna()]


def unit_of(kind: str, setting: str) -> str:
    """What a score of a kind is measured in."""
    return {"classification": "accuracy (%)", "retrieval": f"recall, {setting} (%)"}.get(kind, setting.replace("_", " "))
