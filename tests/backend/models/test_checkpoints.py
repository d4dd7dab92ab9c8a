"""Weights as trainers leave them: wrapped, prefixed, beside other things; what is no set of weights; what is not finite."""

import argparse
import datetime
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.errors import TailscopeError
from backend.models.checkpoints import check_names, strip_prefix, unwrap_weights
from backend.models.loading import load_model
from tests.tiny_clip import make_net, write_model

ADVICE = ("weights_only", "safe_globals", "torch.load", "trust")  # of torch, to run what a file holds


@pytest.fixture(scope="module")
def weights() -> dict:
    """The weights that `model` has."""
    return dict(make_net().state_dict())


def load(architecture: str, path: Path, content: object, **options):
    torch.save(content, path, **options)
    return load_model(f"{architecture}:{path}")


def refusal(architecture: str, path: Path, content: object) -> str:
    """How a file is refused: without torch's advice, in one sentence of ours that begins with the file and what it is not."""
    with pytest.raises(TailscopeError) as raised:
        load(architecture, path, content)
    said, start = str(raised.value), f"{path} does not hold the weights of {architecture}: "
    assert said.startswith(start)
    assert [word for word in ADVICE if word in said] == []
    return said.removeprefix(start)


def assert_same(loaded, model) -> None:
    np.testing.assert_array_equal(loaded.encode_texts(["a rose", "zib"]), model.encode_texts(["a rose", "zib"]))
    assert loaded.temperature == model.temperature


def prefixed(prefix: str, weights: dict) -> dict:
    return {prefix + name: value for name, value in weights.items()}


@pytest.mark.parametrize(
    "prefix", ["", "module.", "_orig_mod.", "module._orig_mod.", "model.", "model._orig_mod.module.", "clip_model."]
)
def test_what_wrappers_put_before_each_name_comes_off(tmp_path, architecture, model, weights, prefix):
    assert_same(load(architecture, tmp_path / "x.pt", {"state_dict": prefixed(prefix, weights)}), model)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda weights: weights,
        lambda weights: {"model": weights, "optimizer": {"state": {0: {"step": 3}}, "param_groups": []}, "epoch": 4},
        lambda weights: {"model_state_dict": weights},
        lambda weights: {"module": weights},
        lambda weights: {"model": {"state_dict": weights}},
        lambda weights: {"step": torch.tensor(3), "net": weights},
        lambda weights: {"state_dict_ema": weights, "optimizer": {}},
    ],
    ids=["bare", "model", "model_state_dict", "module", "nested", "beside a tensor", "averaged"],
)
def test_what_trainers_wrap_weights_in_comes_off(tmp_path, architecture, model, weights, wrap):
    assert_same(load(architecture, tmp_path / "x.pt", wrap(weights)), model)


def test_last_weights_go_before_averaged_ones(tmp_path, architecture, model, weights):
    averaged = dict(make_net(seed=1).state_dict())
    assert_same(load(architecture, tmp_path / "x.pt", {"ema": averaged, "state_dict": weights}), model)
    both = prefixed("ema_model.", averaged) | prefixed("model.", weights)
    assert_same(load(architecture, tmp_path / "y.pt", {"state_dict": both}), model)


class Custom:
    """A class of a trainer's own."""

    def __init__(self):
        self.numbers = [1, 2]


BESIDE = {
    "namespace": argparse.Namespace(lr=0.1, nested=argparse.Namespace(path=Path("x"))),
    "numpy scalar": np.float64(0.25),
    "numpy array": np.arange(3),
    "path": Path("runs/1"),
    "time": datetime.datetime(2026, 1, 2),
    "object": Custom(),
    "type": torch.float16,
    "class": Custom,
}


@pytest.mark.parametrize("name", BESIDE)
def test_what_lies_beside_the_weights_does_not_matter(tmp_path, architecture, model, weights, name):
    assert_same(load(architecture, tmp_path / "x.pt", {"args": BESIDE[name], "state_dict": weights}), model)


def test_torchs_old_format_is_read(tmp_path, architecture, model, weights):
    content = {"state_dict": weights, "epoch": 3}
    assert_same(load(architecture, tmp_path / "x.pt", content, _use_new_zipfile_serialization=False), model)


def make_file(path: str) -> None:
    """What a file of weights must not make happen."""
    Path(path).touch()


class Touch:
    """Makes a file when it is unpickled as Python would."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self) -> tuple:
        return make_file, (str(self.path),)


class Shell:
    """Runs a command when it is unpickled as Python would."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self) -> tuple:
        return os.system, (f"touch {self.path}",)


def test_no_code_of_a_file_is_run(tmp_path, architecture, model, weights):
    mark = tmp_path / "ran"
    pickle.loads(pickle.dumps(Touch(mark)))
    mark.unlink()
    assert_same(load(architecture, tmp_path / "x.pt", {"state_dict": weights, "hook": Touch(mark)}), model)
    told = refusal(architecture, tmp_path / "y.pt", {"state_dict": weights, "hook": Shell(mark)})
    assert told == "no checkpoint that torch can read without running code out of it."
    assert not mark.exists()


def test_weights_that_are_objects_are_refused(tmp_path, architecture):
    told = refusal(architecture, tmp_path / "x.pt", {"model": make_net()})
    assert told.startswith("it has model; there are no weights by names among it.") or told.startswith("no checkpoint")


