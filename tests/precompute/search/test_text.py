"""A caption names a concept by lower-cased words, by lemmas, or by lemmas in a row; by `backend.words` and nothing else."""

import pickle
import random
import re
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.words import lemma, match_words, split_words
from precompute.search import text as text_search
from precompute.search.text import METHODS, Vocabulary, compile_vocabulary, reference

WORDS = ("dalu", "dalus", "crested", "banded", "red", "roses", "rose", "of", "a", "zib")


def search_captions(captions: list[str | None], vocabulary: Vocabulary) -> dict:
    """The search of a list, which takes an Arrow array."""
    return text_search.search_captions(pa.array(captions, pa.string()), vocabulary)


def named(caption: str, *concepts: str) -> dict[str, list[str]]:
    """The concepts that one caption names, by method."""
    found = search_captions([caption], compile_vocabulary(concepts))
    return {method: [concepts[number] for number in numbers] for method, (_, numbers) in found.items()}


def pairs(captions: list[str], concepts: list[str]) -> dict[str, list[tuple[int, int]]]:
    found = search_captions(captions, compile_vocabulary(concepts))
    return {method: list(zip(rows.tolist(), numbers.tolist(), strict=True)) for method, (rows, numbers) in found.items()}


def pairs_one_by_one(captions: list[str], concepts: list[str]) -> dict[str, list[tuple[int, int]]]:
    """The same answer as `pairs`, found the slow way: every caption against every concept."""
    found = {method: [] for method in METHODS}
    for row, caption in enumerate(captions):
        words = split_words(caption)
        nouns = [lemma(word) for word in words]
        for number, concept in enumerate(concepts):
            needed = split_words(concept)
            needed_nouns = [lemma(word) for word in needed]
            size = len(needed)
            if needed and set(needed_nouns) <= set(nouns):
                found["lemmatized"].append((row, number))
            if needed and set(needed) <= set(words):
                found["lowercased"].append((row, number))
            if needed and any(nouns[place : place + size] == needed_nouns for place in range(len(nouns))):
                found["phrase"].append((row, number))
    return found


@pytest.mark.parametrize(
    ("caption", "concept", "methods"),
    [
        ("a rose in a vase", "rose", {"lemmatized", "lowercased", "phrase"}),
        ("red roses", "rose", {"lemmatized", "phrase"}),
        ("a rose", "roses", {"lemmatized", "phrase"}),
        ("ROSE!", "rose", {"lemmatized", "lowercased", "phrase"}),
        ("the rose's thorn", "rose", {"lemmatized", "lowercased", "phrase"}),
        ("primrose", "rose", set()),
        ("great-white shark", "great white shark", {"lemmatized", "lowercased", "phrase"}),
        ("a shark, great and white", "great white shark", {"lemmatized", "lowercased"}),
        ("a great white shark", "white great shark", {"lemmatized", "lowercased"}),
        ("white great_white sharks", "great white shark", {"lemmatized", "phrase"}),
        ("a great shark", "great white shark", set()),
        ("Colts' feet", "colt's foot", {"lemmatized", "phrase"}),
        ("two mice", "mouse", {"lemmatized", "phrase"}),
        ("cafe\u0301 \uff32\uff2f\uff33\uff25", "café rose", {"lemmatized", "lowercased", "phrase"}),
        ("👍🏽 日本 の花", "日本", {"lemmatized", "lowercased", "phrase"}),
        ("красные розы", "розы", {"lemmatized", "lowercased", "phrase"}),
        ("salt &amp; pepper", "amp", set()),
        ("crème br&ucirc;l&eacute;e", "creme brulee", {"lemmatized", "lowercased", "phrase"}),
        ("creme brulee", "crème brûlée", {"lemmatized", "lowercased", "phrase"}),
        ("straw\u00adberry", "strawberry", {"lemmatized", "lowercased", "phrase"}),
        ("İSTANBUL", "istanbul", {"lemmatized", "lowercased", "phrase"}),
        ("C++ primer", "c++", {"lemmatized", "lowercased", "phrase"}),
        ("vitamin C", "c++", set()),
        ("東日本の花", "日本", {"lemmatized", "lowercased", "phrase"}),
        ("本日 rose", "日本", set()),
        ("three waterthrushes", "waterthrush", {"lemmatized", "phrase"}),
        ("two axes", "axis", {"lemmatized", "phrase"}),
        ("two axes", "axe", {"lemmatized", "phrase"}),
        ("what it does", "doe", set()),
        ("new york", "new york new york", {"lemmatized", "lowercased"}),  # a phrase needs the word twice
        ("new york new york", "york new", {"lemmatized", "lowercased", "phrase"}),
        ("", "rose", set()),
        ("👍🏽 !!!", "rose", set()),
    ],
)
def test_caption_names_the_concept_by_these_methods(caption, concept, methods):
    assert {method for method, concepts in named(caption, concept).items() if concepts} == methods


