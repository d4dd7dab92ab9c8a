"""Classification tasks in the layouts that people have them in give the same labels, images and classes."""

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from backend.errors import SourceError, TailscopeError
from backend.images import read_image_bytes
from precompute.evaluate.tasks import TaskPlace, read_task, read_templates
from precompute.ledger import Ledger
from tests.precompute.evaluate.test_classification import jpeg, write_class_folders, write_tar
from tests.tiny_clip import draw_pictures

PICTURES = [jpeg(picture) for picture in draw_pictures(4)]
STRUCT = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def write_parquet(path, labels, names=None, images=PICTURES, **columns):
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = [image and {"bytes": image, "path": None} for image in images]
    table = pa.table({"image": pa.array(cells, STRUCT), "label": labels, **columns})
    if names:
        features = {"image": {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(table, path, row_group_size=3)
    return path


def name_images(task):
    return [
        (task.labels[number], read_image_bytes(Path(), *place, confined=False))
        for place, number in zip(task.places, task.classes, strict=True)
    ]


def test_parquet_of_hugging_face_names_its_classes_in_the_metadata(tmp_path):
    ledger = Ledger()
    path = write_parquet(tmp_path / "data.parquet", [1, 0, -1, 1], ["rose", "zib", "ant"])
    task = read_task(path, ledger)
    assert task.labels == ("rose", "zib", "ant")
    assert name_images(task) == [("zib", PICTURES[0]), ("rose", PICTURES[1]), ("zib", PICTURES[3])]
    assert ledger.entry() == {"read": 1, "written": 0, "dropped": {"no label": 1}}


def test_parquet_with_labels_as_text_and_a_missing_image(tmp_path):
    ledger = Ledger()
    images = [PICTURES[0], None, PICTURES[2], PICTURES[3]]
    task = read_task(
        write_parquet(tmp_path / "d" / "data.parquet", ["zib", "rose", "rose", "zib"], images=images).parent, ledger
    )
    assert (task.labels, task.classes.tolist()) == (("rose", "zib"), [1, 0, 1])
    assert ledger.entry()["dropped"] == {"no image": 1}


def test_split_of_parquet_files_is_asked_for(tmp_path):
    for name in ("train-00000-of-00001", "test-00000-of-00001"):
        write_parquet(tmp_path / "data" / f"{name}.parquet", [0, 1, 0, 1], ["rose", "zib"])
    with pytest.raises(SourceError, match=r"holds splits \(test, train\). Name one: --split NAME=SPLIT"):
        read_task(tmp_path, Ledger())
    task = read_task(TaskPlace(tmp_path, split="test"), Ledger())
    assert len(task.places) == 4
    assert all("test-00000" in path for path, *_ in task.places)
    with pytest.raises(SourceError, match="has no split 'val'. It has: test, train."):
        read_task(TaskPlace(tmp_path, split="val"), Ledger())


def test_several_labels_an_image_are_refused(tmp_path):
    path = write_parquet(tmp_path / "data.parquet", pa.array([[0, 1], [1], [0], [1]]))
    with pytest.raises(SourceError, match="several labels to one image: a multi-label task"):
        read_task(path, Ledger())
    (tmp_path / "wds").mkdir()
    write_tar(tmp_path / "wds" / "0.tar", {"a.jpg": PICTURES[0], "a.json": b'{"label": [0, 1]}'})
    (tmp_path / "wds" / "classnames.txt").write_text("rose\nzib\n")
    with pytest.raises(SourceError, match="a multi-label task"):
        read_task(tmp_path / "wds", Ledger())


def test_table_of_paths_and_labels(tmp_path):
    for number, content in enumerate(PICTURES[:3]):
        (tmp_path / f"{number}.jpg").write_bytes(content)
    (tmp_path / "test.csv").write_text("id,filepath,label\n1,0.jpg,zib\n2,./1.jpg,rose\n3,2.jpg,\n4,9.jpg,rose\n")
    ledger = Ledger()
    task = read_task(tmp_path / "test.csv", ledger)
    assert name_images(task) == [("zib", PICTURES[0]), ("rose", PICTURES[1])]
    assert ledger.entry()["dropped"] == {"no image": 1, "no label": 1}


def test_table_without_a_column_of_labels_names_its_columns(tmp_path):
    (tmp_path / "test.csv").write_text("path,score\na.jpg,1\n")
    with pytest.raises(SourceError, match="has the columns path, score: no column of labels. Call it label or labels"):
        read_task(tmp_path / "test.csv", Ledger())


def test_table_whose_images_are_missing_says_so(tmp_path):
    (tmp_path / "test.csv").write_text("path,label\na.jpg,cup\nb.jpg,rose\n")
    with pytest.raises(SourceError, match=r"has 0 classes \(none\)\. Found: read 2 = written 0 \+ dropped 2 \(no image: 2\)"):
        read_task(tmp_path / "test.csv", Ledger())
    (tmp_path / "none.csv").write_bytes(b"")
    with pytest.raises(SourceError, match=r"has no heading: no column of paths of images"):
        read_task(tmp_path / "none.csv", Ledger())


def test_shards_of_clip_benchmark_are_its_test_split(tmp_path):
    for split in ("train", "test"):
        members = {"s0.jpg": PICTURES[0], "s0.cls": b"1", "s1.webp": PICTURES[1], "s1.cls": b"0", "s1.txt": b"no part"}
        write_tar(tmp_path / split / "0.tar", members)
    (tmp_path / "classnames.txt").write_text("rose\nzib\n")
    (tmp_path / "zeroshot_classification_templates.txt").write_text("a photo of a {c}.\nart of the {c}.\n")
    ledger = Ledger()
    task = read_task(tmp_path, ledger)
    assert [(path.split("/")[-2], number) for (path, *_), number in zip(task.places, task.classes, strict=True)] == [
        ("test", 1),
        ("test", 0),
    ]
    assert task.templates == ("a photo of a {}.", "art of the {}.")
    assert ledger.entry()["dropped"] == {"plays no part: other ending": 1}


def test_packed_shard_is_named(tmp_path):
    path = write_tar(tmp_path / "0.tar", {"a.jpg": PICTURES[0], "a.cls": b"0"})
    path.write_bytes(gzip.compress(path.read_bytes()))
    (tmp_path / "classnames.txt").write_text("rose\nzib\n")
    with pytest.raises(SourceError, match=r"0\.tar is packed with gzip.* Unpack it: gunzip"):
        read_task(tmp_path, Ledger())


def test_label_beside_a_record_without_one_counts_whatever_their_order(tmp_path):
    members = {
        "a.jpg": PICTURES[0],
        "a.json": b'{"width": 4}',
        "a.cls": b"1",
        "b.jpg": PICTURES[1],
        "b.cls": b"0",
        "b.json": b"{}",
    }
    write_tar(tmp_path / "0.tar", members)
    (tmp_path / "classnames.txt").write_text("rose\nzib\n")
    assert read_task(tmp_path, Ledger()).classes.tolist() == [1, 0]


def test_split_of_class_folders_is_named(tmp_path):
    for split in ("train", "val"):
        write_class_folders(tmp_path / split, {"rose": 1, "zib": 2})
    task = read_task(TaskPlace(tmp_path, split="val"), Ledger())
    assert (task.labels, len(task.places)) == (("rose", "zib"), 3)
    with pytest.raises(SourceError, match="has no split 'test'. It has: train, val."):
        read_task(TaskPlace(tmp_path, split="test"), Ledger())


def test_names_for_wordnet_ids_are_handed_in(tmp_path):
    folder = write_class_folders(tmp_path / "val", {"n00000001": 1, "n00000002": 1})
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "names.txt").write_text("tench\ngoldfish\n")
    assert read_task(TaskPlace(folder, names=str(tmp_path / "a" / "names.txt")), Ledger()).labels == ("tench", "goldfish")
    (tmp_path / "a" / "synsets.txt").write_text("n00000002 goldfish, Carassius auratus\nn00000001 tench, Tinca tinca\n")
    assert read_task(TaskPlace(folder, names=str(tmp_path / "a" / "synsets.txt")), Ledger()).labels == ("tench", "goldfish")
    with pytest.raises(SourceError, match="1000 names were given for the 2 class folders"):
        read_task(TaskPlace(folder, names="imagenet"), Ledger())


def test_template_without_a_place_for_the_name_is_refused(tmp_path):
    (tmp_path / "own.txt").write_text("a photo of a {}.\na photo\n")
    with pytest.raises(TailscopeError, match="The template “a photo” needs {} once"):
        read_templates(tmp_path / "own.txt")
    with pytest.raises(SourceError, match="is no file of templates"):
        read_templates(tmp_path / "none.txt")
