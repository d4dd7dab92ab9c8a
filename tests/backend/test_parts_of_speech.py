"""The nouns of captions by tables alone: what is surely one, what may be one, and which stand side by side."""

import pytest

from backend.parts_of_speech import find_nouns


@pytest.mark.parametrize(
    ("caption", "sure"),
    [
        ("A child in a pink dress is climbing up a set of stairs in an entry way.", "child dress set stair entry way"),
        ("Dogs run through tall grass", "dog grass"),
        ("Two men are playing tennis", "man tennis"),
        ("A large brown building behind the trees", "building tree"),
        ("The skateboarder jumps", "skateboarder"),
        ("Mice and geese", "mouse goose"),
        ("to be or not to be", ""),
        ("", ""),
        ("1234 !!!", ""),
    ],
)
def test_nouns_of_a_caption(caption, sure):
    assert find_nouns(caption).sure == set(sure.split())


def test_verb_that_may_be_a_noun_is_left_open():
    assert find_nouns("Men stand near a fruit stand").possible == set()  # sure to be one in the same caption
    found = find_nouns("A man rides to work")
    assert (found.sure, found.possible) == ({"man"}, {"ride", "work"})


def test_nouns_side_by_side_are_phrases():
    assert find_nouns("a red fire hydrant by the clock tower").phrases == {"fire hydrant", "clock tower"}
    assert find_nouns("wood kitchen table").phrases == {"wood kitchen", "kitchen table", "wood kitchen table"}
    assert find_nouns("a dog, a cat").phrases == set()
