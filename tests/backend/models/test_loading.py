"""Models load from this machine alone, say what is wrong with a spec, and compute what open_clip computes."""

import json
import multiprocessing
import socket
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from backend.errors import TailscopeError
from backend.models.classifiers import ClassifierCache
from backend.models.device import choose_device, describe_device
from backend.models.download import shorten_error
from backend.models.encode import Model, split_preprocess
from backend.models.loading import list_tags, load_model
from backend.models.prompts import build_classifier, find_templates
from backend.models.sketch import count_weights
from backend.study import ROOT
from tests.tiny_clip import CONFIG, PREPROCESS, draw_pictures, write_model


@pytest.fixture
def no_network(monkeypatch, tmp_path):
    """An empty cache, and whoever connects fails."""

    def refuse(*arguments):
        raise AssertionError("a network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


def message(spec: object, **options) -> str:
    with pytest.raises(TailscopeError) as raised:
        load_model(str(spec), **options)
    return str(raised.value)


def test_import_loads_no_model_library():
    heavy = "('torch', 'open_clip', 'huggingface_hub')"
    code = f"import sys, backend.models.loading; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_features_are_those_of_open_clip(folder, model):
    import open_clip
    import torch

    net, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{folder}", device=model.device)
    pictures = draw_pictures(3)
    with torch.no_grad():
        images = net.eval().encode_image(torch.stack([preprocess(picture) for picture in pictures]), normalize=True)
        texts = net.encode_text(open_clip.get_tokenizer(f"local-dir:{folder}")(["a rose", "a zib"]), normalize=True)
    np.testing.assert_allclose(model.encode_images(pictures), images.numpy(), atol=1e-6)
    np.testing.assert_allclose(model.encode_texts(["a rose", "a zib"]), texts.numpy(), atol=1e-6)


def test_features_have_length_one_and_are_float32(model):
    for features in (model.encode_images(draw_pictures(2)), model.encode_texts(["a rose"])):
        assert features.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, atol=1e-6)


def test_batches_change_nothing(model, monkeypatch):
    pictures = draw_pictures(5)
    at_once = model.encode_images(pictures)
    monkeypatch.setitem(sys.modules["backend.models.encode"].IMAGE_BATCH, model.device, 2)
    np.testing.assert_allclose(model.encode_images(iter(pictures)), at_once, atol=1e-6)


def test_nothing_has_no_features(model):
    assert len(model.encode_images([])) == len(model.encode_texts([])) == 0


def test_preprocessed_pixels_give_the_same_features(model):
    pictures = draw_pictures(3)
    prepared = np.stack([model.prepare(picture) for picture in pictures])
    np.testing.assert_array_equal(model.encode_prepared(prepared), model.encode_images(pictures))
    assert (prepared.dtype, prepared.shape) == (np.uint8, (3, 3, 32, 32))


@pytest.mark.parametrize("mode", ["RGB", "L", "P"])
def test_split_preprocessing_gives_the_numbers_of_the_whole(model, mode):
    (picture,) = draw_pictures(1)
    each, together = split_preprocess(model.preprocess)
    whole = model.preprocess(picture.convert(mode).convert("RGB"))
    assert together(each(picture.convert(mode).convert("RGB"))[None]).equal(whole[None])
    np.testing.assert_array_equal(model.prepare(picture.convert(mode)), each(picture.convert(mode).convert("RGB")).numpy())


def test_preprocessing_of_another_kind_stays_whole():
    def whole(picture):
        return picture

    each, together = split_preprocess(whole)
    assert (each("x"), together("x")) == ("x", "x")


def test_images_prepared_in_another_process_have_the_same_features(model):
    pictures = draw_pictures(3)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        prepared = np.stack(list(pool.map(model.prepare, pictures)))
    np.testing.assert_array_equal(model.encode_prepared(prepared), model.encode_images(pictures))


def test_no_prepared_images_have_no_features(model):
    assert len(model.encode_prepared(np.empty((0, 3, 32, 32), np.uint8))) == 0


@pytest.fixture
def spoiled(folder) -> Model:
    """The small network, a weight of which was spoiled after it was loaded."""
    import torch

    net = load_model(str(folder))
    with torch.no_grad():
        for name in ("visual.proj", "text_projection"):
            dict(net.net.named_parameters())[name][0, 0] = float("nan")
    return net


