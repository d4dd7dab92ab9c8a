"""The test-set page: names pasted or uploaded, found or not, counted and scored."""

import pytest

from tests.pages.session import assert_whole, choose, downloads, explained, figure, find, open_page, said, table, told
from tests.tiny_study import animal_rows, count_rows, model_row, score_rows, write_study


def open_names(names: str, **address):
    return assert_whole(open_page("test_set", names=names, **address))


def upload(content: bytes, name: str = "names.txt"):
    app = open_page("test_set")
    find(app, "file_uploader", "names_file").set_value((name, content, "text/plain"))
    return analyse(app)


def analyse(app):
    """Presses the button: until then nothing that is typed or uploaded counts."""
    (button,) = [button for button in app.button if button.label == "Analyse"]
    return assert_whole(button.click().run())


def names_of(app) -> list[str]:
    """The names of the list, as they stand in it."""
    return table(app, "name", "count")["name"].tolist()


@pytest.mark.parametrize("names", ["", "\n\n  \n", "name", ",,"])
def test_no_names_is_a_sentence(published, names):
    assert told(open_names(names)) == ["No names yet. Paste some above, or upload a list."]


def test_each_name_has_its_counts_and_an_expected_score(published):
    app = open_names("rose\nColt's_foot\nrose\nunheard of", model="RN50/cc3m")
    rows = table(app, "name", "expected")
    assert rows["name"].tolist() == ["rose", "rose", "Colt's_foot", "unheard of"]  # the rarest first, unknown ones last
    assert rows["count"].astype("float").fillna(-1).tolist() == [1, 1, 10, -1]  # of the model's own corpus
    # the 46 scores of RN50/cc3m are all each other's peers
    assert rows["expected"].iloc[:3].tolist() == [32.5] * 3
    assert rows["low"].iloc[0] < rows["expected"].iloc[0] < rows["high"].iloc[0]
    assert rows["measured"].fillna(-1).tolist()[::3] == [23, -1]
    assert list(rows.columns).index("measured") < list(rows.columns).index("expected")
    counts = table(app, "how")
    assert counts["how"].tolist() == ["exact", "exact", "exact", "none"]
    assert counts["cc3m samples"].astype("float").fillna(-1).tolist() == [1, 1, 10, -1]
    assert counts["laion400m samples"].astype("float").fillna(-1).tolist() == [0, 0, 383_805, -1]
    text = said(app)
    assert "**1** not found: unheard of." in text
    # the mean of the 46: 820 / 46 + 15
    assert "Over 2 concepts RN50/cc3m is expected to score **32.8%** on average; 4 in 5 such test sets score **" in text
    assert "too few tasks are in the study" in text  # four
    assert "How much does frequency add? A score of RN50/cc3m lies **" in text
    assert "(mean error over tenths of the concepts, left out in turn)" in text
    assert {"marked-classes.html", "test-set.csv", "test-set.parquet", "test-set-counts.csv"} <= downloads(app)
    assert "RapidFuzz" in explained(app)


def test_list_is_of_the_largest_corpus_and_follows_another(published):
    app = open_names("rose\niris")
    assert find(app, "selectbox", "corpus").value == "laion400m"
    assert find(app, "selectbox", "model").value == "ViT-B-32/laion400m"
    app = assert_whole(choose(app, "selectbox", "corpus", "cc3m"))
    assert find(app, "selectbox", "model").value == "RN50/cc3m"
    assert table(app, "name", "expected").set_index("name").loc["rose", "count"] == 1


def test_marks_stand_on_the_curves_of_every_corpus(published):
    traces = figure(open_names("rose\niris"), "marked-classes")["data"]
    marks = [trace for trace in traces if trace["mode"] == "markers"]
    assert [trace["text"] for trace in marks] == [["iris", "rose"], ["iris"]]  # LAION-400M has no rose to draw


def test_tail_share_and_method_change_the_count_of_names_in_the_tail(published):
    app = open_names("rose\nunheard of")
    assert "**1 of 2** are in the tail: rose." in said(app)
    app = assert_whole(choose(app, "selectbox", "method", "lemmatized+rampp@0.7"))
    assert "**0 of 2** are in the tail." in said(app)
    assert "is expected to score" not in said(app)