def test_names_that_share_a_word_are_told_apart():
    assert named("banded crested dalus", "crested dalu", "banded dalu") == {
        "lemmatized": ["crested dalu", "banded dalu"],
        "lowercased": [],
        "phrase": ["crested dalu"],
    }
    assert named("a banded dalu and a crested zib", "crested dalu", "banded dalu") == {
        "lemmatized": ["crested dalu", "banded dalu"],
        "lowercased": ["crested dalu", "banded dalu"],
        "phrase": ["banded dalu"],
    }
    assert named("a dalu", "crested dalu", "banded dalu") == {"lemmatized": [], "lowercased": [], "phrase": []}


def test_phrase_does_not_run_from_one_caption_into_the_next():
    assert pairs(["a crested", "dalu"], ["crested dalu"]) == {"lemmatized": [], "lowercased": [], "phrase": []}


def test_unseen_word_counts_zero_and_does_not_drop_out():
    assert named("a colt in the grass", "colt's foot", "colt") == dict.fromkeys(METHODS, ["colt"])


def test_concept_without_words_never_hits_and_is_counted():
    vocabulary = compile_vocabulary(["!!!", "rose", ""])
    assert vocabulary.unsearchable == 2
    rows, concepts = search_captions(["!!! rose", "!!!", ""], vocabulary)["lemmatized"]
    assert (rows.tolist(), concepts.tolist()) == ([0], [1])


def test_concepts_of_the_same_words_both_hit():
    assert pairs(["jet-fighters"], ["jet fighter", "jet-fighter"])["phrase"] == [(0, 0), (0, 1)]


def test_pairs_are_sorted_by_row_and_concept_and_come_once():
    found = search_captions(["dalu zib dalu", "", "zib a dalu dalu"], compile_vocabulary(["zib", "dalu", "dalu dalu"]))
    rows, concepts = found["lemmatized"]
    assert (rows.tolist(), concepts.tolist()) == ([0, 0, 0, 2, 2, 2], [0, 1, 2, 0, 1, 2])
    assert (rows.dtype, concepts.dtype) == (np.int32, np.int32)
    assert [part.tolist() for part in found["phrase"]] == [[0, 0, 2, 2, 2], [0, 1, 0, 1, 2]]


@pytest.mark.parametrize(("captions", "concepts"), [([], ["rose"]), (["rose"], []), ([], []), ([""], [""])])
def test_nothing_to_search_is_nothing_found(captions, concepts):
    found = search_captions(captions, compile_vocabulary(concepts))
    assert {method: [part.tolist() for part in pair] for method, pair in found.items()} == dict.fromkeys(METHODS, [[], []])
    assert {part.dtype for pair in found.values() for part in pair} == {np.dtype(np.int32)}


@pytest.mark.parametrize("seed", range(20))
def test_search_equals_every_caption_against_every_concept(seed, monkeypatch):
    monkeypatch.setattr(reference, "_BATCH_CAPTIONS", 7)
    monkeypatch.setattr(reference, "_BATCH_BYTES", 150)
    monkeypatch.setattr(reference, "_KEPT_WORDS", 4)
    chance = random.Random(seed)
    captions = [" ".join(chance.choices(WORDS, k=chance.randrange(9))) for _ in range(40)]
    concepts = [" ".join(chance.choices(WORDS, k=chance.randrange(5))) for _ in range(25)]
    assert pairs(captions, concepts) == pairs_one_by_one(captions, concepts)


SPOKEN = st.lists(
    st.sampled_from(
        [
            *WORDS,
            "axes",
            "axe",
            "axis",
            "Rose's",
            "rosé",
            "c++",
            "C",
            "at&t",
            ".net",
            "disney+",
            "&amp;",
            "日本の花",
            "日本",
            "の花",
        ]
    ),
    max_size=7,
).map(" ".join)


