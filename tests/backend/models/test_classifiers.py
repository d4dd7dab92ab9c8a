"""Text embeddings are built once for the same weights, templates and names; other weights never meet an old file."""

import os
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from backend.errors import TailscopeError
from backend.models import classifiers
from backend.models.classifiers import ClassifierCache, load_array, name_classifier, store_array
from backend.models.loading import load_model
from backend.models.prompts import build_classifier, check_templates, spell_name, spell_templates
from tests.tiny_clip import write_model

NAMES = ["zib", "acadian flycatcher", "rose"]


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    return load_model(str(write_model(tmp_path_factory.mktemp("models") / "tiny", seed=1)))


@pytest.fixture
def built(monkeypatch) -> list:
    """The names of every classifier that was built, in order."""
    asked = []

    def build(model, names, prompts, say=None):
        asked.append(list(names))
        return build_classifier(model, names, prompts, say)

    monkeypatch.setattr(classifiers, "build_classifier", build)
    return asked


def test_classifier_is_that_of_open_clip(tmp_path, model):
    classifier = ClassifierCache(tmp_path).get(model, NAMES, "ensemble")
    np.testing.assert_array_equal(classifier.features, build_classifier(model, NAMES, "ensemble"))
    assert (classifier.source, classifier.features.dtype) == ("built", np.float32)


def test_second_process_finds_it_on_disk(tmp_path, model, built):
    first = ClassifierCache(tmp_path).get(model, NAMES)
    again = ClassifierCache(tmp_path).get(model, NAMES)
    assert (first.source, again.source, len(built)) == ("built", "disk", 1)
    np.testing.assert_array_equal(first.features, again.features)


def test_kept_in_memory_it_is_the_same_object(tmp_path, model, built):
    cache = ClassifierCache(tmp_path)
    assert cache.get(model, NAMES) is cache.get(model, NAMES)
    assert len(built) == 1


def test_other_weights_never_reuse_a_file(tmp_path, model, other, built):
    cache = ClassifierCache(tmp_path)
    assert not np.allclose(cache.get(model, NAMES).features, cache.get(other, NAMES).features)
    assert len(built) == 2 == len(list(tmp_path.glob("*.npy")))


def test_weights_that_were_changed_in_place_build_anew(tmp_path, built):
    cache, folder = ClassifierCache(tmp_path / "cache"), tmp_path / "model"
    before = cache.get(load_model(str(write_model(folder))), NAMES)
    after = cache.get(load_model(str(write_model(folder, seed=1))), NAMES)
    assert (before.key != after.key, len(built)) == (True, 2)


def test_changed_config_builds_anew(tmp_path, model):
    folder = write_model(tmp_path / "tiny")
    config = folder / "open_clip_config.json"
    config.write_text(config.read_text().replace('"context_length": 24', '"context_length": 24, "pad_id": 0'))
    changed = load_model(str(folder)).weights_sha256
    assert name_classifier(changed, NAMES, "class") != name_classifier(model.weights_sha256, NAMES, "class")


@pytest.mark.parametrize(
    ("names", "prompts"),
    [
        (NAMES[:2], "simple"),
        (NAMES[::-1], "simple"),
        ([*NAMES[:2], "Rose"], "simple"),
        (NAMES, "ensemble"),
        (NAMES, ("a photo of the {}.",)),
        (["zib, acadian flycatcher", "rose"], "simple"),
    ],
)
def test_other_names_order_or_templates_have_another_key(model, names, prompts):
    assert name_classifier(model.weights_sha256, names, prompts) != name_classifier(model.weights_sha256, NAMES, "simple")


def test_strategy_and_its_templates_have_the_same_key(model):
    weights = model.weights_sha256
    assert name_classifier(weights, NAMES, "simple") == name_classifier(weights, NAMES, ("a photo of a {}.",))
    assert spell_templates("ensemble")[:2] == ("itap of a {}.", "a bad photo of the {}.")


def test_other_version_of_open_clip_has_another_key(model, monkeypatch):
    key = name_classifier(model.weights_sha256, NAMES, "simple")
    monkeypatch.setattr(classifiers, "version", lambda package: "99")
    assert name_classifier(model.weights_sha256, NAMES, "simple") != key


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"no array", None])
def test_broken_file_is_built_anew(tmp_path, model, built, content):
    first = ClassifierCache(tmp_path).get(model, NAMES)
    path = tmp_path / f"{first.key}.npy"
    path.write_bytes(path.read_bytes()[:-7] if content is None else content)
    assert ClassifierCache(tmp_path).get(model, NAMES).source == "built"
    assert ClassifierCache(tmp_path).get(model, NAMES).source == "disk"


