"""What follows a reader through a real browser: the choice of corpus and model, the address, the history, the search box."""

from urllib.parse import quote_plus

import pytest

SEARCH = "Search concepts"


def search(visitor, typed: str, name: str) -> None:
    """Types into the box at the top of a page and picks a name."""
    box = visitor.page.get_by_role("combobox", name=SEARCH)
    box.click()
    box.press_sequentially(typed)
    visitor.page.get_by_role("option").filter(has_text=name).first.click()
    visitor.page.get_by_role("heading", name=f"How well is “{name}” covered?").wait_for()
    visitor.wait()


def test_choice_follows_over_pages_reload_and_back(small_server, visit):
    visitor = visit(f"{small_server}/scaling")
    assert (visitor.chosen("Corpus"), visitor.chosen("Model")) == ("LAION-400M", "ViT-B-32/laion400m")
    corpus = visitor.choose_another("Corpus")
    model = visitor.chosen("Model")
    assert corpus != "LAION-400M"
    for page in ("Concept", "Test set", "Distributions", "Overview"):
        visitor.go_to(page)
        assert (visitor.chosen("Corpus"), visitor.chosen("Model")) == (corpus, model)
        assert f"corpus={corpus}" in visitor.page.url
    visitor.page.reload()
    assert visitor.wait().chosen("Corpus") == corpus
    for page in ("distributions", "test_set", "concept", "scaling"):  # a step back a page, and no more
        visitor.page.go_back()
        visitor.page.wait_for_url(f"**/{page}?corpus=**")
        visitor.wait()
    assert visitor.wait().chosen("Corpus") == corpus
    visitor.page.go_back()
    visitor.page.wait_for_url("**/scaling")
    assert visitor.wait().chosen("Corpus") == "LAION-400M"


def test_choice_gives_way_to_that_of_another_study(both_server, visit):
    visitor = visit(f"{both_server}/scaling?corpus=cc3m")
    assert visitor.chosen("Model") == "RN50/cc3m"
    assert visitor.choose_another("Study") == "An invented world"
    assert visitor.chosen("Corpus") in ("Zipf", "Balanced")
    assert "corpus=" not in visitor.page.url


def test_link_to_another_concept_changes_the_address_and_leaves_the_task_behind(small_server, visit):
    visitor = visit(f"{small_server}/concept?concept=crane&task=imagenet")
    link = visitor.page.get_by_test_id("stMain").get_by_test_id("stPageLink").first
    name = link.inner_text()
    assert name != "crane"
    link.locator("a").click()
    visitor.page.get_by_role("heading", name=f"How well is “{name}” covered?").wait_for()
    visitor.wait()
    assert f"concept={quote_plus(name)}" in visitor.page.url
    assert "task=" not in visitor.page.url
    visitor.page.reload()
    assert visitor.wait().title == f"How well is “{name}” covered?"
    visitor.page.go_back()
    visitor.page.get_by_role("heading", name="How well is “crane” covered?").wait_for()
    visitor.wait()
    assert "concept=crane" in visitor.page.url
    assert "task=imagenet" in visitor.page.url


def test_link_into_another_study_opens_it_on_the_same_page_and_back_returns(both_server, visit):
    visitor = visit(f"{both_server}/search_quality")
    assert visitor.chosen("Study") == "The paper's results"
    visitor.page.get_by_test_id("stMain").get_by_test_id("stPageLink").first.locator("a").click()
    visitor.page.wait_for_url("**study=An+invented+world**")
    visitor.wait()
    assert visitor.chosen("Study") == "An invented world"
    assert visitor.page.locator(".js-plotly-plot").count() == 3
    visitor.page.reload()
    assert visitor.wait().chosen("Study") == "An invented world"
    visitor.page.go_back()
    visitor.page.wait_for_url("**/search_quality")
    assert visitor.wait().chosen("Study") == "The paper's results"


@pytest.mark.parametrize(("page", "width"), [("scaling", 1280), ("let_it_wag", 390)])
def test_search_box_opens_a_concept_from_any_page_and_back_returns(small_server, visit, page, width):
    visitor = visit(f"{small_server}/{page}?corpus=cc3m", width=width)
    title = visitor.title
    search(visitor, "flam", "flamingo")
    assert "concept=flamingo" in visitor.page.url
    assert "corpus=CC-3M" in visitor.page.url
    assert visitor.page.title() == "flamingo · Tailscope"
    visitor.page.go_back()
    visitor.page.wait_for_url(f"**/{page}**")
    assert visitor.wait().title == title


