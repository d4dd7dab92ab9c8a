"""The router and what every page does: without a study, without a table, at any address, with any name."""

import json
import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from backend.schema import MANIFEST, TABLES
from backend.study import ROOT, Study
from pages.ui import address
from pages.ui.navigation import ENTRIES
from pages.ui.text import escape
from precompute.release.published import build_published
from tests.pages.session import PAGES, assert_whole, choose, downloads, find, links, open_page, said, told, written
from tests.release_archive import release_files, write_folder

ADDRESS = {"concept": {"concept": "crane"}, "test_set": {"names": "crane\nbank swallow"}}
# What a page cannot do without. It may say so beside what it can still show.
NEEDS = {
    "overview": {"concepts", "corpora", "frequency"},
    "distributions": {"concepts", "corpora", "frequency"},
    "scaling": {"concepts", "corpora", "frequency", "models", "performance"},
    "compare": {"concepts", "corpora", "frequency", "models", "performance"},
    "search_quality": {"corpora", "frequency"},
    "concept": {"concepts", "corpora", "frequency", "models", "performance", "scaling"},
    "misalignment": {"alignment", "corpora", "frequency"},
    "let_it_wag": {"corpora", "frequency", "overall", "tail"},
    "test_set": {"concepts", "corpora", "frequency", "models", "performance"},
    "probe": {"concepts", "corpora", "frequency"},
    "your_corpus": {"concepts", "corpora", "frequency"},
    "web_scale": {"corpora"},
}
QUESTIONS = {
    "overview": "Which concepts are rare, and what does that cost?",
    "distributions": "How long is the tail?",
    "scaling": "Does frequency determine performance?",
    "compare": "Where do two models differ?",
    "search_quality": "How right are the counts?",
    "concept": "How well is “crane” covered?",
    "misalignment": "Do captions say what images show?",
    "let_it_wag": "What do models know of the rarest concepts?",
    "test_set": "Is my test set in the tail?",
    "probe": "Does CLIP know what is on my photo?",
    "your_corpus": "What is in your corpus, and what does it hardly show?",
    "web_scale": "What would a corpus of any size take?",
}
NONSENSE = {
    "unknown": "nonsense",
    "empty": "",
    "number": "9999",
    "negative number": "-1.5",
    "markup and SQL": "*a* `b` $c$ <i>d</i> [e](http://f.g) '; DROP TABLE frequency; --",
    "long, with control characters": "\x00\x1b\u202e\n" + "x" * 10_000,
}
CHOICES = "study method corpus corpora view curve concept names model models tasks task kind setting against beside limit tail"
CHOICES = [*CHOICES.split(), "measure", "tagger", "text", "image", "near", "near_method", "control", "find", "pair"]
OF_SAMPLES = ["text_method", "image_method", "shown_by", "hits_page", "about", "threshold", "disagreement", "order"]
CHOICES += [*OF_SAMPLES, "samples_page", "validated"]
OF_PROBES = "source like pick clip clip_from clip_file among prompts templates truth experiment clips_beside synonyms"
CHOICES += [*OF_PROBES.split(), "rival", "cell_page", "counts_of", "labels", "described", "searched"]
CHOICES += ["whose", "part", "reference", "line", "together_in"]  # of a corpus's report
CHOICES += ["size", "pairs", "looks", "machines", "cores", "price", "measure_run"]  # of a corpus that is to be indexed
HOSTILE = "*a* _b_ `c` $d$ <i>e</i> [f](g) :red[h] # i & j &lt; k | l ~~m~~ \\n"


def open_with_data(page: str, **address):
    return open_page(page, **(ADDRESS.get(page, {}) | address))


# The house


def test_navigation_lists_every_page():
    assert sorted(entry.name for entry in ENTRIES) == PAGES
    for words in ([entry.title for entry in ENTRIES], [entry.about for entry in ENTRIES]):
        assert len(set(words)) == len(PAGES)


def test_every_page_has_a_test_file_and_every_test_file_a_page():
    tested = {path.stem.removeprefix("test_") for path in (ROOT / "tests" / "pages").glob("test_*.py")}
    assert tested - {"app", "ui", "downloads", "strange_studies", "choice", "any_term", "exports", "why"} == set(PAGES)


def test_every_page_is_known_here():
    assert sorted(NEEDS) == sorted(QUESTIONS) == PAGES


# No study, one, two


@pytest.mark.parametrize("page", ["", *PAGES])
def test_without_a_study_the_app_shows_the_command(studies, page):
    app = assert_whole(open_page(page))
    assert app.title[0].value == "No study yet"
    assert [code.value for code in app.code] == ["python -m precompute synthetic", "python -m precompute published"]
    assert not app.get("selectbox")


def test_absent_folder_of_studies_is_no_study(studies, monkeypatch):
    monkeypatch.setattr("pages.ui.address.STUDIES", studies / "absent")
    assert open_page().title[0].value == "No study yet"


