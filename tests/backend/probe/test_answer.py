"""The live answer: ranked as open_clip ranks, joined with what the study counts, measured and predicts."""

import json
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from backend.errors import EmptySelection, TailscopeError
from backend.models.classifiers import ClassifierCache
from backend.models.loading import load_model
from backend.probe.answer import Answer, compute_probabilities, judge_truth, probe_features, probe_images, tabulate_answer
from backend.probe.candidates import choose_candidates, find_candidate, list_candidate_sets, read_candidates
from backend.probe.facts import Facts, describe_candidates, find_examples, find_study_model
from backend.probe.reference import Reference, build_reference, judge_fit
from backend.study import Study
from tests.invented_world import CONCEPTS, NEVER
from tests.tiny_clip import draw_pictures, write_model
from tests.tiny_study import animal_rows, count_rows, model_row, score_rows, write_study

LEMMATIZED = {"method": "lemmatized", "setting": "plain"}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return load_model(str(write_model(tmp_path_factory.mktemp("models") / "tiny")))


@pytest.fixture
def animals(tmp_path):
    """A study of five animals in two corpora, with one model of each corpus."""
    values = {"ant": 10, "bee": 20, "cat": 30, "dog": 60, "elk": 50}
    tables = {"models": [model_row("net/small", "small"), model_row("net/web", None)]}
    tables["performance"] = score_rows("net/small", values) + score_rows("net/web", values)
    return write_study(tmp_path / "animals", animal_rows(), **tables)


def make_answer(similarities: list[float]) -> Answer:
    row = np.array(similarities, np.float32)
    return Answer(row, compute_probabilities(row, 0.01), np.argsort(-row, kind="stable"), np.zeros(2, np.float32))


def make_facts(names: list[str], counts: list[int | None]) -> Facts:
    rows = pd.DataFrame({"name": names, "concept": names})
    held = pd.DataFrame({"corpus": "web", "concept": names, "count": counts}).dropna().astype({"count": int})
    return Facts(rows, held, {"web": "The Web"}, None, None, "lemmatized", "simple")


def test_ranking_equals_that_of_open_clip(model, tmp_path):
    import open_clip
    import torch

    names, pictures = [f"kind {number}" for number in range(40)], draw_pictures(6)
    classifier = open_clip.build_zero_shot_classifier(
        model.net, model.tokenizer, names, open_clip.SIMPLE_IMAGENET_TEMPLATES, device=model.device
    )
    with torch.no_grad():
        images = model.net.encode_image(torch.stack([model.preprocess(one) for one in pictures]), normalize=True)
        expected = (model.net.logit_scale.exp() * images @ classifier).softmax(dim=-1).numpy()
    answers = probe_images(model, ClassifierCache(tmp_path).get(model, names, "ensemble"), pictures)
    np.testing.assert_allclose([answer.probabilities for answer in answers], expected, atol=1e-5)
    assert [answer.order.tolist() for answer in answers] == np.argsort(-expected, kind="stable").tolist()


def test_probabilities_sum_to_one_however_sure_a_model_is():
    for temperature in (1.0, 0.01, 1e-6):
        found = compute_probabilities(np.array([0.3, -0.2, 0.29999], np.float32), temperature)
        assert found.sum() == pytest.approx(1) and np.isfinite(found).all()


def test_probability_is_the_softmax_over_the_models_own_temperature():
    found = compute_probabilities(np.array([0.30, 0.28]), 0.01)
    np.testing.assert_allclose(found, [1 / (1 + np.exp(-2)), 1 / (1 + np.exp(2))])


def test_equally_similar_candidates_keep_their_order(model):
    (answer,) = probe_features(model, np.array([[1, 0], [1, 0], [0, 1]], np.float32), np.array([[1, 0]], np.float32))
    assert answer.order.tolist() == [0, 1, 2]


def test_order_of_candidates_does_not_change_what_they_get(model, tmp_path):
    names = ["a", "bee", "rose", "zib"]
    cache = ClassifierCache(tmp_path)
    (one,) = probe_images(model, cache.get(model, names), draw_pictures(1))
    (other,) = probe_images(model, cache.get(model, names[::-1]), draw_pictures(1))
    np.testing.assert_allclose(one.probabilities, other.probabilities[::-1], atol=1e-6)


def test_sets_of_candidates_and_their_sizes(invented_study):
    sets = list_candidate_sets(invented_study, "lemmatized").set_index("key")["names"].to_dict()
    assert sets["all"] == len(CONCEPTS)
    assert {"all", "tail", "head"} <= set(sets) and any(key.startswith("task:") for key in sets)
    for key, size in sets.items():
        assert len(choose_candidates(invented_study, key, "lemmatized").names) == size


