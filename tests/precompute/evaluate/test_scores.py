"""A model's scores join a study: rows of models, performance and overall, scaling lines anew, everything else as it was."""

import json
import sys

import numpy as np
import pytest
from PIL import Image

from backend.errors import TailscopeError
from backend.models.loading import load_model
from backend.scaling import list_settings
from backend.study import Study
from backend.tables import replace_rows
from backend.validation import study_faults
from precompute import __main__ as commands
from precompute.evaluate import scores as scoring
from precompute.evaluate.scores import Evaluation, evaluate_model
from precompute.evaluate.tasks import TaskPlace
from precompute.study_writer import extend_study
from tests.precompute.evaluate.test_classification import write_class_folders
from tests.tiny_clip import draw_pictures, write_model
from tests.tiny_study import count_rows, model_row, overall_row, score_rows, write_study

COUNTS = {"ant": 0, "bee": 1, "cat": 10, "dog": 100, "gnu": 100}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return str(write_model(tmp_path_factory.mktemp("models") / "tiny"))


@pytest.fixture
def study(tmp_path):
    """Counts of five animals in a corpus that was searched here, and a model of elsewhere."""
    return write_study(
        tmp_path / "studies" / "mine",
        count_rows("small", "lemmatized", COUNTS),
        manifest={"search": {"small": {"text": ["lemmatized"], "image": [], "chosen": {"text": "lemmatized"}}}},
        models=[model_row("RN50/old", "small")],
        performance=score_rows("RN50/old", {"ant": 1, "bee": 2}),
        overall=[overall_row("RN50/old", "animals", 1.5)],
    ).folder


@pytest.fixture
def animals(tmp_path):
    return write_class_folders(tmp_path / "animals", {"ant": 3, "bee": 2, "cat": 2, "dog": 1, "elk": 0})


