"""Recall of captions and images: worked out by hand for three images with two captions each; ties are shared fairly."""

import json
from itertools import permutations

import numpy as np
import pytest

from backend.errors import SourceError
from backend.models.loading import load_model
from precompute.evaluate.retrieval import (
    Pairs,
    Standing,
    chance_within,
    evaluate_retrieval,
    keep_encoded,
    rank_captions,
    rank_images,
    read_pairs,
)
from precompute.ledger import Ledger
from tests.precompute.evaluate.test_classification import jpeg, write_tar
from tests.tiny_clip import draw_pictures, write_model

# Three images, two captions each. The captions of the third are far from it: both lie beside the first image.
IMAGES = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)
TEXTS = np.array(
    [[0.9, 0.1, 0], [0.5, 0.6, 0], [0, 0.8, 0], [0.1, 0.7, 0.2], [0.95, 0, 0.3], [0.7, 0, 0.1]],
    np.float32,
)
OF_IMAGE = np.array([0, 0, 1, 1, 2, 2])
OF_TEXT = np.arange(6)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return load_model(str(write_model(tmp_path_factory.mktemp("models") / "tiny")))


def recall(standing: Standing, rank: int) -> list[float]:
    return chance_within(standing, rank).tolist()


def test_captions_of_each_image_by_hand():
    standing = rank_captions(IMAGES, TEXTS, OF_IMAGE, OF_TEXT)
    assert standing.above.tolist() == [1, 0, 0]  # 0.95 > 0.9; 0.8 is the nearest; 0.3 is the nearest
    assert (recall(standing, 1), recall(standing, 5)) == ([0, 1, 1], [1, 1, 1])


def test_image_of_each_caption_by_hand():
    standing = rank_images(IMAGES, TEXTS, OF_IMAGE, OF_TEXT)
    assert standing.above.tolist() == [0, 1, 0, 0, 1, 1]
    assert recall(standing, 1) == [1, 0, 1, 1, 0, 0]


def test_any_caption_of_an_image_will_do():
    standing = rank_captions(IMAGES[:1], TEXTS, np.array([0, 0, 0, 0, 0, 0]), OF_TEXT)
    assert recall(standing, 1) == [1]


@pytest.mark.parametrize("rank", [1, 2, 3, 5])
def test_chance_of_ties_is_that_of_all_their_orders(rank):
    above, tied, right = 1, 4, 2
    orders = list(permutations([True] * right + [False] * (tied - right)))
    expected = np.mean([any(order[: max(rank - above, 0)]) for order in orders])
    one = np.array([1])
    assert recall(Standing(one * above, one * tied, one * right), rank) == pytest.approx([expected])


def test_model_that_tells_nothing_apart_scores_by_chance():
    same = np.ones((20, 3), np.float32)
    standing = rank_images(same, same, np.arange(20), np.arange(20))
    assert recall(standing, 5) == pytest.approx([5 / 20] * 20)


def test_copies_of_a_caption_are_equally_near():
    texts = np.array([[1, 0, 0], [0, 1, 0]], np.float32)
    standing = rank_captions(IMAGES[:2], texts, np.array([0, 1, 1]), np.array([0, 0, 1]))  # both images say text 0
    assert (standing.tied.tolist(), standing.right.tolist()) == ([2, 1], [1, 1])
    assert recall(standing, 1) == [0.5, 1]


def test_blocks_change_nothing(monkeypatch):
    dice = np.random.default_rng(0)
    images, texts = dice.normal(size=(30, 8)), dice.normal(size=(50, 8))
    of_image, of_text = dice.permutation(np.repeat(np.arange(30), 2)), dice.integers(0, 50, 60)
    for rank in (rank_captions, rank_images):
        at_once = rank(images, texts, of_image, of_text)
        with monkeypatch.context() as patched:
            patched.setattr("precompute.evaluate.retrieval.CELLS_AT_ONCE", 100)
            in_blocks = rank(images, texts, of_image, of_text)
        for name in ("above", "tied", "right"):
            np.testing.assert_array_equal(getattr(in_blocks, name), getattr(at_once, name))


