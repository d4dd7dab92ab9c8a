"""Folders of studies for the app.

The app remembers answers by a study's folder and time of building, as a server does. A test that changes a study has a
folder of its own, so that no test sees another's answers; those that only read share one.
"""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import streamlit as st

from backend.schema import MANIFEST
from backend.study import Study


@pytest.fixture(autouse=True)
def quick_sessions(monkeypatch) -> None:
    """A page that fails says where; and no session looks through all installed packages for components (0.2 s a run)."""
    st.set_option("client.showErrorDetails", "full")
    monkeypatch.setattr("streamlit.components.v2.manifest_scanner.scan_component_manifests", lambda: [], raising=False)


@pytest.fixture
def studies(tmp_path, monkeypatch) -> Path:
    """The folder that the app looks for studies in; empty."""
    folder = tmp_path / "studies"
    folder.mkdir()
    monkeypatch.setattr("pages.ui.address.STUDIES", folder)
    return folder


@pytest.fixture
def place_study(studies, small_study) -> Callable[..., Study]:
    """Puts the small study where the app finds it, under a name, without some tables, with some manifest entries."""

    def place(name: str = "published", without: tuple[str, ...] = (), source: Study = small_study, **entries) -> Study:
        return copy_study(source, studies / name, without, **entries)

    return place


@pytest.fixture(scope="session")
def shelf(tmp_path_factory, small_study) -> Path:
    """A folder of studies with the small one in it."""
    folder = tmp_path_factory.mktemp("shelf")
    copy_study(small_study, folder / "published")
    return folder


@pytest.fixture
def published(shelf, monkeypatch) -> None:
    """The app serves the small study, under the name `published`."""
    monkeypatch.setattr("pages.ui.address.STUDIES", shelf)


@pytest.fixture
def world(invented_study, monkeypatch) -> None:
    """The app serves the invented world alone."""
    monkeypatch.setattr("pages.ui.address.STUDIES", invented_study.folder.parent)


def copy_study(source: Study, folder: Path, without: tuple[str, ...] = (), **entries) -> Study:
    """A study with the tables of another, without some of them, with some entries of the manifest replaced."""
    folder.mkdir()
    hidden = set(without) | {f"{table}.parquet" for table in without} | {MANIFEST}
    for path in source.folder.iterdir():
        if path.name not in hidden:
            (folder / path.name).symlink_to(path)
    (folder / MANIFEST).write_text(json.dumps(source.manifest.raw | entries), encoding="utf-8")
    return Study(folder)
