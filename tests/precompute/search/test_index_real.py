"""Real captions and photos become a study; its counts are those of a search that is written down again, plainly, here."""

import csv
import json
import re
from pathlib import Path

import pytest

from backend.distinct import list_distinct
from backend.study import Study
from backend.validation import study_faults
from precompute.search.index import Request, index_study
from precompute.vocabulary import add_tasks

CATEGORIES = ["person", "dog", "cat", "sports ball", "surfboard", "skis", "umbrella", "cell phone", "toilet", "bicycle"]


@pytest.fixture
def study(tmp_path):
    """A study of a few of COCO's categories."""
    (tmp_path / "names.txt").write_text("\n".join(CATEGORIES) + "\n")
    add_tasks(tmp_path / "mine", {"coco": tmp_path / "names.txt"})
    return tmp_path / "mine"


def read_counts(study: Path, method: str) -> dict[str, int]:
    rows = Study(study).query("SELECT concept, count FROM frequency WHERE method = $method", method=method)
    return dict(zip(rows["concept"], rows["count"], strict=True))


def words_of(caption: str) -> set[str]:
    return set(re.findall("[a-z0-9]+", caption.lower().replace("'s", "")))


def test_flickr8k_counts_are_those_of_a_plain_search(study, shared_data):
    path = shared_data / "flickr8k-1000" / "captions.txt"
    index_study(study, Request("flickr8k", [str(path)]))
    assert study_faults(study) == []
    captions = [line.partition(",")[2] for line in path.read_text(encoding="utf-8").splitlines()[1:]]
    plain = {name: sum(set(name.split()) <= words_of(caption) for caption in captions) for name in CATEGORIES}
    assert read_counts(study, "lowercased") == plain
    dogs = sum(bool({"dog", "dogs"} & words_of(caption)) for caption in captions)
    lemmatized = read_counts(study, "lemmatized")
    assert lemmatized["dog"] == dogs > plain["dog"]
    assert all(lemmatized[name] >= count for name, count in plain.items() if name != "skis")
    row = Study(study).query("SELECT pairs, indexed FROM corpora").iloc[0]
    assert row.tolist() == [5000, 5000]


def test_coco_boxes_and_captions_agree_as_a_plain_search_says(study, shared_data):
    folder = shared_data / "coco-mini"
    captions, instances = (folder / "annotations" / f"{name}_val2017.json" for name in ("captions", "instances"))
    manifest = index_study(study, Request("coco", [str(captions)], images=folder / "val2017", image_hits=instances))
    assert study_faults(study) == []

    content = json.loads(instances.read_text())
    names = {category["id"]: category["name"] for category in content["categories"]}
    shown: dict[int, set[str]] = {}
    for box in content["annotations"]:
        shown.setdefault(box["image_id"], set()).add(names[box["category_id"]])
    samples = json.loads(captions.read_text())["annotations"]
    seen = {name: sum(name in shown.get(sample["image_id"], ()) for sample in samples) for name in CATEGORIES}
    assert read_counts(study, "annotated") == seen
    said = [(words_of(sample["caption"]), shown.get(sample["image_id"], ())) for sample in samples]
    dogs = sum(bool({"dog", "dogs"} & words) and "dog" in boxes for words, boxes in said)
    assert read_counts(study, "lemmatized+annotated")["dog"] == dogs > 0
    books = manifest["counts"]["index"]["coco"]
    assert books["samples"] == {"read": 395, "written": 395, "dropped": {}}
    pairs = {(image, name) for image, boxes in shown.items() for name in boxes}
    strange = sum(name not in CATEGORIES for _, name in pairs)
    assert books["image hits"]["dropped"] == {"label that is no concept": strange}
    assert books["image hits"]["read"] == len(pairs)


def test_captions_without_photos_are_a_corpus(study, shared_data):
    captions = shared_data / "coco-mini" / "annotations" / "captions_val2017_full.json"
    manifest = index_study(study, Request("coco", [str(captions)]))
    assert study_faults(study) == []
    assert manifest["counts"]["index"]["coco"]["samples"] == {"read": 25_014, "written": 25_014, "dropped": {}}
    texts = [sample["caption"] for sample in json.loads(captions.read_text())["annotations"]]
    dogs = sum(bool({"dog", "dogs"} & words_of(caption)) for caption in texts)
    assert read_counts(study, "lemmatized")["dog"] == dogs > 500
    row = list_distinct(Study(study), "dog").set_index("method").loc["lemmatized"]
    unique = {caption.strip() for caption in texts if {"dog", "dogs"} & words_of(caption)}
    assert (row["hits"], row["distinct"]) == (dogs, len(unique))


def test_photos_that_lie_elsewhere_are_counted_not_lost(study, shared_data, tmp_path):
    lines = (shared_data / "flickr8k-1000" / "captions.txt").read_text(encoding="utf-8").splitlines()
    rows = list(csv.reader(lines[:11]))
    (tmp_path / "captions.csv").write_text("\n".join(lines[:11]) + "\n", encoding="utf-8")
    (tmp_path / "images").mkdir()
    first = rows[1][0]
    (tmp_path / "images" / first).write_bytes((shared_data / "flickr8k-1000" / "images" / first).read_bytes())
    manifest = index_study(study, Request("few", [str(tmp_path / "captions.csv")]))
    kept = sum(row[0] == first for row in rows[1:])
    assert manifest["counts"]["index"]["few"]["samples"] == {"read": 10, "written": kept, "dropped": {"no image": 10 - kept}}