def test_features_that_are_not_finite_are_refused_with_the_models_name(spoiled, tmp_path):
    calls = [
        lambda: spoiled.encode_images(draw_pictures(1)),
        lambda: spoiled.encode_prepared(spoiled.prepare(draw_pictures(1)[0])[None]),
        lambda: spoiled.encode_texts(["a rose"]),
        lambda: build_classifier(spoiled, ["rose"], "simple"),
        lambda: ClassifierCache(tmp_path / "cache").get(spoiled, ["rose"]),
    ]
    for call in calls:
        with pytest.raises(TailscopeError, match="^tiny gives features that are no finite numbers, so nothing is kept of them"):
            call()
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("scale", [-1000.0, 1000.0])
def test_temperature_that_cannot_be_divided_by_is_refused(spoiled, scale):
    spoiled.net.logit_scale.fill_(scale)
    with pytest.raises(TailscopeError, match="The weights of tiny give a temperature of "):
        _ = spoiled.temperature


def test_grey_image_is_read_as_rgb(model):
    grey = draw_pictures(1)[0].convert("L")
    np.testing.assert_array_equal(model.encode_images([grey]), model.encode_images([grey.convert("RGB")]))


def test_palette_image_is_scaled_in_its_colours(model):
    palette = draw_pictures(1)[0].convert("P")
    np.testing.assert_array_equal(model.encode_images([palette]), model.encode_images([palette.convert("RGB")]))


def test_classifier_is_that_of_open_clip(model):
    import open_clip

    names = ["rose", "zib fish", "{x}"]
    expected = open_clip.build_zero_shot_classifier(
        model.net, model.tokenizer, names, open_clip.SIMPLE_IMAGENET_TEMPLATES, device=model.device
    )
    classifier = build_classifier(model, names, "ensemble")
    assert (classifier.shape, classifier.dtype) == ((3, 16), np.float32)
    np.testing.assert_allclose(classifier, expected.T.cpu().numpy(), atol=1e-6)


def test_prompts_are_bare_name_photo_and_seven_templates(model):
    bare, photo = (build_classifier(model, ["rose"], prompts) for prompts in ("class", "simple"))
    np.testing.assert_allclose(bare, model.encode_texts(["rose"]), atol=1e-6)
    np.testing.assert_allclose(photo, model.encode_texts(["a photo of a rose."]), atol=1e-6)
    np.testing.assert_array_equal(build_classifier(model, ["rose"], ("a photo of a {}.",)), photo)
    assert [template("rose") for template in find_templates("ensemble")][:2] == ["itap of a rose.", "a bad photo of the rose."]
    assert len(find_templates("ensemble")) == 7


def test_unknown_prompts_are_refused():
    with pytest.raises(TailscopeError, match="No prompt strategy 'fancy'. There are class, simple, ensemble."):
        find_templates("fancy")


def test_temperature_is_what_similarities_are_divided_by(model):
    assert model.temperature == pytest.approx(0.07, rel=1e-5)  # where open_clip's training begins


def test_model_of_a_folder_has_its_name_and_needs_no_gradients(folder, model):
    assert (model.name, model.net.training) == ("tiny", False)
    assert not any(parameter.requires_grad for parameter in model.net.parameters())


def test_half_precision_weights_are_computed_as_float32(tmp_path, model):
    half = load_model(str(write_model(tmp_path / "half", half=True)))
    assert {str(parameter.dtype) for parameter in half.net.parameters()} == {"torch.float32"}
    np.testing.assert_allclose(half.encode_texts(["a rose"]), model.encode_texts(["a rose"]), atol=1e-2)


def test_checksum_follows_weights_and_config(tmp_path, model):
    same, other = write_model(tmp_path / "same"), write_model(tmp_path / "other", seed=1)
    assert load_model(str(same)).weights_sha256 == model.weights_sha256
    assert load_model(str(other)).weights_sha256 != model.weights_sha256
    config = same / "open_clip_config.json"
    config.write_text(config.read_text().replace("0.25", "0.3"))
    assert load_model(str(same)).weights_sha256 != model.weights_sha256


