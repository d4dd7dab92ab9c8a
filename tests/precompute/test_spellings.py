"""Closed and open spellings are found where they are written, and nowhere else."""

from precompute.spellings import find_spellings


def test_closed_spelling_is_one_that_the_tables_know():
    assert find_spellings(["hot dog", "tea pot", "fire cat"]) == {"hot dog": ("hotdog",), "tea pot": ("teapot",)}


def test_open_spelling_needs_enough_captions():
    captions = ["two hot dogs", "a hot dog", "hot, dog"]
    assert find_spellings(["hotdog"], captions, least=3) == {"hotdog": ("hot dog",)}
    assert find_spellings(["hotdog"], captions, least=4) == {}
    assert find_spellings(["carpet"], ["a car and a pet"], least=1) == {}


def test_closed_spelling_of_captions_and_of_other_concepts_counts():
    assert find_spellings(["zib zab"], ["zibzabs"], least=1) == {"zib zab": ("zibzab",)}
    assert find_spellings(["zib zab", "zibzab"]) == {"zib zab": ("zibzab",), "zibzab": ("zib zab",)}


def test_part_of_a_longer_name_is_closed_too():
    assert find_spellings(["hot dog stand (food)"]) == {"hot dog stand (food)": ("hotdog stand",)}
