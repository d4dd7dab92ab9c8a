"""The test-set page: names pasted or uploaded, found or not, counted and scored."""

import pytest

from tests.pages.session import assert_whole, choose, downloads, explained, figure, find, open_page, said, table, told
from tests.tiny_study import animal_rows, count_rows, model_row, score_rows, write_study


def open_names(names: str, **address):
    return assert_whole(open_page("test_set", names=names, **address))


def upload(content: bytes, name: str = "names.txt"):
    app = open_page("test_set")
    find(app, "file_uploader", "names_file").set_value((name, content, "text/plain"))
    return assert_whole(app.run())


def metrics(app) -> dict[str, str]:
    return {metric.label: metric.value for metric in app.metric}


@pytest.mark.parametrize("names", ["", "\n\n  \n", "name", ",,"])
def test_no_names_is_a_sentence(published, names):
    assert told(open_names(names)) == ["No names yet. Paste some above, or upload a list."]


def test_each_name_has_its_counts_and_an_expected_score(published):
    app = open_names("rose\nColt's_foot\nrose\nunheard of")
    rows = table(app, "name", "expected")
    assert rows["name"].tolist() == ["rose", "Colt's_foot", "rose", "unheard of"]
    assert rows["how"].tolist() == ["exact", "exact", "exact", "none"]
    assert rows["cc3m samples"].astype("float").fillna(-1).tolist() == [1, 10, 1, -1]
    assert rows["laion400m samples"].astype("float").fillna(-1).tolist() == [0, 383_805, 0, -1]
    # the 46 scores of RN50/cc3m are all each other's peers
    assert rows["expected"].iloc[:2].tolist() == [32.5, 32.5]
    assert rows["low"].iloc[0] < rows["expected"].iloc[0] < rows["high"].iloc[0]
    assert metrics(app)["names not found"] == "1 of 4"
    assert metrics(app)["mean expected score"] == "32.8%"  # the mean of the 46: 820 / 46 + 15
    text = said(app)
    assert "Over 2 concepts RN50/cc3m is expected to score **32.8%** on average; 4 in 5 such test sets score **" in text
    assert "too few tasks are in the study" in text  # four
    assert "How much does frequency add? A score of RN50/cc3m lies **" in text
    assert "(mean error over tenths of the concepts, left out in turn)" in text
    assert {"marked-classes.html", "test-set.csv", "test-set.parquet"} <= downloads(app)
    assert "RapidFuzz" in explained(app)


def test_marks_stand_on_the_curves_of_every_corpus(published):
    traces = figure(open_names("rose\niris"), "marked-classes")["data"]
    marks = [trace for trace in traces if trace["mode"] == "markers"]
    assert [trace["text"] for trace in marks] == [["iris", "rose"], ["iris"]]  # LAION-400M has no rose to draw


def test_tail_share_and_method_change_the_count_of_names_in_the_tail(published):
    app = open_names("rose\nunheard of")
    assert metrics(app)["names in the tail"] == "1 of 2"
    app = assert_whole(choose(app, "selectbox", "method", "lemmatized+rampp@0.7"))
    assert metrics(app)["names in the tail"] == "0 of 2"
    assert metrics(app)["mean expected score"] == "none"


def test_names_that_are_all_unknown_have_no_score(published):
    app = open_names("zzzz\nqqqq")
    assert metrics(app) == {"names in the tail": "0 of 2", "names not found": "2 of 2", "mean expected score": "none"}
    assert table(app, "name")["expected"].isna().all()


def test_near_spelling_is_offered_and_not_counted(published):
    app = open_names("flamigo\nflamigo\nrose")
    rows = table(app, "name")
    assert rows[["how", "near"]].fillna("").values.tolist() == [["none", "flamingo"], ["none", "flamingo"], ["exact", ""]]
    assert rows["expected"].isna().tolist() == [True, True, False]
    assert told(app) == ["Did you mean “flamigo” → “flamingo”? A near spelling is not counted; correct the list to use it."]
    assert metrics(app)["names not found"] == "2 of 3"


