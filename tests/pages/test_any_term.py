"""A name that no study compiled, on the page of a concept: counted in all captions, set beside the concepts, shown."""

import pandas as pd
import pytest

from backend.terms import Counted, Place, Together
from pages.ui.any_term import tell_count, tell_together
from precompute.search.terms import update_terms
from tests.pages.session import assert_whole, captions, find, open_page, reasons, said, told
from tests.searched_study import build


@pytest.fixture
def indexed(studies):
    """The app serves the searched study with an index of its captions' words."""
    build(studies / "mine")
    update_terms(studies / "mine", studies.parent / "work", "mine", wanted=True)


def open_concept(name: str, **address):
    return assert_whole(open_page("concept", concept=name, **address))


def test_name_that_only_captions_know_is_counted_ranked_and_shown(indexed):
    app = open_concept("red")
    assert "No concept of this study is named “red”." in said(app)
    assert "But in MINE, 1 caption says it" in said(app)
    assert "**17%** of its 6 captions; commoner than **0.00%** of its 2 compiled concepts (it would be number 3)." in said(app)
    assert captions(app) == ["a red rose"]
    assert reasons(app) == [":material/check: text: **red**"]


def test_phrase_is_counted_in_order_or_anywhere(indexed):
    assert "No caption of MINE says it either" in said(open_concept("roses red"))
    app = open_concept("roses red", term_method="lemmatized")
    assert "But in MINE, 1 caption says it" in said(app)
    assert reasons(app) == [":material/check: text: **red, rose**"]


def test_second_name_is_counted_with_the_first(indexed):
    app = open_concept("and")
    find(app, "text_input", "said_with").set_value("lilies")
    assert_whole(app.run())
    assert "**1** caption says “and” and “lilies”, about as many as the **0.3** of chance" in said(app)
    assert captions(app) == ["rose and lily"]
    app = open_concept("and", said_with="zeppelin")
    assert "none says “zeppelin” at all." in said(app)
    assert captions(app) == []


@pytest.mark.parametrize("name", ["zzzz", '"zz" OR *', "zz\0zz"])
def test_name_that_no_caption_says_is_a_sentence(indexed, name):
    assert "No caption of MINE says it either" in said(open_concept(name))


def test_name_without_a_word_is_a_sentence(indexed):
    assert "There is no word in it, and captions are searched for words." in told(open_concept("!!!"))
    assert "No caption" not in said(open_concept(""))


def test_concept_of_the_study_has_no_such_block(indexed):
    assert "But in MINE" not in said(open_concept("rose"))


def test_without_an_index_the_page_is_as_it_was(studies):
    build(studies / "mine")
    assert "caption" not in said(open_concept("red"))


def test_damaged_index_is_told_with_the_command(indexed, studies):
    (studies / "mine" / "terms" / "mine" / "meta.json").unlink()
    (told_of,) = told(open_concept("red"))
    assert "cannot be opened" in told_of
    assert "--terms all" in told_of


def test_count_is_told_with_share_rank_and_expected_scores():
    scores = pd.DataFrame({"low": [20.0, 30.0], "high": [60.0, 70.4], "extrapolates": [False, False]})
    assert tell_count(Counted(1234, 100_000), Place(2, 1, 7), scores) == (
        "**1%** of its 100,000 captions; commoner than **70%** of its 10 compiled concepts (it would be number 3).  \n"
        "2 CLIPs trained on it: expected at this frequency **20 to 70%**."
    )
    beyond = scores.head(1).assign(extrapolates=True)
    assert tell_count(Counted(1, 10), Place(0, 0, 1), beyond).endswith(
        "The CLIP trained on it: expected at this frequency **20 to 60%**, told from concepts of other counts than it."
    )


@pytest.mark.parametrize(
    ("nested", "stands_out", "pmi", "words"),
    [
        (False, True, 3.0, "far more than the **10.0** of chance (PMI +3.00)"),
        (False, True, -3.0, "far less than the **10.0** of chance (PMI -3.00)"),
        (False, False, 3.0, "about as many as the **10.0** of chance"),
        (True, False, 3.0, "and the one name is part of the other; not to be compared with the **10.0** of chance"),
    ],
)
def test_company_is_told_by_what_stands_out(nested, stands_out, pmi, words):
    assert words in tell_together(Together(80, 100, 10.0, pmi, nested, stands_out), "a", "b")