@pytest.fixture
def pairs(tmp_path):
    for number, picture in enumerate(draw_pictures(3)):
        picture.save(tmp_path / f"{number}.jpg")
    captions = ["a bee", "bees and a cat", "two cats", "nothing", "a dog", ""]
    annotations = [{"image_id": number // 2, "caption": text} for number, text in enumerate(captions)]
    images = [{"id": number, "file_name": f"{number}.jpg"} for number in range(3)]
    (tmp_path / "captions.json").write_text(json.dumps({"images": images, "annotations": annotations}))
    return str(tmp_path / "captions.json")


def evaluate(folder, spec, tasks=None, retrieval=None, **options):
    retrieval = {task: [pattern] for task, pattern in (retrieval or {}).items()}
    return evaluate_model(folder, Evaluation(spec, tasks or {}, retrieval, **options), lambda stage, done: None)


def rows(folder, sql: str) -> list[tuple]:
    return list(Study(folder).query(sql).itertuples(index=False, name=None))


def test_scores_of_each_class_and_setting_are_added(study, animals, tiny):
    report = evaluate(study, tiny, {"animals": animals}, name="Tiny/small")
    assert study_faults(study) == []
    assert rows(study, "SELECT DISTINCT setting FROM performance WHERE model = 'Tiny/small' ORDER BY 1") == [
        ("class",),
        ("ensemble",),
        ("simple",),
    ]
    found = rows(study, "SELECT label, concept, n FROM performance WHERE model = 'Tiny/small' AND setting = 'class' ORDER BY 1")
    assert found == [("ant", "ant", 3), ("bee", "bee", 2), ("cat", "cat", 2), ("dog", "dog", 1)]
    per_class = rows(
        study, "SELECT setting, sum(value * n) / 8 FROM performance WHERE model = 'Tiny/small' GROUP BY ALL ORDER BY ALL"
    )
    overall = rows(study, "SELECT setting, value, source FROM overall WHERE model = 'Tiny/small' ORDER BY setting")
    assert [(setting, pytest.approx(value)) for setting, value, _ in overall] == per_class
    assert {source for *_, source in overall} == {
        "evaluated on 8 images; 1 template a class; mean per-class recall 25.00%",
        "evaluated on 8 images; 7 templates a class; mean per-class recall 25.00%",
    }
    assert report.ledgers["animals: images"].entry() == {"read": 8, "written": 8, "dropped": {}}
    assert report.ledgers["animals: scores"].entry() == {"read": 15, "written": 12, "dropped": {"class without an image": 3}}


def test_model_is_described_and_its_corpus_is_the_named_one(study, animals, tiny):
    evaluate(study, tiny, {"animals": animals}, name="Tiny/mine", corpus="small", prompts=["class"])
    assert rows(study, "SELECT * FROM models WHERE model = 'Tiny/mine'") == [("Tiny/mine", "Tiny", "mine", "small", tiny)]
    made = Study(study).manifest.raw["arguments"]["evaluate"]["Tiny/mine"]
    assert (made["model"], made["prompts"], len(made["weights_sha256"])) == (tiny, ["class"], 64)


def test_pretraining_that_is_a_corpus_of_the_study_is_the_models_corpus(study, animals, tiny):
    evaluate(study, tiny, {"animals": animals}, name="Tiny/small")
    evaluate(study, tiny, {"animals": animals}, name="Tiny/unknown")
    found = rows(study, "SELECT coalesce(corpus, 'none') FROM models WHERE model LIKE 'Tiny%' ORDER BY model")
    assert found == [("small",), ("none",)]


def test_scaling_lines_are_drawn_for_the_new_model(study, animals, tiny):
    evaluate(study, tiny, {"animals": animals}, name="Tiny/small")
    found = rows(study, "SELECT setting, n, n_zero, tasks FROM scaling WHERE model = 'Tiny/small' ORDER BY setting")
    assert found == [(setting, 4, 1, "pooled") for setting in ("class", "ensemble", "simple")]
    assert list(list_settings(Study(study))["setting"]) == ["class", "ensemble", "plain", "simple"]


def test_second_run_gives_the_same_rows_and_keeps_other_models(study, animals, tiny):
    everything = "SELECT * FROM performance ORDER BY ALL"
    evaluate(study, tiny, {"animals": animals}, name="Tiny/small")
    first = rows(study, everything)
    evaluate(study, tiny, {"animals": animals}, name="Tiny/small")
    assert [str(row) for row in rows(study, everything)] == [str(row) for row in first]
    assert rows(study, "SELECT label, value FROM performance WHERE model = 'RN50/old' ORDER BY 1") == [("ant", 1), ("bee", 2)]
    assert study_faults(study) == []


def test_new_labels_become_concepts(study, animals, tiny):
    evaluate(study, tiny, {"zoo": animals}, name="Tiny/small")
    assert rows(study, "SELECT label, kind, words FROM concepts WHERE task = 'zoo' AND label = 'elk'")[0][:2] == (
        "elk",
        "classification",
    )
    counted = rows(study, "SELECT label, count FROM frequency WHERE task = 'zoo' ORDER BY label")
    assert counted == [("ant", 0), ("bee", 1), ("cat", 10), ("dog", 100)]  # the search knows nothing of an elk
    assert study_faults(study) == []


def test_counts_from_elsewhere_are_not_given_to_another_task(study, animals, tiny):
    manifest = json.loads((study / "manifest.json").read_text())
    (study / "manifest.json").write_text(json.dumps(manifest | {"search": {}}))
    evaluate(study, tiny, {"zoo": animals}, name="Tiny/small")
    assert rows(study, "SELECT count(*) FROM frequency WHERE task = 'zoo'") == [(0,)]


def test_retrieval_is_scored_for_all_concepts_of_the_study(study, pairs, tiny):
    report = evaluate(study, tiny, retrieval={"photos": pairs}, name="Tiny/small")
    assert study_faults(study) == []
    found = rows(study, "SELECT kind, label, value, n FROM performance WHERE setting = 'i2t@5' AND task = 'photos' ORDER BY 2")
    assert found == [("retrieval", "bee", 100.0, 1), ("retrieval", "cat", 100.0, 2), ("retrieval", "dog", 100.0, 1)]
    assert rows(study, "SELECT label, n FROM performance WHERE setting = 't2i@1' ORDER BY 1") == [
        ("bee", 2),
        ("cat", 2),
        ("dog", 1),
    ]
    assert rows(study, "SELECT count FROM frequency WHERE task = 'photos' AND label = 'cat'") == [(10,)]
    assert report.ledgers["photos: pairs"].entry() == {"read": 6, "written": 5, "dropped": {"no caption": 1}}
    assert report.ledgers["photos: scores"].entry() == {
        "read": 30,
        "written": 18,
        "dropped": {"concept that no pair names": 12},
    }
    assert report.scores[0].source == "evaluated on 3 images and 5 captions"


def test_other_weights_need_another_name(study, animals, tiny, tmp_path):
    evaluate(study, tiny, {"animals": animals}, name="Tiny/small")
    other = str(write_model(tmp_path / "other", seed=1))
    with pytest.raises(TailscopeError, match=r"scores of a model 'Tiny/small' of other weights .*another name with --name"):
        evaluate(study, other, {"animals": animals}, name="Tiny/small")
    with pytest.raises(TailscopeError, match="'RN50/old' that were not evaluated here"):
        evaluate(study, other, {"animals": animals}, name="RN50/old")


def test_arguments_are_checked_before_a_model_is_loaded(study, animals, pairs, monkeypatch):
    monkeypatch.setattr(scoring, "load_model", None)
    for said, arguments in {
        "Nothing to evaluate on": {},
        "has no corpus 'cc3m'. It has: small": {"tasks": {"animals": animals}, "corpus": "cc3m"},
        "No prompt strategy 'fancy'": {"tasks": {"animals": animals}, "prompts": ["fancy"]},
        "'animals' is a task of classification": {"retrieval": {"animals": pairs}},
        "cannot be both": {"tasks": {"x": animals}, "retrieval": {"x": pairs}},
        "No folder of a task": {"tasks": {"animals": animals / "none"}},
        "matches no file": {"retrieval": {"photos": "none*.tar"}},
    }.items():
        with pytest.raises(TailscopeError, match=said):
            evaluate(study, "ViT-B-32:openai", **arguments)


def test_task_without_a_readable_image_changes_nothing(study, tiny, tmp_path):
    before = (study / "manifest.json").read_bytes()
    for label in ("ant", "bee"):
        (tmp_path / "broken" / label).mkdir(parents=True)
        (tmp_path / "broken" / label / "0.jpg").write_bytes(b"x")
    with pytest.raises(TailscopeError, match=r"None of the 2 images of 'animals' can be decoded\. The first: .*/ant/0\.jpg\."):
        evaluate(study, tiny, {"animals": tmp_path / "broken"}, name="Tiny/small")
    assert (study / "manifest.json").read_bytes() == before


def test_task_of_no_image_is_refused_before_a_model_is_loaded(study, tmp_path, monkeypatch):
    monkeypatch.setattr(scoring, "load_model", None)
    for label in ("ant", "bee"):
        (tmp_path / "empty" / label).mkdir(parents=True)
    (tmp_path / "empty" / "ant" / "notes.txt").write_text("x")
    said = (
        r"'animals' has 2 classes at .*/empty and not one image with a label .*file that is no image by its name: 1\)\)\. Is it"
    )
    with pytest.raises(TailscopeError, match=said):
        evaluate(study, "ViT-B-32:openai", {"animals": tmp_path / "empty"})


def test_killed_run_leaves_the_study_and_goes_on_with_its_features(study, animals, tiny, monkeypatch):
    before = (study / "manifest.json").read_bytes()
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(scoring, "build_scaling", lambda study, tick: (_ for _ in ()).throw(KeyboardInterrupt))
        evaluate(study, tiny, {"animals": animals}, name="Tiny/small")
    assert (study / "manifest.json").read_bytes() == before
    monkeypatch.setattr("backend.models.encode.Model.begin_batch", None)
    evaluate(study, tiny, {"animals": animals}, name="Tiny/small")
    assert study_faults(study) == []
    assert sorted(path.name for path in study.parent.iterdir()) == [".cache", "mine"]


def test_command_ends_with_its_books(study, animals, pairs, tiny, monkeypatch, capsys):
    arguments = ["--study", study, "--model", tiny, "--task", f"animals={animals}", "--retrieval", f"photos={pairs}"]
    monkeypatch.setattr(sys, "argv", ["precompute", "evaluate", *map(str, arguments), "--name", "Tiny/small"])
    with pytest.raises(SystemExit) as end:
        commands.main()
    assert end.value.code in (0, None)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("  animals, class: ") and "%, evaluated on 8 images; 1 template a class" in lines[0]
    assert lines[-4:] == [
        "animals: images: read 8 = written 8 + dropped 0",
        "animals: scores: read 15 = written 12 + dropped 3 (class without an image: 3)",
        "photos: pairs: read 6 = written 5 + dropped 1 (no caption: 1)",
        "photos: scores: read 30 = written 18 + dropped 12 (concept that no pair names: 12)",
    ]


@pytest.mark.parametrize("wrong", ["animals", "=x", "animals="])
def test_command_refuses_a_task_without_a_folder(study, tiny, monkeypatch, capsys, wrong):
    monkeypatch.setattr(sys, "argv", ["precompute", "evaluate", "--study", str(study), "--model", tiny, "--task", wrong])
    with pytest.raises(SystemExit):
        commands.main()
    assert f"'{wrong}' is no task. Expected: --task NAME=PLACE" in capsys.readouterr().err


def test_labels_of_a_wrong_folder_go_with_the_next_evaluation(study, tmp_path, tiny):
    wrong = write_class_folders(tmp_path / "wrong", {"left": 2, "right": 2, "dog": 1})
    right = write_class_folders(tmp_path / "right", {"ant": 2, "dog": 1})
    evaluate(study, tiny, {"mine": wrong}, name="Tiny/small")
    assert rows(study, "SELECT label FROM concepts WHERE task = 'mine' ORDER BY 1") == [("dog",), ("left",), ("right",)]
    evaluate(study, tiny, {"mine": right}, name="Tiny/small")
    assert study_faults(study) == []
    for table in ("concepts", "performance"):
        assert rows(study, f"SELECT DISTINCT label FROM {table} WHERE task = 'mine' ORDER BY 1") == [("ant",), ("dog",)]
    assert rows(study, "SELECT DISTINCT task, label FROM frequency WHERE task = 'mine' ORDER BY 2") == [
        ("mine", "ant"),
        ("mine", "dog"),
    ]


def test_labels_that_were_named_or_that_another_model_was_scored_on_stay(study, tmp_path, tiny):
    other = write_class_folders(tmp_path / "other", {"left": 2, "right": 2})
    right = write_class_folders(tmp_path / "right", {"ant": 2, "dog": 1})
    evaluate(study, tiny, {"mine": other}, name="Tiny/one")
    evaluate(study, tiny, {"mine": right, "animals": right}, name="Tiny/two")
    mine = [("ant",), ("dog",), ("left",), ("right",)]
    assert rows(study, "SELECT label FROM concepts WHERE task = 'mine' ORDER BY 1") == mine
    # nobody was scored on "cat", "dog" and "gnu" of "animals", but they were searched for
    assert rows(study, "SELECT label FROM concepts WHERE task = 'animals' ORDER BY 1") == [(name,) for name in sorted(COUNTS)]
    evaluate(study, tiny, {"mine": right}, name="Tiny/one")
    assert rows(study, "SELECT label FROM concepts WHERE task = 'mine' ORDER BY 1") == [("ant",), ("dog",)]
    assert study_faults(study) == []


def test_names_that_several_classes_share_are_one_label_and_are_said(study, tmp_path, tiny):
    folder = write_class_folders(tmp_path / "ids", {"n00000001": 1, "n00000002": 2, "n00000003": 1})
    (folder / "names.txt").write_text("n00000001 crane\nn00000002 rose\nn00000003 crane\n")
    evaluate(study, tiny, {"ids": folder}, name="Tiny/small")
    found = rows(study, "SELECT label, n FROM performance WHERE task = 'ids' AND setting = 'class' ORDER BY 1")
    assert found == [("crane", 2), ("rose", 2)]
    ((source,),) = rows(study, "SELECT source FROM overall WHERE task = 'ids' AND setting = 'class'")
    assert source.endswith("; 1 of the names stands for several classes each: crane")
    assert [fault.split(",")[0] for fault in study_faults(study)] == [
        "performance: 0 of 2 classes of ids are counted in any corpus"
    ]


@pytest.fixture
def letters(tmp_path):
    return write_class_folders(tmp_path / "letters", {name: 1 + n % 2 for n, name in enumerate([*COUNTS, "yak", "zib"])})


def test_top_five_is_a_setting_of_tasks_with_more_classes(study, letters, animals, tiny):
    evaluate(study, tiny, {"letters": letters, "animals": animals}, name="Tiny/small", prompts=["class"])
    settings = rows(study, "SELECT DISTINCT task, setting FROM performance WHERE model = 'Tiny/small' ORDER BY ALL")
    assert settings == [("animals", "class"), ("letters", "class"), ("letters", "class@5")]
    pairs = rows(
        study,
        """SELECT one.value, five.value FROM performance one JOIN performance five USING (task, model, label)
           WHERE one.setting = 'class' AND five.setting = 'class@5'""",
    )
    assert len(pairs) == 7
    assert all(one <= five for one, five in pairs)


def test_scores_follow_from_the_results_image_by_image(study, letters, tiny):
    evaluate(study, tiny, {"letters": letters}, name="Tiny/small", prompts=["class", "simple"], per_image=True)
    assert study_faults(study) == []
    held = rows(study, "SELECT setting, count(*), count(DISTINCT item) FROM predictions GROUP BY 1 ORDER BY 1")
    assert held == [("class", 10, 10), ("simple", 10, 10)]
    for setting, within in (("class", 1), ("class@5", 5), ("simple", 1), ("simple@5", 5)):
        by_image = rows(
            study,
            f"""SELECT label, 100.0 * avg(CAST(place <= {within} AS INT)) FROM predictions
                WHERE setting = '{setting.partition("@")[0]}' GROUP BY 1 ORDER BY 1""",
        )
        scored = rows(
            study, f"SELECT label, value FROM performance WHERE task = 'letters' AND setting = '{setting}' ORDER BY 1"
        )
        assert [label for label, _ in by_image] == [label for label, _ in scored]
        assert [value for _, value in by_image] == pytest.approx([value for _, value in scored])
    first = rows(study, "SELECT best, similarities, place, label, similarity, image FROM predictions ORDER BY setting, item")[0]
    best, similarities, place, label, similarity, image = first
    assert (len(best), list(similarities)) == (5, sorted(similarities, reverse=True))
    assert place > 5 or (best[place - 1], similarities[place - 1]) == (label, similarity)
    assert (study / image).resolve() == letters / "ant" / "0.png"


def test_evaluating_again_takes_earlier_results_by_image_out(study, letters, tiny):
    evaluate(study, tiny, {"letters": letters}, name="Tiny/small", prompts=["class"], per_image=True)
    assert Study(study).has("predictions")
    evaluate(study, tiny, {"letters": letters}, name="Tiny/small", prompts=["class"])
    assert not Study(study).has("predictions")
    assert study_faults(study) == []


def test_templates_of_a_task_are_its_ensemble_and_are_named(study, animals, tiny, tmp_path):
    (animals / "zeroshot_classification_templates.txt").write_text("a drawing of a {c}.\na {c} in the wild.\n")
    evaluate(study, tiny, {"animals": animals}, name="Tiny/small")
    sources = dict(rows(study, "SELECT setting, source FROM overall WHERE model = 'Tiny/small'"))
    assert "2 templates a class of zeroshot_classification_templates.txt" in sources["ensemble"]
    assert "1 template a class;" in sources["simple"]
    (tmp_path / "mine.txt").write_text("{}, seen from above\n")
    evaluate(study, tiny, {"animals": TaskPlace(animals, templates=tmp_path / "mine.txt")}, name="Tiny/small")
    sources = dict(rows(study, "SELECT setting, source FROM overall WHERE model = 'Tiny/small'"))
    assert "1 template a class of mine.txt" in sources["ensemble"]


def test_command_takes_names_splits_and_templates_of_a_task(study, tiny, tmp_path, monkeypatch):
    write_class_folders(tmp_path / "net" / "val", {"n00000001": 1, "n00000002": 2})
    (tmp_path / "names.txt").write_text("tench\ngoldfish\n")
    (tmp_path / "own.txt").write_text("a {} under water\n")
    arguments = ["--study", study, "--model", tiny, "--name", "Tiny/small", "--per-image", "--task", f"net={tmp_path / 'net'}"]
    arguments += [
        "--names",
        f"net={tmp_path / 'names.txt'}",
        "--split",
        "net=val",
        "--templates",
        f"net={tmp_path / 'own.txt'}",
    ]
    monkeypatch.setattr(sys, "argv", ["precompute", "evaluate", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        commands.main()
    assert end.value.code in (0, None)
    scored = rows(study, "SELECT label, n FROM performance WHERE model = 'Tiny/small' AND setting = 'ensemble' ORDER BY 1")
    assert scored == [("goldfish", 2), ("tench", 1)]
    assert rows(study, "SELECT count(*) FROM predictions") == [(9,)]


def test_command_refuses_words_on_a_task_that_is_not_named(study, tiny, animals, monkeypatch, capsys):
    arguments = ["--study", study, "--model", tiny, "--task", f"animals={animals}", "--split", "pets=val"]
    monkeypatch.setattr(sys, "argv", ["precompute", "evaluate", *map(str, arguments)])
    with pytest.raises(SystemExit):
        commands.main()
    assert "--split is of 'pets', which no --task names. Named: animals." in " ".join(capsys.readouterr().err.split())


def test_corpus_of_a_model_stays_when_it_is_evaluated_again_without_one(study, animals, tiny):
    evaluate(study, tiny, {"animals": animals}, name="Tiny/mine", corpus="small", prompts=["class"])
    evaluate(study, tiny, {"animals": animals}, name="Tiny/mine", prompts=["simple"])
    assert rows(study, "SELECT corpus FROM models WHERE model = 'Tiny/mine'") == [("small",)]
    assert study_faults(study) == []
    lost = Study(study).query("SELECT * REPLACE (NULL AS corpus) FROM models WHERE model = 'Tiny/mine'")
    with extend_study(study) as (part, manifest):
        replace_rows(part, manifest, "models", lost, ["model"])
    assert study_faults(study) == [
        "models: Tiny/mine was evaluated as trained on small, and has no corpus now. Evaluate it again with --corpus small"
    ]


def test_task_without_a_concept_of_the_study_is_told_and_found(study, tiny, tmp_path, monkeypatch, capsys):
    folder = write_class_folders(tmp_path / "letters", {"aleph": 1, "beth": 1})
    words = ["evaluate", "--study", str(study), "--model", tiny, "--task", f"letters={folder}", "--name", "Tiny/one"]
    for _ in range(2):  # the labels that an evaluation brings in do not make them concepts that are counted
        monkeypatch.setattr(sys, "argv", ["precompute", *words])
        with pytest.raises(SystemExit, match="0"):
            commands.main()
        told = " ".join(capsys.readouterr().out.split())
        assert "letters: 0 of 2 classes are concepts of this study. Its scores stand beside no count." in told
        assert f"python -m precompute index --study {study} --corpus NAME --shards GLOB --force" in told
    assert study_faults(study) == [
        "performance: 0 of 2 classes of letters are counted in any corpus, so no score stands beside a count. "
        "Index a corpus again with --force, or evaluate the task on the right folder"
    ]


def test_classes_that_are_concepts_are_counted_and_said_where_some_are_not(study, animals, tiny, tmp_path):
    assert evaluate(study, tiny, {"animals": animals}).known == {"animals": (4, 5)}  # "elk" is none
    half = write_class_folders(tmp_path / "half", {"Ant": 1, "yak": 1})
    assert evaluate(study, tiny, {"more": half}, name="Tiny/more").known == {"more": (1, 2)}


def test_classes_without_a_count_are_told_where_others_have_one(study, tiny, tmp_path, monkeypatch, capsys):
    task = write_class_folders(tmp_path / "task", {"ant": 1, "Bee": 1, "bees": 1, "emu": 1})
    report = evaluate(study, tiny, {"animals": task}, name="Tiny/small")
    assert report.uncounted == {"animals": ["bees", "emu"]}
    monkeypatch.setattr(
        sys,
        "argv",
        ["precompute", "evaluate", "--study", str(study), "--model", tiny, "--task", f"animals={task}", "--prompts", "class"],
    )
    with pytest.raises(SystemExit):
        commands.main()
    told = " ".join(capsys.readouterr().out.split())
    assert "animals: 2 of its classes stand beside no count, and in no plot over frequency: bees, emu." in told
    assert evaluate(study, tiny, {"other": write_class_folders(tmp_path / "none", {"yak": 1, "emu": 1})}).uncounted == {}


def test_results_on_real_photos_are_those_of_a_plain_loop_image_by_image(study, tiny, shared_data):
    import open_clip
    import torch

    folder = shared_data / "caltech101-mini"
    evaluate(study, tiny, {"caltech": folder}, prompts=["ensemble"], per_image=True, decoders=1)
    found = Study(study).query("SELECT image, label, place, best, similarities FROM predictions ORDER BY image")
    labels = sorted(path.name for path in folder.iterdir())
    model = load_model(tiny)
    names = [label.replace("_", " ") for label in labels]
    with torch.no_grad():
        classifier = open_clip.build_zero_shot_classifier(
            model.net, model.tokenizer, names, open_clip.SIMPLE_IMAGENET_TEMPLATES
        )
        for row in found.itertuples():
            picture = Image.open(study / row.image).convert("RGB")
            plain = (model.net.encode_image(model.preprocess(picture)[None], normalize=True) @ classifier)[0].numpy()
            best = np.argsort(-plain)[:5]
            np.testing.assert_allclose(row.similarities, plain[best], atol=1e-6)
            np.testing.assert_allclose([plain[labels.index(label)] for label in row.best], plain[best], atol=1e-6)
            assert abs(np.sort(-plain)[row.place - 1] + plain[labels.index(row.label)]) < 1e-6
    assert len(found) == 228
    (overall,) = rows(study, "SELECT value FROM overall WHERE task = 'caltech' AND setting = 'ensemble'")[0]
    assert overall == pytest.approx(100 * (found["place"] == 1).mean())
