"""A tail benchmark: the rarest classes among themselves, in the tables that the page on the tail reads."""

import sys

import numpy as np
import pytest

from backend import tail as answers
from backend.errors import TailscopeError
from backend.frequency import count_concepts, spread_counts
from backend.manifest import TailEntry
from backend.models.loading import load_model
from backend.study import Study
from backend.validation import study_faults
from precompute import __main__ as commands
from precompute.evaluate.classification import score_prompts
from precompute.evaluate.scores import Evaluation, evaluate_model
from precompute.evaluate.tail import TailPlan, build_tail, choose_tail, cut_task
from precompute.evaluate.tasks import Task
from precompute.ledger import Ledger
from tests.precompute.evaluate.test_classification import write_class_folders
from tests.tiny_clip import draw_pictures, write_model
from tests.tiny_study import count_rows, write_study

COUNTS = {"ant": 10, "bee": 1, "cat": 10, "dog": 100, "elk": 0, "fox": 5}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return {f"Tiny/{seed}": str(write_model(folder / str(seed), seed)) for seed in range(2)}


@pytest.fixture
def animals(tmp_path):
    return write_class_folders(tmp_path / "animals", {"ant": 3, "bee": 2, "cat": 2, "dog": 1, "elk": 2, "fox": 0, "gnu": 1})


@pytest.fixture
def study(tmp_path, animals, models):
    folder = write_study(tmp_path / "studies" / "mine", count_rows("small", "lemmatized", COUNTS)).folder
    for name, spec in models.items():
        evaluate_model(folder, Evaluation(spec, {"animals": animals}, prompts=["class", "ensemble"], name=name), quiet)
    return folder


def quiet(stage: str, done: float) -> None:
    """Says nothing."""


def make_task(counts: dict[str, int]) -> Task:
    classes = np.repeat(np.arange(len(counts)), list(counts.values()))
    return Task(tuple(counts), [(f"{number}.png", None, None) for number in range(len(classes))], classes)


def test_least_frequent_classes_with_images_by_count_then_name():
    ledger = Ledger()
    task = make_task({"ant": 1, "bee": 1, "cat": 1, "dog": 1, "elk": 1, "fox": 0, "gnu": 1})
    chosen = choose_tail(task, COUNTS, 3, ledger)
    assert list(chosen.itertuples(index=False, name=None)) == [("elk", 0), ("bee", 1), ("ant", 10)]
    assert ledger.entry() == {
        "read": 7,
        "written": 3,
        "dropped": {
            "class that is more frequent": 2,
            "class that the corpus was not searched for": 1,
            "class without an image": 1,
        },
    }


@pytest.mark.parametrize("size", [1, 3, 290])
def test_tail_is_smaller_than_the_task(size):
    with pytest.raises(TailscopeError, match=f"A tail has from 2 to 2 of the 3 counted classes, not {size}."):
        choose_tail(make_task({"ant": 1, "bee": 1, "cat": 1}), COUNTS, size, Ledger())


def test_images_of_other_classes_are_booked():
    ledger = Ledger()
    cut = cut_task(make_task({"ant": 2, "bee": 1, "cat": 1}), ["cat", "ant"], ledger)
    assert (cut.labels, cut.classes.tolist()) == (("ant", "cat"), [0, 0, 1])
    assert [path for path, *_ in cut.places] == ["0.png", "1.png", "3.png"]
    assert ledger.entry() == {"read": 1, "written": 0, "dropped": {"image of a class that is not in the tail": 1}}


def test_models_are_scored_on_the_tail_alone(study, animals, models):
    report = build_tail(study, TailPlan("animals", animals, "small", 3, title="Rare animals"), quiet)
    assert study_faults(study) == []
    pictures = draw_pictures(11)  # as `write_class_folders` drew them: 3 ants, 2 bees, 2 cats, 1 dog, 2 elks, 1 gnu
    model = load_model(models["Tiny/0"])
    features, classes = model.encode_images(pictures[:5] + pictures[8:10]), np.array([0, 0, 0, 1, 1, 2, 2])
    expected = score_prompts(model, [(features, classes)], ["ant", "bee", "elk"], {"one": "ensemble"})[0]["one"]
    found = Study(study).query("SELECT label, concept, value, n FROM tail WHERE model = 'Tiny/0' ORDER BY label")
    assert (list(found["label"]), list(found["concept"])) == (["ant", "bee", "elk"], ["ant", "bee", "elk"])
    np.testing.assert_allclose(found["value"], expected.values)
    assert (list(found["n"]), report.overall["Tiny/0"]) == ([3, 2, 2], pytest.approx(expected.overall))
    assert report.ledgers["Tiny/0: images"].entry() == {
        "read": 11,
        "written": 7,
        "dropped": {"image of a class that is not in the tail": 4},
    }
    assert sorted(path.name for path in study.parent.iterdir()) == [".cache", "mine"]


