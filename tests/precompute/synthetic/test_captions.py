"""Captions of the invented world: whatever their form, the phrase search finds what they name, and nothing else."""

import pyarrow as pa
import pytest

from precompute.search.text import compile_vocabulary, search_captions
from precompute.synthetic.captions import write_caption
from precompute.synthetic.pictures import make_rng
from precompute.synthetic.species import draw_species

SPECIES = draw_species()


@pytest.fixture(scope="module")
def captions():
    """3,000 captions that name one species, 300 of two, 300 of none."""
    named = [(SPECIES[number * 7 % 540],) for number in range(3000)]
    named += [(SPECIES[number], SPECIES[539 - number]) for number in range(250)] + [()] * 300
    return [(names, write_caption(make_rng(5, "captions", number), names)) for number, names in enumerate(named)]


def test_phrase_search_finds_exactly_what_is_named(captions):
    vocabulary = compile_vocabulary([one.name for one in SPECIES])
    rows, concepts = search_captions(pa.array([caption for _, caption in captions]), vocabulary)["phrase"]
    named = {(row, one.number) for row, (names, _) in enumerate(captions) for one in names}
    assert set(zip(rows.tolist(), concepts.tolist(), strict=True)) == named


@pytest.mark.parametrize(
    "form",
    [
        lambda name, caption: name.upper() in caption and caption == caption.upper(),
        lambda name, caption: f"{name}s" in caption,
        lambda name, caption: f"{name}'s" in caption or f"{name}\u2019s" in caption,
        lambda name, caption: " " in name and name.replace(" ", "-") in caption,
        lambda name, caption: name.replace(" ", "_") in caption and " " in name,
        lambda name, caption: caption.endswith((".jpg", ".JPG")),
        lambda name, caption: " beside a " in caption,
        lambda name, caption: caption.istitle(),
    ],
    ids=["shouted", "plural", "possessive", "hyphenated", "underscored", "file name", "distractor", "title"],
)
def test_every_form_occurs(captions, form):
    found = [caption for names, caption in captions if len(names) == 1 and form(names[0].name, caption)]
    assert len(found) >= 10
    assert len(found) < 2000


def test_captions_without_a_name_say_something_all_the_same(captions):
    silent = {caption.lower() for names, caption in captions if not names}
    assert "a quiet afternoon" in silent
    assert len(silent) > 50
