"""A study opens only when it is complete, answers many askers at once, and says what it lacks."""

import json
from concurrent.futures import ThreadPoolExecutor

import duckdb
import pytest

from backend.errors import EmptySelection, MissingTable, StudyNotFound
from backend.schema import write_manifest
from backend.study import Study, list_studies

ROSE = """SELECT method, count FROM frequency
          WHERE corpus = 'laion400m' AND concept = $concept ORDER BY method"""


def write_study(folder, **entries):
    """A folder with nothing but a manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    write_manifest(folder, {"schema_version": 1, "title": "Empty", "tables": {}, **entries})
    return folder


def test_folder_without_manifest_is_no_study_and_the_message_has_the_command(tmp_path):
    with pytest.raises(StudyNotFound) as error:
        Study(tmp_path / "absent")
    assert str(error.value) == (
        f"No complete study in {tmp_path / 'absent'}: it has no manifest.json. "
        "Build the published one: python -m precompute published"
    )


def test_other_schema_version_is_refused_with_the_command(tmp_path):
    with pytest.raises(StudyNotFound) as error:
        Study(write_study(tmp_path / "old", schema_version=0))
    assert str(error.value) == (
        "Study 'old' has schema version 0, this program reads 1. Build it again: python -m precompute published --force"
    )


@pytest.mark.parametrize("text", ["", "{", "{}", "[]", "null", "\xff"])
def test_unreadable_manifest_is_no_study(tmp_path, text):
    (tmp_path / "manifest.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(StudyNotFound, match=f"python -m precompute check --study {tmp_path}"):
        Study(tmp_path)


def test_study_has_name_title_and_tables(small_study):
    assert (small_study.name, small_study.title) == ("small", "The paper's results")
    assert sorted(small_study.tables) == [
        "alignment",
        "concepts",
        "corpora",
        "frequency",
        "models",
        "overall",
        "performance",
        "scaling",
        "tail",
    ]
    assert small_study.has("tail", "scaling")
    assert not small_study.has("tail", "samples")


def test_missing_table_is_named_with_the_command(tmp_path):
    study = Study(write_study(tmp_path / "empty"))
    assert study.tables == frozenset()
    with pytest.raises(MissingTable) as error:
        study.require("alignment")
    assert str(error.value) == ("Study 'empty' has no table 'alignment'. Build it: python -m precompute published")


def test_asking_a_missing_table_raises_before_any_query(tmp_path):
    study = Study(write_study(tmp_path / "empty"))
    with pytest.raises(MissingTable, match="no table 'tail'"):
        study.ask("tail", "SELECT * FROM tail", "Nothing.")


def test_asking_for_what_is_not_there_raises_the_given_sentence(small_study):
    with pytest.raises(EmptySelection, match=r"^No counts of 'unicorn'\.$"):
        small_study.ask("frequency", ROSE, "No counts of 'unicorn'.", concept="unicorn")


def test_parameters_are_values_and_never_sql(small_study):
    rows = small_study.query(ROSE, concept="rose' OR '1' = '1")
    assert rows.empty


def test_quote_in_a_concept_is_found(small_study):
    rows = small_study.query(ROSE, concept="colt's foot")
    assert list(rows.itertuples(index=False, name=None)) == [
        ("lemmatized", 383_805),
        ("lowercased", 1),
        ("rampp@0.7", 582),
    ]


@pytest.mark.parametrize("name", ["Anna's study", "study [1]", "what?", "50% of *"])
def test_any_folder_name_will_do(tmp_path, small_study, name):
    folder = tmp_path / name
    folder.symlink_to(small_study.folder, target_is_directory=True)
    assert Study(folder).query("SELECT count(*) AS n FROM corpora")["n"][0] == 3


def test_study_cannot_be_written_through_a_query(small_study):
    before = (small_study.folder / "corpora.parquet").read_bytes()
    with pytest.raises(duckdb.Error, match="base table"):
        small_study.query("DELETE FROM corpora")
    assert (small_study.folder / "corpora.parquet").read_bytes() == before


def test_many_threads_get_the_answers_of_one(small_study):
    study = Study(small_study.folder)  # a new one, so that the threads also race to connect
    concepts = ["rose", "colt's foot", "iris", "petunia", "sunflower", "jeans"] * 20
    expected = [small_study.query(ROSE, concept=concept).to_dict("list") for concept in concepts]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda concept: study.query(ROSE, concept=concept).to_dict("list"), concepts))
    assert answers == expected
    assert expected[0] == {"method": ["lemmatized", "lowercased", "rampp@0.7"], "count": [0, 257_038, 3_347_335]}


def test_only_complete_studies_are_listed(tmp_path):
    write_study(tmp_path / "b")
    write_study(tmp_path / "a")
    (tmp_path / "half done").mkdir()
    (tmp_path / "file").write_text("")
    assert list_studies(tmp_path) == ["a", "b"]


def test_unfinished_import_is_not_listed(tmp_path):
    write_study(tmp_path / "a")
    write_study(tmp_path / ".b.part")
    assert list_studies(tmp_path) == ["a"]


def test_absent_folder_of_studies_has_none(tmp_path):
    assert list_studies(tmp_path / "absent") == []


def test_manifest_keeps_letters_beyond_ascii_readable(tmp_path):
    folder = write_study(tmp_path / "a", title="Blüten, 花")
    assert "Blüten, 花" in (folder / "manifest.json").read_text(encoding="utf-8")
    assert json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["title"] == "Blüten, 花"
    assert Study(folder).title == "Blüten, 花"
