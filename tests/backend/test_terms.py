"""Any word or phrase, counted in the captions of a corpus: by hand, with nothing found, and whatever is typed."""

import math

import pytest

from backend.errors import EmptySelection, InvalidTable, MissingTable
from backend.study import Study
from backend.terms import (
    METHODS,
    MOST_WORDS,
    Counted,
    count_term,
    count_together,
    expect_scores,
    find_captions,
    list_termed_corpora,
    place_count,
    terms_path,
)
from precompute.search.terms import update_terms
from tests.searched_study import FAR, build
from tests.tiny_study import animal_rows, two_corpora, write_study


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Study:
    """The searched study with an index of its captions' words."""
    folder = tmp_path_factory.mktemp("terms") / "study"
    build(folder)
    update_terms(folder, folder.with_name("work"), "mine", wanted=True)
    return Study(folder)


def count(study: Study, name: str, method: str = "lemmatized") -> int:
    return count_term(study, "mine", name, method).count


def test_names_are_counted_as_the_methods_say(study):
    assert list_termed_corpora(study) == ["mine"]
    assert METHODS == ("lemmatized", "phrase")
    assert count_term(study, "mine", "Roses", "lemmatized") == Counted(4, 6)
    assert math.isclose(count_term(study, "mine", "roses", "phrase").share, 200 / 3)
    assert [count(study, "rose red", method) for method in METHODS] == [1, 0]
    assert [count(study, "Red_Rose", method) for method in METHODS] == [1, 1]
    assert [count(study, "lily and rose", method) for method in METHODS] == [1, 0]
    assert count(study, "zeppelin") == count(study, "zeppelin rose") == count(study, "red zeppelin", "phrase") == 0


@pytest.mark.parametrize(
    "name",
    [
        '"red rose"',
        "red AND rose",
        "+red -rose",
        "words:rose",
        "rose*",
        "(rose",
        "rose\0",
        "ro\\se",
        "[a TO z]",
        "=roses",
        "/ro.*/",
        "rose~2",
        "'; DROP TABLE samples; --",
    ],
)
def test_signs_of_query_languages_are_marks_between_words(study, name):
    expected = {'"red rose"': 1, "+red -rose": 1, "rose*": 4, "(rose": 4, "rose\0": 4, "=roses": 4}
    assert count(study, name) == expected.get(name, 0)
    assert len(find_captions(study, "mine", name, "lemmatized")) == expected.get(name, 0)


@pytest.mark.parametrize("name", ["", " ", "!!!", "\0", "…", '""', "*:*"])
def test_name_without_a_word_is_refused(study, name):
    with pytest.raises(EmptySelection, match="There is no word in it"):
        count(study, name)


def test_name_that_is_too_long_or_has_too_many_forms_is_refused(study, monkeypatch):
    assert count(study, "rose " * MOST_WORDS) == 4
    with pytest.raises(EmptySelection, match=f"It has {MOST_WORDS + 1} words"):
        count(study, "rose " * (MOST_WORDS + 1))
    assert count(study, "x" * 100_000) == 0
    monkeypatch.setattr("backend.terms.MOST_READINGS", 0)
    with pytest.raises(EmptySelection, match="more than 0 forms together"):
        count(study, "red rose", "phrase")


def test_samples_are_found_a_page_at_a_time_by_their_number(study):
    found = find_captions(study, "mine", "rose", "phrase")
    assert found["sample_id"].tolist() == [0, 1, 4, FAR]
    assert found["caption"].tolist() == ["a red rose", "rose and lily", "roses", "a rose"]
    assert found["image"].tolist()[:2] == ["shards/0000.tar"] * 2
    assert find_captions(study, "mine", "rose", "phrase", offset=1, limit=2)["sample_id"].tolist() == [1, 4]
    assert find_captions(study, "mine", "rose", "phrase", other="lily")["sample_id"].tolist() == [1]
    assert find_captions(study, "mine", "zeppelin", "phrase").empty


