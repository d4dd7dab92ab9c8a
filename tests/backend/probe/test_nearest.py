"""Text to images: the nearest are found exactly, and only among embeddings of these weights and these samples."""

import json
from pathlib import Path

import numpy as np
import pytest

from backend.errors import EmptySelection, InvalidTable, MissingTable
from backend.models.encode import Model
from backend.models.loading import load_model
from backend.probe.nearest import (
    EMBEDDINGS,
    Embeddings,
    count_images,
    draw_embeddings,
    embedding_paths,
    find_images,
    list_embedded,
    load_embeddings,
    rank_nearest,
)
from backend.study import Study
from tests.tiny_clip import write_model
from tests.tiny_study import count_rows, write_study

IDS = [3, 5, 8, 9]
PLACE = {"offset": None, "length": None, "width": 4, "height": 4}


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Model:
    return load_model(str(write_model(tmp_path_factory.mktemp("models") / "tiny")))


@pytest.fixture
def features(model) -> np.ndarray:
    """Those of four texts, which stand for pictures here: a text is nearest to itself."""
    return model.encode_texts(["a zib", "a rose", "two striped daxus", ""])


@pytest.fixture
def study(tmp_path, model, features) -> Study:
    """A study of four samples; the features of "web" are there, those of "more" are not."""
    rows = [
        {"corpus": corpus, "sample_id": number, "caption": f"picture {number}", "image": f"{number}.png"} | PLACE
        for corpus in ("more", "web")
        for number in IDS
    ]
    counts = [row for corpus in ("more", "web") for row in count_rows(corpus, "lemmatized", {"zib": 1})]
    folder = write_study(tmp_path / "hand made", counts, samples=rows).folder
    put_embeddings(folder, model, features, IDS)
    return Study(folder)


def put_embeddings(folder: Path, model: Model, features: np.ndarray, sample_ids: list[int]) -> None:
    """Writes embeddings of "web" as the step does."""
    paths = embedding_paths(folder, model.weights_sha256, "web")
    paths[0].parent.mkdir(parents=True, exist_ok=True)
    np.save(paths[0], features)
    np.save(paths[1], np.array(sample_ids))
    manifest = json.loads((folder / "manifest.json").read_text())
    entry = {"images": len(features), "samples_sha256": manifest["tables"]["samples"]["files"]["web"]["sha256"]}
    manifest[EMBEDDINGS] = {model.weights_sha256: {"corpora": {"web": entry}}}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_text_finds_the_images_of_highest_similarity(study, model, features):
    found = find_images(study, "web", model, "  a rose ", count=3)
    expected = features @ features[1]
    order = np.argsort(-expected)[:3]
    assert found["sample_id"].tolist() == [IDS[place] for place in order]
    assert (found["sample_id"][0], found["caption"][0], found["image"][0]) == (5, "picture 5", "5.png")
    np.testing.assert_allclose(found["similarity"], expected[order], atol=1e-6)
    assert found["similarity"][0] == pytest.approx(1)


def test_more_than_there_are_gives_all(study, model):
    assert len(find_images(study, "web", model, "a rose", count=99)) == 4


def test_corpora_with_embeddings_are_listed_by_title(study, model):
    assert list_embedded(study, model).to_dict("records") == [{"corpus": "web", "title": "WEB", "images": 4}]


def test_corpus_without_embeddings_names_the_command(study, model):
    with pytest.raises(MissingTable, match="python -m precompute embed --study '.*hand made' --model .*tiny"):
        find_images(study, "more", model, "a rose")


def test_other_weights_have_no_embeddings(study, tmp_path):
    other = load_model(str(write_model(tmp_path / "other", seed=1)))
    assert list_embedded(study, other).empty
    with pytest.raises(MissingTable, match="have no embeddings by other"):
        find_images(study, "web", other, "a rose")


def test_samples_that_were_indexed_anew_have_no_embeddings(study, model):
    path = study.folder / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["tables"]["samples"]["files"]["web"]["sha256"] = "0" * 64
    path.write_text(json.dumps(manifest))
    assert list_embedded(Study(study.folder), model).empty