def test_checkpoint_file_of_a_known_architecture(folder, architecture, model):
    loaded = load_model(f"{architecture}:{folder / 'open_clip_model.safetensors'}")
    assert loaded.name == "Tiny-ViT-8/open_clip_model"
    np.testing.assert_array_equal(loaded.encode_texts(["a rose"]), model.encode_texts(["a rose"]))


def test_tag_in_the_cache_is_loaded_with_its_preprocessing_and_activation(
    folder, architecture, tmp_path, monkeypatch, no_network
):
    import open_clip

    tag = {"hf_hub": "me/tiny/", "mean": (0.1, 0.2, 0.3), "std": (1, 1, 1), "resize_mode": "squash", "quick_gelu": True}
    monkeypatch.setattr(open_clip, "get_pretrained_cfg", lambda architecture, name: tag)
    assert "me/tiny) has to be allowed: --allow-download" in message(f"{architecture}:mine")
    cached = tmp_path / "hub" / "models--me--tiny"
    (cached / "refs").mkdir(parents=True)
    (cached / "refs" / "main").write_text("abc")
    (cached / "snapshots" / "abc").mkdir(parents=True)
    (cached / "snapshots" / "abc" / "open_clip_model.safetensors").symlink_to(folder / "open_clip_model.safetensors")
    loaded = load_model(f"{architecture}:mine")
    assert loaded.name == "Tiny-ViT-8/mine"
    assert (loaded.preprocess.transforms[0].size, loaded.preprocess.transforms[-1].mean) == ((32, 32), (0.1, 0.2, 0.3))
    assert "QuickGELU" in str(loaded.net)


def test_weights_are_fetched_only_where_that_is_allowed_and_then_once(hub, model):
    assert "are not on this machine" in message("Tiny-ViT-8:mine")
    assert hub.asked == []
    told = []
    fetched = load_model("Tiny-ViT-8:mine", allow_download=True, say=told.append)
    assert (fetched.name, fetched.tag) == ("Tiny-ViT-8/mine", "mine")
    np.testing.assert_array_equal(fetched.encode_texts(["a rose"]), model.encode_texts(["a rose"]))
    assert told == sorted(told) and told[-1] == 1.0
    asked = len(hub.asked)
    assert load_model("Tiny-ViT-8:mine").name == "Tiny-ViT-8/mine"
    assert len(hub.asked) == asked


def test_fetched_file_with_a_wrong_checksum_is_deleted(hub, tmp_path):
    hub.checksum = "0" * 64
    said = message("Tiny-ViT-8:mine", allow_download=True)
    assert said.startswith("The weights of Tiny-ViT-8:mine could not be fetched: open_clip_model.safetensors has the checksum")
    assert [path for path in (tmp_path / "hub").rglob("*") if path.is_file() and path.stat().st_size > 1000] == []
    assert "are not on this machine" in message("Tiny-ViT-8:mine")


def test_full_disk_is_told_before_anything_is_fetched(hub, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=1_000_000))
    said = message("Tiny-ViT-8:mine", allow_download=True)
    assert "could not be fetched: it has 7 MB, and " in said and said.endswith("has room for 1 MB.")
    assert {method for method, _ in hub.asked} == {"HEAD"}


def test_tag_that_the_hub_lacks_is_one_message(hub):
    hub.files.clear()
    assert message("Tiny-ViT-8:mine", allow_download=True).startswith(
        "The weights of Tiny-ViT-8:mine could not be fetched: 404 Client Error."
    )


def test_hub_out_of_reach_is_one_message(hub):
    hub.stop()
    assert message("Tiny-ViT-8:mine", allow_download=True) == (
        "The weights of Tiny-ViT-8:mine could not be fetched: the place where they lie cannot be reached. Is this machine "
        "connected to the Internet?"
    )


def test_name_that_is_not_resolved_is_the_same_message_however_it_is_wrapped():
    try:
        try:
            raise socket.gaierror(-2, "Name or service not known")
        except OSError as error:
            raise RuntimeError("[Errno -2] Name or service not known") from error
    except RuntimeError as error:
        assert shorten_error(error) == (
            "the place where they lie cannot be reached. Is this machine connected to the Internet?"
        )