def test_how_the_list_was_read_is_said(published):
    app = open_names('["rose", "colt\'s foot"]')
    assert table(app, "name")["name"].tolist() == ["rose", "colt's foot"]
    assert "Read as a JSON list: 2 names, “rose”, “colt's foot”." in said(app)


def test_mean_of_a_test_set_says_that_it_holds_the_tasks_own_effect(studies):
    counts = {f"{task}{i}": 10 ** (i % 4) for task in "abcdef" for i in range(8)}
    rows = [row | {"task": row["label"][0]} for row in count_rows("small", "lemmatized", counts)]
    scores = [
        row | {"task": row["label"][0]}
        for row in score_rows("net", {label: 10 * "abcdef".index(label[0]) + int(label[1]) for label in counts})
    ]
    write_study(studies / "tiny", rows, models=[model_row("net", "small")], performance=scores)
    app = assert_whole(open_names("a1\nb2"))
    assert "as easy or hard as 6 tasks were" in said(app)
    assert "(mean error over 6 tasks, left out in turn)" in said(app)
    assert metrics(app)["mean expected score"] == "28.5%"  # all 48 are peers; the tasks lie evenly around their mean


def test_another_model_gives_other_scores(published):
    app = open_names("rose")
    app = assert_whole(choose(app, "selectbox", "model", "ViT-B-32/laion400m"))
    assert metrics(app)["mean expected score"] == "60.0%"
    assert "about as frequent in LAION-400M" in said(app)


def test_model_whose_corpus_is_not_counted_is_a_sentence(published):
    app = open_names("rose", method="text: lowercased")
    assert told(app) == ["Nothing joins: no task has both scores of RN50/cc3m (ensemble) and counts of cc3m by lowercased."]


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"rose\nflamingo\n", "names.txt"),
        (b'\xef\xbb\xbfclass,count\r\nrose,1\r\n"flamingo",2\r\n', "names.csv"),
        (b"rose\t1\nflamingo\t2", "names.tsv"),
        (b"rose\rflamingo", "names.txt"),
    ],
)
def test_file_of_names_is_read(published, content, name):
    assert table(upload(content, name), "name")["name"].tolist() == ["rose", "flamingo"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("Blüte".encode("latin-1"), "The file is not UTF-8 text."),
        ("rose".encode("utf-16"), "The file is not UTF-8 text."),
        (b"a\n" * 5_001, "The list has 5,001 names; this page takes up to 5,000."),
        (b"a" * 200_000, "cannot be read"),
        (b"a\n" * (1 << 19) + b"a", "The file has 1,048,577 bytes; this page takes up to 1,048,576."),
    ],
    ids=["Latin-1", "UTF-16", "too many names", "a line too long", "too large"],
)
def test_file_that_cannot_be_read_is_a_sentence(published, content, message):
    (said_to_user,) = told(upload(content))
    assert message in said_to_user


def test_empty_file_is_a_sentence(published):
    assert told(upload(b"")) == ["No names yet. Paste some above, or upload a list."]


def test_study_without_a_model_for_a_line_is_a_sentence(studies):
    scores = score_rows("net", {"ant": 10, "bee": 20, "cat": 30})
    write_study(studies / "tiny", animal_rows(), models=[model_row("net", None)], performance=scores)
    (message,) = told(open_names("ant"))
    assert message.startswith("Study 'tiny' has no model with classification scores")


def test_study_without_classification_scores_is_a_sentence(studies):
    scores = [row | {"kind": "retrieval"} for row in score_rows("net", {"ant": 10, "bee": 20, "cat": 30})]
    write_study(studies / "tiny", animal_rows(), models=[model_row("net", "small")], performance=scores)
    (message,) = told(open_names("ant"))
    assert message.startswith("Study 'tiny' has no model with classification scores")


def test_hostile_names_are_rows_like_any_other(published):
    names = ["*a* `b` $c$ <i>d</i>", "x" * 2_000, "🌹", "'; DROP TABLE concepts; --"]
    assert table(open_names("\n".join(names)), "name")["name"].tolist() == names
