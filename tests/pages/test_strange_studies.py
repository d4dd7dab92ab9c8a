"""Studies that were made elsewhere: corpora called like columns, texts that are markup, files that are broken."""

import pytest

from backend.frequency import name_count_column
from backend.study import Study
from backend.writing import write_manifest
from pages.ui.text import escape
from precompute.release.parse import TAIL_TASK
from tests.pages.session import PAGES, assert_whole, open_page, table, told, written
from tests.strange_study import NAMES, write_strange
from tests.tiny_study import count_rows, write_study

VIEWS = ["Rank curves", "Tail shares", "Inequality", "Text or image", "Threshold", "Between corpora"]
MARKUP = "![a](https://evil.example/x.png) **b** <img src=x> [c](https://evil.example) :red[d] $e$ `f`"


@pytest.fixture
def strange(studies) -> Study:
    """A study whose corpora are called like columns."""
    return write_strange(studies / "strange")


def wide_columns() -> set[str]:
    return {name_count_column(name) for name in NAMES}


@pytest.mark.parametrize("page", sorted(set(PAGES) - {"probe"}))
def test_corpora_may_be_called_like_columns(strange, page):
    address = {"concept": {"concept": "dog"}, "test_set": {"names": "dog\nant\nnothing"}}
    assert_whole(open_page(page, **address.get(page, {})))


@pytest.mark.parametrize("view", VIEWS)
def test_distributions_of_corpora_that_are_called_like_columns(strange, view):
    assert_whole(open_page("distributions", curve=view))


def test_names_have_their_counts_and_their_own_columns(strange):
    rows = table(open_page("test_set", names="dog\nant\nnothing"), "how")
    assert wide_columns() <= set(rows.columns)
    assert rows["name"].tolist() == ["ant", "dog", "nothing"]  # the rarest first
    assert rows["how"].tolist() == ["exact", "exact", "none"]
    assert rows["percentile"].tolist()[:2] == [0, 60]
    for column in wide_columns():
        assert rows[column].astype(float).fillna(-1).tolist() == [0, 100, -1]


def test_tail_classes_have_their_counts_and_their_own_columns(strange):
    rows = table(open_page("let_it_wag", limit="100"), "best").set_index("concept")
    assert wide_columns() <= set(rows.columns)
    assert rows.loc["dog", ["mean", "best", "best_model"]].tolist() == [60, 60, "net"]
    assert rows.loc["dog", sorted(wide_columns())].tolist() == [100] * len(NAMES)


def test_markup_in_the_texts_of_a_manifest_is_shown_as_it_is(place_study):
    """Nothing of them becomes an image, a link or a format."""
    control = {"models": ["ViT-B-16/cc3m", "ViT-B-16/laion400m"], "kind": "classification", "setting": "ensemble"}
    texts = {
        "title": f"{MARKUP} title",
        "description": f"{MARKUP} description",
        "source": f"{MARKUP} source",
        "created": f"{MARKUP} created",
        "absent": [f"{MARKUP} absent"],
        "method_notes": dict.fromkeys(("lemmatized", "lowercased", "rampp@0.7"), f"{MARKUP} note"),
        "reported": {
            "alignment_note": f"{MARKUP} alignment",
            "correlations_note": f"{MARKUP} correlations",
            "correlations": [["cc3m", "laion400m", 0.5]],
        },
        "tail": {"title": f"{MARKUP} tail", "task": TAIL_TASK, "setting": "ensemble", "split": 50}
        | {"compared_with": "imagenet"},
        "comparisons": [control | {"title": "t", "question": f"{MARKUP} question", "answer": MARKUP, "method": "lemmatized"}],
    }
    study = place_study()
    write_manifest(study.folder, study.manifest.to_json() | texts)
    shown = []
    for page, address in (
        ("overview", {}),
        ("distributions", {"curve": "Between corpora"}),
        ("scaling", {"view": "Controls"}),
        ("misalignment", {}),
        ("let_it_wag", {}),
        ("concept", {"concept": "bank swallow"}),
        ("search_quality", {}),
    ):
        shown += written(assert_whole(open_page(page, **address)))
    for text in shown:
        assert MARKUP not in text, text
        assert "evil.example/x.png" not in text, text  # `escape` leaves no bare address of the image
    everything = "\n".join(shown)
    for word in [
        "title",
        "description",
        "source",
        "created",
        "absent",
        "note",
        "alignment",
        "correlations",
        "tail",
        "question",
    ]:
        assert f"{escape(MARKUP)} {word}" in everything or f"{escape(MARKUP + ' ' + word)}" in everything, word


@pytest.mark.parametrize("how", ["cut short", "deleted"])
@pytest.mark.parametrize("page", ["overview", "concept", "test_set", "distributions", "scaling"])
def test_broken_table_is_a_sentence_with_what_mends_it(place_study, page, how):
    study = place_study(page)  # a study of another name: what the app remembers of others is not asked
    path = study.folder / "frequency.parquet"
    content = path.read_bytes()
    path.unlink()
    if how == "cut short":
        path.write_bytes(content[: len(content) // 2])
    address = {"concept": {"concept": "crane"}, "test_set": {"names": "crane"}}
    app = open_page(page, study=page, **address.get(page, {}))
    if how == "deleted":  # before the study was opened: it is a study without this table
        assert any("no table 'frequency'. Build it: python -m precompute published" in text for text in told(app))
    else:
        (said,) = {text for text in told(app) if "cannot be read" in text}
        assert said.startswith(f"Table 'frequency' of study '{page}' cannot be read: frequency.parquet is broken or cut short.")
        assert "python -m precompute check --study" in said
        assert said.endswith("python -m precompute published --force")
    assert not app.exception


def test_table_that_vanishes_while_it_is_looked_at_is_a_sentence(place_study):
    study = place_study("vanishing")
    assert_whole(open_page("distributions"))
    (study.folder / "frequency.parquet").unlink()
    app = assert_whole(open_page("concept", concept="crane"))
    assert any(
        "Table 'frequency' of study 'vanishing' cannot be read: frequency.parquet is missing." in text for text in told(app)
    )


def test_study_that_is_built_twice_within_a_second_answers_anew(studies):
    write_study(studies / "twice", count_rows("small", "lemmatized", {"ant": 7, "bee": 9}))
    assert table(open_page("concept", concept="ant"), "fewest")["count"].tolist() == [7]
    write_study(studies / "twice", count_rows("small", "lemmatized", {"ant": 8, "bee": 9}))
    assert table(open_page("concept", concept="ant"), "fewest")["count"].tolist() == [8]