def test_scores_of_concepts_are_means_over_their_queries(model, monkeypatch):
    captions = ["two roses", "a zib", "a zib and a rose", "the zib", "nothing", "a bee"]
    monkeypatch.setattr(type(model), "encode_texts", lambda self, texts: TEXTS[: len(texts)])
    scores = evaluate_retrieval(model, IMAGES, Pairs([], captions, OF_IMAGE), ["rose", "zib", "bee", "yak"])
    assert list(scores) == ["i2t@1", "i2t@5", "i2t@10", "t2i@1", "t2i@5", "t2i@10"]
    # rose: images 0, 1 and captions 0, 2; zib: images 0, 1 and captions 1, 2, 3; bee: image 2 and caption 5
    np.testing.assert_allclose(scores["i2t@1"].values, [50, 50, 100, np.nan])
    np.testing.assert_allclose(scores["t2i@1"].values, [100, 200 / 3, 0, np.nan])
    assert (scores["i2t@1"].n.tolist(), scores["t2i@1"].n.tolist()) == ([2, 2, 1, 0], [2, 3, 1, 0])
    assert (scores["i2t@1"].overall, scores["t2i@1"].overall) == pytest.approx((200 / 3, 50))
    assert scores["t2i@5"].values[:3].tolist() == [100, 100, 100]


def test_same_caption_is_encoded_once(model):
    pairs = Pairs([], ["a rose", "a rose"], np.array([0, 1]))
    features = model.encode_images(draw_pictures(2))
    assert evaluate_retrieval(model, features, pairs, ["rose"])["i2t@1"].overall == 50


def test_photo_with_two_captions_is_one_image(tmp_path):
    for number, picture in enumerate(draw_pictures(2)):
        picture.save(tmp_path / f"{number}.jpg")
    images = [{"id": number, "file_name": f"{number}.jpg"} for number in range(3)]
    annotations = [
        {"image_id": number, "caption": text} for number, text in ((0, "a rose"), (1, "a zib"), (0, "roses"), (2, "x"))
    ]
    (tmp_path / "captions.json").write_text(json.dumps({"images": images, "annotations": annotations}))
    ledger = Ledger()
    pairs = read_pairs([str(tmp_path / "captions.json")], ledger)
    assert [place[0] for place in pairs.places] == [str(tmp_path / "0.jpg"), str(tmp_path / "1.jpg")]
    assert (pairs.captions, pairs.of_image.tolist()) == (["a rose", "a zib", "roses"], [0, 1, 0])
    assert ledger.entry() == {"read": 4, "written": 3, "dropped": {"no image": 1}}


def test_photos_of_coco_lie_in_another_folder_which_is_named(tmp_path):
    for folder in ("annotations", "val2017"):
        (tmp_path / folder).mkdir()
    draw_pictures(1)[0].save(tmp_path / "val2017" / "7.jpg")
    images = [{"id": 7, "file_name": "7.jpg", "coco_url": "http://images.example/val2017/7.jpg"}]
    captions = tmp_path / "annotations" / "captions.json"
    captions.write_text(json.dumps({"images": images, "annotations": [{"image_id": 7, "caption": "a rose"}]}))
    said = r"captions\.json: no pair .*\(its image is not here: 1\)\)\. .*name it: --images NAME=FOLDER"
    with pytest.raises(SourceError, match=said):
        read_pairs([str(captions)], Ledger())
    pairs = read_pairs([str(captions)], Ledger(), tmp_path / "val2017")
    assert (pairs.places, pairs.captions) == ([(str(tmp_path / "val2017" / "7.jpg"), None, None)], ["a rose"])


def test_text_of_several_lines_is_several_captions(tmp_path):
    members = {"a.jpg": jpeg(draw_pictures(1)[0]), "a.txt": b"a rose\n\nroses, two of them\n", "b.txt": b"a zib"}
    ledger = Ledger()
    pairs = read_pairs([str(write_tar(tmp_path / "0.tar", members))], ledger)
    assert (pairs.captions, pairs.of_image.tolist()) == (["a rose", "roses, two of them"], [0, 0])
    assert (ledger.written, sum(ledger.dropped.values())) == (2, 1)


def test_caption_of_a_list_that_is_broken_into_lines_is_one(tmp_path):
    draw_pictures(1)[0].save(tmp_path / "7.jpg")
    content = {"images": [{"id": 7, "file_name": "7.jpg"}], "annotations": [{"image_id": 7, "caption": "a rose\nin a vase\n"}]}
    (tmp_path / "captions.json").write_text(json.dumps(content))
    assert read_pairs([str(tmp_path / "captions.json")], Ledger()).captions == ["a rose in a vase"]


def test_pairs_of_a_bad_image_are_booked_as_dropped():
    ledger = Ledger(read=4, written=4)
    pairs = Pairs([("a", None, None), ("b", None, None)], ["1", "2", "3", "4"], np.array([0, 1, 0, 1]))
    kept = keep_encoded(pairs, np.array([1]), ledger)
    assert (kept.places, kept.captions, kept.of_image.tolist()) == ([("b", None, None)], ["2", "4"], [0, 0])
    assert ledger.entry() == {"read": 4, "written": 2, "dropped": {"its image cannot be encoded": 2}}
