"""Other names of concepts: read in the forms that people write, numbered for a search, explained by the name that is there."""

import pytest

from backend.errors import TailscopeError
from backend.synonyms import explain_names, find_unsearchable, gather_names, list_synonyms, parse_synonyms
from tests.tiny_study import count_rows, write_study


@pytest.mark.parametrize(
    "text",
    [
        '{"tench": ["Tinca tinca", "doctor fish"], "crane": "Grus"}',
        '{"tench": "Tinca tinca, doctor fish", "crane": ["Grus"]}',
        '[["tench", "Tinca tinca", "doctor fish"], ["crane", "Grus"]]',
        "tench: [Tinca tinca, doctor fish]\ncrane: Grus\n",
        "tench:\n- Tinca tinca\n- doctor fish\ncrane: Grus\n",
        "tench,Tinca tinca,doctor fish\ncrane,Grus\n",
        "name,synonyms\ntench,Tinca tinca|doctor fish\ncrane,Grus\n",
        '\ufefftench,"Tinca tinca; doctor fish"\n\ncrane,Grus,crane,\n',
    ],
)
def test_synonyms_are_read_in_every_form(text):
    assert parse_synonyms(text) == {"tench": ("tinca tinca", "doctor fish"), "crane": ("grus",)}


@pytest.mark.parametrize("text", ["", "tench", "{}", "[1, 2]", "{tench: []}", "tench,tench"])
def test_file_without_synonyms_is_refused(text):
    with pytest.raises(TailscopeError, match="No synonyms in the file. Expected: JSON or YAML as"):
        parse_synonyms(text)


def test_names_have_the_tokens_that_a_phrase_needs():
    names = gather_names(["crane (bird)", "hot dog"], {"hot dog": ["hotdogs"]})
    assert names.names == ("crane (bird)", "hot dog", "hotdogs")
    assert [len(sequence) for sequence in names.sequences] == [1, 2, 1]  # the bracket is no word


def test_caption_is_explained_by_each_name_that_it_has():
    found = explain_names("Hotdogs and a hot dog", ["hot dog", "hotdog", "frankfurter"])
    assert {name: why.words for name, why in found.items()} == {"hot dog": ("hot", "dog"), "hotdog": ("Hotdogs",)}


def test_names_without_a_word_are_found():
    assert find_unsearchable(["&", "rose", "!!!", "b&w", "(500)", "花"]) == ["&", "!!!"]


def test_synonyms_of_a_study(tmp_path):
    rows = [{"concept": "ant", "name": name, "source": "file"} for name in ("formica", "emmet")]
    study = write_study(tmp_path / "a", count_rows("web", "lemmatized", {"ant": 1}), synonyms=rows)
    assert list_synonyms(study) == {"ant": ("emmet", "formica")}
    assert list_synonyms(write_study(tmp_path / "b", count_rows("web", "lemmatized", {"ant": 1}))) == {}
