"""One choice of corpus and model, which follows the reader over all pages: in the sidebar and in the address."""

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from backend import defaults
from backend.defaults import Start
from backend.errors import TailscopeError
from backend.study import Study
from pages.ui.address import CHOICE_KEYS, answer, carry, choose, is_step_in_history, take_chosen, write_address
from pages.ui.controls import corpus_titles
from pages.ui.text import escape

CORPUS_KEY, MODEL_KEY = CHOICE_KEYS
MADE_KEY = "choices-of-studies"


@dataclass(frozen=True)
class Choice:
    """The corpus and the model that a reader looks at; None where the study counts no corpus, or scores no model."""

    corpus: str | None
    model: str | None


@dataclass(frozen=True)
class Offer:
    """What a study lets choose: its counted corpora by title, its models with scores, the best first, and where to begin."""

    titles: dict[str, str]
    models: pd.DataFrame
    start: Start

    def holds(self, choice: Choice) -> bool:
        """Whether the study has both."""
        return choice.corpus in {*self.titles, None} and choice.model in {*self.models["model"], None}

    def find_model(self, corpus: str | None) -> str | None:
        """The model that goes with a corpus: the one to begin with, or the best trained on it, where there is one."""
        trained = self.models.loc[self.models["corpus"] == corpus, "model"]
        return self.start.model if corpus == self.start.corpus or trained.empty else trained.iloc[0]

    def find_corpus(self, model: str | None) -> str | None:
        """The corpus that goes with a model: its own where that is counted, else the one to begin with."""
        own = self.models.loc[self.models["model"] == model, "corpus"]
        return own.iloc[0] if len(own) and own.iloc[0] in self.titles else self.start.corpus

    def complete(self, corpus: str | None, model: str | None) -> Choice:
        """The choice that a corpus, a model or both name; where one is None, it is the one that goes with the other."""
        corpus = corpus or (self.find_corpus(model) if model else self.start.corpus)
        return Choice(corpus, model or self.find_model(corpus))

    def spell(self, choice: Choice) -> dict[str, str | None]:
        """The query parameters that name a choice, as few as do: None stands for what need not be said."""
        corpus, model = choice.corpus, choice.model
        said = next(
            said for said in ((None, None), (corpus, None), (None, model), (corpus, model)) if self.complete(*said) == choice
        )
        return {CORPUS_KEY: self.titles.get(said[0]), MODEL_KEY: said[1]}


def show_choice(study: Study) -> None:
    """The corpus and the model of the sidebar: what was just chosen, or the address names, or was chosen before.

    A study that cannot be read has neither; its pages say why.
    """
    made = st.session_state.setdefault(MADE_KEY, {})
    try:
        offer = _offer(study)
    except TailscopeError:
        made.pop(study.name, None)
        return
    choice = _find_choice(offer, made)
    made.pop(study.name, None)  # the last one made stands last
    made[study.name] = choice
    said = offer.spell(choice)
    write_address(said)
    carry({key: value for key, value in said.items() if value})
    if choice.corpus:
        _show_box("Corpus", CORPUS_KEY, list(offer.titles), choice.corpus, offer)
    if choice.model:
        own = offer.models["corpus"] == choice.corpus
        names = [*offer.models.loc[own, "model"], *offer.models.loc[~own, "model"]]
        _show_box("Model", MODEL_KEY, names, choice.model, offer)


def read_choice(study: Study) -> Choice:
    """The corpus and the model that the reader has chosen for this study."""
    return st.session_state.get(MADE_KEY, {}).get(study.name, Choice(None, None))


def use_corpus(study: Study, corpora: Iterable[str], why: str) -> str:
    """The chosen corpus; where it is none of those that a page can use, another one, with a sentence that says so.

    corpora: at least one · why: what keeps a corpus from being used, after its title, as in "is not counted for “rose”".
    """
    corpora, chosen, titles = list(corpora), read_choice(study).corpus, corpus_titles(study)
    if chosen in corpora:
        return chosen
    taken = answer(defaults.pick_corpus, study, tuple(corpora))
    if chosen:
        st.caption(f":material/info: {escape(titles[chosen])} {escape(why)}: this is {escape(titles.get(taken, taken))}.")
    return taken


def use_model(study: Study, models: Iterable[str], why: str) -> str:
    """The chosen model; where it is none of those that a page can use, the first of them, with a sentence that says so.

    models: at least one, the best first · why: what keeps a model from being used, after its name.
    """
    models, chosen = list(models), read_choice(study).model
    if chosen in models:
        return chosen
    if chosen:
        st.caption(f":material/info: {escape(chosen)} {escape(why)}: this is {escape(models[0])}.")
    return models[0]


def _offer(study: Study) -> Offer:
    titles = corpus_titles(study) if study.has("corpora", "frequency") else {}
    return Offer(titles, answer(defaults.list_scored_models, study), answer(defaults.find_start, study))


def _find_choice(offer: Offer, made: dict[str, Choice]) -> Choice:
    """What was just chosen, or the address names; else, unless it is a step in the browser's history, what was chosen last."""
    chosen = take_chosen(CORPUS_KEY) or take_chosen(MODEL_KEY)
    if chosen and offer.holds(chosen):
        return chosen
    spelled = {title: corpus for corpus, title in offer.titles.items()} | {corpus: corpus for corpus in offer.titles}
    corpus = spelled.get(st.query_params.get(CORPUS_KEY))
    asked = st.query_params.get(MODEL_KEY)
    model = asked if asked in set(offer.models["model"]) else None
    last = next(reversed(made.values()), None)
    if corpus or model or is_step_in_history() or last is None:
        return offer.complete(corpus, model)
    return last if offer.holds(last) else offer.complete(last.corpus if last.corpus in offer.titles else None, None)


def _show_box(label: str, key: str, names: list[str], chosen: str, offer: Offer) -> None:
    st.session_state[key] = chosen
    titles = offer.titles if key == CORPUS_KEY else {}
    st.selectbox(label, names, format_func=lambda name: titles.get(name, name), key=key, on_change=_follow, args=(key, offer))


def _follow(key: str, offer: Offer) -> None:
    """Notes what was chosen: with a corpus its model, with a model its corpus."""
    name = st.session_state[key]
    choose(key, offer.complete(name, None) if key == CORPUS_KEY else offer.complete(None, name))
