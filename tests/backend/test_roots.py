"""A study reads images from its own folder and from declared ones, and cannot declare any itself."""

import json
import os

import pytest

from backend.errors import TailscopeError
from backend.roots import IMAGE_ROOTS, STATE, allowed_roots, declare_roots, is_allowed


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    """A machine of its own that has noted nothing yet."""
    monkeypatch.setenv(STATE, str(tmp_path / "state"))
    monkeypatch.delenv(IMAGE_ROOTS, raising=False)
    return tmp_path / "state"


@pytest.fixture
def study(tmp_path):
    folder = tmp_path / "studies" / "mine"
    folder.mkdir(parents=True)
    return folder


def test_study_reads_from_its_own_folder_alone(study):
    roots = allowed_roots(study)
    assert roots == (study,)
    assert is_allowed(study / "pictures" / "a.jpg", roots)
    assert not is_allowed(study / ".." / "other" / "a.jpg", roots)
    assert not is_allowed(study.with_name("mine-too") / "a.jpg", roots)
    assert not is_allowed(study / "/etc/passwd", roots)


def test_link_in_a_study_leads_nowhere(study, tmp_path):
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(b"a secret")
    (study / "a.jpg").symlink_to(secret)
    (study / "pictures").symlink_to(tmp_path, target_is_directory=True)
    roots = allowed_roots(study)
    assert not is_allowed(study / "a.jpg", roots)
    assert not is_allowed(study / "pictures" / "secret.jpg", roots)


def test_linked_study_is_the_one_that_it_links_to(study, tmp_path):
    link = tmp_path / "studies" / "linked"
    link.symlink_to(study, target_is_directory=True)
    declare_roots(study, [tmp_path / "shards"])
    assert allowed_roots(link) == (study, tmp_path / "shards")


def test_operator_names_folders_for_every_study(study, tmp_path, monkeypatch):
    monkeypatch.setenv(IMAGE_ROOTS, os.pathsep.join([str(tmp_path / "a"), "", str(tmp_path / "b" / ".." / "b")]))
    assert allowed_roots(study) == (study, tmp_path / "a", tmp_path / "b")


def test_declared_folder_holds_for_its_study_alone_and_adds_up(study, tmp_path):
    declare_roots(study, [tmp_path / "shards" / "one"])
    declare_roots(study, [tmp_path / "shards" / "two", study / "inside"])
    assert allowed_roots(study) == (study, tmp_path / "shards" / "one", tmp_path / "shards" / "two")
    other = study.with_name("strange")
    assert allowed_roots(other) == (other,)


def test_note_lies_outside_of_the_study_and_none_is_written_for_its_own_folders(study, state, tmp_path):
    declare_roots(study, [study / "corpora"])
    assert not state.exists()
    declare_roots(study, [tmp_path / "shards"])
    assert list(study.iterdir()) == []
    assert len(list(state.rglob("*.json"))) == 1


@pytest.mark.parametrize("note", ["", "[]", "{}", json.dumps({"study": "/another", "roots": ["/"]})])
def test_note_that_cannot_be_read_or_is_of_another_study_allows_nothing(study, state, tmp_path, note):
    declare_roots(study, [tmp_path / "shards"])
    (path,) = state.rglob("*.json")
    path.write_text(note)
    assert allowed_roots(study) == (study,)


def test_note_that_cannot_be_written_is_told_with_what_to_do(study, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(STATE, str(tmp_path / "file"))
    with pytest.raises(TailscopeError, match=f"{STATE}, or the images' folders in {IMAGE_ROOTS}"):
        declare_roots(study, [tmp_path / "shards"])