def test_one_study_is_the_one_shown_and_links_do_not_name_it(published):
    app = assert_whole(open_page("scaling"))
    assert find(app, "selectbox", "study").options == ["The paper's results"]
    assert not any("study=" in link.proto.query_string for link in app.get("page_link"))


def test_two_studies_can_be_chosen_between(place_study):
    place_study("mine", title="My own study")
    place_study()
    app = assert_whole(open_page())
    assert find(app, "selectbox", "study").value == "mine"
    assert "My own study" in said(app)
    app = assert_whole(choose(app, "selectbox", "study", "published"))
    assert "My own study" not in said(app)


def test_address_opens_a_study_and_links_keep_it(place_study):
    place_study("mine")
    place_study("other", title="The other one")
    app = assert_whole(open_page("scaling", study="other"))
    assert find(app, "selectbox", "study").value == "other"
    queries = [link.proto.query_string for link in app.get("page_link") if "concept" in link.proto.page]
    assert queries
    assert all("study=The+other+one" in query for query in queries)


def test_studies_of_one_title_and_one_that_cannot_be_read_are_told_apart_by_their_folders(place_study, studies):
    place_study("mine")
    place_study()
    (studies / "broken").mkdir()
    (studies / "broken" / MANIFEST).write_text("{", encoding="utf-8")
    titles = ["broken", "The paper's results (mine)", "The paper's results (published)"]
    assert find(open_page(study="mine"), "selectbox", "study").options == titles
    app = assert_whole(open_page("scaling", study="published"))
    assert find(app, "selectbox", "study").value == "published"


def test_disk_is_asked_for_studies_once_a_run(place_study, monkeypatch):
    place_study("mine", title="My own")
    place_study()
    asked = []
    list_studies = address.list_studies
    monkeypatch.setattr(address, "list_studies", lambda root: asked.append(root) or list_studies(root))
    app = assert_whole(open_page("concept", concept="rose", study="The paper's results"))
    assert any("study=The+paper%27s+results" in link.proto.query_string for link in app.get("page_link"))
    assert len(asked) == 1


def test_study_that_is_built_anew_is_read_anew(place_study, studies):
    study = place_study(created="2026-01-01T00:00:00+00:00", title="Before")
    assert "Before" in said(open_page())
    manifest = json.loads((study.folder / MANIFEST).read_text(encoding="utf-8"))
    (study.folder / MANIFEST).unlink()
    (study.folder / MANIFEST).write_text(json.dumps(manifest | {"created": "2026-01-02", "title": "After"}), encoding="utf-8")
    assert "After" in said(open_page())


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema_version": 0}', '{"schema_version": 99, "title": "x"}'])
def test_study_that_cannot_be_read_is_said_with_the_command(studies, text):
    (studies / "broken").mkdir()
    (studies / "broken" / MANIFEST).write_text(text, encoding="utf-8")
    app = assert_whole(open_page())
    (message,) = told(app)
    assert "broken" in message
    assert "python -m precompute" in message


# With data


@pytest.mark.parametrize("page", sorted(set(PAGES) - {"probe", "search_quality", "web_scale"}))
def test_page_asks_its_question_and_says_how_it_counted(published, page):
    assert_asked_and_counted(open_with_data(page), QUESTIONS[page])


@pytest.mark.parametrize("page", sorted(set(PAGES) - {"probe", "web_scale"}))
def test_every_page_of_the_invented_world_is_filled(world, page):
    address = {"concept": {"concept": "striped daxu"}, "test_set": {"names": "striped daxu"}}
    question = QUESTIONS[page].replace("crane", "striped daxu")
    assert_asked_and_counted(open_page(page, **address.get(page, {})), question)


def assert_asked_and_counted(app, question: str) -> None:
    """The page is whole, asks its question, says how it counted, and offers what it shows."""
    assert_whole(app)
    assert said(app).splitlines()[0] == question
    assert "How this was counted" in [box.label for box in app.expander]
    assert any("samples, that is image-text pairs" in text for text in written(app))
    assert told(app) in ([], ["No class is that hard for every model. Raise the limit above."])
    kinds = [name.rsplit(".", 1)[-1] for name in downloads(app)]
    assert kinds.count("html") == len(app.get("plotly_chart")) > 0
    assert kinds.count("csv") == kinds.count("parquet") >= len(app.dataframe)


def test_pages_follow_one_another_in_one_session(published):
    app = open_page()
    for page in [*PAGES, *reversed(PAGES)]:
        app = assert_whole(app.switch_page(f"pages/{page}.py").run())
    assert app.title[0].value == "Where do two models differ?"  # the first of the alphabet


# A table missing


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_link_to_a_page_that_the_study_cannot_fill_is_grey_and_says_why_once(place_study, entry):
    place_study(without=tuple(TABLES))
    app = open_page()
    (link,) = [link for link in app.sidebar.get("page_link") if link.value == entry.title]
    assert link.proto.disabled == bool(entry.tables)
    (reasons,) = app.sidebar.expander
    told_of = re.findall(r"\*\*(.*?)\.\*\* Study", re.sub(r"\\(.)", r"\1", reasons.markdown[0].value))
    assert (entry.title in told_of) == bool(entry.tables)


