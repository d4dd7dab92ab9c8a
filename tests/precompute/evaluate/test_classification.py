"""Zero-shot accuracy of each class: hand-worked, the same as open_clip's own functions give, and nothing lost on the way."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend.errors import SourceError
from backend.models.loading import load_model
from backend.models.prompts import PROMPTS
from precompute.evaluate import features as encoding
from precompute.evaluate.classification import (
    ClassScores,
    describe_repeats,
    pool_labels,
    score_chunks,
    score_prompts,
)
from precompute.evaluate.features import encode_places
from precompute.evaluate.tasks import read_task
from precompute.ledger import Ledger
from tests.tiny_clip import draw_pictures, write_model

X, Y = [1.0, 0.0], [0.0, 1.0]
NAMES = ["rose", "zib", "golden_retriever"]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return load_model(str(write_model(tmp_path_factory.mktemp("models") / "tiny")))


def jpeg(picture: Image.Image) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "JPEG")
    return stream.getvalue()


def write_tar(path: Path, members: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def write_class_folders(folder: Path, counts: dict[str, int]) -> Path:
    pictures = iter(draw_pictures(sum(counts.values())))
    for label, count in counts.items():
        (folder / label).mkdir(parents=True)
        for number in range(count):
            next(pictures).save(folder / label / f"{number}.png")
    return folder


def score_classes(images: np.ndarray, classes: np.ndarray, classifier: np.ndarray) -> ClassScores:
    return score_chunks([(images, classes)], {"one": classifier})[0]["one"]


def test_accuracy_of_hand_made_features():
    images = np.array([X, X, Y, X], np.float32)
    scores = score_classes(images, np.array([0, 0, 0, 1]), np.array([X, Y, [-1, 0]], np.float32))
    np.testing.assert_allclose(scores.values, [200 / 3, 0, np.nan])
    assert (scores.n.tolist(), scores.overall) == ([3, 1, 0], 50.0)


def test_equally_near_texts_count_for_the_first_class():
    scores = score_classes(np.array([X, X], np.float32), np.array([0, 1]), np.array([X, X], np.float32))
    assert scores.values.tolist() == [100.0, 0.0]


def test_images_in_chunks_and_blocks_score_the_same(monkeypatch):
    dice = np.random.default_rng(0)
    images, classifier = dice.normal(size=(50, 4)), dice.normal(size=(3, 4))
    classes = dice.integers(0, 3, 50)
    at_once = score_classes(images, classes, classifier)
    monkeypatch.setattr("precompute.evaluate.classification.IMAGES_AT_ONCE", 7)
    np.testing.assert_array_equal(score_classes(images, classes, classifier).values, at_once.values)
    chunks = [(images[start : start + 9], classes[start : start + 9]) for start in range(0, 50, 9)]
    np.testing.assert_array_equal(score_chunks(chunks, {"one": classifier})[0]["one"].values, at_once.values)


def test_scores_are_those_of_open_clips_own_functions(model):
    import open_clip
    import torch

    pictures, classes = draw_pictures(12), np.arange(12) % 3
    chunks = [(model.encode_images(pictures[part]), classes[part]) for part in (slice(0, 5), slice(5, 12))]
    scores, _ = score_prompts(model, chunks, NAMES, {name: name for name in PROMPTS})
    templates = {"class": ["{}"], "simple": ["a photo of a {}."], "ensemble": open_clip.SIMPLE_IMAGENET_TEMPLATES}
    assert list(scores) == list(templates)
    with torch.no_grad():
        images = model.net.encode_image(torch.stack([model.preprocess(picture) for picture in pictures]), normalize=True)
    for prompts, template in templates.items():
        names = ["rose", "zib", "golden retriever"]
        classifier = open_clip.build_zero_shot_classifier(model.net, model.tokenizer, names, template)
        right = ((images @ classifier).argmax(dim=1).numpy() == classes).astype(float)
        np.testing.assert_allclose(scores[prompts].values, [100 * right[classes == number].mean() for number in range(3)])
        assert scores[prompts].overall == pytest.approx(100 * right.mean())


def test_class_folders_are_labels(tmp_path):
    write_class_folders(tmp_path, {"zib": 2, "rose": 1, "empty": 0})
    (tmp_path / "rose" / "notes.txt").write_text("x")
    (tmp_path / "rose" / ".hidden").write_text("x")
    ledger = Ledger()
    task = read_task(tmp_path, ledger)
    assert task.labels == ("empty", "rose", "zib")
    assert [(Path(path).name, offset) for path, offset, _ in task.places] == [("0.png", None), ("0.png", None), ("1.png", None)]
    assert task.classes.tolist() == [1, 2, 2]
    assert ledger.entry() == {
        "read": 2,
        "written": 0,
        "dropped": {"file that is no image by its name": 1, "hidden file, or litter of an operating system": 1},
    }


def test_litter_is_no_class_and_is_counted(tmp_path):
    write_class_folders(tmp_path, {"rose": 1, "zib": 1, "__MACOSX": 2})
    draw_pictures(1)[0].save(tmp_path / "rose" / "._0.png")
    for name in (".DS_Store", "Thumbs.db", "rose/.DS_Store", "notes.md"):
        (tmp_path / name).write_text("x")
    draw_pictures(1)[0].save(tmp_path / "stray.png")
    ledger = Ledger()
    task = read_task(tmp_path, ledger)
    assert (task.labels, task.classes.tolist()) == (("rose", "zib"), [0, 1])
    assert ledger.entry()["dropped"] == {
        "file that is no image by its name": 1,
        "hidden file, or litter of an operating system": 6,
        "image in no class folder": 1,
    }


@pytest.mark.parametrize("splits", [["train", "val"], ["train"], ["Training", "Test", "valid"]])
def test_splits_are_no_classes(tmp_path, splits):
    for split in splits:
        write_class_folders(tmp_path / split, {"rose": 1, "tulip": 1})
    names = ", ".join(sorted(splits))
    with pytest.raises(
        SourceError, match=rf"holds splits \({names}\), not classes\. Name one of them: .*{sorted(splits)[-1]}\.$"
    ):
        read_task(tmp_path, Ledger())
    assert read_task(tmp_path / splits[0], Ledger()).labels == ("rose", "tulip")


def test_class_may_be_called_train(tmp_path):
    write_class_folders(tmp_path, {"train": 1, "test": 1, "bus": 1})
    assert read_task(tmp_path, Ledger()).labels == ("bus", "test", "train")
    write_class_folders(tmp_path / "deeper", {"train/old": 1, "bus/old": 1})
    assert read_task(tmp_path / "deeper", Ledger()).labels == ("bus", "train")


SYNSETS = ("n01440764", "n02012849", "n03126707")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("LOC_synset_mapping.txt", "n03126707 crane\nn01440764 tench, Tinca tinca\nn02012849 crane\nn00000001 other\n"),
        ("map_clsloc.txt", "n01440764 1 tench\nn02012849 2 crane\nn03126707 3 crane\n"),
        ("names.csv", "id,name\nn01440764,tench\nn02012849,crane\nn03126707,crane\n"),
        (
            "imagenet_class_index.json",
            '{"0": ["n01440764", "tench"], "1": ["n02012849", "crane"], "2": ["n03126707", "crane"]}',
        ),
        ("names.json", '{"n01440764": "tench", "n02012849": "crane", "n03126707": "crane"}'),
        ("classnames.txt", "tench\ncrane\ncrane\n"),
        ("../names.txt", "n01440764\ttench\nn02012849\tcrane\nn03126707\tcrane\n"),
    ],
)
def test_wordnet_ids_are_named_by_a_file_beside_them(tmp_path, name, content):
    folder = write_class_folders(tmp_path / "task", dict.fromkeys(SYNSETS, 1))
    (folder / name).write_text(content)
    ledger = Ledger()
    task = read_task(folder, ledger)
    assert (task.labels, task.classes.tolist()) == (("tench", "crane", "crane"), [0, 1, 2])
    assert ledger.entry()["dropped"] == {}


def test_wordnet_ids_without_names_are_refused(tmp_path):
    write_class_folders(tmp_path, dict.fromkeys(SYNSETS, 1))
    (tmp_path / "names.txt").write_text("n01440764 tench\n")
    with pytest.raises(SourceError, match=r"are WordNet ids \(n01440764, \.\.\.\).*lines such as 'n01440764 tench'"):
        read_task(tmp_path, Ledger())


def test_numbered_folders_are_named_by_their_place_in_the_list(tmp_path):
    write_class_folders(tmp_path, {"000": 1, "002": 1})
    assert read_task(tmp_path, Ledger()).labels == ("000", "002")
    (tmp_path / "classnames.txt").write_text("rose\nzib\ntulip\n")
    assert read_task(tmp_path, Ledger()).labels == ("rose", "tulip")


def test_both_forms_of_unicode_are_one_class(tmp_path):
    write_class_folders(tmp_path, {"jalape\u00f1o": 1, "jalapen\u0303o": 2, "rose": 1})
    task = read_task(tmp_path, Ledger())
    assert (task.labels, sorted(task.classes.tolist())) == (("jalape\u00f1o", "rose"), [0, 0, 0, 1])


def write_labelled(folder: Path, names: str, texts: list[str]) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "classnames.txt").write_text(names)
    image = jpeg(draw_pictures(1)[0])
    members = {f"s{number}.jpg": image for number in range(len(texts))}
    members |= {f"s{number}.cls": text.encode() for number, text in enumerate(texts)}
    write_tar(folder / "0.tar", members)
    return folder


def test_number_or_name_is_decided_once_a_task(tmp_path):
    texts = [str(number) for number in range(5) for _ in range(number + 1)]
    task = read_task(write_labelled(tmp_path / "a", "20\n30\n0\n1\n2\n", texts), Ledger())
    assert np.bincount(task.classes).tolist() == [1, 2, 3, 4, 5]
    years = read_task(write_labelled(tmp_path / "b", "2020\n2030\n1\n", ["2020", "1", "2030", "1"]), Ledger())
    assert years.classes.tolist() == [0, 2, 1, 2]
    words = read_task(write_labelled(tmp_path / "c", "rose\njalape\u00f1o\n", ["jalapen\u0303o", "Rose"]), Ledger())
    assert words.classes.tolist() == [1, 0]


def test_classes_are_places_in_the_list_whose_names_may_repeat_or_lack(tmp_path):
    folder = write_labelled(tmp_path, "missile\nrose\n\nmissile\n\n", ["0", "1", "2", "3", "3"])
    ledger = Ledger()
    task = read_task(folder, ledger)
    assert (task.labels, task.classes.tolist()) == (("missile", "rose", "", "missile"), [0, 1, 2, 3, 3])
    assert ledger.entry()["dropped"] == {}
    assert describe_repeats(task.labels) == "1 of the names stands for several classes each: missile; classes without a name: 1"
    assert describe_repeats(("a", "b")) == ""


def test_classes_of_one_label_are_scored_by_place_and_told_together():
    values = np.array([100.0, 50.0, 0.0, 25.0])
    scores = ClassScores(values, np.array([1, 2, 5, 4]), 25.0, values, 25.0)
    labels, pooled = pool_labels(("missile", "rose", "", "missile"), scores)
    assert labels == ("missile", "rose")
    assert (pooled.values.tolist(), pooled.n.tolist(), pooled.overall) == ([40.0, 50.0], [5, 2], 25.0)  # 1 of 1 and 1 of 4
    labels, same = pool_labels(("a", "b", "c", "d"), scores)
    assert same is scores


@pytest.mark.parametrize("ending", ["bmp", "gif", "jfif", "tif", "avif", "heic", "JPE"])
def test_class_folders_take_every_kind_of_image_that_is_read(tmp_path, ending):
    write_class_folders(tmp_path, {"zib": 1, "rose": 0})
    (tmp_path / "rose" / f"1.{ending}").write_bytes(b"x")
    ledger = Ledger()
    assert [Path(path).name for path, _, _ in read_task(tmp_path, ledger).places] == [f"1.{ending}", "0.png"]
    assert ledger.entry()["dropped"] == {}


def test_webdataset_shards_as_clip_benchmark_has_them(tmp_path):
    (tmp_path / "classnames.txt").write_text("rose\nzib fish\n")
    image = jpeg(draw_pictures(1)[0])
    members = {
        "s0.cls": b"1",
        "s0.jpg": image,
        "s1.webp": image,
        "s1.cls": b"0\n",
        "s2.jpg": image,
        "s2.cls": b"7",
        "s3.jpg": image,
        "s4.cls": b"0",
        "s5.jpg": image,
        "s5.json": json.dumps({"label": "zib fish"}).encode(),
        "s6.jpg": image,
        "s6.json": b"[",
        "s0.png": image,
    }
    shard = write_tar(tmp_path / "test" / "0.tar", members)
    ledger = Ledger()
    task = read_task(tmp_path, ledger)
    assert (task.labels, task.classes.tolist()) == (("rose", "zib fish"), [1, 0, 1])
    path, offset, length = task.places[0]
    assert (path, shard.read_bytes()[offset : offset + length]) == (str(shard), image)
    assert ledger.entry()["dropped"] == {
        "label that is no class of the task": 2,
        "no image": 1,
        "no label": 1,
        "second image of a sample": 1,
    }


def test_truncated_shard_keeps_what_is_whole(tmp_path):
    (tmp_path / "classnames.txt").write_text("rose\nzib\n")
    image = jpeg(draw_pictures(1)[0])
    shard = write_tar(tmp_path / "0.tar", {"a.cls": b"0", "a.jpg": image, "b.cls": b"1", "b.jpg": image})
    shard.write_bytes(shard.read_bytes()[: 3 * 512 + len(image) + 1500])
    ledger = Ledger()
    assert read_task(tmp_path, ledger).classes.tolist() == [0]
    assert ledger.entry()["dropped"] == {"truncated shard": 1}


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda folder: folder.rmdir(), "No folder of a task at"),
        (lambda folder: (folder / "val").mkdir(), "has 1 classes \\(val\\). Expected: a folder for each class"),
        (lambda folder: [(folder / name).mkdir() for name in "_a"], "names no concept"),
        (
            lambda folder: write_tar(folder / "0.tar", {}),
            "has shards and no classnames.txt, so that what their labels stand for is not known",
        ),
        (lambda folder: write_labelled(folder, "rose\n\nrose\n", ["0"]), "has 3 classes"),
    ],
)
def test_folder_that_is_no_task(tmp_path, make, said):
    make(tmp_path)
    with pytest.raises(SourceError, match=said):
        read_task(tmp_path, Ledger())


def test_bad_images_are_counted_and_the_others_encoded(model, tmp_path):
    pictures = draw_pictures(2)
    for number, picture in enumerate(pictures):
        picture.save(tmp_path / f"{number}.png")
    (tmp_path / "broken.jpg").write_bytes(jpeg(pictures[0])[:400])
    (tmp_path / "text.jpg").write_text("no image")
    Image.new("RGB", (1, 60)).save(tmp_path / "thread.png")
    names = ["0.png", "broken.jpg", "text.jpg", "none.jpg", "thread.png", "1.png"]
    ledger = Ledger()
    features, numbers = encode_places(model, [(str(tmp_path / name), None, None) for name in names], ledger)
    assert numbers.tolist() == [0, 5]
    np.testing.assert_allclose(features, model.encode_images(pictures), atol=1e-6)
    dropped = {"image cannot be decoded": 2, "image cannot be read": 1, "image more than 50 times as long as wide": 1}
    assert ledger.entry() == {"read": 6, "written": 2, "dropped": dropped}


def test_folder_that_is_called_like_an_image_is_booked(tmp_path):
    write_class_folders(tmp_path, {"rose": 1, "zib": 1})
    (tmp_path / "rose" / "1.jpg").mkdir()
    ledger = Ledger()
    assert len(read_task(tmp_path, ledger).places) == 2
    assert ledger.entry()["dropped"] == {"folder with the name of an image": 1}


def test_killed_run_encodes_only_what_it_had_not(model, tmp_path, monkeypatch):
    monkeypatch.setattr(encoding, "CHUNK", 2)
    task = read_task(write_class_folders(tmp_path / "task", {"a": 2, "b": 3}), Ledger())
    (tmp_path / "task" / "a" / "1.png").write_bytes(b"broken")
    encode, chunks = encoding._encode_chunk, []

    def count(models, images, stores):
        if len(chunks) == 1:
            chunks.append("killed")
            raise KeyboardInterrupt
        images = list(images)
        chunks.append(sum(bool(image.pixels) for image in images))
        return encode(models, images, stores)

    monkeypatch.setattr(encoding, "_encode_chunk", count)
    with pytest.raises(KeyboardInterrupt):
        encode_places(model, task.places, Ledger(), tmp_path / "kept")
    ledger, fresh = Ledger(), Ledger()
    resumed, numbers = encode_places(model, task.places, ledger, tmp_path / "kept")
    assert chunks == [1, "killed", 0, 2, 1]
    at_once, _ = encode_places(model, task.places, fresh)
    np.testing.assert_array_equal(resumed, at_once)
    assert (numbers.tolist(), ledger.entry()) == ([0, 2, 3, 4], fresh.entry())


def test_kept_features_are_not_those_of_a_changed_file_or_another_model(model, tmp_path):
    task = read_task(write_class_folders(tmp_path / "task", {"a": 1, "b": 1}), Ledger())
    other = load_model(str(write_model(tmp_path / "other", seed=1)))
    first, _ = encode_places(model, task.places, Ledger(), tmp_path / "kept")
    assert not np.allclose(encode_places(other, task.places, Ledger(), tmp_path / "kept")[0], first)
    draw_pictures(1, seed=9)[0].save(task.places[0][0])
    changed, _ = encode_places(model, task.places, Ledger(), tmp_path / "kept")
    assert not np.allclose(changed[0], first[0])


def test_same_image_in_other_places_and_runs_is_encoded_once(model, tmp_path, monkeypatch):
    first, second = draw_pictures(2)
    for name, picture in {"a.png": first, "copy.png": first, "b.png": second}.items():
        picture.save(tmp_path / name)
    encode, encoded = type(model).begin_batch, []
    monkeypatch.setattr(type(model), "begin_batch", lambda self, pixels: encoded.append(len(pixels)) or encode(self, pixels))
    places = [(str(tmp_path / name), None, None) for name in ("a.png", "copy.png", "b.png")]
    features, numbers = encode_places(model, places, Ledger(), tmp_path / "kept")
    assert (encoded, numbers.tolist()) == ([2], [0, 1, 2])
    np.testing.assert_array_equal(features[0], features[1])
    (tmp_path / "moved").mkdir()
    moved = [(str(Path(place).rename(tmp_path / "moved" / Path(place).name)), None, None) for place, _, _ in places]
    again, _ = encode_places(model, moved, Ledger(), tmp_path / "kept")
    assert encoded == [2]
    np.testing.assert_array_equal(again, features)


def test_scores_of_no_prompts_are_none(model):
    assert score_prompts(model, [(np.empty((0, 16)), np.empty(0, int))], NAMES, {}) == ({}, {})
