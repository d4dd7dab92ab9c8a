"""The page that prices a corpus of any size by a run that was measured, in this study or another; a sentence without one."""

from dataclasses import replace

import pytest

from backend.scale import read_own_run
from pages.ui.text import escape
from tests.backend.test_scale import LOOKED, RUN
from tests.pages.session import assert_whole, choose, downloads, find, open_page, said, table, told, written
from tests.tiny_study import animal_rows, count_rows, write_study


def open_scale(**address):
    return assert_whole(open_page("web_scale", **address))


def answer_of(app) -> str:
    """The sentence below the question."""
    return said(app).splitlines()[1]


@pytest.fixture
def measured(studies):
    """A study with a run of captions alone, and another one with a run that looked at images."""
    write_study(studies / "mine", animal_rows(), manifest={"title": "Mine", "runs": {"small": [vars(RUN)]}})
    write_study(studies / "other", animal_rows(), manifest={"title": "Other", "runs": {"large": [vars(LOOKED)]}})


def test_answer_has_time_memory_disk_and_price_of_the_size_asked_for(measured):
    app = open_scale(study="mine", machines="2", cores="8", price="3")
    # (8 / 1800 + 16 / 2000) s of 16 cores a sample, 1.26 / 1800 s alone, and 2.5 s: 611,921 s
    assert answer_of(app) == (
        "LAION-400M (414,080,000 pairs), captions alone: between **5.0 days** and **7.1 days** on 2 machines of 8 cores, with "
        "**2.4 GB** of memory each and **62.1 GB** of disk together. At 3.00 a machine and hour that costs at most "
        "**1,019.87**."
    )
    assert [code.value.splitlines()[-1].rpartition(" --")[2] for code in app.code] == ["processes 8", "ray HOST:6379"]
    assert {"web-scale.csv", "web-scale.parquet"} <= downloads(app)


def test_price_that_nobody_typed_is_called_an_assumption(measured):
    assert "At an assumed price of 1.00 a machine and hour" in answer_of(open_scale(study="mine"))


def test_steps_are_a_table_that_adds_up_to_the_answer(measured):
    rows = table(open_scale(study="mine", size="5 billion pairs", price="2"), "step").set_index("step")
    assert list(rows.index) == [
        "Recognizing the shards", "Reading", "Searching captions", "Merging", "Describing captions", "Telling languages"
    ]  # fmt: skip
    assert (rows.loc["Reading", "space"], rows.loc["Merging", "space"]) == ("250.0 GB", "500.0 GB")  # 50 and 100 bytes a sample
    assert rows.loc["Describing captions", "space"] == ""
    assert rows["money"].sum() == pytest.approx(rows["hours"].sum() * 4 * 2)


def test_figures_say_which_run_measured_them_and_what_is_assumed(measured):
    told_of = said(open_scale(study="mine"))
    assert "Measured on 2,000 samples of SMALL (Mine), captions, on 5 November 2026: 2 processes" in told_of
    assert "So small a run overstates" in told_of
    assert "every step grows in proportion" in told_of


def test_images_are_priced_by_a_run_that_looked_at_them_be_it_of_another_study(measured):
    app = open_scale(study="mine", looks="Captions and images")
    assert find(app, "selectbox", "measure_run").options == ["LARGE (Other), 2,000 samples"]
    assert "captions and their images by ViT-B-32:openai" in said(app)
    assert "Looking at images" in set(table(app, "step")["step"])
    assert app.code[0].value.endswith("--tagger MODEL --processes 16")


def test_another_size_and_another_measure_can_be_chosen(measured):
    app = choose(open_scale(study="mine", size="Another size"), "number_input", "pairs", 1_000_000)
    assert answer_of(assert_whole(app)).startswith("1,000,000 pairs, captions alone: between ")
    options = find(app, "selectbox", "measure_run").options
    assert options[:2] == ["SMALL (Mine), 2,000 samples", "LARGE (Other), 2,000 samples"]
    assert len(options) == 3  # the last is the program's own
    app = choose(app, "selectbox", "measure_run", options[1])
    assert "samples of LARGE (Other)" in said(assert_whole(app))


def test_names_of_corpus_study_and_tagger_are_shown_as_they_are(studies):
    run = vars(replace(LOOKED, tagger="*c* `d`", machine="<i>e</i>"))
    write_study(studies / "mine", count_rows("*a*", "lemmatized", {"b": 1}), manifest={"title": "$b$", "runs": {"*a*": [run]}})
    (shown,) = [text for text in written(open_scale()) if "Measured on" in text]
    for name in ("*A*", "$b$", "*c* `d`", "<i>e</i>"):
        assert name not in shown
        assert escape(name) in shown


def test_without_a_run_of_ones_own_the_program_tells_what_it_took_itself(studies):
    write_study(studies / "mine", animal_rows())
    own = read_own_run()
    app = open_scale()
    assert find(app, "selectbox", "measure_run").options == [f"{own.told}, {own.run.searched:,} samples"]
    assert answer_of(app).startswith("LAION-400M (414,080,000 pairs), captions alone: between **")
    assert f"Measured on {own.run.searched:,} samples of {own.title}, captions, on" in said(app)


def test_without_a_run_that_looked_at_images_the_command_that_measures_one_stands_there(studies):
    write_study(studies / "mine", animal_rows())
    app = open_scale(looks="Captions and images")
    assert told(app)[0].startswith("No run that looked at images was measured, in this study or another one here.")
    assert app.code[0].value.endswith("--corpus NAME --shards 'GLOB' --tagger MODEL")
