"""The answer card of a concept: the right count, its place, what models score and should, in a sentence."""

import pytest

from backend.card import deal_card
from backend.errors import EmptySelection
from backend.study import Study
from tests.tiny_study import animal_rows, count_rows, model_row, score_rows, write_study

CHOICE = {"kind": "classification", "setting": "plain"}


def build(folder) -> Study:
    rows = animal_rows()
    rows += count_rows("small", "rampp@0.7", {"ant": 2_500_000, "bee": 1, "cat": 0, "dog": 7})
    rows += count_rows("small", "lowercased", {"ant": 40, "bee": 0})
    rows += count_rows("small", "lemmatized+rampp@0.7", {"ant": 0})
    scores = score_rows("net", {"ant": 50, "bee": 20, "cat": 30, "dog": 40, "elk": 90})
    scores += score_rows("twin", {"ant": 61, "bee": 20, "cat": 30, "dog": 40, "elk": 90})
    scores += score_rows("net", {"ant": 70}, task="zoo") + score_rows("far", {"ant": 99})
    models = [model_row("net", "small"), model_row("twin", "small"), model_row("far", "large")]
    return write_study(folder, rows, models=models, performance=scores, scaling=[])


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Study:
    return build(tmp_path_factory.mktemp("card"))


def test_images_come_first_and_a_text_count_of_zero_gives_way_to_another(study):
    card = deal_card(study, "ant", "small", **CHOICE)
    assert (card.modality, card.method, card.count) == ("image", "rampp@0.7", 2_500_000)
    assert card.others == (("text", "lowercased", 40), ("joint", "lemmatized+rampp@0.7", 0))
    assert (card.percentile, card.concepts) == (75, 4)  # three of the four that the tagger counted are rarer


def test_scores_are_those_of_the_corpus_own_models_by_task(study):
    card = deal_card(study, "ant", "small", **CHOICE)
    assert [(one.task, one.low, one.high) for one in card.scores] == [("animals", 50, 61), ("zoo", 70, 70)]
    assert card.models == 2
    low, high = card.expected
    assert 20 <= low < high <= 70  # of what both score on the four that the tagger counts


def test_sentence_says_all_of_it(study):
    card = deal_card(study, "ant", "small", **CHOICE)
    assert card.sentence.startswith(
        "ant: 2.5 million images in SMALL; commoner than 75% of 4 concepts; text 40 · both 0; "
        "2 CLIPs trained on it score 50 to 61% (animals), 70% (zoo); expected at this frequency "
    )
    assert card.sentence.endswith("%")


def test_corpus_of_captions_alone_tells_captions(study):
    card = deal_card(study, "dog", "large", **CHOICE)
    assert card.sentence == "dog: 300 captions in LARGE; commoner than 67% of 3 concepts"


def test_one_and_none_are_said_as_such(study):
    assert deal_card(study, "bee", "small", **CHOICE).shown == "1 image in SMALL"
    none = deal_card(study, "cat", "small", **CHOICE)
    assert (none.shown, none.place) == ("no images in SMALL", "no concept of 4 is rarer")


def test_scores_that_are_no_percentages_are_left_out(study):
    card = deal_card(study, "ant", "small", kind="generation", setting="plain")
    assert (card.scores, card.expected, card.scored, card.foreseen) == ((), None, "", "")


def test_study_without_scores_has_the_counts(tmp_path):
    card = deal_card(write_study(tmp_path, animal_rows()), "cat", "small", **CHOICE)
    assert card.sentence == "cat: 10 captions in SMALL; commoner than 40% of 5 concepts"


def test_corpus_that_does_not_count_it_is_said(study):
    with pytest.raises(EmptySelection, match="LARGE does not count 'cat'"):
        deal_card(study, "cat", "large", **CHOICE)


def test_rose_of_the_paper(published_study):
    card = deal_card(published_study, "rose", "laion400m", kind="classification", setting="ensemble")
    assert card.sentence == (
        "rose: 3.35 million images in LAION-400M; commoner than 95% of 3,738 concepts; text 257,038 · both 0; "
        "3 CLIPs trained on it score 68 to 78% (cifar100), 86 to 100% (flowers102); expected at this frequency 34 to 99%"
    )
