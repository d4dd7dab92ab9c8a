"""Which concepts images show: hits of a tagger, hits given in a file, and the threshold to choose."""

import pickle

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from PIL import Image

from backend.errors import TailscopeError
from precompute.corpus.registry import find_shards, read_batches
from precompute.corpus.sample import SCHEMA, SampleBatch
from precompute.corpus.shard import Reading
from precompute.ledger import Ledger
from precompute.search import images as image_search
from precompute.search.calibrate import choose_threshold
from precompute.search.given import GivenHits
from precompute.search.images import encode_images, score_pictures
from precompute.search.tagger import ClipRecipe, ClipTagger
from tests.hostile_images import save
from tests.precompute.colour_shards import ColourTagger, picture, write_shard
from tests.tiny_clip import draw_pictures, write_model


def read(path, with_images: bool = True) -> list[SampleBatch]:
    (shard,) = find_shards([str(path)])
    return list(read_batches(shard, Reading(), with_images))


def look(batches, root, tagger, floor: float, ledger: Ledger) -> pa.Table:
    """The hits of a shard, by what a tagger sees in its images."""
    seen = []
    pictures = encode_images(batches, root, tagger, ledger, seen.append)
    assert pictures.schema.equals(image_search.PICTURES_SCHEMA)
    return score_pictures(seen, tagger, floor, pictures)


def search(path, floor: float, tagger: ColourTagger | None = None) -> tuple[list[tuple], dict]:
    """The hits of a shard as tuples, and the images' books."""
    ledger = Ledger()
    hits = look(read(path), path.parent, tagger or ColourTagger(), floor, ledger)
    assert hits.schema.equals(image_search.HITS_SCHEMA)
    return list(zip(*(column.to_pylist() for column in hits.columns), strict=True)), ledger.entry()


def test_hits_are_sorted_by_sample_then_by_falling_score(tmp_path):
    path = write_shard(tmp_path / "a.tar", [("x", picture(64, 128, 0)), ("y", picture(0, 0, 0)), ("z", picture(0, 32, 32))])
    hits, books = search(path, 0.125)
    assert hits == [(0, 1, 0.5), (0, 0, 0.25), (2, 1, 0.125), (2, 2, 0.125)]
    assert books == {"read": 3, "written": 3, "dropped": {}}


def test_score_equal_to_the_threshold_as_float32_is_a_hit(tmp_path):
    class Fixed(ColourTagger):
        def score_features(self, features):
            below = np.nextafter(np.float32(0.3), np.float32(0))
            return np.array([[np.float32(0.3), below, 0]], np.float32)  # float32(0.3) is above 0.3, its neighbour below

    path = write_shard(tmp_path / "a.tar", [("x", picture(0, 0, 0))])
    assert [hit[:2] for hit in search(path, 0.3, Fixed())[0]] == [(0, 0)]


def test_photo_of_five_captions_is_scored_once_and_hits_five_times(tmp_path):
    (tmp_path / "1.png").write_bytes(picture(64, 0, 0))
    (tmp_path / "2.png").write_bytes(picture(0, 64, 0))
    rows = [f"{name}.png,caption {number}" for number, name in enumerate("1112211")]
    (tmp_path / "a.csv").write_text("\n".join(["image,caption", *rows]))
    tagger = ColourTagger()
    hits, books = search(tmp_path / "a.csv", 0.25, tagger)
    assert tagger.batches == [2]
    assert [hit[:2] for hit in hits] == [(0, 0), (1, 0), (2, 0), (3, 1), (4, 1), (5, 0), (6, 0)]
    assert books["written"] == 2


def test_image_that_cannot_be_decoded_is_booked_and_its_neighbours_are_searched(tmp_path):
    red = picture(128, 0, 0)
    path = write_shard(tmp_path / "a.tar", [("a", red), ("b", b"no image"), ("c", red[:40]), ("d", picture(64, 0, 0))])
    hits, books = search(path, 0.25)
    assert hits == [(0, 0, 0.5), (3, 0, 0.25)]
    assert books == {"read": 4, "written": 2, "dropped": {"image cannot be decoded": 2}}


def test_image_that_has_gone_is_booked(tmp_path):
    path = write_shard(tmp_path / "a.tar", [("a", picture(128, 0, 0))])
    samples = read(path, with_images=False)
    path.unlink()
    ledger = Ledger()
    assert look(samples, tmp_path, ColourTagger(), 0.1, ledger).num_rows == 0
    assert ledger.entry() == {"read": 1, "written": 0, "dropped": {"image cannot be read": 1}}


def test_image_of_too_many_pixels_is_not_decoded(tmp_path, monkeypatch):
    path = write_shard(tmp_path / "a.tar", [("a", picture(128, 0, 0))])
    monkeypatch.setattr("backend.images.IMAGE_PIXELS", 47)  # it has 48
    assert search(path, 0.1) == ([], {"read": 1, "written": 0, "dropped": {"image cannot be decoded": 1}})


