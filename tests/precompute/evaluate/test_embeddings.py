"""Embeddings of a study's images: every sample is embedded or booked, once for the same samples and weights."""

import shutil

import numpy as np
import pytest

from backend.errors import TailscopeError
from backend.images import decode_image, read_image_bytes
from backend.models.loading import load_model
from backend.probe.nearest import list_embedded, load_embeddings
from backend.study import Study
from backend.validation import study_faults
from precompute.evaluate import embeddings
from precompute.evaluate.embeddings import embed_study
from tests.tiny_clip import write_model


def quiet(stage: str, done: float) -> None:
    """No progress."""


@pytest.fixture(scope="module")
def spec(tmp_path_factory) -> str:
    return str(write_model(tmp_path_factory.mktemp("models") / "tiny"))


@pytest.fixture(scope="module")
def model(spec):
    return load_model(spec)


@pytest.fixture
def folder(tmp_path, invented_study):
    return shutil.copytree(invented_study.folder, tmp_path / "world")


@pytest.fixture(scope="module")
def embedded(tmp_path_factory, invented_study, spec):
    folder = shutil.copytree(invented_study.folder, tmp_path_factory.mktemp("studies") / "world")
    embed_study(folder, spec, ["zipf"], quiet)
    return Study(folder)


def test_every_sample_is_embedded_or_booked(embedded, model):
    entry = embedded.manifest.raw["counts"]["embed"]["tiny"]["zipf"]
    rows = embedded.manifest.raw["tables"]["samples"]["files"]["zipf"]["rows"]
    assert entry["read"] == rows == entry["written"] + sum(entry["dropped"].values())
    held = load_embeddings(embedded, "zipf", model)
    assert (held.features.shape, int((held.sample_ids >= 0).sum())) == ((rows, 16), entry["written"])
    assert list_embedded(embedded, model)[["corpus", "images"]].to_numpy().tolist() == [["zipf", entry["written"]]]


def test_embedding_is_that_of_the_samples_image(embedded, model):
    held = load_embeddings(embedded, "zipf", model)
    rows = embedded.query("SELECT * FROM samples WHERE corpus = 'zipf' AND image IS NOT NULL ORDER BY sample_id LIMIT 40")
    places = {sample_id: place for place, sample_id in enumerate(held.sample_ids) if sample_id >= 0}
    row = next(row for row in rows.iloc[5:].itertuples() if row.sample_id in places)
    image = decode_image(read_image_bytes(embedded.folder, row.image, row.offset, row.length))
    np.testing.assert_allclose(held.features[places[row.sample_id]], model.encode_images([image])[0], atol=1e-5)


def test_study_stays_without_faults(embedded):
    assert study_faults(embedded.folder) == []


def test_second_run_embeds_nothing(embedded, spec, monkeypatch):
    monkeypatch.setattr(embeddings, "_embed_corpus", None)
    assert embed_study(embedded.folder, spec, ["zipf"], quiet).ledgers == {}


def test_other_weights_are_embedded_beside_the_first(folder, spec, tmp_path, model):
    other = write_model(tmp_path / "other", seed=1)
    embed_study(folder, spec, ["zipf"], quiet)
    embed_study(folder, str(other), ["zipf"], quiet)
    study = Study(folder)
    one, two = (load_embeddings(study, "zipf", one).features for one in (model, load_model(str(other))))
    assert not np.allclose(one, two)


def test_all_corpora_are_embedded_where_none_is_named(folder, spec, model):
    embed_study(folder, spec, [], quiet)
    assert list_embedded(Study(folder), model)["corpus"].tolist() == ["balanced", "zipf"]


def test_blocks_change_nothing(folder, spec, model, embedded, monkeypatch):
    monkeypatch.setattr(embeddings, "BLOCK", 37)
    embed_study(folder, spec, ["zipf"], quiet)
    one, two = (load_embeddings(study, "zipf", model) for study in (Study(folder), embedded))
    np.testing.assert_allclose(one.features, two.features, atol=1e-6)
    np.testing.assert_array_equal(one.sample_ids, two.sample_ids)


def test_killed_run_finds_its_encoded_images_again(folder, spec, monkeypatch):
    monkeypatch.setattr(embeddings, "extend_study", lambda folder: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        embed_study(folder, spec, ["zipf"], quiet)
    monkeypatch.undo()
    assert "embeddings" not in Study(folder).manifest.raw

    def refuse(*arguments):
        raise AssertionError("an image was encoded again")

    monkeypatch.setattr("backend.models.encode.Model.begin_batch", refuse)
    assert embed_study(folder, spec, ["zipf"], quiet).ledgers["zipf"].written > 0
    assert [path.name for path in folder.parent.iterdir() if path.name.startswith(".")] == [".cache"]


def test_unknown_corpus_is_refused_before_the_model_is_loaded(folder):
    with pytest.raises(TailscopeError, match="has no samples of 'web', only of: balanced, zipf."):
        embed_study(folder, "no model", ["web"], quiet)
