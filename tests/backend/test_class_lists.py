"""A class list of every form that circulates gives its names, their synonyms, and what was no name under a reason."""

import pytest

from backend.class_lists import read_class_list

TWO = ("tench", "goldfish")
LATIN = (("Tinca tinca",), ("Carassius auratus",))


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ('"0": "tench",\n"1": "goldfish"', "a JSON dictionary"),
        ("['tench' 'goldfish']", "a Python list"),  # as numpy prints it
        ("['tench',\n 'goldfish',\n]  # two", "a Python list"),
        ("- name: tench\n- name: goldfish", "a YAML list"),
        ('- "tench"\n- "goldfish"', "bulleted lines"),
        ("0: 'tench'\n1: 'goldfish'", "numbered lines"),
        ("1. tench\n\n4. goldfish", "numbered lines"),  # an excerpt of a list
        ("1) tench\n2) goldfish", "numbered lines"),
        ("(1) tench\n(2) goldfish", "numbered lines"),
        ("[0] tench\n[1] goldfish", "numbered lines"),
        ("1.) tench\n2.) goldfish", "numbered lines"),
        ("tench | 1\ngoldfish | 2", "numbered lines"),
        ("n01440764 1 tench\nn01443537 2 goldfish", "WordNet lines"),
        ("Species\n-------\ntench\ngoldfish", "one name a line"),
        ("# the classes\ntench\ngoldfish", "one name a line"),
        ("| id | name |\n|---|---|\n| 0 | tench |\n| 1 | goldfish |", "column “name” of a table"),
        ("id,name\n0,tench\n1,goldfish", "column “name” of a table"),
    ],
)
def test_names_and_form(text, form):
    listed = read_class_list(text)
    assert (listed.names, listed.form, listed.others) == (TWO, form, ())


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("{0: 'tench, Tinca tinca', 1: 'goldfish, Carassius auratus'}", "a Python dictionary"),
        ('{"n01440764": "tench, Tinca tinca", "n01443537": "goldfish, Carassius auratus"}', "a JSON dictionary"),
        ('["tench, Tinca tinca", "goldfish, Carassius auratus"]', "a JSON list"),
        ('{"tench": ["Tinca tinca"], "goldfish": ["Carassius auratus"]}', "a JSON dictionary"),
        ("- 'tench, Tinca tinca'\n- 'goldfish, Carassius auratus'", "bulleted lines"),
        ("0: 'tench, Tinca tinca'\n1: \"goldfish, Carassius auratus\"", "numbered lines"),
        ("n01440764 tench, Tinca tinca\nn01443537 goldfish, Carassius auratus", "WordNet lines"),
        ("tench, Tinca tinca\ngoldfish, Carassius auratus", "one name a line, then its synonyms"),
        ('id,name\n0,"tench, Tinca tinca"\n1,"goldfish, Carassius auratus"', "column “name” of a table"),
        ("wnid\twords\nn01440764\ttench, Tinca tinca\nn01443537\tgoldfish, Carassius auratus", "column “words” of a table"),
    ],
)
def test_what_follows_a_comma_is_a_synonym(text, form):
    listed = read_class_list(text)
    assert (listed.names, listed.others, listed.form) == (TWO, LATIN, form)


def test_inverted_names_are_no_synonyms():
    lines = "crane, sandhill\ncrane, whooping\nheron, grey\nheron, great blue"
    assert read_class_list(lines).others == ()
    assert read_class_list(lines).lines == tuple(lines.split("\n"))


def test_comma_in_a_bracket_ends_no_name():
    listed = read_class_list("{0: 'crane (bird, tall), Grus grus'}")
    assert (listed.names, listed.others) == (("crane (bird, tall)",), (("Grus grus",),))


def test_names_in_one_line():
    listed = read_class_list("tench, goldfish, great white shark")
    assert (listed.names, listed.form) == (("tench", "goldfish", "great white shark"), "names in one line")


def test_what_is_no_name_is_counted_under_a_reason():
    assert read_class_list("# of ours\nname\n\ntench\n\n\ngoldfish\n\n").skipped == {"comment": 1, "heading": 1, "empty": 3}
    assert read_class_list('["tench", "", "goldfish"]').skipped == {"empty": 1}
    assert read_class_list("id,name\n0,tench\n1,\n2,goldfish").skipped == {"heading": 1, "empty": 1}
    assert read_class_list("tench\ngoldfish\n").skipped == {}


def test_marks_of_names_are_no_comments():
    names = ("#metoo", "# one", "# two", "c#")
    assert read_class_list("\n".join(names)).names == names
