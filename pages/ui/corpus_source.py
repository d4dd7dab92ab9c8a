"""Which corpus a report is about, and answers about it: remembered for all, or for one session where it is a visitor's."""

from collections.abc import Callable
from dataclasses import dataclass
from types import FunctionType

import pandas as pd
import streamlit as st

from backend import corpus_report, frequency
from backend.corpus_report import CountedCorpus, Dropped
from backend.errors import TailscopeError
from backend.methods import Method
from backend.study import Study
from pages.ui.address import answer
from pages.ui.controls import corpus_titles
from precompute.search.contents import describe_corpus

MEMO_KEY = "counted-file-answers"  # of the session, and gone with it


@dataclass(frozen=True, eq=False)
class Source:
    """The corpus of a report with what is known of its samples.

    `contents`: its rows of `contents`, empty where `lacks` says why · `dropped`: what was read and dropped, unit by unit.
    """

    own: CountedCorpus
    contents: pd.DataFrame
    dropped: list[Dropped]
    lacks: str = ""


def answer_about(own: CountedCorpus, function: Callable, *args):
    """`function(own, *args)`, remembered: for all sessions where the corpus is a study's, for this one alone where it is a
    visitor's file."""
    if own.key:
        return _answer(function, own, *args)
    memo = st.session_state.setdefault(MEMO_KEY, {})
    key = (function.__qualname__, own.title, own.method, *(_name(arg) for arg in args))
    if key not in memo:
        memo[key] = function(own, *args)
    return memo[key]


@st.cache_data(
    max_size="100MB",
    show_spinner=False,
    hash_funcs={
        Study: lambda study: study.token,
        FunctionType: lambda f: f"{f.__module__}.{f.__qualname__}",
        CountedCorpus: lambda own: own.key,
    },
)
def _answer(function: Callable, own: CountedCorpus, *args):
    return function(own, *args)


def _name(argument: object) -> object:
    """What stands for an argument in a key: a study's token for a study, within a tuple too."""
    if isinstance(argument, tuple):
        return tuple(map(_name, argument))
    return argument.token if isinstance(argument, Study) else argument


def list_methods(study: Study, corpus: str) -> list[str]:
    """The methods that a corpus is counted by, those that look at captions first."""
    methods = answer(frequency.list_methods, study, corpus)["method"]
    return sorted(methods, key=lambda name: Method(name).modality != "text")


def read_ours(study: Study, corpus: str, method: str) -> Source:
    """A corpus of a study as a report takes it."""
    contents, lacks = _describe(study, corpus)
    own = answer(corpus_report.read_corpus, study, corpus, method, corpus_report.find_dispersion(contents, method))
    return Source(own, contents, answer(corpus_report.list_dropped, study, corpus), lacks)


def _describe(study: Study, corpus: str) -> tuple[pd.DataFrame, str]:
    """A corpus's contents, or why there are none."""
    contents = answer(corpus_report.read_contents, study, corpus)
    if len(contents):
        return contents, ""
    if corpus not in study.list_corpora("samples"):
        title = corpus_titles(study)[corpus]
        return (
            contents,
            f"The study holds the counts of {title} alone: without its samples, nothing can be said of its captions.",
        )
    try:
        return answer(describe_corpus, study, corpus), ""
    except TailscopeError as error:
        return contents, str(error)
