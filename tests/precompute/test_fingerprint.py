"""Which files a step's checksum covers: those that it imports, however deep, and no list kept by hand."""

import pytest

from precompute import fingerprint
from precompute.fingerprint import code_sha256, list_sources

STEPS = ("search.index", "synthetic.build", "release.published", "vocabulary", "evaluate.scores", "evaluate.tail")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Three modules: `step` imports `deep.one` inside a function, which imports `two`; `other` is of no use to it."""
    files = {
        "precompute/step.py": "import json\n\ndef run():\n    from backend.deep import one\n",
        "backend/deep/__init__.py": "",
        "backend/deep/one.py": "from backend.two import NAME\n",
        "backend/two.py": "NAME = 1\n",
        "backend/other.py": "",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(fingerprint, "ROOT", tmp_path)
    return tmp_path


def test_imports_are_followed_at_any_depth(project):
    found = ("backend/deep/__init__.py", "backend/deep/one.py", "backend/two.py", "precompute/step.py")
    assert list_sources("precompute.step") == found


def test_checksum_changes_with_what_is_imported_and_with_nothing_else(project):
    before = code_sha256("precompute.step")
    (project / "backend" / "other.py").write_text("NAME = 2\n")
    assert code_sha256("precompute.step") == before
    (project / "backend" / "two.py").write_text("NAME = 2\n")
    assert code_sha256("precompute.step") != before


def test_embedded_study_is_built_again_after_an_edit_of_what_it_is_scored_with():
    assert {
        "precompute/synthetic/truth.py",
        "precompute/vocabulary.py",
        "backend/images.py",
    } <= set(list_sources("precompute.synthetic.build"))


@pytest.mark.parametrize("step", STEPS)
def test_no_step_depends_on_the_app(step):
    assert not [path for path in list_sources(f"precompute.{step}") if not path.startswith(("backend/", "precompute/"))]
