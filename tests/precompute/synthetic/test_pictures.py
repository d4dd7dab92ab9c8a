"""Pictures of the invented world: each follows from the seed, its collection and its number."""

import io

import numpy as np
import pytest
from PIL import Image

from precompute.synthetic.pictures import SIDE, Studio, make_rng
from precompute.synthetic.species import SEED, draw_species


@pytest.fixture(scope="module")
def studio():
    return Studio(draw_species()[:12], SEED)


def test_a_photograph_is_the_same_bytes_each_time_and_a_jpeg_of_96_pixels(studio):
    content = studio.photograph("zipf-20k", 7, (3, 5))
    assert content == Studio(draw_species()[:12], SEED).photograph("zipf-20k", 7, (3, 5))
    with Image.open(io.BytesIO(content)) as image:
        assert (image.format, image.size, image.mode) == ("JPEG", (SIDE, SIDE), "RGB")


def test_number_collection_species_and_seed_each_make_another_picture(studio):
    drawn = [
        studio.photograph("a", 0, (1,)),
        studio.photograph("a", 1, (1,)),
        studio.photograph("b", 0, (1,)),
        studio.photograph("a", 0, (2,)),
        Studio(draw_species()[:12], SEED + 1).photograph("a", 0, (1,)),
    ]
    assert len(set(drawn)) == 5


def test_a_species_covers_a_part_of_its_picture_and_two_stand_side_by_side(studio):
    def changed(shown) -> np.ndarray:
        pictures = [np.asarray(studio.draw("a", number, shown)).astype(int) for number in range(20)]
        bare = [np.asarray(studio.draw("a", number, ())).astype(int) for number in range(20)]
        return np.array([np.abs(one - other).max(axis=2) > 60 for one, other in zip(pictures, bare, strict=True)])

    alone, pair = changed((1,)), changed((1, 2))
    assert 0.03 < alone.mean() < 0.5
    assert pair[:, :, : SIDE // 2].mean() > 0.01
    assert pair[:, :, SIDE // 2 :].mean() > 0.01


def test_what_is_developed_is_what_the_file_holds(studio):
    with Image.open(io.BytesIO(studio.photograph("a", 4, (1,)))) as image:
        assert np.array_equal(np.asarray(image), np.asarray(studio.develop("a", 4, (1,))))


def test_random_numbers_are_the_same_on_every_machine():
    assert make_rng(1, "a", 2).integers(0, 1000, 4).tolist() == [216, 911, 361, 691]
