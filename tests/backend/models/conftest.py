"""What the models' tests share: the small network as a folder, loaded, and as an architecture that open_clip knows."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.models.encode import Model
from backend.models.loading import load_model
from tests.small_hub import Hub, serve_hub
from tests.tiny_clip import CONFIG, write_model


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    """The small network in open_clip's format."""
    return write_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def model(folder) -> Model:
    """The small network, loaded."""
    return load_model(str(folder))


@pytest.fixture(scope="session")
def architecture(tmp_path_factory) -> str:
    """The small network as an architecture that open_clip knows by name."""
    import open_clip

    path = tmp_path_factory.mktemp("configs") / "Tiny-ViT-8.json"
    path.write_text(json.dumps(CONFIG))
    open_clip.add_model_config(path)
    return "Tiny-ViT-8"


@pytest.fixture
def hub(folder, monkeypatch, tmp_path, architecture) -> Iterator[Hub]:
    """A hub on this machine that has the tag Tiny-ViT-8:mine, and an empty cache."""
    import open_clip

    find = open_clip.get_pretrained_cfg
    tag = {"hf_hub": "me/tiny/"}
    monkeypatch.setattr(open_clip, "get_pretrained_cfg", lambda *spec: tag if spec[0] == architecture else find(*spec))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    with serve_hub({"me/tiny/open_clip_model.safetensors": (folder / "open_clip_model.safetensors").read_bytes()}) as served:
        monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", served.template)
        yield served