def test_tail_is_exactly_its_share_and_says_how_ties_are_broken(studies):
    rows = count_rows("small", "lemmatized", {f"kind {n:02d}": 0 if n < 5 else n for n in range(40)})
    scores = score_rows("net", {f"kind {n:02d}": n for n in range(40)})
    write_study(studies / "tiny", rows, models=[model_row("net", "small")], performance=scores)
    app = open_names("kind 01\nkind 00\nkind 04\nkind 30", tail="5")  # 2 of 40, where five are never shown
    assert "**2 of 4** are in the tail: kind 01, kind 00." in said(app)
    assert table(app, "name", "count")["in_tail"].tolist() == [True, True, False, False]
    assert "The tail is the rarest 5% of the study's concepts, 2 of 40," in said(app)
    assert "Ties are broken by name: 3 concepts are as rare as the last of these and outside." in said(app)


def test_names_that_are_all_unknown_have_no_score(published):
    app = open_names("zzzz\nqqqq")
    assert "**0 of 2** are in the tail. **2** not found: zzzz, qqqq." in said(app)
    assert "is expected to score" not in said(app)
    assert table(app, "name", "expected")["expected"].isna().all()


def test_near_spelling_is_offered_and_counts_only_when_ticked(published):
    app = open_names("flamigo\nflamigo\nrose")
    rows = table(app, "how")
    assert rows[["how", "near"]].fillna("").values.tolist() == [["exact", ""], ["none", "flamingo"], ["none", "flamingo"]]
    assert table(app, "name", "expected")["expected"].isna().tolist() == [False, True, True]
    assert "A near spelling counts only when you tick it." in said(app)
    assert "**2** not found: flamigo." in said(app)
    (offer,) = app.checkbox
    assert offer.label == "“flamigo” → flamingo"
    app = assert_whole(offer.check().run())
    assert table(app, "how")["how"].tolist().count("confirmed") == 2
    assert table(app, "how").set_index("name").loc["flamigo", "concept"].tolist() == ["flamingo"] * 2
    assert "** not found" not in said(app)


def test_names_are_in_the_address_only_while_a_link_is_asked_for(published):
    app = assert_whole(open_page("test_set"))
    find(app, "text_area", "names").set_value("rose\niris")
    app = analyse(app)
    assert names_of(app) == ["rose", "iris"]
    assert "names" not in app.query_params
    app = assert_whole(choose(app, "toggle", "linked", True))
    assert app.query_params["names"] == "rose\niris"
    app = assert_whole(choose(app, "toggle", "linked", False))
    assert "names" not in app.query_params


def test_link_with_names_is_answered_at_once_and_follows_what_is_typed(published):
    app = open_names("rose")
    assert names_of(app) == ["rose"]
    find(app, "text_area", "names").set_value("iris")
    app = analyse(app)
    assert app.query_params["names"] == "iris"


def test_names_too_long_for_a_link_are_answered_without_one(published):
    app = open_names("\n".join(["rose"] * 2_000))
    assert len(table(app, "name", "count")) == 2_000
    assert not app.toggle
    assert "names" not in app.query_params


def test_how_the_list_was_read_is_said(published):
    app = open_names('["rose", "colt\'s foot"]')
    assert names_of(app) == ["rose", "colt's foot"]
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
    assert "expected to score **28.5%**" in said(app)  # all 48 are peers; the tasks lie evenly around their mean


def test_another_corpus_gives_the_scores_of_its_models(published):
    app = open_names("rose", model="RN50/cc3m")
    app = assert_whole(choose(app, "selectbox", "corpus", "laion400m"))
    assert "ViT-B-32/laion400m is expected to score **60.0%**" in said(app)
    assert "about as frequent in LAION-400M" in said(app)


def test_corpora_are_those_that_the_method_counts(published):
    app = open_names("rose", method="text: lowercased", model="RN50/cc3m")
    assert "CC-3M has no counts said in the caption, letter by letter: this is LAION-400M." in said(app)
    assert "RN50/cc3m was not trained on LAION-400M: this is ViT-B-32/laion400m." in said(app)


def test_corpus_without_a_model_has_counts_alone(studies):
    rows = animal_rows() + count_rows("other", "lemmatized", {"ant": 3})
    scores = score_rows("net", {"ant": 10, "bee": 20, "cat": 30})
    write_study(studies / "tiny", rows, models=[model_row("net", "small")], performance=scores)
    app = open_names("ant\nbee", corpus="other")
    assert "No model of the study was trained on OTHER." in said(app)
    assert table(app, "name", "count")["count"].astype(float).fillna(-1).tolist() == [-1, 3]
    assert "expected" not in table(app, "name", "count")


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
    assert sorted(names_of(upload(content, name))) == ["flamingo", "rose"]


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
    assert names_of(open_names("\n".join(names))) == names
