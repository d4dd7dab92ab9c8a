"""A folder of studies for the app, and a cache that no test leaves behind."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import streamlit as st

from backend.schema import MANIFEST, TABLES
from backend.study import Study


@pytest.fixture
def studies(tmp_path, monkeypatch) -> Path:
    """The folder that the app looks for studies in; empty."""
    folder = tmp_path / "studies"
    folder.mkdir()
    monkeypatch.setattr("pages.ui.address.STUDIES", folder)
    st.cache_data.clear()
    st.cache_resource.clear()
    yield folder
    st.cache_data.clear()
    st.cache_resource.clear()


@pytest.fixture
def place_study(studies, small_study) -> Callable[..., Study]:
    """Puts the small study where the app finds it, under a name, without some tables, with some manifest entries."""

    def place(name: str = "published", without: tuple[str, ...] = (), source: Study = small_study, **entries) -> Study:
        folder = studies / name
        folder.mkdir()
        for table in TABLES:
            if table not in without and source.has(table):
                (folder / f"{table}.parquet").symlink_to(source.folder / f"{table}.parquet")
        manifest = json.loads((source.folder / MANIFEST).read_text(encoding="utf-8"))
        (folder / MANIFEST).write_text(json.dumps(manifest | entries), encoding="utf-8")
        return Study(folder)

    return place


@pytest.fixture
def published(place_study) -> Study:
    """The small study, under the name that the app serves."""
    return place_study()
