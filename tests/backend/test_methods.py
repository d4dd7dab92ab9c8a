"""What a counting method looked at, in words."""

import pytest

from backend.methods import describe_method


@pytest.mark.parametrize(
    ("name", "modality"),
    [
        ("lemmatized", "text"),
        ("lowercased", "text"),
        ("phrase", "text"),
        ("rampp@0.7", "image"),
        ("rampp@0.55", "image"),
        ("openclip@0.25", "image"),
        ("lemmatized+rampp@0.7", "joint"),
        ("phrase+openclip@0.25", "joint"),
    ],
)
def test_title_of_a_method_is_its_modality_and_name(name, modality):
    method = describe_method(name)
    assert (method.name, method.modality, method.title) == (name, modality, f"{modality}: {name}")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (
            "phrase",
            "A caption counts when it contains the concept's lemmas next to each other and in order.",
        ),
        (
            "openclip@0.25",
            "An image counts when an OpenCLIP model used as a tagger gives the concept a score of at least 0.25.",
        ),
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
    assert method.modality == "image"
    assert method.sentence == "An image counts when mytagger gives the concept a score of at least 0.9."


def test_unknown_text_method_is_not_taken_for_a_known_one():
    assert describe_method("stemmed").sentence == "Counted by the study's own method “stemmed”."


def test_given_hits_are_of_images():
    assert [describe_method(name).modality for name in ("annotated", "given@0.70", "lemmatized+annotated")] == [
        "image",
        "image",
        "joint",
    ]
    assert describe_method("given@0.70").sentence == (
        "An image counts when the file of hits that the corpus was indexed with gives the concept a score of at least 0.70."
    )