def test_two_names_together_are_held_against_chance(study):
    both = count_together(study, "mine", "red", "roses", "lemmatized")
    assert (both.together, both.second, both.nested, both.stands_out) == (1, 4, False, False)
    assert math.isclose(both.expected, 1 * 4 / 6)
    assert math.isclose(both.pmi, math.log2(1.5 / (4 / 6 + 0.5)))
    assert count_together(study, "mine", "rose", "red rose", "phrase").nested
    never = count_together(study, "mine", "rose", "zeppelin", "phrase")
    assert (never.together, never.second, never.expected, never.pmi) == (0, 0, 0.0, 0.0)


def test_count_has_a_place_among_the_compiled_concepts(study):
    assert (place_count(study, "mine", "lemmatized", 3).rank, place_count(study, "mine", "lemmatized", 3).concepts) == (2, 2)
    assert place_count(study, "mine", "lemmatized", 0).rank == 3
    with pytest.raises(EmptySelection, match="mine counts no concept by 'phrase'"):
        place_count(study, "mine", "phrase", 3)


def test_place_has_ties_between_commoner_and_rarer(tmp_path):
    place = place_count(write_study(tmp_path / "tiny", animal_rows()), "small", "lemmatized", 100)
    assert (place.commoner, place.alike, place.rarer, place.rank, place.concepts) == (0, 2, 3, 1, 5)


def test_scores_are_expected_of_the_models_of_the_corpus(tmp_path):
    study = two_corpora(tmp_path / "tiny", {"small": 100, "large": 1000})
    scores = expect_scores(study, "small", "lemmatized", 30, kind="classification", setting="plain")
    assert scores["model"].tolist() == ["net/small"]
    assert scores.loc[0, ["low", "expected", "high"]].tolist() == pytest.approx([13.0, 25.0, 37.0])
    assert not scores["extrapolates"].any()
    far = expect_scores(study, "large", "lemmatized", 10**6, kind="classification", setting="plain")
    assert set(far["model"]) == {"net/large", "other/large"}
    assert far["extrapolates"].all()
    assert expect_scores(study, "none", "lemmatized", 3, kind="classification", setting="plain").empty


def test_models_are_read_once_for_all_names(tmp_path, monkeypatch):
    study, asked = two_corpora(tmp_path / "tiny", {"small": 100, "large": 1000}), []
    query = Study.query
    monkeypatch.setattr(Study, "query", lambda self, sql, **keys: asked.append(sql) or query(self, sql, **keys))
    for count in (30, 30, 50):
        assert len(expect_scores(study, "small", "lemmatized", count, kind="classification", setting="plain")) == 1
    assert sum("FROM performance" in sql for sql in asked) == 1


def test_corpus_without_an_index_names_the_command(tmp_path):
    study = build(tmp_path / "study")
    assert list_termed_corpora(study) == []
    with pytest.raises(MissingTable, match=r"index --study .*study --corpus mine --shards GLOB --terms all"):
        count(study, "rose")


def test_index_that_cannot_be_written_to_is_opened_and_left_as_it_is(tmp_path, monkeypatch):
    build(tmp_path / "study")
    update_terms(tmp_path / "study", tmp_path / "work", "mine", wanted=True)
    folder = terms_path(tmp_path / "study", "mine")
    for path in folder.glob(".*"):
        path.unlink()
    monkeypatch.setattr("backend.terms.os.access", lambda path, how: False)
    opened = Study(tmp_path / "study")
    assert [count(opened, "red rose", method) for method in METHODS] == [1, 1]
    assert find_captions(opened, "mine", "lily", "phrase")["sample_id"].tolist() == [1, 2]
    assert not list(folder.glob(".*"))


def test_index_that_is_damaged_is_told(tmp_path):
    build(tmp_path / "study")
    update_terms(tmp_path / "study", tmp_path / "work", "mine", wanted=True)
    (terms_path(tmp_path / "study", "mine") / "meta.json").write_text("{")
    with pytest.raises(InvalidTable, match="cannot be opened"):
        count(Study(tmp_path / "study"), "rose")
