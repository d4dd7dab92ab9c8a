"""Labels, captions and queries become concepts and words by the same few rules."""

import pytest

from backend.words import canonical, lemma, lemmas, match_words, split_words


@pytest.mark.parametrize(
    ("label", "concept"),
    [
        ("Acadian_Flycatcher", "acadian flycatcher"),
        ("  great\twhite \n shark ", "great white shark"),
        ("BAE_146-200", "bae 146-200"),
        ("colt's foot", "colt's foot"),
        ("a__b _ c", "a b c"),
        ("\u3000A\u00a0b ", "a b"),
        ("ÉCLAIR", "éclair"),
        ("plane", "plane"),
        (" _ ", ""),
        ("", ""),
    ],
)
def test_concept_of_a_label_has_single_spaces_and_small_letters(label, concept):
    assert canonical(label) == concept


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The Colt's-foot, 2 pcs.", ["the", "colt", "foot", "2", "pcs"]),
        ("colt\u2019s foot", ["colt", "foot"]),
        ("ROSE'S", ["rose"]),
        ("dogs'", ["dogs"]),
        ("it's 's", ["it"]),
        ("O'Brien's", ["o", "brien"]),
        ("snake_case wi-fi", ["snake", "case", "wi", "fi"]),
        ("C-130H 737-800 3D 20th", ["c", "130h", "737", "800", "3d", "20th"]),
        ("Cafe\u0301 \ufb01sh", ["cafe", "fish"]),
        ("STRASSE straße", ["strasse", "strasse"]),
        ("\uff32ose ½ cup", ["rose", "1", "2", "cup"]),
        ("日本 の花", ["日本", "の花"]),
        ("👍🏽 ok!", ["ok"]),
        ("!!!", []),
        ("", []),
    ],
)
def test_words_of_a_text_are_folded_runs_of_letters_and_digits(text, words):
    assert split_words(text) == words


@pytest.mark.parametrize(
    ("word", "noun"),
    [
        ("roses", "rose"),  # a rule that ends at a known noun
        ("leaves", "leaf"),
        ("churches", "church"),
        ("flies", "fly"),
        ("mice", "mouse"),  # an exception
        ("geese", "goose"),
        ("women", "woman"),
        ("bus", "bus"),  # a known noun stays
        ("buses", "bus"),
        ("gas", "gas"),
        ("iris", "iris"),
        ("series", "series"),
        ("class", "class"),
        ("boss", "boss"),  # not the known noun "bos"
        ("jeans", "jean"),
        ("a310", "a310"),  # a word of no table stays
        ("310s", "310"),
        ("as", "as"),  # too short for a rule
    ],
)
def test_lemma_is_the_noun_of_the_tables(word, noun):
    assert lemma(word) == noun


def test_lemma_of_a_lemma_is_itself():
    words = ["roses", "leaves", "mice", "buses", "glasses", "jeans", "churches", "wolves", "oxen", "analyses"]
    assert [lemma(lemma(word)) for word in words] == [lemma(word) for word in words]


def test_possessive_and_plural_meet_in_the_same_words():
    assert lemmas("colt's foot") == lemmas("Colts' feet") == ["colt", "foot"]


def test_words_keep_their_order_and_repetitions():
    assert lemmas("Two wolves, one wolf") == ["two", "wolf", "one", "wolf"]


def test_empty_caption_has_no_words():
    assert lemmas("") == []


@pytest.mark.parametrize(
    ("caption", "method", "words"),
    [
        ("Two Roses, and a rose-bush; Rose's own", "lemmatized", ["Roses", "rose", "Rose"]),
        ("Two Roses and a rose", "lowercased", ["rose"]),
        ("Two Roses", "lowercased", []),
        ("primrose", "lemmatized", []),
        ("", "lemmatized", []),
        ("\uff32\uff4f\uff53\uff45", "lemmatized", ["\uff32\uff4f\uff53\uff45"]),  # full width letters
    ],
)
def test_words_by_which_a_caption_names_a_concept(caption, method, words):
    assert match_words(caption, "rose", method) == words


def test_every_word_of_a_concept_must_be_there():
    assert match_words("a red cat and a rose", "red rose", "lemmatized") == ["red", "rose"]
    assert match_words("a red cat", "red rose", "lemmatized") == []


def test_words_of_a_phrase_are_those_next_to_each_other():
    assert match_words("red, then a red rose", "red rose", "phrase") == ["red", "rose"]
    assert match_words("a rose so red", "red rose", "phrase") == []
