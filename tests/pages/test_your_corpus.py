"""The page of a corpus: one of a study or a file that is counted there, set beside others, with what to collect."""

import re

import pytest

from pages.ui import corpus_file, corpus_source
from pages.ui.corpus_file import COUNTED_KEY
from pages.ui.corpus_source import MEMO_KEY
from tests.invented_world import CONCEPTS, HOSTILE_CAPTIONS, NEVER, true_counts
from tests.pages.session import assert_whole, choose, downloads, explained, figure, find, links, open_page, said, table, told
from tests.tiny_study import animal_rows, count_rows, model_row, score_rows, write_study

PARTS = ["What is in it", "Concepts", "Beside another", "Expected scores", "What to collect"]
FILE = "A file of mine"
BOOK = {"read": 10_005, "written": 10_000, "dropped": {"no caption": 5}}
CAPTIONS = b'caption\na rose\nRoses and a fern\n""\na rose\nan oak\n'


def open_corpus(**address):
    return assert_whole(open_page("your_corpus", **address))


def open_file(content: bytes = CAPTIONS, name: str = "mine.csv", classes: str = "", **address):
    """The page with a file that was handed in and counted."""
    app = open_page("your_corpus", whose=FILE, **address)
    if content:
        find(app, "file_uploader", "corpus-file").set_value((name, content, "text/csv"))
    find(app, "text_area", "corpus-classes").set_value(classes)
    (button,) = [button for button in app.button if button.label == "Count"]
    return button.click().run()


def answer_of(app) -> str:
    """The sentence below the question."""
    return said(app).splitlines()[1]


@pytest.fixture
def two_studies(studies):
    """A study of one's own, whose corpus shares three animals with one of another, which has a model and its line."""
    write_study(
        studies / "mine",
        count_rows("mine", "lemmatized", {"ant": 0, "cat": 1, "dog": 901, "yak": 3}),
        pairs={"mine": 10_000},
        manifest={"title": "Mine", "counts": {"index": {"mine": {"samples": BOOK}}}},
    )
    names = {f"pet {i}": 10 * i for i in range(40)}
    counts = {"ant": 90_000, "cat": 90_001, "dog": 90_002} | names
    scores = {name: min(float(5 * i), 100.0) for i, name in enumerate(counts)}
    write_study(
        studies / "released",
        count_rows("web", "lemmatized", counts),
        pairs={"web": 1_000_000},
        models=[model_row("net", "web")],
        performance=score_rows("net", scores),
        manifest={"title": "Released"},
    )


# A corpus of a study


def test_answer_names_pairs_drops_missing_and_hardly_shown_concepts(two_studies):
    app = open_corpus(study="mine")
    assert answer_of(app) == (
        "MINE: **10,000** pairs, **5** dropped. **1** of 4 concepts never occur; "
        "beside WEB it hardly shows **2**: **ant**, **cat**."
    )
    assert links(app)[-2:] == ["ant", "cat"]
    curves = figure(app, "corpus-curves")["data"]
    assert [curve["name"] for curve in curves] == ["MINE", "WEB"]
    assert "by lemma" in explained(app)


@pytest.mark.parametrize("part", PARTS)
def test_every_part_of_a_study_of_its_own_is_whole_and_can_be_taken_away(two_studies, part):
    app = open_corpus(study="mine", part=part)
    assert told(app) == []
    kinds = [name.rsplit(".", 1)[-1] for name in downloads(app)]
    assert kinds.count("csv") == kinds.count("parquet") >= 1 + len(app.dataframe)  # and the curves


def test_dropped_samples_stand_under_their_reason(two_studies):
    app = open_corpus(study="mine")
    assert table(app, "reason").to_dict("records") == [{"unit": "samples", "reason": "no caption", "count": 5}]
    assert "samples: 10,005 read, 10,000 kept, 5 dropped" in said(app)
    assert "holds the counts of MINE alone" in said(app)


def test_shift_has_counts_ranks_and_a_test(two_studies):
    app = open_corpus(study="mine", part="Beside another")
    rows = table(app, "reference_count").set_index("concept")
    assert rows["reference_count"].to_dict() == {"ant": 90_000, "cat": 90_001, "dog": 90_002}
    assert rows["hardly"].to_dict() == {"ant": True, "cat": True, "dog": False}
    assert rows["shift"].to_dict() == {"ant": 0, "cat": 0, "dog": 0}
    assert "exact conditional test" in said(app)
    assert "How hits clump in this corpus was not measured" in said(app)


def test_tasks_have_the_score_that_another_study_s_line_expects(two_studies):
    app = open_corpus(study="mine", part="Expected scores")
    (row,) = table(app, "expected", "measured").to_dict("records")
    assert (row["task"], row["concepts"], row["missing"]) == ("animals", 4, 1)
    assert row["measured"] == 5  # 0, 5 and 10 on the ant, the cat and the dog
    assert row["low"] <= row["expected"] <= row["high"]
    assert "If the line of net held" in said(app)


def test_list_of_what_to_collect_brings_a_share_to_the_reference_s(two_studies):
    app = open_corpus(study="mine", part="What to collect")
    rows = table(app, "to_share").set_index("concept")
    assert rows["to_share"].to_dict() == {"ant": 990, "cat": 988}  # (0 + m) / (10,000 + m) = 0.09
    assert {"expected", "more_low", "more_high"} <= set(rows.columns)
    assert "No architecture of this study was trained on two counted corpora" in said(app)  # so that no back-test is there
    assert {"what-to-collect.csv", "what-to-collect.parquet"} <= downloads(app)


