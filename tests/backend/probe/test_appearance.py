"""Whether a picture looks like those of a study: the measures, the limit, and photos beside the invented world."""

import io

import numpy as np
import pytest
from PIL import Image

from backend.images import decode_image
from backend.probe.appearance import FEWEST, fit_appearance, measure_pictures
from backend.probe.reference import learn_appearance
from precompute.synthetic.corpora import plan_collection
from precompute.synthetic.pictures import Studio
from precompute.synthetic.species import SEED, draw_species
from tests.tiny_clip import draw_pictures

FOLDERS = ("flickr8k-1000", "coco-mini", "caltech101-mini")


def make_measures(count: int, seed: int = 0, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, 1, (count, 5))


def test_grey_picture_has_no_colours_and_no_details():
    (measures,) = measure_pictures([Image.new("RGB", (30, 50), (90, 90, 90))])
    assert measures[0] == 90
    assert not measures[1:].any()


def test_measures_of_a_picture_do_not_depend_on_those_beside_it():
    pictures = draw_pictures(3)
    together = measure_pictures(pictures)
    assert together.dtype == np.float32
    for picture, row in zip(pictures, together, strict=True):
        np.testing.assert_allclose(measure_pictures([picture])[0], row, rtol=1e-6)


def test_details_are_of_the_size_that_they_have():
    """Stripes of one pixel are details of the first size alone; of four pixels, of none below the third."""
    fine, coarse = (np.arange(64) // width % 2 * 200 for width in (1, 4))
    pictures = [Image.fromarray(np.broadcast_to(row[None, :, None], (64, 64, 3)).astype(np.uint8)) for row in (fine, coarse)]
    strengths = measure_pictures(pictures)[:, 6:].reshape(2, 4, 18).max(axis=2)
    assert (strengths > 0).tolist() == [[True, False, False, False], [False, False, True, False]]


def test_limit_keeps_what_set_it_and_rejects_what_lies_apart():
    appearance = fit_appearance(make_measures(600))
    assert (appearance.fitted, appearance.tested) == (200, 200)
    assert appearance.kept / appearance.tested > 0.93
    assert (appearance.measure(make_measures(500, 1)) <= appearance.limit).mean() > 0.93
    assert (appearance.measure(make_measures(500, 2, shift=4.0)) > appearance.limit).all()


def test_kept_counts_the_part_that_neither_measured_nor_set_the_limit():
    measures = make_measures(90)
    measures[60:75] += 50
    appearance = fit_appearance(measures)
    assert (appearance.tested, appearance.kept <= 15) == (30, True)
    assert f"of 30 other pictures of its own, this test keeps {appearance.kept} " in appearance.sentence


def test_measure_that_never_changes_breaks_nothing():
    appearance = fit_appearance(np.ones((FEWEST, 5)))
    assert appearance.kept == appearance.tested
    assert appearance.measure(np.full((1, 5), 2.0))[0] > appearance.limit


def test_few_pictures_say_nothing():
    assert fit_appearance(make_measures(FEWEST - 1)) is None


def test_study_learns_its_look_once(invented_study, tmp_path, monkeypatch):
    appearance = learn_appearance(invented_study, tmp_path)
    monkeypatch.setattr("backend.probe.reference._draw_images", None)
    assert learn_appearance(invented_study, tmp_path).limit == appearance.limit
    with pytest.raises(TypeError):
        learn_appearance(invented_study, tmp_path / "other")


def test_study_without_images_has_no_look(small_study, tmp_path):
    assert learn_appearance(small_study, tmp_path) is None


@pytest.fixture(scope="module")
def drawn() -> list[Image.Image]:
    """Pictures of the invented world, as its corpora have them."""
    species = draw_species(SEED)
    studio = Studio(species, SEED)
    plans = plan_collection(species, "zipf-20k", SEED)[:1_000]
    pictures = [studio.photograph("zipf-20k", plan.number, plan.shown) for plan in plans]
    return [Image.open(io.BytesIO(content)).convert("RGB") for content in pictures]


def test_photos_are_foreign_to_the_invented_world_and_its_own_pictures_are_not(shared_data, drawn):
    appearance = fit_appearance(measure_pictures(drawn[:500]))
    own = appearance.measure(measure_pictures(drawn[500:]))
    assert (own <= appearance.limit).mean() >= 0.95
    assert appearance.kept / appearance.tested >= 0.95
    for folder in FOLDERS:
        photos = [decode_image(path.read_bytes(), 256) for path in sorted((shared_data / folder).rglob("*.jpg"))[::4]]
        foreign = [appearance.is_foreign(photo) for photo in photos]
        assert len(foreign) >= 19
        assert np.mean(foreign) >= 0.95


def test_small_photo_and_a_picture_saved_again_are_told_apart_too(shared_data, drawn):
    """What a browser or a messenger makes of pictures: another size, another quality."""
    appearance = fit_appearance(measure_pictures(drawn[:500]))
    photos = [Image.open(path) for path in sorted((shared_data / "flickr8k-1000").rglob("*.jpg"))[::20]]
    for photo in photos:
        photo.thumbnail((96, 96))
    assert np.mean([appearance.is_foreign(photo.convert("RGB")) for photo in photos]) >= 0.95
    assert np.mean([appearance.is_foreign(picture.resize((288, 288))) for picture in drawn[500:]]) <= 0.10