def test_study_that_fills_every_page_has_no_grey_link(world):
    app = open_page()
    assert not [link for link in app.sidebar.get("page_link") if link.proto.disabled]
    assert not app.sidebar.expander


@pytest.mark.parametrize(("page", "missing"), [(page, table) for page in PAGES for table in sorted(NEEDS[page])])
def test_missing_table_is_named_with_the_command_that_builds_it(place_study, page, missing):
    place_study(without=(missing,))
    app = assert_whole(open_with_data(page))
    messages = [message for message in told(app) if "no table" in message]
    assert len(messages) == 1
    assert re.fullmatch(rf"Study 'published' has no table '{missing}'\. Build it: python -m precompute \w+", messages[0])


@pytest.mark.parametrize("page", PAGES)
def test_page_does_without_the_tables_that_it_does_not_need(place_study, page):
    place_study(without=tuple(set(TABLES) - NEEDS[page]))
    app = assert_whole(open_with_data(page))
    assert said(app).splitlines()[0] == QUESTIONS[page]
    assert not [message for message in told(app) if "no table" in message]


@pytest.mark.parametrize("page", PAGES)
def test_study_without_any_table_is_a_sentence(place_study, page):
    place_study(without=tuple(TABLES))
    (message,) = told(assert_whole(open_with_data(page)))
    assert re.fullmatch(r"Study 'published' has no table '\w+'\. Build it: python -m precompute \w+", message)


# Any address


@pytest.mark.parametrize("value", NONSENSE.values(), ids=NONSENSE)
@pytest.mark.parametrize("page", ["concept", "misalignment", "probe", "scaling", "search_quality"])
def test_unknown_values_in_the_address_break_no_page_with_samples(world, page, value):
    choices = dict.fromkeys(CHOICES, value) | ({"concept": "striped daxu"} if page == "concept" else {})
    assert assert_whole(open_page(page, **choices)).title


@pytest.mark.parametrize("value", NONSENSE.values(), ids=NONSENSE)
@pytest.mark.parametrize("page", PAGES)
def test_unknown_values_in_the_address_break_no_page(published, page, value):
    app = assert_whole(open_page(page, **dict.fromkeys(CHOICES, value)))
    assert app.title


@pytest.mark.parametrize("page", PAGES)
def test_parameters_given_many_times_and_unknown_ones_break_no_page(published, page):
    twice = {name: ["nope", "lemmatized", "cc3m"] for name in CHOICES}
    assert_whole(open_page(page, **twice, utm_source="mail", **{"": "x", "a b": "c"}))


# Any name


@pytest.fixture(scope="session")
def hostile_study(tmp_path_factory) -> Study:
    """The small study with hostile text at the end of every concept, label, model, corpus title and task."""
    root = tmp_path_factory.mktemp("hostile")
    folder = root / "study"
    build_published(write_folder(root / "release", release_files()), folder, lambda stage, done: None)
    columns = {"concept", "label", "title", "model"}
    for name in Study(folder).tables:
        rows = pq.read_table(folder / f"{name}.parquet")
        for column in columns & set(rows.column_names):
            values = [f"{value} {HOSTILE}" for value in rows[column].to_pylist()]
            rows = rows.set_column(rows.column_names.index(column), rows.schema.field(column), pa.array(values))
        pq.write_table(rows, folder / f"{name}.parquet")
    return Study(folder)


@pytest.mark.parametrize("page", sorted(set(PAGES) - {"probe", "search_quality", "web_scale"}))
def test_hostile_names_of_a_study_are_shown_as_they_are(place_study, hostile_study, page):
    place_study(source=hostile_study)
    address = {
        "concept": {"concept": f"crane {HOSTILE}"},
        "test_set": {"names": f"crane {HOSTILE}"},
        "let_it_wag": {"limit": "65"},
    }
    app = assert_whole(open_page(page, **address.get(page, {})))
    shown = [text for text in written(app) if "~m" in text or "~~" in text]
    assert shown
    for text in shown:
        assert HOSTILE not in text, text
        assert escape(HOSTILE) in text, text


@pytest.mark.parametrize("name", [HOSTILE, "a" * 10_000, "🌹" * 500, "'\"\"'\u202e", "rose\n# rose"])
@pytest.mark.parametrize("page", ["concept", "distributions", "test_set"])
def test_hostile_text_of_a_visitor_is_shown_as_it_is(published, page, name):
    app = assert_whole(open_page(page, concept=name, names=name))
    assert HOSTILE not in "\n".join(written(app))


def test_links_lead_to_pages_that_exist(published):
    for page in PAGES:
        app = open_with_data(page)
        assert {link.proto.page for link in app.get("page_link")} <= {"", *PAGES}
        assert all(links(app))
