"""What tests of readers share."""

import pytest

from precompute.corpus.copies import CACHE


@pytest.fixture(autouse=True)
def own_copies(tmp_path_factory, monkeypatch):
    """Copies of packed and remote files are made in a folder of the test's own."""
    folder = tmp_path_factory.mktemp("copies")
    monkeypatch.setenv(CACHE, str(folder))
    return folder
