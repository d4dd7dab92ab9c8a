"""Which models a study recommends: those of OpenCLIP whose own corpus it counts."""

import numpy as np
import pytest

from backend.models.catalogue import ModelChoice, list_openclip
from backend.probe import advice
from backend.probe.advice import advise_models, find_named, tabulate_advice


def choose(*titles: str, here: tuple[str, ...] = ()) -> list[ModelChoice]:
    return [ModelChoice(title.replace("/", ":"), title, title in here, "") for title in titles]


@pytest.fixture
def sketched(monkeypatch) -> None:
    """Nets of known sizes, none of which is made."""
    sizes = {"RN50": 102_000_000, "ViT-B-32": 151_000_000}
    monkeypatch.setattr(advice, "count_weights", sizes.get)
    monkeypatch.setattr(advice, "estimate_seconds", {"RN50": 0.25}.get)


def test_tag_of_an_epoch_is_the_training_that_a_study_names():
    known = {"ViT-B-32/laion400m", "RN50/cc3m"}
    assert find_named("ViT-B-32/laion400m_e31", known) == "ViT-B-32/laion400m"
    assert find_named("RN50/cc3m", known) == "RN50/cc3m"
    assert find_named("ViT-B-16/laion400m_e32", known) is None
    assert find_named("ViT-B-32/laion400m_edited", known) is None


def test_advised_are_models_whose_corpus_is_counted_the_last_of_a_training(small_study, sketched):
    offered = choose("RN50/cc3m", "ViT-B-32/laion400m_e31", "ViT-B-32/laion400m_e32", "ViT-B-32/datacomp", "ViT-B-16/openai")
    advised = advise_models(small_study, offered, "lemmatized")
    assert [(one.choice.title, one.model, one.corpus) for one in advised] == [
        ("ViT-B-32/laion400m_e32", "ViT-B-32/laion400m", "LAION-400M"),
        ("RN50/cc3m", "RN50/cc3m", "CC-3M"),
    ]
    assert tabulate_advice(advised).to_numpy().tolist() == [
        [
            "ViT-B-32/laion400m_e32",
            "LAION-400M",
            604.0,
            pytest.approx(np.nan, nan_ok=True),
            False,
            "counts, measured and expected accuracy",
        ],
        ["RN50/cc3m", "CC-3M", 408.0, 0.25, False, "counts, measured and expected accuracy"],
    ]


def test_model_that_is_here_comes_first(small_study, sketched):
    offered = choose("RN50/cc3m", "ViT-B-32/laion400m_e32", here=("RN50/cc3m",))
    assert [one.choice.title for one in advise_models(small_study, offered, "lemmatized")][0] == "RN50/cc3m"


def test_invented_world_advises_none_of_openclip(invented_study):
    assert advise_models(invented_study, choose("ViT-B-32/openai", "RN50/cc12m"), "lemmatized") == []


def test_published_study_advises_the_six_of_openclip(published_study):
    """Those on the largest corpus first, and of equally large ones the quicker."""
    titles = [one.choice.title for one in advise_models(published_study, list_openclip(), "lemmatized") if not one.choice.here]
    assert titles[:3] == ["ViT-B-32/laion400m_e32", "ViT-B-16/laion400m_e32", "ViT-L-14/laion400m_e32"]
    assert titles[3:] == ["RN50/yfcc15m", "RN101/yfcc15m", "RN50/cc12m"]


def test_every_advised_model_says_its_size_and_seconds(published_study):
    advised = advise_models(published_study, list_openclip(), "lemmatized")
    seconds = {one.choice.title: one.seconds for one in advised}
    assert all(one.size and one.seconds for one in advised)
    assert seconds["ViT-B-32/laion400m_e32"] < seconds["ViT-B-16/laion400m_e32"] < seconds["ViT-L-14/laion400m_e32"]
