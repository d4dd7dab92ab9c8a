"""Training a small CLIP: it resumes where it was killed, ends at the same weights, and is written as open_clip reads it."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from backend.models.loading import load_model
from precompute.synthetic import train
from precompute.synthetic.corpora import HELD_OUT, PAIRS

MODEL = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 16, "layers": 1, "width": 16, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 1, "layers": 1},
}


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """One recipe of three short epochs, a small set of pictures, a known world."""
    monkeypatch.setitem(PAIRS, HELD_OUT, 96)
    monkeypatch.setitem(train.RECIPES, "small", train.Recipe(HELD_OUT, 3, batch=32, model=MODEL))
    monkeypatch.setattr(train, "TEST_EACH", 1)
    monkeypatch.setattr(train, "hash_world", lambda seed: "a world")
    train._fingerprint.cache_clear()
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def train_small(folder, tell=lambda told: None) -> dict:
    (folder / "work").mkdir(exist_ok=True, parents=True)
    return train.train_model("small", folder / "out", folder / "work", tell)


def weights(folder) -> dict:
    return load_file(folder / "out" / "small" / train.WEIGHTS_NAME)


def test_a_killed_training_goes_on_after_its_last_epoch_and_ends_at_the_same_weights(tmp_path):
    def kill(told):
        if told[1] > 0.5 and told[0].startswith("training"):
            raise KeyboardInterrupt

    card = train_small(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train_small(tmp_path / "killed", kill)
    assert not (tmp_path / "killed" / "out").exists()
    told = []
    resumed = train_small(tmp_path / "killed", told.append)
    assert min(done for stage, done in told if stage.startswith("training")) == pytest.approx(2 / 3)
    assert resumed["loss"] == card["loss"]
    whole, again = weights(tmp_path / "whole"), weights(tmp_path / "killed")
    assert all(torch.equal(whole[name], again[name]) for name in whole)


def test_the_state_of_another_recipe_is_not_used(tmp_path, monkeypatch):
    def kill(told):
        if told[1] > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_small(tmp_path, lambda told: told[0].startswith("training") and kill(told))
    monkeypatch.setitem(train.RECIPES, "small", train.Recipe(HELD_OUT, 3, batch=32, learning_rate=2e-3, model=MODEL))
    train._fingerprint.cache_clear()
    told = []
    train_small(tmp_path, told.append)
    assert min(done for stage, done in told if stage.startswith("training")) == 0


def test_the_model_is_read_by_open_clip_and_its_card_says_how_it_was_made(tmp_path):
    card = train_small(tmp_path)
    folder = tmp_path / "out" / "small"
    assert json.loads((folder / "card.json").read_text()) == card
    assert (card["corpus"], card["pairs"], card["steps"], card["epochs"]) == (HELD_OUT, 96, 9, 3)
    assert len(card["loss"]) == 3
    assert {"seconds", "machine", "trained", "tolerance", "recipe"} <= set(card)
    assert (card["accuracy"]["portraits"], card["accuracy"]["chance"]) == (540, 0.19)
    features = load_model(str(folder)).encode_texts(["a bolu", "a rati"])
    assert np.linalg.norm(features, axis=1) == pytest.approx(1, abs=1e-5)


def test_a_shipped_model_is_in_half_precision_and_all_together_stay_below_40_mb():
    files = list(train.MODELS.glob(f"*/{train.WEIGHTS_NAME}"))
    assert len(files) == 4
    assert sum(path.stat().st_size for path in files) < 40e6
    for path in files:
        assert {value.dtype for value in load_file(path).values() if value.is_floating_point()} == {torch.float16}


def test_the_shipped_models_were_trained_by_the_recipes_on_this_world(monkeypatch):
    monkeypatch.undo()
    train._fingerprint.cache_clear()
    for name in train.RECIPES:
        assert train._read_card(train.MODELS / name)["fingerprint"] == train._fingerprint(name)
