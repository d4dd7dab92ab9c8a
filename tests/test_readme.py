"""The README promises commands, pages, files and pictures: each of them exists, and none is missing from it."""

import re

import pytest
from typer.main import get_command

from backend.study import ROOT
from pages.ui.navigation import ENTRIES
from precompute.__main__ import app

README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("step", sorted(get_command(app).commands))
def test_every_command_stands_in_the_readme(step):
    assert f"python -m precompute {step}" in README


def test_every_command_of_the_readme_exists():
    assert set(re.findall(r"python -m precompute ([a-z]+)", README)) == set(get_command(app).commands)


def test_every_make_target_of_the_readme_exists():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    assert {"app", "test"} <= set(re.findall(r"(?:`|^)make ([a-z]+)", README, flags=re.MULTILINE)) <= targets


def test_every_page_of_the_navigation_has_its_row():
    titles = [entry.title for entry in ENTRIES]
    assert len(titles) == 12
    assert [title for title in titles if f"| {title} | " not in README] == []


def modules_of_the_tree() -> list[str]:
    """The modules that the README's file tree names, as paths: a folder's name ends in a slash, its files stand deeper."""
    tree = README.partition("## The files")[2].partition("```")[2].partition("```")[0]
    folders, found = [], []
    for line in tree.splitlines():
        if entry := re.match(r"( *)(\S+) +\S|( *)(\S+/)$", line):
            depth, name = len(entry[1] or entry[3] or "") // 2, entry[2] or entry[4]
            folders[depth:] = [name]
            if name.endswith(".py"):
                found.append("".join(folders))
    return found


@pytest.mark.parametrize("folder", ["backend", "precompute"])
def test_every_module_has_its_line_in_the_file_tree(folder):
    modules = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / folder).rglob("*.py") if path.stem[:2] != "__")
    assert len(modules) > 10
    assert sorted(path for path in modules_of_the_tree() if path.startswith(f"{folder}/")) == modules


def test_every_picture_and_linked_file_exists():
    linked = [target for target in re.findall(r"\]\(([^)]+)\)", README) if "://" not in target]
    headings = {f"#{heading.lower().replace(' ', '-')}" for heading in re.findall(r"^#+ (.+)$", README, flags=re.MULTILINE)}
    assert len(linked) >= 3
    assert [target for target in linked if not (ROOT / target).is_file() and target not in headings] == []