@pytest.mark.parametrize(
    "array", [np.zeros((2, 16), np.float32), np.zeros((3, 15), np.float32), np.zeros((3, 16)), np.full((3, 16), np.nan, "f4")]
)
def test_file_of_another_shape_or_kind_is_built_anew(tmp_path, model, array):
    np.save(tmp_path / f"{name_classifier(model.weights_sha256, NAMES, 'class')}.npy", array)
    assert ClassifierCache(tmp_path).get(model, NAMES, "class").source == "built"


def test_eight_threads_build_it_once(tmp_path, model, built):
    cache = ClassifierCache(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: cache.get(model, NAMES), range(8)))
    assert (len(built), len({id(one) for one in found})) == (1, 1)


def test_nothing_unfinished_is_left(tmp_path, model, monkeypatch):
    def fail(stream, array):
        stream.write(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(np, "save", fail)
    classifier = ClassifierCache(tmp_path).get(model, NAMES)
    assert (classifier.source, classifier.features.shape) == ("built", (3, 16))
    assert list(tmp_path.iterdir()) == []


def test_folder_is_bounded_and_the_longest_unused_goes(tmp_path):
    one = np.zeros((8, 16), np.float32)  # 512 bytes, 640 with numpy's header
    for number in range(4):
        path = tmp_path / f"{number}.npy"
        store_array(path, one, 2000)
        os.utime(path, (number, number))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.npy", "2.npy", "3.npy"]
    load_array(tmp_path / "1.npy")
    store_array(tmp_path / "4.npy", one, 2000)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.npy", "3.npy", "4.npy"]


def test_what_a_killed_process_left_is_swept_and_what_another_writes_stays(tmp_path):
    for name, age in ((".old.npy.1.part", 7200), (".new.npy.2.part", 0)):
        (tmp_path / name).write_bytes(b"half")
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    store_array(tmp_path / "1.npy", np.zeros((8, 16), np.float32), 2000)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".new.npy.2.part", "1.npy"]


def test_progress_ends_at_one_and_only_rises(tmp_path, model, monkeypatch):
    monkeypatch.setattr("backend.models.prompts.CLASSIFIER_TEXTS", 14)
    told = []
    ClassifierCache(tmp_path).get(model, [f"name {number}" for number in range(5)], "ensemble", told.append)
    assert told == [0.4, 0.8, 1.0]


def test_batches_do_not_change_a_classifier(model, monkeypatch):
    whole = build_classifier(model, NAMES, "ensemble")
    monkeypatch.setattr("backend.models.prompts.CLASSIFIER_TEXTS", 7)
    np.testing.assert_allclose(build_classifier(model, NAMES, "ensemble"), whole, atol=1e-6)


def test_no_names_are_refused(tmp_path, model):
    with pytest.raises(TailscopeError, match="0 candidates: from 1 to 50,000 are compared at once."):
        ClassifierCache(tmp_path).get(model, [])


def test_folder_of_a_step_is_shared_by_its_processes_and_takes_any_number_of_names(tmp_path, model):
    step = ClassifierCache(tmp_path, max_names=None)
    assert not step.has(model.weights_sha256, NAMES, "simple")
    built = step.get(model, NAMES, "simple")
    assert step.has(model.weights_sha256, NAMES, "simple")
    other = ClassifierCache(tmp_path, max_names=2)
    with pytest.raises(TailscopeError, match="3 candidates: from 1 to 2 are compared at once."):
        other.get(model, NAMES, "simple")
    again = ClassifierCache(tmp_path, max_names=None).get(model, NAMES, "simple")
    assert (again.source, again.key) == ("disk", built.key)


def test_name_with_braces_stays_as_it_is(tmp_path, model):
    classifier = ClassifierCache(tmp_path).get(model, ["{x} {0}"], "simple")
    np.testing.assert_allclose(classifier.features, model.encode_texts(["a photo of a {x} {0}."]), atol=1e-6)


def test_templates_of_ones_own_are_trimmed_and_distinct():
    assert check_templates([" a drawing of a {}. ", "", "a drawing of a {}.", "{}"]) == ("a drawing of a {}.", "{}")


@pytest.mark.parametrize(
    "line", ["a drawing", "a {} of a {}", "a {0}", "a {name}", "a {} {", "{{}}", "a {}}", "{0.__class__} {}"]
)
def test_template_without_exactly_one_place_is_refused(line):
    with pytest.raises(TailscopeError, match="needs {} once"):
        check_templates([line])


def test_number_of_templates_is_bounded():
    with pytest.raises(TailscopeError, match="0 templates: from 1 to 100"):
        check_templates(["", " "])
    with pytest.raises(TailscopeError, match="101 templates"):
        check_templates([f"{number} {{}}" for number in range(101)])


def test_label_is_spelled_for_a_prompt():
    assert spell_name("Acadian_Flycatcher ") == "Acadian Flycatcher"
