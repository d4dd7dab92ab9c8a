"""“Why this number?” on the Concept page: words, rules, numbers, the rare word, near misses, and a caption tried."""

import pytest

from tests.pages.session import assert_whole, choose, open_page, said
from tests.tiny_study import count_rows, write_study


@pytest.fixture
def world(studies):
    """A study of two captions, whose concept has two words and another name."""
    captions = {0: "a red rose", 1: "a <b>rose</b>"}
    samples = [
        {"corpus": "web", "sample_id": number, "caption": caption, "image": f"{number}.jpg", "offset": None, "length": None}
        | {"width": None, "height": None}
        for number, caption in captions.items()
    ]
    hits = [{"corpus": "web", "concept": "red rose", "modality": "text", "method": "lemmatized", "sample_id": 0, "score": None}]
    return write_study(
        studies / "mine",
        count_rows("web", "lemmatized", {"red rose": 1, "&": 0, "crane (bird)": 0}),
        pairs={"web": 2},
        manifest={"search": {"web": {"text": ["lemmatized"], "image": [], "chosen": {"text": "lemmatized"}}}},
        samples=samples,
        hits=hits,
        synonyms=[{"concept": "red rose", "name": "rosa rubra", "source": "file"}],
    )


def open_concept(name: str):
    return assert_whole(open_page("concept", concept=name))


def test_words_number_and_rule_are_told(world):
    text = said(open_concept("red rose"))
    assert "Why this number?" in text
    assert "Text search looks for the words `red`, `rose`. Its other names are “rosa rubra”." in text
    assert "- **1** of 2 samples of WEB: said in the caption, by lemma. A caption counts when it contains every word" in text
    assert "The word that limits it is `red`: **1** of 2 captions looked at have it; 2 have `rose`." in text
    assert "- “a <b>rose</b>” lacks `red`" in text


def test_caption_that_is_tried_says_why_it_counts_or_not(world):
    app = assert_whole(choose(open_concept("red rose"), "text_input", "tried", "Red roses & Rosa rubra"))
    text = said(app)
    assert "- :material/check: said in the caption, by lemma: counts by `Red`, `roses`" in text
    assert "- :material/close: said in the caption, letter by letter: lacks `rose`" in text
    assert "- :material/check: said in the caption, by any of its names: counts by `red rose`, `rosa rubra`" in text
    text = said(assert_whole(choose(app, "text_input", "tried", "a `dog`")))
    assert "- :material/close: said in the caption, by lemma: lacks `red`, `rose`" in text
    assert "- :material/close: said in the caption, by any of its names: none of its names is there" in text
    assert "The caption's words are `a`, `dog`; as lemmas `a`, `dog`." in text


def test_name_that_no_caption_can_have_and_bracket_are_told(world):
    assert "No letter or digit is in its name: no caption can have it, and its count is 0." in said(open_concept("&"))
    text = said(open_concept("crane (bird)"))
    assert "Text search looks for the words `crane`. The bracket (bird) says which is meant; it is not searched for." in text


def test_imported_counts_say_what_their_search_looked_for(published):
    text = said(open_concept("colt's foot"))
    assert "Text search looks for the words `colt`, `foot`." in text
    assert "By its published code, the search behind the imported counts looked for `foot` (`lemmatized`)" in text