def test_thread_of_pixels_is_not_given_to_the_tagger(tmp_path):
    thread = save(Image.new("RGB", (1, 100), "red"), "PNG")
    path = write_shard(tmp_path / "a.tar", [("a", thread), ("b", picture(128, 0, 0))])
    hits, books = search(path, 0.1)
    assert [hit[0] for hit in hits] == [1]
    assert books == {"read": 2, "written": 1, "dropped": {"image more than 50 times as long as wide": 1}}


def test_batches_are_bounded_by_images_and_by_pixels(tmp_path, monkeypatch):
    path = write_shard(tmp_path / "a.tar", [("x", picture(number, 0, 0)) for number in range(7)])
    whole = search(path, 0.01)[0]
    for name, bound, batches in (
        ("BATCH_IMAGES", 3, [3, 3, 1]),
        ("BATCH_PIXELS", 96, [2, 2, 2, 1]),
        ("BATCH_PIXELS", 9, [1] * 7),
    ):
        tagger = ColourTagger()
        with monkeypatch.context() as patch:
            patch.setattr(image_search, name, bound)
            assert search(path, 0.01, tagger)[0] == whole
        assert tagger.batches == batches


def test_scores_that_are_no_numbers_are_refused(tmp_path):
    class Damaged(ColourTagger):
        def score_features(self, features):
            return np.full((len(features), 3), np.nan, np.float32)

    path = write_shard(tmp_path / "a.tar", [("x", picture(0, 0, 0))])
    with pytest.raises(TailscopeError, match="no finite numbers. Its weights may be damaged"):
        search(path, 0.1, Damaged())


def test_shard_without_samples_has_no_hits(tmp_path):
    assert search(write_shard(tmp_path / "a.tar", []), 0.1) == ([], {"read": 0, "written": 0, "dropped": {}})


def test_clip_tagger_gives_cosine_similarities():
    class Model:
        def encode_images(self, images):
            return np.array([[1, 0], [0.6, 0.8]], np.float32)[: len(images)]

    tagger = ClipTagger(Model(), np.array([[0, 1], [1, 0], [0.6, 0.8]], np.float32), ("a", "b", "c"))
    assert tagger.score_features(tagger.encode_images([None, None])) == pytest.approx(np.array([[0, 1, 0.6], [0.8, 0.6, 1]]))


def test_clip_by_its_folder_scores_as_the_model_and_builds_its_classifier_once(tmp_path, monkeypatch):
    from backend.models import classifiers, loading

    folder = write_model(tmp_path / "tiny")
    recipe = ClipRecipe(str(folder), tmp_path / "cache", "simple")
    tagger, pictures = recipe.load(("rose", "fern")), draw_pictures(3)
    model = loading.load_model(str(folder))
    expected = model.encode_images(pictures) @ model.encode_texts(["a photo of a rose.", "a photo of a fern."]).T
    assert tagger.score_features(tagger.encode_images(pictures)) == pytest.approx(expected, abs=1e-6)
    with monkeypatch.context() as patch:
        patch.setattr(classifiers, "build_classifier", lambda *arguments: pytest.fail("built again"))
        assert (recipe.load(("rose", "fern")).classifier == tagger.classifier).all()
    others = [ClipRecipe(str(folder), tmp_path, "class"), ClipRecipe(str(write_model(tmp_path / "b", 1)), tmp_path, "simple")]
    assert len({one.identify() for one in (recipe, *others)}) == 3
    assert pickle.loads(pickle.dumps(recipe)) == recipe


# Given hits

CONCEPTS = ("fern", "rose")


