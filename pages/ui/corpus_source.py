"""Which corpus a report is about: one that the study holds, or a caption file that is counted here and gone with the "
"session."""

from collections.abc import Callable
from dataclasses import dataclass
from types import FunctionType

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from backend import corpus_report, frequency, testset
from backend.corpus_report import CountedCorpus, Dropped
from backend.errors import EmptySelection, TailscopeError
from backend.methods import Method
from backend.study import Study
from backend.words import canonical
from pages.ui.address import answer
from pages.ui.choice import read_choice
from pages.ui.controls import choose_method, choose_word, corpus_titles
from pages.ui.progress import follow
from pages.ui.text import escape, shorten
from precompute.count_file import MAX_CAPTIONS, MAX_MEGABYTES, CountedFile, count_file
from precompute.search.contents import describe_corpus

OURS, FILE = "A corpus of this study", "A file of mine"
COUNTED_KEY, MEMO_KEY, ASKED_KEY = "counted-file", "counted-file-answers", "count-asked"  # of the session, and gone with it
OWN_CLASSES = "your classes"
SHORT = 40  # characters of a file's name


@dataclass(frozen=True, eq=False)
class Source:
    """The corpus of a report with what is known of its samples.

    `contents`: its rows of `contents`, empty where `lacks` says why · `dropped`: what was read and dropped, unit by unit.
    """

    own: CountedCorpus
    contents: pd.DataFrame
    dropped: list[Dropped]
    lacks: str = ""


@dataclass(frozen=True, eq=False)
class _Counted:
    """A counted file with the concepts that were looked for."""

    file: CountedFile
    tasks: pd.DataFrame


def answer_about(own: CountedCorpus, function: Callable, *args):
    """`function(own, *args)`, remembered: for all sessions where the corpus is a study's, for this one alone where it is "
    "a file."""
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


def choose_source(study: Study, place: DeltaGenerator, more: DeltaGenerator) -> Source:
    """The corpus of the sidebar, or a file: with what belongs to it in a place and among more choices. Raises EmptySelection
    where there is none, or no file yet."""
    kind = choose_word("Whose captions", [OURS, FILE], "whose")
    return _choose_ours(study, more) if kind == OURS else _choose_file(study, place, more)


def _choose_ours(study: Study, more: DeltaGenerator) -> Source:
    corpus = read_choice(study).corpus
    if corpus is None:
        raise EmptySelection(f"Study '{study.name}' has no counted corpus. Choose a file of yours above, or index one.")
    with more:
        methods = answer(frequency.list_methods, study, corpus)["method"]
        by_text = sorted(methods, key=lambda name: Method(name).modality != "text")
        method = choose_method(by_text)
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


def _choose_file(study: Study, place: DeltaGenerator, more: DeltaGenerator) -> Source:
    concepts = answer(corpus_report.list_tasks, study) if study.has("concepts") else pd.DataFrame()
    number = concepts["concept"].nunique() if len(concepts) else 0
    with st.form("count-file"):
        left, right = st.columns(2)
        with left:
            upload = st.file_uploader(
                f"A file of captions, up to {MAX_MEGABYTES} MB and {MAX_CAPTIONS:,} captions",
                max_upload_size=MAX_MEGABYTES,
                key="corpus-file",
            )
        with right:
            pasted = st.text_area(
                "Class names to look for" + (f" (empty: the {number:,} concepts of this study)" if number else ""),
                key="corpus-classes",
                height=120,
            )
        st.form_submit_button("Count", type="primary", icon=":material/calculate:", on_click=_ask_for_count)
    asked = st.session_state.pop(ASKED_KEY, False)
    if asked and upload is None:
        raise EmptySelection("No file yet. Choose one above.")
    if asked:
        forget_file()
        tasks = _read_tasks(pasted) if pasted.strip() else concepts
        content, names = upload.getvalue(), list(tasks["concept"].unique()) if len(tasks) else []
        if not names:
            raise EmptySelection("No concepts to look for. Paste some class names beside the file.")
        counted = follow(f"Counting {upload.name}", lambda say: count_file(upload.name, content, names, say))
        st.session_state[COUNTED_KEY] = _Counted(counted, tasks)
    if COUNTED_KEY not in st.session_state:
        st.caption(
            "Captions in any form that `index` reads: a table (CSV, TSV), JSON, Parquet, plain text, a webdataset tar. The "
            "file is counted on the machine that runs this app, held in memory for this session, and kept nowhere. What is "
            "larger is indexed: `python -m precompute index`."
        )
        st.stop()
    return _describe_file(st.session_state[COUNTED_KEY], place, more)


def _ask_for_count() -> None:
    """Notes that the button was pressed: the button itself forgets it where a run begins anew."""
    st.session_state[ASKED_KEY] = True


def _read_tasks(pasted: str) -> pd.DataFrame:
    """Pasted class names as a task."""
    listed = testset.read_list(pasted)
    named = list(dict.fromkeys(filter(None, map(canonical, listed.names))))
    return pd.DataFrame({"task": OWN_CLASSES, "kind": "classification", "concept": named})


def _describe_file(counted: _Counted, place: DeltaGenerator, more: DeltaGenerator) -> Source:
    file = counted.file
    with more:
        method = choose_method(list(dict.fromkeys(file.counts["method"])))
    place.button(f"Forget {escape(shorten(file.name, SHORT))}", on_click=forget_file, icon=":material/delete:")
    table = file.counts[file.counts["method"] == method].set_index("concept").sort_index()
    own = CountedCorpus(
        key=None,
        title=file.name,
        pairs=file.captions,
        method=method,
        counts=table["count"],
        tasks=counted.tasks,
        dispersion=file.dispersions[method],
        distinct=table["distinct"],
    )
    dropped = [
        Dropped(
            unit, entry["read"], entry["written"], pd.DataFrame(list(entry["dropped"].items()), columns=["reason", "count"])
        )
        for unit, entry in file.books.items()
    ]
    return Source(own, file.contents, dropped)


def forget_file() -> None:
    """Lets go of a counted file and of all that was found out about it."""
    for key in (COUNTED_KEY, MEMO_KEY):
        st.session_state.pop(key, None)
