"""One choice of corpus and model, over all pages: in the sidebar, in the address and in every link."""

import pytest

from tests.pages.session import assert_whole, choose, find, open_page, said
from tests.tiny_study import animal_rows, model_row, overall_row, score_rows, write_study

MODELS = ("net/small", "net/large", "old/large", "open/other")


def write_choices(folder, **manifest) -> None:
    """Two corpora, a model on the smaller, two on the larger and one on data that is not counted."""
    names = ("ant", "bee", "cat", "dog")
    scores = [row for i, model in enumerate(MODELS) for row in score_rows(model, dict.fromkeys(names, i))]
    write_study(
        folder,
        animal_rows(),
        manifest=manifest,
        models=[model_row(model, {"small": "small", "large": "large"}.get(model.partition("/")[2])) for model in MODELS],
        performance=scores,
        overall=[overall_row(model, "animals", -i) for i, model in enumerate(MODELS)],
    )


def chosen(app) -> tuple[str, str]:
    """The corpus and the model of the sidebar."""
    return find(app, "selectbox", "corpus").value, find(app, "selectbox", "model").value


def named(app) -> dict[str, str]:
    """What the address says of them."""
    return {key: app.query_params[key] for key in ("corpus", "model") if key in app.query_params}


@pytest.fixture
def tiny(studies) -> None:
    write_choices(studies / "tiny")


def test_study_names_the_choice_to_begin_with_and_the_address_is_silent(studies):
    write_choices(studies / "tiny", main={"corpus": "small", "model": "net/small"})
    app = assert_whole(open_page())
    assert (chosen(app), named(app)) == (("small", "net/small"), {})


def test_study_that_names_none_begins_with_its_largest_corpus(tiny):
    app = assert_whole(open_page("scaling"))
    assert (chosen(app), named(app)) == (("large", "net/large"), {})


@pytest.mark.parametrize(
    ("address", "choice"),
    [
        ({"corpus": "small"}, ("small", "net/small")),
        ({"corpus": "SMALL"}, ("small", "net/small")),
        ({"model": "net/small"}, ("small", "net/small")),
        ({"model": "old/large"}, ("large", "old/large")),
        ({"model": "open/other"}, ("large", "open/other")),
        ({"corpus": "small", "model": "open/other"}, ("small", "open/other")),
        ({"corpus": "large", "model": "net/small"}, ("large", "net/small")),
        ({"corpus": "nonsense", "model": "nonsense"}, ("large", "net/large")),
    ],
)
def test_address_names_the_choice_and_says_no_more_than_it_must(tiny, address, choice):
    app = assert_whole(open_page("scaling", **address))
    assert chosen(app) == choice
    again = assert_whole(open_page("concept", **named(app)))
    assert (chosen(again), named(again)) == (choice, named(app))


def test_corpus_brings_its_model_and_model_its_corpus(tiny):
    app = assert_whole(choose(open_page("overview"), "selectbox", "corpus", "small"))
    assert (chosen(app), named(app)) == (("small", "net/small"), {"corpus": "SMALL"})
    app = assert_whole(choose(app, "selectbox", "model", "old/large"))
    assert (chosen(app), named(app)) == (("large", "old/large"), {"model": "old/large"})
    app = assert_whole(choose(app, "selectbox", "model", "open/other"))
    assert chosen(app) == ("large", "open/other")


def test_choice_follows_the_reader_over_pages_and_in_links(tiny):
    app = choose(open_page("concept", concept="ant"), "selectbox", "corpus", "small")
    for page in ("scaling", "test_set", "distributions", "overview", "probe", "concept"):
        app = assert_whole(app.switch_page(f"pages/{page}.py").run())
        assert (chosen(app), named(app)) == (("small", "net/small"), {"corpus": "SMALL"})
    queries = [link.proto.query_string for link in app.get("page_link") if link.proto.page == "concept"]
    assert queries
    assert all("corpus=SMALL" in query for query in queries)


def test_choice_follows_into_a_study_that_has_it_and_no_further(studies):
    for name in ("one", "two"):
        write_choices(studies / name)
    write_study(studies / "zoo", [row | {"corpus": "other"} for row in animal_rows() if row["corpus"] == "small"])
    app = choose(open_page("scaling", study="one"), "selectbox", "model", "old/large")
    app = assert_whole(choose(app, "selectbox", "study", "two"))
    assert chosen(app) == ("large", "old/large")
    app = assert_whole(choose(app, "selectbox", "study", "zoo"))
    assert find(app, "selectbox", "corpus").value == "other"
    assert named(app) == {}


def test_page_that_cannot_use_the_choice_says_what_it_took_and_why(tiny):
    text = said(assert_whole(open_page("concept", concept="cat")))  # the larger corpus does not count it
    assert "LARGE does not count “cat”: this is SMALL." in text
    assert "this is SMALL" not in said(open_page("concept", concept="ant"))


def test_study_of_counts_alone_has_a_corpus_and_no_model(studies):
    write_study(studies / "tiny", animal_rows())
    app = assert_whole(open_page())
    assert find(app, "selectbox", "corpus").value == "large"
    assert "model" not in [box.key for box in app.get("selectbox")]
