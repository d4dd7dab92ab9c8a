"""A visitor's file of captions: handed in, counted with a bar, held for the session and forgotten with it."""

from dataclasses import dataclass

import pandas as pd
import streamlit as st

from backend import corpus_report, testset
from backend.corpus_report import CountedCorpus, Dropped
from backend.errors import EmptySelection
from backend.study import Study
from backend.words import canonical
from pages.ui.address import answer
from pages.ui.corpus_source import MEMO_KEY, Source
from pages.ui.progress import follow
from precompute.count_file import MAX_CAPTIONS, MAX_MEGABYTES, CountedFile, count_file

COUNTED_KEY, ASKED_KEY = "counted-file", "count-asked"  # of the session, and gone with it
OWN_CLASSES = "your classes"


@dataclass(frozen=True, eq=False)
class Counted:
    """A counted file with the concepts that were looked for: task, kind, concept."""

    file: CountedFile
    tasks: pd.DataFrame

    @property
    def methods(self) -> list[str]:
        """The methods that it was counted by."""
        return list(dict.fromkeys(self.file.counts["method"]))


def ask_for_file(study: Study) -> Counted:
    """The file that a visitor hands in, once it is counted; until then the page ends here.

    Raises TailscopeError where it cannot be counted.
    """
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
        st.session_state[COUNTED_KEY] = Counted(counted, tasks)
    if COUNTED_KEY not in st.session_state:
        st.caption(
            "Captions in any form that `index` reads: a table (CSV, TSV), JSON, Parquet, plain text, a webdataset tar. The "
            "file is counted on the machine that runs this app, held in memory for this session, and kept nowhere. What is "
            "larger is indexed: `python -m precompute index`."
        )
        st.stop()
    return st.session_state[COUNTED_KEY]


def _ask_for_count() -> None:
    """Notes that the button was pressed: the button itself forgets it where a run begins anew."""
    st.session_state[ASKED_KEY] = True


def _read_tasks(pasted: str) -> pd.DataFrame:
    """Pasted class names as a task."""
    listed = testset.read_list(pasted)
    named = list(dict.fromkeys(filter(None, map(canonical, listed.names))))
    return pd.DataFrame({"task": OWN_CLASSES, "kind": "classification", "concept": named})


def read_file(counted: Counted, method: str) -> Source:
    """A counted file as a report takes it, by one of its methods."""
    file = counted.file
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
