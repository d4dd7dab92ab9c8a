"""The queries of the release's text search, rebuilt: against labels worked out by hand, and spaCy's own tokenizer."""

import re

import pytest

from precompute.release.queries import rebuild_query


@pytest.mark.parametrize(
    ("label", "lemmatized", "lowercased"),
    [
        ("rose", ["rose"], ["rose"]),
        ("colt's foot", ["foot"], ["foot"]),  # the lemma of “colt's” is that of its last token, “'s”
        ("band-aid", ["aid"], []),
        ("Boeing_747-400", ["boeing"], ["boeing"]),
        ("crane (bird)", ["crane"], ["crane"]),  # the last token of “(bird)” is the bracket
        ("kite (bird of prey)", ["kite", "bird"], ["kite"]),
        ("running shoes", ["running", "shoe"], ["running", "shoes"]),
        ("17", [], []),
    ],
)
def test_query_keeps_what_the_index_can_hold(label, lemmatized, lowercased):
    assert rebuild_query(label, "lemmatized") == lemmatized
    assert rebuild_query(label, "lowercased") == lowercased


def test_last_tokens_are_those_of_spacy_but_for_one_car(published_study):
    import spacy

    tokenizer = spacy.blank("en").tokenizer
    labels = published_study.query("SELECT DISTINCT label FROM concepts")["label"]
    pieces = {piece for label in labels for piece in re.split(r"[_\s]+", label.lower()) if piece}
    strange = sorted(piece for piece in pieces if not re.fullmatch("[a-z]+", piece))
    assert len(strange) > 300

    def search(word: str) -> list[str]:
        return rebuild_query(word, "lemmatized") if re.fullmatch("[a-z]+", word) else []

    assert [piece for piece in strange if rebuild_query(piece, "lemmatized") != search(tokenizer(piece)[-1].text)] == ["h3t"]
