"""Small experiments on one image: what differs between models, prompts and names, and nothing else."""

import numpy as np
import pytest

from backend.errors import TailscopeError
from backend.models.classifiers import ClassifierCache
from backend.models.loading import load_model
from backend.probe.answer import Answer, compute_probabilities, probe_images, rank_candidate
from backend.probe.candidates import Candidates
from backend.probe.experiments import compare_models, compare_prompts, compare_synonyms
from tests.tiny_clip import draw_pictures, write_model

NAMES = ("ant", "bee", "cat", "dog")
CANDIDATES = Candidates("four", NAMES, NAMES)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return load_model(str(write_model(tmp_path_factory.mktemp("models") / "tiny")))


@pytest.fixture
def cache(tmp_path) -> ClassifierCache:
    return ClassifierCache(tmp_path)


def make_answer(similarities: list[float]) -> Answer:
    row = np.array(similarities, np.float32)
    return Answer(row, compute_probabilities(row, 0.01), np.argsort(-row, kind="stable"), np.zeros(2, np.float32))


def test_models_are_compared_on_every_candidate_that_one_puts_on_top():
    answers = {"one": make_answer([0.4, 0.3, 0.2, 0.1]), "two": make_answer([0.1, 0.2, 0.4, 0.3])}
    table = compare_models(answers, CANDIDATES, top=2)
    ranks = table.pivot(index="name", columns="model", values="rank")
    assert ranks.to_dict("index") == {
        "ant": {"one": 1, "two": 4},
        "bee": {"one": 2, "two": 3},
        "cat": {"one": 3, "two": 1},
        "dog": {"one": 4, "two": 2},
    }
    assert table["name"].drop_duplicates().tolist() == ["ant", "cat", "bee", "dog"]


def test_prompts_are_compared_as_each_alone_would_answer(model, cache):
    features = model.encode_images(draw_pictures(1))[0]
    prompts = {"class": "class", "ensemble": "ensemble", "mine": ("a drawing of a {}.",)}
    told = []
    table = compare_prompts(cache, model, CANDIDATES, features, prompts, number=2, say=told.append)
    assert told == pytest.approx([1 / 3, 2 / 3, 1])
    assert table["prompts"].tolist() == list(prompts)
    for row, strategy in zip(table.itertuples(index=False), prompts.values(), strict=True):
        (answer,) = probe_images(model, cache.get(model, NAMES, strategy), draw_pictures(1))
        assert (row.rank, row.first) == (rank_candidate(answer, 2), NAMES[answer.order[0]])
        assert row.probability == pytest.approx(100 * answer.probabilities[2], abs=1e-4)


def test_synonym_takes_the_place_of_the_name(model, cache):
    features = model.encode_images(draw_pictures(1))[0]
    table = compare_synonyms(cache, model, CANDIDATES, features, "simple", 3, ["hound", " ", "dog", "canine"])
    assert table["name"].tolist() == ["dog", "hound", "canine"]
    (answer,) = probe_images(model, cache.get(model, ["ant", "bee", "cat", "hound"], "simple"), draw_pictures(1))
    hound = table.iloc[1]
    assert hound["rank"] == rank_candidate(answer, 3)
    assert hound["probability"] == pytest.approx(100 * answer.probabilities[3], abs=1e-4)


@pytest.mark.parametrize("synonyms", [[], [" ", "dog"], [str(number) for number in range(21)]])
def test_too_few_or_many_synonyms_are_refused(model, cache, synonyms):
    with pytest.raises(TailscopeError, match="other names for “dog”: name from 1 to 20."):
        compare_synonyms(cache, model, CANDIDATES, np.zeros(16, np.float32), "simple", 3, synonyms)