def test_tail_and_head_without_a_benchmark_are_the_least_and_most_frequent_tenth(animals):
    assert choose_candidates(animals, "tail", "lemmatized").names == ("bee",)
    assert choose_candidates(animals, "head", "lemmatized").names == ("dog",)


def test_labels_of_a_task_are_spelled_as_the_task_has_them(tmp_path):
    study = write_study(tmp_path / "birds", count_rows("web", "lemmatized", {"Acadian_Flycatcher": 3, "Boeing_737": 1}))
    candidates = choose_candidates(study, "task:animals", "lemmatized")
    assert candidates.names == ("Acadian Flycatcher", "Boeing 737")
    assert (candidates.concepts, candidates.task) == (("acadian flycatcher", "boeing 737"), "animals")


def test_unknown_set_names_those_there_are(animals):
    with pytest.raises(EmptySelection, match="has no candidates 'task:x'. It has: all, tail, head, task:animals."):
        choose_candidates(animals, "task:x", "lemmatized")


def test_typed_names_keep_their_spelling_and_find_their_concept(animals):
    candidates = read_candidates(animals, "DOG, unicorn\nAnt\n\nDOG")
    assert candidates.names == ("DOG", "unicorn", "Ant")
    assert candidates.concepts == ("dog", None, "ant")


def test_misspelled_name_is_no_concept(animals):
    assert read_candidates(animals, "dogg, ants").concepts == (None, None)


@pytest.mark.parametrize(("text", "said"), [("", "0 names"), (" ,\n", "0 names"), ("\n".join(map(str, range(1001))), "1,001 ")])
def test_too_few_or_many_typed_names_are_refused(animals, text, said):
    with pytest.raises(TailscopeError, match=said):
        read_candidates(animals, text)


def test_candidate_is_found_whatever_its_capitals(animals):
    candidates = read_candidates(animals, "Great Dog, ant")
    assert [find_candidate(candidates, text) for text in ("great_dog", "ANT ", "cat")] == [0, 1, None]


def test_facts_are_counts_percentiles_and_scores(animals):
    candidates = choose_candidates(animals, "all", "lemmatized")
    facts = describe_candidates(animals, candidates, study_model="net/small", **LEMMATIZED)
    rows = facts.rows.set_index("name")
    assert (facts.corpora, facts.own_corpus, facts.model) == (("large", "small"), "small", "net/small")
    assert facts.find_counts(facts.rows.index[facts.rows["name"] == "dog"][0]) == {"small": 100, "large": 300}
    assert rows["percentile"].round(1).to_dict() == {"ant": 16.7, "bee": 10.0, "cat": 40.0, "dog": 63.3, "elk": 60.0}
    assert rows["measured"].to_dict() == {"ant": 10, "bee": 20, "cat": 30, "dog": 60, "elk": 50}
    assert rows["expected"].tolist() == [30] * 5  # five concepts are all each other's peers
    assert (rows["low"] <= rows["expected"]).all() and (rows["expected"] <= rows["high"]).all()
    assert not rows["extrapolates"].any()


def test_model_without_a_corpus_has_measured_scores_and_no_expected_ones(animals):
    candidates = choose_candidates(animals, "all", "lemmatized")
    facts = describe_candidates(animals, candidates, study_model="net/web", **LEMMATIZED)
    assert facts.own_corpus is None
    assert facts.rows["measured"].notna().all() and facts.rows["expected"].isna().all()


def test_model_that_the_study_lacks_has_counts_alone(animals):
    facts = describe_candidates(animals, read_candidates(animals, "dog, unicorn"), **LEMMATIZED)
    assert facts.rows[["measured", "expected"]].isna().all(axis=None)
    assert facts.list_counts("small").tolist() == [100, pd.NA]
    assert (facts.find_counts(0), facts.find_counts(1)) == ({"small": 100, "large": 300}, {})
    assert facts.rows["percentile"].isna().tolist() == [False, True]
    assert facts.rows["tail"].tolist() == [False, False]


def test_tail_without_a_benchmark_is_marked_by_the_stated_rule(tmp_path):
    counts = {f"kind {number:02d}": number for number in range(20)}
    study = write_study(tmp_path / "twenty", count_rows("web", "lemmatized", counts))
    facts = describe_candidates(study, choose_candidates(study, "all", "lemmatized"), **LEMMATIZED)
    assert facts.rows.loc[facts.rows["tail"], "name"].tolist() == ["kind 00", "kind 01"]