def test_weights_of_an_architecture_are_counted_without_making_them(architecture, model):
    assert count_weights(architecture) == sum(parameter.numel() for parameter in model.net.parameters())
    assert count_weights("roberta-ViT-B-32") is None


def test_tags_are_those_of_open_clip(no_network):
    tags = list_tags()
    assert ("ViT-B-32", "openai", False) in tags
    assert len(tags) == len({(architecture, tag) for architecture, tag, _ in tags}) > 100


def test_device_is_told_in_words(model):
    assert describe_device("cpu") == "CPU, float32"


def test_unknown_architecture_and_tag_name_near_ones():
    assert message("ViT-B-33:openai").startswith("open_clip has no architecture 'ViT-B-33'. Near: ViT-B-32, ")
    assert message("ViT-B/32:opnai") == "open_clip has no weights 'opnai' for ViT-B-32. Near: openai."


def test_text_side_from_elsewhere_is_refused(no_network, tmp_path):
    config = {"model_cfg": CONFIG | {"text_cfg": {"hf_model_name": "roberta-base"}}}
    write_model(tmp_path / "roberta")
    (tmp_path / "roberta" / "open_clip_config.json").write_text(json.dumps(config))
    assert "roberta-base" in message(tmp_path / "roberta")
    assert "roberta-base" in message("roberta-ViT-B-32:laion2b_s12b_b32k")


def test_spec_that_is_nothing_says_what_is_expected(tmp_path):
    expected = (
        "Name a folder in open_clip's format, ARCHITECTURE:TAG, ARCHITECTURE:FILE or hf-hub:ORG/NAME, such as ViT-B-32:openai."
    )
    assert message(tmp_path / "none") == f"No folder of a model at {tmp_path / 'none'}. {expected}"
    assert message("ViT-B-32:none.pt") == f"No file of weights at none.pt. {expected}"


