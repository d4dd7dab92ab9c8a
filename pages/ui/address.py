"""The study at hand and cached answers about it, and links that keep the study in the address."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType
from urllib.parse import urlencode

import streamlit as st
from streamlit.navigation.page import Page
from streamlit.runtime.pages_manager import PagesManager
from streamlit.runtime.scriptrunner import get_script_run_ctx

from backend.errors import TailscopeError
from backend.schema import MANIFEST, table_files
from backend.study import STUDIES, Study, list_studies
from pages.ui.text import escape, shorten

STUDY_KEY = "study"
CHOICE_KEYS = ("corpus", "model")
CHOSEN_KEY, CARRIED_KEY = "just-chosen", "carried-by-links"
LISTED_KEY = "listed-studies"
MEMORY_KEY = "choices-of-pages"
GOING_KEY = "going-to-a-concept"
TITLE_CHARACTERS = 60  # of a browser's title
OF_ONE_SUBJECT = {"task", "hits_page", "terms_page", "said_with"}  # choices that make no sense for another concept
NOT_A_PAGES = {STUDY_KEY, *CHOICE_KEYS, "find", "names_file"}


@dataclass(frozen=True)
class Left:
    """How a page was left: the values of its controls by their keys, and its part of the address."""

    choices: dict[str, object]
    address: dict[str, list[str]]


def choose_study() -> str | None:
    """The study picker of the sidebar; None where there is no study at all. The disk is asked once a run, here."""
    titles = st.session_state[LISTED_KEY] = name_studies(list_studies(STUDIES))
    if not titles:
        return None
    first = next(iter(titles))
    spelled = {title: name for name, title in titles.items()} | {name: name for name in titles}
    before = first if is_step_in_history() else st.session_state.get(STUDY_KEY)
    chosen = take_chosen(STUDY_KEY) or spelled.get(st.query_params.get(STUDY_KEY)) or before
    st.session_state[STUDY_KEY] = chosen = chosen if chosen in titles else first
    said = {STUDY_KEY: None if chosen == first else titles[chosen]}
    write_address(said)
    st.session_state[CARRIED_KEY] = {key: value for key, value in said.items() if value}
    return st.selectbox(
        "Study",
        list(titles),
        format_func=titles.get,
        key=STUDY_KEY,
        on_change=lambda: choose(STUDY_KEY, st.session_state[STUDY_KEY]),
        help="A study is a folder of tables that belong together: everything on every page comes from this one.",
    )


def choose(key: str, value: object) -> None:
    """Notes, for the run that follows, what was just chosen: it goes before what the address says."""
    st.session_state.setdefault(CHOSEN_KEY, {})[key] = value


def take_chosen(key: str) -> object | None:
    """What was just chosen under a key, once; None where nothing was."""
    return st.session_state.get(CHOSEN_KEY, {}).pop(key, None)


def hold_choice(key: str, names: Sequence[str]) -> str:
    """Which of some names was just chosen, or the address asks for; else the first. The control of this key then shows it.

    For a choice about what the page is about: a link on the same page to something else leaves it behind, which it does not
    do with a control that Streamlit binds to the address.
    """
    asked = take_chosen(key) or st.query_params.get(key)
    chosen = st.session_state[key] = asked if asked in names else names[0]
    write_address({key: None if chosen == names[0] else chosen})
    return chosen


def write_address(said: Mapping[str, str | None]) -> None:
    """Puts query parameters into the address, and takes out those that are None; those that stand there cost nothing.

    A change is an entry of its own in the browser's history, but for one that a step in the history brings.
    """
    for key, value in said.items():
        if value is None:
            st.query_params.pop(key, None)
        elif st.query_params.get_all(key) != [value]:
            st.query_params[key] = value


def is_step_in_history() -> bool:
    """Whether the browser's Back or Forward asked for this run: then what the address does not name was not chosen there."""
    context = get_script_run_ctx()
    return context is not None and context.is_history_navigation


def carry(parameters: Mapping[str, str]) -> None:
    """Lets every link of this run that stays in the study carry some query parameters."""
    st.session_state[CARRIED_KEY] = {**st.session_state[CARRIED_KEY], **parameters}


def name_studies(names: list[str]) -> dict[str, str]:
    """folder name -> title of each study; with the folder's name beside it where several have one title."""
    titles = {name: _read_title(STUDIES / name, (STUDIES / name / MANIFEST).stat().st_mtime_ns) for name in names}
    several = {title for title, studies in Counter(titles.values()).items() if studies > 1}
    return {name: f"{title} ({name})" if title in several else title for name, title in titles.items()}


@st.cache_data(max_entries=1000, show_spinner=False)
def _read_title(folder: Path, built: int) -> str:
    """A study's title; the folder's name where there is none or the study cannot be opened, which its pages tell."""
    try:
        return Study(folder).title or folder.name
    except TailscopeError:
        return folder.name


def accept_name(key: str, names: list[str], title_of: Callable[[str], str]) -> None:
    """Lets an address say `method=rampp@0.7` or `corpus=cc3m`, where Streamlit itself takes only the title it shows."""
    name = st.query_params.get(key)
    if name in names and key not in st.session_state and title_of(name) != name:
        st.query_params[key] = title_of(name)
        st.rerun()


def name_window(page: Page) -> None:
    """The browser's title: what the page is about, a concept where it is about one."""
    asked = st.query_params.get("concept")
    about = asked if page.url_path == "concept" and asked else page.title
    st.set_page_config(page_title=f"{shorten(about, TITLE_CHARACTERS)} · Tailscope")


