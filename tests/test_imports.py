"""The rooms of the house: who may import whom, what an import may load, what no file may say; docstrings' examples."""

import ast
import doctest
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from backend.study import ROOT

FORBIDDEN = {
    "backend": {"streamlit", "precompute", "pages", "app", "tests"},
    "precompute": {"streamlit", "pages", "app", "tests"},
    "pages": {"duckdb", "torch", "open_clip", "tests"},
    "app.py": {"duckdb", "torch", "open_clip", "tests"},
}
MODELS = {"torch", "torchvision", "open_clip", "timm"}
WITH_MODELS = {
    *(f"backend/models/{name}.py" for name in ("checkpoints", "device", "download", "encode", "loading", "prompts", "sketch")),
    "precompute/synthetic/train.py",
}
DECODES = "precompute/evaluate/prepared.py"  # by the processes of torch's data loader; it loads no model
HEAVY = ("torch", "open_clip", "spacy", "streamlit")
NO_PROJECT = {".git", ".venv", ".pytest_cache", ".ruff_cache", ".hypothesis", "__pycache__", "downloads", "published"}
TEXTS = {".py", ".md", ".toml", ".txt", ".lock", ".json", ".yml", ".yaml", ".cfg", ".svg", ".css", ""}


def project_files() -> list[Path]:
    """Every text file of the project, without what is installed, downloaded or built."""
    found = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in NO_PROJECT]
        found += [Path(folder) / name for name in names if Path(name).suffix in TEXTS]
    return found


def modules(room: str) -> list[Path]:
    return [ROOT / room] if room.endswith(".py") else sorted((ROOT / room).rglob("*.py"))


def module_names(room: str) -> list[str]:
    """The modules of a room that can be imported without loading a model or running a command."""
    paths = [path.relative_to(ROOT) for path in modules(room)]
    light = [path for path in paths if str(path) not in WITH_MODELS and path.stem != "__main__"]
    return [".".join(path.with_suffix("").parts) for path in light]


def imported(path: Path) -> set[str]:
    """The top-level packages that a file imports anywhere, inside functions too."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(path.parent.name if node.level else node.module.split(".")[0])
    return names


@pytest.mark.parametrize("room", FORBIDDEN)
def test_imports_run_one_way(room):
    files = modules(room)
    wrong = {str(path.relative_to(ROOT)): imported(path) & FORBIDDEN[room] for path in files}
    assert files != []
    assert {name: packages for name, packages in wrong.items() if packages} == {}


@pytest.mark.parametrize("room", ["backend", "precompute"])
def test_only_clip_loads_models_and_only_the_training_makes_them(room):
    wrong = {str(path.relative_to(ROOT)): imported(path) & MODELS for path in modules(room)}
    assert {name: packages for name, packages in wrong.items() if packages and name not in {*WITH_MODELS, DECODES}} == {}


@pytest.mark.parametrize("room", ["backend", "precompute"])
def test_importing_a_room_loads_no_model_library(room):
    names = module_names(room)
    code = f"import importlib, sys\nfor name in {names}: importlib.import_module(name)\n"
    code += f"print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.returncode) == ("[]\n", 0), done.stderr


@pytest.mark.parametrize("room", ["backend", "precompute"])
def test_examples_of_docstrings_are_true(room):
    results = {name: doctest.testmod(importlib.import_module(name)) for name in module_names(room)}
    assert {name: result.failed for name, result in results.items() if result.failed} == {}
    assert sum(result.attempted for result in results.values()) > 0


def test_relative_imports_are_not_used():
    files = [path for room in FORBIDDEN for path in modules(room)]
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in files}
    relative = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert relative == []


def test_no_file_names_a_registry_host_or_a_place_on_one_machine():
    hosts = ["pypi" + ".org", "pythonhosted" + ".org", "artifact" + "ory", "conda" + ".anaconda", "npmjs" + ".org"]
    words = [*hosts, "/" + "work/", "/" + "root/", "/home" + "/"]
    found = {
        f"{path.relative_to(ROOT)}: {word}"
        for path in project_files()
        for word in words
        if word in path.read_text(encoding="utf-8", errors="replace")
    }
    assert ROOT / "Makefile" in project_files()
    assert found == set()