def test_tail_benchmark_says_what_the_tail_is(invented_study):
    facts = describe_candidates(invented_study, choose_candidates(invented_study, "all", "lemmatized"), **LEMMATIZED)
    tail = set(invented_study.query("SELECT DISTINCT concept FROM tail")["concept"])
    assert set(facts.rows.loc[facts.rows["tail"], "name"]) == tail


def test_study_without_counts_still_answers(tmp_path):
    concepts = [{"task": "t", "kind": "classification", "label": name, "concept": name, "words": [name]} for name in "ab"]
    study = write_study(tmp_path / "bare", concepts=concepts)
    for name in ("frequency", "corpora"):
        (study.folder / f"{name}.parquet").unlink()
    study = type(study)(study.folder)
    facts = describe_candidates(study, choose_candidates(study, "all", "lemmatized"), **LEMMATIZED)
    assert (facts.corpora, facts.rows["name"].tolist()) == ((), ["a", "b"])


def test_model_is_known_by_its_weights(tmp_path, model, animals):
    evaluated = {"arguments": {"evaluate": {"net/mine": {"weights_sha256": model.weights_sha256}}}}
    study = write_study(tmp_path / "evaluated", animal_rows(), manifest=evaluated)
    assert find_study_model(study, model) == "net/mine"
    assert find_study_model(animals, model) is None


def test_file_that_is_called_like_a_tag_is_not_taken_for_it(tmp_path, model):
    from dataclasses import replace

    study = write_study(tmp_path / "s", animal_rows(), models=[model_row("ViT-B-32/openai", None)])
    assert find_study_model(study, replace(model, name="ViT-B-32/openai")) is None
    assert find_study_model(study, replace(model, name="ViT-B-32/openai", tag="openai")) == "ViT-B-32/openai"


def test_table_of_an_answer_has_the_best_first():
    facts = make_facts(["ant", "bee", "cat"], [5, None, 7])
    rows = tabulate_answer(facts, make_answer([0.1, 0.3, 0.2]), top=2)
    assert rows[["rank", "number", "name"]].to_numpy().tolist() == [[1, 1, "bee"], [2, 2, "cat"]]
    assert rows["similarity"].tolist() == pytest.approx([0.3, 0.2])
    assert list(rows.columns) == ["rank", "number", "probability", "similarity", "name", "concept"]
    assert facts.list_counts("web").iloc[rows["number"]].tolist() == [pd.NA, 7]


def test_true_concept_that_wins_is_first():
    truth = judge_truth(make_facts(["ant", "bee"], [5, 9]), make_answer([0.3, 0.1]), 0, "web")
    assert (truth.rank, len(truth.winners), truth.known) == (1, 0, 0)
    assert truth.sentence == "“ant” comes first of 2 candidates, with a probability of 100.0%."


def test_winners_are_counted_against_the_true_concept():
    facts = make_facts(["ant", "bee", "cat", "dog", "elk"], [5, 9, 2, None, 5])
    truth = judge_truth(facts, make_answer([0.1, 0.5, 0.4, 0.3, 0.2]), 0, "web")
    assert truth.winners["name"].tolist() == ["bee", "cat", "dog", "elk"]
    assert (truth.rank, truth.known, truth.more_frequent, truth.count) == (5, 3, 1, 5)
    assert truth.sentence == (
        "“ant” comes in place 5 of 5. Of the 3 counted candidates that beat it, 1 are more frequent in The Web than it, which "
        "has 5 samples there. That is 33% of them; of all other candidates, 33% are more frequent."
    )


def test_winners_without_a_count_say_so():
    truth = judge_truth(make_facts(["ant", "bee", "cat"], [5, None, 9]), make_answer([0.3, 0.5, 0.1]), 0, "web")
    assert (truth.rank, truth.known, truth.chance) == (2, 0, 100.0)
    assert "The Web counts none of what beat it" in truth.sentence


def test_true_concept_without_a_count_says_so():
    truth = judge_truth(make_facts(["ant", "bee"], [None, 9]), make_answer([0.1, 0.5]), 0, "web")
    assert (truth.count, truth.known, truth.more_frequent) == (None, 0, 0)
    assert "The Web does not count it" in truth.sentence


def test_fit_is_the_share_of_reference_images_that_fit_worse():
    reference = Reference(np.linspace(0.1, 0.3, 100, dtype=np.float32), "The Web")
    good, poor = judge_fit(make_answer([0.25]), reference), judge_fit(make_answer([0.105]), reference)
    assert (good.percentile, good.poor) == (75.0, False)
    assert (poor.percentile, poor.poor) == (3.0, True)
    assert poor.sentence == (
        "No candidate fits well: the best has a similarity of 0.105, and only 3% of 100 images of The Web have a lower one. "
        "Below 5%, a fit counts as poor."
    )
    assert judge_fit(make_answer([0.25]), None) is None


