"""COCO captions become samples."""

import pytest

from backend.errors import SourceError
from precompute.corpus.given_hits import read_given_hits
from tests.precompute.corpus.shard_files import read, write_coco, write_photos


def test_coco_captions_make_samples(tmp_path):
    write_photos(tmp_path / "images", "1.jpg", "2.jpg", "3.jpg")
    images = [{"id": number, "file_name": f"{number}.jpg"} for number in (1, 2, 3, 4)]
    annotations = [
        {"image_id": 2, "caption": "A zib.\n"},
        {"image_id": 1, "caption": "A dalu."},
        {"image_id": 2, "caption": "Lone \ud83d surrogate"},
        {"image_id": 2, "caption": ""},
        {"image_id": 2},
        {"image_id": 4, "caption": "its photo is not here"},
        {"image_id": 9, "caption": "of no image"},
    ]
    samples, dropped = read(write_coco(tmp_path / "captions.json", images, annotations))
    assert [(sample["sample_id"], sample["image"], sample["caption"]) for sample in samples] == [
        (0, "images/2.jpg", "A zib."),
        (1, "images/1.jpg", "A dalu."),
        (2, "images/2.jpg", "Lone \ufffd\ufffd\ufffd surrogate"),
    ]
    assert dropped == {"no caption": 3, "no image": 2}  # 3.jpg is in the list, but has no caption


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"images": [{}], "annotations": []}', '{"images": [], "annotations": [1]}', "[" * 100_000, "\xff"]
    + ['{"images": [{"id": 1, "file_name": 2}], "annotations": []}', '{"images": [], "annotations": [{"image_id": []}]}'],
)
def test_other_json_is_refused(tmp_path, content):
    (tmp_path / "a.json").write_text(content, encoding="latin-1")
    with pytest.raises(SourceError, match=r"a\.json is no COCO file .*Expected: images with id and file_name"):
        read(tmp_path / "a.json")
    with pytest.raises(SourceError, match=r"a\.json is no COCO file"):
        read_given_hits(tmp_path / "a.json")


def test_coco_captions_without_their_photos_are_counted(shared_data, tmp_path):
    folder = shared_data / "coco-mini"
    samples, dropped = read(folder / "annotations" / "captions_val2017.json", tmp_path, folder / "val2017")
    assert (len(samples), dropped) == (395, {})
    full, dropped = read(folder / "annotations" / "captions_val2017_full.json", tmp_path, folder / "val2017")
    assert (len(full), dropped) == (395, {"no image": 24_619})
    assert [sample["caption"] for sample in full] == [sample["caption"] for sample in samples]
