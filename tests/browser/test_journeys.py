"""The main journeys of a person through the app, in a real browser."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pandas as pd
import pytest
from playwright.sync_api import expect

from tests.invented_world import HOSTILE_CAPTIONS

PAGES = {
    "Overview": "Which concepts are rare",
    "Distributions": "How long is the tail?",
    "Scaling": "Does frequency determine performance?",
    "Compare models": "Where do two models differ?",
    "Concept": "Which concept?",
    "Misalignment": "Do captions say what images show?",
    "Let it Wag!": "What do models know of the rarest concepts?",
    "Search quality": "How right are the counts?",
    "Your corpus": "What is in your corpus, and what does it hardly show?",
    "Test set": "Is my test set in the tail?",
    "Live probe": "Does CLIP know what is on my photo?",
}


def test_person_opens_searches_rose_and_reads_why_its_counts_disagree(small_server, visit):
    visitor = visit(small_server)
    assert visitor.title.startswith(PAGES["Overview"])
    assert visitor.page.title() == "Overview · Tailscope"
    visitor.page.get_by_role("combobox", name="Search concepts").fill("rose")
    visitor.page.keyboard.press("Enter")
    visitor.page.wait_for_url("**/concept?concept=rose")
    visitor.wait()
    assert visitor.title == "How well is “rose” covered?"
    assert visitor.page.title() == "rose · Tailscope"
    visitor.go_to("Scaling")
    assert visitor.page.title() == "Scaling · Tailscope"


def test_row_of_the_ladder_opens_its_concept(small_server, visit):
    visitor = visit(f"{small_server}/?model=RN50%2Fcc3m")
    visitor.page.locator("[data-testid=stDataFrame] .dvn-scroller").first.click(position={"x": 60, "y": 60})  # the first row
    visitor.page.wait_for_url("**/concept?concept=*")
    assert visitor.wait().title.startswith("How well is “")


def test_changed_corpus_stands_in_the_address_and_opens_again_in_a_new_window(small_server, visit):
    visitor = visit(f"{small_server}/distributions?curve=Text+or+image")
    other = visitor.choose_another("Corpus")
    assert "corpus=" in visitor.page.url
    assert visit(visitor.page.url).chosen("Corpus") == other


def test_study_is_picked_by_its_title_and_addresses_may_name_its_folder(both_server, visit):
    visitor = visit(f"{both_server}/scaling?study=synthetic")
    assert visitor.chosen("Study") == "An invented world"
    assert "study=An+invented+world" in visitor.page.url
    assert visit(visitor.page.url).chosen("Study") == "An invented world"
    assert visit(f"{both_server}/scaling?study=published").chosen("Study") == "The paper's results"


def test_link_to_a_concept_and_back_keeps_the_choices(small_server, visit):
    visitor = visit(f"{small_server}/scaling")
    model = visitor.choose_another("Model")
    link = visitor.page.get_by_test_id("stMain").get_by_test_id("stPageLink").first
    name = link.inner_text()
    link.locator("a").click()
    visitor.page.wait_for_url("**/concept?**")
    assert visitor.wait().title == f"How well is “{name}” covered?"
    visitor.page.go_back()
    visitor.page.wait_for_url("**/scaling**model=**")
    visitor.wait()
    assert visitor.title == PAGES["Scaling"]
    assert visitor.chosen("Model") == model


def test_rows_and_figures_can_be_downloaded(small_server, visit, tmp_path):
    visitor = visit(f"{small_server}/scaling")
    visitor.open_menu(visitor.page.get_by_test_id("stPopoverButton").first)
    files = {}
    for button in ("Data (CSV)", "Data (Parquet)", "Figure (HTML)"):
        with visitor.page.expect_download() as download:
            visitor.page.get_by_role("button", name=button).click()
        files[button] = Path(tmp_path / download.value.suggested_filename)
        download.value.save_as(files[button])
    rows = pd.read_csv(files["Data (CSV)"])
    assert list(rows.columns) == ["task", "label", "concept", "count", "value", "n"]
    assert len(pd.read_parquet(files["Data (Parquet)"])) == len(rows) > 10
    assert "plotly" in files["Figure (HTML)"].read_text(encoding="utf-8")


def test_table_offers_no_csv_of_its_own(small_server, visit):
    """The browser's CSV of a table and its clipboard would hand on text that starts a formula."""
    visitor = visit(f"{small_server}/scaling")
    visitor.page.get_by_test_id("stDataFrame").first.hover()
    tools = visitor.page.get_by_test_id("stElementToolbarButton").all()
    assert "Search" in [tool.locator("button").get_attribute("aria-label") for tool in tools]
    assert visitor.page.get_by_role("button", name="Download as CSV").count() == 0


def test_deep_link_is_the_first_thing_a_new_server_sees(small_study, visit, tmp_path):
    from tests.browser.conftest import serve

    (tmp_path / "studies").mkdir()
    (tmp_path / "studies" / "published").symlink_to(small_study.folder)
    server = serve(tmp_path / "studies", tmp_path / "server.log")
    visitor = visit(f"{next(server)}/concept?concept=Rose")
    assert visitor.title == "How well is “rose” covered?"
    server.close()


def test_pasted_names_are_answered_and_leave_the_address_alone(small_server, visit):
    visitor = visit(f"{small_server}/test_set")
    visitor.page.get_by_label("Class names").fill("rose\nno such thing")
    visitor.page.get_by_role("button", name="Analyse").click()
    visitor.page.get_by_text("1 of 2").wait_for()
    visitor.wait()
    assert "1 of 2 are in the tail: rose. 1 not found: no such thing." in visitor.text
    assert "names=" not in visitor.page.url
    visitor.page.get_by_text("Make a link").click()
    visitor.page.wait_for_url("**names=rose**")
    assert "1 of 2 are in the tail: rose." in visit(visitor.page.url).text


