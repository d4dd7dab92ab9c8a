"""Features on disk: bounded, and a full disk or a damaged file is one sentence with the next step."""

import os
import sqlite3

import numpy as np
import pytest

from backend.errors import TailscopeError
from backend.models.loading import load_model
from precompute.evaluate.kept_features import KeptFeatures
from tests.tiny_clip import write_model

ONE = np.ones(16, np.float32)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return load_model(str(write_model(tmp_path_factory.mktemp("models") / "tiny")))


def test_full_disk_is_told_and_what_was_kept_before_stays(tmp_path, model):
    kept = KeptFeatures(tmp_path, model)
    kept.write({b"before": ONE})
    connection = kept._connect()
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count={pages}")  # SQLite then answers as it does on a full disk
    with pytest.raises(
        TailscopeError, match=r"Features cannot be kept in .*\(database or disk is full; .* MB are free there\)\. Make room"
    ):
        kept.write({bytes([number]): ONE for number in range(200)})
    connection.close()
    assert KeptFeatures(tmp_path, model).read([b"before", bytes([1])]).keys() == {b"before"}


def test_folder_that_cannot_be_written_is_told(tmp_path, model, monkeypatch):
    def refuse(self):
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(KeptFeatures, "_connect", refuse)
    with pytest.raises(TailscopeError, match=r"Features cannot be kept in .*\(disk I/O error; "):
        KeptFeatures(tmp_path, model)


def test_damaged_file_is_told_with_its_name(tmp_path, model):
    path = tmp_path / KeptFeatures(tmp_path / "whole", model).path.name
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(TailscopeError, match=rf"{path}, which keeps features, is damaged .* Delete it, and run again"):
        KeptFeatures(tmp_path, model)


def test_files_of_the_models_used_longest_ago_go_with_their_companions(tmp_path, model):
    for age, name in enumerate(("oldest", "older")):
        for ending in (".sqlite", ".sqlite-wal", ".sqlite-shm"):
            (tmp_path / f"{name}{ending}").write_bytes(b"x" * 1000)
            os.utime(tmp_path / f"{name}{ending}", (age, age))
    size = KeptFeatures(tmp_path, model).path.stat().st_size
    newest = KeptFeatures(tmp_path, model, size + 1500).path
    assert {path.name.partition(".")[0] for path in tmp_path.iterdir()} == {"older", newest.stem}
