"""A tagger that does not know the pictures is refused before the search: told by captions, with values worked out by hand."""

import math

import numpy as np
import pytest

from backend.errors import TailscopeError
from backend.models.catalogue import MODELS
from precompute.corpus.registry import find_shards
from precompute.corpus.shard import AS_FOUND, ReadOptions
from precompute.search.parts import Look
from precompute.search.plan import ImageSearch
from precompute.search.shards import SearchJob
from precompute.search.suits import check_tagger, judge_fit, measure_fit
from precompute.search.tagger import ClipRecipe

SEARCH = ImageSearch(None, None, (0.5,), 0.5)
CATEGORIES = ("bicycle", "cat", "dog", "person", "skis", "surfboard", "toilet", "umbrella", "bus", "train", "clock", "bear")


def test_area_is_the_share_of_pairs_in_the_right_order():
    scores = np.array([[0.9, 0.1], [0.6, 0.2], [0.6, 0.3], [0.1, 0.4]], np.float32)
    named = np.array([[1, 0], [0, 0], [1, 1], [0, 0]], bool)
    fit = measure_fit(scores, named, 0.5)
    # First concept: 0.9 above 0.6 and 0.1, 0.6 even with 0.6 and above 0.1: 3.5 of 4.
    # Second concept: 0.3 above 0.1 and 0.2, below 0.4: 2 of 3.
    assert fit.area == pytest.approx((2 * 3.5 / 4 + 2 / 3) / 3)
    assert (fit.pictures, fit.concepts, fit.named, fit.shown, fit.said) == (4, 2, 3, 0.75, 0.75)


def test_nothing_named_has_no_area_and_no_verdict():
    fit = measure_fit(np.zeros((3, 2), np.float32), np.zeros((3, 2), bool), 0.5)
    assert math.isnan(fit.area)
    assert judge_fit(fit, 2, SEARCH) == ""


def test_scores_by_chance_are_refused_and_scores_that_know_are_not():
    chance = np.random.default_rng(5)
    named = chance.random((200, 10)) < 0.1
    guesses = chance.random((200, 10)).astype(np.float32) / 2
    with pytest.raises(TailscopeError, match="does not know such pictures: of two of the first 200 .* --trust-tagger"):
        judge_fit(measure_fit(guesses, named, 0.5), 10, SEARCH)
    assert judge_fit(measure_fit(guesses + named * np.float32(0.3), named, 0.5), 10, SEARCH) == ""


def test_few_named_concepts_are_no_verdict():
    named = np.eye(4, dtype=bool)
    assert judge_fit(measure_fit(1 - named.astype(np.float32), named, 2), 4, SEARCH) == ""


def test_threshold_that_shows_nearly_everything_is_warned_of():
    named = np.zeros((50, 100), bool)
    warning = judge_fit(measure_fit(np.ones((50, 100), np.float32), named, 0.5), 100, SEARCH)
    assert warning.startswith(
        "Warning: at the chosen threshold 0.50 a picture shows 100 of 100 concepts, and its captions name 0.0."
    )


def check(shards, concepts: tuple[str, ...], cache, options: ReadOptions = AS_FOUND) -> str:
    recipe = ClipRecipe(str(MODELS / "tagger"), cache)
    search = ImageSearch(recipe, None, (0.8,), 0.8)
    return check_tagger(find_shards([str(shards)], options), SearchJob(concepts, Look(recipe, 0.8)), search)


def test_shipped_tagger_is_refused_on_photos(shared_data, tmp_path):
    folder = shared_data / "coco-mini"
    captions = folder / "annotations" / "captions_val2017.json"
    with pytest.raises(TailscopeError, match="does not know such pictures: of two of the first 79 pictures"):
        check(captions, CATEGORIES, tmp_path, ReadOptions(images=folder / "val2017"))


def test_shipped_tagger_is_taken_on_the_pictures_that_it_was_made_for(embedded_study, tmp_path):
    study = embedded_study
    concepts = tuple(study.query("SELECT DISTINCT concept FROM concepts ORDER BY concept")["concept"])
    first = sorted((study.folder / "corpora" / "zipf-20k").glob("*.tar"))[0]
    assert check(first, concepts, tmp_path) == ""