def test_gallery_of_a_concept_pages_through_and_filters(world_server, visit):
    visitor = visit(f"{world_server}/concept?concept=striped+daxu")
    pages = visitor.page.get_by_test_id("stPagination")
    pages.scroll_into_view_if_needed()
    assert "1 to 24 of 67" in visitor.text
    pages.get_by_role("button", name="Page 3", exact=True).click()
    visitor.page.get_by_text("49 to 67 of 67").wait_for()
    assert "hits_page=3" in visitor.wait().page.url
    visitor.page.get_by_role("radio", name="text", exact=True).click()
    visitor.page.get_by_text("1 to 24 of 92").wait_for()
    assert "hits_page" not in visitor.wait().page.url
    visitor.page.get_by_text("See its samples whose caption and image disagree").click()
    visitor.page.wait_for_url("**/misalignment?about=striped+daxu**")
    visitor.wait()
    assert visitor.title == PAGES["Misalignment"]
    assert visitor.page.get_by_label("About a concept").input_value() == "striped daxu"
    visitor.page.get_by_role("radio", name="image-only").click()
    visitor.wait()
    assert visitor.shown_pictures() > 0


def test_address_of_a_page_of_samples_opens_in_a_new_window(world_server, visit):
    visitor = visit(f"{world_server}/misalignment?disagreement=text-only&samples_page=5&order=boundary+cases+first")
    assert "97 to 105 of 105" in visitor.text
    assert visitor.shown_pictures() == 2 * 9  # each beside how the species looks that its caption names


def test_hostile_captions_stand_literally_and_do_nothing(world_server, visit):
    visitor = visit(f"{world_server}/concept?concept=striped+daxu")
    captions = visitor.page.get_by_test_id("stText").all_inner_texts()
    for caption, written in zip(captions, HOSTILE_CAPTIONS[:2], strict=False):
        assert caption == written
    grid = visitor.page.get_by_test_id("stMain")
    assert grid.locator("a[href*=evil], a[href^=mailto], script, .katex, img[src*=evil]").count() == 0


def test_causal_comparison_and_search_quality_are_drawn(world_server, visit):
    visitor = visit(f"{world_server}/scaling?view=Causal+comparison")
    visitor.page.locator(".js-plotly-plot .main-svg").first.wait_for()
    assert "per tenfold" in visitor.text
    visitor.go_to("Search quality")
    assert visitor.page.locator(".js-plotly-plot").count() == 3


def assert_every_page_opens_and_fits(visitor, grey: Mapping[str, str] = MappingProxyType({})) -> None:
    """Goes through all pages by their links; to those whose link is grey, by their address."""
    for page, question in PAGES.items():
        visitor.open(grey[page]) if page in grey else visitor.go_to(page)
        expect(visitor.page.locator("h1").first).to_contain_text(question, timeout=30_000)
        assert visitor.fits()


@pytest.mark.parametrize(("width", "dark"), [(1280, True), (390, False)])
def test_every_page_of_the_invented_world_opens_and_fits(world_server, visit, width, dark):
    assert_every_page_opens_and_fits(visit(world_server, width=width, dark=dark))


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_every_page_of_the_published_study_opens_and_fits(published_server, visit, width, dark):
    grey = {"Search quality": f"{published_server}/search_quality"}  # nobody knows the truth of its counts
    assert_every_page_opens_and_fits(visit(published_server, width=width, dark=dark), grey)


def test_every_view_of_the_published_study_draws_its_figure(published_server, visit):
    visitor = visit(f"{published_server}/distributions")
    for page, views in (
        ("distributions", ("Tail shares", "Inequality", "Text or image", "Threshold", "Between corpora", "Rank curves")),
        ("scaling", ("Several models", "Every model", "Controls", "One model")),
    ):
        visitor.open(f"{published_server}/{page}")
        for view in views:
            visitor.page.get_by_role("radio", name=view).click()
            visitor.wait()
            figure = visitor.page.locator(".js-plotly-plot .main-svg").first
            figure.wait_for()
            assert figure.bounding_box()["height"] > 200
            assert visitor.fits()


def test_click_on_a_point_opens_its_concept(published_server, visit):
    visitor = visit(f"{published_server}/scaling")
    plot = visitor.page.locator(".js-plotly-plot .nsewdrag").first
    plot.scroll_into_view_if_needed()
    visitor.page.wait_for_timeout(1000)
    box = plot.bounding_box()
    for step in range(400):  # the points are many: sweep the plot until one is under the mouse
        x = box["x"] + box["width"] * (0.4 + 0.4 * (step % 20) / 20)
        y = box["y"] + box["height"] * (0.5 + 0.45 * (step // 20) / 20)
        visitor.page.mouse.move(x, y)
        visitor.page.wait_for_timeout(40)
        hovered = visitor.page.locator(".hoverlayer").first.text_content()
        if "samples" in hovered and "mean" not in hovered:
            break
    concept = hovered.split(" (")[0]
    visitor.page.mouse.click(x, y)
    visitor.page.wait_for_url("**/concept?**")
    assert visitor.wait().title == f"How well is “{concept}” covered?"
    visitor.page.go_back()  # one step, as after a click on a link
    visitor.page.wait_for_url(f"{published_server}/scaling")
    assert visitor.wait().title == PAGES["Scaling"]