def test_reload_and_back_between_two_concepts_picked_in_the_search_box(small_server, visit):
    visitor = visit(f"{small_server}/scaling")
    search(visitor, "flam", "flamingo")
    search(visitor, "crane", "crane")
    visitor.page.reload()
    assert visitor.wait().title == "How well is “crane” covered?"
    for concept in ("flamingo", None):
        visitor.page.go_back()
        visitor.page.wait_for_url(f"**/concept?concept={concept}" if concept else "**/scaling")
        visitor.wait()
    visitor.page.go_forward()
    visitor.page.get_by_role("heading", name="How well is “flamingo” covered?").wait_for()
    visitor.wait()


def test_page_of_a_gallery_stays_behind_with_its_concept(world_server, visit):
    visitor = visit(f"{world_server}/concept?concept=striped+daxu&hits_page=3")
    visitor.page.get_by_test_id("stMain").locator("a[href*='concept?concept=']").first.click()
    visitor.page.wait_for_url(lambda url: "striped+daxu" not in url)
    assert "hits_page" not in visitor.wait().page.url
    visitor.page.go_back()
    visitor.page.wait_for_url("**hits_page=3**")
    assert visitor.wait().title == "How well is “striped daxu” covered?"


def test_row_of_the_ladder_is_one_step_in_the_history(small_server, visit):
    visitor = visit(f"{small_server}/?model=RN50%2Fcc3m")
    opened = visitor.page.url
    visitor.page.locator("[data-testid=stDataFrame] .dvn-scroller").first.click(position={"x": 60, "y": 60})
    visitor.page.wait_for_url("**/concept?concept=*")
    visitor.wait().page.go_back()
    visitor.page.wait_for_url(opened)
    assert visitor.wait().title.startswith("Which concepts are rare")


def test_search_box_is_walked_by_keyboard_and_shows_counts_of_the_chosen_corpus(small_server, visit):
    visitor = visit(small_server)
    box = visitor.page.get_by_role("combobox", name=SEARCH)
    box.click()
    visitor.page.get_by_role("option").first.wait_for()
    assert visitor.page.get_by_role("option").first.inner_text().split() == ["rose", "3.35M"]  # the most frequent one
    box.press_sequentially("ros")
    visitor.page.get_by_role("option", selected=True).wait_for()
    box.press("Escape")
    assert visitor.page.get_by_role("option").count() == 0
    box.press("Backspace")
    visitor.page.get_by_role("option").first.wait_for()
    box.press("ArrowDown")
    box.press("Enter")
    visitor.page.wait_for_url("**/concept?concept=**")
    visitor.wait()


def test_typed_name_that_is_no_concept_is_met_with_others(published_server, visit):
    visitor = visit(f"{published_server}/overview")
    box = visitor.page.get_by_role("combobox", name=SEARCH)
    box.click()
    box.press_sequentially("flamigos")
    box.press("Enter")
    visitor.page.get_by_text("Did you mean").wait_for()
    visitor.page.get_by_role("link", name="flamingo", exact=True).click()
    visitor.page.get_by_role("heading", name="How well is “flamingo” covered?").wait_for()
    assert "concept=flamingo" in visitor.wait().page.url


def test_pages_that_a_study_cannot_fill_are_grey_with_the_reason_in_one_place(small_server, visit):
    visitor = visit(small_server)
    links = visitor.page.get_by_test_id("stSidebar").get_by_test_id("stPageLink")
    (grey,) = [link for link in links.all() if link.locator("[disabled]").count()]
    assert "Search quality" in grey.inner_text()
    visitor.page.get_by_text("Why some are grey").click()
    visitor.page.get_by_text("python -m precompute synthetic").wait_for()


@pytest.mark.parametrize(
    "path", ["", "distributions", "distributions?curve=Text+or+image", "concept?concept=rose", "test_set?names=rose"]
)
def test_page_comes_in_a_hundred_kilobytes(published_server, visit, path):
    visitor = visit(f"{published_server}/let_it_wag")
    received = []
    visitor.page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: received.append(len(frame))))
    visitor.open(f"{published_server}/{path}")
    visitor.page.wait_for_timeout(500)
    assert 5_000 < sum(received) <= 100_000


def test_every_page_has_a_description_of_its_own(small_server, visit):
    visitor = visit(small_server)
    told = set()
    for page in ("Distributions", "Concept", "Test set", "Overview"):
        visitor.go_to(page)
        told.add(visitor.page.locator("meta[name=description]").get_attribute("content"))
        assert visitor.page.title() == f"{page} · Tailscope"
    assert len(told) == 4
