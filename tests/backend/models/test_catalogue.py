"""Which models can be chosen, and what fetching one comes to."""

import json
from pathlib import Path

import pytest

from backend.errors import TailscopeError
from backend.models import catalogue
from backend.models.catalogue import ModelChoice, check_spec, describe_download, list_offered, list_openclip, list_shipped
from backend.settings import ModelSettings


def test_shipped_models_are_those_with_a_card(tmp_path):
    for name, card in {"b": '{"model": "RN/zipf", "corpus": "zipf"}', "a": '{"model": "RN/all"}', "c": "[", "d": None}.items():
        (tmp_path / name).mkdir()
        if card is not None:
            (tmp_path / name / "card.json").write_text(card)
    assert list_shipped(tmp_path) == [
        ModelChoice(str(tmp_path / "a"), "RN/all", True, "shipped"),
        ModelChoice(str(tmp_path / "b"), "RN/zipf", True, "shipped; trained on zipf", "zipf"),
        ModelChoice(str(tmp_path / "c"), "c", True, "shipped"),
    ]


def test_no_folder_has_no_models(tmp_path):
    assert list_shipped(tmp_path / "none") == []


def test_card_of_another_kind_leaves_the_folders_name(tmp_path):
    (tmp_path / "x").mkdir()
    for card in ("3", "null", json.dumps({"corpus": "y"})):
        (tmp_path / "x" / "card.json").write_text(card)
        assert [choice.title for choice in list_shipped(tmp_path)] == ["x"]


def test_models_on_this_machine_come_first(monkeypatch):
    monkeypatch.setattr(catalogue, "list_tags", lambda: [("RN50", "openai", False), ("ViT-B-32", "openai", True)])
    assert [(choice.spec, choice.here, choice.note) for choice in list_openclip()] == [
        ("ViT-B-32:openai", True, "on this machine"),
        ("RN50:openai", False, "needs a download"),
    ]


def test_download_is_estimated_by_the_weights_or_unknown():
    assert describe_download("ViT-B-32:openai") == ("Fetching them takes about 605 MB, by 151 million weights of 4 bytes.")
    assert describe_download("ViT-B/32:openai") == describe_download("ViT-B-32:openai")
    assert describe_download("roberta-ViT-B-32:laion2b_s12b_b32k") == (
        "How many megabytes that takes is not known beforehand: a part of the model is described on the network alone."
    )


def make_config(folder):
    folder.mkdir(parents=True)
    (folder / "open_clip_config.json").write_text("{}")
    return str(folder)


def test_models_in_declared_folders_are_offered_after_the_shipped_ones(tmp_path):
    shipped, one, two = tmp_path / "shipped", tmp_path / "one", tmp_path / "two"
    (shipped / "a").mkdir(parents=True)
    (shipped / "a" / "card.json").write_text('{"model": "vit/a"}')
    places = [make_config(place) for place in (one / "mine", one / "x" / "y" / "z", two / "mine", two / "vit" / "a")]
    make_config(one / "x" / "y" / "z" / "too" / "deep")
    (one / "no model").mkdir()
    offered = list_offered([one, two, tmp_path / "none"], shipped)
    assert [(choice.title, choice.spec) for choice in offered] == [
        ("vit/a", str(shipped / "a")),
        ("mine", places[0]),
        ("x/y/z", places[1]),
        (places[2], places[2]),
        (places[3], places[3]),
    ]


def test_declared_folder_may_be_a_model_itself(tmp_path):
    place = make_config(tmp_path / "mine")
    assert [(choice.title, choice.spec) for choice in list_offered([tmp_path / "mine"], tmp_path)] == [("mine", place)]


CLOSED = ModelSettings(paths=False, downloads=False)


def test_visitor_may_ask_for_what_is_offered_and_for_tags(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    declared = ModelSettings(False, False, (tmp_path / "declared", Path("here")))
    for spec in ("ViT-B-32:openai", "ViT-B/32:openai", str(tmp_path / "shipped" / "x")):
        check_spec(spec, CLOSED, tmp_path / "shipped")
    for spec in (str(tmp_path / "declared" / "x"), f"ViT-B-32:{tmp_path}/declared/x/y.pt", "here/x", "ViT-B-32:here/y.pt"):
        check_spec(spec, declared, tmp_path / "shipped")
    check_spec("/anywhere", ModelSettings(True, False), tmp_path / "shipped")


def test_other_places_get_one_message_whether_they_exist_or_not(tmp_path, monkeypatch):
    (tmp_path / "secret.pt").write_bytes(b"")
    (tmp_path / "declared" / "link").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    settings = ModelSettings(False, True, (tmp_path / "declared",))
    outside = [
        "secret.pt",
        "none.pt",
        str(tmp_path),
        "/etc",
        "..",
        ".",
        "",
        "\x00",
        "declared/../secret.pt",
        "declared/link/..",
    ]
    tails = set()
    for spec in [
        *outside,
        *(f"ViT-B-32:{place}" for place in outside),
        "ViT-B-32:no-such-tag",
        "nothing:openai",
        str(tmp_path) + "/declared2",
    ]:
        with pytest.raises(TailscopeError) as raised:
            check_spec(spec, settings, tmp_path / "shipped")
        assert str(raised.value).startswith(f"“{spec}” is none of the models that this server offers. ")
        tails.add(str(raised.value).removeprefix(f"“{spec}”"))
    assert len(tails) == 1
