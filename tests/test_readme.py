"""The README promises commands, pages, files and pictures: each of them exists, and none is missing from it."""

import re

import pytest
from typer.main import get_command

from backend.study import ROOT
from precompute.__main__ import app

README = (ROOT / "README.md").read_text(encoding="utf-8")
FOLDERS = ("backend", "precompute", "pages")


@pytest.mark.parametrize("step", sorted(get_command(app).commands))
def test_every_command_stands_in_the_readme(step):
    assert f"python -m precompute {step}" in README


def test_every_command_of_the_readme_exists():
    assert set(re.findall(r"python -m precompute ([a-z]+)", README)) == set(get_command(app).commands)


def test_every_make_target_of_the_readme_exists():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    assert {"app", "test"} <= set(re.findall(r"(?:`|^)make ([a-z]+)", README, flags=re.MULTILINE)) <= targets


def test_every_page_of_the_navigation_has_its_row():
    titles = re.findall(r'st\.Page\([^)]*title="([^"]+)"', (ROOT / "app.py").read_text(encoding="utf-8"))
    assert len(titles) == 9
    assert [title for title in titles if f"| {title} | " not in README] == []


@pytest.mark.parametrize("folder", ["backend", "precompute"])
def test_every_module_has_its_line_in_the_file_tree(folder):
    modules = [path.name for path in (ROOT / folder).glob("*.py") if not path.name.startswith("__")]
    assert modules
    assert [name for name in modules if not re.search(rf"^  {re.escape(name)} +\S", README, flags=re.MULTILINE)] == []


def test_every_module_of_the_file_tree_exists():
    named = re.findall(r"^  (\w+\.py) ", README, flags=re.MULTILINE)
    assert [name for name in named if not any((ROOT / folder / name).is_file() for folder in FOLDERS)] == []


def test_every_picture_and_linked_file_exists():
    linked = [target for target in re.findall(r"\]\(([^)]+)\)", README) if "://" not in target]
    assert len(linked) >= 3
    assert [target for target in linked if not (ROOT / target).is_file()] == []
