"""What a counting method looked at, in words."""

import re

import pytest

from backend.errors import EmptySelection
from backend.methods import Method, join_methods, name_tagged
from backend.study import ROOT


@pytest.mark.parametrize(
    ("name", "modality", "title"),
    [
        ("lemmatized", "text", "said in the caption, by lemma"),
        ("lowercased", "text", "said in the caption, letter by letter"),
        ("phrase", "text", "said in the caption, as a phrase"),
        ("rampp@0.7", "image", "seen in the image, RAM++ from 0.7"),
        ("rampp@0.55", "image", "seen in the image, RAM++ from 0.55"),
        ("openclip@0.25", "image", "seen in the image, OpenCLIP from 0.25"),
        ("lemmatized+rampp@0.7", "joint", "said and seen, by lemma and RAM++ from 0.7"),
        ("phrase+openclip@0.25", "joint", "said and seen, as a phrase and OpenCLIP from 0.25"),
        ("stemmed", "text", "said in the caption, by “stemmed”"),
        ("mytagger@0.9", "image", "seen in the image, by “mytagger” from 0.9"),
    ],
)
def test_title_of_a_method_tells_in_words_what_it_looked_at(name, modality, title):
    method = Method(name)
    assert (method.name, method.modality, method.title) == (name, modality, title)


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
    assert Method(name).sentence == sentence


def test_joint_method_says_both_halves():
    joint, text, image = (Method(name) for name in ("lemmatized+rampp@0.7", "lemmatized", "rampp@0.7"))
    assert joint.sentence.startswith("A sample counts when its caption and its image both show the concept.")
    assert joint.sentence.endswith(f"{text.sentence} {image.sentence}")


def test_unknown_tagger_keeps_its_name_and_threshold():
    method = Method("mytagger@0.9")
    assert method.modality == "image"
    assert method.sentence == "An image counts when mytagger gives the concept a score of at least 0.9."


def test_unknown_text_method_is_not_taken_for_a_known_one():
    assert Method("stemmed").sentence == "Counted by the study's own method “stemmed”."


def test_given_hits_are_of_images():
    assert [Method(name).modality for name in ("annotated", "given@0.70", "lemmatized+annotated")] == [
        "image",
        "image",
        "joint",
    ]
    assert Method("given@0.70").sentence == (
        "An image counts when the file of hits that the corpus was indexed with gives the concept a score of at least 0.70."
    )


@pytest.mark.parametrize(
    ("name", "modality", "parts", "text", "image"),
    [
        ("phrase", "text", ["phrase"], "phrase", None),
        ("rampp@0.7", "image", ["rampp@0.7"], None, "rampp@0.7"),
        ("lemmatized+rampp@0.7", "joint", ["lemmatized", "rampp@0.7"], "lemmatized", "rampp@0.7"),
        ("phrase+synonyms", "text", ["phrase", "synonyms"], "phrase+synonyms", None),
        ("phrase+synonyms+rampp@0.7", "joint", ["phrase", "synonyms", "rampp@0.7"], "phrase+synonyms", "rampp@0.7"),
        ("rampp@0.7+annotated", "image", ["rampp@0.7", "annotated"], None, "rampp@0.7+annotated"),
        ("c++", "text", ["c++"], "c++", None),
        ("", "text", [""], None, None),
    ],
)
def test_joint_is_text_with_image_and_nothing_else(name, modality, parts, text, image):
    method = Method(name)
    assert (method.modality, [part.name for part in method.parts]) == (modality, parts)
    assert (method.text, method.image) == (text, image)


def test_combination_that_is_not_joint_is_told_by_its_parts():
    sentence = Method("phrase+synonyms").sentence
    assert sentence.startswith("Counted by the study's own combination of “phrase” and “synonyms”. A caption counts when")
    assert "image" not in sentence
    assert Method("stemmed+mine").sentence == (
        "Counted by the study's own combination of “stemmed” and “mine”. Counted by the study's own method “stemmed”. "
        "Counted by the study's own method “mine”."
    )


@pytest.mark.parametrize(
    ("name", "tagger", "threshold", "least"),
    [
        ("lemmatized", "lemmatized", None, 1.0),
        ("rampp@0.7", "rampp", 0.7, 0.7),
        ("openclip@1", "openclip", 1.0, 1.0),
        ("annotated", "annotated", None, 1.0),
        ("lemmatized+rampp@0.7", "lemmatized+rampp", 0.7, 0.7),
    ],
)
def test_tagger_and_threshold_stand_before_and_after_the_at(name, tagger, threshold, least):
    method = Method(name)
    assert (method.tagger, method.threshold, method.least_score) == (tagger, threshold, least)


@pytest.mark.parametrize("name", ["openclip@", "openclip@high", "openclip@nan", "openclip@-1", "openclip@0.2@0.3"])
def test_threshold_that_is_no_number_is_told(name):
    assert (Method(name).modality, Method(name).threshold) == ("image", None)
    assert Method(name).sentence == f"Counted by the study's own method “{name}”."
    with pytest.raises(EmptySelection, match=f"'{name}' names no threshold: a number stands after the @"):
        _ = Method(name).least_score


def test_joined_and_tagged_names_are_read_again_as_what_they_were_made_of():
    method = Method(join_methods("lemmatized", name_tagged("openclip", 0.3)))
    assert (method.name, method.text, method.image) == ("lemmatized+openclip@0.30", "lemmatized", "openclip@0.30")
    assert Method(method.image).threshold == 0.3


def test_names_are_cut_and_joined_in_one_module():
    """Nothing else of the program splits at @ or +, in Python or in SQL."""
    cut = re.compile(r"""(split|partition|startswith|split_part)\((\w+, )?f?["'][^"']*[@+]["']|["'][@+]["'] in |\}[@+]\{""")
    folders = ("backend", "pages", "precompute")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.py") if path.name != "methods.py"]
    found = {str(path.relative_to(ROOT)): cut.findall(path.read_text(encoding="utf-8")) for path in files}
    settings = {"backend/score_settings.py"}  # `i2t@5` is a setting, not a method
    others = settings | {"backend/words.py"}  # the plus of `c++`
    assert len(files) > 50
    assert {name for name, cuts in found.items() if cuts} - others == set()