def test_folder_that_is_no_model_says_so_and_lists_no_files(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    assert message(tmp_path) == (
        f"{tmp_path} has no open_clip_config.json, so it is no model in open_clip's format. For a checkpoint file, name "
        "ARCHITECTURE:FILE."
    )


def test_folder_without_weights(tmp_path):
    write_model(tmp_path)
    (tmp_path / "open_clip_model.safetensors").unlink()
    assert "has open_clip_config.json but no weights" in message(tmp_path)


@pytest.mark.parametrize("content", ["{", "[]", '{"model_cfg": {}}'])
def test_config_that_is_none(tmp_path, content):
    write_model(tmp_path)
    (tmp_path / "open_clip_config.json").write_text(content)
    assert "is no open_clip config" in message(tmp_path)


def test_weights_of_another_architecture(folder, tmp_path):
    import open_clip

    deeper = CONFIG | {"vision_cfg": CONFIG["vision_cfg"] | {"layers": 3}}
    (tmp_path / "Tiny-ViT-deeper.json").write_text(json.dumps(deeper))
    open_clip.add_model_config(tmp_path / "Tiny-ViT-deeper.json")
    weights = folder / "open_clip_model.safetensors"
    said = message(f"Tiny-ViT-deeper:{weights}")
    assert said.startswith(f"{weights} does not hold the weights of Tiny-ViT-deeper: it has ")
    assert (
        "; it lacks visual.transformer.resblocks.2.ln_1.weight, visual.transformer.resblocks.2.ln_1.bias and 10 more." in said
    )


@pytest.mark.parametrize("content", [b"", b"no weights", b"\x00" * 64])
@pytest.mark.parametrize("name", ["x.pt", "x.safetensors", "x.npz"])
def test_file_that_holds_no_weights(tmp_path, architecture, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    assert message(f"{architecture}:{path}").startswith(f"{path} does not hold the weights of Tiny-ViT-8: ")


@pytest.mark.parametrize("error", ["MemoryError", "torch.OutOfMemoryError"])
def test_model_too_large_for_the_memory_says_so(folder, monkeypatch, error):
    import open_clip
    import torch

    kind = torch.OutOfMemoryError if error.startswith("torch") else MemoryError
    monkeypatch.setattr(open_clip, "create_model_and_transforms", lambda *_, **__: (_ for _ in ()).throw(kind("16 GB")))
    assert message(folder) == f"tiny does not fit into the memory that there is ({choose_device()}). Choose a smaller model."


def test_weights_that_would_run_code_are_not_run(tmp_path, architecture):
    import torch

    torch.save({"state_dict": {"x": Image.new("RGB", (1, 1))}}, tmp_path / "code.pt")
    assert message(f"{architecture}:{tmp_path / 'code.pt'}").endswith(
        "no checkpoint that torch can read without running code out of it."
    )


def test_model_of_the_hub_is_fetched_where_that_is_allowed_and_loads_from_the_cache(hub, folder, model):
    with pytest.raises(TailscopeError, match="hf-hub:me/tiny is not on this machine. Fetching it has to be allowed"):
        load_model("hf-hub:me/tiny")
    hub.files["me/tiny/open_clip_config.json"] = (folder / "open_clip_config.json").read_bytes()
    fetched = load_model("hf-hub:me/tiny", allow_download=True)
    assert fetched.name == "tiny"
    asked = len(hub.asked)
    again = load_model("hf-hub:me/tiny")
    assert len(hub.asked) == asked
    assert again.weights_sha256 == fetched.weights_sha256
    pictures = draw_pictures(2)
    np.testing.assert_array_equal(again.encode_images(pictures), model.encode_images(pictures))


def test_hub_out_of_reach_is_not_taken_for_a_model_in_another_format(hub, capfd, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # between the tries of the hub's client
    hub.stop()
    assert message("hf-hub:me/tiny", allow_download=True) == (
        "hf-hub:me/tiny could not be fetched: the place where they lie cannot be reached. Is this machine connected to the "
        "Internet?"
    )
    assert capfd.readouterr().err == ""


def test_hub_that_is_lost_on_the_way_leaves_no_model_without_its_tokenizer(hub, folder, monkeypatch):
    import huggingface_hub

    fetch = huggingface_hub.hf_hub_download

    def fetch_and_stop(repository, name, **options):
        path = fetch(repository, name, **options)
        hub.stop()
        return path

    monkeypatch.setattr("time.sleep", lambda seconds: None)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fetch_and_stop)
    hub.files["me/tiny/open_clip_config.json"] = (folder / "open_clip_config.json").read_bytes()
    with pytest.raises(TailscopeError, match="hf-hub:me/tiny could not be fetched"):
        load_model("hf-hub:me/tiny", allow_download=True)


def test_route_that_is_missing_is_the_same_message():
    assert shorten_error(OSError(101, "Network is unreachable")).startswith("the place where they lie cannot be reached.")


def test_model_of_the_hub_in_another_format_is_one_message(hub):
    with pytest.raises(TailscopeError, match="hf-hub:me/tiny has no open_clip_config.json or no weights"):
        load_model("hf-hub:me/tiny", allow_download=True)


@pytest.mark.parametrize("kind", ["coca", "siglip"])
def test_other_kinds_of_model_encode_and_have_a_temperature(tmp_path, kind):
    import open_clip
    from safetensors.torch import save_file

    config = json.loads(json.dumps(CONFIG))
    if kind == "coca":
        config["multimodal_cfg"] = {"context_length": 24, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
        config["vision_cfg"] |= {"attentional_pool": True, "attn_pooler_heads": 2, "output_tokens": True}
        config["text_cfg"] |= {"embed_cls": True, "output_tokens": True}
        net = open_clip.CoCa(**config)
        config["custom_text"] = True
    else:
        config |= {"init_logit_bias": -10, "custom_text": True}
        net = open_clip.CustomTextCLIP(**{key: value for key, value in config.items() if key != "custom_text"})
    content = {"model_cfg": config, "preprocess_cfg": PREPROCESS}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(content))
    save_file(
        {name: value.contiguous().clone() for name, value in net.state_dict().items()}, tmp_path / "open_clip_model.safetensors"
    )
    loaded = load_model(str(tmp_path))
    assert loaded.encode_images(draw_pictures(2)).shape == (2, 16)
    assert loaded.encode_texts(["a rose", "a zib"]).shape == (2, 16)
    assert loaded.temperature == pytest.approx(0.07)
