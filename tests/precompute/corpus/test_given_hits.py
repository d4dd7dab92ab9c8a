"""Hits of images that were made elsewhere: every form says the same, and what is none is refused with its row."""

import gzip
import json
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from backend.errors import SourceError
from precompute.corpus.given_hits import checksum_hits, read_given_hits
from tests.precompute.corpus.shard_files import picture, write_coco, write_tar

HITS = [
    {"image": "1.jpg", "label": "rose", "score": 1.0},
    {"image": "1.jpg", "label": "zib", "score": 1.0},
    {"image": "2.jpg", "label": "rose", "score": 1.0},
]


def test_hits_of_every_form_say_the_same(tmp_path):
    (tmp_path / "a.csv").write_text("image,label\n2.jpg,rose\n1.jpg,zib\n1.jpg,rose\n1.jpg,rose\n")
    (tmp_path / "a.tsv").write_text("label\timage\tscore\nrose\t2.jpg\t1\nzib\t1.jpg\t1.0\nrose\t1.jpg\t1\n")
    table = pa.table({"label": ["rose", "zib", "rose"], "box": [1, 2, 3], "image": ["2.jpg", "1.jpg", "1.jpg"]})
    pq.write_table(table, tmp_path / "a.parquet")
    images = [{"id": 10, "file_name": "1.jpg"}, {"id": 20, "file_name": "2.jpg"}]
    annotations = [{"image_id": image, "category_id": label} for image, label in ((20, 1), (10, 2), (10, 1), (10, 1))]
    write_coco(tmp_path / "a.json", images, annotations, [{"id": 1, "name": "rose"}, {"id": 2, "name": "zib"}])
    for ending in ("csv", "tsv", "parquet", "json"):
        hits = read_given_hits(tmp_path / f"a.{ending}")
        assert hits.to_pylist() == HITS
        assert hits.schema.field("score").type == pa.float32()


def test_highest_score_of_an_image_and_label_counts(tmp_path):
    (tmp_path / "a.csv").write_text("image,label,score\n1.jpg,rose,0.25\n1.jpg,rose,0.75\n1.jpg,rose,0.5\n")
    assert read_given_hits(tmp_path / "a.csv").to_pylist() == [{"image": "1.jpg", "label": "rose", "score": 0.75}]


def test_file_without_hits_has_none(tmp_path):
    (tmp_path / "a.csv").write_text("image,label\n")
    assert read_given_hits(tmp_path / "a.csv").num_rows == 0


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "image,caption\n", "has no header with the columns image and label"),
        ("a.csv", "image,label\n1.jpg,rose\n1.jpg,\n", "line 3: image or label is missing"),
        ("a.csv", "image,label\n1.jpg,rose,red\n", "line 2: it does not fit the header"),
        ("a.csv", "image,label,score\n1.jpg,rose,high\n", "line 2: the score 'high' is no number"),
        ("a.csv", "image,label,score\n1.jpg,rose,nan\n", "line 2: the score 'nan' is no number"),
        ("a.csv", "image,label,score\n1.jpg,rose\n", "line 2: the score '' is no number"),
        ("a.parquet", "no Parquet", "is no readable Parquet file"),
        ("a.json", '{"images": [], "annotations": []}', "has no COCO categories with id and name"),
        ("a.xml", "", "is no file of image hits: expected .csv, .tsv, .parquet or COCO instances"),
    ],
)
def test_other_hits_are_refused(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(SourceError, match=message):
        read_given_hits(tmp_path / name)


def test_parquet_hits_with_a_hole_or_without_a_column_are_refused(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"image": ["1.jpg", None], "label": ["rose", "rose"]}), path)
    with pytest.raises(SourceError, match=r"a\.parquet, row 2: image or label is missing"):
        read_given_hits(path)
    pq.write_table(pa.table({"image": ["1.jpg"], "concept": ["rose"]}), path)
    with pytest.raises(SourceError, match="has no columns image and label; its columns are image, concept"):
        read_given_hits(path)


def test_coco_hit_of_an_unknown_image_or_category_is_refused(tmp_path):
    images, categories = [{"id": 1, "file_name": "1.jpg"}], [{"id": 1, "name": "rose"}]
    for annotation in ({"image_id": 2, "category_id": 1}, {"image_id": 1, "category_id": 2}, {"image_id": 1}):
        path = write_coco(tmp_path / "a.json", images, [annotation], categories)
        with pytest.raises(SourceError, match="annotation 1: image or label is missing"):
            read_given_hits(path)


def test_absent_file_of_hits_is_named(tmp_path):
    with pytest.raises(SourceError, match=r"No file of image hits at .*absent\.csv"):
        read_given_hits(tmp_path / "absent.csv")


def test_coco_boxes_are_hits_of_their_categories(shared_data):
    path = shared_data / "coco-mini" / "annotations" / "instances_val2017.json"
    content = json.loads(path.read_text())
    dogs = {
        image["file_name"]
        for image in content["images"]
        for annotation in content["annotations"]
        if annotation["image_id"] == image["id"] and annotation["category_id"] == 18  # COCO's dog
    }
    hits = read_given_hits(path).to_pylist()
    assert {hit["image"] for hit in hits if hit["label"] == "dog"} == dogs
    assert len(hits) == len({(entry["image_id"], entry["category_id"]) for entry in content["annotations"]})


