"""Every figure of every page can be printed, says what it is of, and is legible on paper."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

from backend.printing.draw import lay_out, print_figure
from pages.ui.exports import list_figure_files
from tests.pages.session import PAGES, assert_whole, downloads, open_page
from tests.printed import assert_legible

SVG = "{http://www.w3.org/2000/svg}"
VIEWS = {
    "distributions": ("curve", ["Tail shares", "Inequality", "Text or image", "Threshold", "Between corpora"]),
    "scaling": ("view", ["Several models", "Every model", "Controls", "Change against change", "Causal comparison"]),
}


def list_views(concept: str) -> list[tuple[str, dict[str, str]]]:
    """Every page, and every view of those that have several."""
    asked = {"concept": {"concept": concept}, "test_set": {"names": concept}}
    plain = [(page, asked.get(page, {})) for page in PAGES]
    return plain + [(page, {key: view}) for page, (key, views) in VIEWS.items() for view in views]


def print_all(monkeypatch, studies: Path, concept: str) -> list[tuple]:
    """(name, figure, caption) of every figure of the app over a folder of one study, with all menus opened."""
    found = []
    monkeypatch.setattr("pages.ui.address.STUDIES", studies)
    monkeypatch.setattr(
        "pages.ui.blocks.list_figure_files",
        lambda figure, name, caption: found.append((name, figure, caption)) or list_figure_files(figure, name, caption),
    )
    for page, address in list_views(concept):
        app = assert_whole(open_page(page, **address))
        if app.get("plotly_chart"):
            downloads(app)
    return found


def assert_printed(found: list) -> None:
    assert len({name for name, _, _ in found}) > 10
    for name, figure, caption in {name: row for row in found for name in [row[0]]}.values():
        assert caption.study in caption.line and caption.study
        shown = caption.shown
        assert shown.models or shown.corpora or shown.methods, name
        drawing = ElementTree.fromstring(print_figure(figure, caption, "svg"))
        assert list(drawing.iter(f"{SVG}image")) == [], name
        said = " ".join("".join(element.itertext()) for element in drawing.iter(f"{SVG}text"))
        assert caption.title.split()[0] in said
        assert caption.line.split(" · ")[0].split()[0] in said
        assert_legible(lay_out(figure, caption))


def test_every_figure_of_the_small_study_is_printed(monkeypatch, shelf):
    assert_printed(print_all(monkeypatch, shelf, "crane"))


def test_every_figure_of_the_invented_world_is_printed(monkeypatch, invented_study):
    assert_printed(print_all(monkeypatch, invented_study.folder.parent, "striped daxu"))


def test_every_figure_of_the_papers_results_is_printed(monkeypatch, published_study, tmp_path):
    (tmp_path / "published").symlink_to(published_study.folder)
    assert_printed(print_all(monkeypatch, tmp_path, "rose"))