def current_study() -> Study:
    """The chosen study, opened once for all sessions and anew when it is built anew."""
    if PagesManager.uses_pages_directory:
        # Until the process has seen its first st.navigation, Streamlit runs a deep-linked file of pages/ without app.py.
        PagesManager.uses_pages_directory = False
        st.rerun()
    return open_study(st.session_state[STUDY_KEY])


def open_study(name: str) -> Study:
    """A study of the list by its folder's name, opened once for all sessions and anew when it is built anew."""
    folder = STUDIES / name
    return _open_study(folder, (folder / MANIFEST).stat().st_mtime_ns)


def find_current_study() -> Study | None:
    """The chosen study; None where it cannot be read, of which its pages tell."""
    try:
        return current_study()
    except TailscopeError:
        return None


@st.cache_resource(max_entries=16, show_spinner=False)
def _open_study(folder: Path, built: int) -> Study:
    return Study(folder)


@st.cache_data(
    max_size="200MB",
    show_spinner=False,
    hash_funcs={Study: lambda study: study.token, FunctionType: lambda f: f"{f.__module__}.{f.__qualname__}"},
)
def answer(function: Callable, *args, **kwargs):
    """`function(*args, **kwargs)` of the backend, remembered: the answer to the same question about the same study."""
    return function(*args, **kwargs)


def run_page(page: Page) -> None:
    """Runs a page with the choices that it was left with, but for those that the address makes anew.

    Streamlit forgets a page's widgets when another page is shown. A link of the navigation names them in the address
    (`recall_address`); a link from elsewhere in the app does not, and it puts its own parameters behind the page that it
    leads away from, so that a step back may come without any of those that the page was left with.
    """
    memory = st.session_state.setdefault(MEMORY_KEY, {})
    place = (st.session_state[STUDY_KEY], page.url_path)
    left, came = memory.get(place), memory.get("here") != place
    memory["here"] = place
    said = (
        left is not None and is_step_in_history() and (not left.address or any(key in st.query_params for key in left.address))
    )
    if came and left and not said:
        unbound = {key: values[-1] for key, values in left.address.items() if key not in left.choices}
        write_address({key: value for key, value in unbound.items() if key not in st.query_params})
        another = any(st.query_params[key] != value for key, value in unbound.items())
        choices = {key: value for key, value in left.choices.items() if key not in st.query_params}
        st.session_state.update({key: value for key, value in choices.items() if not (another and key in OF_ONE_SUBJECT)})
        if is_step_in_history():
            st.rerun()  # in the run that a step back causes, Streamlit holds every control to the address
    try:
        page.run()
    finally:
        choices = {key: st.session_state[key] for key in st.session_state if _is_choice(key)}
        address = {key: st.query_params.get_all(key) for key in st.query_params if _is_choice(key)}
        memory[place] = Left(choices, address)


def recall_address(url_path: str) -> dict[str, str | list[str]]:
    """The query parameters of a link to a page of the study at hand, as it was left."""
    left = st.session_state.get(MEMORY_KEY, {}).get((st.session_state.get(STUDY_KEY), url_path))
    return with_study(**(left.address if left else {}))


def follow_link() -> None:
    """Lets the browser's address say what the script was asked for: a link to the page at hand leaves it as it was."""
    st.query_params.update({})


def _is_choice(key: object) -> bool:
    """Whether a key of the session names a control: figures, tables and downloads have a hyphen in theirs."""
    return isinstance(key, str) and key.isidentifier() and key not in NOT_A_PAGES


def with_study(**parameters) -> dict[str, str]:
    """Query parameters of a link: those given, with the study, the corpus and the model where they are not the first ones."""
    return {**parameters, **st.session_state.get(CARRIED_KEY, {})}


def find_other_study(*tables: str) -> str | None:
    """The first study beside the chosen one that holds these tables; None where no other does."""
    others = [name for name in st.session_state[LISTED_KEY] if name != st.session_state[STUDY_KEY]]
    return next((name for name in others if all(table_files(STUDIES / name, table) for table in tables)), None)


def link_study(page: str, study: str, label: str) -> None:
    """A link to a page as another study fills it; the study's title follows the label."""
    title = st.session_state[LISTED_KEY][study]
    st.page_link(page, label=escape(f"{label} “{title}”"), icon=":material/database:", query_params={STUDY_KEY: title})


def concept_address(concept: str) -> str:
    """The address of the page of a concept, from another page of the app."""
    return f"concept?{urlencode(with_study(concept=concept))}"


def link_concept(concept: str) -> None:
    """A link to the page of a concept."""
    st.page_link("pages/concept.py", label=escape(concept), query_params=with_study(concept=concept))


def link_concepts(concepts: Iterable[str]) -> None:
    """Links to the pages of some concepts, in a row."""
    with st.container(horizontal=True, gap="small"):
        for concept in concepts:
            link_concept(concept)


def open_concept(concept: str) -> None:
    """Goes to the page of a concept: for a callback, since the browser goes there in the run that follows.

    Streamlit's own switch writes the new parameters behind the old page first, which leaves an entry more in the history.
    """
    st.session_state[GOING_KEY] = {"concept": concept, "asked": str(time.monotonic_ns())}


def take_step() -> dict[str, str] | None:
    """Where the browser is to go, once: a `concept`, and when it was `asked` for; None where it stays."""
    return st.session_state.pop(GOING_KEY, None)