def test_names_beside_the_nets_own_do_not_matter(tmp_path, architecture, model, weights):
    more = {"loss.margin": torch.ones(2), "head.weight": torch.ones(3, 3), "input_resolution": torch.tensor(32)}
    assert_same(load(architecture, tmp_path / "x.pt", weights | more), model)
    assert_same(load(architecture, tmp_path / "y.pt", prefixed("model.", weights) | more), model)


def test_weights_without_a_temperature_load_and_say_what_is_assumed(tmp_path, architecture, model, weights):
    without = {name: value for name, value in weights.items() if name != "logit_scale"}
    loaded = load(architecture, tmp_path / "x.pt", {"state_dict": without})
    np.testing.assert_array_equal(loaded.encode_texts(["a rose"]), model.encode_texts(["a rose"]))
    assert loaded.notes == (
        "The file holds no temperature (logit_scale), so probabilities are computed with 0.07, where training begins. "
        "Similarities do not depend on it.",
    )
    assert model.notes == ()


def test_temperature_as_a_row_of_one_number_is_read(tmp_path, architecture, model, weights):
    row = weights | {"logit_scale": weights["logit_scale"].reshape(1)}
    assert_same(load(architecture, tmp_path / "x.pt", row), model)


def test_deeper_net_is_not_cut_to_size(tmp_path, architecture, weights):
    names = [name for name in weights if name.startswith("visual.transformer.resblocks.1.")]
    deeper = weights | {name.replace(".1.", ".2.", 1): weights[name] for name in names}
    assert refusal(architecture, tmp_path / "x.pt", deeper) == (
        "beside all that is wanted it has visual.transformer.resblocks.2.ln_1.weight, visual.transformer.resblocks.2.ln_1.bias "
        "and 10 more, so it is of another architecture."
    )


def test_other_weights_say_what_was_found_and_what_was_wanted(tmp_path, architecture, weights):
    foreign = {"vision_model.a": torch.ones(1), "vision_model.b": torch.ones(1), "text_model.c": torch.ones(1)}
    told = refusal(architecture, tmp_path / "x.pt", {"state_dict": foreign})
    assert told == (
        "it has vision_model.a, vision_model.b and 1 more; it lacks positional_embedding, text_projection and "
        f"{len(weights) - 3:,} more."
    )


def test_wider_net_says_both_shapes(tmp_path, architecture, weights):
    wider = weights | {"text_projection": torch.ones(32, 20), "visual.proj": torch.ones(32, 20)}
    assert refusal(architecture, tmp_path / "x.pt", wider) == (
        "it has text_projection (32 x 20), visual.proj (32 x 20); wanted: text_projection (32 x 16), visual.proj (32 x 16)."
    )


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"epoch": 3, "lr": 0.1, "loss": 2.0}, "it has epoch, lr and 1 more; there are no weights by names among it."),
        ({}, "it has nothing; there are no weights by names among it."),
        ([torch.ones(2)], "it has nothing; there are no weights by names among it."),
        (Custom(), "no checkpoint that torch can read without running code out of it."),
    ],
)
def test_file_without_weights_says_what_it_has(tmp_path, architecture, content, told):
    assert refusal(architecture, tmp_path / "x.pt", content) == told


@pytest.mark.filterwarnings("ignore::FutureWarning")  # torch advises against such archives too
def test_program_is_not_run_and_the_tag_is_named(tmp_path, architecture):
    path = tmp_path / "ViT-B-32.pt"
    torch.jit.trace(torch.nn.Linear(2, 2), torch.ones(1, 2)).save(str(path))
    with pytest.raises(TailscopeError) as raised:
        load_model(f"{architecture}:{path}")
    assert str(raised.value) == (
        f"{path} does not hold the weights of {architecture}: it is a TorchScript archive, that is a program, and none is run "
        "out of a file of weights. OpenAI's own models are loaded by their tags, such as ViT-B-32:openai; of another one, "
        "save the state_dict."
    )


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 1e300])
def test_weights_that_are_not_finite_are_refused_with_the_models_name(tmp_path, architecture, weights, number):
    broken = weights | {"visual.proj": torch.full((32, 16), number, dtype=torch.float64)}
    with pytest.raises(TailscopeError) as raised:
        load(architecture, tmp_path / "mine.pt", broken)
    assert str(raised.value) == (
        "The weights of Tiny-ViT-8/mine are damaged: visual.proj holds numbers that are not finite, so nothing is computed "
        "with them. Fetch or write the file again."
    )


def test_folder_of_weights_that_are_not_finite_is_refused(tmp_path):
    from safetensors.torch import load_file, save_file

    path = write_model(tmp_path / "broken") / "open_clip_model.safetensors"
    content = load_file(path)
    content["token_embedding.weight"][0, 0] = float("nan")
    save_file(content, path)
    with pytest.raises(TailscopeError, match="The weights of broken are damaged: token_embedding.weight holds numbers"):
        load_model(str(tmp_path / "broken"))


def test_prefix_is_the_one_that_leaves_the_most_names():
    assert strip_prefix({"a.visual.x": 1, "a.y": 2, "visual.z": 3}, ["visual.x", "y", "x"]) == {"visual.x": 1, "y": 2}
    assert strip_prefix({"p": 1}, ["q"]) == {"p": 1}
    assert strip_prefix({}, ["q"]) == {}


def test_wrapper_that_holds_no_mapping_is_no_wrapper():
    one = {"weights": torch.ones(1), "net": 3}
    assert list(unwrap_weights(one)) == ["weights"]


def test_names_that_fit_are_no_fault():
    check_names({"visual.a": 1, "visual.position_ids": 2, "loss": 3}, {"visual.a": 1, "logit_scale": 0})