ROSE = [{"image": "1.jpg", "label": "rose", "score": 1.0}]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"image": ["1.jpg"], "label": pa.array(["rose"]).dictionary_encode()}, ROSE),
        ({"image": pa.array(["1.jpg"]).dictionary_encode(), "label": ["rose"]}, ROSE),
        ({"image": ["1.jpg"], "label": ["rose"], "score": pa.array([Decimal("0.5")])}, [ROSE[0] | {"score": 0.5}]),
        ({"image": ["1.jpg"], "label": ["rose"], "score": [True]}, ROSE),
        ({"image": ["1.jpg"], "label": ["rose"], "score": [1]}, ROSE),
        ({"image": [{"bytes": b"x", "path": "1.jpg"}], "label": ["rose"]}, ROSE),
        ({"image": [b"1.jpg"], "label": [b"rose"]}, ROSE),
        ({"Image": ["1.jpg"], "Label": ["rose"], "Score": [1.0]}, ROSE),
        (
            {"file_name": ["1.jpg"], "labels": [["rose", "zib"]], "scores": [[1.0, 0.5]]},
            [*ROSE, ROSE[0] | {"label": "zib", "score": 0.5}],
        ),
        ({"image": ["1.jpg"], "label": [["rose"]], "score": [1.0]}, ROSE),
        ({"image": ["1.jpg"], "label": [[]]}, []),
    ],
)
def test_parquet_hits_of_every_type_are_read(tmp_path, columns, expected):
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    assert read_given_hits(tmp_path / "a.parquet").to_pylist() == expected


@pytest.mark.parametrize("labels", [[1], [[1]]])
def test_label_index_is_the_class_that_hugging_face_noted(tmp_path, labels):
    feature = {"_type": "ClassLabel", "names": ["zib", "rose"]}
    feature = feature if labels == [1] else {"_type": "List", "feature": feature}
    table = pa.table({"image": ["1.jpg"], "label": labels})
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(SourceError, match=r"the column label is of type .*int64.*, and nothing says which class a number is"):
        read_given_hits(tmp_path / "a.parquet")
    note = json.dumps({"info": {"features": {"label": feature}}})
    pq.write_table(table.replace_schema_metadata({"huggingface": note}), tmp_path / "a.parquet")
    assert read_given_hits(tmp_path / "a.parquet").to_pylist() == ROSE


def test_hits_by_images_bytes_are_refused(tmp_path):
    pq.write_table(pa.table({"image": [b"\xff\xd8\xff"], "label": ["rose"]}), tmp_path / "a.parquet")
    with pytest.raises(SourceError, match="row 1: the column of images holds their bytes"):
        read_given_hits(tmp_path / "a.parquet")


def test_hits_of_other_separators_packings_and_json_lines_are_read(tmp_path):
    (tmp_path / "a.csv").write_text("Image;Label\n1.jpg;rose\n")
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(b"image,label\n1.jpg,rose\n"))
    (tmp_path / "c.jsonl").write_text('{"image": "1.jpg", "labels": ["rose"]}\n\n')
    for name in ("a.csv", "b.csv.gz", "c.jsonl"):
        assert read_given_hits(tmp_path / name).to_pylist() == ROSE


def test_lvis_boxes_are_hits_of_the_images_that_their_urls_name(tmp_path):
    images = [{"id": 1, "coco_url": "http://127.0.0.1/train2017/1.jpg"}]
    path = write_coco(tmp_path / "a.json", images, [{"image_id": "1", "category_id": 3}], [{"id": 3, "name": "rose"}])
    assert read_given_hits(path).to_pylist() == ROSE


def test_classes_in_the_json_of_shards_are_hits_of_their_images(tmp_path):
    said = {"caption": "a", "classes": ["rose", "zib", "rose"], "class_scores": [0.5, 0.25, 0.75]}
    for name, content in (("0.tar", said), ("1.tar", {"caption": "b", "classes": []})):
        write_tar(tmp_path / name, [("x/7.jpg", picture()), ("x/7.json", json.dumps(content).encode())])
    expected = [
        {"image": "0.tar/x/7", "label": "rose", "score": 0.75},
        {"image": "0.tar/x/7", "label": "zib", "score": 0.25},
    ]
    for path in (tmp_path / "*.tar", tmp_path / "{0..1}.tar", tmp_path):
        assert read_given_hits(path).to_pylist() == expected
    assert checksum_hits(tmp_path) != checksum_hits(tmp_path / "0.tar")
    write_tar(tmp_path / "2.tar", [("7.jpg", picture()), ("7.json", b"{}")])
    with pytest.raises(SourceError, match=r"2\.tar: none of the 1 JSON members lists classes"):
        read_given_hits(tmp_path / "2.tar")
    write_tar(tmp_path / "2.tar", [("7.jpg", picture())])
    with pytest.raises(SourceError, match=r"2\.tar has no JSON beside its images"):
        read_given_hits(tmp_path / "2.tar")
