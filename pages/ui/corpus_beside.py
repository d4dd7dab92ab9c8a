"""What a corpus is set beside: a reference corpus of any study, and a model whose line may say what its counts are worth."""

from dataclasses import dataclass

import numpy as np
import streamlit as st

from backend import corpus_report, scaling
from backend.collecting import Selection
from backend.corpus_report import MOSTLY, CountedCorpus
from backend.errors import TailscopeError
from backend.scaling import PERCENT_KINDS
from backend.study import Study
from pages.ui.address import LISTED_KEY, answer, open_study
from pages.ui.choice import use_model
from pages.ui.controls import list_models_with_corpus
from pages.ui.corpus_source import answer_about

NONE = "none"
MOST_STUDIES = 12  # that are looked through for corpora to compare with
HALF = 0.5  # of the concepts: another study's corpus that shares as many is a better measure than one of the same study


@dataclass(frozen=True)
class Reference:
    """A corpus of a study, by its name there and its title here."""

    study: Study
    corpus: str
    title: str
    pairs: int
    shared: int


@dataclass(frozen=True)
class Model:
    """A model of a study, and the scores that its line is of."""

    study: Study
    selection: Selection


def list_open_studies(study: Study) -> list[Study]:
    """The study at hand and others that can be opened, of the first dozen."""
    found = [study]
    for name in list(st.session_state[LISTED_KEY])[:MOST_STUDIES]:
        try:
            other = open_study(name)
        except TailscopeError:  # its own pages tell what is wrong with it
            continue
        if other.folder != study.folder:
            found.append(other)
    return found


def choose_reference(own: CountedCorpus, studies: list[Study]) -> Reference | None:
    """The corpus to compare with: of another study where one shares at least half of the concepts, the nearest in size first,
    of those that share nearly as many concepts as any."""
    found: dict[str, Reference] = {}
    here = studies[0]
    for study in studies:
        for row in answer_about(own, corpus_report.list_references, study).itertuples(index=False):
            name = f"{row.title}" if study is here else f"{row.title} ({study.title})"
            found[name] = Reference(study, row.corpus, row.title, int(row.pairs), int(row.shared))
    enough = HALF * len(own.counts)
    most = MOSTLY * max((reference.shared for reference in found.values()), default=0)

    def nearness(name: str) -> tuple:
        reference = found[name]
        away = reference.study is not here and reference.shared >= enough
        size = abs(np.log(reference.pairs / own.pairs)) if own.pairs else -reference.pairs
        return not away, reference.shared < most, size

    ordered = sorted(found, key=nearness)
    options = [*ordered, NONE]
    chosen = st.selectbox(
        "Compare with",
        options,
        key="reference",
        bind="query-params",
        help="Corpora that count some of the same concepts by the same method, of this study and the first dozen others",
    )
    return found.get(chosen)


def choose_model(own: CountedCorpus, studies: list[Study]) -> Model | None:
    """A model whose own corpus is counted by the same method; of the study at hand where it has one, else of another."""
    for study in studies:
        if not study.has("models", "performance", "frequency", "concepts"):
            continue
        settings = answer(scaling.list_settings, study)
        settings = settings[settings["kind"].isin(PERCENT_KINDS) & settings["kind"].isin(own.tasks["kind"])]
        if settings.empty:
            continue
        kind, setting = settings.iloc[0]
        models = list_models_with_corpus(study, kind, setting)
        counted = answer(corpus_report.list_counted, study, own.method)
        models = models[models["corpus"].isin(counted)]
        if len(models):
            owners = dict(zip(models["model"], models["corpus"], strict=True))
            if study is studies[0]:
                model = use_model(study, list(owners), "has no own corpus that is counted so, and no line")
            else:
                model = st.selectbox("Its line is that of", list(owners), key="line", bind="query-params")
            return Model(study, Selection(model, owners[model], own.method, setting, kind))
    return None