def test_reference_images_are_encoded_once_for_a_model_and_a_study(invented_study, model, tmp_path, monkeypatch):
    cache, folder = ClassifierCache(tmp_path / "classifiers"), tmp_path / "references"
    reference = build_reference(invented_study, model, cache.get(model, CONCEPTS), folder)
    assert (reference.title, len(reference.best)) == ("Zipf", 256)
    assert (np.diff(reference.best) >= 0).all()
    monkeypatch.setattr("backend.probe.reference._draw_images", None)
    again = build_reference(invented_study, model, cache.get(model, CONCEPTS), folder)
    np.testing.assert_array_equal(again.best, reference.best)
    fewer = build_reference(invented_study, model, cache.get(model, CONCEPTS[:5]), folder)
    assert (fewer.best <= reference.best).all() and (fewer.best < reference.best).any()
    other = load_model(str(write_model(tmp_path / "other", seed=1)))
    with pytest.raises(TypeError):
        build_reference(invented_study, other, cache.get(other, CONCEPTS), folder)


@pytest.mark.parametrize("samples", [0, 1])
def test_samples_without_an_image_are_no_reference(tmp_path, model, samples):
    place = dict.fromkeys(("image", "offset", "length", "width", "height"))
    rows = [{"corpus": "web", "sample_id": 1, "caption": "x"} | place]
    study = write_study(tmp_path / "blind", animal_rows(), samples=rows)
    (path,) = (study.folder / "samples").iterdir()
    pq.write_table(pq.read_table(path)[:samples], path)
    classifier = ClassifierCache(tmp_path).get(model, ["ant"])
    assert build_reference(Study(study.folder), model, classifier, tmp_path / "references") is None


def test_study_without_images_has_no_reference(animals, model, tmp_path):
    classifier = ClassifierCache(tmp_path).get(model, ["ant", "bee"])
    assert build_reference(animals, model, classifier, tmp_path / "references") is None


def test_examples_are_samples_of_the_concept(invented_study):
    corpus, rows = find_examples(invented_study, CONCEPTS[0])
    assert (corpus, len(rows)) in {("zipf", 2), ("balanced", 2)}
    assert {"image", "offset", "length", "caption"} <= set(rows)
    assert find_examples(invented_study, None)[0] is None


def test_examples_of_what_one_corpus_lacks_come_from_another(invented_study):
    assert find_examples(invented_study, NEVER[-1])[0] == "balanced"


def test_study_without_samples_has_no_examples(animals):
    corpus, rows = find_examples(animals, "dog")
    assert (corpus, len(rows)) == (None, 0)


@pytest.fixture(scope="module")
def large():
    """ViT-B-32 with random but fixed weights: open_clip's network and preprocessing, and the folder in which it is saved, as a
    checkpoint and in open_clip's format. The folder is deleted at the end: it has 1.2 GB."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    net, _, preprocess = open_clip.create_model_and_transforms("ViT-B-32")
    with torch.no_grad():
        net.logit_scale.fill_(np.log(100))
    weights = {name: value.contiguous() for name, value in net.state_dict().items()}
    config = {"model_cfg": open_clip.get_model_config("ViT-B-32"), "preprocess_cfg": {}}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        torch.save(weights, folder / "random.pt")
        (folder / "random").mkdir()
        (folder / "random" / "open_clip_config.json").write_text(json.dumps(config))
        save_file(weights, folder / "random" / "open_clip_model.safetensors")
        yield net.eval(), preprocess, folder


@pytest.mark.parametrize("form", ["ViT-B-32:{}/random.pt", "{}/random"])
def test_ranking_of_a_large_architecture_equals_that_of_open_clip(large, tmp_path, form):
    import open_clip
    import torch

    net, preprocess, folder = large
    names, pictures = ["rose", "acadian flycatcher", "zib", "pickup truck"], draw_pictures(2, side=300)
    templates = ["a photo of a {}.", "a drawing of a {}."]
    classifier = open_clip.build_zero_shot_classifier(net, open_clip.get_tokenizer("ViT-B-32"), names, templates)
    with torch.no_grad():
        images = net.encode_image(torch.stack([preprocess(one) for one in pictures]), normalize=True)
        expected = (net.logit_scale.exp() * images @ classifier).softmax(dim=-1).numpy()
    model = load_model(form.format(folder))
    answers = probe_images(model, ClassifierCache(tmp_path).get(model, names, templates), pictures)
    np.testing.assert_allclose([answer.probabilities for answer in answers], expected, atol=1e-5)
    assert [answer.order.tolist() for answer in answers] == np.argsort(-expected, kind="stable").tolist()
