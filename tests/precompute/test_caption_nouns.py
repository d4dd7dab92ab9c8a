"""Files of captions and prompts become tasks of the nouns that enough images have; the rule stands in the manifest."""

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import spacy

from backend.errors import SourceError
from backend.study import Study
from backend.validation import study_faults
from precompute.caption_files import read_captions
from precompute.caption_nouns import NounRule, choose_rule, gather_task, tag_nouns
from precompute.ledger import Ledger
from precompute.vocabulary import add_tasks

PAIRS = [("a.jpg", "a dog"), ("a.jpg", "two dogs"), ("b.jpg", "a cat, a dog")]
COCO = {"images": [], "annotations": [{"image_id": image, "caption": caption} for image, caption in PAIRS]}
KARPATHY = {
    "images": [
        {"filename": "a.jpg", "sentences": [{"raw": "a dog"}, {"raw": "two dogs"}]},
        {"filename": "b.jpg", "sentences": [{"raw": "a cat, a dog"}]},
    ]
}
RECORDS = [{"image": image, "caption": caption} for image, caption in PAIRS]
FORMS = {
    "captions.csv": 'image,caption\na.jpg,a dog\na.jpg,two dogs\nb.jpg,"a cat, a dog"\n',
    "captions.txt": "image,caption\na.jpg,a dog\na.jpg,two dogs\nb.jpg,a cat, a dog\n",
    "captions.tsv": "caption\tfile\na dog\ta.jpg\ntwo dogs\ta.jpg\na cat, a dog\tb.jpg\n",
    "flickr.token.txt": "a.jpg#0\ta dog\na.jpg#1\ttwo dogs\nb.jpg#0\ta cat, a dog\n",
    "coco.json": json.dumps(COCO),
    "karpathy.json": json.dumps(KARPATHY),
    "list.json": json.dumps(RECORDS),
    "lines.jsonl": "\n".join(map(json.dumps, RECORDS)),
}


def write(tmp_path, name: str, text: str):
    path = tmp_path / name
    path.write_text(text)
    return path


@pytest.mark.parametrize(("name", "text"), FORMS.items(), ids=FORMS)
def test_captions_are_read_from_every_form(tmp_path, name, text):
    ledger = Ledger()
    assert list(read_captions(write(tmp_path, name, text), ledger)) == PAIRS
    assert ledger.entry() == {"read": 3, "written": 3, "dropped": {}}


def test_packed_and_columnar_files_are_read(tmp_path):
    path = tmp_path / "captions.csv.gz"
    path.write_bytes(gzip.compress(FORMS["captions.csv"].encode()))
    assert list(read_captions(path, Ledger())) == PAIRS
    pq.write_table(pa.Table.from_pylist([{"TEXT": text, "URL": url} for url, text in PAIRS]), tmp_path / "web.parquet")
    assert list(read_captions(tmp_path / "web.parquet", Ledger())) == PAIRS


def test_line_of_plain_text_is_an_image_of_its_own(tmp_path):
    path = write(tmp_path, "prompts.txt", "a dog\n\nanother dog\n")
    assert list(read_captions(path, Ledger())) == [("0", "a dog"), ("1", "another dog")]


def test_what_is_no_caption_is_booked(tmp_path):
    ledger = Ledger()
    assert len(list(read_captions(write(tmp_path, "a.csv", "caption,image\na dog,a,b\n,c\na cat,d\n"), ledger))) == 1
    assert ledger.entry() == {"read": 3, "written": 1, "dropped": {"no caption": 1, "unreadable row": 1}}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "x,y\n1,2\n", "has the columns x, y, and none of captions"),
        ("a.json", '{"x": 1}', "Expected COCO captions"),
        ("a.json", '[{"x": 1}]', "record 1 has the keys x"),
        ("a.json", "{", "holds no captions that can be read"),
    ],
)
def test_file_without_captions_is_refused(tmp_path, name, text, message):
    with pytest.raises(SourceError, match=message):
        list(read_captions(write(tmp_path, name, text), Ledger()))


def test_noun_counts_once_an_image_whatever_the_captions(tmp_path):
    path = write(tmp_path, "captions.csv", FORMS["captions.csv"])
    task = gather_task([path], "retrieval", choose_rule(2))
    assert (task.labels, task.kind) == (("dog",), "retrieval")
    assert task.skipped == {"noun of fewer images": 1}
    assert gather_task([path], "retrieval", choose_rule(1)).labels == ("dog", "cat")
    with pytest.raises(SourceError, match=r"No noun is in at least 3 of the 2 images of captions\.csv \(3 captions read\)"):
        gather_task([path], "retrieval", choose_rule(3))


def test_rule_and_least_number_stand_in_the_manifest(tmp_path):
    path = write(tmp_path, "captions.csv", FORMS["captions.csv"])
    add_tasks(tmp_path / "mine", {"mine": gather_task([path], "retrieval", choose_rule(2, phrases=False))})
    assert study_faults(tmp_path / "mine") == []
    made = Study(tmp_path / "mine").manifest.arguments["concepts"]["mine"]
    assert {key: made[key] for key in ("least_images", "phrases", "images")} == {
        "least_images": 2,
        "phrases": False,
        "images": 2,
    }
    assert made["rule"] in ("the tables of spacy-lookups-data", "spaCy's en_core_web_sm")
    assert made["nouns"] == {"read": 2, "written": 1, "dropped": {"noun of fewer images": 1}}


def test_runs_of_nouns_are_concepts_too_unless_they_are_left_out(tmp_path):
    path = write(tmp_path, "prompts.txt", "a fire hydrant\nred fire hydrants\n")
    assert gather_task([path], "generation", choose_rule(2)).labels == ("fire", "fire hydrant", "hydrant")
    assert gather_task([path], "generation", choose_rule(2, phrases=False)).labels == ("fire", "hydrant")


def test_pipeline_of_spacy_says_what_is_a_noun(tmp_path):
    pipeline = spacy.blank("en")  # with rules for a few words, where no trained one is at hand
    ruler = pipeline.add_pipe("attribute_ruler")
    for word in ("fire", "hydrants", "hydrant", "stand"):
        ruler.add([[{"LOWER": word}]], {"POS": "NOUN"})
    path = write(tmp_path, "prompts.txt", "men stand by a fire hydrant\nFire hydrants stand\n")
    task = gather_task([path], "generation", NounRule(tag_nouns(pipeline), "a test", 2))
    assert task.labels == ("fire", "fire hydrant", "hydrant", "stand")
    assert "by a test" in task.form


def test_nouns_of_real_captions_are_mostly_those_of_the_paper(shared_data):
    """The paper's 233 nouns of Flickr are of other photos; of the commonest here, nearly all are nouns of people's photos."""
    task = gather_task([shared_data / "flickr8k-1000" / "captions.txt"], "retrieval", choose_rule(phrases=False))
    assert task.arguments["captions"] == {"read": 5000, "written": 5000, "dropped": {}}
    assert task.arguments["images"] == 1000
    assert {"dog", "man", "boy", "girl", "woman", "water", "grass", "shirt", "ball", "beach"} <= set(task.labels[:40])
    assert not {"stand", "wearing", "the", "is", "run", "jump"} & set(task.labels)
    assert 250 < len(task.labels) < 450
