"""A manifest is typed once, when it is read: a fault has one sentence, and what is unknown is kept."""

import copy
import json

import pytest

from backend.errors import InvalidTable, StudyNotFound
from backend.manifest import ChosenMethods, FileEntry, MainEntry, Manifest
from backend.schema import SCHEMA_VERSION
from backend.study import Study

WHOLE = {
    "schema_version": SCHEMA_VERSION,
    "study": "mine",
    "title": "Mine",
    "description": "Mine alone.",
    "source": "me",
    "created": "2026-01-02T03:04:05+00:00",
    "built_with": {"revision": None},
    "arguments": {"index": {"mine": {"shards": ["a.tar"]}}},
    "counts": {"index": {"mine": {"samples": {"read": 2, "written": 2, "dropped": {}}}}},
    "tables": {
        "corpora": {"rows": 1, "sha256": "ab"},
        "samples": {"rows": 2, "files": {"mine": {"rows": 2, "sha256": "cd", "bytes": 12}}},
    },
    "search": {
        "mine": {
            "text": ["lemmatized", "phrase"],
            "image": ["openclip@0.20"],
            "chosen": {"text": "lemmatized", "image": "openclip@0.20", "joint": "lemmatized+openclip@0.20"},
            "tagger": None,
        }
    },
    "tail": {"title": "t", "task": "rare", "compared_with": "common", "setting": "plain", "split": 50},
    "causal": {"pairs": [{"title": "p", "corpus": "mine", "models": ["a", "b"]}], "note": "n"},
    "reported": {"correlations": [["a", "b", 0.5]], "correlations_note": "c"},
    "printed_figures": [{"kind": "retrieval", "corpus": "mine", "bins": [-4, None], "settings": ["i2t@1"]}],
    "embeddings": {"ef": {"model": "m", "corpora": {"mine": {"images": 2, "samples_sha256": "cd"}}}},
    "horoscope": {"sign": ["lion"]},
}


def test_manifest_is_read_as_typed_values():
    manifest = Manifest.from_json(WHOLE)
    assert (manifest.schema_version, manifest.title, manifest.study) == (SCHEMA_VERSION, "Mine", "mine")
    assert manifest.tables["samples"].files == {"mine": FileEntry(2, "cd")}
    assert (manifest.tables["corpora"].rows, manifest.tables["corpora"].sha256) == (1, "ab")
    assert manifest.search["mine"].text == ("lemmatized", "phrase")
    assert manifest.search["mine"].chosen.names == ("lemmatized", "openclip@0.20", "lemmatized+openclip@0.20")
    assert (manifest.tail.task, manifest.tail.split) == ("rare", 50)
    assert manifest.causal.pairs[0].models == ("a", "b")
    assert manifest.reported.correlations == (("a", "b", 0.5),)
    assert (manifest.printed_figures[0].bins, manifest.printed_figures[0].settings) == ((-4, None), ("i2t@1",))
    assert manifest.embeddings["ef"].corpora["mine"].images == 2


def test_what_is_absent_has_its_empty_value():
    manifest = Manifest.from_json({"schema_version": 1, "title": "x", "tables": {}, "arguments": None})
    assert (manifest.arguments, manifest.search, manifest.tail, manifest.comparisons) == ({}, {}, None, ())
    assert (manifest.causal.pairs, manifest.reported.correlations, manifest.main) == ((), (), MainEntry())
    assert ChosenMethods("lemmatized").names == ("lemmatized",)


def test_json_comes_back_as_it_was_with_what_is_unknown_and_may_be_changed():
    before = copy.deepcopy(WHOLE)
    manifest = Manifest.from_json(WHOLE)
    given = manifest.to_json()
    assert given == WHOLE
    given["tables"]["samples"]["rows"] = 9
    given["horoscope"]["sign"].append("fish")
    assert manifest.to_json() == WHOLE == before


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"title": None}, "title: is missing"),
        ({"title": 7}, "title: is not a text"),
        ({"schema_version": True}, "schema_version: is not a whole number"),
        ({"tables": None}, "tables: is missing"),
        ({"tables": []}, "tables: is not an object"),
        ({"tables": {"corpora": {"sha256": ""}}}, "tables.corpora.rows: is missing"),
        ({"tables": {"corpora": {"rows": "1", "sha256": ""}}}, "tables.corpora.rows: is not a whole number"),
        ({"tables": {"samples": {"rows": 1, "files": {"a": 3}}}}, "tables.samples.files.a: is not an object"),
        ({"search": {"mine": {"text": "lemmatized", "image": [], "chosen": {}}}}, "search.mine.text: is not a list"),
        ({"search": {"mine": {"text": ["a", 3], "image": [], "chosen": {}}}}, "search.mine.text[1]: is not a text"),
        ({"search": {"mine": {"text": [], "image": [], "chosen": {}}}}, "search.mine.chosen.text: is missing"),
        ({"tail": {"title": "t"}}, "tail.task: is missing"),
        ({"tail": WHOLE["tail"] | {"split": "50"}}, "tail.split: is not a number"),
        ({"causal": {"pairs": [{"title": "", "corpus": "", "models": ["a"]}]}}, "causal.pairs[0].models: has 1 entries, not 2"),
        ({"method_notes": {"lemmatized": ["x"]}}, "method_notes.lemmatized: is not a text"),
        ({"arguments": {"index": "all"}}, "arguments.index: is not an object"),
    ],
)
def test_fault_says_where_it_stands_and_a_study_says_what_to_run(tmp_path, change, fault):
    with pytest.raises(InvalidTable) as error:
        Manifest.from_json(WHOLE | change)
    assert str(error.value) == fault
    (tmp_path / "manifest.json").write_text(json.dumps(WHOLE | change))
    if "schema_version" not in change:
        with pytest.raises(StudyNotFound) as error:
            Study(tmp_path)
        assert str(error.value) == (
            f"{tmp_path / 'manifest.json'} cannot be read ({fault}). "
            f"See what is wrong: python -m precompute check --study {tmp_path}"
        )


@pytest.mark.parametrize("content", [[], "x", None, 3])
def test_what_is_no_object_is_no_manifest(content):
    with pytest.raises(InvalidTable, match="the whole: is not an object"):
        Manifest.from_json(content)


def test_digest_goes_by_content_and_not_by_the_order_of_keys():
    digest = Manifest.from_json(WHOLE).digest
    assert Manifest.from_json(dict(reversed(WHOLE.items()))).digest == digest
    tables = copy.deepcopy(WHOLE["tables"])
    tables["samples"]["files"]["mine"]["sha256"] = "ce"
    assert Manifest.from_json(WHOLE | {"tables": tables}).digest != digest
