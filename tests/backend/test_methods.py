"""What a counting method looked at, in words."""

import pytest

from backend.methods import describe_method


@pytest.mark.parametrize(
    ("name", "modality", "title"),
    [
        ("lemmatized", "text", "text, lemmatised"),
        ("lowercased", "text", "text, lower-cased"),
        ("phrase", "text", "text, phrase"),
        ("rampp@0.7", "image", "image, rampp ≥ 0.7"),
        ("rampp@0.55", "image", "image, rampp ≥ 0.55"),
        ("openclip@0.25", "image", "image, openclip ≥ 0.25"),
        ("lemmatized+rampp@0.7", "joint", "joint, lemmatised and rampp ≥ 0.7"),
        ("phrase+openclip@0.25", "joint", "joint, phrase and openclip ≥ 0.25"),
    ],
)
def test_method_has_modality_and_title(name, modality, title):
    method = describe_method(name)
    assert (method.name, method.modality, method.title) == (name, modality, title)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (
            "phrase",
            "A caption counts when it contains the concept's lemmas next to each other and in order.",
        ),
        (
            "rampp@0.7",
            "An image counts when RAM++, an open-vocabulary image tagger gives the concept a score of at least 0.7.",
        ),
        ("mine", "Counted by the study's own method “mine”."),
    ],
)
def test_method_says_in_a_sentence_how_it_counts(name, sentence):
    assert describe_method(name).sentence == sentence


def test_joint_method_says_both_halves():
    joint, text, image = (describe_method(name) for name in ("lemmatized+rampp@0.7", "lemmatized", "rampp@0.7"))
    assert joint.sentence.startswith("A sample counts when its caption and its image both show the concept.")
    assert joint.sentence.endswith(f"{text.sentence} {image.sentence}")


def test_unknown_tagger_keeps_its_name_and_threshold():
    method = describe_method("mytagger@0.9")
    assert (method.modality, method.title) == ("image", "image, mytagger ≥ 0.9")


def test_unknown_text_method_is_not_taken_for_a_known_one():
    method = describe_method("stemmed")
    assert (method.modality, method.title) == ("text", "text, stemmed")
