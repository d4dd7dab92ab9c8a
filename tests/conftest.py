"""What tests share: a small release and its study, and the real data where it lies beside the checkout."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from backend.errors import TailscopeError
from backend.roots import IMAGE_ROOTS, STATE
from backend.schema import MANIFEST
from backend.study import ROOT, STUDIES, Study
from backend.validation import study_faults
from precompute.release.archive import describe_source
from precompute.release.published import build_published
from precompute.release.published import is_current as is_published_current
from precompute.synthetic.build import build_synthetic, is_current
from tests.invented_world import build_world
from tests.release_archive import write_archive

SHARED_DATA = ROOT.parent / "shared" / "data"
ARCHIVE = "frequency_determines_performance-main.tar.gz"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever uses the real data carries the marker `shared`."""
    for item in items:
        if {"shared_data", "published_study"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.shared)


@pytest.fixture(scope="session", autouse=True)
def own_state(tmp_path_factory) -> Iterator[None]:
    """Tests note nothing on the machine that they run on."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(STATE, str(tmp_path_factory.mktemp("state")))
        patch.delenv(IMAGE_ROOTS, raising=False)
        yield


@pytest.fixture(autouse=True)
def keep_main() -> Iterator[None]:
    """A page's test makes app.py the main module; processes that are started afterwards would run it."""
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the checkout."""
    if (SHARED_DATA / ARCHIVE).is_file():
        return SHARED_DATA
    missing = f"This test needs the real data: {ARCHIVE} in ../shared/data, beside the checkout."
    if os.environ.get("TAILSCOPE_REQUIRE_SHARED") == "1":
        pytest.fail(missing, pytrace=False)
    pytest.skip(missing)


@pytest.fixture(scope="session")
def common_folder(tmp_path_factory) -> Path:
    """A folder that all workers of this run share."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture(scope="session")
def small_archive(common_folder) -> Path:
    """The small release, as GitHub would pack it."""
    path = common_folder / "small-main.tar.gz"
    return _make_once(path, path.is_file, lambda: write_archive(path))


@pytest.fixture(scope="session")
def small_study(common_folder, small_archive) -> Study:
    """The study of the small release."""
    return Study(_build_once(common_folder / "small_studies" / "small", small_archive))


@pytest.fixture(scope="session")
def invented_study(common_folder) -> Study:
    """The study with every table and with pictures, made by rules."""
    folder = common_folder / "invented_studies" / "synthetic"
    folder.parent.mkdir(exist_ok=True)
    return Study(_make_once(folder, (folder / MANIFEST).is_file, lambda: build_world(folder)))


@pytest.fixture(scope="session")
def published_study(common_folder, shared_data) -> Study:
    """The study of the paper's release: the one in `data/` where it is up to date, else one that is built now."""
    archive = shared_data / ARCHIVE
    folder = STUDIES / "published"
    try:
        current = is_published_current(folder, describe_source(archive)) and not study_faults(folder)
    except TailscopeError:
        current = False
    return Study(folder if current else _build_once(common_folder / "studies" / "published", archive))


@pytest.fixture(scope="session")
def embedded_study(common_folder) -> Study:
    """The embedded study: the one in `data/` where it is up to date, else one that is built now, in a minute or two."""
    folder = STUDIES / "synthetic"
    try:
        current = is_current(folder) and not study_faults(folder)
    except TailscopeError:
        current = False
    if current:
        return Study(folder)
    folder = common_folder / "embedded_studies" / "synthetic"
    folder.parent.mkdir(exist_ok=True)
    return Study(_make_once(folder, (folder / MANIFEST).is_file, lambda: build_synthetic(folder, lambda stage, done: None)))


def _build_once(folder: Path, archive: Path) -> Path:
    folder.parent.mkdir(exist_ok=True)
    return _make_once(folder, (folder / MANIFEST).is_file, lambda: build_published(archive, folder, lambda stage, done: None))


def _make_once(path: Path, is_made: Callable[[], bool], make: Callable[[], object]) -> Path:
    """Makes what another worker has not made yet; the others wait for it."""
    with FileLock(path.with_name(f"{path.name}.lock")):
        if not is_made():
            make()
    return path