def test_nothing_to_compare_with_leaves_the_corpus_by_itself(studies):
    write_study(studies / "mine", count_rows("mine", "lemmatized", {"ant": 0, "cat": 1}))
    assert answer_of(open_corpus()) == "MINE: **1,000** pairs. **1** of 2 concepts never occur."
    assert told(open_corpus(part="Beside another")) == ["Nothing is chosen to compare with."]
    assert told(open_corpus(part="Expected scores"))[0].startswith("No study here has a model whose own corpus was counted")
    rows = table(open_corpus(part="What to collect"), "concept", "count")
    assert rows.values.tolist() == [["ant", 0], ["cat", 1]]


def test_another_reference_can_be_chosen_or_none(two_studies):
    app = open_corpus(study="mine")
    assert find(app, "selectbox", "reference").options == ["WEB (Released)", "none"]
    assert "hardly" not in answer_of(choose(app, "selectbox", "reference", "none"))


def test_corpus_of_unknown_size_has_no_rates(studies):
    write_study(studies / "mine", animal_rows(), pairs={"large": 2_000})
    assert answer_of(open_corpus(corpus="small")).startswith("SMALL: a number of pairs that is not known.")
    (message,) = told(open_corpus(corpus="small", part="Beside another"))
    assert message.startswith("How many samples SMALL has is not known")


def test_invented_world_is_described_from_its_samples(world):
    app = open_corpus(corpus="zipf")
    missing = sum(not count for count in true_counts("zipf").values())
    assert missing == len(NEVER)
    assert "repeat another one letter by letter" in said(app)
    assert [len(figure(app, f"caption-{unit}")["data"]) for unit in ("words", "characters")] == [1, 1]
    assert "en" in table(app, "language")["language"].tolist()
    assert table(app, "value", "count")["value"].str.startswith("a striped daxu").any()
    concepts = table(open_corpus(corpus="zipf", part="Concepts"), "concept", "count")
    assert concepts["concept"].iloc[0] == CONCEPTS[0]


def test_study_without_counts_says_what_to_run(place_study):
    place_study(without=("frequency",))
    (message,) = told(open_page("your_corpus"))
    assert "has no table 'frequency'" in message or "no counted corpus" in message


# A file


def test_file_is_counted_and_told_like_a_corpus(published):
    app = assert_whole(open_file(classes="rose\nFern\nbirch"))
    assert answer_of(app).startswith("mine.csv: **4** pairs, **1** dropped. **1** of 3 concepts never occur")
    rows = table(assert_whole(choose(app, "button_group", "part", "Concepts")), "concept", "distinct")
    assert rows[["concept", "count", "distinct"]].values.tolist() == [["rose", 3, 2], ["fern", 1, 1], ["birch", 0, 0]]
    assert {"top-concepts.csv", "missing-concepts.csv", "corpus-curves.csv"} <= downloads(app)


@pytest.mark.parametrize("part", PARTS)
def test_every_part_of_a_file_is_whole(published, part):
    app = assert_whole(open_file(part=part))
    assert "concepts never occur" in answer_of(app)
    assert told(app) == []


def test_without_names_the_concepts_of_the_study_are_looked_for(published):
    app = assert_whole(open_file())
    label = find(app, "text_area", "corpus-classes").label
    (number,) = re.findall(r"\(empty: the (\d+) concepts of this study\)", label)
    assert f"of {number} concepts never occur" in answer_of(app)


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        (b"", "mine.csv", "No file yet. Choose one above."),
        (b"%PDF-1.7", "mine.pdf", "mine.pdf"),
        (b"caption\n\n", "mine.csv", "no caption that can be counted"),
    ],
    ids=["no file", "not captions", "no caption"],
)
def test_file_that_cannot_be_counted_is_one_sentence(published, content, name, message):
    app = assert_whole(open_file(content, name))
    (text,) = told(app)
    assert message in text
    assert "\n" not in text
    assert COUNTED_KEY not in app.session_state


def test_hostile_captions_are_shown_as_they_are(published):
    rows = "".join('"' + caption.replace('"', '""') + '"\n' for caption in HOSTILE_CAPTIONS for _ in range(2))
    app = assert_whole(open_file(f"caption\n{rows}".encode(), "*a* <b>.csv", classes="striped daxu\n$x$ [a](http://b.c)"))
    assert answer_of(app).startswith("*a* <b>.csv: **6** pairs, **0** dropped. **1** of 2 concepts never occur")
    assert set(table(app, "value")["value"]) == {caption.strip() for caption in HOSTILE_CAPTIONS}


def test_file_is_forgotten_with_a_press_and_kept_out_of_what_sessions_share(published, monkeypatch):
    shared = []
    monkeypatch.setattr(corpus_source, "_answer", lambda *args: shared.append(args))
    app = assert_whole(open_file())
    assert shared == []
    assert COUNTED_KEY in app.session_state and MEMO_KEY in app.session_state
    (button,) = [button for button in app.button if button.label.startswith("Forget")]
    app = assert_whole(button.click().run())
    assert COUNTED_KEY not in app.session_state and MEMO_KEY not in app.session_state
    assert "kept nowhere" in said(app)


def test_another_file_takes_the_place_of_the_first(published):
    app = assert_whole(open_file(classes="rose"))
    find(app, "file_uploader", "corpus-file").set_value(("other.csv", b"caption\na fern\n", "text/csv"))
    (button,) = [button for button in app.button if button.label == "Count"]
    assert answer_of(assert_whole(button.click().run())).startswith("other.csv: **1** pairs")


def test_other_files_of_the_session_are_not_counted_again(published, monkeypatch):
    app = assert_whole(open_file())
    monkeypatch.setattr(corpus_file, "count_file", lambda *args: pytest.fail("counted again"))
    assert_whole(choose(app, "button_group", "part", "What to collect"))