def given(*rows: tuple[str, str, float]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [[], [], []]
    return pa.table([pa.array(columns[0], pa.string()), pa.array(columns[1], pa.string()), pa.array(columns[2], pa.float32())],
                    ["image", "label", "score"])  # fmt: skip


def photos(*names: str) -> pa.Table:
    rows = [{"sample_id": number, "caption": "x", "image": name} for number, name in enumerate(names)]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def join(hits: pa.Table, *names: str, floor: float | None = None) -> tuple[list[tuple], dict]:
    """The hits of these photos as tuples, and what is booked."""
    matcher, ledger = GivenHits(hits, CONCEPTS, floor), Ledger()
    joined = matcher.join(photos(*names))
    assert joined.schema.equals(image_search.HITS_SCHEMA)
    matcher.book(ledger)
    return list(zip(*(column.to_pylist() for column in joined.columns), strict=True)), ledger.entry()


def test_given_hits_belong_to_every_caption_of_their_photo():
    hits, books = join(given(("1.jpg", "Rose", 1), ("2.jpg", "fern", 1)), "../a/1.jpg", "../a/2.jpg", "../a/1.jpg")
    assert hits == [(0, 1, 1.0), (1, 0, 1.0), (2, 1, 1.0)]
    assert books == {"read": 2, "written": 2, "dropped": {}}


def test_given_hits_that_serve_nothing_are_booked_under_their_reason():
    hits = given(("1.jpg", "rose", 1), ("1.jpg", "dalu", 1), ("9.jpg", "rose", 1), ("9.jpg", "zib", 1))
    assert join(hits, "1.jpg") == (
        [(0, 1, 1.0)],
        {"read": 4, "written": 1, "dropped": {"image that the corpus lacks": 1, "label that is no concept": 2}},
    )


def test_folder_in_a_given_name_tells_photos_of_one_name_apart():
    hits = given(("a/1.jpg", "rose", 1), ("b/1.jpg", "fern", 1), ("ab/1.jpg", "fern", 1))
    found, books = join(hits, "../photos/a/1.jpg", "../photos/b/1.jpg")
    assert found == [(0, 1, 1.0), (1, 0, 1.0)]
    assert books["dropped"] == {"image that the corpus lacks": 1}


def test_given_scores_count_from_the_floor_on_as_float32():
    hits = given(("1.jpg", "rose", 0.7), ("1.jpg", "Fern", 0.9), ("1.jpg", "fern", 0.8), ("2.jpg", "rose", 0.69))
    found, books = join(hits, "1.jpg", "2.jpg", floor=0.7)
    assert found == [(0, 0, pytest.approx(0.9)), (0, 1, pytest.approx(0.7))]
    assert books == {"read": 4, "written": 3, "dropped": {"score below the lowest threshold": 1}}


def test_no_given_hits_are_none():
    assert join(given(), "1.jpg") == ([], {"read": 0, "written": 0, "dropped": {}})


@pytest.mark.parametrize("name", ["0", "0.jpg", "0.png", "a.tar/0", "a.tar/0.webp"])
def test_given_hits_meet_the_members_of_a_tar_by_their_keys(tmp_path, name):
    (batch,) = read(write_shard(tmp_path / "a.tar", [("x", picture(0, 0, 0)), ("y", picture(0, 0, 0))]))
    assert batch.table["key"].to_pylist() == ["0", "1"]
    matcher = GivenHits(given((name, "rose", 1), ("b.tar/1", "fern", 1), ("10", "fern", 1)), CONCEPTS)
    assert [tuple(hit.values()) for hit in matcher.join(batch.table).to_pylist()] == [(0, 1, 1.0)]


def test_given_hits_meet_captions_whose_photo_is_not_here_by_its_name():
    rows = [{"sample_id": 0, "caption": "x", "key": "val/1.jpg"}, {"sample_id": 1, "caption": "x", "key": ""}]
    joined = GivenHits(given(("1.jpg", "rose", 1)), CONCEPTS).join(pa.Table.from_pylist(rows, schema=SCHEMA))
    assert [tuple(hit.values()) for hit in joined.to_pylist()] == [(0, 1, 1.0)]


# The threshold to choose

SCORES = np.array([[0.9, 0.2], [0.6, 0.1], [0.4, 0.8], [0.3, 0.7]], np.float32)
TRUTH = np.array([[1, 0], [1, 0], [0, 1], [0, 0]])


def test_thresholds_are_compared_by_counts_worked_out_by_hand():
    rows, chosen = choose_threshold(SCORES, TRUTH, [0.5, 0.75, 0.95])
    expected = pd.DataFrame(
        {
            "threshold": [0.5, 0.75, 0.95],
            "found": [4, 2, 0],
            "relevant": [3, 3, 3],
            "correct": [3, 2, 0],
            "precision": [0.75, 1.0, None],
            "recall": [1.0, 2 / 3, 0.0],
            # found by concept: 2 2, 1 1, 0 0; in truth 2 1
            "frequency_error": [np.log10(3 / 2) / 2, np.log10(3 / 2) / 2, (np.log10(3) + np.log10(2)) / 2],
        }
    )
    pd.testing.assert_frame_equal(rows, expected)
    assert chosen == 0.5  # F1 of 6/7 above 4/5, at the same frequency error


def test_lowest_frequency_error_is_chosen_before_the_highest_f1():
    scores = np.array([[0.9], [0.6], [0.6], [0.4]], np.float32)
    rows, chosen = choose_threshold(scores, np.array([[0], [1], [0], [0]]), [0.5, 0.8])
    assert list(rows["correct"]) == [1, 0]
    assert chosen == 0.8  # it finds one, and one is there, though not the same


def test_nothing_to_find_has_no_recall():
    rows, _ = choose_threshold(SCORES, np.zeros_like(TRUTH), [0.5])
    assert (rows["relevant"][0], rows["precision"][0], rows["recall"][0]) == (0, 0.0, None)
