"""How a step writes a study: alone, beside the old one, whole or not at all."""

import json
import os
import subprocess
import sys

import pytest

from backend.errors import StudyNotFound, TailscopeError
from backend.study import ROOT, Study
from backend.validation import study_faults
from precompute import study_writer
from precompute.fingerprint import code_sha256
from precompute.study_writer import built_with, copy_study, extend_study, hold_alone
from tests.tiny_study import ANIMALS, count_rows, write_rows, write_study

NEW = {"title": "New", "description": "", "source": "", "built_with": {}}


@pytest.fixture
def study(tmp_path):
    rows = [row for corpus, counts in ANIMALS.items() for row in count_rows(corpus, "lemmatized", counts)]
    return write_study(tmp_path / "mine", rows, manifest={"arguments": {}}).folder


def listing(folder):
    return sorted(path.name for path in folder.iterdir())


def test_copy_shares_the_files_and_a_new_table_leaves_the_old_one(study, tmp_path):
    (study / "shards").mkdir()
    (study / "shards" / "a.tar").write_bytes(b"tar")
    copy_study(study, tmp_path / "copy")
    assert listing(tmp_path / "copy") == listing(study)
    assert (tmp_path / "copy" / "shards" / "a.tar").samefile(study / "shards" / "a.tar")
    before = (study / "corpora.parquet").read_bytes()
    write_rows(tmp_path / "copy", "corpora", [])
    assert (study / "corpora.parquet").read_bytes() == before != (tmp_path / "copy" / "corpora.parquet").read_bytes()


def test_disk_without_hard_links_gets_copies(study, tmp_path, monkeypatch):
    def refuse(*names, **options):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    copy_study(study, tmp_path / "copy")
    assert not (tmp_path / "copy" / "corpora.parquet").samefile(study / "corpora.parquet")
    assert study_faults(tmp_path / "copy") == []


def test_extended_study_takes_the_place_of_the_old_one(study):
    before = Study(study).token
    with extend_study(study) as (part, manifest):
        manifest["tables"]["corpora"] = write_rows(part, "corpora", [])
        manifest["tables"]["frequency"] = write_rows(part, "frequency", [])
        assert Study(study).query("SELECT count(*) AS n FROM corpora")["n"].tolist() == [2]
    assert Study(study).query("SELECT count(*) AS n FROM corpora")["n"].tolist() == [0]
    assert Study(study).token != before
    assert study_faults(study) == []
    assert listing(study.parent) == ["mine"]


def test_extension_that_fails_leaves_the_old_study_and_nothing_else(study):
    before = {path.name: path.read_bytes() for path in study.iterdir()}
    with pytest.raises(KeyboardInterrupt), extend_study(study) as (part, manifest):
        write_rows(part, "corpora", [])
        raise KeyboardInterrupt
    assert {path.name: path.read_bytes() for path in study.iterdir()} == before
    assert listing(study.parent) == ["mine"]


def test_new_study_begins_in_a_folder_that_is_absent_or_empty(tmp_path):
    (tmp_path / "empty").mkdir()
    for name in ("a/absent", "empty"):
        with extend_study(tmp_path / name, NEW):
            pass
        manifest = json.loads((tmp_path / name / "manifest.json").read_text(encoding="utf-8"))
        assert (manifest["study"], manifest["title"], manifest["tables"]) == (name.rpartition("/")[2], "New", {})


def test_other_folders_and_files_are_refused(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"meow")
    (tmp_path / "notes").write_text("notes")
    for name, message in (("photos", "photos is not empty and holds no study"), ("notes", "notes is a file and holds no")):
        with pytest.raises(TailscopeError, match=message), extend_study(tmp_path / name, NEW):
            pass
    with pytest.raises(StudyNotFound, match="No complete study in .*absent"), extend_study(tmp_path / "absent"):
        pass
    assert listing(tmp_path) == ["notes", "photos"]


def test_second_step_at_the_same_time_is_refused_and_another_study_is_not(tmp_path):
    with hold_alone(tmp_path / "mine"):
        with (
            pytest.raises(TailscopeError, match="Another step writes .*/mine. Wait for its end"),
            hold_alone(tmp_path / "mine"),
        ):
            pass
        with hold_alone(tmp_path / "other"):
            pass
    with hold_alone(tmp_path / "mine"):
        pass
    assert listing(tmp_path) == []


def test_step_of_another_process_is_refused_until_it_is_killed(tmp_path):
    code = f"""
import pathlib, time
from precompute.study_writer import hold_alone
with hold_alone(pathlib.Path({str(tmp_path / "mine")!r})):
    print("held", flush=True)
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(TailscopeError, match="Another step writes .*/mine"), hold_alone(tmp_path / "mine"):
            pass
        other.kill()
    with hold_alone(tmp_path / "mine"):
        pass
    assert listing(tmp_path) == []


def test_study_that_a_killed_step_set_aside_comes_back(study):
    study.replace(study.with_name(".mine.old"))
    with hold_alone(study):
        assert study_faults(study) == []
    assert listing(study.parent) == ["mine"]


def test_maker_is_told_without_a_history(tmp_path, monkeypatch):
    monkeypatch.setattr(study_writer, "ROOT", tmp_path)
    made = built_with("precompute.vocabulary")
    assert made["code"] == code_sha256("precompute.vocabulary")
    assert made["revision"] is None  # no history there
    assert {"code", "python", "duckdb", "pyarrow"} <= set(made)


def test_manifest_of_the_step_is_its_own(study):
    held = Study(study)
    with extend_study(study) as (_, manifest):
        manifest["title"] = "Changed"
    assert (held.title, Study(study).title) == ("A tiny study", "Changed")