@settings(deadline=None, max_examples=300)
@given(st.lists(SPOKEN, max_size=4), st.lists(SPOKEN, min_size=1, max_size=4))
def test_what_is_counted_is_what_is_explained(captions, concepts):
    explained = {
        method: [
            (row, number)
            for row, caption in enumerate(captions)
            for number, concept in enumerate(concepts)
            if match_words(caption, concept, method)
        ]
        for method in METHODS
    }
    assert pairs(captions, concepts) == explained


def test_captions_of_the_web_are_counted_as_they_are_explained(shared_data):
    captions = pq.read_table(shared_data / "text" / "web_alt_text_10000.parquet")["TEXT"].to_pylist()[:1500]
    concepts = ["rose", "dress", "t-shirt", "women's shoes", "café", "photo", "h&m", "iphone case", "glass", "mickey mouse"]
    found = pairs(captions, concepts)
    for method in METHODS:
        explained = [
            (row, number)
            for row, caption in enumerate(captions)
            for number, concept in enumerate(concepts)
            if match_words(caption, concept, method)
        ]
        assert found[method] == explained
        assert len(explained) > 20


def test_shards_sum_to_the_whole():
    chance = random.Random(1)
    captions = [" ".join(chance.choices(WORDS, k=6)) for _ in range(100)]
    concepts = ["dalu", "red rose", "crested dalu", "a rose of"]
    whole = pairs(captions, concepts)
    for method in METHODS:
        parts = [
            (row + start, number)
            for start, stop in ((0, 37), (37, 100))
            for row, number in pairs(captions[start:stop], concepts)[method]
        ]
        assert parts == whole[method]
        assert len(parts) > 0


def test_vocabulary_survives_the_way_to_another_process():
    vocabulary = compile_vocabulary(["crested dalu", "!!!", "rose"])
    copy = pickle.loads(pickle.dumps(vocabulary))
    assert (copy.concepts, copy.unsearchable) == (("crested dalu", "!!!", "rose"), 1)
    for method, pair in search_captions(["crested dalus", "rose"], copy).items():
        expected = search_captions(["crested dalus", "rose"], vocabulary)[method]
        assert [part.tolist() for part in pair] == [part.tolist() for part in expected]


def test_captions_of_64_kib_are_not_slow():
    concepts = [f"zib {number}" for number in range(4000)]
    captions = ["zib " * 16_384, "zib-" * 16_384, "日" * 21_845, " ".join(concepts)[:65_536], "x" * 65_536]
    started = time.process_time()
    found = search_captions(captions, compile_vocabulary(concepts))
    assert time.process_time() - started < 2  # takes 0.1 s; a caption against every concept would take minutes
    assert len(found["lemmatized"][0]) == len(found["phrase"][0]) == 4000


def test_dogs_of_flickr8k_are_those_that_a_plain_expression_finds(shared_data):
    lines = (shared_data / "flickr8k-1000" / "captions.txt").read_text(encoding="utf-8").splitlines()[1:]
    captions = [line.split(",", 1)[1] for line in lines]
    rows = {method: rows.tolist() for method, (rows, _) in search_captions(captions, compile_vocabulary(["dog"])).items()}
    singular = [row for row, caption in enumerate(captions) if re.search(r"(?<![a-z0-9])dog(?![a-z0-9])", caption.lower())]
    either = [row for row, caption in enumerate(captions) if re.search(r"(?<![a-z0-9])dogs?(?![a-z0-9])", caption.lower())]
    assert len(captions) == 5000
    assert 0 < len(singular) < len(either)
    assert rows == {"lemmatized": either, "lowercased": singular, "phrase": either}


def test_chunks_of_a_column_are_searched_as_one_array_and_a_null_names_nothing():
    vocabulary = compile_vocabulary(["rose", "red dalu"])
    captions = ["a rose", None, "red", "dalu red roses"]
    chunked = pa.chunked_array([pa.array(captions[:1]), pa.array([], pa.string()), pa.array(captions[1:])])
    found, expected = text_search.search_captions(chunked, vocabulary), search_captions(captions, vocabulary)
    for method in METHODS:
        assert [part.tolist() for part in found[method]] == [part.tolist() for part in expected[method]]
    assert [part.tolist() for part in found["lemmatized"]] == [[0, 3, 3], [0, 0, 1]]