@pytest.mark.parametrize("content", [b"", b"no array", b"\x93NUMPY", None])
@pytest.mark.parametrize("which", [0, 1])
def test_broken_embeddings_are_told(study, model, which, content):
    path = embedding_paths(study.folder, model.weights_sha256, "web")[which]
    path.write_bytes(path.read_bytes()[:-7] if content is None else content)
    with pytest.raises(InvalidTable, match="cannot be read"):
        load_embeddings(study, "web", model)


@pytest.mark.parametrize(("shape", "ids"), [((4, 15), IDS), ((3, 16), IDS), ((64,), IDS), ((4, 16), IDS[:3])])
def test_embeddings_of_another_shape_are_told(study, model, shape, ids):
    put_embeddings(study.folder, model, np.zeros(shape, np.float32), ids)
    with pytest.raises(InvalidTable, match="do not fit their sample_ids or the model"):
        load_embeddings(Study(study.folder), "web", model)


@pytest.mark.parametrize("text", ["", " \n"])
def test_empty_text_is_refused(study, model, text):
    with pytest.raises(EmptySelection, match="Type a text"):
        find_images(study, "web", model, text)


def test_nearest_are_ranked_by_similarity_then_sample():
    features = np.array([[1, 0], [0, 1], [1, 0], [0.6, 0.8], [-1, 0]], np.float32)
    held = Embeddings(features, np.array([40, 30, 20, 10, 5]))
    ids, similarities = rank_nearest(held, np.array([1, 0]), 3)
    assert (ids.tolist(), similarities.tolist()) == ([20, 40, 10], pytest.approx([1, 1, 0.6]))
    assert rank_nearest(held, np.array([1, 0]), 99)[0].tolist() == [20, 40, 10, 30, 5]


def test_nearest_are_those_of_a_full_sort():
    dice = np.random.default_rng(0)
    held = Embeddings(dice.integers(-3, 4, (2000, 4)).astype(np.float32), dice.permutation(2000))  # with many ties
    query = np.array([1, 0, -1, 2], np.float32)
    order = np.lexsort((held.sample_ids, -(held.features @ query)))
    for count in (1, 24, 2000):
        assert rank_nearest(held, query, count)[0].tolist() == held.sample_ids[order][:count].tolist()


def test_images_that_could_not_be_read_are_never_found():
    held = Embeddings(np.array([[0, 0], [-1, 0]], np.float32), np.array([-1, 7]))
    assert rank_nearest(held, np.array([1, 0]), 2)[0].tolist() == [7]
    assert len(rank_nearest(Embeddings(held.features[:1], held.sample_ids[:1]), np.array([1, 0]), 2)[0]) == 0


def test_no_images_are_nearest_to_nothing():
    assert len(rank_nearest(Embeddings(np.empty((0, 2), np.float32), np.empty(0, np.int64)), np.array([1, 0]), 2)[0]) == 0


# Some images, drawn by lot


def test_images_drawn_by_lot_are_those_that_a_text_finds(invented_study, model, tmp_path):
    images = count_images(invented_study, "balanced")
    some = draw_embeddings(invented_study, "balanced", model, 30, folder=tmp_path)
    assert some.features.shape == (30, model.width)
    assert len(set(some.sample_ids.tolist())) == 30 < images
    found = find_images(invented_study, "balanced", model, "a striped daxu", some, count=5)
    assert set(found["sample_id"]) <= set(some.sample_ids.tolist())
    everything = draw_embeddings(invented_study, "balanced", model, images + 5, folder=tmp_path)
    place = everything.sample_ids.tolist().index(some.sample_ids[3])
    assert np.allclose(everything.features[place], some.features[3], atol=1e-5)


def test_drawn_images_are_encoded_once(invented_study, model, tmp_path, monkeypatch):
    first = draw_embeddings(invented_study, "balanced", model, 10, folder=tmp_path)
    monkeypatch.setattr(Model, "encode_images", lambda *arguments: pytest.fail("encoded again"))
    again = draw_embeddings(invented_study, "balanced", model, 10, folder=tmp_path)
    assert np.array_equal(first.features, again.features)
    assert np.array_equal(first.sample_ids, again.sample_ids)


def test_drawn_image_that_is_not_there_is_never_found(study, model, tmp_path):
    some = draw_embeddings(study, "more", model, 4, folder=tmp_path)  # the hand made study has no files
    assert some.sample_ids.tolist() == [-1] * 4
    assert find_images(study, "more", model, "a rose", some).empty
