"""The invented species: their names, how they belong together, and that each looks like itself alone."""

from collections import Counter

import numpy as np
import pytest

from backend.words import lemma, split_words
from precompute.synthetic.species import SEED, TEXTURES, draw_species, draw_sprite, pluralise


@pytest.fixture(scope="module")
def species():
    return draw_species()


def test_there_are_540_species_numbered_in_order_with_names_of_their_own(species):
    assert [one.number for one in species] == list(range(540))
    assert len({one.name for one in species}) == 540


def test_a_third_of_the_names_have_two_words_and_three_species_share_the_last(species):
    words = [one.name.split() for one in species]
    assert Counter(map(len, words)) == {1: 360, 2: 180}
    genera = Counter(pair[1] for pair in words if len(pair) == 2)
    assert set(genera.values()) == {3}
    assert not set(genera) & {pair[0] for pair in words if len(pair) == 1}


def test_a_genus_shares_its_outline_and_its_first_words_tell_what_is_seen(species):
    first, second, third = species[360:363]
    assert first.waves == second.waves == third.waves
    for one in species[360:]:
        word = one.name.split()[0]
        assert word == (one.texture if word in TEXTURES else one.garment)


def test_every_name_is_the_lemma_of_its_plural(species):
    for one in species:
        *front, last = split_words(pluralise(one.name))
        assert " ".join([*front, lemma(last)]) == one.name
    assert pluralise("vaus") == "vauses"


def test_same_seed_same_species_and_another_seed_others(species):
    assert draw_species(SEED) == species
    assert not {one.name for one in draw_species(SEED + 1)} & {one.name for one in species[:50]}


def test_no_two_species_look_the_same(species):
    sprites = np.stack([np.asarray(draw_sprite(one)) for one in species[::9]]).astype(int)
    for number, sprite in enumerate(sprites):
        others = np.abs(np.delete(sprites, number, axis=0) - sprite).mean(axis=(1, 2, 3))
        assert others.min() > 4