def test_page_finds_what_it_needs(study, animals):
    report = build_tail(study, TailPlan("animals", animals, "small", 3, title="Rare animals"), quiet)
    mine = Study(study)
    facts = {"title": "Rare animals", "task": "animals_tail", "compared_with": "animals", "setting": "ensemble", "split": 50}
    assert answers.describe_tail(mine) == TailEntry(**facts)
    compared = answers.compare_models(mine).set_index("model")
    assert compared["tail"].to_dict() == report.overall
    whole = mine.query("SELECT model, value FROM overall WHERE task = 'animals' AND setting = 'ensemble'")
    assert compared["reference"].to_dict() == dict(zip(whole["model"], whole["value"], strict=True))
    classes = spread_counts(answers.list_classes(mine), count_concepts(mine, "lemmatized"), ["small"]).set_index("concept")
    assert (classes["small samples"].to_dict(), set(classes["models"])) == ({"ant": 10, "bee": 1, "elk": 0}, {2})


def test_second_tail_replaces_the_first(study, animals):
    build_tail(study, TailPlan("animals", animals, "small", 3), quiet)
    build_tail(study, TailPlan("animals", animals, "small", 2, setting="class"), quiet)
    mine = Study(study)
    assert sorted(set(mine.query("SELECT label FROM tail")["label"])) == ["bee", "elk"]
    assert list(mine.query("SELECT label FROM concepts WHERE task = 'animals_tail' ORDER BY 1")["label"]) == ["bee", "elk"]
    assert len(mine.query("SELECT * FROM overall WHERE task = 'animals_tail'")) == 2
    assert (mine.manifest.raw["tail"]["setting"], mine.manifest.raw["arguments"]["tail"]["classes"]) == ("class", 2)
    assert study_faults(study) == []


def test_what_is_missing_is_said(study, animals, models, tmp_path):
    for said, arguments in {
        "no counts of 'animals' in 'cc3m' by 'lemmatized'. It has: small by lemmatized.": {"corpus": "cc3m"},
        "no counts of 'animals' in 'small' by 'phrase'": {"method": "phrase"},
        "no counts of 'zoo' in 'small' by 'lemmatized'. It has: none of that task.": {"task": "zoo"},
        "No model was evaluated on 'animals' with the prompts 'simple'": {"setting": "simple"},
    }.items():
        wanted = {"task": "animals", "images": animals, "corpus": "small", "size": 3} | arguments
        with pytest.raises(TailscopeError, match=said):
            build_tail(study, TailPlan(**wanted), quiet)


def test_weights_that_changed_since_are_refused(tmp_path, animals):
    folder = write_study(tmp_path / "studies" / "mine", count_rows("small", "lemmatized", COUNTS)).folder
    spec = write_model(tmp_path / "model")
    evaluate_model(folder, Evaluation(str(spec), {"animals": animals}, prompts=["ensemble"]), quiet)
    write_model(spec, seed=1)
    with pytest.raises(TailscopeError, match="holds other weights than when 'model' was evaluated. Evaluate it again."):
        build_tail(folder, TailPlan("animals", animals, "small", 3), quiet)


def test_tail_from_elsewhere_stays(tmp_path, animals):
    facts = {"title": "Let it Wag!", "task": "wag", "compared_with": "animals", "setting": "ensemble", "split": 50}
    study = write_study(tmp_path / "mine", count_rows("small", "lemmatized", COUNTS), manifest={"tail": facts})
    with pytest.raises(TailscopeError, match="The study has a tail from elsewhere already: Let it Wag!"):
        build_tail(study.folder, TailPlan("animals", animals, "small", 3), quiet)


def test_command_ends_with_its_books(study, animals, monkeypatch, capsys):
    arguments = ["--study", study, "--task", f"animals={animals}", "--corpus", "small", "--classes", 3]
    monkeypatch.setattr(sys, "argv", ["precompute", "tail", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        commands.main()
    assert end.value.code in (0, None)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == ["  elk: 0 in small", "  bee: 1 in small", "  ant: 10 in small"]
    assert lines[-1] == "Tiny/1: images: read 11 = written 7 + dropped 4 (image of a class that is not in the tail: 4)"
