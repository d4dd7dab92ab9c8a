"""Why a caption counts or not, which word is rare, and which captions lack a single one."""

import pytest

from backend.why import explain_caption, find_near_misses, list_missing, weigh_words
from tests.tiny_study import count_rows, write_study

CAPTIONS = {
    0: "a red rose",
    1: "Red roses, and a dog",
    2: "a rose",
    3: "a r\u00f3se",  # folded accents
    4: "two mice",
    5: "red mouse trap",
    6: "tired primrose",
}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    samples = [
        {"corpus": "web", "sample_id": number, "caption": caption, "image": f"{number}.jpg", "offset": None, "length": None}
        | {"width": None, "height": None}
        for number, caption in CAPTIONS.items()
    ]
    counts = {"rose": 40, "red": 900, "red rose": 7, "green rose": 0}
    return write_study(tmp_path_factory.mktemp("why"), count_rows("web", "lemmatized", counts), samples=samples)


def test_verdict_of_each_method():
    found = explain_caption("Red Rose (flower)", "a rose, so red, for roses")
    assert (found.searched, found.spelled, found.hint) == (("red", "rose"), ("red", "rose"), "(flower)")
    assert found.words == ("a", "rose", "so", "red", "for", "roses")
    assert found.lemmas == ("a", "rose", "so", "red", "for", "rose")
    by_method = {verdict.method: verdict for verdict in found.verdicts}
    assert list(by_method) == ["lemmatized", "lowercased", "phrase"]
    assert by_method["lemmatized"].words == ("rose", "red", "roses")
    assert by_method["lowercased"].words == ("rose", "red")
    assert (by_method["phrase"].hits, by_method["phrase"].missing, by_method["phrase"].apart) == (False, (), True)


def test_missing_words_are_the_concepts():
    assert list_missing("a dog", "red rose", "lemmatized") == ("red", "rose")
    assert list_missing("red roses", "red rose", "lemmatized") == ()
    assert list_missing("red roses", "red rose", "lowercased") == ("rose",)
    assert [verdict.missing for verdict in explain_caption("red rose", "roses").verdicts] == [
        ("red",),
        ("red", "rose"),
        ("red",),
    ]


def test_synonyms_are_a_method_of_their_own_where_there_are_any():
    found = explain_caption("hot dog", "hotdogs for sale", ["hotdog"]).verdicts[-1]
    assert (found.method, found.hits, found.words) == ("synonyms", True, ("hotdog",))
    lost = explain_caption("hot dog", "a cat", ["hotdog"]).verdicts[-1]
    assert (lost.method, lost.hits, lost.words, lost.apart) == ("synonyms", False, (), False)


def test_name_without_a_word_never_counts():
    found = explain_caption("&", "salt & pepper")
    assert found.searched == ()
    assert not any(verdict.hits or verdict.apart for verdict in found.verdicts)


def test_folded_accents_are_noted():
    assert explain_caption("rose", "a glass of ros\u00e9").note.startswith("“ros\u00e9” counts for “rose”")


def test_rarest_word_by_the_counts_of_concepts(study):
    words = weigh_words(study, "red rose", "web")
    assert words["word"].tolist() == ["rose", "red"]
    assert words["count"].tolist() == [40, 900]
    assert words["captions"].isna().all()


def test_rarest_word_by_the_captions_where_no_concept_tells(study):
    words = weigh_words(study, "red mouse", "web")
    assert list(words.itertuples(index=False, name=None)) == [("mouse", 2, 7), ("red", 3, 7)]  # "tired" has no "red"


def test_words_that_nothing_tells_of_are_left_out(tmp_path):
    alone = write_study(tmp_path / "counts", count_rows("web", "lemmatized", {"rose": 3, "red rose": 1}))
    words = weigh_words(alone, "red rose", "web")
    assert (words["word"].tolist(), words["count"].tolist()) == (["rose"], [3])
    assert find_near_misses(alone, "red rose", "web").empty


def test_near_misses_lack_a_single_word(study):
    near = find_near_misses(study, "red rose", "web")
    assert list(near.itertuples(index=False, name=None)) == [
        (2, "a rose", "red"),
        (3, "a r\u00f3se", "red"),
        (5, "red mouse trap", "rose"),
    ]
    assert find_near_misses(study, "rose", "web").empty
    assert find_near_misses(study, "red rose", "elsewhere").empty


def test_no_caption_that_lacks_a_single_word_is_no_near_miss(study):
    assert find_near_misses(study, "violet green swallow", "web").empty
