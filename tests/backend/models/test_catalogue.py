"""Which models can be chosen, and what fetching one comes to."""

import json

from backend.models import catalogue
from backend.models.catalogue import ModelChoice, describe_download, list_openclip, list_shipped


def test_shipped_models_are_those_with_a_card(tmp_path):
    for name, card in {"b": '{"model": "RN/zipf", "corpus": "zipf"}', "a": '{"model": "RN/all"}', "c": "[", "d": None}.items():
        (tmp_path / name).mkdir()
        if card is not None:
            (tmp_path / name / "card.json").write_text(card)
    assert list_shipped(tmp_path) == [
        ModelChoice(str(tmp_path / "a"), "RN/all", True, "shipped"),
        ModelChoice(str(tmp_path / "b"), "RN/zipf", True, "shipped; trained on zipf"),
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
    assert describe_download("ViT-B-32:openai") == "about 605 MB, by 151 million weights of 4 bytes"
    assert describe_download("roberta-ViT-B-32:laion2b_s12b_b32k") == "size unknown"
